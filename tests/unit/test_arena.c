#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/arena.h"

static void memory_is_zeroed_and_aligned_whatever_was_before(void **unused)
{
	struct arena a = { 0 };

	(void)unused;
	for (int i = 0; i < 1000; i++) {
		static const char zero[24];
		char *s = arena_strdup(&a, "odd");
		char *p = arena_alloc(&a, sizeof zero);

		assert_non_null(s);
		assert_int_equal((uintptr_t)p % 8, 0);
		assert_memory_equal(p, zero, sizeof zero);
		memset(p, 0xff, sizeof zero);
		assert_string_equal(s, "odd");
	}
	arena_done(&a);
}

static void strings_cost_their_own_bytes(void **unused)
{
	struct arena a = { 0 };

	(void)unused;
	for (int i = 0; i < 10000; i++)
		assert_non_null(arena_strdup(&a, "123456789"));
	assert_in_range(arena_size(&a), 100000, 103000);
	arena_done(&a);
}

static void a_piece_larger_than_a_block_is_served(void **unused)
{
	struct arena a = { 0 };
	char *small = arena_strdup(&a, "small");
	char *large = arena_alloc(&a, 1 << 20);

	(void)unused;
	assert_non_null(large);
	memset(large, 'x', 1 << 20);
	assert_string_equal(small, "small");
	arena_done(&a);
}

static void bytes_are_copied_with_a_nul_behind_them(void **unused)
{
	struct arena a = { 0 };
	const char *s = arena_strndup(&a, "a\0bcd", 3);

	(void)unused;
	assert_memory_equal(s, "a\0b", 4);
	arena_done(&a);
}

static void an_impossible_size_gives_null(void **unused)
{
	struct arena a = { 0 };

	(void)unused;
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX / 2 + 1));
	arena_done(&a);
}

static void a_finished_arena_is_empty_and_usable(void **unused)
{
	struct arena a = { 0 };

	(void)unused;
	arena_strdup(&a, "x");
	arena_done(&a);
	assert_int_equal(arena_size(&a), 0);
	assert_string_equal(arena_strdup(&a, "y"), "y");
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned_whatever_was_before),
		cmocka_unit_test(strings_cost_their_own_bytes),
		cmocka_unit_test(a_piece_larger_than_a_block_is_served),
		cmocka_unit_test(bytes_are_copied_with_a_nul_behind_them),
		cmocka_unit_test(an_impossible_size_gives_null),
		cmocka_unit_test(a_finished_arena_is_empty_and_usable),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
