#include "ctl/wire/call.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/mem.h"

static void a_call_comes_back_from_its_text(void **unused)
{
	json_t *parameters = json_pack("{s:s}", "name", "web");
	struct buf b = { 0 };
	struct call c;

	(void)unused;
	call_add(&b, "a.b.C", parameters, true);
	assert_int_equal(b.data[b.len - 1], '\0');
	assert_int_equal(call_parse(b.data, b.len - 1, &c), 0);
	assert_string_equal(c.method, "a.b.C");
	assert_true(json_equal(c.parameters, parameters));
	assert_true(c.more);
	assert_false(c.oneway || c.upgrade);
	call_done(&c);
	json_decref(parameters);
	buf_done(&b);
}

static void absent_parameters_are_an_empty_object(void **unused)
{
	struct call c;
	struct reply r;
	const char call[] = "{\"method\":\"a.B\",\"parameters\":null}";

	(void)unused;
	assert_int_equal(call_parse(call, strlen(call), &c), 0);
	assert_true(json_is_object(c.parameters));
	call_done(&c);
	assert_int_equal(reply_parse("{}", 2, &r), 0);
	assert_true(json_is_object(r.parameters));
	assert_null(r.error);
	assert_false(r.continues);
	reply_done(&r);
}

static void a_reply_comes_back_from_its_text(void **unused)
{
	struct buf b = { 0 };
	struct reply r;

	(void)unused;
	reply_add(&b, NULL, NULL, true);
	assert_string_equal(b.data, "{\"parameters\":{},\"continues\":true}");
	assert_int_equal(reply_parse(b.data, b.len - 1, &r), 0);
	assert_true(r.continues);
	reply_done(&r);
	buf_clear(&b);
	reply_add_text(&b, "{\"a\":1}", 7, false);
	assert_string_equal(b.data, "{\"parameters\":{\"a\":1}}");
	buf_clear(&b);
	reply_add(&b, "x.y.Z", NULL, false);
	assert_int_equal(reply_parse(b.data, b.len - 1, &r), 0);
	assert_string_equal(r.error, "x.y.Z");
	reply_done(&r);
	buf_done(&b);
}

static void messages_follow_each_other_in_one_buffer(void **unused)
{
	static const char both[] = "{\"parameters\":{}}\0{\"parameters\":{}}";
	struct buf b = { 0 };

	(void)unused;
	reply_add(&b, NULL, NULL, false);
	reply_add(&b, NULL, NULL, false);
	assert_int_equal(b.len, sizeof both);
	assert_memory_equal(b.data, both, sizeof both);
	buf_done(&b);
}

static void what_is_not_a_reply_is_refused(void **unused)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{\"error\":1}",
		"{\"parameters\":[]}",
		"{\"continues\":\"yes\"}",
		"{\"surprise\":true}",
		"{\"error\":\"a.B\",\"continues\":true}",
		"{\"parameters\":{},\"parameters\":{}}",
	};
	struct reply r = { 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(reply_parse(bad[i], strlen(bad[i]), &r), -EBADMSG);
		assert_null(r.root);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_comes_back_from_its_text),
		cmocka_unit_test(absent_parameters_are_an_empty_object),
		cmocka_unit_test(a_reply_comes_back_from_its_text),
		cmocka_unit_test(messages_follow_each_other_in_one_buffer),
		cmocka_unit_test(what_is_not_a_reply_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
