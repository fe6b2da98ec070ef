/* Whole configurations: defaults, rules between keys, names, order, and each problem's text. */
#include <errno.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "daemon/base/buf.h"
#include "daemon/base/mem.h"

static const char *const env[] = { "HOME=/root", "X=from outside", "TMPDIR=/tmp", NULL };

static int parse(const char *text, struct conf **ret_conf, struct conf_diag *diag)
{
	struct conf_sources *s = NULL;
	int err;

	assert_int_equal(conf_sources_of("foster.ini", text, strlen(text), &s), 0);
	err = conf_parse(s, env, ret_conf, diag);
	conf_sources_free(s);
	return err;
}

/* The configuration of text, which has nothing that is wrong. */
static struct conf *good(const char *text)
{
	struct conf_diag diag = { 0 };
	struct conf *c = NULL;

	if (parse(text, &c, &diag) != 0)
		fail_msg("%s", conf_problem_text(&diag.problems[0]));
	if (diag.n_problems)
		fail_msg("%s", conf_problem_text(&diag.problems[0]));
	conf_diag_done(&diag);
	return c;
}

/* All problems as lines, warnings with "(warning) " before them. */
static char *problems(const char *text, int wanted_err)
{
	struct conf_diag diag = { 0 };
	struct conf *c = NULL;
	struct buf all = { 0 };

	assert_int_equal(parse(text, &c, &diag), wanted_err);
	assert_true((c != NULL) == (wanted_err == 0));
	for (size_t i = 0; i < diag.n_problems; i++) {
		char *one = conf_problem_text(&diag.problems[i]);

		buf_addf(&all, "%s%s\n", diag.problems[i].fatal ? "" : "(warning) ", one);
		free(one);
	}
	conf_diag_done(&diag);
	conf_unref(c);
	return buf_take_str(&all);
}

static void assert_problems(const char *text, const char *wanted)
{
	auto_free char *seen = problems(text, -EINVAL);

	assert_string_equal(seen, wanted);
}

static void assert_warnings(const char *text, const char *wanted)
{
	auto_free char *seen = problems(text, 0);

	assert_string_equal(seen, wanted);
}

static void an_empty_file_is_an_empty_native_configuration(void **unused)
{
	struct conf *c = good("");

	(void)unused;
	assert_int_equal(c->main.dialect, CONF_FOSTER);
	assert_int_equal(c->n_processes, 0);
	assert_null(conf_find_process(c, "web"));
	assert_null(conf_find_group(c, "web"));
	assert_null(conf_find_forkserver(c, "web"));
	conf_unref(c);
}

static void native_defaults_are_those_of_the_design(void **unused)
{
	struct conf *c = good("[foster]\n[program:web]\ncommand=sleep 1\n");
	const struct conf_process *p = conf_find_process(c, "web");
	const struct conf_program *g = p->program;

	(void)unused;
	assert_null(c->main.logfile);
	assert_null(c->main.pidfile);
	assert_null(c->main.childlogdir);
	assert_false(c->main.daemonize || c->main.join);
	assert_int_equal(c->main.umask, -1);
	assert_int_equal(c->main.socket_mode, 0600);
	assert_int_equal(c->main.keep_finished, 1000);
	assert_int_equal(c->main.loglevel, LOG_INFO);
	assert_true(c->main.watchdog == 10 && c->main.session_grace == 0);
	assert_true(g->daemon && g->autostart && g->own_session && g->log_prefix);
	assert_false(g->stdin_pipe || g->restart.native || g->redirect_stderr);
	assert_int_equal(g->kill_scope, CONF_TREE);
	assert_int_equal(g->method, CONF_FORK);
	assert_int_equal(g->stopsignal, SIGTERM);
	assert_int_equal(g->priority, 999);
	assert_int_equal(g->restart.autorestart, CONF_UNEXPECTED);
	assert_int_equal(g->restart.startretries, 3);
	assert_true(g->restart.startsecs == 1 && g->stopwaitsecs == 10);
	assert_true(g->restart.delay == 1 && g->restart.delay_max == 60 && g->restart.jitter == 0);
	assert_int_equal(g->exitcodes[0], 1);
	assert_int_equal(g->umask, -1);
	assert_true(g->uid == (uid_t)-1 && !g->user);
	assert_int_equal(p->out.kind, CONF_LOG_AUTO);
	assert_true(p->out.maxbytes == 50u << 20 && p->out.backups == 10);
	assert_string_equal(p->argv[1], "1");
	assert_null(p->environ[0]);
	assert_null(p->args[0]);
	assert_null(p->directory);
	conf_unref(c);
}

static void supervisord_defaults_are_those_of_supervisord(void **unused)
{
	struct conf *c = good("[supervisord]\n[program:web]\ncommand=sleep 1\n"
			      "[program:x]\ncommand=x\nstopasgroup=true\n");
	const struct conf_program *g = conf_find_process(c, "web")->program;
	char cwd[4096], wanted[5000];

	(void)unused;
	assert_non_null(getcwd(cwd, sizeof cwd));
	snprintf(wanted, sizeof wanted, "%s/supervisord.log", cwd);
	assert_string_equal(c->main.logfile, wanted);
	snprintf(wanted, sizeof wanted, "%s/supervisord.pid", cwd);
	assert_string_equal(c->main.pidfile, wanted);
	assert_string_equal(c->main.childlogdir, "/tmp");
	assert_int_equal(c->main.umask, 022);
	assert_false(c->main.daemonize); /* only where nodaemon=false is written */
	assert_true(g->stdin_pipe && !g->own_session && !g->log_prefix);
	assert_int_equal(g->kill_scope, CONF_PROCESS);
	g = conf_find_process(c, "x")->program;
	assert_true(g->killasgroup);
	assert_int_equal(g->kill_scope, CONF_GROUP);
	conf_unref(c);
}

static void every_problem_is_reported_in_order_with_its_place(void **unused)
{
	(void)unused;
	assert_problems(
		"[foster]\nlogleve=info\n"
		"[program:web]\nautorestrat=true\nstartsecs=x\nautostart=maybe\n"
		"nothing\n[progam:y]\n",
		"foster.ini:2: [foster] logleve: unknown key (did you mean 'loglevel'?)\n"
		"foster.ini:3: [program:web] command= (or entry= with a forkserver) is "
		"missing\n"
		"foster.ini:4: [program:web] autorestrat: unknown key (did you mean "
		"'autorestart'?)\n"
		"foster.ini:5: [program:web] startsecs: 'x' is not valid (expected seconds "
		"(5, 0.5) or a time with a unit (10ms, 5s, 2m, 1h))\n"
		"foster.ini:6: [program:web] autostart: 'maybe' is not valid (expected true "
		"or false (or yes, on, 1, no, off, 0))\n"
		"foster.ini:7: [program:web] neither [section], key = value, nor the "
		"(indented) continuation of a value\n"
		"foster.ini:8: [progam:y] unknown section (did you mean [program:NAME]?)\n");
}

static void a_header_without_its_bracket_is_told_as_such(void **unused)
{
	(void)unused;
	assert_problems("[program:a\n[program:b]\ncommand=b\n[program:c\n",
			"foster.ini:1: a section header without ']'\n"
			"foster.ini:4: [program:b] [program: a section header without ']'\n");
}

static void unknown_things_in_a_supervisord_file_are_warnings(void **unused)
{
	(void)unused;
	assert_warnings("[supervisord]\nhttp_port=1\n[program:a]\ncommand=a\ndepend=b\n[odd]\n"
			"[supervisorctl]\nx=1\n[rpcinterface:supervisor]\na.b=c\n"
			"[unix_http_server]\nfile=x\n[eventlistener:e]\ncommand=e\n"
			"[inet_http_server]\nport=9001\n",
			"(warning) foster.ini:2: [supervisord] http_port: unknown key\n"
			"(warning) foster.ini:5: [program:a] depend: unknown key\n"
			"(warning) foster.ini:6: [odd] unknown section\n"
			"(warning) foster.ini:13: [eventlistener:e] foster does not support this "
			"section yet; it is ignored\n"
			"(warning) foster.ini:15: [inet_http_server] foster does not support this "
			"section yet; it is ignored\n");
}

static void keys_without_effect_are_accepted(void **unused)
{
	(void)unused;
	conf_unref(good("[supervisord]\nminprocs=1\nnocleanup=true\nstrip_ansi=true\nsilent=true\n"
			"[program:a]\ncommand=a\nstdout_events_enabled=true\nserverurl=AUTO\n"
			"stdout_capture_maxbytes=1MB\nstderr_capture_maxbytes=0\n"));
}

static void a_file_has_one_main_section(void **unused)
{
	(void)unused;
	assert_problems(
		"[foster]\n[supervisord]\n",
		"foster.ini:2: [supervisord] [foster] is there as well: a configuration has "
		"one of them\n");
}

static void values_are_expanded_by_their_scope(void **unused)
{
	struct conf *c =
		good("[foster]\nenvironment=G=\"global\",Y=\"%(ENV_X)s\"\n[program:w]\nnumprocs=2\n"
		     "numprocs_start=5\nprocess_name=%(program_name)s_%(process_num)02d\n"
		     "environment=N=\"%(process_num)d\"\n"
		     "command=run %(ENV_G)s %(ENV_N)s %(numprocs)d %(group_name)s %(here)s 1%%\n"
		     "stdout_logfile=/tmp/%(program_name)s-%(process_num)d.log\n");
	const struct conf_process *p = conf_find_process(c, "w:w_06");
	char cwd[4096];

	(void)unused;
	assert_non_null(p);
	assert_int_equal(p->number, 6);
	assert_string_equal(p->argv[1], "global");
	assert_string_equal(p->argv[2], "6");
	assert_string_equal(p->argv[3], "2");
	assert_string_equal(p->argv[4], "w");
	assert_string_equal(p->argv[5], getcwd(cwd, sizeof cwd));
	assert_string_equal(p->argv[6], "1%");
	assert_string_equal(p->out.path, "/tmp/w-6.log");
	assert_string_equal(p->environ[0], "G=global");
	assert_string_equal(p->environ[1], "Y=from outside");
	assert_string_equal(p->environ[2], "N=6");
	conf_unref(c);
}

static void a_program_may_override_the_common_environment(void **unused)
{
	struct conf *c = good("[foster]\nenvironment=A=\"1\",B=\"2\"\n[program:p]\ncommand=p\n"
			      "environment=B=\"own\",C=\"3\"\n[program:q]\ncommand=q\n"
			      "[program:r]\ncommand=r\n");
	const struct conf_process *p = conf_find_process(c, "p");

	(void)unused;
	assert_string_equal(p->environ[0], "A=1");
	assert_string_equal(p->environ[1], "B=own");
	assert_string_equal(p->environ[2], "C=3");
	assert_null(p->environ[3]);
	assert_ptr_equal(conf_find_process(c, "q")->environ, c->main.environ); /* shared */
	assert_ptr_equal(conf_find_process(c, "r")->environ, c->main.environ);
	conf_unref(c);
}

static void percent_signs_are_halved_twice_where_supervisord_does(void **unused)
{
	struct conf *c = good("[supervisord]\n[program:p]\ncommand=a%%b\n"
			      "stdout_logfile=/tmp/a%%%%b\n");

	(void)unused;
	assert_string_equal(conf_find_process(c, "p")->argv[0], "a%b");
	assert_string_equal(conf_find_process(c, "p")->out.path, "/tmp/a%b");
	conf_unref(c);
	c = good("[foster]\n[program:p]\ncommand=a\nstdout_logfile=/tmp/a%%b\n");
	assert_string_equal(conf_find_process(c, "p")->out.path, "/tmp/a%b");
	conf_unref(c);
}

static void a_problem_of_many_processes_is_told_once(void **unused)
{
	(void)unused;
	assert_problems(
		"[program:p]\nnumprocs=3\nprocess_name=p%(process_num)d\n"
		"command=a 'b\n",
		"foster.ini:4: [program:p] command: no closing ' (in a file, ';' or '#' after a blank begins a comment)\n");
}

static void numprocs_needs_a_number_in_the_name(void **unused)
{
	(void)unused;
	assert_problems("[program:p]\nnumprocs=3\ncommand=a\n[program:q]\nnumprocs=2\n"
			"process_name=q\ncommand=q\n[program:r]\nnumprocs=10001\n"
			"process_name=%(process_num)d\ncommand=r\n",
			"foster.ini:1: [program:p] numprocs=3 needs a process_name with "
			"%(process_num)d\n"
			"foster.ini:6: [program:q] process_name: must contain %(process_num)d "
			"because numprocs is 2\n"
			"foster.ini:9: [program:r] numprocs: 10001 is too many (10000 at most)\n");
}

static void groups_name_and_order_their_processes(void **unused)
{
	struct conf *c = good("[foster]\n[program:late]\ncommand=l\npriority=1\n"
			      "[program:a]\ncommand=a\npriority=5\n"
			      "[program:b]\ncommand=b\npriority=3\n"
			      "[group:g]\nprograms=a,b,a\npriority=0\n[group:none]\nprograms=\n");
	const struct conf_group *g = conf_find_group(c, "g");

	(void)unused;
	assert_int_equal(c->n_processes, 3);
	assert_string_equal(c->processes[0].full_name, "g:b");
	assert_string_equal(c->processes[1].full_name, "g:a");
	assert_string_equal(c->processes[2].full_name, "late");
	assert_int_equal(g->n_processes, 2);
	assert_ptr_equal(g->processes[0], conf_find_process(c, "g:b"));
	assert_int_equal(conf_find_group(c, "none")->n_processes, 0);
	assert_null(conf_find_group(c, "a")); /* a is in g, not in a group of its own */
	assert_null(conf_find_process(c, "a"));
	conf_unref(c);
}

static void names_that_clash_are_refused(void **unused)
{
	(void)unused;
	assert_problems(
		"[program:a]\ncommand=a\n[program:b]\ncommand=b\n"
		"[program:c]\ncommand=c\nprocess_name=b\n"
		"[group:a]\nprograms=b,c\n[group:h]\nprograms=nope\n[program: a]\ncommand=x\n",
		"foster.ini:1: [program:a] [group:a] has the name of this program, which is "
		"not one of its own\n"
		"foster.ini:5: [program:c] its process 'a:b' has the name of one of "
		"[program:b]\n"
		"foster.ini:11: [group:h] programs: there is no [program:nope]\n"
		"foster.ini:12: [program: a] its process 'a' has the name of one of "
		"[program:a]\n"
		"foster.ini:12: [program: a] there is another section of this kind named "
		"'a'\n");
}

static void bad_names_are_refused(void **unused)
{
	(void)unused;
	assert_problems("[program:a b]\ncommand=a\n[program:]\ncommand=a\n[group:x:y]\nprograms=\n",
			"foster.ini:1: [program:a b] a name must not contain blanks\n"
			"foster.ini:3: [program:] a name must not be empty\n"
			"foster.ini:5: [group:x:y] a name must not contain ':' or '/'\n");
}

static void a_name_of_a_log_file_has_its_length(void **unused)
{
	auto_buf struct buf text = { 0 }, problem = { 0 };

	(void)unused;
	buf_addf(&text, "[program:%0239d]\ncommand=a\n", 1);
	conf_unref(good(text.data));
	buf_clear(&text);
	buf_addf(&text, "[program:%0240d]\ncommand=a\n", 1);
	buf_addf(&problem,
		 "foster.ini:1: [program:%0240d] '%0240d': with AUTO log files a full name has 239 "
		 "bytes at most\n",
		 1, 1);
	assert_problems(text.data, problem.data);
	buf_add_str(&text, "stdout_logfile=NONE\nredirect_stderr=true\n");
	conf_unref(good(text.data));
}

static void a_parent_is_a_process_and_no_descendant(void **unused)
{
	struct conf *c = good("[program:db]\ncommand=d\n[program:web]\ncommand=w\nparent=db:db\n");

	(void)unused;
	assert_string_equal(conf_find_process(c, "web")->program->parent, "db");
	conf_unref(c);
	assert_problems("[program:a]\ncommand=a\nparent=b\n[program:b]\ncommand=b\nparent=c\n"
			"[program:c]\ncommand=c\nparent=a\n[program:d]\ncommand=d\nparent=d\n"
			"[program:e]\ncommand=e\nparent=dx\n[program:f]\ncommand=f\nparent=a\n",
			"foster.ini:3: [program:a] parent: a cycle: a → b → c → a\n"
			"foster.ini:12: [program:d] parent: a cycle: d → d\n"
			"foster.ini:15: [program:e] parent: there is no process 'dx'\n");
}

static void exit_on_is_a_process(void **unused)
{
	struct conf *c = good("[foster]\nexit_on=main\non_exit=join\n[program:main]\ncommand=m\n");

	(void)unused;
	assert_string_equal(c->main.exit_on, "main");
	assert_true(c->main.join);
	conf_unref(c);
	assert_problems("[foster]\nexit_on=mian\n[program:main]\ncommand=m\n",
			"foster.ini:2: [foster] exit_on: there is no process 'mian' (did you mean "
			"'main'?)\n");
}

static void a_native_restart_key_makes_the_rules_native(void **unused)
{
	struct conf *c = good("[supervisord]\n[program:a]\ncommand=a\nrestart_delay=100ms\n"
			      "give_up=5/60\n[program:b]\ncommand=b\n"
			      "[program:slow]\ncommand=slow\nrestart_delay=5m\n");
	const struct conf_restart *r = &conf_find_process(c, "a")->program->restart;

	(void)unused;
	assert_true(r->native && r->delay > 0.09 && r->delay < 0.11 && r->delay_max == 60);
	assert_true(r->give_up_count == 5 && r->give_up_secs == 60);
	assert_false(conf_find_process(c, "b")->program->restart.native);
	r = &conf_find_process(c, "slow")->program->restart;
	assert_true(r->delay == 300 && r->delay_max == 300);
	conf_unref(c);
}

static void parts_of_seconds_are_for_native_files(void **unused)
{
	struct conf *c = good("[foster]\n[program:a]\ncommand=a\nstartsecs=0.5\nstopwaitsecs=2m\n");

	(void)unused;
	assert_true(conf_find_process(c, "a")->program->restart.startsecs == 0.5);
	assert_true(conf_find_process(c, "a")->program->stopwaitsecs == 120);
	conf_unref(c);
	assert_problems("[supervisord]\n[program:a]\ncommand=a\nstartsecs=0.5\n",
			"foster.ini:4: [program:a] startsecs: '0.5' is not valid (expected a whole "
			"number of seconds)\n");
}

static void start_methods_name_forkservers_that_exist(void **unused)
{
	struct conf *c = good("[foster]\nstart_method=spawn\n[forkserver:py]\ntype=python\n"
			      "preload=json, re\n[forkserver:own]\ncommand=perl fs.pl\n"
			      "[program:a]\nstart_method=forkserver:py\nentry=app.main:run\n"
			      "args=1 '2 3'\n[program:b]\ncommand=b\n"
			      "[program:c]\nstart_method=forkserver\ncommand=c\n");
	const struct conf_process *a = conf_find_process(c, "a");
	const struct conf_forkserver *py = conf_find_forkserver(c, "py");

	(void)unused;
	assert_int_equal(a->program->method, CONF_FORKSERVER);
	assert_string_equal(a->program->forkserver, "py");
	assert_string_equal(a->args[1], "2 3");
	assert_null(a->argv);
	assert_int_equal(conf_find_process(c, "b")->program->method, CONF_SPAWN);
	assert_null(conf_find_process(c, "c")->program->forkserver);
	assert_int_equal(py->type, CONF_FS_PYTHON);
	assert_string_equal(py->interpreter, "/usr/bin/python3");
	assert_string_equal(py->preload[1], "re");
	assert_int_equal(conf_find_forkserver(c, "own")->type, CONF_FS_COMMAND);
	conf_unref(c);
}

static void what_runs_is_said_once_and_where_it_can(void **unused)
{
	(void)unused;
	assert_problems(
		"[program:a]\nentry=x:y\n[program:b]\ncommand=b\nargs=1\n"
		"[program:c]\nstart_method=forkserver\ncommand=c\nentry=x:y\n"
		"[program:d]\nstart_method=forkserver:no\ncommand=d\n"
		"[program:e]\nstart_method=forkserver\nentry=plain\n[program:f]\ncommand=\n",
		"foster.ini:2: [program:a] entry: needs start_method=forkserver or "
		"forkserver:NAME\n"
		"foster.ini:5: [program:b] args: is for entry=: put the arguments of a "
		"command into command=\n"
		"foster.ini:9: [program:c] entry: does not go with command=: one of them is "
		"what runs\n"
		"foster.ini:11: [program:d] start_method: there is no [forkserver:no]\n"
		"foster.ini:15: [program:e] entry: 'plain' is not valid (expected "
		"module:function or PATH.so:symbol)\n"
		"foster.ini:17: [program:f] command: a program is missing\n");
}

static void users_signals_and_places_must_exist(void **unused)
{
	struct conf *c =
		good("[program:a]\ncommand=a\nuser=root\n[program:b]\ncommand=b\nuser=0\n");
	const struct conf_program *a = conf_find_process(c, "a")->program;

	(void)unused;
	assert_int_equal(a->uid, 0);
	assert_string_equal(a->home, getpwuid(0)->pw_dir);
	assert_string_equal(conf_find_process(c, "b")->program->user, "root");
	conf_unref(c);
	assert_problems("[program:a]\ncommand=a\nuser=no-such-user\nstopsignal=NOPE\n"
			"directory=/no/such/dir\nstdout_logfile=/no/such/dir/x.log\n"
			"killasgroup=false\nstopasgroup=true\n",
			"foster.ini:3: [program:a] user: there is no user 'no-such-user'\n"
			"foster.ini:4: [program:a] stopsignal: 'NOPE' is not valid (expected the "
			"name or number of a signal, such as TERM)\n"
			"foster.ini:5: [program:a] directory: /no/such/dir: No such file or "
			"directory\n"
			"foster.ini:6: [program:a] stdout_logfile: /no/such/dir: No such file or "
			"directory\n"
			"foster.ini:7: [program:a] killasgroup: false does not go with "
			"stopasgroup=true\n");
}

static void logs_go_where_the_words_say(void **unused)
{
	struct conf *c =
		good("[supervisord]\n[program:a]\ncommand=a\nstdout_logfile=/dev/stdout\n"
		     "stdout_logfile_maxbytes=0\nredirect_stderr=true\n"
		     "[program:b]\ncommand=b\nstdout_syslog=true\nstderr_logfile=NONE\n"
		     "[program:c]\ncommand=c\nstdout_logfile=~/c.log\nstderr_logfile=syslog\n"
		     "stdout_logfile_backups=2\nstdout_logfile_maxbytes=1KB\n");
	const struct conf_process *p = conf_find_process(c, "c");

	(void)unused;
	assert_int_equal(conf_find_process(c, "a")->out.kind, CONF_LOG_STDOUT);
	assert_int_equal(conf_find_process(c, "a")->err.kind, CONF_LOG_NONE);
	assert_true(conf_find_process(c, "a")->program->redirect_stderr);
	assert_int_equal(conf_find_process(c, "b")->out.kind, CONF_LOG_SYSLOG);
	assert_int_equal(conf_find_process(c, "b")->err.kind, CONF_LOG_NONE);
	assert_string_equal(p->out.path, "/root/c.log");
	assert_true(p->out.backups == 2 && p->out.maxbytes == 1024);
	assert_int_equal(p->err.kind, CONF_LOG_SYSLOG);
	conf_unref(c);
}

static void default_gives_values_to_every_section(void **unused)
{
	struct conf *c = good("[DEFAULT]\nautostart=false\nstartsecs=7\n[program:a]\ncommand=a\n"
			      "[program:b]\ncommand=b\nstartsecs=1\n[group:g]\nprograms=a\n");

	(void)unused;
	assert_false(conf_find_process(c, "g:a")->program->autostart);
	assert_true(conf_find_process(c, "g:a")->program->restart.startsecs == 7);
	assert_true(conf_find_process(c, "b")->program->restart.startsecs == 1);
	conf_unref(c);
}

static void access_rights_are_exactly_those_listed(void **unused)
{
	struct conf *c = good("[access:ops]\nusers=root\ngroups=root\nprograms=web*, g:*\n"
			      "allow=control,run\n[access:boss]\nusers=0\nallow=admin\n");

	(void)unused;
	assert_int_equal(c->n_accesses, 2);
	assert_int_equal(c->accesses[0].allow, CONF_CONTROL | CONF_RUN);
	assert_int_equal(c->accesses[0].uids[0], 0);
	assert_int_equal(c->accesses[0].n_gids, 1);
	assert_string_equal(c->accesses[0].programs[1], "g:*");
	assert_int_equal(c->accesses[1].allow, 15);
	assert_null(c->accesses[1].programs[0]);
	conf_unref(c);
	assert_problems("[access:x]\nallow=everything\n[access:y]\nusers=nobody-there\n",
			"foster.ini:1: [access:x] users= or groups= is missing: nobody would have "
			"access\n"
			"foster.ini:2: [access:x] allow: 'everything' is not valid (expected read, "
			"control, run or admin)\n"
			"foster.ini:3: [access:y] allow= is missing (read, control, run or admin)\n"
			"foster.ini:4: [access:y] users: there is no user 'nobody-there'\n");
}

static void an_environment_that_loses_text_is_an_error_in_native_files(void **unused)
{
	(void)unused;
	assert_warnings("[supervisord]\n[program:a]\ncommand=a\nenvironment=A=$HOME/x\n",
			"(warning) foster.ini:4: [program:a] environment: a part of this has no "
			"effect: put values with other characters than letters, digits and "
			"_/.+-(): into quotes\n");
	free(problems("[foster]\n[program:a]\ncommand=a\nenvironment=A=$HOME/x\n", -EINVAL));
}

static void a_directory_counts_where_supervisord_would_enter_it(void **unused)
{
	struct conf *c = good("[supervisord]\ndirectory=/tmp\n[program:a]\ncommand=a\n"
			      "stdout_logfile=a.log\n");

	(void)unused;
	assert_string_equal(c->main.directory, "/tmp");
	assert_string_equal(conf_find_process(c, "a")->out.path, "/tmp/a.log");
	conf_unref(c);
	c = good("[supervisord]\nnodaemon=true\ndirectory=/tmp\n");
	assert_null(c->main.directory);
	conf_unref(c);
	c = good("[supervisord]\nnodaemon=false\ndirectory=/tmp\n");
	assert_true(c->main.daemonize);
	assert_string_equal(c->main.directory, "/tmp");
	conf_unref(c);
}

static void a_thousand_programs_are_small(void **unused)
{
	auto_buf struct buf text = { 0 };
	struct conf *c;

	(void)unused;
	buf_add_str(&text, "[foster]\n");
	for (int i = 0; i < 1000; i++)
		buf_addf(&text,
			 "[program:worker%04d]\ncommand=/usr/bin/env sleep %d\nuser=root\n"
			 "environment=A=\"1\",B=\"2\"\nstdout_logfile=/tmp/worker%d.log\n",
			 i, i, i);
	c = good(text.data);
	assert_int_equal(c->n_processes, 1000);
	assert_string_equal(c->processes[999].full_name, "worker0999");
	assert_true(arena_size(&c->arena) < 600 * 1000);
	conf_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_an_empty_native_configuration),
		cmocka_unit_test(native_defaults_are_those_of_the_design),
		cmocka_unit_test(supervisord_defaults_are_those_of_supervisord),
		cmocka_unit_test(every_problem_is_reported_in_order_with_its_place),
		cmocka_unit_test(a_header_without_its_bracket_is_told_as_such),
		cmocka_unit_test(unknown_things_in_a_supervisord_file_are_warnings),
		cmocka_unit_test(keys_without_effect_are_accepted),
		cmocka_unit_test(a_file_has_one_main_section),
		cmocka_unit_test(values_are_expanded_by_their_scope),
		cmocka_unit_test(a_program_may_override_the_common_environment),
		cmocka_unit_test(percent_signs_are_halved_twice_where_supervisord_does),
		cmocka_unit_test(a_problem_of_many_processes_is_told_once),
		cmocka_unit_test(numprocs_needs_a_number_in_the_name),
		cmocka_unit_test(groups_name_and_order_their_processes),
		cmocka_unit_test(names_that_clash_are_refused),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(a_name_of_a_log_file_has_its_length),
		cmocka_unit_test(a_parent_is_a_process_and_no_descendant),
		cmocka_unit_test(exit_on_is_a_process),
		cmocka_unit_test(a_native_restart_key_makes_the_rules_native),
		cmocka_unit_test(parts_of_seconds_are_for_native_files),
		cmocka_unit_test(start_methods_name_forkservers_that_exist),
		cmocka_unit_test(what_runs_is_said_once_and_where_it_can),
		cmocka_unit_test(users_signals_and_places_must_exist),
		cmocka_unit_test(logs_go_where_the_words_say),
		cmocka_unit_test(default_gives_values_to_every_section),
		cmocka_unit_test(access_rights_are_exactly_those_listed),
		cmocka_unit_test(an_environment_that_loses_text_is_an_error_in_native_files),
		cmocka_unit_test(a_directory_counts_where_supervisord_would_enter_it),
		cmocka_unit_test(a_thousand_programs_are_small),
	};

	return cmocka_run_group_tests_name("conf_parse", tests, NULL, NULL);
}
