/* e2e_order.c - standing orders: a restart that does not wait for the supervisor, and its limits
 *
 * A stopped supervisor cannot answer: what is started while it is stopped was started by order. */
#include <signal.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define A "[program:a]\n" PROGRAM
#define PROGRAM "command = @child@ on 15 0 say @dir@/said %%p hold\nstartsecs = 0\n"
#define MANY 20 /* more than there are orders */

/* Start the one program a; the supervisor has done all that it does for that, and is stopped. */
static pid_t up_and_stop_supervisor(struct fixture *f, const char *text, struct fifo *said,
				    pid_t *ret_supervisor)
{
	fixture_up(f, text);
	pid_t pid = fixture_settle(f, "a", "RUNNING");

	assert_int_equal(atoi(fixture_line(f, said)), pid);
	*ret_supervisor = fixture_supervisor(f);
	fixture_kill(*ret_supervisor, SIGSTOP);
	return pid;
}

static void a_killed_process_is_followed_at_once(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t supervisor, old = up_and_stop_supervisor(f, A, said, &supervisor);

	fixture_kill(old, SIGKILL);
	pid_t next = (pid_t)atoi(fixture_line(f, said));
	assert_int_not_equal(next, old);
	fixture_kill(supervisor, SIGCONT);

	struct event e = fixture_expect(f, "a", "EXITED");
	assert_int_equal(e.returncode, -SIGKILL);
	fixture_expect(f, "a", "STARTING");
	e = fixture_expect(f, "a", "RUNNING");
	assert_int_equal(e.pid, next);
	assert_int_equal(fixture_pid(f, "a"), next);
	fixture_down(f);
	fixture_expect_silence(f, said);
}

static void the_next_supervisor_takes_it_over(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t supervisor,
		old = up_and_stop_supervisor(f, A "autorestart = true\n", said, &supervisor);

	fixture_kill(old, SIGKILL);
	pid_t next = (pid_t)atoi(fixture_line(f, said));
	fixture_kill(supervisor, SIGKILL);
	fixture_new_supervisor(f, supervisor);
	assert_int_equal(fixture_settle(f, "a", "RUNNING"), next);
	fixture_down(f);
	fixture_expect_silence(f, said);
}

static void one_that_has_ended_already_is_taken_over_as_well(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t supervisor,
		old = up_and_stop_supervisor(f, A "autorestart = true\n", said, &supervisor);

	fixture_kill(old, SIGKILL);
	pid_t second = (pid_t)atoi(fixture_line(f, said));
	fixture_kill(second, SIGKILL);
	fixture_kill(supervisor, SIGCONT);
	fixture_expect(f, "a", "EXITED");
	fixture_expect(f, "a", "STARTING");
	/* with startsecs = 0 it was RUNNING, if only between two reports */
	assert_int_equal(fixture_expect(f, "a", "RUNNING").pid, second);
	assert_int_equal(fixture_expect(f, "a", "EXITED").returncode, -SIGKILL);
	fixture_until(f, "a", "RUNNING");
	assert_int_equal(atoi(fixture_line(f, said)), fixture_pid(f, "a"));
	fixture_down(f);
	fixture_expect_silence(f, said);
}

static void an_end_that_is_expected_is_not_followed(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t supervisor, old = up_and_stop_supervisor(f, A, said, &supervisor);

	fixture_kill(old, SIGTERM); /* exits 0 */
	fixture_kill(supervisor, SIGCONT);
	assert_int_equal(fixture_expect(f, "a", "EXITED").returncode, 0);
	fixture_expect_nothing(f, "a");
	fixture_down(f);
	fixture_expect_silence(f, said);
}

static void what_stops_is_not_followed(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* ends by a signal that was not the stop signal: as if it had crashed */
	fixture_up(f, A "stop_command = sh -c 'kill -KILL $FOSTER_PID'\n");
	fixture_settle(f, "a", "RUNNING");
	fixture_line(f, said);
	fixture_ctl_is(f, 0, NULL, "", "stop", "a");
	assert_string_equal(fixture_state(f, "a"), "STOPPED");
	fixture_down(f);
	fixture_expect_silence(f, said);
}

static void what_was_begun_and_is_not_wanted_is_killed(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t supervisor,
		old = up_and_stop_supervisor(f, A "environment = A=1\n", said, &supervisor);

	fixture_kill(old, SIGKILL);
	pid_t begun = (pid_t)atoi(fixture_line(f, said));
	/* The successor asks otherwise: it finds another configuration, and not the kept one. */
	fixture_write_config(f, A "environment = A=2\n");
	fixture_write_file(f, "run/config", "");
	fixture_kill(supervisor, SIGKILL);
	pid_t next = (pid_t)atoi(fixture_line(f, said));

	fixture_new_supervisor(f, supervisor);
	assert_int_equal(fixture_settle(f, "a", "RUNNING"), next);
	assert_int_not_equal(next, begun);
	fixture_until_dead(f, begun);
	fixture_down(f);
	fixture_expect_silence(f, said);
}

static void a_stop_that_meets_a_restart_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t supervisor, old = up_and_stop_supervisor(f, A, said, &supervisor);
	struct run stop = { 0 };

	fixture_kill(old, SIGKILL);
	pid_t begun = (pid_t)atoi(fixture_line(f, said));
	fixture_ctl_start(f, &stop, "stop", "a");
	fixture_kill(supervisor, SIGCONT);
	fixture_finish(f, &stop); /* whether it was RUNNING, EXITED or STARTING then is chance */
	fixture_until(f, "a", "STOPPED");
	fixture_until_dead(f, begun);
	fixture_expect_nothing(f, "a");
	fixture_down(f);
}

static void a_shutdown_that_meets_a_restart_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t supervisor, old = up_and_stop_supervisor(f, A, said, &supervisor);

	fixture_kill(old, SIGKILL);
	fixture_line(f, said);
	fixture_kill(f->fosterd, SIGTERM);
	fixture_kill(supervisor, SIGCONT);
	assert_int_equal(fixture_gone(f), 0);
}

static void those_without_an_order_follow_later(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t old[MANY], supervisor;

	fixture_up(f, "[program:p]\nnumprocs = 20\nprocess_name = p%(process_num)d\n" PROGRAM);
	for (int i = 0; i < MANY; i++)
		old[i] = fixture_settle(f, fixture_format(f, "p:p%d", i), "RUNNING");
	for (int i = 0; i < MANY; i++)
		fixture_line(f, said);
	supervisor = fixture_supervisor(f);
	fixture_kill(supervisor, SIGSTOP);
	for (int i = 0; i < MANY; i++)
		fixture_kill(old[i], SIGKILL);
	fixture_line(f, said); /* the first of those with an order */
	fixture_kill(supervisor, SIGCONT);
	for (int i = 1; i < MANY; i++)
		fixture_line(f, said);
	for (int i = 0; i < MANY; i++) {
		const char *name = fixture_format(f, "p:p%d", i);

		fixture_until(f, name, "RUNNING");
		assert_int_not_equal(fixture_pid(f, name), old[i]);
	}
	fixture_down(f);
	fixture_expect_silence(f, said);
}

static void what_it_starts_at_once_is_its_own(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	pid_t old = fixture_start(
		f,
		"[program:a]\nstartsecs = 0\nautorestart = true\n"
		"command = sh -c 'echo $$ >@dir@/said; @build@/fosterctl start of-$$ -- "
		"@child@ hold; exec sleep 1000'\n",
		"a");
	assert_int_equal(atoi(fixture_line(f, said)), old);
	const char *first = fixture_format(f, "of-%d", (int)old);
	fixture_until(f, first, "RUNNING");
	pid_t supervisor = fixture_supervisor(f);
	fixture_kill(supervisor, SIGSTOP);
	fixture_kill(old, SIGKILL);
	const char *second = fixture_format(f, "of-%d", atoi(fixture_line(f, said)));
	fixture_kill(supervisor, SIGCONT);

	fixture_until(f, second, "RUNNING");
	fixture_until(f, first, "STOPPED"); /* with the parent that it had */
	fixture_expect_nothing(f, second);
	assert_string_equal(json_string_value(json_object_get(fixture_show(f, second), "parent")),
			    "a");
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_killed_process_is_followed_at_once),
		fixture_test(the_next_supervisor_takes_it_over),
		fixture_test(one_that_has_ended_already_is_taken_over_as_well),
		fixture_test(an_end_that_is_expected_is_not_followed),
		fixture_test(what_stops_is_not_followed),
		fixture_test(what_was_begun_and_is_not_wanted_is_killed),
		fixture_test(a_stop_that_meets_a_restart_leaves_nothing),
		fixture_test(a_shutdown_that_meets_a_restart_leaves_nothing),
		fixture_test(those_without_an_order_follow_later),
		fixture_test(what_it_starts_at_once_is_its_own),
	};

	return fixture_run(tests);
}
