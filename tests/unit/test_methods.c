/* The table of methods and the description of the interface say the same, and parameters are checked
 * as it says. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/mem.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/params.h"
#include "daemon/supervisor/rpc_interface.h"

#define WORDS_MAX 64
#define WORD_BYTES 64

struct words {
	char word[WORDS_MAX][WORD_BYTES];
	size_t n;
};

/* The names that follow keyword at the beginnings of the description's lines. */
static void described(const char *keyword, struct words *ret)
{
	auto_free char *text = strdup(rpc_interface_text);
	size_t len = strlen(keyword);
	char *rest = text;

	assert_non_null(text);
	ret->n = 0;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		if (strncmp(line, keyword, len) != 0 || line[len] != ' ')
			continue;
		assert_true(ret->n < WORDS_MAX);
		assert_int_equal(sscanf(line + len, " %63[A-Za-z]", ret->word[ret->n++]), 1);
	}
	assert_true(ret->n > 0);
}

static bool has_method(const char *name)
{
	char full[WORD_BYTES + sizeof ERRORS_PREFIX];

	snprintf(full, sizeof full, ERRORS_PREFIX "%s", name);
	for (size_t i = 0; i < methods_count; i++)
		if (strcmp(methods_table[i].name, full) == 0)
			return true;
	return false;
}

static void every_method_that_is_described_is_there_and_no_other(void **state)
{
	struct words words;

	(void)state;
	described("method", &words);
	for (size_t i = 0; i < words.n; i++)
		if (!has_method(words.word[i]))
			fail_msg("%s is described and has no handler", words.word[i]);
	for (size_t i = 0; i < methods_count; i++)
		assert_non_null(methods_table[i].handler);
	assert_int_equal(methods_count, words.n); /* so no name is there twice either */
}

static void only_ping_needs_no_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < methods_count; i++) {
		bool is_ping = strcmp(methods_table[i].name, ERRORS_PREFIX "Ping") == 0;

		assert_int_equal(methods_table[i].rights == 0, is_ping);
	}
}

/* Where no process is named, the table is what keeps others out. */
static void to_read_is_not_enough_for_what_names_no_process(void **state)
{
	static const char *const changing[] = { "Define", "Reread", "Update", "Shutdown" };
	size_t found = 0;

	(void)state;
	for (size_t m = 0; m < methods_count; m++)
		for (size_t i = 0; i < ARRAY_SIZE(changing); i++) {
			if (strcmp(methods_table[m].name + strlen(ERRORS_PREFIX), changing[i]) != 0)
				continue;
			found++;
			assert_int_equal(methods_table[m].rights & (CONF_READ | CONF_CONTROL), 0);
		}
	assert_int_equal(found, ARRAY_SIZE(changing));
}

/* ---- parameters ------------------------------------------------------------------------------ */

struct given {
	const char *name;
	enum param_bool flag;
	json_int_t count;
	double seconds;
	json_t *names, *texts, *object, *text;
};

static const char *wrong_in(const char *json, struct given *g)
{
	const struct param table[] = {
		{ "name", PARAM_STRING, PARAM_REQUIRED, &g->name },
		{ "flag", PARAM_BOOL, PARAM_OPTIONAL, &g->flag },
		{ "count", PARAM_INT, PARAM_OPTIONAL, &g->count },
		{ "seconds", PARAM_NUMBER, PARAM_OPTIONAL, &g->seconds },
		{ "names", PARAM_STRINGS, PARAM_OPTIONAL, &g->names },
		{ "texts", PARAM_TEXTS, PARAM_OPTIONAL, &g->texts },
		{ "object", PARAM_OBJECT, PARAM_OPTIONAL, &g->object },
		{ "text", PARAM_TEXT, PARAM_OPTIONAL, &g->text },
	};
	static json_t *parameters; /* what was given points into it */

	json_decref(parameters);
	parameters = json ? json_loads(json, JSON_ALLOW_NUL, NULL) : NULL;
	*g = (struct given){ .flag = PARAM_UNSET, .count = -5, .seconds = -1 };
	if (!json)
		return NULL;
	assert_non_null(parameters);
	return params_check(parameters, table, ARRAY_SIZE(table));
}

static int forget_parameters(void **state)
{
	struct given g;

	(void)state;
	(void)wrong_in(NULL, &g);
	return 0;
}

static void what_is_given_is_filled_in_and_the_rest_left_alone(void **state)
{
	struct given g;

	(void)state;
	assert_null(wrong_in("{\"name\": \"web\", \"flag\": false, \"seconds\": 2}", &g));
	assert_string_equal(g.name, "web");
	assert_int_equal(g.flag, PARAM_FALSE);
	assert_true(g.seconds == 2.0);
	assert_int_equal(g.count, -5);
	assert_null(g.names);
}

static void null_counts_as_absent(void **state)
{
	struct given g;

	(void)state;
	assert_null(wrong_in("{\"name\": \"web\", \"flag\": null, \"names\": null}", &g));
	assert_int_equal(g.flag, PARAM_UNSET);
	assert_string_equal(wrong_in("{\"name\": null}", &g), "name");
}

static void the_parameter_that_is_wrong_is_named(void **state)
{
	static const char *const cases[][2] = {
		{ "{}", "name" },
		{ "{\"name\": 1}", "name" },
		{ "{\"name\": \"a\\u0000b\"}", "name" },
		{ "{\"name\": \"a\", \"bogus\": 1}", "bogus" },
		{ "{\"name\": \"a\", \"flag\": 1}", "flag" },
		{ "{\"name\": \"a\", \"count\": 1.5}", "count" },
		{ "{\"name\": \"a\", \"seconds\": \"1\"}", "seconds" },
		{ "{\"name\": \"a\", \"names\": \"b\"}", "names" },
		{ "{\"name\": \"a\", \"names\": [\"b\", 1]}", "names" },
		{ "{\"name\": \"a\", \"names\": [{\"base64\": \"/w==\"}]}", "names" },
		{ "{\"name\": \"a\", \"texts\": [{\"base64\": \"AA==\"}]}", "texts" },
		{ "{\"name\": \"a\", \"texts\": [{\"base46\": \"/w==\"}]}", "texts" },
		{ "{\"name\": \"a\", \"object\": []}", "object" },
		{ "{\"name\": \"a\", \"text\": {}}", "text" },
	};
	struct given g;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *wrong = wrong_in(cases[i][0], &g);

		if (!wrong || strcmp(wrong, cases[i][1]) != 0)
			fail_msg("%s: %s", cases[i][0], wrong ? wrong : "is taken");
	}
}

static void bytes_may_stand_where_texts_do(void **state)
{
	struct given g;

	(void)state;
	assert_null(wrong_in("{\"name\": \"a\", \"texts\": [\"b\", {\"base64\": \"/w==\"}],"
			     " \"text\": {\"base64\": \"/w==\"}}",
			     &g));
	assert_int_equal(json_array_size(g.texts), 2);
	assert_non_null(g.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_that_is_described_is_there_and_no_other),
		cmocka_unit_test(only_ping_needs_no_right),
		cmocka_unit_test(to_read_is_not_enough_for_what_names_no_process),
		cmocka_unit_test(what_is_given_is_filled_in_and_the_rest_left_alone),
		cmocka_unit_test(null_counts_as_absent),
		cmocka_unit_test(the_parameter_that_is_wrong_is_named),
		cmocka_unit_test(bytes_may_stand_where_texts_do),
	};

	return cmocka_run_group_tests(tests, NULL, forget_parameters);
}
