/* e2e_successor.c - what a supervisor had been asked, had decided or had begun goes on with the next one */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"

static void a_start_of_many_goes_on_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* READY=1 is told when all are named, and few are begun. */
	fixture_up(f, "[program:x]\nnumprocs = 1000\nprocess_name = x%(process_num)d\n"
		      "startsecs = 0\ncommand = @child@ say @dir@/said up hold\n"
		      "[program:down]\nautostart = false\ncommand = @child@ hold\n"
		      "[program:waits]\nparent = down\nstartsecs = 0\ncommand = @child@ hold\n");
	pid_t supervisor = fixture_supervisor_now(f);
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
		for (size_t k = 0; k < ARRAY_SIZE(down); k++) {
			if (i == 0)
				fixture_settle(f, down[k].name, down[k].state);
			assert_string_equal(fixture_state(f, down[k].name), down[k].state);
			assert_string_equal(reason(f, down[k].name), down[k].reason);
		}
		fixture_replace_supervisor(f);
	}
	fixture_down(f);
}

static void a_short_life_that_no_supervisor_has_seen_is_one(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nstartsecs = 0\nstartretries = 0\n"
		      "autorestart = false\ncommand = @child@ exit 3\n");
	pid_t supervisor = fixture_supervisor_now(f);
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
		pid_t supervisor = fixture_supervisor_now(f);

		assert_int_equal(varlink_open(&other, f->socket), 0);
		fixture_kill(f->fosterd, SIGSTOP);
		ask(&f->calls, "Start", "x");
		fixture_expect(f, "x", "STARTING");
		ask(&other, methods[i], "x");
		fixture_expect(f, "x", "STOPPING");
		fixture_kill(supervisor, SIGKILL);
		fixture_kill(f->fosterd, SIGCONT);
		fixture_new_supervisor(f, supervisor);
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
		if (strcmp(cases[i].ends, "RUNNING") == 0)
			fixture_expect_line(f, said, "up");
		fixture_settle(f, "x", cases[i].ends);
		fixture_expect_silence(f, said);
		varlink_close(&then);
	}
	fixture_down(f);
}

static void expect_lines(struct fixture *f, struct fifo *said, const char *line, int n)
{
	while (n--)
		fixture_expect_line(f, said, line);
}

/* Each says its PID. */
static void read_pids(struct fixture *f, struct fifo *said, pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pids[i] = (pid_t)atoi(fixture_line(f, said));
}

/* The supervisor, which is stopped, decides and dies; the keeper reads nothing meanwhile. */
static void decide_and_die(struct fixture *f, pid_t supervisor, const pid_t *then_killed, size_t n)
{
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(f->fosterd, SIGSTOP);
	fixture_kill(supervisor, SIGCONT);
	fixture_until_asleep(f, supervisor);
	for (size_t i = 0; i < n; i++)
		fixture_kill(then_killed[i], SIGKILL);
	fixture_kill(supervisor, SIGKILL);
	fixture_kill(f->fosterd, SIGCONT);
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
	read_pids(f, said, pids, ARRAY_SIZE(pids));
	pid_t supervisor = fixture_supervisor(f);
	fixture_kill(supervisor, SIGSTOP);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		fixture_kill(pids[i], SIGKILL);
	decide_and_die(f, supervisor, NULL, 0);
	read_pids(f, said, pids, ARRAY_SIZE(pids));
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
	fixture_replace_supervisor(f);
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
	fixture_ctl_is(f, 0, NULL, "", "start", "web");
	fixture_settle(f, "x", "RUNNING");
	fixture_down(f);
}

/* One of many. */
#define CHILD \
	"process_name = x%(process_num)d\nparent = web\nstartsecs = 0\nstopwaitsecs = 100000\n"
#define SAYS_UP_AND_GONE "command = @child@ bye 15 @dir@/said gone say @dir@/said up hold\n"

/* Many again, of which most have not been asked for a second life when the supervisor dies. */
static void children_come_again_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f,
		   "[foster]\nwatchdog = 0\n[program:web]\nautorestart = true\nstartsecs = 2\n"
		   "command = @child@ hold\n[program:x]\nnumprocs = 1000\n" CHILD SAYS_UP_AND_GONE);
	expect_lines(f, said, "up", 1000);
	pid_t supervisor = fixture_supervisor(f), web = fixture_settle(f, "web", "RUNNING");
	fixture_kill(web, SIGKILL);
	expect_lines(f, said, "gone", 1000);
	while (!fixture_pid(f, "web"))
		usleep(1000);
	fixture_kill(f->fosterd, SIGSTOP);
	fixture_until_asleep(f, supervisor); /* web is RUNNING */
	fixture_kill(supervisor, SIGKILL);
	fixture_kill(f->fosterd, SIGCONT);
	expect_lines(f, said, "up", 1000);
	fixture_new_supervisor(f, supervisor);
	fixture_down(f);
}

/* And now most have not been told to stop. */
static void children_go_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[foster]\nwatchdog = 0\n[program:web]\nautorestart = false\n" HOLD
		      "[program:x]\nnumprocs = 3000\n" CHILD SAYS_UP_AND_GONE);
	expect_lines(f, said, "up", 3000);
	pid_t supervisor = fixture_supervisor(f), web = fixture_settle(f, "web", "RUNNING");
	fixture_kill(supervisor, SIGSTOP);
	fixture_kill(web, SIGKILL);
	decide_and_die(f, supervisor, NULL, 0);
	expect_lines(f, said, "gone", 3000);
	fixture_new_supervisor(f, supervisor);
	fixture_down(f);
}

/* Or have ended with it, and would be restarted. */
static void children_stay_down_with_the_next_supervisor(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t pids[3000];

	fixture_up(f, "[foster]\nwatchdog = 0\n[program:web]\nautorestart = false\n" HOLD
		      "[program:x]\nnumprocs = 3000\nautorestart = true\n" CHILD
		      "command = @child@ say @dir@/said %%p hold\n");
	read_pids(f, said, pids, ARRAY_SIZE(pids));
	pid_t supervisor = fixture_supervisor(f), web = fixture_settle(f, "web", "RUNNING");
	fixture_kill(supervisor, SIGSTOP);
	fixture_kill(web, SIGKILL);
	decide_and_die(f, supervisor, pids, ARRAY_SIZE(pids));
	fixture_until_asleep(f, fixture_new_supervisor(f, supervisor));
	fixture_until_asleep(f, f->fosterd);
	/* Those by order said something. */
	assert_lacks(fixture_ctl(f, "status", "x:*").out, "RUNNING");
	fixture_down(f);
}

static void a_kept_configuration_that_is_damaged_is_read_anew(void **state)
{
	struct fixture *f = *state;
	pid_t x = fixture_start(f, "[program:x]\nstartsecs = 0\ncommand = @child@ hold\n", "x");

	for (int i = 0; i < 2; i++) { /* the second successor finds what the first has mended */
		if (i == 0)
			fixture_write_file(f, "run/config", "anything");
		fixture_replace_supervisor(f);
		assert_int_equal(fixture_pid(f, "x"), x);
	}
	fixture_down(f);
	assert_contains(fixture_file(f, "log"), "run/config is damaged, it reads ");
}

static void a_shutdown_goes_on_when_the_supervisor_is_killed(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:deaf]\nstopwaitsecs = 1000\nstartsecs = 0\n"
		      "command = @child@ tell 15 @dir@/said asked say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	pid_t pid = fixture_settle(f, "deaf", "RUNNING");
	pid_t supervisor = fixture_supervisor_now(f);
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
		fixture_replace_supervisor(f);
		pid_t again = fixture_settle(f, "a", "RUNNING");
		assert_true(i == 0 ? again != a : again == a);
		a = again;
		assert_int_equal(fixture_pid(f, "b"), b);
		assert_string_equal(fixture_file(f, "run/config.next"), "");
	}
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		fixture_test(children_stay_down_with_the_next_supervisor),
		fixture_test(a_kept_configuration_that_is_damaged_is_read_anew),
		fixture_test(a_shutdown_goes_on_when_the_supervisor_is_killed),
		fixture_test(nobody_is_started_in_a_shutdown_that_goes_on),
		fixture_test(an_update_goes_on_when_the_supervisor_is_killed),
	};

	return fixture_run(tests);
}
