/* The environment of a child: layers, and who wins. */
#include "daemon/supervisor/env.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "tests/unit/front.h"

#define CLEAN_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SOCKET "/run/test/foster.sock"

/* What fosterd was given: some of it speaks of fosterd alone, some only looks so. */
static const char *const given[] = { "PATH=/given/bin",
				     "HOME=/given/home",
				     "LANG=de_DE.UTF-8",
				     "ONLY_HERE=yes",
				     "EMPTY=",
				     "BOTH=given",
				     "NOTIFY_SOCKET=/run/n",
				     "WATCHDOG_USEC=1",
				     "WATCHDOG_PID=1",
				     "LISTEN_FDS=1",
				     "LISTEN_PID=1",
				     "LISTEN_FDNAMES=x",
				     "INVOCATION_ID=0",
				     "JOURNAL_STREAM=1",
				     "NOTIFY_SOCKETS=kept",
				     "LISTENER=kept",
				     "NOTIFY=kept",
				     "FOSTER_NAME=out",
				     NULL };

static const char *const nothing[] = { NULL };

/* The environment of one child, as strings. */
struct built {
	struct buf strings;
	const char *vars[64];
	size_t n;
};

/* A supervisor of text, started with the environment fosterd; its only child's goes to *ret. */
static struct supervisor *build(const char *text, const char *const *fosterd, struct built *ret)
{
	struct supervisor *s = front_new(text);
	struct process *p = process_find(s, s->conf->processes[0].full_name);
	int n;

	s->socket_path = strdup(SOCKET);
	s->fork_environ = env_for_fork((char *const *)fosterd);
	assert_non_null(s->fork_environ);
	p->instance = 0xabc;
	*ret = (struct built){ 0 };
	n = env_build(p, &ret->strings);
	assert_in_range(n, 1, ARRAY_SIZE(ret->vars));
	for (const char *at = ret->strings.data; at < ret->strings.data + ret->strings.len;
	     at += strlen(at) + 1)
		ret->vars[ret->n++] = at;
	assert_int_equal(ret->n, n);
	return s;
}

static void done(struct supervisor *s, struct built *e)
{
	buf_done(&e->strings);
	free(s->fork_environ);
	free(s->socket_path);
	front_free(s);
}

/* The value of key, which nothing may have twice; NULL where it is not set. */
static const char *value(const struct built *e, const char *key)
{
	const char *found = NULL;
	size_t len = strlen(key);

	for (size_t i = 0; i < e->n; i++) {
		if (strncmp(e->vars[i], key, len) != 0 || e->vars[i][len] != '=')
			continue;
		if (found)
			fail_msg("%s is there twice", key);
		found = e->vars[i] + len + 1;
	}
	return found;
}

static void assert_value(const struct built *e, const char *key, const char *expected)
{
	const char *is = value(e, key);

	if (!is || !expected ? is != expected : strcmp(is, expected) != 0)
		fail_msg("%s is %s, not %s", key, is ? is : "(unset)",
			 expected ? expected : "(unset)");
}

/* ---- fork ---------------------------------------------------------------------------------- */

static void fork_passes_on_what_fosterd_was_given(void **unused)
{
	struct built e;
	struct supervisor *s = build("[program:x]\ncommand = x\n", given, &e);

	(void)unused;
	assert_value(&e, "PATH", "/given/bin");
	assert_value(&e, "HOME", "/given/home");
	assert_value(&e, "ONLY_HERE", "yes");
	assert_value(&e, "EMPTY", "");
	assert_value(&e, "USER", NULL); /* not given, not made up */
	done(s, &e);
}

static void what_speaks_of_fosterd_alone_is_left_out(void **unused)
{
	static const char *const keys[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID",
					    "LISTEN_FDS",    "LISTEN_PID",     "LISTEN_FDNAMES",
					    "INVOCATION_ID", "JOURNAL_STREAM", NULL };
	struct built e;
	struct supervisor *s = build("[program:x]\ncommand = x\n", given, &e);

	(void)unused;
	for (size_t i = 0; keys[i]; i++)
		assert_value(&e, keys[i], NULL);
	assert_value(&e, "NOTIFY_SOCKETS", "kept");
	assert_value(&e, "LISTENER", "kept");
	assert_value(&e, "NOTIFY", "kept");
	done(s, &e);
}

static void the_copy_for_fork_keeps_order_and_strings(void **unused)
{
	char **copy = env_for_fork((char *const *)given);

	(void)unused;
	assert_non_null(copy);
	assert_ptr_equal(copy[0], given[0]);
	assert_ptr_equal(copy[5], given[5]);
	assert_string_equal(copy[6], "NOTIFY_SOCKETS=kept");
	assert_string_equal(copy[8], "NOTIFY=kept");
	assert_string_equal(copy[9], "FOSTER_NAME=out");
	assert_null(copy[10]);
	free(copy);
	copy = env_for_fork((char *const *)nothing);
	assert_non_null(copy);
	assert_null(copy[0]);
	free(copy);
}

/* ---- spawn --------------------------------------------------------------------------------- */

static void spawn_begins_with_a_clean_slate(void **unused)
{
	struct built e;
	struct supervisor *s = build("[program:x]\ncommand = x\nstart_method = spawn\n", given, &e);

	(void)unused;
	assert_value(&e, "PATH", CLEAN_PATH); /* not fosterd's */
	assert_value(&e, "HOME", "/given/home");
	assert_value(&e, "USER", "root");
	assert_value(&e, "LOGNAME", "root");
	assert_value(&e, "SHELL", "/bin/sh");
	assert_value(&e, "LANG", "de_DE.UTF-8");
	assert_value(&e, "ONLY_HERE", NULL);
	assert_value(&e, "LISTENER", NULL);
	assert_int_equal(e.n, 6 + 3 + 5);
	done(s, &e);
}

static void spawn_has_all_six_when_fosterd_was_given_nothing(void **unused)
{
	struct built e;
	struct supervisor *s =
		build("[program:x]\ncommand = x\nstart_method = spawn\n", nothing, &e);

	(void)unused;
	assert_value(&e, "PATH", CLEAN_PATH);
	assert_value(&e, "HOME", "/");
	assert_value(&e, "USER", "root");
	assert_value(&e, "LOGNAME", "root");
	assert_value(&e, "SHELL", "/bin/sh");
	assert_value(&e, "LANG", "C.UTF-8");
	done(s, &e);
}

static void spawn_takes_home_and_shell_from_the_user(void **unused)
{
	static const char *const of_root[] = { "HOME=/fosterds", "USER=fosterds",
					       "SHELL=/fosterds/sh", NULL };
	struct built e;
	struct supervisor *s = build("[program:x]\ncommand = x\nstart_method = spawn\n"
				     "user = nobody\n",
				     of_root, &e);
	const struct conf_program *program = &s->conf->programs[0];

	(void)unused;
	assert_value(&e, "USER", "nobody");
	assert_value(&e, "LOGNAME", "nobody");
	assert_value(&e, "HOME", program->home);
	assert_value(&e, "SHELL", program->shell);
	assert_string_not_equal(program->home, "/fosterds");
	done(s, &e);
}

/* ---- forkserver ---------------------------------------------------------------------------- */

/* ---- a client of another user --------------------------------------------------------------- */

/* What uid has defined, with start method fork, under a fosterd that was given given. */
static struct supervisor *build_for(uid_t uid, struct built *e)
{
	struct supervisor *s = build("[program:x]\ncommand = x\n", given, e);
	struct process *p = front_define(s, "theirs", uid);

	buf_clear(&e->strings);
	e->n = 0;
	assert_in_range(env_build(p, &e->strings), 1, ARRAY_SIZE(e->vars));
	for (const char *at = e->strings.data; at < e->strings.data + e->strings.len;
	     at += strlen(at) + 1)
		e->vars[e->n++] = at;
	assert_string_equal(env_path(p), value(e, "PATH"));
	return s;
}

static void who_is_not_of_ours_is_not_shown_what_fosterd_was_given(void **unused)
{
	struct built e;
	struct supervisor *s = build_for(geteuid() + 12345, &e);

	(void)unused;
	assert_value(&e, "ONLY_HERE", NULL);
	assert_value(&e, "PATH", CLEAN_PATH);
	assert_value(&e, "HOME", "/");
	assert_value(&e, "USER", NULL); /* not fosterd's, and nobody has asked for its name */
	assert_value(&e, "LOGNAME", NULL);
	assert_value(&e, "SHELL", "/bin/sh");
	assert_value(&e, "LANG", "de_DE.UTF-8");
	assert_value(&e, "FOSTER_NAME", "theirs");
	done(s, &e);
}

static void who_is_of_ours_is_shown_it(void **unused)
{
	struct built e;
	struct supervisor *s = build_for(geteuid(), &e);

	(void)unused;
	assert_value(&e, "ONLY_HERE", "yes");
	assert_value(&e, "PATH", "/given/bin");
	done(s, &e);
}

/* ---- forkserver ----------------------------------------------------------------------------- */

static void a_forkserver_adds_its_own_so_it_gets_only_the_rest(void **unused)
{
	struct built e;
	struct supervisor *s = build("[program:x]\ncommand = x\nstart_method = forkserver\n"
				     "environment = MINE=1\n",
				     given, &e);

	(void)unused;
	assert_value(&e, "PATH", NULL);
	assert_value(&e, "ONLY_HERE", NULL);
	assert_value(&e, "MINE", "1");
	assert_value(&e, "FOSTER_PROGRAM", "x");
	assert_int_equal(e.n, 3 + 1 + 5);
	done(s, &e);
}

static void a_forkserver_itself_begins_as_by_fork(void **unused)
{
	struct built e;
	struct supervisor *s = build("[program:x]\ncommand = x\nstart_method = spawn\n", given, &e);
	struct process *p = process_find(s, "x");
	auto_buf struct buf again = { 0 };
	int n;

	(void)unused;
	p->origin = PROCESS_SERVER;
	n = env_build(p, &again);
	assert_true(n > 0);
	assert_non_null(memmem(again.data, again.len, "ONLY_HERE=yes", 14));
	done(s, &e);
}

/* ---- environment= and foster's own --------------------------------------------------------- */

static void environment_goes_over_what_the_method_begins_with(void **unused)
{
	static const char *const methods[] = { "fork", "spawn", "forkserver" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		char text[256];
		struct built e;
		struct supervisor *s;

		snprintf(text, sizeof text,
			 "[foster]\nenvironment = BOTH=section,HALF=section\n"
			 "[program:x]\ncommand = x\nstart_method = %s\n"
			 "environment = BOTH=mine,PATH=\"/my bin\",HOME=\"\"\n",
			 methods[i]);
		s = build(text, given, &e);
		assert_value(&e, "BOTH", "mine");
		assert_value(&e, "HALF", "section");
		assert_value(&e, "PATH", "/my bin");
		assert_value(&e, "HOME", "");
		done(s, &e);
	}
}

static void names_that_begin_alike_are_not_the_same(void **unused)
{
	static const char *const alike[] = { "ABC=3", "AB=1", "A=2", NULL };
	struct built e;
	struct supervisor *s = build("[program:x]\ncommand = x\nenvironment = AB=new\n", alike, &e);

	(void)unused;
	assert_value(&e, "AB", "new");
	assert_value(&e, "A", "2");
	assert_value(&e, "ABC", "3");
	done(s, &e);
}

static void what_foster_says_of_a_child_cannot_be_overridden(void **unused)
{
	static const char *const forged[] = { "FOSTER_INSTANCE=0", "FOSTER_SOCKET=/given", NULL };
	struct built e;
	struct supervisor *s = build("[group:g]\nprograms = x\n"
				     "[program:x]\ncommand = x\nprocess_name = one\n"
				     "environment = FOSTER_NAME=a,FOSTER_PROGRAM=b,FOSTER_GROUP=c,"
				     "FOSTER_INSTANCE=d,FOSTER_SOCKET=e,FOSTER_ELSE=mine\n",
				     forged, &e);

	(void)unused;
	assert_value(&e, "FOSTER_NAME", "g:one");
	assert_value(&e, "FOSTER_PROGRAM", "x");
	assert_value(&e, "FOSTER_GROUP", "g");
	assert_value(&e, "FOSTER_INSTANCE", "0000000000000abc");
	assert_value(&e, "FOSTER_SOCKET", SOCKET);
	assert_value(&e, "FOSTER_ELSE", "mine"); /* the name is no secret */
	done(s, &e);
}

static void a_supervisord_file_may_override_supervisor_names(void **unused)
{
	struct built e;
	struct supervisor *s = build("[supervisord]\n[group:g]\nprograms = x\n"
				     "[program:x]\ncommand = x\n"
				     "environment = SUPERVISOR_GROUP_NAME=mine,FOSTER_GROUP=mine\n",
				     nothing, &e);

	(void)unused;
	assert_value(&e, "SUPERVISOR_ENABLED", "1");
	assert_value(&e, "SUPERVISOR_PROCESS_NAME", "x");
	assert_value(&e, "SUPERVISOR_GROUP_NAME", "mine");
	assert_value(&e, "FOSTER_GROUP", "g");
	done(s, &e);
}

static void the_longest_name_is_told_whole(void **unused)
{
	char text[512], group[128], name[CONF_NAME_MAX - sizeof group + 1];
	char full[CONF_NAME_MAX + 1];
	struct built e;
	struct supervisor *s;

	(void)unused;
	memset(group, 'g', sizeof group - 1);
	memset(name, 'n', sizeof name - 1);
	group[sizeof group - 1] = name[sizeof name - 1] = '\0';
	snprintf(full, sizeof full, "%s:%s", group, name);
	assert_int_equal(strlen(full), CONF_NAME_MAX);
	snprintf(text, sizeof text,
		 "[group:%s]\nprograms = %s\n[program:%s]\ncommand = x\n"
		 "stdout_logfile = NONE\nstderr_logfile = NONE\n",
		 group, name, name);
	s = build(text, nothing, &e);
	assert_value(&e, "FOSTER_NAME", full);
	assert_value(&e, "SUPERVISOR_PROCESS_NAME", name);
	done(s, &e);
}

/* One build after another uses the same memory: nothing of the one before may show. */
static void one_childs_environment_says_nothing_of_another(void **unused)
{
	struct built one, two;
	struct supervisor *first = build("[program:one]\ncommand = x\nstart_method = spawn\n"
					 "environment = SECRET=1\n",
					 given, &one);
	struct supervisor *second =
		build("[program:two]\ncommand = x\nstart_method = spawn\n", given, &two);

	(void)unused;
	assert_value(&two, "SECRET", NULL);
	assert_value(&two, "FOSTER_NAME", "two");
	assert_value(&one, "FOSTER_NAME", "one");
	done(first, &one);
	done(second, &two);
}

static void more_variables_than_usual_are_all_there(void **unused)
{
	enum {
		MANY = 1000
	};
	struct supervisor *s = front_new("[program:x]\ncommand = x\nenvironment = V7=seven\n");
	char vars[MANY][32], *many[MANY + 1] = { 0 };
	auto_buf struct buf out = { 0 };

	(void)unused;
	for (int i = 0; i < MANY; i++) {
		snprintf(vars[i], sizeof vars[i], "V%d=%d", i, i);
		many[i] = vars[i];
	}
	s->fork_environ = many;
	s->socket_path = strdup(SOCKET);
	assert_int_equal(env_build(process_find(s, "x"), &out), MANY + 3 + 5);
	assert_non_null(memmem(out.data, out.len, "\0V7=seven\0V8=8\0", 15));
	assert_non_null(memmem(out.data, out.len, "\0V999=999\0", 10));
	free(s->socket_path);
	front_free(s);
}

/* ---- PATH, instance ------------------------------------------------------------------------ */

static void assert_path(const char *lines, const char *const *fosterd, const char *expected)
{
	char text[256];
	struct built e;
	struct supervisor *s;

	snprintf(text, sizeof text, "[program:x]\ncommand = x\n%s\n", lines);
	s = build(text, fosterd, &e);
	assert_string_equal(env_path(process_find(s, "x")), expected);
	/* where the child is told a PATH, it is the same */
	if (value(&e, "PATH"))
		assert_value(&e, "PATH", expected);
	done(s, &e);
}

static void a_command_is_looked_up_in_the_path_that_the_child_has(void **unused)
{
	(void)unused;
	assert_path("start_method = fork", given, "/given/bin");
	assert_path("start_method = fork", nothing, CLEAN_PATH);
	assert_path("start_method = spawn", given, CLEAN_PATH);
	assert_path("start_method = forkserver", given, "/given/bin");
	assert_path("start_method = fork\nenvironment = PATH=/mine", given, "/mine");
	assert_path("start_method = spawn\nenvironment = PATHS=/no,PATH=/mine", given, "/mine");
	assert_path("start_method = forkserver\nenvironment = PATH=/mine", given, "/mine");
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void an_instance_is_never_0_and_never_the_same(void **unused)
{
	uint64_t seen[4096], bits = 0;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		bits |= seen[i] = env_new_instance();
	qsort(seen, ARRAY_SIZE(seen), sizeof *seen, by_value);
	assert_int_not_equal(seen[0], 0);
	for (size_t i = 1; i < ARRAY_SIZE(seen); i++)
		assert_int_not_equal(seen[i - 1], seen[i]);
	assert_int_equal(bits, UINT64_MAX); /* 64 bits are random, not a clock's lower ones */
}

/* A process that has been given this variable, or none, and executes: a moment after execve(2) has let
 * its parent go its environment is not yet to be seen. */
static pid_t with_environment(const char *variable)
{
	const char *const argv[] = { "sleep", "1000", NULL }, *const env[] = { "A=1", variable,
									       NULL };
	char path[40], text[256];
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, "/bin/sleep", NULL, NULL, (char *const *)argv,
				     (char *const *)env),
			 0);
	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	for (int i = 0; i < 1000 && fd_read_file(path, text, sizeof text) <= 0; i++)
		usleep(10000);
	return pid;
}

static void an_instance_is_read_from_a_process(void **unused)
{
	static const struct {
		const char *variable;
		uint64_t instance;
	} cases[] = {
		{ "FOSTER_INSTANCE=00fedcba98765432", 0x00fedcba98765432 },
		{ "FOSTER_INSTANCES=00fedcba98765432", 0 },
		{ "MY_FOSTER_INSTANCE=00fedcba98765432", 0 },
		{ "FOSTER_INSTANCE=", 0 },
		{ NULL, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t pid = with_environment(cases[i].variable);
		uint64_t instance = env_instance_of(pid);

		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(instance, cases[i].instance);
		assert_int_equal(env_instance_of(pid), 0); /* there is no such process */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fork_passes_on_what_fosterd_was_given),
		cmocka_unit_test(what_speaks_of_fosterd_alone_is_left_out),
		cmocka_unit_test(the_copy_for_fork_keeps_order_and_strings),
		cmocka_unit_test(spawn_begins_with_a_clean_slate),
		cmocka_unit_test(spawn_has_all_six_when_fosterd_was_given_nothing),
		cmocka_unit_test(spawn_takes_home_and_shell_from_the_user),
		cmocka_unit_test(who_is_not_of_ours_is_not_shown_what_fosterd_was_given),
		cmocka_unit_test(who_is_of_ours_is_shown_it),
		cmocka_unit_test(a_forkserver_adds_its_own_so_it_gets_only_the_rest),
		cmocka_unit_test(a_forkserver_itself_begins_as_by_fork),
		cmocka_unit_test(environment_goes_over_what_the_method_begins_with),
		cmocka_unit_test(names_that_begin_alike_are_not_the_same),
		cmocka_unit_test(what_foster_says_of_a_child_cannot_be_overridden),
		cmocka_unit_test(a_supervisord_file_may_override_supervisor_names),
		cmocka_unit_test(the_longest_name_is_told_whole),
		cmocka_unit_test(one_childs_environment_says_nothing_of_another),
		cmocka_unit_test(more_variables_than_usual_are_all_there),
		cmocka_unit_test(a_command_is_looked_up_in_the_path_that_the_child_has),
		cmocka_unit_test(an_instance_is_never_0_and_never_the_same),
		cmocka_unit_test(an_instance_is_read_from_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
