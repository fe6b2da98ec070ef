/* What a process waits for, as a chain. */
#include "daemon/supervisor/why.h"

#include "daemon/base/clock.h"
#include "tests/unit/front.h"

static const char text[] = "[program:top]\ncommand = x\n"
			   "[program:mid]\ncommand = x\nparent = top\n"
			   "[program:low]\ncommand = x\nparent = mid\n";

static int setup(void **state)
{
	struct supervisor *s = front_new(text);

	process_find(s, "mid")->parent_name = strdup("top");
	process_find(s, "low")->parent_name = strdup("mid");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	front_free(*state);
	return 0;
}

static bool shows_all(void *data, const struct process *p)
{
	(void)data;
	(void)p;
	return true;
}

static bool shows_all_but(void *name, const struct process *p)
{
	return strcmp(process_name(p), name) != 0;
}

/* The chain of name is these links. */
#define assert_chain(s, name, hidden, ...) \
	check_chain(s, name, hidden, (const char *const[]){ __VA_ARGS__, NULL })

static void check_chain(struct supervisor *s, const char *name, const char *hidden,
			const char *const *links)
{
	json_t *chain = why_chain(process_find(s, name), hidden ? shows_all_but : shows_all,
				  (void *)(uintptr_t)hidden);
	size_t n = 0;

	assert_non_null(chain);
	for (; links[n]; n++)
		assert_string_equal(json_string_value(json_array_get(chain, n)), links[n]);
	assert_int_equal(json_array_size(chain), n);
	json_decref(chain);
}

static void put(struct supervisor *s, const char *name, enum process_state state)
{
	front_state(process_find(s, name), state, 0);
}

/* A time far enough away that it is the same, to three digits, whenever the test is run. */
static uint64_t in_a_hundred_days(void)
{
	return clock_boot_ns() + 100 * 86400 * NS_PER_S;
}

static void what_runs_waits_for_nothing(void **state)
{
	put(*state, "top", PROCESS_RUNNING);
	assert_chain(*state, "top", NULL, "top");
}

static void what_is_down_waits_for_a_person(void **state)
{
	static const enum process_state down[] = { PROCESS_STOPPED, PROCESS_EXITED, PROCESS_FATAL };

	for (size_t i = 0; i < ARRAY_SIZE(down); i++) {
		put(*state, "top", down[i]);
		assert_chain(*state, "top", NULL, "top", "a start, by a person");
		process_find(*state, "top")->want_up = true;
		assert_chain(*state, "top", NULL, "top");
		process_find(*state, "top")->want_up = false;
	}
}

static void what_has_a_timer_says_how_long(void **state)
{
	struct process *p = process_find(*state, "top");

	p->deadline_ns = in_a_hundred_days();
	put(*state, "top", PROCESS_BACKOFF);
	assert_chain(*state, "top", NULL, "top", "8.64e+06 s until its next start");
	put(*state, "top", PROCESS_STOPPING);
	assert_chain(*state, "top", NULL, "top", "8.64e+06 s until SIGKILL");
	put(*state, "top", PROCESS_STARTING);
	p->executed = true;
	assert_chain(*state, "top", NULL, "top", "8.64e+06 s until startsecs have passed");
}

static void a_time_that_has_passed_is_none(void **state)
{
	put(*state, "top", PROCESS_BACKOFF);
	process_find(*state, "top")->deadline_ns = 1;
	assert_chain(*state, "top", NULL, "top", "0 s until its next start");
}

static void a_start_waits_for_its_forkserver_then_for_its_exec(void **state)
{
	struct process *p = process_find(*state, "low"), *server = process_find(*state, "top");

	put(*state, "low", PROCESS_STARTING);
	p->server = server;
	put(*state, "top", PROCESS_STARTING);
	assert_chain(*state, "low", NULL, "low", "its forkserver, which starts");
	put(*state, "top", PROCESS_RUNNING);
	assert_chain(*state, "low", NULL, "low", "its exec");
}

static void a_stop_waits_for_the_end_then_for_what_is_left(void **state)
{
	struct process *p = process_find(*state, "top");

	put(*state, "top", PROCESS_STOPPING);
	assert_chain(*state, "top", NULL, "top", "its end");
	p->cleaning = true;
	p->deadline_ns = in_a_hundred_days();
	assert_chain(*state, "top", NULL, "top", "the end of what its main process left behind");
}

static void a_chain_ends_with_what_all_wait_for(void **state)
{
	process_find(*state, "low")->wait_parent = true;
	process_find(*state, "mid")->wait_parent = true;
	assert_chain(*state, "low", NULL, "low", "mid", "top", "a start, by a person");
	assert_chain(*state, "mid", NULL, "mid", "top", "a start, by a person");
	put(*state, "top", PROCESS_STOPPING);
	assert_chain(*state, "low", NULL, "low", "mid", "top", "its end");
}

static void who_may_not_see_a_process_is_not_told_its_name_nor_what_it_waits_for(void **state)
{
	process_find(*state, "low")->wait_parent = true;
	process_find(*state, "mid")->wait_parent = true;
	assert_chain(*state, "low", "top", "low", "mid", "another process");
	assert_chain(*state, "low", "mid", "low", "another process");
	assert_chain(*state, "low", "low", "low", "mid", "top", "a start, by a person");
}

static void a_parent_that_is_not_there_is_named_all_the_same(void **state)
{
	struct process *p = process_find(*state, "low");

	p->wait_parent = true;
	free((char *)p->parent_name);
	p->parent_name = strdup("gone");
	assert_chain(*state, "low", NULL, "low", "gone");
	free((char *)p->parent_name);
	p->parent_name = NULL;
	assert_chain(*state, "low", NULL, "low", "its parent");
}

static void a_circle_has_an_end(void **state)
{
	struct process *low = process_find(*state, "low"), *mid = process_find(*state, "mid");
	json_t *chain;

	low->wait_parent = mid->wait_parent = true;
	free((char *)mid->parent_name);
	mid->parent_name = strdup("low");
	chain = why_chain(low, shows_all, NULL);
	assert_in_range(json_array_size(chain), 2, 100);
	json_decref(chain);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_runs_waits_for_nothing),
		test(what_is_down_waits_for_a_person),
		test(what_has_a_timer_says_how_long),
		test(a_time_that_has_passed_is_none),
		test(a_start_waits_for_its_forkserver_then_for_its_exec),
		test(a_stop_waits_for_the_end_then_for_what_is_left),
		test(a_chain_ends_with_what_all_wait_for),
		test(who_may_not_see_a_process_is_not_told_its_name_nor_what_it_waits_for),
		test(a_parent_that_is_not_there_is_named_all_the_same),
		test(a_circle_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
