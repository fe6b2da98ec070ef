#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "daemon/supervisor/returncode.h"

#define EXITED(n) ((n) << 8)
#define KILLED(n) (n)
#define DUMPED(n) ((n) | 0x80)

static void it_is_python_s(void **unused)
{
	(void)unused;
	assert_int_equal(returncode_of(EXITED(0)), 0);
	assert_int_equal(returncode_of(EXITED(255)), 255);
	assert_int_equal(returncode_of(KILLED(SIGKILL)), -9);
	assert_int_equal(returncode_of(DUMPED(SIGSEGV)), -11);
}

static void a_death_by_signal_is_never_expected(void **unused)
{
	uint8_t all[32], three[32] = { [0] = 1 << 3 };

	(void)unused;
	for (int i = 0; i < 32; i++)
		all[i] = 0xff;
	assert_true(returncode_is_expected(EXITED(3), three));
	assert_false(returncode_is_expected(EXITED(0), three));
	assert_true(returncode_is_expected(EXITED(255), all));
	assert_false(returncode_is_expected(KILLED(SIGTERM), all));
}

static void a_shell_shows_128_and_the_signal(void **unused)
{
	(void)unused;
	assert_int_equal(returncode_for_shell(7), 7);
	assert_int_equal(returncode_for_shell(-15), 143);
}

static void it_can_be_told_in_words(void **unused)
{
	char text[64];

	(void)unused;
	returncode_describe(EXITED(3), text, sizeof text);
	assert_string_equal(text, "exited with status 3");
	returncode_describe(DUMPED(SIGSEGV), text, sizeof text);
	assert_string_equal(text, "killed by SEGV (core dumped)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_python_s),
		cmocka_unit_test(a_death_by_signal_is_never_expected),
		cmocka_unit_test(a_shell_shows_128_and_the_signal),
		cmocka_unit_test(it_can_be_told_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
