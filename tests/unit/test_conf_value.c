/* value and keys: the types of values, and the table that names them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "conf/keys.h"
#include "conf/value.h"

static void booleans_are_eight_words_in_any_case(void **unused)
{
	static const char *const yes[] = { "true", "YES", "On", "1" }, *const no[] = { "false",
										       "No", "OFF",
										       "0" };
	bool v;

	(void)unused;
	for (int i = 0; i < 4; i++) {
		v = false;
		assert_int_equal(value_bool(yes[i], &v), 0);
		assert_true(v);
		assert_int_equal(value_bool(no[i], &v), 0);
		assert_false(v);
	}
	assert_int_equal(value_bool("t", &v), -EINVAL);
	assert_int_equal(value_bool("", &v), -EINVAL);
	assert_int_equal(value_bool("2", &v), -EINVAL);
}

static void numbers_are_decimal_and_in_range(void **unused)
{
	long n = 5;

	(void)unused;
	assert_int_equal(value_int("-12", -100, 100, &n), 0);
	assert_int_equal(n, -12);
	assert_int_equal(value_int("0010", 0, 100, &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(value_int("101", 0, 100, &n), -EINVAL);
	assert_int_equal(value_int("", 0, 100, &n), -EINVAL);
	assert_int_equal(value_int("1x", 0, 100, &n), -EINVAL);
	assert_int_equal(value_int(" 1", 0, 100, &n), -EINVAL);
	assert_int_equal(value_int("0x10", 0, 100, &n), -EINVAL);
	assert_int_equal(value_int("99999999999999999999", 0, 100, &n), -EINVAL);
	assert_int_equal(n, 10);
}

static void sizes_have_units_of_1024(void **unused)
{
	uint64_t n;

	(void)unused;
	assert_int_equal(value_size("0", &n), 0);
	assert_int_equal(value_size("50MB", &n), 0);
	assert_true(n == 50u << 20);
	assert_int_equal(value_size("3 kb", &n), 0);
	assert_true(n == 3072);
	assert_int_equal(value_size("1GB", &n), 0);
	assert_true(n == 1u << 30);
	assert_int_equal(value_size("10K", &n), -EINVAL);
	assert_int_equal(value_size("-1", &n), -EINVAL);
	assert_int_equal(value_size("99999999999999999GB", &n), -EINVAL);
	assert_int_equal(value_size("MB", &n), -EINVAL);
}

static void seconds_have_parts_and_units(void **unused)
{
	static const struct {
		const char *text;
		double seconds;
	} good[] = { { "5", 5 },  { "0.5", 0.5 }, { ".25", 0.25 },  { "10ms", 0.01 },
		     { "5s", 5 }, { "2m", 120 },  { "1.5h", 5400 }, { "1.", 1 } };
	static const char *const bad[] = { "",	"-1",  "1x", "1e3",   "inf",	      "nan",
					   ".", "1 s", "ms", "1.5.5", "9999999999999" };
	double v;

	(void)unused;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(value_seconds(good[i].text, false, &v), 0);
		assert_true(v > good[i].seconds - 1e-9 && v < good[i].seconds + 1e-9);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(value_seconds(bad[i], false, &v), -EINVAL);
	assert_int_equal(value_seconds("0.5", true, &v), -EINVAL);
	assert_int_equal(value_seconds("5s", true, &v), -EINVAL);
	assert_int_equal(value_seconds("5", true, &v), 0);
}

static void octal_exit_codes_and_fractions_are_checked(void **unused)
{
	uint8_t set[32] = { 0xff };
	double f;
	int n;

	(void)unused;
	assert_int_equal(value_octal("022", &n), 0);
	assert_int_equal(n, 022);
	assert_int_equal(value_octal("0o27", &n), 0);
	assert_int_equal(n, 027);
	assert_int_equal(value_octal("8", &n), -EINVAL);
	assert_int_equal(value_octal("77777", &n), -EINVAL);
	assert_int_equal(value_octal("", &n), -EINVAL);
	assert_int_equal(value_exitcodes("0, 2,255", set), 0);
	assert_int_equal(set[0], 5);
	assert_int_equal(set[31], 0x80);
	assert_int_equal(value_exitcodes("256", set), -EINVAL);
	assert_int_equal(value_exitcodes("1,", set), -EINVAL);
	assert_int_equal(value_exitcodes("1,,2", set), -EINVAL);
	assert_int_equal(set[0], 5);
	assert_int_equal(value_exitcodes("", set), 0);
	assert_int_equal(set[0], 0);
	assert_int_equal(value_fraction("0.3", &f), 0);
	assert_int_equal(value_fraction("1.1", &f), -EINVAL);
}

static void words_of_their_own_types(void **unused)
{
	enum conf_autorestart a;
	unsigned count;
	double secs;
	int level;

	(void)unused;
	assert_int_equal(value_autorestart("Unexpected", &a), 0);
	assert_int_equal(a, CONF_UNEXPECTED);
	assert_int_equal(value_autorestart("yes", &a), 0);
	assert_int_equal(a, CONF_ALWAYS);
	assert_int_equal(value_autorestart("maybe", &a), -EINVAL);
	assert_int_equal(value_loglevel("WARN", &level), 0);
	assert_int_equal(level, LOG_WARNING);
	assert_int_equal(value_loglevel("loud", &level), -EINVAL);
	assert_int_equal(value_give_up("5/60", &count, &secs), 0);
	assert_int_equal(count, 5);
	assert_true(secs == 60);
	assert_int_equal(value_give_up("5", &count, &secs), -EINVAL);
	assert_int_equal(value_give_up("0/60", &count, &secs), -EINVAL);
	assert_int_equal(value_give_up("/60", &count, &secs), -EINVAL);
}

static void a_log_is_a_word_or_a_file(void **unused)
{
	(void)unused;
	assert_int_equal(value_log_kind("None"), CONF_LOG_NONE);
	assert_int_equal(value_log_kind("off"), CONF_LOG_NONE);
	assert_int_equal(value_log_kind("/dev/null"), CONF_LOG_NONE);
	assert_int_equal(value_log_kind("auto"), CONF_LOG_AUTO);
	assert_int_equal(value_log_kind("-"), CONF_LOG_STDOUT);
	assert_int_equal(value_log_kind("/dev/fd/1"), CONF_LOG_STDOUT);
	assert_int_equal(value_log_kind("/proc/self/fd/2"), CONF_LOG_STDERR);
	assert_int_equal(value_log_kind("syslog"), CONF_LOG_SYSLOG);
	assert_int_equal(value_log_kind("journal"), CONF_LOG_JOURNAL);
	assert_int_equal(value_log_kind("/var/log/x"), CONF_LOG_FILE);
}

static void every_key_of_the_table_is_found(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < keys_count; i++) {
		if (keys_find(keys[i].section, keys[i].name) != &keys[i])
			fail_msg("%s is not in its place", keys[i].name);
		assert_non_null(keys[i].help);
		assert_true((keys[i].type != KEY_WORD) || keys[i].words);
		assert_non_null(keys_section_form(keys[i].section));
	}
	assert_null(keys_find(SECTION_PROGRAM, "commanb"));
	assert_null(keys_find(SECTION_GROUP, "command"));
	assert_null(keys_find(SECTION_DEFAULT, "command"));
}

static void sections_are_known_by_their_form(void **unused)
{
	(void)unused;
	assert_int_equal(keys_section_kind("program:x"), SECTION_PROGRAM);
	assert_int_equal(keys_section_kind("program"), SECTION_UNKNOWN);
	assert_int_equal(keys_section_kind("programs:x"), SECTION_UNKNOWN);
	assert_int_equal(keys_section_kind("foster"), SECTION_MAIN);
	assert_int_equal(keys_section_kind("foster:x"), SECTION_UNKNOWN);
	assert_int_equal(keys_section_kind("inet_http_server:x"), SECTION_UNSUPPORTED);
	assert_int_equal(keys_section_kind("rpcinterface:supervisor"), SECTION_SILENT);
	assert_int_equal(keys_section_kind("rpcinterface:other"), SECTION_UNSUPPORTED);
	assert_string_equal(keys_suggest_section("progam:x"), "program:NAME");
	assert_string_equal(keys_suggest_section("program"), "program:NAME");
	assert_null(keys_suggest_section("completely_different"));
}

static void clients_may_set_what_runs_as_themselves_and_no_more(void **unused)
{
	static const char *const open[] = { "command",	    "args",	    "environment",
					    "directory",    "umask",	    "daemon",
					    "parent",	    "start_method", "startsecs",
					    "stopwaitsecs", "autorestart",  "restart_delay",
					    "give_up",	    "stopsignal" };
	static const char *const closed[] = { "user",	  "stdout_logfile", "stderr_logfile",
					      "stdin",	  "priority",	    "stop_command",
					      "numprocs", "nothing",	    "entry" };

	(void)unused;
	for (size_t i = 0; i < sizeof open / sizeof *open; i++)
		if (!conf_key_open_to_clients(open[i]))
			fail_msg("%s", open[i]);
	for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
		if (conf_key_open_to_clients(closed[i]))
			fail_msg("%s", closed[i]);
}

static void the_key_list_has_a_line_for_each(void **unused)
{
	char *text = NULL;
	size_t len = 0, lines = 0;
	FILE *f = open_memstream(&text, &len);

	(void)unused;
	conf_print_keys(f);
	fclose(f);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	assert_int_equal(lines, keys_count);
	assert_non_null(strstr(text, "[program:NAME]\tkill_scope\tword process|group|tree\ttree "
				     "([supervisord]: process)\t"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(booleans_are_eight_words_in_any_case),
		cmocka_unit_test(numbers_are_decimal_and_in_range),
		cmocka_unit_test(sizes_have_units_of_1024),
		cmocka_unit_test(seconds_have_parts_and_units),
		cmocka_unit_test(octal_exit_codes_and_fractions_are_checked),
		cmocka_unit_test(words_of_their_own_types),
		cmocka_unit_test(a_log_is_a_word_or_a_file),
		cmocka_unit_test(every_key_of_the_table_is_found),
		cmocka_unit_test(sections_are_known_by_their_form),
		cmocka_unit_test(clients_may_set_what_runs_as_themselves_and_no_more),
		cmocka_unit_test(the_key_list_has_a_line_for_each),
	};

	return cmocka_run_group_tests_name("conf_value", tests, NULL, NULL);
}
