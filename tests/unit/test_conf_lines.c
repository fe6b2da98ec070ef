/* Each rule of lines by itself; whole files are compared with Python in test_conf_corpus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/lines.h"
#include "daemon/base/buf.h"

/* What was reported, as text: "[section]", "key=value@line", "!line". */
static void on_section(void *data, const char *name, unsigned line)
{
	buf_addf(data, "[%s]@%u ", name, line);
}

static void on_value(void *data, const char *key, const char *value, unsigned line)
{
	buf_addf(data, "%s=<%s>@%u ", key, value, line);
}

static void on_problem(void *data, unsigned line, const char *text)
{
	(void)text;
	buf_addf(data, "!%u ", line);
}

static void assert_reads_bytes(const char *text, size_t len, const char *wanted)
{
	auto_buf struct buf seen = { 0 };
	const struct lines_handler h = { .data = &seen,
					 .on_section = on_section,
					 .on_value = on_value,
					 .on_problem = on_problem };

	assert_int_equal(lines_read(text, len, &h), 0);
	assert_int_equal(buf_reserve(&seen, 0), 0);
	assert_string_equal(seen.data, wanted);
}

static void assert_reads(const char *text, const char *wanted)
{
	assert_reads_bytes(text, strlen(text), wanted);
}

static void keys_and_values_are_stripped_and_keys_folded(void **unused)
{
	(void)unused;
	assert_reads("[a]\n Key = v w \nB:2\nc==:\nd =\n",
		     "[a]@1 key=<v w>@2 b=<2>@3 c=<=:>@4 d=<>@5 ");
}

static void the_first_delimiter_splits(void **unused)
{
	(void)unused;
	assert_reads("[a]\nx=1:2=3\ny:1=2\n", "[a]@1 x=<1:2=3>@2 y=<1=2>@3 ");
}

static void comments_are_cut_after_white_space_only(void **unused)
{
	(void)unused;
	assert_reads("; c\n# c\n[a] ; c\nx=1 ; c\ny=1;2#3\nz=1\t# c\nq=\"a ; b\"\n",
		     "[a]@3 x=<1>@4 y=<1;2#3>@5 z=<1>@6 q=<\"a>@7 ");
}

static void a_repeated_key_is_no_continuation(void **unused)
{
	(void)unused;
	assert_reads("[a]\nx=1\nx=2\n", "[a]@1 x=<1>@2 x=<2>@3 ");
}

static void deeper_indentation_continues_and_equal_does_not(void **unused)
{
	(void)unused;
	assert_reads("[a]\nx=1\n 2\n   3\ny=4\n", "[a]@1 x=<1\n2\n3>@2 y=<4>@5 ");
	assert_reads("[a]\n  x=1\n  y=2\n    3\n z=4\n", "[a]@1 x=<1>@2 y=<2\n3>@3 z=<4>@5 ");
	assert_reads("[a]\nx=1\n [b]\n y=2\n", "[a]@1 x=<1\n[b]\ny=2>@2 ");
	assert_reads("  [a]\n  x=1\n", "[a]@1 x=<1>@2 ");
}

static void blank_lines_inside_a_value_stay_and_at_its_end_go(void **unused)
{
	(void)unused;
	assert_reads("[a]\nx=1\n\n 2\n\n\ny=3\n\n", "[a]@1 x=<1\n\n2>@2 y=<3>@7 ");
	assert_reads("[a]\nx=1\n# c\n 2 ; c\n", "[a]@1 x=<1\n2>@2 ");
	assert_reads("[a]\nx=\n 1\n", "[a]@1 x=<\n1>@2 ");
}

static void a_header_ends_at_its_last_bracket(void **unused)
{
	(void)unused;
	assert_reads("[p:a[0]] x\n[ p ]\n", "[p:a[0]]@1 [ p ]@2 ");
}

static void empty_and_repeated_sections_are_reported(void **unused)
{
	(void)unused;
	assert_reads("[a]\n[b]\n[a]\nx=1\n", "[a]@1 [b]@2 [a]@3 x=<1>@4 ");
}

static void every_bad_line_is_reported_with_its_number(void **unused)
{
	(void)unused;
	assert_reads("x=1\n[a]\nnothing\n=2\n[]\ny=3\nmore", "!1 [a]@2 !3 !4 !5 y=<3>@6 !7 ");
}

static void an_unfinished_header_is_an_odd_key(void **unused)
{
	(void)unused;
	assert_reads("[a]\n[program:b\n", "[a]@1 [program=<b>@2 ");
}

static void all_line_ends_count(void **unused)
{
	(void)unused;
	assert_reads("[a]\r\nx=1\r\n 2\r\ry=3", "[a]@1 x=<1\n2>@2 y=<3>@5 ");
}

static void a_byte_order_mark_is_skipped(void **unused)
{
	(void)unused;
	assert_reads("\xef\xbb\xbf[a]\nx=1", "[a]@1 x=<1>@2 ");
}

static void a_nul_byte_is_refused_and_the_rest_is_read(void **unused)
{
	static const char text[] = "[a]\nx=1\0002\ny=2\n";

	(void)unused;
	assert_reads_bytes(text, sizeof text - 1, "[a]@1 !2 y=<2>@3 ");
}

static void nothing_is_nothing(void **unused)
{
	(void)unused;
	assert_reads("", "");
	assert_reads("\n\n ; c\n", "");
}

static void wide_blanks_are_blanks(void **unused)
{
	(void)unused;
	assert_reads("[a]\nx\xc2\xa0=\xe3\x80\x80"
		     "1\xc2\xa0# c\n\xc2\xa0"
		     "2\n",
		     "[a]@1 x=<1\n2>@2 ");
}

/* inih alone cuts lines at 200 bytes, and names and sections at 49. */
static void lines_keys_and_sections_of_any_length_are_whole(void **unused)
{
	auto_buf struct buf text = { 0 }, wanted = { 0 };
	char part[70001];

	(void)unused;
	memset(part, 'v', sizeof part - 1);
	part[sizeof part - 1] = '\0';
	buf_addf(&text, "[%.300s]\n%.200s=%s\n %s\n", part, part, part, part);
	buf_addf(&wanted, "[%.300s]@1 %.200s=<%s\n%s>@2 ", part, part, part, part);
	assert_reads(text.data, wanted.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_values_are_stripped_and_keys_folded),
		cmocka_unit_test(the_first_delimiter_splits),
		cmocka_unit_test(comments_are_cut_after_white_space_only),
		cmocka_unit_test(a_repeated_key_is_no_continuation),
		cmocka_unit_test(deeper_indentation_continues_and_equal_does_not),
		cmocka_unit_test(blank_lines_inside_a_value_stay_and_at_its_end_go),
		cmocka_unit_test(a_header_ends_at_its_last_bracket),
		cmocka_unit_test(empty_and_repeated_sections_are_reported),
		cmocka_unit_test(every_bad_line_is_reported_with_its_number),
		cmocka_unit_test(an_unfinished_header_is_an_odd_key),
		cmocka_unit_test(all_line_ends_count),
		cmocka_unit_test(a_byte_order_mark_is_skipped),
		cmocka_unit_test(a_nul_byte_is_refused_and_the_rest_is_read),
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(wide_blanks_are_blanks),
		cmocka_unit_test(lines_keys_and_sections_of_any_length_are_whole),
	};

	return cmocka_run_group_tests_name("conf_lines", tests, NULL, NULL);
}
