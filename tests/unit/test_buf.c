#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/buf.h"

static void an_empty_buffer_is_an_empty_string(void **unused)
{
	struct buf b = { 0 };
	char *s = buf_take_str(&b);

	(void)unused;
	assert_string_equal(s, "");
	assert_null(b.data);
	free(s);
}

static void what_is_appended_follows_and_a_nul_ends_it(void **unused)
{
	auto_buf struct buf b = { 0 };

	(void)unused;
	buf_add(&b, "a\0b", 3);
	buf_add_char(&b, 'c');
	buf_add_str(&b, "de");
	buf_addf(&b, "%d-%s", 7, "x");
	assert_int_equal(b.len, 9);
	assert_memory_equal(b.data, "a\0bcde7-x", 10);
	assert_int_equal(buf_error(&b), 0);
}

static void a_string_with_its_nul_counts_both(void **unused)
{
	auto_buf struct buf b = { 0 };

	(void)unused;
	buf_add_strz(&b, "ab");
	buf_add_strz(&b, "");
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "ab\0\0", 5);
}

static void a_large_text_grows_the_buffer_many_times(void **unused)
{
	auto_buf struct buf b = { 0 };

	(void)unused;
	for (int i = 0; i < 100000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	assert_int_equal(b.len, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	assert_true(b.capacity > b.len);
}

static void consuming_moves_the_rest_to_the_front(void **unused)
{
	auto_buf struct buf b = { 0 };

	(void)unused;
	buf_add_str(&b, "hello world");
	buf_consume(&b, 6);
	assert_string_equal(b.data, "world");
	buf_consume(&b, 5);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

static void clearing_keeps_the_memory(void **unused)
{
	auto_buf struct buf b = { 0 };

	(void)unused;
	buf_add_str(&b, "hello");
	size_t capacity = b.capacity;

	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.capacity, capacity);
	assert_string_equal(b.data, "");
}

static void an_impossible_size_is_remembered_until_cleared(void **unused)
{
	auto_buf struct buf b = { 0 };

	(void)unused;
	buf_add_str(&b, "kept");
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 2), -ENOMEM);
	buf_add_str(&b, "dropped");
	assert_int_equal(buf_error(&b), -ENOMEM);
	assert_string_equal(b.data, "kept");
	buf_clear(&b);
	buf_add_str(&b, "again");
	assert_int_equal(buf_error(&b), 0);
	assert_string_equal(b.data, "again");
}

static void a_failed_buffer_hands_out_no_string(void **unused)
{
	struct buf b = { 0 };

	(void)unused;
	buf_add_str(&b, "part");
	(void)buf_reserve(&b, SIZE_MAX);
	assert_null(buf_take_str(&b));
	assert_null(b.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_buffer_is_an_empty_string),
		cmocka_unit_test(what_is_appended_follows_and_a_nul_ends_it),
		cmocka_unit_test(a_string_with_its_nul_counts_both),
		cmocka_unit_test(a_large_text_grows_the_buffer_many_times),
		cmocka_unit_test(consuming_moves_the_rest_to_the_front),
		cmocka_unit_test(clearing_keeps_the_memory),
		cmocka_unit_test(an_impossible_size_is_remembered_until_cleared),
		cmocka_unit_test(a_failed_buffer_hands_out_no_string),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
