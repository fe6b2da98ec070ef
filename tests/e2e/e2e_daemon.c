/* e2e_daemon.c - the daemon flag, parents and sessions: the table of DESIGN section 4 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ---- the parent is fosterd ----------------------------------------------------------------- */

static void a_shutdown_stops_daemon_processes_in_reverse_order(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:second]\npriority = 2\nstartsecs = 0\n"
		      "command = @child@ bye 15 @dir@/said second say @dir@/said up hold\n"
		      "[program:first]\npriority = 1\nstartsecs = 0\n"
		      "command = @child@ bye 15 @dir@/said first say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	fixture_expect_line(f, said, "up");
	fixture_down(f);
	fixture_expect_line(f, said, "second");
	fixture_expect_line(f, said, "first");
}

static void the_priority_of_a_group_comes_first(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[group:front]\npriority = 2\nprograms = a\n"
		      "[group:back]\npriority = 1\nprograms = b\n"
		      "[program:a]\npriority = 1\nstartsecs = 0\n"
		      "command = @child@ bye 15 @dir@/said front say @dir@/said up hold\n"
		      "[program:b]\npriority = 2\nstartsecs = 0\n"
		      "command = @child@ bye 15 @dir@/said back say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	fixture_expect_line(f, said, "up");
	fixture_down(f);
	fixture_expect_line(f, said, "front");
	fixture_expect_line(f, said, "back");
}

static void a_shutdown_kills_what_does_not_obey(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:deaf]\nstartsecs = 0\nstopwaitsecs = 0.2\n"
		      "command = @child@ ignore 15 say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	fixture_down(f);
}

static void a_shutdown_by_command_ends_fosterd_with_status_0(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "[program:web]\n" HOLD, "web");
	fixture_ctl_is(f, 0, NULL, "", "shutdown");
	assert_int_equal(fixture_gone(f), 0);
}

static void a_shutdown_leaves_other_processes_running(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, "[program:free]\ndaemon = false\n" HOLD, "free");

	fixture_kill(f->fosterd, SIGTERM);
	assert_int_equal(fixture_ended(f), 0);
	assert_true(run_alive(pid));
	fixture_reap(f, pid);
	fixture_assert_no_child(f);
}

static void with_join_a_shutdown_waits_for_other_processes(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[foster]\non_exit = join\n"
		      "[program:tied]\nstartsecs = 0\n"
		      "command = @child@ bye 15 @dir@/said stopped say @dir@/said up hold\n"
		      "[program:free]\ndaemon = false\nautorestart = false\n" HOLD);
	fixture_expect_line(f, said, "up");
	pid_t pid = fixture_settle(f, "free", "RUNNING");
	fixture_kill(f->fosterd, SIGTERM);
	fixture_expect_line(f, said, "stopped");
	fixture_until(f, "tied", "STOPPED");
	assert_true(run_alive(f->fosterd));
	assert_true(run_alive(pid));
	fixture_kill(pid, SIGKILL);
	assert_int_equal(fixture_gone(f), 0);
}

/* ---- the keeper is killed outright --------------------------------------------------------- */

static void a_killed_keeper_takes_daemon_processes_with_it_and_no_other(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* tied has a child in a session of its own that ignores SIGTERM. */
	fixture_up(f, "[program:tied]\nstartsecs = 0\n"
		      "command = @child@ fork setsid ignore 15 say @dir@/said %%p hold end "
		      "say @dir@/said %%p hold\n"
		      "[program:free]\ndaemon = false\n" HOLD);
	fixture_line(f, said);
	fixture_line(f, said);
	pid_t free_pid = fixture_settle(f, "free", "RUNNING");
	pid_t keeper = f->fosterd;
	fixture_kill(keeper, SIGKILL);
	assert_int_equal(fixture_ended(f), -SIGKILL);
	/* supervisor, logger, tied and its child all end by themselves */
	fixture_reap_all_but(f, free_pid);
	assert_true(run_alive(free_pid));
	fixture_reap(f, free_pid);
	fixture_assert_no_child(f);
}

static void a_process_that_runs_on_after_the_keeper_may_go_on_printing(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t pid = fixture_start(f,
				  "[program:free]\ndaemon = false\nstartsecs = 0\n"
				  "command = @child@ tell 10 @dir@/said told sleep 300 lines 100 "
				  "say @dir@/said printed hold\n",
				  "free");

	fixture_kill(f->fosterd, SIGKILL);
	assert_int_equal(fixture_ended(f), -SIGKILL);
	fixture_reap_all_but(f, pid);
	fixture_expect_line(f, said, "printed"); /* and no SIGPIPE */
	fixture_reap(f, pid);
}

/* ---- the parent is another process --------------------------------------------------------- */

#define FAMILY(flag)                                \
	"[program:web]\nautorestart = false\n" HOLD \
	"[program:helper]\nparent = web\ndaemon = " flag "\nautorestart = false\n" HOLD

static void a_child_starts_when_its_parent_runs_and_stops_when_it_exits(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, FAMILY("true"));
	pid_t web = fixture_settle(f, "web", "RUNNING");
	pid_t helper = fixture_settle(f, "helper", "RUNNING");
	assert_string_equal(text_in(fixture_show(f, "helper"), "parent"), "web");
	fixture_kill(web, SIGKILL);
	fixture_until(f, "web", "EXITED");
	fixture_until(f, "helper", "STOPPED");
	assert_false(run_alive(helper));
	fixture_down(f);
}

static void a_child_comes_again_with_its_parent(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\nautorestart = true\n" HOLD
		      "[program:helper]\nparent = web\n" HOLD);
	pid_t web = fixture_settle(f, "web", "RUNNING");
	pid_t first = fixture_settle(f, "helper", "RUNNING");
	fixture_kill(web, SIGKILL);
	fixture_until(f, "helper", "STOPPED");
	pid_t second = fixture_until(f, "helper", "RUNNING").pid;
	assert_int_not_equal(first, second);
	assert_string_equal(fixture_state(f, "web"), "RUNNING");
	fixture_down(f);
}

static void a_child_that_is_no_daemon_runs_on_without_its_parent(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, FAMILY("false"));
	pid_t web = fixture_settle(f, "web", "RUNNING");
	pid_t helper = fixture_settle(f, "helper", "RUNNING");
	fixture_kill(web, SIGKILL);
	fixture_until(f, "web", "EXITED");
	fixture_expect_nothing(f, "helper");
	assert_true(run_alive(helper));
	fixture_ctl_is(f, 0, NULL, "", "stop", "helper");
	fixture_down(f);
}

/* Though priority= says otherwise. */
static void at_a_shutdown_a_child_goes_before_its_parent(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\npriority = 2\n" HOLD
		      "[program:helper]\npriority = 1\nparent = web\n" HOLD
		      "[program:last]\npriority = 0\n" HOLD);
	fixture_settle(f, "helper", "RUNNING");
	fixture_down(f);
	const char *log = fixture_file(f, "log");
	assert_contains(log, "helper: STOPPED");
	assert_contains(strstr(log, "helper: STOPPED"), "web: STOPPING");
	assert_contains(strstr(log, "web: STOPPED"), "last: STOPPING");
}

static void a_parent_that_comes_up_in_a_shutdown_starts_nobody(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:deaf]\npriority = 1000\nstopwaitsecs = 1000\nstartsecs = 0\n"
		      "command = @child@ ignore 15 say @dir@/said deaf hold\n"
		      "[program:web]\nstartsecs = 1\nautostart = false\ncommand = @child@ hold\n"
		      "[program:helper]\nparent = web\n" HOLD);
	fixture_expect_line(f, said, "deaf");
	pid_t deaf = fixture_settle(f, "deaf", "RUNNING");
	assert_int_equal(varlink_send(&f->calls, "Start", json_pack("{s:[s]}", "names", "web"),
				      false, NULL, 0),
			 0);
	fixture_until(f, "web", "STARTING");
	fixture_kill(f->fosterd, SIGTERM);
	fixture_until(f, "web", "RUNNING");
	fixture_kill(deaf, SIGKILL);
	assert_int_equal(fixture_gone(f), 0);
	assert_lacks(fixture_file(f, "log"), "helper: STARTING");
}

static void a_child_cannot_start_without_its_parent(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\nautostart = false\n" HOLD
		      "[program:helper]\nparent = web\nautostart = false\n" HOLD);
	struct result r = fixture_ctl(f, "start", "helper");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "fosterctl: helper: cannot start: ");
	assert_contains(r.err, "web");
	fixture_down(f);
}

static void parents_in_a_circle_are_a_bad_configuration(void **state)
{
	struct fixture *f = *state;

	fixture_write_config(f, "[program:a]\nparent = b\n" HOLD "[program:b]\nparent = a\n" HOLD);
	struct result r =
		fixture_program(f, "fosterd", "--check", "-c", fixture_path(f, "foster.ini"));
	assert_int_equal(r.status, 2);
	assert_contains(r.err, "parent");
	assert_contains(r.err, "a");
}

/* ---- the parent is a session --------------------------------------------------------------- */

/* fosterctl run of a child that says its PID; the client's PID in *ret_client. */
static pid_t run_in_session(struct fixture *f, struct fifo *said, struct run *r, const char *flag)
{
	fixture_ctl_start(f, r, "run", flag, "--", fixture_child(f), "say", said->path, "%p",
			  "hold");
	return (pid_t)atoi(fixture_line(f, said));
}

static void what_a_killed_client_ran_is_stopped(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	struct run r = { 0 };

	fixture_up(f, "");
	pid_t pid = run_in_session(f, said, &r, "--daemon");
	fixture_kill(r.pid, SIGKILL);
	assert_int_equal(fixture_finish(f, &r).status, -SIGKILL);
	fixture_until_dead(f, pid);
	fixture_until(f, "run-1", "STOPPED");
	fixture_down(f);
}

static void what_a_killed_client_ran_as_no_daemon_runs_on(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	struct run r = { 0 };

	fixture_up(f, "");
	pid_t pid = run_in_session(f, said, &r, "--no-daemon");
	fixture_kill(r.pid, SIGKILL);
	fixture_finish(f, &r);
	fixture_until(f, "run-1", "RUNNING");
	fixture_expect_nothing(f, "run-1");
	assert_true(run_alive(pid));
	fixture_ctl_is(f, 0, NULL, "", "kill", "run-1");
	fixture_down(f);
}

static void a_session_outlives_its_connection_and_the_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	struct run r = { 0 };

	fixture_up(f, "");
	fixture_ctl_start(f, &r, "run", "--", fixture_child(f), "on", "10", "5", "say", said->path,
			  "%p", "hold");
	pid_t pid = (pid_t)atoi(fixture_line(f, said));
	fixture_replace_supervisor(f);
	assert_true(run_alive(pid));
	fixture_kill(pid, SIGUSR1);
	fixture_check(f, fixture_finish(f, &r), 5, "", "");
	fixture_down(f);
}

/* ---- started from inside ------------------------------------------------------------------- */

static void what_a_process_starts_is_its_child(void **state)
{
	struct fixture *f = *state;

	fixture_start(
		f,
		"[program:outer]\nstartsecs = 0\nautorestart = false\n"
		"command = sh -c '@build@/fosterctl start inner -- @child@ hold; exec sleep 1000'\n",
		"outer");
	pid_t pid = fixture_until(f, "inner", "RUNNING").pid;
	json_t *inner = fixture_show(f, "inner");
	assert_string_equal(text_in(inner, "parent"), "outer");
	assert_true(json_is_true(json_object_get(inner, "daemon")));
	fixture_ctl_is(f, 0, NULL, "", "stop", "outer");
	fixture_until(f, "inner", "STOPPED");
	assert_false(run_alive(pid));
	fixture_down(f);
}

static void a_child_inherits_the_flag_unless_told_otherwise(void **state)
{
	struct fixture *f = *state;

	fixture_start(f,
		      "[program:outer]\nstartsecs = 0\nautorestart = false\ndaemon = false\n"
		      "command = sh -c '@build@/fosterctl start inner -- @child@ hold; "
		      "@build@/fosterctl start tied --daemon -- @child@ hold; exec sleep 1000'\n",
		      "outer");
	fixture_until(f, "tied", "RUNNING");
	assert_true(json_is_false(json_object_get(fixture_show(f, "inner"), "daemon")));
	assert_true(json_is_true(json_object_get(fixture_show(f, "tied"), "daemon")));
	fixture_ctl_is(f, 0, NULL, "", "kill", "outer");
	fixture_until(f, "tied", "STOPPED");
	fixture_ctl_is(f, 0, NULL, "", "poll", "inner");
	fixture_ctl_is(f, 0, NULL, "", "kill", "inner");
	fixture_down(f);
}

/* ---- the supervisor is not the parent ------------------------------------------------------ */

static void a_supervisor_that_dies_changes_nothing(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, "[program:web]\nautorestart = true\n" HOLD, "web");

	/* one restart before, so that there is a count to keep */
	fixture_kill(pid, SIGKILL);
	fixture_expect(f, "web", "EXITED");
	fixture_expect(f, "web", "STARTING");
	pid = fixture_expect(f, "web", "RUNNING").pid;
	json_int_t restarts =
		json_integer_value(json_object_get(fixture_show(f, "web"), "restarts"));
	assert_int_equal(restarts, 1);
	fixture_replace_supervisor(f);
	assert_int_equal(fixture_pid(f, "web"), pid);
	assert_string_equal(fixture_state(f, "web"), "RUNNING");
	assert_int_equal(json_integer_value(json_object_get(fixture_show(f, "web"), "restarts")),
			 restarts);
	fixture_expect_nothing(f, "web");
	/* and the new one does its work */
	fixture_kill(pid, SIGKILL);
	fixture_until(f, "web", "RUNNING");
	fixture_down(f);
}

static void a_supervisor_that_hangs_is_replaced(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "[foster]\nwatchdog = 1\n[program:web]\n" HOLD, "web");
	pid_t pid = fixture_pid(f, "web");
	pid_t old = fixture_supervisor(f);
	fixture_kill(old, SIGSTOP);
	/* this connection is not accepted, so it is noticed */
	assert_int_not_equal(fixture_new_supervisor(f, old), old);
	assert_int_equal(fixture_pid(f, "web"), pid);
	fixture_down(f);
}

static void an_end_during_the_supervisors_absence_is_not_lost(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	struct run waiting = { 0 };

	pid_t pid = fixture_start(f,
				  "[program:web]\nautorestart = false\nstartsecs = 0\n"
				  "command = @child@ on 10 6 say @dir@/said up hold\n",
				  "web");
	fixture_expect_line(f, said, "up");
	fixture_ctl_start(f, &waiting, "wait", "web");
	pid_t old = fixture_supervisor(f);
	fixture_kill(old, SIGSTOP);
	fixture_kill(pid, SIGUSR1);
	fixture_until_dead(f, pid);
	fixture_kill(old, SIGKILL);
	fixture_check(f, fixture_finish(f, &waiting), 6, NULL, "");
	fixture_reconnect(f);
	fixture_ctl_is(f, 1, "6\n", "", "poll", "web");
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_shutdown_stops_daemon_processes_in_reverse_order),
		fixture_test(the_priority_of_a_group_comes_first),
		fixture_test(a_shutdown_kills_what_does_not_obey),
		fixture_test(a_shutdown_by_command_ends_fosterd_with_status_0),
		fixture_test(a_shutdown_leaves_other_processes_running),
		fixture_test(with_join_a_shutdown_waits_for_other_processes),
		fixture_test(a_killed_keeper_takes_daemon_processes_with_it_and_no_other),
		fixture_test(a_process_that_runs_on_after_the_keeper_may_go_on_printing),
		fixture_test(a_child_starts_when_its_parent_runs_and_stops_when_it_exits),
		fixture_test(a_child_comes_again_with_its_parent),
		fixture_test(a_child_that_is_no_daemon_runs_on_without_its_parent),
		fixture_test(at_a_shutdown_a_child_goes_before_its_parent),
		fixture_test(a_parent_that_comes_up_in_a_shutdown_starts_nobody),
		fixture_test(a_child_cannot_start_without_its_parent),
		fixture_test(parents_in_a_circle_are_a_bad_configuration),
		fixture_test(what_a_killed_client_ran_is_stopped),
		fixture_test(what_a_killed_client_ran_as_no_daemon_runs_on),
		fixture_test(a_session_outlives_its_connection_and_the_supervisor),
		fixture_test(what_a_process_starts_is_its_child),
		fixture_test(a_child_inherits_the_flag_unless_told_otherwise),
		fixture_test(a_supervisor_that_dies_changes_nothing),
		fixture_test(a_supervisor_that_hangs_is_replaced),
		fixture_test(an_end_during_the_supervisors_absence_is_not_lost),
	};

	return fixture_run(tests);
}
