/* Which processes a NAME means. */
#include "daemon/supervisor/names.h"

#include <jansson.h>

#include "tests/unit/front.h"

static const char text[] = "[program:zeta]\ncommand = sleep 1\npriority = 1\n"
			   "[program:web]\ncommand = sleep 1\nnumprocs = 2\n"
			   "process_name = w_%(process_num)d\n"
			   "[program:db]\ncommand = sleep 1\n";

static int setup(void **state)
{
	struct supervisor *s = front_new(text);

	front_define(s, "run-1", 1000);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	front_free(*state);
	return 0;
}

/* The names that a list (JSON, NULL: none given) means, each after a blank; unknown ones as "?NAME". */
static const char *meant_for(const struct supervisor *s, const struct rpc_peer *peer,
			     const char *list)
{
	static char out[8192];
	auto_names struct names names = { 0 };
	json_t *json = list ? json_loads(list, 0, NULL) : NULL;
	size_t len = 0;

	assert_true(!list || json);
	assert_int_equal(names_resolve(s, peer, json, &names), 0);
	out[0] = '\0';
	for (size_t i = 0; i < names.n; i++)
		len += (size_t)snprintf(out + len, sizeof out - len, " %s%s",
					names.items[i].process ? "" : "?", names.items[i].name);
	assert_true(len < sizeof out);
	json_decref(json);
	return out;
}

#define assert_means(s, list, expected) \
	assert_string_equal(meant_for(s, &front_root, list), expected)

static void no_names_mean_every_process_in_the_order_of_the_configuration(void **state)
{
	assert_means(*state, NULL, " zeta db web:w_0 web:w_1 run-1");
}

static void all_means_what_is_configured(void **state)
{
	assert_means(*state, "[\"all\"]", " zeta db web:w_0 web:w_1");
}

static void a_full_name_means_one(void **state)
{
	assert_means(*state, "[\"web:w_1\",\"run-1\",\"db\"]", " web:w_1 run-1 db");
}

static void a_group_may_be_named_where_it_is_not_part_of_the_name(void **state)
{
	assert_means(*state, "[\"db:db\",\"db:other\",\"zeta:db\"]", " db ?db:other ?zeta:db");
}

static void a_group_with_a_star_means_its_members(void **state)
{
	assert_means(*state, "[\"web:*\"]", " web:w_0 web:w_1");
	assert_means(*state, "[\"db:*\"]", " db");
	assert_means(*state, "[\"web\"]", " ?web");
}

static void a_pattern_is_matched_with_full_names(void **state)
{
	assert_means(*state, "[\"*[01]\"]", " web:w_0 web:w_1 run-1");
	assert_means(*state, "[\"?b\"]", " db");
	assert_means(*state, "[\"x*\"]", " ?x*");
}

static void a_process_appears_once_and_is_no_less_known(void **state)
{
	assert_means(*state, "[\"db\",\"d*\",\"db\",\"all\"]", " db zeta web:w_0 web:w_1");
}

static void unknown_names_keep_their_place(void **state)
{
	assert_means(*state, "[\"a\",\"db\",\"b\"]", " ?a db ?b");
}

static void a_pattern_of_any_length_is_harmless(void **state)
{
	char stars[4001], list[sizeof stars + 8];

	memset(stars, '*', sizeof stars - 1);
	stars[sizeof stars - 1] = '\0';
	snprintf(list, sizeof list, "[\"%s\"]", stars);
	assert_int_equal(meant_for(*state, &front_root, list)[1], '?');
}

static void forkservers_are_not_processes(void **state)
{
	struct supervisor *s = *state;

	process_find(s, "db")->origin = PROCESS_SERVER;
	assert_means(s, "[\"db\",\"d*\"]", " ?db ?d*");
	assert_false(names_match(process_find(s, "db"), "db"));
}

static void what_a_peer_may_not_see_does_not_exist(void **state)
{
	struct supervisor *s = *state;
	const struct rpc_peer owner = { .uid = 1000 };
	const struct rpc_peer other = { .uid = 1001 };

	assert_string_equal(meant_for(s, &owner, NULL), " run-1");
	assert_string_equal(meant_for(s, &owner, "[\"db\",\"*\"]"), " ?db run-1");
	assert_string_equal(meant_for(s, &other, "[\"run-1\"]"), " ?run-1");
	assert_null(names_find(s, &other, "run-1"));
}

static void a_process_that_leaves_the_configuration_is_still_there(void **state)
{
	struct supervisor *s = *state;
	const size_t n = s->conf->n_processes;

	process_find(s, "db")->removed = true;
	s->conf->n_processes = 1; /* zeta */
	assert_means(s, "[\"db\",\"zeta\"]", " db zeta");
	assert_means(s, "[\"d?\"]", " db");
	s->conf->n_processes = n;
}

static json_t *repeated(const char *name, int n)
{
	json_t *list = json_array();

	while (n--)
		json_array_append_new(list, json_string(name));
	return list;
}

static void too_many_names_are_refused(void **state)
{
	struct names names = { 0 };
	json_t *list = repeated("db", NAMES_MAX);

	assert_int_equal(names_resolve(*state, &front_root, list, &names), 0);
	assert_int_equal(names.n, 1);
	names_done(&names);
	json_array_append_new(list, json_string("db"));
	assert_int_equal(names_resolve(*state, &front_root, list, &names), -E2BIG);
	json_decref(list);
}

static void too_many_patterns_are_refused(void **state)
{
	struct names names = { 0 };
	json_t *list = repeated("d*", NAMES_PATTERNS_MAX);

	assert_int_equal(names_resolve(*state, &front_root, list, &names), 0);
	names_done(&names);
	json_array_append_new(list, json_string("d*"));
	assert_int_equal(names_resolve(*state, &front_root, list, &names), -E2BIG);
	json_decref(list);
}

/* What one user defines and asks for must not take the others' time. */
static void patterns_that_would_take_long_are_refused(void **state)
{
	struct names names = { 0 };
	json_t *list;
	char name[251], pattern[511] = "*";

	for (int i = 0; i < 1000; i++) {
		memset(name, 'a', sizeof name - 1);
		snprintf(name + 235, sizeof name - 235, "%d", i);
		front_define(*state, name, 1000);
	}
	for (size_t len = 1; len + 4 < sizeof pattern; len += 4)
		memcpy(pattern + len, "[ab]", 5);
	list = repeated(pattern, NAMES_PATTERNS_MAX);
	assert_int_equal(names_resolve(*state, &front_root, list, &names), -E2BIG);
	json_decref(list);
	assert_int_equal(names_resolve(*state, &front_root, NULL, &names), 0);
	assert_int_equal(names.n, 1005);
	names_done(&names);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(no_names_mean_every_process_in_the_order_of_the_configuration),
		test(all_means_what_is_configured),
		test(a_full_name_means_one),
		test(a_group_may_be_named_where_it_is_not_part_of_the_name),
		test(a_group_with_a_star_means_its_members),
		test(a_pattern_is_matched_with_full_names),
		test(a_process_appears_once_and_is_no_less_known),
		test(unknown_names_keep_their_place),
		test(a_pattern_of_any_length_is_harmless),
		test(forkservers_are_not_processes),
		test(what_a_peer_may_not_see_does_not_exist),
		test(a_process_that_leaves_the_configuration_is_still_there),
		test(too_many_names_are_refused),
		test(too_many_patterns_are_refused),
		test(patterns_that_would_take_long_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
