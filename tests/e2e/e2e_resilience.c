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

/* The supervisor may be just being replaced: ask until one answers. */
static pid_t supervisor_now(struct fixture *f)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;

	while (clock_boot_ns() < deadline) {
		struct result r = { 0 };
		struct run run = { 0 };

		fixture_ctl_start(f, &run, "pid", "supervisor");
		if (run_finish(&run, FIXTURE_DEADLINE_MS, &f->arena, &r) == 0 && r.status == 0)
			return (pid_t)atoi(r.out);
	}
	fixture_fail(f, "no supervisor answers");
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
		pid_t supervisor = supervisor_now(f);

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
		kill_at_random(supervisor_now(f), 10000);
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
		kill_at_random(supervisor_now(f), 5000);
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
		kill_at_random(supervisor_now(f), 3000);
	fixture_reconnect(f);
	for (int i = 0; i < 50; i++)
		assert_int_equal(fixture_pid(f, fixture_format(f, "x:x%d", i)), before[i]);
	assert_int_equal(
		json_array_size(json_object_get(fixture_call(f, "Status", NULL), "processes")), 50);
	fixture_down(f);
}

static void a_start_of_many_goes_on_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* READY=1 is told when all are named, and few are begun. */
	fixture_up(f, "[program:x]\nnumprocs = 1000\nprocess_name = x%(process_num)d\n"
		      "startsecs = 0\ncommand = @child@ say @dir@/said up hold\n"
		      "[program:down]\nautostart = false\ncommand = @child@ hold\n"
		      "[program:waits]\nparent = down\nstartsecs = 0\ncommand = @child@ hold\n");
	pid_t supervisor = supervisor_now(f);
	fixture_kill(supervisor, SIGKILL);
	for (int i = 0; i < 1000; i++)
		fixture_expect_line(f, said, "up");
	fixture_new_supervisor(f, supervisor);
	assert_string_equal(fixture_state(f, "down"), "STOPPED");
	fixture_ctl_is(f, 0, NULL, "", "start", "down");
	fixture_until(f, "waits", "RUNNING");
	fixture_expect_silence(f, said); /* each once */
	fixture_down(f);
}

static const char *reason(struct fixture *f, const char *name)
{
	const char *words = json_string_value(json_object_get(fixture_show(f, name), "reason"));

	assert_non_null(words);
	return words;
}

static void it_is_known_why_something_does_not_run(void **state)
{
	static const struct {
		const char *name, *state, *reason;
	} down[] = {
		{ "missing", "FATAL", "/no/such: No such file or directory" },
		{ "quick", "FATAL", "exited too quickly: exited with status 3" },
		{ "waits", "BACKOFF", "exited too quickly: exited with status 4" },
		{ "crashed", "BACKOFF", "exited with status 5" },
		{ "done", "EXITED", "exited with status 0" },
	};
	struct fixture *f = *state;

	fixture_up(f, "[program:missing]\ncommand = /no/such\nstartretries = 0\n"
		      "[program:quick]\ncommand = @child@ exit 3\nstartretries = 0\n"
		      "[program:waits]\ncommand = @child@ exit 4\nrestart_delay = 1000\n"
		      "[program:crashed]\ncommand = @child@ exit 5\nstartsecs = 0\n"
		      "restart_delay = 1000\n"
		      "[program:done]\ncommand = @child@ exit 0\nstartsecs = 0\n");
	for (int i = 0; i < 2; i++) { /* told by who has seen it, and by the next */
		pid_t supervisor = supervisor_now(f);

		for (size_t k = 0; k < ARRAY_SIZE(down); k++) {
			if (i == 0)
				fixture_settle(f, down[k].name, down[k].state);
			assert_string_equal(fixture_state(f, down[k].name), down[k].state);
			assert_string_equal(reason(f, down[k].name), down[k].reason);
		}
		fixture_kill(supervisor, SIGKILL);
		fixture_new_supervisor(f, supervisor);
		fixture_reconnect(f);
	}
	fixture_down(f);
}

static void a_short_life_that_no_supervisor_has_seen_is_one(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nstartsecs = 0\nstartretries = 0\n"
		      "autorestart = false\ncommand = @child@ exit 3\n");
	pid_t supervisor = supervisor_now(f);
	fixture_kill(f->fosterd, SIGSTOP);
	assert_int_equal(varlink_send(&f->calls, "Start", json_pack("{s:[s]}", "names", "x"), false,
				      NULL, 0),
			 0);
	fixture_until_file(f, "log", "x: STARTING"); /* said after it was asked of the keeper */
	fixture_kill(supervisor, SIGKILL);
	fixture_kill(f->fosterd, SIGCONT);
	fixture_new_supervisor(f, supervisor);
	fixture_settle(f, "x", "EXITED");
	assert_string_equal(reason(f, "x"), "exited with status 3");
	fixture_down(f);
}

static void ask(struct varlink *v, const char *method, const char *name)
{
	json_t *parameters = strcmp(method, "Restart") == 0
				     ? json_pack("{s:[{s:s}]}", "targets", "name", name)
				     : json_pack("{s:[s]}", "names", name);

	assert_int_equal(varlink_send(v, method, parameters, false, NULL, 0), 0);
}

/* Asked for and not yet executed when it is to stop: whoever hears that it has executed sends the signal. */
static void a_stop_goes_on_with_the_next_supervisor(void **state)
{
	static const char *const methods[] = { "Stop", "Terminate" };
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nstopwaitsecs = 1000\n" HOLD);
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		struct varlink other = { .fd = -1 };
		pid_t supervisor = supervisor_now(f);

		assert_int_equal(varlink_open(&other, f->socket), 0);
		fixture_kill(f->fosterd, SIGSTOP);
		ask(&f->calls, "Start", "x");
		fixture_expect(f, "x", "STARTING");
		ask(&other, methods[i], "x");
		fixture_expect(f, "x", "STOPPING");
		fixture_kill(supervisor, SIGKILL);
		fixture_kill(f->fosterd, SIGCONT);
		fixture_new_supervisor(f, supervisor);
		fixture_reconnect(f);
		fixture_settle(f, "x", "STOPPED");
		varlink_close(&other);
	}
	fixture_down(f);
}

/* It ignores SIGTERM, and is asked for something else while it is on its way down. */
static void what_is_asked_of_one_that_is_stopping_goes_on_with_the_next_supervisor(void **state)
{
	static const struct {
		const char *first, *then, *ends;
	} cases[] = {
		{ "Stop", "Start", "RUNNING" },	       { "Restart", "Stop", "STOPPED" },
		{ "Restart", "Terminate", "STOPPED" }, { "Terminate", "Stop", "STOPPED" },
		{ "Stop", "Restart", "RUNNING" },
	};
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:x]\nautostart = false\nautorestart = false\nstartsecs = 0\n"
		      "stopwaitsecs = 1\ncommand = @child@ ignore 15 say @dir@/said up hold\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct varlink then = { .fd = -1 };
		pid_t supervisor = fixture_supervisor(f);

		if (!fixture_pid(f, "x")) {
			fixture_ctl_is(f, 0, NULL, "", "start", "x");
			fixture_expect_line(f, said, "up");
		}
		assert_int_equal(varlink_open(&then, f->socket), 0);
		ask(&f->calls, cases[i].first, "x");
		fixture_until(f, "x", "STOPPING");
		ask(&then, cases[i].then, "x");
		fixture_ctl_is(f, 0, NULL, "", "ping"); /* asked later, answered later */
		fixture_kill(supervisor, SIGKILL);
		fixture_new_supervisor(f, supervisor);
		fixture_reconnect(f);
		if (strcmp(cases[i].ends, "RUNNING") == 0)
			fixture_expect_line(f, said, "up");
		fixture_settle(f, "x", cases[i].ends);
		fixture_expect_silence(f, said);
		varlink_close(&then);
	}
	fixture_down(f);
}

/* Stopped at once, they are too many for the link to the keeper, who reads nothing: of most only the end
 * has been told when the supervisor dies. */
static void restarts_of_many_go_on_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t pids[1000];

	fixture_up(f,
		   "[foster]\nwatchdog = 0\n"
		   "[program:x]\nnumprocs = 1000\nprocess_name = x%(process_num)d\nstartsecs = 0\n"
		   "autorestart = true\ncommand = @child@ say @dir@/said %%p hold\n");
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = (pid_t)atoi(fixture_line(f, said));
	pid_t supervisor = fixture_supervisor(f);
	fixture_kill(supervisor, SIGSTOP);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		fixture_kill(pids[i], SIGKILL);
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(f->fosterd, SIGSTOP);
	fixture_kill(supervisor, SIGCONT);
	fixture_until_asleep(f, supervisor);
	fixture_kill(supervisor, SIGKILL);
	fixture_kill(f->fosterd, SIGCONT);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		(void)fixture_line(f, said);
	fixture_new_supervisor(f, supervisor);
	fixture_down(f);
}

static void what_nobody_could_tell_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct run watching = { 0 };

	fixture_up(f, "[program:x]\nautorestart = false\n" HOLD "[program:y]\n" HOLD);
	pid_t x = fixture_settle(f, "x", "RUNNING"), supervisor = fixture_supervisor(f);
	fixture_watch(f, &watching);
	fixture_kill(supervisor, SIGSTOP);
	fixture_kill(x, SIGKILL);
	fixture_until_dead(f, x);
	for (int i = 0; i < 3; i++) {
		fixture_kill(supervisor, SIGKILL);
		supervisor = fixture_new_supervisor(f, supervisor);
		fixture_until_printed(f, &watching, " x UNKNOWN EXITED - -9\n");
	}
	fixture_ctl_is(f, 0, NULL, "", "stop", "y");
	fixture_until_printed(f, &watching, " STOPPED - -15\n"); /* connected again or not */
	assert_int_equal(run_count(fixture_printed(f, &watching), " x "), 1);
	fixture_kill(watching.pid, SIGTERM);
	(void)fixture_finish(f, &watching);
	fixture_down(f);
}

/* Its parent has tried in vain meanwhile. */
static void who_waits_for_its_parent_waits_on(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\nautostart = false\nstartretries = 0\n"
		      "command = @child@ first 1 @dir@/count 3 hold\n"
		      "[program:x]\nparent = web\n" HOLD);
	fixture_ctl_is(f, 1, NULL, NULL, "start", "web");
	pid_t supervisor = fixture_supervisor(f);
	fixture_kill(supervisor, SIGKILL);
	fixture_new_supervisor(f, supervisor);
	fixture_reconnect(f);
	fixture_ctl_is(f, 0, NULL, "", "start", "web");
	fixture_settle(f, "x", "RUNNING");
	fixture_down(f);
}

static void children_go_with_a_parent_whose_end_nobody_has_seen(void **state)
{
	struct fixture *f = *state;

	fixture_up(f,
		   "[program:web]\nautorestart = false\n" HOLD "[program:x]\nparent = web\n" HOLD);
	pid_t web = fixture_settle(f, "web", "RUNNING"), x = fixture_settle(f, "x", "RUNNING");
	pid_t supervisor = fixture_supervisor(f);
	fixture_kill(supervisor, SIGSTOP);
	fixture_kill(web, SIGKILL);
	fixture_until_dead(f, web);
	fixture_kill(supervisor, SIGKILL);
	fixture_until_dead(f, x);
	fixture_new_supervisor(f, supervisor);
	fixture_reconnect(f);
	fixture_ctl_is(f, 0, NULL, "", "start", "web");
	fixture_settle(f, "x", "RUNNING");
	fixture_down(f);
}

/* Many again, of which most have not been asked for a second life when the supervisor dies. */
static void children_come_again_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(
		f,
		"[foster]\nwatchdog = 0\n[program:web]\nautorestart = true\nstartsecs = 2\n"
		"command = @child@ hold\n"
		"[program:x]\nnumprocs = 1000\nprocess_name = x%(process_num)d\nparent = web\n"
		"startsecs = 0\nstopwaitsecs = 100000\ncommand = @child@ bye 15 @dir@/said gone say @dir@/said up hold\n");
	for (int i = 0; i < 1000; i++)
		fixture_expect_line(f, said, "up");
	pid_t supervisor = fixture_supervisor(f), web = fixture_settle(f, "web", "RUNNING");
	fixture_kill(web, SIGKILL);
	for (int i = 0; i < 1000; i++)
		fixture_expect_line(f, said, "gone");
	while (!fixture_pid(f, "web"))
		usleep(1000);
	fixture_kill(f->fosterd, SIGSTOP);
	fixture_until_asleep(f, supervisor); /* web is RUNNING */
	fixture_kill(supervisor, SIGKILL);
	fixture_kill(f->fosterd, SIGCONT);
	for (int i = 0; i < 1000; i++)
		fixture_expect_line(f, said, "up");
	fixture_new_supervisor(f, supervisor);
	fixture_down(f);
}

/* And now most have not been told to stop. */
static void children_go_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(
		f,
		"[foster]\nwatchdog = 0\n[program:web]\nautorestart = false\nstartsecs = 0\n"
		"command = @child@ hold\n"
		"[program:x]\nnumprocs = 3000\nprocess_name = x%(process_num)d\nparent = web\n"
		"startsecs = 0\nstopwaitsecs = 100000\ncommand = @child@ bye 15 @dir@/said gone say @dir@/said up hold\n");
	for (int i = 0; i < 3000; i++)
		fixture_expect_line(f, said, "up");
	pid_t supervisor = fixture_supervisor(f), web = fixture_settle(f, "web", "RUNNING");
	fixture_kill(supervisor, SIGSTOP);
	fixture_kill(web, SIGKILL);
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(f->fosterd, SIGSTOP);
	fixture_kill(supervisor, SIGCONT);
	fixture_until_asleep(f, supervisor);
	fixture_kill(supervisor, SIGKILL);
	fixture_kill(f->fosterd, SIGCONT);
	for (int i = 0; i < 3000; i++)
		fixture_expect_line(f, said, "gone");
	fixture_new_supervisor(f, supervisor);
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

/* Or have ended with it, and would be restarted. */
static void children_stay_down_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t pids[3000];

	fixture_up(f,
		   "[foster]\nwatchdog = 0\n[program:web]\nautorestart = false\n" HOLD
		   "[program:x]\nnumprocs = 3000\nprocess_name = x%(process_num)d\nparent = web\n"
		   "autorestart = true\nstartsecs = 0\nstopwaitsecs = 100000\n"
		   "command = @child@ say @dir@/said %%p hold\n");
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = (pid_t)atoi(fixture_line(f, said));
	pid_t supervisor = fixture_supervisor(f), web = fixture_settle(f, "web", "RUNNING");
	fixture_kill(supervisor, SIGSTOP);
	fixture_kill(web, SIGKILL);
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(f->fosterd, SIGSTOP);
	fixture_kill(supervisor, SIGCONT);
	fixture_until_asleep(f, supervisor);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		fixture_kill(pids[i], SIGKILL);
	fixture_kill(supervisor, SIGKILL);
	fixture_kill(f->fosterd, SIGCONT);
	fixture_until_asleep(f, fixture_new_supervisor(f, supervisor));
	fixture_until_asleep(f, f->fosterd);
	assert_lacks(fixture_ctl(f, "status", "x:*").out,
		     "RUNNING"); /* those by order said something */
	fixture_down(f);
}

static void a_kept_configuration_that_is_damaged_is_read_anew(void **state)
{
	struct fixture *f = *state;
	pid_t x = fixture_start(f, "[program:x]\nstartsecs = 0\ncommand = @child@ hold\n", "x");

	for (int i = 0; i < 2; i++) { /* the second successor finds what the first has mended */
		pid_t supervisor = supervisor_now(f);

		if (i == 0)
			fixture_write_file(f, "run/config", "anything");
		fixture_kill(supervisor, SIGKILL);
		fixture_new_supervisor(f, supervisor);
		fixture_reconnect(f);
		assert_int_equal(fixture_pid(f, "x"), x);
	}
	fixture_down(f);
	assert_contains(fixture_file(f, "log"), "run/config is damaged, it reads ");
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

static void a_shutdown_goes_on_when_the_supervisor_is_killed(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:deaf]\nstopwaitsecs = 1000\nstartsecs = 0\n"
		      "command = @child@ tell 15 @dir@/said asked say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	pid_t pid = fixture_settle(f, "deaf", "RUNNING");
	pid_t supervisor = supervisor_now(f);
	fixture_kill(f->fosterd, SIGTERM);
	fixture_expect_line(f, said, "asked");
	fixture_kill(supervisor, SIGKILL);
	fixture_new_supervisor(f, supervisor);
	fixture_kill(pid, SIGKILL);
	assert_int_equal(fixture_gone(f), 0);
}

static void copy_file(struct fixture *f, const char *from, const char *to)
{
	struct run copy = { .argv = (const char *const[]){ "cp", fixture_path(f, "%s", from),
							   fixture_path(f, "%s", to), NULL } };
	struct result r = { 0 };

	assert_int_equal(run_start(&copy), 0);
	assert_int_equal(run_finish(&copy, FIXTURE_DEADLINE_MS, &f->arena, &r), 0);
	assert_int_equal(r.status, 0);
}

/* Its parent executes, and it has only waited for that one to be RUNNING. */
static void nobody_is_started_in_a_shutdown_that_goes_on(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:slow]\npriority = 1000\nstopwaitsecs = 1000\nstartsecs = 0\n"
		      "command = @child@ ignore 15 say @dir@/said slow hold\n"
		      "[program:web]\nstartsecs = 1000\ncommand = @child@ say @dir@/said web hold\n"
		      "[program:x]\nparent = web\ncommand = @child@ say @dir@/said x hold\n");
	(void)fixture_line(f, said);
	(void)fixture_line(f, said);
	pid_t slow = fixture_settle(f, "slow", "RUNNING"), supervisor = fixture_supervisor(f);
	while (!fixture_pid(f, "web"))
		usleep(1000);
	fixture_kill(f->fosterd, SIGTERM);
	fixture_expect(f, "slow", "STOPPING");
	fixture_kill(supervisor, SIGKILL);
	fixture_new_supervisor(f, supervisor);
	fixture_kill(slow, SIGKILL);
	assert_int_equal(fixture_gone(f), 0);
	fixture_expect_silence(f, said);
	assert_lacks(fixture_file(f, "log"), "x: STARTING");
}

/* The second one finds out that nothing follows from it any more. */
static void an_update_goes_on_when_the_supervisor_is_killed(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:a]\n" HOLD "[program:b]\n" HOLD);
	pid_t a = fixture_settle(f, "a", "RUNNING"), b = fixture_settle(f, "b", "RUNNING");

	/* What is saved of a configuration, as it is when nothing of it is done yet. */
	copy_file(f, "run/config", "saved");
	fixture_write_config(f, "[program:b]\n" HOLD);
	fixture_ctl_is(f, 0, NULL, "", "update");
	fixture_until_dead(f, a);
	copy_file(f, "saved", "run/config.next");
	for (int i = 0; i < 2; i++) {
		pid_t supervisor = supervisor_now(f);

		fixture_kill(supervisor, SIGKILL);
		fixture_new_supervisor(f, supervisor);
		fixture_reconnect(f);
		pid_t again = fixture_settle(f, "a", "RUNNING");
		assert_true(i == 0 ? again != a : again == a);
		a = again;
		assert_int_equal(fixture_pid(f, "b"), b);
		assert_string_equal(fixture_file(f, "run/config.next"), "");
	}
	fixture_down(f);
}

static void one_that_crashes_as_soon_as_it_is_started_is_given_time(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, "[program:x]\n" HOLD, "x");

	for (int i = 0; i < 20; i++) { /* these do not count */
		fixture_kill(supervisor_now(f), SIGKILL);
		supervisor_now(f);
	}
	assert_lacks(fixture_file(f, "log"), "times in a row");
	for (int i = 0; i < 10; i++) {
		pid_t supervisor = supervisor_now(f);

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
		fixture_test(a_start_of_many_goes_on_with_the_next_supervisor),
		fixture_test(it_is_known_why_something_does_not_run),
		fixture_test(a_short_life_that_no_supervisor_has_seen_is_one),
		fixture_test(a_stop_goes_on_with_the_next_supervisor),
		fixture_test(
			what_is_asked_of_one_that_is_stopping_goes_on_with_the_next_supervisor),
		fixture_test(restarts_of_many_go_on_with_the_next_supervisor),
		fixture_test(what_nobody_could_tell_is_told_once),
		fixture_test(who_waits_for_its_parent_waits_on),
		fixture_test(children_go_with_a_parent_whose_end_nobody_has_seen),
		fixture_test(children_come_again_with_the_next_supervisor),
		fixture_test(children_go_with_the_next_supervisor),
		fixture_test(a_logger_that_was_stopped_hears_of_all_that_started_meanwhile),
		fixture_test(children_stay_down_with_the_next_supervisor),
		fixture_test(a_kept_configuration_that_is_damaged_is_read_anew),
		fixture_test(a_shutdown_goes_on_when_the_supervisor_is_killed),
		fixture_test(nobody_is_started_in_a_shutdown_that_goes_on),
		fixture_test(an_update_goes_on_when_the_supervisor_is_killed),
		fixture_test(one_that_crashes_as_soon_as_it_is_started_is_given_time),
		fixture_test(a_notify_socket_that_nobody_reads_holds_up_nothing),
		fixture_test(no_line_is_lost_while_the_logger_is_killed_a_hundred_times),
		fixture_test(what_was_printed_before_a_change_outlives_the_logger),
		fixture_test(what_was_printed_before_a_change_outlives_an_upgrade),
		fixture_test(a_killed_logger_takes_nothing_with_it),
	};

	return fixture_run(tests);
}
