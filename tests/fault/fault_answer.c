/* fault_answer.c - what was answered is done, and who asks is answered, whenever the supervisor dies */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "tests/e2e/fixture.h"

#define ROUNDS 50
#define SUCCESSORS 20
#define DEFINE_US 4000

/* The answer must not be faster than what it tells of: the supervisor dies as soon as it is read. */
static void who_was_told_that_it_is_done_finds_it_done(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nstartsecs = 0\ncommand = @child@ hold\n");
	for (int i = 0; i < ROUNDS; i++) {
		fixture_call(f, "Start", "{s:[s]}", "names", "x");
		pid_t supervisor = fixture_supervisor(f);

		fixture_call(f, "Terminate", "{s:[s]}", "names", "x");
		fixture_kill(supervisor, SIGKILL);
		fixture_new_supervisor(f, supervisor);
		fixture_settle(f, "x", "STOPPED");
	}
	fixture_down(f);
}

static pid_t find_supervisor(struct fixture *f, pid_t but)
{
	return run_child_named(f->fosterd, "foster-supervis", but);
}

/* As early as may be. */
static pid_t new_supervisor(struct fixture *f, pid_t old)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	pid_t now = 0;

	while ((now = find_supervisor(f, old)) == 0)
		if (clock_boot_ns() > deadline)
			fixture_fail(f, "no new supervisor");
	return now;
}

/* What a successor had asked for before it died must not be answered to the one after it. The keeper is
 * held up until it has asked. */
static void a_successor_may_die_before_it_has_taken_over(void **state)
{
	struct fixture *f = *state;
	pid_t x = fixture_start(f, "[program:x]\nstartsecs = 0\ncommand = @child@ hold\n", "x");
	pid_t supervisor = find_supervisor(f, 0);

	for (int i = 0; i < SUCCESSORS; i++) {
		fixture_kill(supervisor, SIGKILL);
		supervisor = new_supervisor(f, supervisor);
		fixture_kill(f->fosterd, SIGSTOP);
		fixture_until_asleep(f, supervisor);
		fixture_kill(supervisor, SIGKILL);
		fixture_kill(f->fosterd, SIGCONT);
		supervisor = new_supervisor(f, supervisor);
		fixture_reconnect(f); /* it answers */
		assert_int_equal(fixture_supervisor(f), supervisor);
		assert_int_equal(fixture_pid(f, "x"), x);
	}
	fixture_down(f);
}

/* A definition takes the place of another while the supervisor dies: never is it taken for the old one. */
static void what_is_defined_anew_is_what_runs(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	for (int i = 0; i < 2 * ROUNDS; i++) {
		const char *status = fixture_format(f, "%d", i);
		pid_t supervisor = find_supervisor(f, 0);
		struct run start = { 0 };

		fixture_ctl_start(f, &start, "start", "x", "--", fixture_child(f), "exit", status);
		usleep((useconds_t)(i * 7919 % DEFINE_US));
		fixture_kill(supervisor, SIGKILL);
		fixture_check(f, fixture_finish(f, &start), 0, NULL, "");
		fixture_ctl_is(f, i, "", "", "wait", "x");
	}
	fixture_ctl_is(f, 0, NULL, "", "forget", "x");
	assert_int_equal(access(fixture_path(f, "run/spool/x"), F_OK), -1);
	fixture_reconnect(f);
	fixture_down(f);
}

static void a_start_that_is_asked_again_has_begun_already(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:x]\nautostart = false\nautorestart = false\nstartsecs = 0\n"
		      "command = @child@ say @dir@/said ran exit 0\n");
	for (int i = 0; i < 3;
	     i++) { /* the second is the same call, of which the answer was lost */
		json_t *outcome = json_array_get(
			json_object_get(fixture_call(f, "Start", "{s:[s],s:s}", "names", "x", "id",
						     i < 2 ? "one" : "two"),
					"outcomes"),
			0);
		pid_t supervisor = fixture_supervisor(f);

		assert_null(json_object_get(outcome, "error"));
		fixture_ctl_is(f, 0, "", "", "wait", "x");
		if (i != 1)
			fixture_expect_line(f, said, "ran");
		fixture_expect_silence(f, said);
		fixture_kill(supervisor, SIGKILL);
		fixture_new_supervisor(f, supervisor);
	}
	fixture_down(f);
}

static void a_job_that_is_started_while_the_supervisor_dies_runs_once(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:x]\nautostart = false\nautorestart = false\nstartsecs = 0\n"
		      "command = @child@ say @dir@/said ran exit 0\n");
	for (int i = 0; i < 2 * ROUNDS; i++) {
		pid_t supervisor = find_supervisor(f, 0);
		struct run start = { 0 };

		fixture_ctl_start(f, &start, "start", "x");
		usleep((useconds_t)(i * 7919 % DEFINE_US));
		fixture_kill(supervisor, SIGKILL);
		fixture_check(f, fixture_finish(f, &start), 0, "x: started\n", "");
		fixture_ctl_is(f, 0, "", "", "wait", "x");
		fixture_expect_line(f, said, "ran");
		fixture_expect_silence(f, said);
	}
	fixture_reconnect(f);
	fixture_down(f);
}

static void what_was_forgotten_leaves_no_file(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	pid_t supervisor = fixture_supervisor(f);
	fixture_write_file(f, "run/spool/gone", "{}"); /* as one that was killed has left it */
	fixture_write_file(f, "run/spool/.dotted", "{}");
	fixture_write_file(f, "run/spool/half.new", "{");
	fixture_kill(supervisor, SIGKILL);
	fixture_new_supervisor(f, supervisor);
	assert_int_equal(access(fixture_path(f, "run/spool/gone"), F_OK), -1);
	assert_int_equal(access(fixture_path(f, "run/spool/.dotted"), F_OK), -1);
	assert_int_equal(access(fixture_path(f, "run/spool/half.new"), F_OK), -1);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(who_was_told_that_it_is_done_finds_it_done),
		fixture_test(a_successor_may_die_before_it_has_taken_over),
		fixture_test(what_is_defined_anew_is_what_runs),
		fixture_test(a_start_that_is_asked_again_has_begun_already),
		fixture_test(a_job_that_is_started_while_the_supervisor_dies_runs_once),
		fixture_test(what_was_forgotten_leaves_no_file),
	};

	return fixture_run(tests);
}
