/* The parameters of a call, checked against what the method takes. */
#include "daemon/supervisor/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/mem.h"

/* One parameter "p" of this type in text: NULL when it is accepted, else the name that is refused. */
static const char *refused(enum param_type type, const char *text, void *out)
{
	static char name[64];
	const struct param table[] = { { "p", type, PARAM_OPTIONAL, out } };
	json_t *parameters = json_loads(text, JSON_ALLOW_NUL, NULL);
	const char *wrong;

	assert_non_null(parameters);
	wrong = params_check(parameters, table, 1);
	if (wrong)
		strncpy(name, wrong, sizeof name - 1);
	json_decref(parameters);
	return wrong ? name : NULL;
}

static void each_type_takes_its_own_values_and_no_others(void **unused)
{
	static const char *const values[] = { "\"text\"",
					      "true",
					      "7",
					      "7.5",
					      "{\"base64\": \"/w==\"}",
					      "[\"a\"]",
					      "[{\"base64\": \"/w==\"}]",
					      "[1]",
					      "{\"a\": 1}",
					      "\"a\\u0000b\"" };
	static const char accepts[PARAM_TYPE_MAX][ARRAY_SIZE(values) + 1] = {
		/* in the order of values */
		[PARAM_STRING] = "y---------", [PARAM_BOOL] = "-y--------",
		[PARAM_INT] = "--y-------",    [PARAM_NUMBER] = "--yy------",
		[PARAM_TEXT] = "y---y-----",   [PARAM_STRINGS] = "-----y----",
		[PARAM_TEXTS] = "-----yy---",  [PARAM_ARRAY] = "-----yyy--",
		[PARAM_OBJECT] = "----y---y-",
	};

	(void)unused;
	for (int type = 0; type < PARAM_TYPE_MAX; type++)
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			char text[128];
			double out[2]; /* room for any */
			const char *wrong;

			snprintf(text, sizeof text, "{\"p\": %s}", values[i]);
			wrong = refused((enum param_type)type, text, out);
			if ((accepts[type][i] == 'y') != (wrong == NULL))
				fail_msg("type %d and %s: %s", type, values[i],
					 wrong ? "refused" : "accepted");
			if (wrong)
				assert_string_equal(wrong, "p");
		}
}

static void lists_may_be_empty(void **unused)
{
	json_t *out = NULL;

	(void)unused;
	assert_null(refused(PARAM_STRINGS, "{\"p\": []}", &out));
	assert_null(refused(PARAM_TEXTS, "{\"p\": []}", &out));
}

static void one_wrong_item_makes_a_list_wrong(void **unused)
{
	json_t *out = NULL;

	(void)unused;
	assert_string_equal(refused(PARAM_STRINGS, "{\"p\": [\"a\", 1, \"b\"]}", &out), "p");
	assert_string_equal(refused(PARAM_TEXTS, "{\"p\": [\"a\", {\"base64\": \"?\"}]}", &out),
			    "p");
	assert_null(out);
}

/* Everything a method may take. */
struct taken {
	const char *string;
	enum param_bool flag;
	json_int_t number;
	double seconds;
	json_t *names;
};

static struct taken before(void)
{
	return (struct taken){
		.string = "as before", .flag = PARAM_UNSET, .number = -1, .seconds = -2
	};
}

static const char *check(json_t *parameters, struct taken *t)
{
	const struct param table[] = {
		{ "string", PARAM_STRING, PARAM_REQUIRED, &t->string },
		{ "flag", PARAM_BOOL, PARAM_OPTIONAL, &t->flag },
		{ "number", PARAM_INT, PARAM_OPTIONAL, &t->number },
		{ "seconds", PARAM_NUMBER, PARAM_OPTIONAL, &t->seconds },
		{ "names", PARAM_STRINGS, PARAM_OPTIONAL, &t->names },
	};

	return params_check(parameters, table, ARRAY_SIZE(table));
}

static void what_is_given_is_stored(void **unused)
{
	json_t *all = json_pack("{s:s,s:b,s:I,s:f,s:[s,s]}", "string", "text", "flag", 0, "number",
				(json_int_t)INT64_MIN, "seconds", 2.5, "names", "a", "b");
	struct taken t = before();

	(void)unused;
	assert_null(check(all, &t));
	assert_string_equal(t.string, "text");
	assert_int_equal(t.flag, PARAM_FALSE);
	assert_true(t.number == INT64_MIN);
	assert_true(t.seconds == 2.5);
	assert_ptr_equal(t.names, json_object_get(all, "names"));
	json_object_set_new(all, "flag", json_true());
	json_object_set_new(all, "seconds", json_integer(3));
	assert_null(check(all, &t));
	assert_int_equal(t.flag, PARAM_TRUE);
	assert_true(t.seconds == 3);
	json_decref(all);
}

static void what_is_absent_or_null_stays_as_it_was(void **unused)
{
	json_t *nulls = json_pack("{s:s,s:n,s:n,s:n,s:n}", "string", "text", "flag", "number",
				  "seconds", "names");
	json_t *absent = json_pack("{s:s}", "string", "text");
	json_t *const both[] = { nulls, absent };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		struct taken t = before();

		assert_null(check(both[i], &t));
		assert_int_equal(t.flag, PARAM_UNSET);
		assert_int_equal(t.number, -1);
		assert_true(t.seconds == -2);
		assert_null(t.names);
		json_decref(both[i]);
	}
}

static void what_is_required_is_named_when_absent_or_null(void **unused)
{
	json_t *null = json_pack("{s:n}", "string"), *none = json_object();
	struct taken t = before();

	(void)unused;
	assert_string_equal(check(none, &t), "string");
	assert_string_equal(check(null, &t), "string");
	assert_string_equal(check(NULL, &t), "string"); /* a call without parameters */
	assert_string_equal(t.string, "as before");
	json_decref(null);
	json_decref(none);
}

static void what_the_method_does_not_know_is_named(void **unused)
{
	static const char *const names[] = { "strin", "strings", "", "STRING" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *parameters = json_pack("{s:s,s:i}", "string", "text", names[i], 1);
		struct taken t = before();

		assert_string_equal(check(parameters, &t), names[i]);
		assert_string_equal(t.string, "as before"); /* nothing is half done */
		json_object_set_new(parameters, names[i], json_null());
		assert_string_equal(check(parameters, &t), names[i]);
		json_decref(parameters);
	}
}

static void a_wrong_type_leaves_the_others_alone(void **unused)
{
	json_t *parameters = json_pack("{s:s,s:s}", "string", "text", "number", "7");
	struct taken t = before();

	(void)unused;
	assert_string_equal(check(parameters, &t), "number");
	assert_string_equal(t.string, "as before");
	assert_int_equal(t.number, -1);
	json_decref(parameters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_takes_its_own_values_and_no_others),
		cmocka_unit_test(lists_may_be_empty),
		cmocka_unit_test(one_wrong_item_makes_a_list_wrong),
		cmocka_unit_test(what_is_given_is_stored),
		cmocka_unit_test(what_is_absent_or_null_stays_as_it_was),
		cmocka_unit_test(what_is_required_is_named_when_absent_or_null),
		cmocka_unit_test(what_the_method_does_not_know_is_named),
		cmocka_unit_test(a_wrong_type_leaves_the_others_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
