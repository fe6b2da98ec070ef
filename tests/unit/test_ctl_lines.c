#include "ctl/client/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

static off_t tail_of(const char *text, size_t len, long n)
{
	auto_close int fd = -1;

	assert_int_equal(fd_sealed("lines", text, len, &fd), 0);
	return lines_tail(fd, (off_t)len, n);
}

static void the_last_lines_begin_after_an_end_of_line(void **unused)
{
	static const char text[] = "one\ntwo\nthree\n";

	(void)unused;
	assert_int_equal(tail_of(text, 14, 1), 8);
	assert_int_equal(tail_of(text, 14, 2), 4);
	assert_int_equal(tail_of(text, 14, 3), 0);
	assert_int_equal(tail_of(text, 14, 100), 0);
	assert_int_equal(tail_of(text, 14, 0), 14);
}

static void a_line_that_has_not_ended_counts(void **unused)
{
	(void)unused;
	assert_int_equal(tail_of("one\ntwo", 7, 1), 4);
	assert_int_equal(tail_of("one\ntwo", 7, 2), 0);
	assert_int_equal(tail_of("", 0, 5), 0);
	assert_int_equal(tail_of("\n\n\n", 3, 1), 2);
	assert_int_equal(tail_of("\n\n\n", 3, 3), 0);
}

/* Lines of every length around those blocks that are read at once. */
static void lines_may_be_longer_than_a_block(void **unused)
{
	size_t len = 100000;
	auto_free char *text = malloc(len);

	(void)unused;
	assert_non_null(text);
	for (size_t at = 16000; at < 33000; at += 77) {
		memset(text, 'x', len);
		text[at] = '\n';
		assert_int_equal(tail_of(text, len, 1), at + 1);
		assert_int_equal(tail_of(text, len, 2), 0);
		text[len - 1] = '\n';
		assert_int_equal(tail_of(text, len, 1), at + 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_lines_begin_after_an_end_of_line),
		cmocka_unit_test(a_line_that_has_not_ended_counts),
		cmocka_unit_test(lines_may_be_longer_than_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
