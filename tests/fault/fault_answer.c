/* fault_answer.c - what was answered is done, whatever becomes of the supervisor after it */
#include <errno.h>
#include <signal.h>

#include "tests/e2e/fixture.h"

#define ROUNDS 100

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(who_was_told_that_it_is_done_finds_it_done),
	};

	return fixture_run(tests);
}
