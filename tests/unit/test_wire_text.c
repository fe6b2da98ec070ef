#include "ctl/wire/text.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/wire/jsonw.h"
#include "daemon/base/mem.h"

/* ---- text ---------------------------------------------------------------------------------- */

static void utf8_is_what_unicode_allows(void **unused)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "", true },
		{ "plain", true },
		{ "\xc3\xa9", true }, /* é */
		{ "\xe2\x82\xac", true }, /* € */
		{ "\xf0\x9f\x8c\xb1", true }, /* a plant */
		{ "\xf4\x8f\xbf\xbf", true }, /* the last code point */
		{ "\xf4\x90\x80\x80", false }, /* one more */
		{ "\xc0\xaf", false }, /* overlong */
		{ "\xe0\x80\xaf", false },
		{ "\xf0\x80\x80\xaf", false },
		{ "\xed\xa0\x80", false }, /* a surrogate */
		{ "\xff", false },
		{ "\x80", false },
		{ "\xe2\x82", false }, /* cut off */
		{ "\xe2(\xac", false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(text_is_utf8(cases[i].text, strlen(cases[i].text)),
				 cases[i].valid);
	assert_false(text_is_utf8("a\0b", 3));
}

static void any_bytes_come_back_as_they_were(void **unused)
{
	char bytes[256 + 3];

	(void)unused;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)i;
	for (size_t begin = 0; begin < 256; begin += 5) {
		for (size_t len = 0; len <= 3; len++) {
			json_t *value = text_to_json(bytes + begin, len);
			auto_free char *back = NULL;
			size_t back_len;

			assert_non_null(value);
			assert_int_equal(text_of_json(value, &back, &back_len), 0);
			assert_int_equal(back_len, len);
			assert_memory_equal(back, bytes + begin, len);
			assert_int_equal(back[len], 0);
			json_decref(value);
		}
	}
}

static void only_what_is_not_utf8_is_base64(void **unused)
{
	json_t *plain = text_str_to_json("h\xc3\xa9");
	json_t *bytes = text_str_to_json("\xff\xfe");

	(void)unused;
	assert_string_equal(json_string_value(plain), "h\xc3\xa9");
	assert_string_equal(json_string_value(json_object_get(bytes, "base64")), "//4=");
	json_decref(plain);
	json_decref(bytes);
}

static void what_is_neither_form_is_refused(void **unused)
{
	static const char *const bad[] = {
		"1",
		"null",
		"true",
		"[]",
		"{}",
		"{\"base64\":1}",
		"{\"base64\":\"AAAA\",\"x\":1}",
		"{\"base64\":\"AAA\"}",
		"{\"base64\":\"A===\"}",
		"{\"base64\":\"====\"}",
		"{\"base64\":\"AA=A\"}",
		"{\"base64\":\"AA==AAAA\"}",
		"{\"base64\":\"AB==\"}", /* bits that no byte takes */
		"{\"base64\":\"AAB=\"}",
		"{\"base64\":\"AA A\"}",
		"{\"base64\":\"AA-_\"}",
		"{\"Base64\":\"AAAA\"}",
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *value = json_loads(bad[i], JSON_DECODE_ANY, NULL);
		char *data = NULL;
		size_t len;

		assert_non_null(value);
		assert_int_equal(text_of_json(value, &data, &len), -EINVAL);
		assert_null(data);
		json_decref(value);
	}
}

static void a_nul_among_the_bytes_is_no_c_string(void **unused)
{
	json_t *value = json_loads("{\"base64\":\"YQBi\"}", 0, NULL); /* a, NUL, b */
	char *data = NULL;
	size_t len;

	(void)unused;
	assert_int_equal(text_str_of_json(value, &data), -EINVAL);
	assert_int_equal(text_of_json(value, &data, &len), 0);
	assert_int_equal(len, 3);
	free(data);
	json_decref(value);
}

/* ---- jsonw --------------------------------------------------------------------------------- */

static void the_writer_puts_commas_where_they_belong(void **unused)
{
	struct buf b = { 0 };

	(void)unused;
	jsonw_open(&b, NULL, '{');
	jsonw_str(&b, "a", "x");
	jsonw_open(&b, "list", '[');
	jsonw_int(&b, NULL, 1);
	jsonw_int(&b, NULL, -2);
	jsonw_open(&b, NULL, '{');
	jsonw_close(&b, '}');
	jsonw_bool(&b, NULL, true);
	jsonw_close(&b, ']');
	jsonw_open(&b, "empty", '[');
	jsonw_close(&b, ']');
	jsonw_null(&b, "n");
	jsonw_str(&b, "s", NULL);
	jsonw_close(&b, '}');
	assert_string_equal(b.data, "{\"a\":\"x\",\"list\":[1,-2,{},true],\"empty\":[],"
				    "\"n\":null,\"s\":null}");
	buf_done(&b);
}

static void what_is_written_is_read_back_by_the_library(void **unused)
{
	struct buf b = { 0 };
	char every[256];
	auto_free char *back = NULL;
	json_t *root;

	(void)unused;
	for (size_t i = 0; i < 255; i++)
		every[i] = (char)(i + 1);
	jsonw_open(&b, NULL, '[');
	jsonw_bytes(&b, NULL, every, 127); /* all of ASCII, control characters too */
	jsonw_bytes(&b, NULL, every, 255);
	jsonw_int(&b, NULL, INT64_MIN);
	jsonw_int(&b, NULL, INT64_MAX);
	jsonw_int(&b, NULL, 0);
	jsonw_close(&b, ']');
	root = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_int_equal(json_string_length(json_array_get(root, 0)), 127);
	assert_memory_equal(json_string_value(json_array_get(root, 0)), every, 127);
	assert_int_equal(text_str_of_json(json_array_get(root, 1), &back), 0);
	assert_int_equal(strlen(back), 255);
	assert_memory_equal(back, every, 255);
	assert_true(json_integer_value(json_array_get(root, 2)) == INT64_MIN);
	assert_true(json_integer_value(json_array_get(root, 3)) == INT64_MAX);
	json_decref(root);
	buf_done(&b);
}

static void seconds_have_microseconds(void **unused)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0.000000" },
		{ -0.0, "0.000000" },
		{ 1.5, "1.500000" },
		{ -2.25, "-2.250000" },
		{ 0.0000004, "0.000000" },
		{ 1e-6, "0.000001" },
		{ 1763696342.123456, "1763696342.123456" },
		{ 0.9999999, "1.000000" },
		{ 999999999999.0, "999999999999.000000" },
		{ 1e12, "null" },
		{ (double)NAN, "null" },
		{ -(double)INFINITY, "null" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = { 0 };

		jsonw_seconds(&b, NULL, cases[i].value);
		assert_string_equal(b.data, cases[i].text);
		buf_done(&b);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_what_unicode_allows),
		cmocka_unit_test(any_bytes_come_back_as_they_were),
		cmocka_unit_test(only_what_is_not_utf8_is_base64),
		cmocka_unit_test(what_is_neither_form_is_refused),
		cmocka_unit_test(a_nul_among_the_bytes_is_no_c_string),
		cmocka_unit_test(the_writer_puts_commas_where_they_belong),
		cmocka_unit_test(what_is_written_is_read_back_by_the_library),
		cmocka_unit_test(seconds_have_microseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
