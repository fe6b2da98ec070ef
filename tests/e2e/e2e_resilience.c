/* e2e_resilience.c - supervisor and logger are killed at random moments under load: nothing is lost */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define KILLS 100
#define LINE_BYTES 64
#define HOLD "command = @child@ hold\nstartsecs = 0\n"

/* Random moments, the same in every run. */
static unsigned next_random(void)
{
	static unsigned state = 20260101;

	state = state * 1103515245 + 12345;
	return state >> 16;
}

static void kill_at_random(pid_t pid, unsigned within_us)
{
	usleep(next_random() % within_us);
	kill(pid, SIGKILL);
}

/* ---- the supervisor ------------------------------------------------------------------------ */

static void no_exit_status_is_lost_while_the_supervisor_is_killed_a_hundred_times(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	for (int i = 0; i < KILLS; i++) {
		const char *name = fixture_format(f, "job%d", i);
		const char *status = fixture_format(f, "%d", i);
		struct run start = { 0 }, wait = { 0 };
		pid_t supervisor = fixture_supervisor_now(f);

		/* killed while it starts, while it runs, or while it ends */
		fixture_ctl_start(f, &start, "start", name, "--", fixture_child(f), "sleep", "3",
				  "exit", status);
		kill_at_random(supervisor, 8000);
		fixture_check(f, fixture_finish(f, &start), 0, NULL, "");
		fixture_ctl_start(f, &wait, "wait", name);
		fixture_check(f, fixture_finish(f, &wait), i, "", "");
	}
	fixture_reconnect(f);
	for (int i = 0; i < KILLS; i++)
		fixture_ctl_is(f, 1, fixture_format(f, "%d\n", i), "", "poll",
			       fixture_format(f, "job%d", i));
	fixture_down(f);
}

static void restarts_go_on_and_are_counted(void **state)
{
	struct fixture *f = *state;

	/* Each start makes DIR/count a byte longer: that is the truth. */
	fixture_up(f, "[program:x]\nautorestart = true\nstartsecs = 0\nrestart_delay = 0.001\n"
		      "restart_delay_max = 0.001\n"
		      "command = @child@ first 1000000 @dir@/count 1\n");
	for (int i = 0; i < KILLS; i++)
		kill_at_random(fixture_supervisor_now(f), 10000);
	fixture_reconnect(f);
	fixture_ctl_is(f, 0, NULL, "", "stop", "x");
	long starts = (long)strlen(fixture_file(f, "count"));
	long long restarts = json_integer_value(json_object_get(fixture_show(f, "x"), "restarts"));
	assert_true(starts > KILLS / 4); /* how many is a question of load */
	/* The last start may have been stopped before it had made the file longer. */
	assert_in_range(restarts, starts - 1, starts);
	fixture_down(f);
}

static void whoever_waits_is_told(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	struct run waiting[5] = { 0 };

	pid_t pid = fixture_start(f,
				  "[program:x]\nautorestart = false\nstartsecs = 0\n"
				  "command = @child@ on 10 9 say @dir@/said up hold\n",
				  "x");
	fixture_expect_line(f, said, "up");

	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		fixture_ctl_start(f, &waiting[i], "wait", "x");
	for (int i = 0; i < 20; i++)
		kill_at_random(fixture_supervisor_now(f), 5000);
	assert_true(run_alive(pid));
	kill(pid, SIGUSR1);
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		fixture_check(f, fixture_finish(f, &waiting[i]), 9, "", "");
	fixture_reconnect(f);
	fixture_down(f);
}

static void names_and_pids_stay(void **state)
{
	struct fixture *f = *state;
	pid_t before[50];

	fixture_up(f, "[program:x]\nnumprocs = 50\nprocess_name = x%(process_num)d\nstartsecs = 0\n"
		      "command = @child@ hold\n");
	for (int i = 0; i < 50; i++)
		before[i] = fixture_settle(f, fixture_format(f, "x:x%d", i), "RUNNING");
	for (int i = 0; i < 20; i++)
		kill_at_random(fixture_supervisor_now(f), 3000);
	fixture_reconnect(f);
	for (int i = 0; i < 50; i++)
		assert_int_equal(fixture_pid(f, fixture_format(f, "x:x%d", i)), before[i]);
	assert_int_equal(
		json_array_size(json_object_get(fixture_call(f, "Status", NULL), "processes")), 50);
	fixture_down(f);
}

/* Told of with long words, they are too many for the link to it while it reads nothing. */
static void a_logger_that_was_stopped_hears_of_all_that_started_meanwhile(void **state)
{
	struct fixture *f = *state;
	char detour[3001] = "";

	while (strlen(detour) < sizeof detour - 1)
		strcat(detour, "/.");
	fixture_up(f, fixture_format(
			      f,
			      "[foster]\nwatchdog = 0\n"
			      "[program:x]\nnumprocs = 400\nprocess_name = %%(process_num)d\n"
			      "autostart = false\nstartsecs = 0\ncommand = @child@ print up hold\n"
			      "stdout_logfile = @dir@%s/%%(process_num)d\n",
			      detour));
	fixture_kill(fixture_logger(f), SIGSTOP);
	fixture_ctl_is(f, 0, NULL, "", "start", "x:*");
	fixture_kill(fixture_logger(f), SIGCONT);
	for (int i = 0; i < 400; i++)
		fixture_until_file(f, fixture_format(f, "%d", i), "up\n");
	assert_lacks(fixture_file(f, "log"), "cannot send");
	fixture_down(f);
}

static void a_notify_socket_that_nobody_reads_holds_up_nothing(void **state)
{
	struct fixture *f = *state;

	f->keep_notify = true; /* open, and left alone: systemd hangs */
	fixture_start(f, "[program:x]\nstartsecs = 0\ncommand = @child@ hold\n", "x");
	for (int i = 0; i < 1000; i++)
		fixture_call(f, "Restart", "{s:[{s:s}]}", "targets", "name", "x");
	fixture_down(f);
}

static void one_that_crashes_as_soon_as_it_is_started_is_given_time(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, "[program:x]\n" HOLD, "x");

	for (int i = 0; i < 20; i++) { /* these do not count */
		fixture_kill(fixture_supervisor_now(f), SIGKILL);
		fixture_supervisor_now(f);
	}
	assert_lacks(fixture_file(f, "log"), "times in a row");
	for (int i = 0; i < 10; i++) {
		pid_t supervisor = fixture_supervisor_now(f);

		fixture_kill(supervisor, SIGILL);
		fixture_until_dead(f, supervisor);
	}
	fixture_reconnect(f); /* ten seconds later */
	assert_contains(fixture_file(f, "log"),
			"died 10 times in a row as soon as it was started, next start in 10 s");
	assert_int_equal(fixture_pid(f, "x"), pid);
	fixture_down(f);
}

/* ---- the logger ---------------------------------------------------------------------------- */

static void no_line_is_lost_while_the_logger_is_killed_a_hundred_times(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	long next = 0;

	fixture_up(f, "[program:x]\nautorestart = false\nstartsecs = 0\nautostart = true\n"
		      "stdout_logfile = @dir@/out.log\nstdout_logfile_maxbytes = 1MB\n"
		      "stdout_logfile_backups = 200\n"
		      "command = @child@ lines 1000000 say @dir@/said done hold\n");
	pid_t logger = fixture_logger(f);
	int kills = 0;
	bool done = false;
	while (kills < KILLS || !done) {
		struct pollfd p = { .fd = said->fd, .events = POLLIN };

		if (kills < KILLS) {
			kill_at_random(logger, 15000);
			logger = fixture_new_logger(f, logger);
			kills++;
		}
		done |= poll(&p, 1, kills < KILLS ? 0 : FIXTURE_DEADLINE_MS) == 1;
		if (kills == KILLS && !done)
			fixture_fail(f, "the writer does not get on");
	}
	fixture_down(f);
	for (int i = 200; i >= 0; i--) {
		const char *name = i ? fixture_format(f, "out.log.%d", i) : "out.log";
		const char *text = fixture_file(f, name);

		for (; *text; text += LINE_BYTES, next++) {
			char number[24];

			snprintf(number, sizeof number, "%020ld ", next);
			if (strncmp(text, number, 21) != 0)
				fixture_fail(f, "%s: not line %ld but %.64s", name, next, text);
		}
	}
	assert_int_equal(next, 1000000);
}

/* x prints what its definition says into a pipe that nobody reads. */
static void change_while_the_logger_is_stopped(struct fixture *f)
{
	static const char config[] = "[foster]\nwatchdog = 0\n[program:x]\nautostart = false\n"
				     "startsecs = 0\nstdout_logfile = @dir@/out.log\n"
				     "command = @child@ print %s say @dir@/said up hold\n";
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, fixture_format(f, config, "old"));
	fixture_kill(fixture_logger(f), SIGSTOP);
	fixture_ctl_is(f, 0, NULL, "", "start", "x");
	fixture_expect_line(f, said, "up");
	fixture_write_config(f, fixture_format(f, config, "new"));
	fixture_ctl_is(f, 0, NULL, "", "update");
	fixture_expect_line(f, said, "up");
}

static void what_was_printed_before_a_change_outlives_the_logger(void **state)
{
	struct fixture *f = *state;

	change_while_the_logger_is_stopped(f);
	fixture_kill(fixture_logger(f), SIGKILL);
	fixture_until_file(f, "out.log", "new\n");
	assert_string_equal(fixture_file(f, "out.log"), "old\nnew\n");
	fixture_down(f);
}

static void what_was_printed_before_a_change_outlives_an_upgrade(void **state)
{
	struct fixture *f = *state;

	change_while_the_logger_is_stopped(f);
	fixture_ctl_is(f, 0, NULL, "", "upgrade");
	fixture_until_file(f, "out.log", "new\n");
	assert_string_equal(fixture_file(f, "out.log"), "old\nnew\n");
	fixture_reconnect(f);
	fixture_down(f);
}

static void a_killed_logger_takes_nothing_with_it(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, "[program:x]\nstartsecs = 0\ncommand = @child@ hold\n", "x");
	pid_t old = fixture_logger(f);

	fixture_kill(old, SIGKILL);
	assert_int_not_equal(fixture_new_logger(f, old), old);
	assert_int_equal(fixture_pid(f, "x"), pid);
	fixture_expect_nothing(f, "x");
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(no_exit_status_is_lost_while_the_supervisor_is_killed_a_hundred_times),
		fixture_test(restarts_go_on_and_are_counted),
		fixture_test(whoever_waits_is_told),
		fixture_test(names_and_pids_stay),
		fixture_test(a_logger_that_was_stopped_hears_of_all_that_started_meanwhile),
		fixture_test(one_that_crashes_as_soon_as_it_is_started_is_given_time),
		fixture_test(a_notify_socket_that_nobody_reads_holds_up_nothing),
		fixture_test(no_line_is_lost_while_the_logger_is_killed_a_hundred_times),
		fixture_test(what_was_printed_before_a_change_outlives_the_logger),
		fixture_test(what_was_printed_before_a_change_outlives_an_upgrade),
		fixture_test(a_killed_logger_takes_nothing_with_it),
	};

	return fixture_run(tests);
}
