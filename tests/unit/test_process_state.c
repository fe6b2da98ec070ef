#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/supervisor/process_state.h"

static const struct process_move *move(int from, int ev)
{
	return process_move((enum process_state)from, (enum process_event)ev);
}

static void every_state_with_a_process_hears_its_end(void **unused)
{
	(void)unused;
	for (int s = 0; s < PROCESS_STATE_MAX; s++)
		if (process_state_is_alive((enum process_state)s))
			assert_true(move(s, PROCESS_EV_EXIT)->set);
	assert_true(move(PROCESS_UNKNOWN, PROCESS_EV_EXIT)->set);
}

static void only_a_start_leaves_fatal_and_stopped(void **unused)
{
	(void)unused;
	for (int ev = 0; ev < PROCESS_EV_MAX; ev++) {
		assert_int_equal(move(PROCESS_FATAL, ev)->set, ev == PROCESS_EV_START);
		assert_int_equal(move(PROCESS_STOPPED, ev)->set, ev == PROCESS_EV_START);
	}
}

static void a_start_always_spawns_and_never_while_alive(void **unused)
{
	(void)unused;
	for (int s = 0; s < PROCESS_STATE_MAX; s++) {
		const struct process_move *m = move(s, PROCESS_EV_START);

		assert_int_equal(m->set, !process_state_is_alive((enum process_state)s));
		if (m->set) {
			assert_int_equal(m->to, PROCESS_STARTING);
			assert_int_equal(m->act, PROCESS_ACT_SPAWN);
		}
	}
}

static void nothing_but_gone_leads_from_stopping_to_stopped(void **unused)
{
	(void)unused;
	for (int ev = 0; ev < PROCESS_EV_MAX; ev++)
		if (move(PROCESS_STOPPING, ev)->set &&
		    move(PROCESS_STOPPING, ev)->to == PROCESS_STOPPED)
			assert_int_equal(ev, PROCESS_EV_GONE);
	assert_int_equal(move(PROCESS_STOPPING, PROCESS_EV_EXIT)->act, PROCESS_ACT_CLEAN);
}

static void stopwaitsecs_end_in_sigkill(void **unused)
{
	(void)unused;
	assert_int_equal(move(PROCESS_STOPPING, PROCESS_EV_TIMEOUT)->act, PROCESS_ACT_KILL);
	assert_int_equal(move(PROCESS_STOPPING, PROCESS_EV_TIMEOUT)->to, PROCESS_STOPPING);
}

static void a_stop_of_what_waits_to_be_tried_again_needs_no_signal(void **unused)
{
	(void)unused;
	assert_int_equal(move(PROCESS_BACKOFF, PROCESS_EV_STOP)->to, PROCESS_STOPPED);
	assert_int_equal(move(PROCESS_BACKOFF, PROCESS_EV_STOP)->act, PROCESS_ACT_NONE);
	assert_int_equal(move(PROCESS_EXITED, PROCESS_EV_STOP)->to, PROCESS_STOPPED);
}

static void names_are_supervisord_s(void **unused)
{
	(void)unused;
	assert_string_equal(process_state_name(PROCESS_BACKOFF), "BACKOFF");
	assert_string_equal(process_state_name(PROCESS_UNKNOWN), "UNKNOWN");
	assert_string_equal(process_event_name(PROCESS_EV_GIVE_UP), "GIVE_UP");
}

static void poll_calls_these_running(void **unused)
{
	(void)unused;
	for (int s = 0; s < PROCESS_STATE_MAX; s++)
		assert_int_equal(process_state_is_up((enum process_state)s),
				 s == PROCESS_STARTING || s == PROCESS_RUNNING ||
					 s == PROCESS_STOPPING || s == PROCESS_BACKOFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_with_a_process_hears_its_end),
		cmocka_unit_test(only_a_start_leaves_fatal_and_stopped),
		cmocka_unit_test(a_start_always_spawns_and_never_while_alive),
		cmocka_unit_test(nothing_but_gone_leads_from_stopping_to_stopped),
		cmocka_unit_test(stopwaitsecs_end_in_sigkill),
		cmocka_unit_test(a_stop_of_what_waits_to_be_tried_again_needs_no_signal),
		cmocka_unit_test(names_are_supervisord_s),
		cmocka_unit_test(poll_calls_these_running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
