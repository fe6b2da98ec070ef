#include "ctl/client/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/base/mem.h"

static void expect(struct buf *b, const char *text)
{
	assert_int_equal(buf_error(b), 0);
	assert_string_equal(b->data ? b->data : "", text);
	buf_done(b);
}

static void an_uptime_reads_as_in_supervisorctl(void **unused)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{ 0, "0:00:00" },
		{ 5.9, "0:00:05" },
		{ 3599, "0:59:59" },
		{ 3600, "1:00:00" },
		{ 86399, "23:59:59" },
		{ 86400, "1 day, 0:00:00" },
		{ 86400 + 7383, "1 day, 2:03:03" },
		{ 5 * 86400 + 26294, "5 days, 7:18:14" },
		{ -1, "0:00:00" },
		{ 1e300, "1157407 days, 9:46:40" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = { 0 };

		format_uptime(&b, cases[i].seconds);
		expect(&b, cases[i].text);
	}
}

static const double noon = 1763690160; /* 2025-11-21 01:56:00 UTC */

static void dates_are_in_local_time(void **unused)
{
	struct buf b = { 0 };

	(void)unused;
	format_date(&b, noon);
	expect(&b, "Nov 21 01:56 AM");
	format_time(&b, noon + 0.25);
	expect(&b, "2025-11-21 01:56:00.250");
}

static void a_status_line_is_the_one_of_supervisorctl(void **unused)
{
	static const struct {
		struct format_status status;
		const char *line;
	} cases[] = {
		{ { "a", "RUNNING", NULL, 30572, 5, -1 },
		  "a                                RUNNING   pid 30572, uptime 0:00:05" },
		{ { "off", "STOPPED", NULL, 0, -1, -1 },
		  "off                              STOPPED   Not started" },
		{ { "done", "EXITED", NULL, 0, -1, 1763690160 },
		  "done                             EXITED    Nov 21 01:56 AM" },
		{ { "bad", "FATAL", "Exited too quickly", 0, -1, 5 },
		  "bad                              FATAL     Exited too quickly" },
		{ { "a", "STARTING", NULL, 0, -1, -1 },
		  "a                                STARTING  " },
		{ { "a", "STOPPING", NULL, 17, 3, -1 },
		  "a                                STOPPING  " },
		{ { "evil", "BACKOFF", "a\nb\033[2J", 0, -1, -1 },
		  "evil                             BACKOFF   a\\x0ab\\x1b[2J" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = { 0 };

		format_status(&b, &cases[i].status, 4, NULL);
		expect(&b, cases[i].line);
	}
}

static void the_longest_name_sets_the_width(void **unused)
{
	static const char name[] = "a_name_that_is_longer_than_thirty_bytes";
	struct format_status s = { .name = "a", .state = "STOPPED", .stopped = -1 };
	struct buf b = { 0 };

	(void)unused;
	format_status(&b, &s, (int)strlen(name), NULL);
	assert_int_equal(strstr(b.data, "STOPPED") - b.data, strlen(name) + 3);
	buf_done(&b);
}

static void colour_stands_around_the_state_alone(void **unused)
{
	struct format_status s = { .name = "a", .state = "STOPPED", .stopped = -1 };
	struct buf b = { 0 };

	(void)unused;
	format_status(&b, &s, 1, "<");
	expect(&b, "a                                <STOPPED   \033[0mNot started");
}

static void starting_and_stopping_count_as_running(void **unused)
{
	(void)unused;
	assert_true(format_is_running("RUNNING"));
	assert_true(format_is_running("STARTING"));
	assert_true(format_is_running("STOPPING"));
	assert_true(format_is_running("BACKOFF"));
	assert_false(format_is_running("STOPPED"));
	assert_false(format_is_running("EXITED"));
	assert_false(format_is_running("FATAL"));
	assert_false(format_is_running("UNKNOWN"));
}

static void values_of_any_type_fit_one_line(void **unused)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ "\"a\\nb\"", "a\\x0ab" },
		{ "\"\\u009b2J \\u00a0\\u00c2\\u0100\"",
		  "\\xc2\\x9b2J \u00a0\u00c2\u0100" }, /* as ESC [ */
		{ "{\"base64\":\"mzJK/w==\"}", "\\x9b2J\xff" },
		{ "{\"base64\":\"YQo=\"}", "a\\x0a" },
		{ "null", "-" },
		{ "true", "yes" },
		{ "false", "no" },
		{ "-7", "-7" },
		{ "0.25", "0.25" },
		{ "[\"sh\",\"-c\",{\"base64\":\"/w==\"}]", "sh -c \xff" },
		{ "{\"user\":0.5,\"maxrss_kb\":4}", "user 0.5, maxrss_kb 4" },
		{ "[]", "" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *value = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
		struct buf b = { 0 };

		assert_non_null(value);
		format_value(&b, value);
		expect(&b, cases[i].text);
		json_decref(value);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_uptime_reads_as_in_supervisorctl),
		cmocka_unit_test(dates_are_in_local_time),
		cmocka_unit_test(a_status_line_is_the_one_of_supervisorctl),
		cmocka_unit_test(the_longest_name_sets_the_width),
		cmocka_unit_test(colour_stands_around_the_state_alone),
		cmocka_unit_test(starting_and_stopping_count_as_running),
		cmocka_unit_test(values_of_any_type_fit_one_line),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
