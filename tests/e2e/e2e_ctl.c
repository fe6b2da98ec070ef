/* e2e_ctl.c - fosterctl: every command's output, exit status and error line (DESIGN section 6) */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define NO_SUCH "fosterctl: nobody: no such process\n"

/* A group g of a and b, and c; none runs. */
#define THREE                                                                           \
	"[group:g]\nprograms = a,b\n"                                                   \
	"[program:a]\nautostart = false\n" HOLD "[program:b]\nautostart = false\n" HOLD \
	"[program:c]\nautostart = false\n" HOLD

static json_t *parse(struct fixture *f, struct result r)
{
	json_error_t error;
	json_t *value = json_loads(r.out, JSON_DECODE_ANY, &error);

	if (!value)
		fixture_fail(f, "not JSON: %s: %s", error.text, r.out);
	json_array_append_new(f->kept, value);
	return value;
}

/* ---- without a fosterd --------------------------------------------------------------------- */

static void without_a_fosterd_the_status_is_5(void **state)
{
	struct fixture *f = *state;
	const char *line = fixture_format(f,
					  "fosterctl: cannot connect to %s: No such file or "
					  "directory (is fosterd running?)\n",
					  f->socket);

	fixture_ctl_is(f, 5, "", line, "status");
	fixture_ctl_is(f, 5, "", line, "start", "x");
	fixture_ctl_is(f, 5, "", line, "poll", "x");
	fixture_ctl_is(f, 5, "", line, "ping");
	fixture_ctl_is(f, 5, "", line, "shutdown");
	/* those that pass a child's status keep theirs apart */
	fixture_ctl_is(f, 125, "", line, "run", "--", "true");
	fixture_ctl_is(f, 125, "", line, "wait", "x");
}

static void usage_errors_are_2_and_name_the_help(void **state)
{
	struct fixture *f = *state;

	fixture_ctl_is(f, 2, "", "fosterctl: needs a command (see fosterctl help)\n", NULL);
	fixture_ctl_is(f, 2, "", "fosterctl: fly: no such command (see fosterctl help)\n", "fly");
	fixture_ctl_is(f, 2, "", "fosterctl: stop: needs a NAME (see fosterctl help stop)\n",
		       "stop");
	fixture_ctl_is(f, 2, "",
		       "fosterctl: signal: FLY: no such signal (see fosterctl help signal)\n",
		       "signal", "FLY", "x");
	fixture_ctl_is(f, 2, "", NULL, "status", "--fly");
	fixture_ctl_is(f, 2, "", NULL, "run", "--timeout", "soon", "--", "true");
	fixture_ctl_is(f, 2, "", NULL, "-o", "xml", "status");
	fixture_ctl_is(f, 2, "", NULL, "tail", "x", "stdin");
}

static void the_socket_is_the_options_or_the_environments(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	unsetenv("FOSTER_SOCKET");
	fixture_ctl_is(f, 0, "pong\n", "", "-s", f->socket, "ping");
	fixture_ctl_is(f, 0, "pong\n", "", "--socket", f->socket, "ping");
	setenv("FOSTER_SOCKET", "/no/such/socket", 1);
	fixture_ctl_is(f, 5, "", NULL, "ping");
	setenv("FOSTER_SOCKET", f->socket, 1);
	fixture_ctl_is(f, 0, "pong\n", "", "ping");
	fixture_down(f);
}

/* ---- status -------------------------------------------------------------------------------- */

static void status_has_a_line_a_process_and_tells_by_its_exit_status(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE);
	fixture_ctl_is(f, 3,
		       "g:a                              STOPPED   Not started\n"
		       "g:b                              STOPPED   Not started\n"
		       "c                                STOPPED   Not started\n",
		       "", "status", "g:a", "g:b", "c");
	fixture_ctl_is(f, 0, NULL, "", "start", "all");
	struct result r = fixture_ctl(f, "status");
	assert_int_equal(r.status, 0);
	assert_contains(
		r.out,
		fixture_format(f,
			       "g:b                              RUNNING   pid %d, uptime 0:00:0",
			       fixture_pid(f, "g:b")));
	fixture_ctl_is(f, 0, NULL, "", "stop", "c");
	fixture_ctl_is(f, 3, NULL, "", "status");
	fixture_ctl_is(f, 0, NULL, "", "status", "g:*");
	fixture_ctl_is(f, 4, "", NO_SUCH, "status", "nobody");
	fixture_ctl_is(f, 4, NULL, NO_SUCH, "status", "c", "nobody");
	fixture_down(f);
}

static void status_as_json_is_one_document(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE);
	json_t *list = parse(f, fixture_ctl(f, "-o", "json", "status"));
	assert_int_equal(json_array_size(list), 3);
	json_t *first = json_array_get(list, 0);
	assert_non_null(json_object_get(first, "name"));
	assert_string_equal(json_string_value(json_object_get(first, "state")), "STOPPED");
	fixture_down(f);
}

static void quiet_says_nothing_but_errors(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE);
	fixture_ctl_is(f, 0, "", "", "-q", "start", "c");
	fixture_ctl_is(f, 0, "", "", "-q", "status", "c");
	fixture_ctl_is(f, 0, "", "", "-q", "poll", "c");
	fixture_ctl_is(f, 4, "", NO_SUCH, "-q", "start", "nobody");
	fixture_down(f);
}

/* ---- start, stop and their kin ------------------------------------------------------------- */

static void start_returns_when_each_runs(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE);
	fixture_ctl_is(f, 0, "g:a: started\nc: started\n", "", "start", "g:a", "c");
	assert_string_equal(fixture_state(f, "g:a"), "RUNNING");
	assert_string_equal(fixture_state(f, "c"), "RUNNING");
	fixture_ctl_is(f, 0, "c: already started\n", "", "start", "c");
	fixture_ctl_is(f, 4, "", NO_SUCH, "start", "nobody");
	fixture_ctl_is(f, 0, "g:b: started\n", "", "start", "g:b");
	fixture_down(f);
}

static void start_waits_for_startsecs(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nstartsecs = 0.4\ncommand = @child@ hold\n");
	uint64_t began = clock_boot_ns();
	fixture_ctl_is(f, 0, "x: started\n", "", "start", "x");
	assert_true(clock_boot_ns() - began >= 400 * NS_PER_MS);
	fixture_expect(f, "x", "STARTING");
	fixture_expect(f, "x", "RUNNING");
	fixture_down(f);
}

static void a_start_that_fails_says_so(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nstartsecs = 10\nstartretries = 0\n"
		      "command = @child@ exit 3\n");
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "fosterctl: x: ");
	assert_contains(r.err, "exited too quickly");
	fixture_expect(f, "x", "STARTING");
	fixture_expect(f, "x", "FATAL");
	fixture_down(f);
}

static void names_are_names_groups_and_patterns(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE "[program:n]\nautostart = false\nnumprocs = 3\n"
			    "process_name = n%(process_num)d\n" HOLD);
	fixture_ctl_is(f, 0, "g:a: started\ng:b: started\n", "", "start", "g:*");
	fixture_ctl_is(f, 0, "n:n0: started\nn:n1: started\nn:n2: started\n", "", "start", "n:*");
	fixture_ctl_is(f, 0, "n:n1: stopped\nn:n2: stopped\n", "", "stop", "n:n[12]");
	fixture_ctl_is(f, 0, "c: started\n", "", "start", "c*");
	fixture_ctl_is(f, 4, "", "fosterctl: z*: no such process\n", "start", "z*");
	fixture_down(f);
}

static void all_means_the_configured_ones(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE);
	fixture_ctl_is(f, 0, "mine: started\n", "", "start", "mine", "--", fixture_child(f),
		       "hold");
	fixture_ctl_is(f, 0, NULL, "", "start", "all");
	fixture_ctl_is(f, 0, NULL, "", "stop", "all");
	assert_string_equal(fixture_state(f, "mine"), "RUNNING");
	assert_string_equal(fixture_state(f, "g:a"), "STOPPED");
	fixture_ctl_is(f, 0, "mine: stopped\n", "", "stop", "mine");
	fixture_down(f);
}

/* ---- start NAME -- CMD --------------------------------------------------------------------- */

static void start_defines_a_process_in_the_background(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 0, "job: started\n", "", "start", "job", "-e", "WORD=a b", "-d", "/usr",
		       "--set", "stopwaitsecs=3", "--no-daemon", "--", fixture_child(f), "to",
		       fixture_path(f, "facts"), "cwd", "env", "WORD", "fds", "hold");
	json_t *job = fixture_show(f, "job");
	assert_true(json_is_false(json_object_get(job, "daemon")));
	assert_string_equal(json_string_value(json_object_get(job, "autorestart")), "false");
	assert_true(json_number_value(json_object_get(job, "stopwaitsecs")) == 3);
	assert_string_equal(json_string_value(json_object_get(job, "origin")), "client");
	assert_true(json_number_value(json_object_get(job, "startsecs")) == 0);
	fixture_until_file(f, "facts", "/usr\nWORD=a b\n0 /dev/null\n");
	fixture_ctl_is(f, 0, "job: killed\n", "", "kill", "job");
	fixture_down(f);
}

/* Both come in one turn of the supervisor, in either order. */
static void a_start_that_is_called_off_at_once_is_answered(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\nautostart = false\n" HOLD);
	pid_t supervisor = fixture_supervisor(f);
	for (int i = 0; i < 2; i++) {
		struct varlink both[2] = { { .fd = -1 }, { .fd = -1 } };

		for (int k = 0; k < 2; k++) {
			json_t *reply = NULL;

			assert_int_equal(varlink_open(&both[k], f->socket), 0);
			assert_int_equal(varlink_send(&both[k], "Ping", NULL, false, NULL, 0), 0);
			assert_int_equal(varlink_receive(&both[k], FIXTURE_DEADLINE_MS, &reply), 0);
			json_decref(reply);
		}
		fixture_kill(supervisor, SIGSTOP);
		for (int k = 0; k < 2; k++)
			assert_int_equal(varlink_send(&both[k], k == i ? "Start" : "Stop",
						      json_pack("{s:[s]}", "names", "web"), false,
						      NULL, 0),
					 0);
		fixture_kill(supervisor, SIGCONT);
		for (int k = 0; k < 2; k++) {
			json_t *reply = NULL;

			assert_int_equal(varlink_receive(&both[k], FIXTURE_DEADLINE_MS, &reply), 0);
			json_decref(reply);
			varlink_close(&both[k]);
		}
		(void)fixture_ctl(f, "stop", "web");
	}
	fixture_down(f);
}

static void a_name_in_use_is_refused(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE);
	fixture_ctl_is(f, 1, "", "fosterctl: c: name is in use\n", "start", "c", "--", "true");
	fixture_ctl_is(f, 0, NULL, "", "start", "mine", "--", "sleep", "1000");
	fixture_ctl_is(f, 1, "", "fosterctl: mine: name is in use\n", "start", "mine", "--",
		       "true");
	fixture_ctl_is(f, 0, NULL, "", "stop", "mine");
	fixture_ctl_is(f, 0, "mine: started\n", "", "start", "mine", "--", "sleep", "1000");
	fixture_ctl_is(f, 0, NULL, "", "stop", "mine");
	fixture_down(f);
}

static void bad_names_and_settings_are_refused(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	struct result r = fixture_ctl(f, "start", "a/b", "--", "true");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "fosterctl: a/b: ");
	r = fixture_ctl(f, "start", "x", "--set", "stopwaitsec=3", "--", "true");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "did you mean 'stopwaitsecs'?");
	r = fixture_ctl(f, "start", "x", "--set", "stopsignal=FLY", "--", "true");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "stopsignal");
	fixture_ctl_is(f, 4, "", "fosterctl: x: no such process\n", "status", "x");
	fixture_down(f);
}

static void an_exec_that_fails_is_told_before_start_returns(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 1, "",
		       "fosterctl: x: cannot start: /no/such: No such file or directory\n", "start",
		       "x", "--", "/no/such");
	fixture_down(f);
}

static void an_ended_process_stays_until_it_is_forgotten(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 0, NULL, "", "start", "x", "--", fixture_child(f), "print", "words",
		       "exit", "4");
	fixture_until(f, "x", "EXITED");
	fixture_ctl_is(f, 1, "4\n", "", "poll", "x");
	fixture_ctl_is(f, 4, NULL, "", "wait", "x");
	fixture_ctl_is(f, 0, "words\n", "", "tail", "x");
	fixture_ctl_is(f, 0, "x: started\n", "", "start", "x"); /* runs it again */
	fixture_until(f, "x", "EXITED");
	fixture_ctl_is(f, 0, "x: forgotten\n", "", "forget", "x");
	fixture_ctl_is(f, 4, "", "fosterctl: x: no such process\n", "poll", "x");
	fixture_ctl_is(f, 0, NULL, "", "start", "x", "--", fixture_child(f), "hold");
	fixture_ctl_is(f, 1, "", "fosterctl: x: still running\n", "forget", "x");
	fixture_ctl_is(f, 0, NULL, "", "kill", "x");
	fixture_down(f);
}

static void the_oldest_finished_ones_go(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[foster]\nkeep_finished = 2\n");
	for (int i = 1; i <= 3; i++) {
		const char *name = fixture_format(f, "x%d", i);

		fixture_ctl_is(f, 0, NULL, "", "start", name, "--", "true");
		fixture_until(f, name, "EXITED");
	}
	fixture_ctl_is(f, 4, "", NULL, "poll", "x1");
	fixture_ctl_is(f, 1, "0\n", "", "poll", "x2");
	fixture_ctl_is(f, 1, "0\n", "", "poll", "x3");
	fixture_down(f);
}

static void same_env_and_same_dir_carry_the_callers(void **state)
{
	struct fixture *f = *state;
	static const char *const words[] = { "ONLY_CALLER=yes", "PATH=/usr/bin:/bin", NULL };

	fixture_up(f, "");
	for (int same = 0; same < 2; same++) {
		struct run r = { .environ =
					 (const char *const[]){
						 words[0], words[1],
						 fixture_format(f, "FOSTER_SOCKET=%s", f->socket),
						 NULL },
				 .directory = "/usr" };
		const char *facts = same ? "same" : "other";

		fixture_ctl_start(f, &r, "start", facts, same ? "--same-env" : "--daemon",
				  same ? "--same-dir" : "--daemon", "--", fixture_child(f), "to",
				  fixture_path(f, "%s", facts), "cwd", "env", "ONLY_CALLER");
		fixture_check(f, fixture_finish(f, &r), 0, NULL, "");
		fixture_until(f, facts, "EXITED");
	}
	assert_string_equal(fixture_file(f, "same"), "/usr\nONLY_CALLER=yes\n");
	assert_contains(fixture_file(f, "other"), "\nONLY_CALLER\n");
	assert_lacks(fixture_file(f, "other"), "/usr\n");
	fixture_down(f);
}

/* ---- poll, wait, pid, show, tree, why ------------------------------------------------------ */

static void poll_is_popens(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE);
	fixture_ctl_is(f, 1, "none\n", "", "poll", "c");
	fixture_ctl_is(f, 0, NULL, "", "start", "c");
	fixture_ctl_is(f, 0, "running\n", "", "poll", "c");
	fixture_ctl_is(f, 0, NULL, "", "kill", "c");
	fixture_ctl_is(f, 1, "-9\n", "", "poll", "c");
	fixture_ctl_is(f, 4, "", NO_SUCH, "poll", "nobody");
	fixture_down(f);
}

static void wait_exits_as_the_last_named_did(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 0, NULL, "", "start", "three", "--", fixture_child(f), "exit", "3");
	fixture_ctl_is(f, 0, NULL, "", "start", "killed", "--", fixture_child(f), "die", "11");
	fixture_ctl_is(f, 0, NULL, "", "start", "long", "--", fixture_child(f), "hold");
	fixture_ctl_is(f, 3, "", "", "wait", "killed", "three");
	fixture_ctl_is(f, 128 + 11, "", "", "wait", "three", "killed");
	fixture_ctl_is(f, 124, "", "fosterctl: wait: timed out after 0.1 s\n", "wait", "--timeout",
		       "0.1", "long");
	fixture_ctl_is(f, 3, "three 3\n", "", "wait", "--any", "three", "long");
	fixture_ctl_is(f, 125, "", NO_SUCH, "wait", "nobody");
	struct run r = { 0 };
	fixture_ctl_start(f, &r, "wait", "long");
	fixture_ctl_is(f, 0, NULL, "", "kill", "long");
	fixture_check(f, fixture_finish(f, &r), 128 + 9, "", "");
	fixture_down(f);
}

static void wait_joins_until_no_restart_follows(void **state)
{
	struct fixture *f = *state;

	/* fails twice, then ends as expected */
	fixture_up(f, "[program:x]\nautostart = false\nautorestart = unexpected\nstartsecs = 0\n"
		      "restart_delay = 0.01\ncommand = @child@ first 2 @dir@/count 9\n");
	struct run r = { 0 };
	fixture_ctl_is(f, 0, NULL, "", "start", "x");
	fixture_ctl_start(f, &r, "wait", "x");
	fixture_check(f, fixture_finish(f, &r), 0, "", "");
	assert_string_equal(fixture_file(f, "count"), "...");
	fixture_down(f);
}

static void pid_prints_a_pid_or_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, THREE);
	fixture_ctl_is(f, 0, fixture_format(f, "%d\n", (int)f->fosterd), "", "pid");
	fixture_ctl_is(f, 0, fixture_format(f, "%d\n", (int)fixture_supervisor(f)), "", "pid",
		       "supervisor");
	fixture_ctl_is(f, 0, fixture_format(f, "%d\n", (int)fixture_logger(f)), "", "pid",
		       "logger");
	fixture_ctl_is(f, 1, "", "", "pid", "c");
	fixture_ctl_is(f, 0, NULL, "", "start", "c");
	fixture_ctl_is(f, 0, fixture_format(f, "%d\n", (int)fixture_pid(f, "c")), "", "pid", "c");
	fixture_ctl_is(f, 4, "", NO_SUCH, "pid", "nobody");
	fixture_down(f);
}

static void show_tells_everything(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nautorestart = false\nstartsecs = 0\n"
		      "command = @child@ print last complain words die 11\n");
	fixture_call(f, "Start", "{s:[s]}", "names", "x");
	fixture_until(f, "x", "EXITED");
	json_t *x = parse(f, fixture_ctl(f, "-o", "json", "show", "x"));
	assert_true(json_array_size(json_object_get(x, "last_lines")) > 0);
	static const char *const keys[] = { "name",	    "group",	   "program",
					    "state",	    "pid",	   "returncode",
					    "restarts",	    "incarnation", "started",
					    "stopped",	    "daemon",	   "parent",
					    "start_method", "rusage",	   "last_lines" };
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!json_object_get(x, keys[i]) && strcmp(keys[i], "pid") != 0 &&
		    strcmp(keys[i], "parent") != 0)
			fixture_fail(f, "show has no %s", keys[i]);
	assert_int_equal(json_integer_value(json_object_get(x, "returncode")), -SIGSEGV);
	assert_string_equal(json_string_value(json_object_get(x, "signal")), "SEGV");
	assert_contains(json_string_value(json_object_get(x, "asked_by")), "uid");
	struct result plain = fixture_ctl(f, "show", "x");
	assert_contains(plain.out, "returncode        -11\n");
	fixture_ctl_is(f, 4, "", NO_SUCH, "show", "nobody");
	fixture_down(f);
}

static void tree_and_why(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\n" HOLD
		      "[program:helper]\nparent = web\nautostart = false\n" HOLD);
	fixture_settle(f, "web", "RUNNING");
	struct result r = fixture_ctl(f, "tree");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "web RUNNING pid ");
	assert_contains(r.out, "\n  helper STOPPED");
	fixture_ctl_is(f, 0, "web: waits for nothing\n", "", "why", "web");
	fixture_ctl_is(f, 4, "", NO_SUCH, "why", "nobody");
	fixture_down(f);
}

static void events_follow_the_changes_of_state(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	fixture_up(f, THREE);
	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	int stdio[3] = { 0, fds[1], 2 };
	struct run r = { .stdio = stdio };
	fixture_ctl_start(f, &r, "-o", "json", "events", "c");
	close(fds[1]);
	FILE *stream = fdopen(fds[0], "r");
	assert_non_null(stream);
	/* Nobody tells when the stream is open: let something happen until it says so. */
	struct pollfd p = { .fd = fds[0], .events = POLLIN };
	do {
		fixture_ctl_is(f, 0, NULL, "", "-q", "start", "g:a", "c"); /* a is not asked for */
		fixture_ctl_is(f, 0, NULL, "", "-q", "kill", "g:a", "c");
	} while (poll(&p, 1, 100) == 0);
	for (const char *to = ""; strcmp(to, "STOPPED") != 0;) {
		char line[4096];

		assert_non_null(fgets(line, sizeof line, stream));
		json_t *e = json_loads(line, 0, NULL);
		assert_non_null(e);
		json_array_append_new(f->kept, e);
		assert_string_equal(json_string_value(json_object_get(e, "name")), "c");
		assert_true(json_number_value(json_object_get(e, "time")) > 1e9);
		to = json_string_value(json_object_get(e, "to"));
		assert_non_null(to);
	}
	kill(r.pid, SIGTERM);
	fixture_finish(f, &r);
	fclose(stream);
	fixture_down(f);
}

/* ---- run ----------------------------------------------------------------------------------- */

static void run_exits_as_the_child_did(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 0, "words\n", "", "run", "--", fixture_child(f), "print", "words");
	fixture_ctl_is(f, 7, "", "", "run", "--", fixture_child(f), "exit", "7");
	fixture_ctl_is(f, 128 + 15, "", "", "run", "--", fixture_child(f), "die", "15");
	fixture_ctl_is(f, 0, "", "words\n", "run", fixture_child(f), "complain", "words");
	fixture_ctl_is(f, 127, "",
		       "fosterctl: run-5: cannot start: /no/such: No such file or directory\n",
		       "run", "--", "/no/such");
	struct result r = fixture_ctl(f, "run", "--", f->dir);
	assert_int_equal(r.status, 126);
	/* and nothing stays */
	fixture_ctl_is(f, 0, "", "", "status");
	fixture_down(f);
}

static void run_gives_the_child_the_callers_descriptors(void **state)
{
	struct fixture *f = *state;
	struct run r = { .input = "a\0b\n", .input_len = 4 };

	fixture_up(f, "");
	fixture_ctl_start(f, &r, "run", "--", fixture_child(f), "cat");
	struct result result = fixture_finish(f, &r);
	assert_int_equal(result.status, 0);
	assert_int_equal(result.out_len, 4);
	assert_memory_equal(result.out, "a\0b\n", 4);
	result = fixture_ctl(f, "run", "--", fixture_child(f), "fds");
	assert_contains(result.out, "/memfd:stdout");
	assert_lacks(result.out, "\n3 ");
	fixture_down(f);
}

static void run_carries_environment_directory_and_umask(void **state)
{
	struct fixture *f = *state;
	struct run r = { .directory = "/usr" };

	fixture_up(f, "");
	setenv("ONLY_CALLER", "yes", 1);
	mode_t old = umask(077);
	fixture_ctl_start(f, &r, "run", "-e", "MORE=1", "--", fixture_child(f), "cwd", "umask",
			  "env", "ONLY_CALLER", "env", "MORE");
	umask(old);
	unsetenv("ONLY_CALLER");
	fixture_check(f, fixture_finish(f, &r), 0, "/usr\n077\nONLY_CALLER=yes\nMORE=1\n", "");
	fixture_down(f);
}

static void run_forwards_signals_to_the_child(void **state)
{
	static const int forwarded[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "");
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++) {
		struct run r = { 0 };

		/* A signal that comes before fosterctl knows of the child ends fosterctl alone, and
		 * the child with the session: let it learn. */

		fixture_ctl_start(f, &r, "run", "--", fixture_child(f), "on",
				  fixture_format(f, "%d", forwarded[i]), "42", "sleep", "100",
				  "say", said->path, "up", "hold");
		fixture_expect_line(f, said, "up");
		fixture_kill(r.pid, forwarded[i]);
		fixture_check(f, fixture_finish(f, &r), 42, "", "");
	}
	fixture_down(f);
}

static void run_stops_after_its_timeout(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 124, "early\n", NULL, "run", "--timeout", "0.3", "--", fixture_child(f),
		       "print", "early", "hold");
	fixture_ctl_is(f, 124, "", NULL, "run", "--timeout", "0.1", "--set", "stopwaitsecs=0.1",
		       "--", fixture_child(f), "ignore", "15", "hold");
	fixture_down(f);
}

/* ---- tail ---------------------------------------------------------------------------------- */

static void tail_prints_the_last_lines(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_start(f,
		      "[program:x]\nstartsecs = 0\nautorestart = false\n"
		      "command = @child@ print one print two print three complain four exit 0\n",
		      "x");
	(void)said;
	fixture_until(f, "x", "EXITED");
	fixture_ctl_is(f, 0, "one\ntwo\nthree\n", "", "tail", "x");
	fixture_ctl_is(f, 0, "two\nthree\n", "", "tail", "-n", "2", "x");
	fixture_ctl_is(f, 0, "four\n", "", "tail", "x", "stderr");
	fixture_ctl_is(f, 4, "", NO_SUCH, "tail", "nobody");
	fixture_down(f);
}

static void tail_of_a_process_without_log_says_so(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "[program:x]\nstdout_logfile = NONE\n" HOLD, "x");
	struct result r = fixture_ctl(f, "tail", "x");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "fosterctl: x: no log");
	fixture_down(f);
}

/* ---- the daemon itself --------------------------------------------------------------------- */

static void ping_version_and_shutdown(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 0, "pong\n", "", "ping");
	fixture_ctl_is(f, 0, "pong\n", "", "pong");
	fixture_ctl_is(f, 0, FOSTER_VERSION "\n", "", "version");
	fixture_ctl_is(f, 0, "fosterd: shut down\n", "", "shutdown");
	assert_int_equal(fixture_gone(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(without_a_fosterd_the_status_is_5),
		fixture_test(usage_errors_are_2_and_name_the_help),
		fixture_test(the_socket_is_the_options_or_the_environments),
		fixture_test(status_has_a_line_a_process_and_tells_by_its_exit_status),
		fixture_test(status_as_json_is_one_document),
		fixture_test(quiet_says_nothing_but_errors),
		fixture_test(start_returns_when_each_runs),
		fixture_test(start_waits_for_startsecs),
		fixture_test(a_start_that_fails_says_so),
		fixture_test(names_are_names_groups_and_patterns),
		fixture_test(all_means_the_configured_ones),
		fixture_test(start_defines_a_process_in_the_background),
		fixture_test(a_start_that_is_called_off_at_once_is_answered),
		fixture_test(a_name_in_use_is_refused),
		fixture_test(bad_names_and_settings_are_refused),
		fixture_test(an_exec_that_fails_is_told_before_start_returns),
		fixture_test(an_ended_process_stays_until_it_is_forgotten),
		fixture_test(the_oldest_finished_ones_go),
		fixture_test(same_env_and_same_dir_carry_the_callers),
		fixture_test(poll_is_popens),
		fixture_test(wait_exits_as_the_last_named_did),
		fixture_test(wait_joins_until_no_restart_follows),
		fixture_test(pid_prints_a_pid_or_nothing),
		fixture_test(show_tells_everything),
		fixture_test(tree_and_why),
		fixture_test(events_follow_the_changes_of_state),
		fixture_test(run_exits_as_the_child_did),
		fixture_test(run_gives_the_child_the_callers_descriptors),
		fixture_test(run_carries_environment_directory_and_umask),
		fixture_test(run_forwards_signals_to_the_child),
		fixture_test(run_stops_after_its_timeout),
		fixture_test(tail_prints_the_last_lines),
		fixture_test(tail_of_a_process_without_log_says_so),
		fixture_test(ping_version_and_shutdown),
	};

	return fixture_run(tests);
}
