#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/supervisor/backoff.h"

static const struct conf_restart as_supervisord = { .autorestart = CONF_UNEXPECTED,
						    .startsecs = 1,
						    .startretries = 3 };
static const struct conf_restart native = { .autorestart = CONF_ALWAYS,
					    .startretries = 1000,
					    .native = true,
					    .delay = 1,
					    .delay_max = 10 };
static const struct backoff_end too_quick = { .spawned = true };
static const struct backoff_end crashed = { .was_running = true, .spawned = true };
static const struct backoff_end succeeded = { .was_running = true,
					      .spawned = true,
					      .expected = true };

static uint64_t later(struct backoff *b, const struct conf_restart *r,
		      const struct backoff_end *end)
{
	uint64_t delay_ns = 0;

	assert_int_equal(backoff_judge(b, r, end, &delay_ns), BACKOFF_LATER);
	return delay_ns / NS_PER_MS;
}

static int verdict(struct backoff *b, const struct conf_restart *r, const struct backoff_end *end)
{
	uint64_t delay_ns;

	return backoff_judge(b, r, end, &delay_ns);
}

static void startretries_3_gives_four_attempts_after_1_2_3_seconds(void **unused)
{
	struct backoff b = { 0 };

	(void)unused;
	for (unsigned n = 1; n <= 3; n++)
		assert_int_equal(later(&b, &as_supervisord, &too_quick), n * 1000);
	assert_int_equal(verdict(&b, &as_supervisord, &too_quick), BACKOFF_GIVE_UP);
}

static void an_exit_after_running_restarts_at_once_and_for_ever(void **unused)
{
	struct backoff b = { 0 };

	(void)unused;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(verdict(&b, &as_supervisord, &crashed), BACKOFF_NOW);
}

static void an_expected_exit_is_settled_unless_always(void **unused)
{
	struct conf_restart always = as_supervisord, never = as_supervisord;
	struct backoff b = { 0 };

	(void)unused;
	always.autorestart = CONF_ALWAYS;
	never.autorestart = CONF_NEVER;
	assert_int_equal(verdict(&b, &as_supervisord, &succeeded), BACKOFF_SETTLED);
	assert_int_equal(verdict(&b, &always, &succeeded), BACKOFF_NOW);
	assert_int_equal(verdict(&b, &never, &crashed), BACKOFF_SETTLED);
}

static void running_forgets_failed_starts(void **unused)
{
	struct backoff b = { 0 };

	(void)unused;
	later(&b, &as_supervisord, &too_quick);
	later(&b, &as_supervisord, &too_quick);
	backoff_running(&b);
	assert_int_equal(later(&b, &as_supervisord, &too_quick), 1000);
}

static void native_delays_double_up_to_the_cap(void **unused)
{
	const unsigned expected[] = { 1000, 2000, 4000, 8000, 10000, 10000 };
	struct backoff b = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		assert_int_equal(later(&b, &native, &crashed), expected[i]);
}

static void a_good_run_starts_the_row_anew(void **unused)
{
	struct backoff_end long_run = crashed;
	struct backoff b = { 0 };

	(void)unused;
	long_run.up_ns = 11 * NS_PER_S;
	for (int i = 0; i < 5; i++)
		later(&b, &native, &crashed);
	assert_int_equal(later(&b, &native, &long_run), 1000);
}

static void jitter_only_shortens(void **unused)
{
	struct conf_restart r = native;
	struct backoff_end end = crashed;
	struct backoff b = { 0 };

	(void)unused;
	r.jitter = 0.5;
	end.random = 1;
	assert_int_equal(later(&b, &r, &end), 500);
	backoff_reset(&b);
	end.random = 0;
	assert_int_equal(later(&b, &r, &end), 1000);
}

static void the_nth_failure_within_the_time_is_the_last(void **unused)
{
	struct conf_restart r = native;
	struct backoff_end end = crashed;
	struct backoff b = { 0 };

	(void)unused;
	r.give_up_count = 3;
	r.give_up_secs = 10;
	for (unsigned i = 0; i < 20; i++) { /* one in six seconds: never three within ten */
		end.now_ns = (1 + 6 * i) * NS_PER_S;
		assert_int_equal(verdict(&b, &r, &end), BACKOFF_LATER);
	}
	backoff_reset(&b);
	for (unsigned i = 0; i < 3; i++) {
		end.now_ns = (1000 + i) * NS_PER_S;
		assert_int_equal(verdict(&b, &r, &end), i < 2 ? BACKOFF_LATER : BACKOFF_GIVE_UP);
	}
}

static void a_client_s_command_that_is_not_there_is_not_tried_again(void **unused)
{
	struct conf_restart r = as_supervisord;
	struct backoff_end end = { .once = true };
	struct backoff b = { 0 };

	(void)unused;
	r.autorestart = CONF_NEVER;
	assert_int_equal(verdict(&b, &r, &end), BACKOFF_GIVE_UP);
	end.spawned = true;
	assert_int_equal(verdict(&b, &r, &end), BACKOFF_SETTLED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(startretries_3_gives_four_attempts_after_1_2_3_seconds),
		cmocka_unit_test(an_exit_after_running_restarts_at_once_and_for_ever),
		cmocka_unit_test(an_expected_exit_is_settled_unless_always),
		cmocka_unit_test(running_forgets_failed_starts),
		cmocka_unit_test(native_delays_double_up_to_the_cap),
		cmocka_unit_test(a_good_run_starts_the_row_anew),
		cmocka_unit_test(jitter_only_shortens),
		cmocka_unit_test(the_nth_failure_within_the_time_is_the_last),
		cmocka_unit_test(a_client_s_command_that_is_not_there_is_not_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
