#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/logger/cut.h"

static struct cut_view view_of(const char *text, uint64_t size, uint64_t limit)
{
	return (struct cut_view){ .bytes = text,
				  .seen = strlen(text),
				  .size = size,
				  .limit = limit,
				  .hard = limit + 100,
				  .line_start = true };
}

static void assert_takes(const struct cut_view *v, size_t bytes, bool line_end)
{
	struct cut c = cut_find(v);

	assert_int_equal(c.what, CUT_TAKE);
	assert_int_equal(c.bytes, bytes);
	assert_int_equal(c.line_end, line_end);
}

static void what_fits_is_taken_even_in_the_middle_of_a_line(void **unused)
{
	struct cut_view v = view_of("one\ntw", 4, 10);

	(void)unused;
	assert_takes(&v, 6, false);
	v.bytes = "one\nt\n";
	assert_takes(&v, 6, true);
}

static void a_file_is_filled_up_to_the_last_line_that_fits(void **unused)
{
	struct cut_view v = view_of("a\nbb\nccc\n", 2, 8);

	(void)unused;
	assert_takes(&v, 5, true);
}

static void a_line_that_does_not_fit_begins_the_next_file(void **unused)
{
	struct cut_view v = view_of("longer\n", 5, 10);

	(void)unused;
	assert_int_equal(cut_find(&v).what, CUT_ROTATE);
	v.size = 12; /* already too large: settings changed */
	assert_int_equal(cut_find(&v).what, CUT_ROTATE);
}

static void a_line_begun_in_a_file_ends_in_it(void **unused)
{
	struct cut_view v = view_of("the rest\nnext\n", 5, 10);

	(void)unused;
	v.line_start = false;
	assert_takes(&v, 9, true);
}

static void a_line_longer_than_a_file_has_one_of_its_own(void **unused)
{
	struct cut_view v = view_of("0123456789abcdef\nnext\n", 0, 10);

	(void)unused;
	assert_takes(&v, 17, true);
	v.bytes = "0123456789abcdef"; /* its end has not come yet */
	v.seen = 16;
	assert_takes(&v, 16, false);
}

static void a_line_without_end_is_split_at_the_hard_limit(void **unused)
{
	char text[200];
	struct cut_view v = { .bytes = text, .seen = sizeof text, .limit = 10, .hard = 110 };

	(void)unused;
	memset(text, 'x', sizeof text);
	v.size = 60;
	assert_takes(&v, 50, false);
	v.size = 110;
	assert_int_equal(cut_find(&v).what, CUT_ROTATE);
	v.size = 0;
	assert_takes(&v, 110, false);
}

static void a_stream_that_shares_its_file_waits_for_the_end_of_a_line(void **unused)
{
	struct cut_view v = view_of("half a li", 0, UINT64_MAX);

	(void)unused;
	v.hard = UINT64_MAX;
	v.whole = true;
	assert_int_equal(cut_find(&v).what, CUT_WAIT);
	v.bytes = "line\nhalf";
	assert_takes(&v, 5, true);
	v.bytes = "half a li";
	v.force = true;
	assert_takes(&v, 9, false);
}

static void waiting_for_a_line_end_goes_before_splitting(void **unused)
{
	struct cut_view v = view_of("too long to fit", 0, 10);

	(void)unused;
	v.whole = true;
	assert_int_equal(cut_find(&v).what, CUT_WAIT);
	v.force = true;
	assert_takes(&v, 15, false);
}

static void the_last_line_end_is_found(void **unused)
{
	(void)unused;
	assert_int_equal(cut_last_line_end("", 0), 0);
	assert_int_equal(cut_last_line_end("abc", 3), 0);
	assert_int_equal(cut_last_line_end("a\nb\nc", 5), 4);
	assert_int_equal(cut_last_line_end("a\nb\nc", 3), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_is_taken_even_in_the_middle_of_a_line),
		cmocka_unit_test(a_file_is_filled_up_to_the_last_line_that_fits),
		cmocka_unit_test(a_line_that_does_not_fit_begins_the_next_file),
		cmocka_unit_test(a_line_begun_in_a_file_ends_in_it),
		cmocka_unit_test(a_line_longer_than_a_file_has_one_of_its_own),
		cmocka_unit_test(a_line_without_end_is_split_at_the_hard_limit),
		cmocka_unit_test(a_stream_that_shares_its_file_waits_for_the_end_of_a_line),
		cmocka_unit_test(waiting_for_a_line_end_goes_before_splitting),
		cmocka_unit_test(the_last_line_end_is_found),
	};

	return cmocka_run_group_tests_name("logger_cut", tests, NULL, NULL);
}
