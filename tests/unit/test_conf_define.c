/* Definitions made by clients, and the difference between two configurations. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "daemon/base/buf.h"
#include "daemon/base/mem.h"

static struct conf *parse(const char *text)
{
	struct conf_diag diag = { 0 };
	struct conf_sources *s = NULL;
	struct conf *c = NULL;

	assert_int_equal(conf_sources_of("foster.ini", text, strlen(text), &s), 0);
	if (conf_parse(s, NULL, &c, &diag) != 0)
		fail_msg("%s", conf_problem_text(&diag.problems[0]));
	conf_diag_done(&diag);
	conf_sources_free(s);
	return c;
}

static struct conf *base(void)
{
	return parse("[foster]\nstart_method=spawn\nenvironment=A=\"base\",B=\"base\"\n"
		     "[forkserver:py]\ntype=python\n");
}

/* What defining d gives: a configuration, or the problems in *ret_text. */
static struct conf *define(const struct conf_definition *d, char **ret_text)
{
	struct conf *from = base(), *c = NULL;
	struct conf_diag diag = { 0 };
	struct buf text = { 0 };
	int err = conf_define(from, d, &c, &diag);

	for (size_t i = 0; i < diag.n_problems; i++) {
		auto_free char *one = conf_problem_text(&diag.problems[i]);

		buf_addf(&text, "%s\n", one);
	}
	assert_int_equal(err, c ? 0 : -EINVAL);
	mallopt(M_PERTURB, 0x5a); /* what is freed does not look as before */
	conf_unref(from); /* what was defined does not need it */
	conf_diag_done(&diag);
	*ret_text = buf_take_str(&text);
	return c;
}

static const char *const sleep_argv[] = { "sleep", "50%", "a\xff b", "", NULL };

static void a_client_gets_the_defaults_of_clients(void **unused)
{
	const struct conf_definition d = { .name = "job", .argv = sleep_argv };
	auto_free char *text = NULL;
	struct conf *c = define(&d, &text);
	const struct conf_process *p;

	(void)unused;
	assert_string_equal(text, "");
	assert_int_equal(c->n_processes, 1);
	p = conf_find_process(c, "job");
	assert_string_equal(p->name, "job");
	assert_string_equal(p->group, "job");
	assert_string_equal(p->program->name, "job");
	assert_int_equal(p->program->restart.autorestart, CONF_NEVER);
	assert_true(p->program->restart.startsecs == 0);
	assert_true(p->program->daemon && !p->program->autostart && !p->program->stdin_pipe);
	assert_int_equal(p->program->kill_scope, CONF_TREE);
	assert_int_equal(p->program->method, CONF_SPAWN); /* [foster]'s */
	assert_int_equal(p->out.kind, CONF_LOG_AUTO);
	assert_null(p->program->file);
	assert_null(p->directory);
	assert_string_equal(p->environ[0], "A=base");
	assert_string_equal(p->environ[1], "B=base");
	assert_null(p->environ[2]);
	conf_unref(c);
}

static void arguments_are_taken_as_they_are(void **unused)
{
	const struct conf_definition d = { .name = "job", .argv = sleep_argv };
	auto_free char *text = NULL;
	struct conf *c = define(&d, &text);

	(void)unused;
	for (size_t i = 0; sleep_argv[i]; i++)
		assert_string_equal(c->processes[0].argv[i], sleep_argv[i]);
	assert_null(c->processes[0].argv[4]);
	conf_unref(c);
}

static void a_group_may_be_named_too(void **unused)
{
	const struct conf_definition d = { .name = "pipe-1:0", .argv = sleep_argv };
	auto_free char *text = NULL;
	struct conf *c = define(&d, &text);
	const struct conf_process *p = conf_find_process(c, "pipe-1:0");

	(void)unused;
	assert_string_equal(p->group, "pipe-1");
	assert_string_equal(p->name, "0");
	assert_ptr_equal(conf_find_group(c, "pipe-1")->processes[0], p);
	conf_unref(c);
}

static void settings_are_those_of_files_without_expansion(void **unused)
{
	static const struct conf_setting settings[] = {
		{ "AutoRestart", "true" },	     { "stopsignal", "INT" },
		{ "restart_delay", "10ms" },	     { "environment", "B=\"%(x)s\"" },
		{ "start_method", "forkserver:py" },
	};
	static const char *const environ_of_client[] = { "C=\xff=1", NULL };
	const struct conf_definition d = { .name = "job",
					   .argv = sleep_argv,
					   .settings = settings,
					   .n_settings = 5,
					   .environ = environ_of_client,
					   .directory = "/no/such/dir" };
	auto_free char *text = NULL;
	struct conf *c = define(&d, &text);
	const struct conf_process *p;

	(void)unused;
	assert_string_equal(text, "");
	p = &c->processes[0];
	assert_int_equal(p->program->restart.autorestart, CONF_ALWAYS);
	assert_true(p->program->restart.native);
	assert_string_equal(p->program->forkserver, "py");
	assert_string_equal(p->environ[0], "A=base");
	assert_string_equal(p->environ[1], "B=%(x)s");
	assert_string_equal(p->environ[2], "C=\xff=1");
	assert_string_equal(p->directory, "/no/such/dir"); /* found out when it is entered */
	conf_unref(c);
}

static void an_entry_needs_no_arguments_of_a_command(void **unused)
{
	static const struct conf_setting settings[] = { { "start_method", "forkserver:py" },
							{ "entry", "a.b:c" },
							{ "args", "1 2" } };
	const struct conf_definition d = { .name = "e", .settings = settings, .n_settings = 3 };
	auto_free char *text = NULL;
	struct conf *c = define(&d, &text);

	(void)unused;
	assert_string_equal(text, "");
	assert_null(c->processes[0].argv);
	assert_string_equal(c->processes[0].args[1], "2");
	conf_unref(c);
}

static void every_problem_of_a_definition_is_told(void **unused)
{
	static const struct conf_setting settings[] = {
		{ "stopsignal", "X" },	    { "autorestrat", "true" },	      { "numprocs", "3" },
		{ "command", "again" },	    { "stdout_logfile", "relative" }, { "parent", "a b" },
		{ "start_method", "fokr" },
	};
	static const char *const bad_environ[] = { "NOVALUE", NULL };
	const struct conf_definition d = { .name = "-job",
					   .argv = sleep_argv,
					   .settings = settings,
					   .n_settings = 7,
					   .environ = bad_environ,
					   .directory = "here" };
	auto_free char *text = NULL;

	(void)unused;
	assert_null(define(&d, &text));
	assert_string_equal(
		text,
		"[program:-job] a name must not begin with '-'\n"
		"[program:-job] autorestrat: unknown key (did you mean 'autorestart'?)\n"
		"[program:-job] command: the command was given already\n"
		"[program:-job] directory: must be absolute\n"
		"[program:-job] environment: 'NOVALUE' is not NAME=VALUE\n"
		"[program:-job] numprocs: is for programs in files\n"
		"[program:-job] parent: 'a b': a name must not contain blanks\n"
		"[program:-job] start_method: 'fokr' is not valid (expected fork, spawn, forkserver "
		"or forkserver:NAME)\n"
		"[program:-job] stdout_logfile: 'relative': a client must give an absolute path\n"
		"[program:-job] stopsignal: 'X' is not valid (expected the name or number of a "
		"signal, such as TERM)\n");
}

static void nothing_to_run_is_a_problem(void **unused)
{
	static const char *const none[] = { NULL };
	const struct conf_definition no_argv = { .name = "a" };
	const struct conf_definition empty = { .name = "a", .argv = none };
	char *text = NULL;

	(void)unused;
	assert_null(define(&no_argv, &text));
	assert_string_equal(text,
			    "[program:a] command= (or entry= with a forkserver) is missing\n");
	free(text);
	assert_null(define(&empty, &text));
	assert_string_equal(text, "[program:a] a program is missing\n");
	free(text);
}

static void on_change(void *data, enum conf_change change, const struct conf_process *p)
{
	buf_addf(data, "%s %s\n", conf_change_name(change), p->full_name);
}

static void a_difference_names_who_came_went_and_changed(void **unused)
{
	struct conf *from = parse("[program:gone]\ncommand=g\n[program:same]\ncommand=s\n"
				  "[program:other]\ncommand=o\n");
	struct conf *to = parse("; moved down\n[program:new]\ncommand=n\npriority=1\n"
				"[program:other]\ncommand=o 2\n[program:same]\ncommand=s\n");
	auto_buf struct buf seen = { 0 };

	(void)unused;
	conf_diff(from, to, on_change, &seen);
	assert_string_equal(seen.data, "removed gone\nadded new\nchanged other\n");
	conf_unref(from);
	conf_unref(to);
}

/* Each key that a program can have makes a difference, so that none is forgotten in diff.c. */
static void every_key_makes_a_difference(void **unused)
{
	static const char *const lines[] = {
		"autorestart=true",
		"autostart=false",
		"daemon=false",
		"directory=/",
		"exitcodes=1",
		"environment=A=1",
		"give_up=1/1",
		"kill_scope=group",
		"killasgroup=true",
		"log_format=json",
		"log_full=drop",
		"log_prefix=false",
		"numprocs_start=1",
		"parent=p",
		"priority=1",
		"redirect_stderr=true",
		"restart_delay=2",
		"restart_delay_max=99",
		"restart_jitter=0.1",
		"start_method=spawn",
		"startretries=9",
		"startsecs=9",
		"stderr_logfile=NONE",
		"stderr_logfile_backups=1",
		"stderr_logfile_maxbytes=1",
		"stderr_syslog=true",
		"stdin=/etc/passwd",
		"stdout_logfile=/tmp/x",
		"stdout_logfile_backups=1",
		"stdout_logfile_maxbytes=1",
		"stdout_syslog=true",
		"stop_command=x",
		"stopasgroup=true",
		"stopsignal=INT",
		"stopwaitsecs=1",
		"umask=077",
		"user=root",
		"command=other",
	};
	struct conf *plain = parse("[program:p]\ncommand=p\n[program:x]\ncommand=x\n");

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		auto_buf struct buf text = { 0 };
		struct conf *c;

		buf_addf(&text, "[program:p]\ncommand=p\n[program:x]\ncommand=x\n%s\n", lines[i]);
		c = parse(text.data);
		if (conf_process_same(conf_find_process(plain, "x"), conf_find_process(c, "x")))
			fail_msg("%s makes none", lines[i]);
		assert_true(conf_process_same(conf_find_process(plain, "p"),
					      conf_find_process(c, "p")));
		conf_unref(c);
	}
	conf_unref(plain);
}

static void a_forkserver_changes_with_its_parts(void **unused)
{
	static const char *const lines[] = { "preload=json", "environment=A=1", "directory=/",
					     "user=root", "interpreter=/usr/bin/python3.9" };
	struct conf *plain = parse("[forkserver:x]\ntype=python\n");

	(void)unused;
	assert_true(conf_forkserver_same(&plain->forkservers[0], &plain->forkservers[0]));
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		auto_buf struct buf text = { 0 };
		struct conf *c;

		buf_addf(&text, "[forkserver:x]\ntype=python\n%s\n", lines[i]);
		c = parse(text.data);
		assert_false(conf_forkserver_same(&plain->forkservers[0], &c->forkservers[0]));
		conf_unref(c);
	}
	conf_unref(plain);
}

static void a_configuration_goes_with_its_last_reference(void **unused)
{
	struct conf *c = parse("[program:a]\ncommand=a\n");

	(void)unused;
	assert_ptr_equal(conf_ref(c), c);
	conf_unref(c);
	assert_non_null(conf_find_process(c, "a"));
	conf_unref(c);
	conf_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_gets_the_defaults_of_clients),
		cmocka_unit_test(arguments_are_taken_as_they_are),
		cmocka_unit_test(a_group_may_be_named_too),
		cmocka_unit_test(settings_are_those_of_files_without_expansion),
		cmocka_unit_test(an_entry_needs_no_arguments_of_a_command),
		cmocka_unit_test(every_problem_of_a_definition_is_told),
		cmocka_unit_test(nothing_to_run_is_a_problem),
		cmocka_unit_test(a_difference_names_who_came_went_and_changed),
		cmocka_unit_test(every_key_makes_a_difference),
		cmocka_unit_test(a_forkserver_changes_with_its_parts),
		cmocka_unit_test(a_configuration_goes_with_its_last_reference),
	};

	return cmocka_run_group_tests_name("conf_define", tests, NULL, NULL);
}
