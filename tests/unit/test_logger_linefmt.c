#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/logger/linefmt.h"

static const struct linefmt web = { .prefix = "", .name = "web", .stream = "stdout", .stamp = "T" };

static char *line_of(enum linefmt_form form, const char *prefix, const char *line, size_t len)
{
	struct linefmt f = web;
	struct buf b = { 0 };

	f.form = form;
	f.prefix = prefix;
	linefmt_add(&b, &f, line, len);
	return buf_take_str(&b);
}

static void assert_json_line(const char *line, const char *expected)
{
	auto_free char *text = line_of(LINEFMT_JSON, "", line, strlen(line));
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "line")), expected);
	json_decref(j);
}

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void a_raw_line_has_its_prefix_and_a_newline(void **unused)
{
	auto_free char *plain = line_of(LINEFMT_RAW, "", "hello", 5);
	auto_free char *prefixed = line_of(LINEFMT_RAW, "web | ", "", 0);

	(void)unused;
	assert_string_equal(plain, "hello\n");
	assert_string_equal(prefixed, "web | \n");
}

static void a_timestamp_stands_between_prefix_and_line(void **unused)
{
	auto_free char *text = line_of(LINEFMT_TIMESTAMP, "web | ", "hello", 5);

	(void)unused;
	assert_string_equal(text, "web | T hello\n");
}

static void a_json_line_is_one_object_with_the_name_instead_of_the_prefix(void **unused)
{
	auto_free char *text = line_of(LINEFMT_JSON, "web | ", "hello", 5);

	(void)unused;
	assert_string_equal(
		text,
		"{\"time\":\"T\",\"name\":\"web\",\"stream\":\"stdout\",\"line\":\"hello\"}\n");
}

static void json_escapes_what_a_string_cannot_hold(void **unused)
{
	auto_free char *text = line_of(LINEFMT_JSON, "", "\0\1\x7f", 3);

	(void)unused;
	assert_json_line("q\" b\\ t\t r\r e\x1b v\v f\f b\b", "q\" b\\ t\t r\r e\x1b v\v f\f b\b");
	assert_non_null(strstr(text, "\"line\":\"\\u0000\\u0001\\u007f\"}"));
}

static void json_keeps_utf8_and_shows_other_bytes(void **unused)
{
	(void)unused;
	assert_json_line("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
			 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	assert_json_line("\xff", "\\xff");
	assert_json_line("\xc3", "\\xc3"); /* cut short */
	assert_json_line("\xc0\x80", "\\xc0\\x80"); /* overlong */
	assert_json_line("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
	assert_json_line("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond Unicode */
	assert_json_line("\xe2\x82x", "\\xe2\\x82x");
}

/* Whatever the bytes are: what is made of them can be parsed. */
static void every_pair_of_bytes_makes_valid_json(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 65536; i++) {
		char pair[2] = { (char)(i >> 8), (char)i };
		auto_free char *text = line_of(LINEFMT_JSON, "", pair, 2);
		json_t *j = json_loads(text, JSON_ALLOW_NUL, NULL);

		assert_non_null(j);
		json_decref(j);
	}
}

static void a_stamp_is_local_time_with_its_offset(void **unused)
{
	char stamp[LINEFMT_STAMP_BYTES];

	(void)unused;
	set_zone("XXX-5:45"); /* east of Greenwich */
	linefmt_stamp(stamp, 1700000000ULL * NS_PER_S + 7 * NS_PER_MS + 999999);
	assert_string_equal(stamp, "2023-11-15T03:58:20.007+05:45");
	set_zone("XXX+3:30");
	linefmt_stamp(stamp, 1700000000ULL * NS_PER_S);
	assert_string_equal(stamp, "2023-11-14T18:43:20.000-03:30");
	set_zone("UTC");
	linefmt_stamp(stamp, 1700000000ULL * NS_PER_S);
	assert_string_equal(stamp, "2023-11-14T22:13:20.000+00:00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_raw_line_has_its_prefix_and_a_newline),
		cmocka_unit_test(a_timestamp_stands_between_prefix_and_line),
		cmocka_unit_test(a_json_line_is_one_object_with_the_name_instead_of_the_prefix),
		cmocka_unit_test(json_escapes_what_a_string_cannot_hold),
		cmocka_unit_test(json_keeps_utf8_and_shows_other_bytes),
		cmocka_unit_test(every_pair_of_bytes_makes_valid_json),
		cmocka_unit_test(a_stamp_is_local_time_with_its_offset),
	};

	return cmocka_run_group_tests_name("logger_linefmt", tests, NULL, NULL);
}
