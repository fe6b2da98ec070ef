#include "ctl/client/status_scan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/mem.h"

#define REPLY(records) "{\"parameters\":{\"processes\":[" records "]}}"

static int scan(const char *text, struct status_list *l)
{
	return status_scan(text, strlen(text), l);
}

static void the_usual_reply_is_read_as_it_stands(void **unused)
{
	struct status_list l;

	(void)unused;
	assert_int_equal(scan(REPLY("{\"name\":\"web:web_00\",\"state\":\"RUNNING\",\"pid\":17,"
				    "\"uptime\":3.250000,\"stopped\":null,\"reason\":null},"
				    "{\"name\":\"a\",\"state\":\"FATAL\",\"stopped\":1763690160.5,"
				    "\"reason\":\"exec /x: No such file\"}"),
			      &l),
			 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.records[0].name, "web:web_00");
	assert_string_equal(l.records[0].state, "RUNNING");
	assert_int_equal(l.records[0].pid, 17);
	assert_true(l.records[0].uptime == 3.25);
	assert_true(l.records[0].stopped == -1);
	assert_null(l.records[0].reason);
	assert_string_equal(l.records[1].reason, "exec /x: No such file");
	assert_true(l.records[1].stopped == 1763690160.5);
	assert_int_equal(l.records[1].pid, 0);
	status_list_done(&l);
}

static void everything_else_is_left_to_the_library(void **unused)
{
	static const char *const cases[] = {
		"",
		"{}",
		"{\"error\":\"a.B\"}",
		"{\"parameters\":{}}",
		REPLY(""),
		REPLY("{}"),
		REPLY("{\"name\":\"a\"}"),
		REPLY("{\"name\":\"a\",\"state\":null}"),
		REPLY("{\"name\":\"a\",\"state\":\"X\",\"new\":1}"),
		REPLY("{\"name\":\"a\\n\",\"state\":\"X\"}"),
		REPLY("{\"name\":\"\xc3\xa9\",\"state\":\"X\"}"),
		REPLY("{\"name\":\"a\",\"state\":\"X\",\"pid\":-1}"),
		REPLY("{\"name\":\"a\",\"state\":\"X\",\"pid\":01}"),
		REPLY("{\"name\":\"a\",\"state\":\"X\",\"pid\":1e3}"),
		REPLY("{\"name\":\"a\",\"state\":\"X\",\"pid\":99999999999999999999}"),
		REPLY("{\"name\":\"a\",\"state\":\"X\",\"uptime\":1.}"),
		REPLY("{\"name\":\"a\",\"state\":\"X\",\"uptime\":}"),
		REPLY("{\"name\":\"a\",\"state\":\"X\"},"),
		REPLY("{\"name\":\"a\",\"state\":\"X\"") "",
		REPLY("{\"name\":\"a\",\"state\":\"X\"}") "x",
		"{\"parameters\":{\"processes\":[{\"name\":\"a",
		"{\"parameters\":{\"processes\":[{\"name\":\"a\",\"state\":\"X\"}],\"unknown\":[]}}",
	};
	struct status_list l = { 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(scan(cases[i], &l), -ENOTSUP);
		assert_null(l.text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_usual_reply_is_read_as_it_stands),
		cmocka_unit_test(everything_else_is_left_to_the_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
