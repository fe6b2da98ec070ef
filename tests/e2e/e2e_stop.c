/* e2e_stop.c - terminate, stop, kill, and what is left behind: DESIGN section 5 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define X "[program:x]\nstartsecs = 0\nautorestart = true\n"

/* ---- terminate, stop, kill, signal --------------------------------------------------------- */

static void terminate_signals_once_and_returns(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_start(f,
		      X "stopwaitsecs = 1000\n"
			"command = @child@ tell 15 @dir@/said asked say @dir@/said up hold\n",
		      "x");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, "x: terminating\n", "", "terminate", "x");
	fixture_expect_line(f, said, "asked");
	assert_string_equal(fixture_state(f, "x"), "STOPPING");
	fixture_ctl_is(f, 0, "running\n", "", "poll", "x");
	fixture_expect_silence(f, said);
	fixture_ctl_is(f, 0, "x: killed\n", "", "kill", "x");
	fixture_ctl_is(f, 1, "-9\n", "", "poll", "x");
	fixture_down(f);
}

static void a_shutdown_does_not_wait_for_what_was_only_terminated(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_start(f,
		      X "stopwaitsecs = 0.2\n"
			"command = @child@ tell 15 @dir@/said asked say @dir@/said up hold\n",
		      "x");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, "x: terminating\n", "", "terminate", "x");
	fixture_expect_line(f, said, "asked");
	fixture_down(f); /* it would hang */
}

static void stop_returns_when_the_process_is_gone(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, X "command = @child@ hold\n", "x");

	fixture_ctl_is(f, 0, "x: stopped\n", "", "stop", "x");
	assert_false(run_alive(pid));
	fixture_expect(f, "x", "STOPPING");
	struct event end = fixture_expect(f, "x", "STOPPED");
	assert_int_equal(end.returncode, -SIGTERM);
	/* whoever stops it does not want it back */
	fixture_expect_nothing(f, "x");
	fixture_down(f);
}

static void stop_kills_after_stopwaitsecs(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_start(f,
		      X "stopwaitsecs = 0.3\n"
			"command = @child@ tell 15 @dir@/said asked say @dir@/said up hold\n",
		      "x");
	fixture_expect_line(f, said, "up");
	uint64_t began = clock_boot_ns();
	fixture_ctl_is(f, 0, "x: stopped\n", "", "stop", "x");
	assert_true(clock_boot_ns() - began >= 300 * NS_PER_MS);
	fixture_expect_line(f, said, "asked");
	fixture_ctl_is(f, 1, "-9\n", "", "poll", "x");
	fixture_down(f);
}

static void the_stop_signal_is_the_programs(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_start(f,
		      X "stopsignal = USR2\n"
			"command = @child@ bye 12 @dir@/said usr2 say @dir@/said up hold\n",
		      "x");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, "x: stopped\n", "", "stop", "x");
	fixture_expect_line(f, said, "usr2");
	fixture_ctl_is(f, 1, "0\n", "", "poll", "x");
	fixture_down(f);
}

static void kill_does_not_ask(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_start(f,
		      X "stopwaitsecs = 1000\n"
			"command = @child@ tell 15 @dir@/said asked say @dir@/said up hold\n",
		      "x");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, "x: killed\n", "", "kill", "x");
	fixture_ctl_is(f, 1, "-9\n", "", "poll", "x");
	fixture_expect_silence(f, said);
	fixture_until(f, "x", "STOPPED");
	fixture_expect_nothing(f, "x");
	fixture_down(f);
}

static void signal_leaves_the_wanted_state_alone(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, X "command = @child@ hold\n", "x");

	fixture_ctl_is(f, 0, "x: signalled\n", "", "signal", "TERM", "x");
	fixture_expect(f, "x", "EXITED");
	fixture_expect(f, "x", "STARTING");
	assert_int_not_equal(fixture_expect(f, "x", "RUNNING").pid, pid);
	fixture_down(f);
}

static void what_does_not_run_cannot_be_signalled_but_is_as_good_as_stopped(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, X "autostart = false\ncommand = @child@ hold\n");
	fixture_ctl_is(f, 1, "", "fosterctl: x: not running\n", "signal", "TERM", "x");
	fixture_ctl_is(f, 0, "x: not running\n", "", "stop", "x");
	fixture_ctl_is(f, 0, "x: not running\n", "", "terminate", "x");
	fixture_ctl_is(f, 0, "x: not running\n", "", "kill", "x");
	fixture_down(f);
}

static void start_of_a_stopping_process_waits_and_then_starts_it(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	pid_t old = fixture_start(
		f,
		X "stopwaitsecs = 1000\n"
		  "command = @child@ tell 15 @dir@/said asked on 10 0 say @dir@/said up hold\n",
		"x");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, NULL, "", "terminate", "x");
	fixture_expect_line(f, said, "asked");
	struct run r = { 0 };
	fixture_ctl_start(f, &r, "start", "x");
	fixture_expect(f, "x", "STOPPING");
	fixture_expect_nothing(f, "x");
	fixture_kill(old, SIGUSR1);
	fixture_expect(f, "x", "STOPPED");
	fixture_check(f, fixture_finish(f, &r), 0, "x: started\n", "");
	pid_t now = fixture_until(f, "x", "RUNNING").pid;
	assert_int_not_equal(now, old);
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, NULL, "", "kill", "x");
	fixture_down(f);
}

static void restart_makes_a_new_process(void **state)
{
	struct fixture *f = *state;
	pid_t old = fixture_start(f, X "command = @child@ hold\n", "x");

	fixture_ctl_is(f, 0, "x: restarted\n", "", "restart", "x");
	assert_int_not_equal(fixture_pid(f, "x"), old);
	assert_false(run_alive(old));
	fixture_down(f);
}

static void a_stop_in_backoff_is_immediate(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\ncommand = @child@ exit 1\nstartsecs = 100\n"
		      "restart_delay = 1000\nrestart_delay_max = 1000\nautorestart = true\n");
	if (strcmp(fixture_state(f, "x"), "BACKOFF") != 0)
		fixture_until(f, "x", "BACKOFF");
	fixture_ctl_is(f, 0, "x: stopped\n", "", "stop", "x");
	assert_string_equal(fixture_state(f, "x"), "STOPPED");
	fixture_down(f);
}

static void a_stop_command_takes_the_place_of_the_signal(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	pid_t pid = fixture_start(
		f,
		X
		"stopwaitsecs = 100\nstop_command = sh -c 'echo command >@dir@/said; kill -USR1 $FOSTER_PID'\n"
		"command = @child@ tell 15 @dir@/said signalled bye 10 @dir@/said ended "
		"say @dir@/said up hold\n",
		"x");
	fixture_expect_line(f, said, "up");
	(void)pid;
	fixture_ctl_is(f, 0, "x: stopped\n", "", "stop", "x");
	fixture_expect_line(f, said, "command");
	fixture_expect_line(f, said, "ended");
	fixture_expect_silence(f, said);
	fixture_down(f);
}

static void a_stop_command_that_fails_is_followed_by_sigkill(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, X "stopwaitsecs = 0.2\nstop_command = false\ncommand = @child@ hold\n",
		      "x");
	fixture_ctl_is(f, 0, "x: stopped\n", "", "stop", "x");
	fixture_ctl_is(f, 1, "-9\n", "", "poll", "x");
	fixture_down(f);
}

/* ---- what is left behind ------------------------------------------------------------------- */

/* A process that leaves four others: in its group, in a group of its own, in a session of its own, and
 * an orphan in a session of its own. None obeys. Each says its PID. */
#define BROOD                                                           \
	"command = @child@ fork ignore 15 say @dir@/said %%p hold end " \
	"fork setpgid ignore 15 say @dir@/said %%p hold end "           \
	"fork setsid ignore 15 say @dir@/said %%p hold end "            \
	"fork fork setsid ignore 15 say @dir@/said %%p hold end end "   \
	"hold\n"
enum {
	BROOD_SIZE = 4
};

static void learn_brood(struct fixture *f, struct fifo *said, pid_t brood[BROOD_SIZE])
{
	for (int i = 0; i < BROOD_SIZE; i++)
		brood[i] = (pid_t)atoi(fixture_line(f, said));
}

static size_t alive(const pid_t brood[BROOD_SIZE])
{
	size_t n = 0;

	for (int i = 0; i < BROOD_SIZE; i++)
		n += run_alive(brood[i]);
	return n;
}

static void a_stop_takes_the_whole_tree(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t brood[BROOD_SIZE];

	fixture_start(f, X BROOD, "x");
	learn_brood(f, said, brood);
	fixture_ctl_is(f, 0, "x: stopped\n", "", "stop", "x");
	assert_int_equal(alive(brood), 0);
	json_t *how = json_object_get(fixture_show(f, "x"), "tree");
	assert_true(json_is_string(how) && *json_string_value(how));
	fixture_down(f);
}

/* Their ends come in several turns: what was found of one is not lost among the others. */
static void the_trees_of_many_that_stop_together_are_taken(void **state)
{
	enum {
		MANY = 200
	};
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t orphans[MANY];

	fixture_up(f,
		   "[program:x]\nstartsecs = 0\nnumprocs = 200\nprocess_name = x%(process_num)d\n"
		   "stdout_logfile = NONE\nstderr_logfile = NONE\n"
		   "command = @child@ fork fork setsid ignore 15 say @dir@/said %%p hold end end "
		   "hold\n");
	for (int i = 0; i < MANY; i++)
		orphans[i] = (pid_t)atoi(fixture_line(f, said));
	fixture_ctl_is(f, 0, NULL, "", "stop", "x:*");
	for (int i = 0; i < MANY; i++)
		assert_false(run_alive(orphans[i]));
	fixture_down(f);
}

static void kill_takes_the_whole_tree(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t brood[BROOD_SIZE];

	fixture_start(f, X BROOD, "x");
	learn_brood(f, said, brood);
	fixture_ctl_is(f, 0, "x: killed\n", "", "kill", "x");
	assert_int_equal(alive(brood), 0);
	fixture_down(f);
}

static void a_shutdown_takes_the_whole_tree(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t brood[BROOD_SIZE];

	fixture_start(f, X BROOD, "x");
	learn_brood(f, said, brood);
	fixture_down(f);
	assert_int_equal(alive(brood), 0);
}

/* With a narrower scope fosterd leaves some behind; they are the test's to clean up. */
static void expect_left(struct fixture *f, const char *section, const char *keys, size_t expected)
{
	struct fifo *said = fixture_fifo(f, "said");
	pid_t brood[BROOD_SIZE];

	fixture_start(f,
		      fixture_format(f, "%s[program:x]\nstartsecs = 0\n%s%s", section, keys, BROOD),
		      "x");
	learn_brood(f, said, brood);
	fixture_ctl_is(f, 0, "x: stopped\n", "", "stop", "x");
	assert_int_equal(alive(brood), expected);
	fixture_kill(f->fosterd, SIGTERM);
	assert_int_equal(fixture_ended(f), 0);
	for (int i = 0; i < BROOD_SIZE; i++)
		if (run_state_of(brood[i]))
			fixture_reap(f, brood[i]);
	fixture_assert_no_child(f);
}

static void kill_scope_group_takes_the_group(void **state)
{
	expect_left(*state, "", "kill_scope = group\n", BROOD_SIZE - 1);
}

static void kill_scope_process_takes_the_process(void **state)
{
	expect_left(*state, "", "kill_scope = process\n", BROOD_SIZE);
}

static void a_supervisord_file_takes_the_process(void **state)
{
	expect_left(*state, "[supervisord]\n", "", BROOD_SIZE);
}

static void a_supervisord_file_with_killasgroup_takes_the_group(void **state)
{
	expect_left(*state, "[supervisord]\n", "killasgroup = true\n", BROOD_SIZE - 1);
}

static void stopasgroup_signals_the_group(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* The main process stays: with its end the rest would be killed before it can say a word. */
	fixture_start(f,
		      X "stopasgroup = true\n"
			"command = @child@ fork bye 15 @dir@/said child say @dir@/said up hold end "
			"ignore 15 hold\n",
		      "x");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, "x: terminating\n", "", "terminate", "x");
	fixture_expect_line(f, said, "child");
	fixture_ctl_is(f, 0, "x: killed\n", "", "kill", "x");
	fixture_down(f);
}

static void an_orphan_of_nobody_is_reaped_and_left_alone(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* The orphan hides: no environment, a session of its own. */
	fixture_start(f,
		      X "command = sh -c 'env -i setsid @child@ fork say @dir@/said %%p "
			"ignore 15 hold end & wait; exec @child@ say @dir@/said up hold'\n",
		      "x");
	pid_t orphan = 0;
	for (int i = 0; i < 2;
	     i++) { /* the other line is "up"; which is first is anybody's guess */
		const char *line = fixture_line(f, said);

		orphan = atoi(line) > 0 ? (pid_t)atoi(line) : orphan;
	}
	assert_int_equal(run_parent_of(orphan), f->fosterd);
	fixture_kill(orphan, SIGKILL);
	/* reaped by the keeper: no zombie stays */
	fixture_ctl_is(f, 0, NULL, "", "stop", "x");
	uint64_t deadline = clock_boot_ns() + 5 * NS_PER_S;
	while (run_state_of(orphan) && clock_boot_ns() < deadline)
		usleep(1000);
	assert_int_equal(run_state_of(orphan), 0);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(terminate_signals_once_and_returns),
		fixture_test(a_shutdown_does_not_wait_for_what_was_only_terminated),
		fixture_test(stop_returns_when_the_process_is_gone),
		fixture_test(stop_kills_after_stopwaitsecs),
		fixture_test(the_stop_signal_is_the_programs),
		fixture_test(kill_does_not_ask),
		fixture_test(signal_leaves_the_wanted_state_alone),
		fixture_test(what_does_not_run_cannot_be_signalled_but_is_as_good_as_stopped),
		fixture_test(start_of_a_stopping_process_waits_and_then_starts_it),
		fixture_test(restart_makes_a_new_process),
		fixture_test(a_stop_in_backoff_is_immediate),
		fixture_test(a_stop_command_takes_the_place_of_the_signal),
		fixture_test(a_stop_command_that_fails_is_followed_by_sigkill),
		fixture_test(a_stop_takes_the_whole_tree),
		fixture_test(the_trees_of_many_that_stop_together_are_taken),
		fixture_test(kill_takes_the_whole_tree),
		fixture_test(a_shutdown_takes_the_whole_tree),
		fixture_test(kill_scope_group_takes_the_group),
		fixture_test(kill_scope_process_takes_the_process),
		fixture_test(a_supervisord_file_takes_the_process),
		fixture_test(a_supervisord_file_with_killasgroup_takes_the_group),
		fixture_test(stopasgroup_signals_the_group),
		fixture_test(an_orphan_of_nobody_is_reaped_and_left_alone),
	};

	return fixture_run(tests);
}
