/* e2e_start.c - start methods: what a child gets, row by row of DESIGN section 3, and how it fails */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

/* A program that writes what it finds to DIR/facts, says so, and stays. */
#define FACTS(what) \
	"command = @child@ to @dir@/facts " what " say @dir@/up ready hold\nstartsecs = 0\n"

/* Start program x of text and return what it found. */
static const char *facts_of(struct fixture *f, const char *text)
{
	struct fifo *up = fixture_fifo(f, "up");

	fixture_start(f, text, "x");
	fixture_expect_line(f, up, "ready");
	return fixture_file(f, "facts");
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *p = text; (p = strstr(p, line)); p++)
		if ((p == text || p[-1] == '\n') && p[len] == '\n')
			return true;
	return false;
}

#define assert_line(text, line)                                         \
	do {                                                            \
		if (!has_line(text, line)) {                            \
			printf("# no line \"%s\" in:\n%s", line, text); \
			fail();                                         \
		}                                                       \
	} while (0)

/* ---- environment --------------------------------------------------------------------------- */

static void fork_passes_on_the_environment_but_not_what_was_meant_for_fosterd(void **state)
{
	struct fixture *f = *state;

	setenv("ONLY_HERE", "yes", 1);
	setenv("WATCHDOG_USEC", "600000000", 1);
	setenv("LISTEN_PID", "1", 1);
	setenv("INVOCATION_ID", "0123", 1);
	const char *facts = facts_of(f, "[program:x]\nstart_method = fork\n"
					"environment = MINE=\"a b\",ONLY_TOO=1\n" FACTS("environ"));
	unsetenv("ONLY_HERE");
	unsetenv("WATCHDOG_USEC");
	unsetenv("LISTEN_PID");
	unsetenv("INVOCATION_ID");
	assert_line(facts, "ONLY_HERE=yes");
	assert_line(facts, "MINE=a b");
	assert_line(facts, "ONLY_TOO=1");
	assert_lacks(facts, "NOTIFY_SOCKET=");
	assert_lacks(facts, "WATCHDOG_USEC=");
	assert_lacks(facts, "LISTEN_PID=");
	assert_lacks(facts, "INVOCATION_ID=");
	fixture_down(f);
}

static void environment_of_a_program_goes_over_that_of_fosterd(void **state)
{
	struct fixture *f = *state;

	setenv("BOTH", "fosterd", 1);
	const char *facts =
		facts_of(f, "[foster]\nenvironment = BOTH=section,HALF=section\n"
			    "[program:x]\nenvironment = BOTH=program\n" FACTS("environ"));
	unsetenv("BOTH");
	assert_line(facts, "BOTH=program");
	assert_line(facts, "HALF=section");
	assert_lacks(facts, "BOTH=fosterd");
	fixture_down(f);
}

static void spawn_gives_a_clean_environment(void **state)
{
	static const char *const allowed[] = { "PATH=",
					       "HOME=",
					       "USER=",
					       "LOGNAME=",
					       "SHELL=",
					       "LANG=",
					       "FOSTER_",
					       "SUPERVISOR_ENABLED=",
					       "SUPERVISOR_PROCESS_",
					       "SUPERVISOR_GROUP_",
					       "MINE=" };
	struct fixture *f = *state;

	setenv("ONLY_HERE", "yes", 1);
	const char *facts = facts_of(f, "[program:x]\nstart_method = spawn\n"
					"environment = MINE=1\n" FACTS("environ"));
	unsetenv("ONLY_HERE");
	assert_line(facts, "MINE=1");
	assert_contains(facts, "PATH=");
	auto_free char *copy = strdup(facts);
	char *rest = copy;
	for (char *line; (line = strsep(&rest, "\n")) && *line;) {
		size_t i = 0;

		while (i < ARRAY_SIZE(allowed) &&
		       strncmp(line, allowed[i], strlen(allowed[i])) != 0)
			i++;
		if (i == ARRAY_SIZE(allowed))
			fixture_fail(f, "a clean environment has %s", line);
	}
	fixture_down(f);
}

/* The value of KEY= in facts. */
static const char *value_of(struct fixture *f, const char *facts, const char *key)
{
	const char *p = strstr(facts, key);

	if (!p)
		fixture_fail(f, "no %s in: %s", key, facts);
	p += strlen(key);
	return fixture_format(f, "%.*s", (int)strcspn(p, "\n"), p);
}

static void a_grouped_child_knows_name_program_and_group(void **state)
{
	struct fixture *f = *state;
	struct fifo *up = fixture_fifo(f, "up");

	fixture_start(f, "[group:g]\nprograms = x\n[program:x]\n" FACTS("environ"), "g:x");
	fixture_expect_line(f, up, "ready");
	const char *facts = fixture_file(f, "facts");
	assert_line(facts, "FOSTER_NAME=g:x");
	assert_line(facts, "FOSTER_PROGRAM=x");
	assert_line(facts, "FOSTER_GROUP=g");
	assert_line(facts, "SUPERVISOR_ENABLED=1");
	assert_line(facts, "SUPERVISOR_PROCESS_NAME=x");
	assert_line(facts, "SUPERVISOR_GROUP_NAME=g");
	assert_string_equal(value_of(f, facts, "FOSTER_SOCKET="), f->socket);
	fixture_down(f);
}

static void every_start_has_an_instance_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct fifo *up = fixture_fifo(f, "up");

	pid_t pid = fixture_start(
		f, "[program:x]\nautorestart = true\n" FACTS("env FOSTER_INSTANCE"), "x");
	fixture_expect_line(f, up, "ready");
	const char *first = fixture_file(f, "facts");
	fixture_kill(pid, SIGKILL);
	fixture_expect_line(f, up, "ready");
	const char *both = fixture_file(f, "facts");
	assert_true(strlen(first) > strlen("FOSTER_INSTANCE=\n") + 15);
	assert_int_equal(strlen(both), 2 * strlen(first));
	assert_string_not_equal(first, both + strlen(first));
	fixture_down(f);
}

/* ---- descriptors --------------------------------------------------------------------------- */

static void spawn_gives_three_descriptors_and_no_other(void **state)
{
	struct fixture *f = *state;
	const char *facts = facts_of(f, "[program:x]\nstart_method = spawn\n" FACTS("fds"));

	assert_contains(facts, "0 /dev/null\n");
	assert_contains(facts, "\n1 ");
	assert_contains(facts, "\n2 pipe:");
	assert_lacks(facts, "\n3 ");
	assert_int_equal(strspn(facts, "012") > 0, true);
	size_t lines = 0;
	for (const char *p = facts; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 3);
	fixture_down(f);
}

static void fork_passes_on_what_fosterd_was_given(void **state)
{
	struct fixture *f = *state;
	struct fifo *up = fixture_fifo(f, "up");
	auto_free char *shell = NULL;

	fixture_write_config(f, "[program:x]\nstart_method = fork\n" FACTS("fds"));
	fixture_write_file(f, "given", "");
	/* A shell between us and fosterd opens descriptor 7 and leaves it open. */
	assert_true(asprintf(&shell, "exec 7<%s/given; exec %s/fosterd -c %s/foster.ini", f->dir,
			     f->build, f->dir) > 0);
	assert_int_equal(fixture_open_notify(f), 0);
	fflush(stdout);
	f->fosterd = fork();
	if (f->fosterd == 0) {
		setenv("NOTIFY_SOCKET", fixture_path(f, "notify"), 1);
		execlp("sh", "sh", "-c", shell, (char *)NULL);
		_exit(127);
	}
	fixture_wait_ready(f);
	fixture_expect_line(f, up, "ready");
	const char *facts = fixture_file(f, "facts");
	assert_line(facts, fixture_format(f, "7 %s/given", f->dir));
	/* Nothing of foster's own: no socket, no epoll, no table. */
	assert_lacks(facts, "socket:");
	assert_lacks(facts, "anon_inode:");
	assert_lacks(facts, "/run/");
	fixture_down(f);
}

/* ---- session, signals, mask, directory ----------------------------------------------------- */

static void a_child_leads_a_session_of_its_own(void **state)
{
	struct fixture *f = *state;
	int pid, parent, group, session;
	const char *facts = facts_of(f, "[program:x]\n" FACTS("kin"));

	assert_int_equal(sscanf(facts, "%d %d %d %d", &pid, &parent, &group, &session), 4);
	assert_int_equal(parent, f->fosterd);
	assert_int_equal(group, pid);
	assert_int_equal(session, pid);
	fixture_down(f);
}

static void a_child_of_a_supervisord_file_leads_a_group_only(void **state)
{
	struct fixture *f = *state;
	int pid, parent, group, session;
	const char *facts = facts_of(f, "[supervisord]\n[program:x]\n" FACTS("kin fds"));

	assert_int_equal(sscanf(facts, "%d %d %d %d", &pid, &parent, &group, &session), 4);
	assert_int_equal(group, pid);
	assert_int_not_equal(session, pid);
	assert_contains(facts, "\n0 pipe:");
	fixture_down(f);
}

static void a_child_begins_with_no_signal_blocked_or_ignored(void **state)
{
	struct fixture *f = *state;

	/* fosterd was started by somebody who ignores and blocks signals. */
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	void (*pipe_was)(int) = signal(SIGPIPE, SIG_IGN);
	void (*quit_was)(int) = signal(SIGALRM, SIG_IGN);
	const char *facts = facts_of(f, "[program:x]\n" FACTS("signals"));
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, pipe_was);
	signal(SIGALRM, quit_was);
	assert_line(facts, "SigBlk:\t0000000000000000");
	assert_line(facts, "SigIgn:\t0000000000000000");
	assert_line(facts, "SigCgt:\t0000000000000000");
	fixture_down(f);
}

static void directory_and_umask_are_the_programs(void **state)
{
	struct fixture *f = *state;
	const char *facts =
		facts_of(f, "[program:x]\ndirectory = /usr/lib\numask = 027\n" FACTS("cwd umask"));

	assert_string_equal(facts, "/usr/lib\n027\n");
	fixture_down(f);
}

static void a_user_gets_ids_and_groups(void **state)
{
	struct fixture *f = *state;

	if (getuid() != 0)
		fixture_skip("needs root");
	fixture_write_file(f, "facts", "");
	assert_return_code(chmod(fixture_path(f, "facts"), 0666), errno);
	const char *facts = facts_of(f, "[program:x]\nuser = nobody\nstart_method = spawn\n" FACTS(
						"ids env HOME env USER"));
	assert_line(facts, "65534 65534 65534 65534 65534");
	assert_line(facts, "HOME=/nonexistent");
	assert_line(facts, "USER=nobody");
	fixture_down(f);
}

static void a_user_that_fosterd_may_not_become_is_refused(void **state)
{
	struct fixture *f = *state;

	if (getuid() != 0)
		fixture_skip("needs root");
	fixture_up(f, "[foster]\nuser = nobody\n[program:x]\nautostart = false\n"
		      "startretries = 0\nuser = daemon\ncommand = /bin/true\n");
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "Operation not permitted");
	fixture_down(f);
}

/* ---- failures come back in words ----------------------------------------------------------- */

static void expect_no_start(struct fixture *f, const char *section, const char *words)
{
	fixture_up(f, fixture_format(f,
				     "[program:x]\nautostart = false\nstartsecs = 0\n"
				     "startretries = 0\n%s",
				     section));
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	assert_string_equal(r.err, fixture_format(f, "fosterctl: x: cannot start: %s\n", words));
	fixture_until(f, "x", "FATAL");
	assert_int_equal(fixture_pid(f, "x"), 0);
	fixture_down(f);
}

static void a_missing_program_is_named(void **state)
{
	expect_no_start(*state, "command = /no/such/program",
			"/no/such/program: No such file or directory");
}

static void a_file_that_cannot_be_executed_is_named(void **state)
{
	struct fixture *f = *state;

	fixture_write_file(f, "data", "not a program\n");
	expect_no_start(f, "command = @dir@/data",
			fixture_format(f, "%s/data: Permission denied", f->dir));
}

static void a_directory_that_went_away_is_named(void **state)
{
	struct fixture *f = *state;

	assert_return_code(mkdir(fixture_path(f, "place"), 0755), errno);
	fixture_up(f, "[program:x]\nautostart = false\nstartsecs = 0\nstartretries = 0\n"
		      "command = sleep 1\ndirectory = @dir@/place\n");
	assert_return_code(rmdir(fixture_path(f, "place")), errno);
	fixture_ctl_is(f, 1, "",
		       fixture_format(f,
				      "fosterctl: x: cannot start: chdir %s/place: "
				      "No such file or directory\n",
				      f->dir),
		       "start", "x");
	fixture_down(f);
}

static void a_name_without_slash_is_looked_up_in_the_programs_path(void **state)
{
	struct fixture *f = *state;

	fixture_write_file(f, "tool", "#!/bin/sh\nexec sleep 1000\n");
	assert_return_code(chmod(fixture_path(f, "tool"), 0755), errno);
	pid_t pid = fixture_start(f,
				  "[program:x]\ncommand = tool\nstartsecs = 0\n"
				  "environment = PATH=\"@dir@:/usr/bin:/bin\"\n",
				  "x");
	assert_true(pid > 0);
	fixture_down(f);
}

/* ---- the limit of descriptors --------------------------------------------------------------- */

/* What the keeper keeps for itself, and room for two pidfds more, or for a process with two pipes. */
#define TIGHT_NOFILE 131

/* fosterd on text, as a shell with that limit starts it. */
static void up_with_few_descriptors(struct fixture *f, const char *text)
{
	const char *shell = fixture_format(f, "ulimit -n %d && exec %s/fosterd -c %s/foster.ini",
					   TIGHT_NOFILE, f->build, f->dir);
	const char *log = fixture_path(f, "log");

	fixture_write_config(f, text);
	assert_int_equal(fixture_open_notify(f), 0);
	fflush(stdout);
	f->fosterd = fork();
	if (f->fosterd == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

		if (fd < 0 || dup2(fd, 2) < 0)
			_exit(125);
		close_range(3, ~0U, 0); /* our own may have numbers beyond the limit */
		setenv("NOTIFY_SOCKET", fixture_path(f, "notify"), 1);
		execlp("sh", "sh", "-c", shell, (char *)NULL);
		_exit(127);
	}
	fixture_wait_ready(f);
}

static void a_start_beyond_the_limit_of_descriptors_is_refused_and_says_so(void **state)
{
	static const char words[] = "descriptors: 130 of 131 are in use and it needs 3"
				    " (RLIMIT_NOFILE)";
	static const char cannot[] = "x: cannot start: descriptors: 130 of 131 ";
	static const char quiet[] = "autostart = false\ncommand = sleep 1000\nstartsecs = 0\n"
				    "stdout_logfile = NONE\nstderr_logfile = NONE\n";
	struct fixture *f = *state;

	up_with_few_descriptors(f, fixture_format(f,
						  "[program:a]\n%s[program:b]\n%s"
						  "[program:x]\nautostart = false\nstartsecs = 0\n"
						  "startretries = 0\ncommand = sleep 1000\n",
						  quiet, quiet));
	fixture_ctl_is(f, 0, NULL, "", "start", "a", "b");
	pid_t a = fixture_pid(f, "a"), b = fixture_pid(f, "b");
	int keeper = run_count_fds(f->fosterd);
	for (int i = 0; i < 5; i++) {
		fixture_ctl_is(f, 1, "",
			       fixture_format(f, "fosterctl: x: cannot start: %s\n", words),
			       "start", "x");
		assert_int_equal(fixture_until(f, "x", "FATAL").pid, 0);
		assert_contains(fixture_ctl(f, "status", "x").out, words);
	}
	/* each time in one line; nothing was kept, and nobody else was touched */
	assert_int_equal(run_count(fixture_file(f, "log"), cannot), 5);
	assert_int_equal(run_count_fds(f->fosterd), keeper);
	assert_int_equal(fixture_pid(f, "a"), a);
	assert_int_equal(fixture_pid(f, "b"), b);
	/* what others give back is enough */
	fixture_ctl_is(f, 0, NULL, "", "stop", "a", "b");
	fixture_ctl_is(f, 0, NULL, "", "start", "x");
	assert_true(fixture_until(f, "x", "RUNNING").pid > 0);
	fixture_down(f);
}

static void a_refused_process_starts_once_there_are_descriptors_again(void **state)
{
	static const char full[] = "[program:a]\nautostart = false\nstartsecs = 0\n"
				   "command = sleep 1000\n";
	static const char waits[] = "[program:x]\nstartsecs = 0\ncommand = sleep 1000\n"
				    "restart_delay = 0.05\nrestart_delay_max = 0.05\n"
				    "startretries = 1000\n";
	struct fixture *f = *state;

	up_with_few_descriptors(f, full);
	fixture_ctl_is(f, 0, NULL, "", "start", "a");
	pid_t a = fixture_pid(f, "a");
	fixture_write_config(f, fixture_format(f, "%s%s", full, waits));
	assert_int_equal(fixture_ctl(f, "update").status, 0);
	fixture_until(f, "x", "BACKOFF");
	fixture_until(f, "x", "BACKOFF"); /* it tries again, and would go on */
	assert_contains(fixture_ctl(f, "status", "x").out,
			"descriptors: 131 of 131 are in use and it needs 3 (RLIMIT_NOFILE)");
	assert_int_equal(fixture_pid(f, "a"), a);
	fixture_write_config(f, waits); /* a goes, and so do its pipes */
	assert_int_equal(fixture_ctl(f, "update").status, 0);
	assert_true(fixture_until(f, "x", "RUNNING").pid > 0);
	fixture_down(f);
}

/* ---- which method -------------------------------------------------------------------------- */

static void the_main_section_chooses_the_method_a_program_or_a_call_overrides_it(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[foster]\nstart_method = spawn\n"
		      "[program:a]\ncommand = sleep 1000\n"
		      "[program:b]\ncommand = sleep 1000\nstart_method = fork\n");
	fixture_ctl_is(f, 0, NULL, "", "start", "c", "--start-method", "fork", "--", "sleep",
		       "1000");
	fixture_ctl_is(f, 0, NULL, "", "start", "d", "--", "sleep", "1000");
	const char *const expected[][2] = {
		{ "a", "spawn" }, { "b", "fork" }, { "c", "fork" }, { "d", "spawn" }
	};
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		json_t *method = json_object_get(fixture_show(f, expected[i][0]), "start_method");

		assert_string_equal(json_string_value(method), expected[i][1]);
	}
	fixture_down(f);
}

/* ---- forkserver ---------------------------------------------------------------------------- */

#define PYTHON_SERVER \
	"[forkserver:py]\ntype = python\npreload = service\nenvironment = PYTHONPATH=\"@dir@\"\n"
#define PYTHON_PROGRAM \
	"[program:x]\nstart_method = forkserver:py\nentry = service:main\nstartsecs = 0\n"

static void a_python_child_is_a_copy_of_the_preloaded_one(void **state)
{
	struct fixture *f = *state;
	struct fifo *up = fixture_fifo(f, "up");

	/* The module is loaded once: its PID is the forkserver's in every child. */
	fixture_write_file(
		f, "service.py",
		"import os, signal, sys\n"
		"loaded_by = os.getpid()\n"
		"def main():\n"
		"    fd = os.open(sys.argv[1], os.O_WRONLY)\n"
		"    text = f'{loaded_by} {os.getpid()} {sys.argv} {os.environ[\"FOSTER_NAME\"]}\\n'\n"
		"    os.write(fd, text.encode())\n"
		"    while True: signal.pause()\n");
	pid_t pid = fixture_start(
		f, PYTHON_SERVER PYTHON_PROGRAM "autorestart = true\nargs = @dir@/up 'two words'\n",
		"x");
	const char *first = fixture_line(f, up);
	int loaded_by, child;
	assert_int_equal(sscanf(first, "%d %d", &loaded_by, &child), 2);
	assert_int_equal(child, pid);
	assert_int_not_equal(loaded_by, pid);
	assert_contains(first, fixture_format(f, "['x', '%s/up', 'two words'] x", f->dir));
	fixture_kill(pid, SIGKILL);
	const char *second = fixture_line(f, up);
	int again;
	assert_int_equal(sscanf(second, "%d %d", &again, &child), 2);
	assert_int_equal(again, loaded_by);
	assert_int_not_equal(child, pid);
	fixture_down(f);
}

static void a_python_childs_output_and_exit_status_arrive(void **state)
{
	struct fixture *f = *state;

	fixture_write_file(f, "service.py",
			   "import sys\n"
			   "def main():\n"
			   "    print('out', 1)\n"
			   "    print('err', file=sys.stderr)\n"
			   "    return 7\n");
	fixture_up(f, PYTHON_SERVER PYTHON_PROGRAM
		   "autostart = false\nautorestart = false\nstdout_logfile = @dir@/out.log\n"
		   "stderr_logfile = @dir@/err.log\n");
	fixture_call(f, "Start", "{s:[s]}", "names", "x");
	struct event end = fixture_until(f, "x", "EXITED");
	assert_true(end.has_returncode);
	assert_int_equal(end.returncode, 7);
	fixture_down(f);
	assert_string_equal(fixture_file(f, "out.log"), "out 1\n");
	assert_string_equal(fixture_file(f, "err.log"), "err\n");
}

static void a_failed_import_names_module_and_traceback(void **state)
{
	struct fixture *f = *state;

	fixture_write_file(f, "service.py", "import no_such_module_at_all\n");
	fixture_up(f, PYTHON_SERVER PYTHON_PROGRAM "autostart = false\nstartretries = 0\n");
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "service");
	assert_contains(r.err, "no_such_module_at_all");
	assert_contains(fixture_file(f, "log"), "Traceback");
	fixture_down(f);
}

static void a_preload_that_starts_a_thread_is_refused(void **state)
{
	struct fixture *f = *state;

	fixture_write_file(
		f, "service.py",
		"import threading, time\n"
		"threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
		"def main(): pass\n");
	fixture_up(f, PYTHON_SERVER PYTHON_PROGRAM "autostart = false\nstartretries = 0\n");
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "thread");
	fixture_down(f);
}

static void a_forkserver_child_with_a_command_executes_it(void **state)
{
	struct fixture *f = *state;
	const char *facts =
		facts_of(f, "[program:x]\nstart_method = forkserver\n" FACTS("fds kin"));
	int pid, parent, group, session;

	assert_contains(facts, "0 /dev/null\n");
	assert_lacks(facts, "\n3 ");
	const char *kin = strrchr(facts, '\n');
	while (kin > facts && kin[-1] != '\n')
		kin--;
	assert_int_equal(sscanf(kin, "%d %d %d %d", &pid, &parent, &group, &session), 4);
	assert_int_equal(pid, fixture_pid(f, "x"));
	assert_int_equal(session, pid);
	fixture_down(f);
}

static void a_native_child_enters_the_preloaded_object(void **state)
{
	struct fixture *f = *state;
	struct fifo *up = fixture_fifo(f, "up");
	int loaded_by, child, again;

	pid_t pid = fixture_start(f,
				  "[forkserver:c]\ntype = native\n"
				  "preload = @build@/tests/helpers/shared/entry.so\n"
				  "[program:x]\nstart_method = forkserver:c\nstartsecs = 0\n"
				  "entry = @build@/tests/helpers/shared/entry.so:entered\n"
				  "args = @dir@/up\nautorestart = true\n",
				  "x");
	const char *first = fixture_line(f, up);
	assert_int_equal(sscanf(first, "%d %d", &loaded_by, &child), 2);
	assert_int_equal(child, pid);
	assert_int_not_equal(loaded_by, pid);
	assert_contains(first, " x 2");
	assert_int_equal(run_parent_of(pid), f->fosterd); /* the keeper's own child */
	fixture_kill(pid, SIGKILL);
	assert_int_equal(sscanf(fixture_line(f, up), "%d %d", &again, &child), 2);
	assert_int_equal(again, loaded_by);
	fixture_down(f);
}

static void what_a_native_entry_returns_is_the_exit_status(void **state)
{
	struct fixture *f = *state;

	fixture_start(f,
		      "[program:x]\nstart_method = forkserver\nstartsecs = 0\n"
		      "entry = @build@/tests/helpers/shared/entry.so:entered\n"
		      "args = @dir@/said 7\nautorestart = false\n",
		      "x");
	struct event end = fixture_until(f, "x", "EXITED");
	assert_int_equal(end.returncode, 7);
	fixture_down(f);
}

static void an_entry_that_is_not_there_is_named(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nstart_method = forkserver\nstartsecs = 0\nautostart = false\n"
		      "startretries = 0\nentry = @build@/tests/helpers/shared/entry.so:nothing\n");
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "fosterctl: x: cannot start: ");
	assert_contains(r.err, "nothing");
	fixture_down(f);
}

/* A Python service that says its forkserver's PID and exits with 9 on SIGUSR1. It waits with sigwait():
 * between Python's own look for signals and pause() one could get lost. */
static void write_ninth_service(struct fixture *f)
{
	fixture_write_file(f, "service.py",
			   "import os, signal, sys\n"
			   "server = os.getpid()\n"
			   "def main():\n"
			   "    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})\n"
			   "    fd = os.open(sys.argv[1], os.O_WRONLY)\n"
			   "    os.write(fd, f'{server}\\n'.encode())\n"
			   "    signal.sigwait({signal.SIGUSR1})\n"
			   "    os._exit(9)\n");
}

static void children_outlive_their_forkserver_and_keep_their_status(void **state)
{
	struct fixture *f = *state;
	struct fifo *up = fixture_fifo(f, "up");

	write_ninth_service(f);
	pid_t pid = fixture_start(
		f, PYTHON_SERVER PYTHON_PROGRAM "autorestart = false\nargs = @dir@/up\n", "x");
	pid_t server = (pid_t)atoi(fixture_line(f, up));
	fixture_kill(server, SIGKILL);
	fixture_until_dead(f, server);
	assert_int_equal(kill(pid, 0), 0);
	assert_string_equal(fixture_state(f, "x"), "RUNNING");
	fixture_kill(pid, SIGUSR1);
	struct event end = fixture_expect(f, "x", "EXITED");
	assert_true(end.has_returncode);
	assert_int_equal(end.returncode, 9);
	/* and the next start gets a new forkserver */
	fixture_call(f, "Start", "{s:[s]}", "names", "x");
	assert_int_not_equal(atoi(fixture_line(f, up)), server);
	fixture_down(f);
}

static void a_status_survives_a_forkserver_that_dies_with_its_child(void **state)
{
	struct fixture *f = *state;
	struct fifo *up = fixture_fifo(f, "up");

	write_ninth_service(f);
	pid_t pid = fixture_start(
		f, PYTHON_SERVER PYTHON_PROGRAM "autorestart = false\nargs = @dir@/up\n", "x");
	for (int round = 0; round < 20; round++) {
		pid_t server = (pid_t)atoi(fixture_line(f, up));

		/* The order changes from round to round: whoever is first, nothing is lost. */
		fixture_kill(round % 2 ? server : pid, round % 2 ? SIGKILL : SIGUSR1);
		fixture_kill(round % 2 ? pid : server, round % 2 ? SIGUSR1 : SIGKILL);
		struct event end = fixture_until(f, "x", "EXITED");
		assert_true(end.has_returncode);
		assert_int_equal(end.returncode, 9);
		fixture_call(f, "Start", "{s:[s]}", "names", "x");
		pid = fixture_until(f, "x", "RUNNING").pid;
	}
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(fork_passes_on_the_environment_but_not_what_was_meant_for_fosterd),
		fixture_test(environment_of_a_program_goes_over_that_of_fosterd),
		fixture_test(spawn_gives_a_clean_environment),
		fixture_test(a_grouped_child_knows_name_program_and_group),
		fixture_test(every_start_has_an_instance_of_its_own),
		fixture_test(spawn_gives_three_descriptors_and_no_other),
		fixture_test(fork_passes_on_what_fosterd_was_given),
		fixture_test(a_child_leads_a_session_of_its_own),
		fixture_test(a_child_of_a_supervisord_file_leads_a_group_only),
		fixture_test(a_child_begins_with_no_signal_blocked_or_ignored),
		fixture_test(directory_and_umask_are_the_programs),
		fixture_test(a_user_gets_ids_and_groups),
		fixture_test(a_user_that_fosterd_may_not_become_is_refused),
		fixture_test(a_missing_program_is_named),
		fixture_test(a_file_that_cannot_be_executed_is_named),
		fixture_test(a_directory_that_went_away_is_named),
		fixture_test(a_name_without_slash_is_looked_up_in_the_programs_path),
		fixture_test(a_start_beyond_the_limit_of_descriptors_is_refused_and_says_so),
		fixture_test(a_refused_process_starts_once_there_are_descriptors_again),
		fixture_test(the_main_section_chooses_the_method_a_program_or_a_call_overrides_it),
		fixture_test(a_python_child_is_a_copy_of_the_preloaded_one),
		fixture_test(a_python_childs_output_and_exit_status_arrive),
		fixture_test(a_failed_import_names_module_and_traceback),
		fixture_test(a_preload_that_starts_a_thread_is_refused),
		fixture_test(a_forkserver_child_with_a_command_executes_it),
		fixture_test(a_native_child_enters_the_preloaded_object),
		fixture_test(what_a_native_entry_returns_is_the_exit_status),
		fixture_test(an_entry_that_is_not_there_is_named),
		fixture_test(children_outlive_their_forkserver_and_keep_their_status),
		fixture_test(a_status_survives_a_forkserver_that_dies_with_its_child),
	};

	return fixture_run(tests);
}
