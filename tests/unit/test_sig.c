#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/sig.h"

static void a_signal_is_known_by_every_form_of_its_name(void **unused)
{
	(void)unused;
	assert_int_equal(sig_number("TERM"), SIGTERM);
	assert_int_equal(sig_number("SIGTERM"), SIGTERM);
	assert_int_equal(sig_number("term"), SIGTERM);
	assert_int_equal(sig_number("sigUsr1"), SIGUSR1);
	assert_int_equal(sig_number("15"), SIGTERM);
}

static void real_time_signals_count_from_either_end(void **unused)
{
	(void)unused;
	assert_int_equal(sig_number("RTMIN"), SIGRTMIN);
	assert_int_equal(sig_number("SIGRTMIN+3"), SIGRTMIN + 3);
	assert_int_equal(sig_number("RTMAX"), SIGRTMAX);
	assert_int_equal(sig_number("rtmax-1"), SIGRTMAX - 1);
}

static void what_is_no_signal_is_refused(void **unused)
{
	static const char *const bad[] = { "",	      "SIG",	 "TERMX",  "0",
					   "65",      "-1",	 "9x",	   "RTMIN+99",
					   "RTMIN-1", "RTMAX+1", "RTMIN+", "SIGSIGTERM" };

	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (sig_number(bad[i]) != -EINVAL)
			fail_msg("'%s' is %d", bad[i], sig_number(bad[i]));
}

static void every_number_has_a_name_that_leads_back(void **unused)
{
	(void)unused;
	for (int n = 1; n <= SIGRTMAX; n++)
		assert_int_equal(sig_number(sig_name(n)), n);
	assert_string_equal(sig_name(SIGTERM), "TERM");
	assert_string_equal(sig_name(SIGRTMIN + 2), "RTMIN+2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_is_known_by_every_form_of_its_name),
		cmocka_unit_test(real_time_signals_count_from_either_end),
		cmocka_unit_test(what_is_no_signal_is_refused),
		cmocka_unit_test(every_number_has_a_name_that_leads_back),
	};

	return cmocka_run_group_tests_name("sig", tests, NULL, NULL);
}
