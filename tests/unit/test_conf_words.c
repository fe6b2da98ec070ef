/* words and expand: what Python makes of the same text was recorded here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/expand.h"
#include "conf/words.h"
#include "daemon/base/mem.h"

/* The words with '|' behind each. */
#define HINT " (in a file, ';' or '#' after a blank begins a comment)"

static void assert_split(const char *text, const char *wanted)
{
	auto_buf struct buf out = { 0 }, why = { 0 };
	size_t n = 0;

	assert_int_equal(words_split(text, &out, &n, &why), 0);
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i] == '\0')
			out.data[i] = '|';
	assert_string_equal(out.data ? out.data : "", wanted);
}

static void assert_no_split(const char *text, const char *reason)
{
	auto_buf struct buf out = { 0 }, why = { 0 };
	size_t n = 0;

	assert_int_equal(words_split(text, &out, &n, &why), -EINVAL);
	assert_string_equal(why.data, reason);
}

static void a_command_is_split_as_by_a_shell(void **unused)
{
	(void)unused;
	assert_split("a b  c", "a|b|c|");
	assert_split(" 'a b' \"c d\"e ", "a b|c de|");
	assert_split("a\\ b \\\"", "a b|\"|");
	assert_split("'' \"\"", "||");
	assert_split("\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d|");
	assert_split("'a\\b'", "a\\b|");
	assert_split("", "");
}

static void a_command_has_no_comments_and_nothing_of_a_shell(void **unused)
{
	(void)unused;
	assert_split("a #b $X ~ *;c&&d", "a|#b|$X|~|*;c&&d|");
}

static void a_new_line_separates_but_an_escaped_one_is_kept(void **unused)
{
	(void)unused;
	assert_split("a\nb", "a|b|");
	assert_split("a \\\nb", "a|\nb|");
}

static void what_is_left_open_is_refused(void **unused)
{
	(void)unused;
	assert_no_split("a 'b", "no closing '" HINT);
	assert_no_split("a \"b", "no closing \"" HINT);
	assert_no_split("a \\", "nothing follows the last backslash");
	assert_no_split("\"a\\", "no closing \"" HINT);
}

static void assert_environment(const char *text, const char *wanted, bool wanted_lost)
{
	auto_buf struct buf out = { 0 }, why = { 0 };
	bool lost = false;
	size_t n = 0;

	assert_int_equal(words_environment(text, &out, &n, &lost, &why), 0);
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i] == '\0')
			out.data[i] = '|';
	if (out.len)
		out.data[out.len] = '\0';
	assert_string_equal(out.data ? out.data : "", wanted);
	assert_int_equal(lost, wanted_lost);
}

static void refuse_environment(const char *text, struct buf *why)
{
	auto_buf struct buf out = { 0 };
	bool lost = false;
	size_t n = 0;

	assert_int_equal(words_environment(text, &out, &n, &lost, why), -EINVAL);
	assert_int_not_equal(why->len, 0);
}

static void assert_no_environment(const char *text)
{
	auto_buf struct buf why = { 0 };

	refuse_environment(text, &why);
}

/* What went wrong goes to a log. */
static void the_rest_of_a_password_without_quotes_is_not_quoted(void **unused)
{
	static const char *const texts[] = { "A=1,PASSWORD=ab$secret,B=2",
					     "PASSWORD=ab$secret=", "PASSWORD=ab$\"secret\"",
					     "PASSWORD='secret", "PASSWORD=ab$sec'ret=1" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		auto_buf struct buf why = { 0 };

		refuse_environment(texts[i], &why);
		assert_null(strstr(why.data, "sec"));
		assert_null(strstr(why.data, "ret"));
	}
}

static void an_environment_is_a_list_of_pairs(void **unused)
{
	(void)unused;
	assert_environment("", "", false);
	assert_environment("A=\"1,2\",B=\"x\"", "A=1,2|B=x|", false);
	assert_environment("A=1,\n  B=2,", "A=1|B=2|", false);
	assert_environment("A = /usr/bin:/x+y-(z).c", "A=/usr/bin:/x+y-(z).c|", false);
	assert_environment("A=\"\"", "A=|", false);
	assert_environment("A=\"it's\",B='a\"b'", "A=it's|B=a\"b|", false);
}

static void the_last_of_equal_names_counts(void **unused)
{
	(void)unused;
	assert_environment("A=1,B=2,A=3", "B=2|A=3|", false);
	assert_environment("AB=1,A=2", "AB=1|A=2|", false);
}

static void what_supervisord_drops_is_dropped_and_told(void **unused)
{
	(void)unused;
	assert_environment("A=b#c,D=1", "A=b|", true);
	assert_environment("A=$HOME/x", "A=$|", true);
	assert_environment("A=a;B=c", "A=a|B=c|", true);
	assert_environment("A=\"x\" \"y\"", "A=x|", true);
}

static void pairs_that_are_none_are_refused(void **unused)
{
	(void)unused;
	assert_no_environment("A=");
	assert_no_environment("A");
	assert_no_environment("A=1\n  B=2\n C=3");
	assert_no_environment("A=a@b");
	assert_no_environment("A=\"x");
	assert_no_environment("\"A\"=1");
	assert_no_environment("===");
}

static void lists_leave_empty_items_out(void **unused)
{
	auto_buf struct buf out = { 0 };
	size_t n = 0;

	(void)unused;
	assert_int_equal(words_list(" a , b c,,d,", false, &out, &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(out.data, "a\0b c\0d\0", 8);
	buf_clear(&out);
	assert_int_equal(words_list("a b,\nc", true, &out, &n), 0);
	assert_int_equal(n, 3);
}

static const char *const env[] = { "HOME=/root", "EMPTY=", "PCT=%(x)s", NULL };
static const struct expand_name inner_names[] = { { .name = "process_num", .number = 7 } };
static const struct expand_name outer_names[] = { { .name = "program_name", .text = "web" },
						  { .name = "process_num", .number = 1 },
						  { .name = "accent", .text = "h\xc3\xa9llo" } };
static const struct expand_scope outer = { .names = outer_names, .n_names = 3, .environ = env };
static const struct expand_scope scope = { .outer = &outer, .names = inner_names, .n_names = 1 };

static void assert_expands(const char *text, const char *wanted)
{
	auto_buf struct buf out = { 0 }, why = { 0 };

	if (expand(&out, text, &scope, &why) != 0)
		fail_msg("%s: %s", text, why.data);
	assert_string_equal(out.data ? out.data : "", wanted);
}

static void assert_no_expansion(const char *text, const char *reason)
{
	auto_buf struct buf out = { 0 }, why = { 0 };

	assert_int_equal(expand(&out, text, &scope, &why), -EINVAL);
	if (!strstr(why.data, reason))
		fail_msg("%s: '%s' says nothing of '%s'", text, why.data, reason);
}

static void names_become_values(void **unused)
{
	(void)unused;
	assert_expands("", "");
	assert_expands("plain", "plain");
	assert_expands("%(program_name)s_%(process_num)02d", "web_07");
	assert_expands("100%%", "100%");
	assert_expands("%(ENV_HOME)s/%(ENV_EMPTY)sx", "/root/x");
	assert_expands("%(ENV_PCT)s", "%(x)s"); /* once, not again */
}

static void printf_forms_are_those_of_python(void **unused)
{
	(void)unused;
	assert_expands("%(process_num)s|%(process_num)5d|%(process_num)-5d|", "7|    7|7    |");
	assert_expands("%(process_num)+d %(process_num)x %(process_num)03o", "+7 7 007");
	assert_expands("%(program_name)6s|%(program_name)-6s|%(program_name).2s",
		       "   web|web   |we");
	assert_expands("%(accent)7s|%(accent).2s", "  h\xc3\xa9llo|h\xc3\xa9"); /* characters */
	assert_expands("%(process_num).1f %(process_num)r %(process_num)ld", "7.0 7 7");
}

static void what_cannot_be_expanded_says_why(void **unused)
{
	(void)unused;
	assert_no_expansion("50% off", "'%%'");
	assert_no_expansion("%", "'%%'");
	assert_no_expansion("%(program_name", "without ')'");
	assert_no_expansion("%(program_name)", "must be followed by 's'");
	assert_no_expansion("%(program_name)d", "is text");
	assert_no_expansion("%(nope)s", "program_name, process_num, accent, ENV_*");
	assert_no_expansion("%(ENV_NOPE)s", "the environment has no NOPE");
	assert_no_expansion("%(process_num)99999999999d", "must be followed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_split_as_by_a_shell),
		cmocka_unit_test(a_command_has_no_comments_and_nothing_of_a_shell),
		cmocka_unit_test(a_new_line_separates_but_an_escaped_one_is_kept),
		cmocka_unit_test(what_is_left_open_is_refused),
		cmocka_unit_test(an_environment_is_a_list_of_pairs),
		cmocka_unit_test(the_last_of_equal_names_counts),
		cmocka_unit_test(what_supervisord_drops_is_dropped_and_told),
		cmocka_unit_test(pairs_that_are_none_are_refused),
		cmocka_unit_test(the_rest_of_a_password_without_quotes_is_not_quoted),
		cmocka_unit_test(lists_leave_empty_items_out),
		cmocka_unit_test(names_become_values),
		cmocka_unit_test(printf_forms_are_those_of_python),
		cmocka_unit_test(what_cannot_be_expanded_says_why),
	};

	return cmocka_run_group_tests_name("conf_words", tests, NULL, NULL);
}
