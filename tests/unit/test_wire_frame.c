#include "ctl/wire/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct frame frame;

static int setup(void **unused)
{
	(void)unused;
	frame = (struct frame){ .limit = 16 };
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	frame_done(&frame);
	return 0;
}

static void a_span_ends_with_the_first_nul(void **unused)
{
	(void)unused;
	assert_int_equal(frame_span("ab\0cd", 5), 3);
	assert_int_equal(frame_span("abcd", 4), 4);
	assert_int_equal(frame_span("\0", 1), 1);
	assert_int_equal(frame_span("", 0), 0);
}

static void a_whole_message_is_handed_out_where_it_lies(void **unused)
{
	static const char data[] = "whole\0rest";
	const char *text;
	size_t len;

	(void)unused;
	assert_int_equal(frame_add(&frame, data, sizeof data, &text, &len), 1);
	assert_ptr_equal(text, data);
	assert_int_equal(len, 5);
	assert_null(frame.part.data);
}

static void pieces_make_one_message(void **unused)
{
	const char *text;
	size_t len;

	(void)unused;
	assert_int_equal(frame_add(&frame, "ab", 2, &text, &len), 0);
	assert_true(frame_partial(&frame));
	assert_int_equal(frame_add(&frame, "", 0, &text, &len), 0);
	assert_int_equal(frame_add(&frame, "cd\0ef", 5, &text, &len), 1);
	assert_string_equal(text, "abcd");
	assert_int_equal(len, 4);
	assert_false(frame_partial(&frame));
}

static void a_lone_nul_is_an_empty_message(void **unused)
{
	const char *text;
	size_t len;

	(void)unused;
	assert_int_equal(frame_add(&frame, "", 1, &text, &len), 1);
	assert_int_equal(len, 0);
}

static void the_next_piece_begins_a_new_message(void **unused)
{
	const char *text;
	size_t len;

	(void)unused;
	assert_int_equal(frame_add(&frame, "a", 1, &text, &len), 0);
	assert_int_equal(frame_add(&frame, "b", 2, &text, &len), 1);
	assert_string_equal(text, "ab");
	assert_int_equal(frame_add(&frame, "c", 1, &text, &len), 0);
	assert_int_equal(frame_add(&frame, "", 1, &text, &len), 1);
	assert_string_equal(text, "c");
}

static void the_limit_counts_what_came_in_all_pieces(void **unused)
{
	static const char sixteen[] = "0123456789abcdef";
	const char *text;
	size_t len;

	(void)unused;
	assert_int_equal(frame_add(&frame, sixteen, 17, &text, &len), 1);
	assert_int_equal(len, 16);
	assert_int_equal(frame_add(&frame, sixteen, 16, &text, &len), 0);
	assert_int_equal(frame_add(&frame, "", 1, &text, &len), 1);
	assert_int_equal(frame_add(&frame, sixteen, 16, &text, &len), 0);
	assert_int_equal(frame_add(&frame, "x", 1, &text, &len), -EMSGSIZE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_span_ends_with_the_first_nul),
		TEST(a_whole_message_is_handed_out_where_it_lies),
		TEST(pieces_make_one_message),
		TEST(a_lone_nul_is_an_empty_message),
		TEST(the_next_piece_begins_a_new_message),
		TEST(the_limit_counts_what_came_in_all_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
