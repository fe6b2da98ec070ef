/* The pure helpers of conf: text, suggest, set, pool. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/pool.h"
#include "conf/suggest.h"
#include "conf/text.h"

static void assert_stripped(const char *text, const char *wanted)
{
	const char *begin = text, *end = text + strlen(text);

	text_strip(&begin, &end);
	if ((size_t)(end - begin) != strlen(wanted) || memcmp(begin, wanted, strlen(wanted)) != 0)
		fail_msg("'%s' gave '%.*s'", text, (int)(end - begin), begin);
}

static void white_space_is_that_of_python(void **unused)
{
	(void)unused;
	assert_stripped("  a b\t\r\n", "a b");
	assert_stripped("\xc2\xa0\xe3\x80\x80x\xe2\x80\xaf\xe2\x80\x83",
			"x"); /* nbsp, ideographic */
	assert_stripped("\x1c\x1fx\x0b\x0c", "x");
	assert_stripped(" \t ", "");
	assert_stripped("\xe2\x80\x8bx", "\xe2\x80\x8bx"); /* a zero-width space is none */
	assert_stripped("\xa0x\xa0", "\xa0x\xa0"); /* half a character is none */
}

static void names_follow_the_rules(void **unused)
{
	static const char *const good[] = {
		"web", "web_00", "caf\xc3\xa9", "a-b.c", "9", "_", "[x]"
	};
	static const char *const bad[] = { "",	    "-web",	    "a b",	"a:b",	     "a/b",
					   "a\tb",  "a\x01",	    "a\x7f",	"a\xc2\xa0", "\xff",
					   "a\xc2", "\xed\xa0\x80", "\xc0\xaf", "a\xc2\x85" };
	char longest[CONF_NAME_MAX + 2];

	(void)unused;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(conf_name_valid(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (conf_name_valid(bad[i]))
			fail_msg("'%s' must not be a name", bad[i]);
	memset(longest, 'x', sizeof longest);
	longest[CONF_NAME_MAX + 1] = '\0';
	assert_false(conf_name_valid(longest));
	longest[CONF_NAME_MAX] = '\0';
	assert_true(conf_name_valid(longest));
}

static void a_typing_error_costs_one(void **unused)
{
	(void)unused;
	assert_int_equal(suggest_distance("autorestart", "autorestart"), 0);
	assert_int_equal(suggest_distance("autorestrat", "autorestart"), 1); /* swapped */
	assert_int_equal(suggest_distance("comand", "command"), 1);
	assert_int_equal(suggest_distance("commmand", "command"), 1);
	assert_int_equal(suggest_distance("Kommand", "command"), 1);
	assert_int_equal(suggest_distance("", "abc"), 3);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
}

static void nothing_far_is_suggested(void **unused)
{
	struct suggest s = { .word = "depend" };
	struct suggest empty = { .word = "x" };
	char huge[300];

	(void)unused;
	suggest_offer(&s, "daemon");
	suggest_offer(&s, "command");
	assert_null(suggest_best(&s));
	assert_null(suggest_best(&empty));
	memset(huge, 'a', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	assert_int_equal(suggest_distance(huge, "a"), UINT_MAX);
}

static void the_nearest_of_all_is_suggested(void **unused)
{
	struct suggest s = { .word = "stopsecs" };

	(void)unused;
	suggest_offer(&s, "stopwaitsecs");
	suggest_offer(&s, "startsecs");
	suggest_offer(&s, "autostart");
	assert_string_equal(suggest_best(&s), "startsecs");
}

static void equal_strings_and_vectors_are_kept_once(void **unused)
{
	struct arena a = { 0 };
	struct pool p = { .arena = &a };
	static const char two[] = "A=1\0B=2\0";

	(void)unused;
	assert_ptr_equal(pool_str(&p, "web"), pool_strn(&p, "webserver", 3));
	assert_ptr_not_equal(pool_str(&p, "web"), pool_str(&p, "we"));
	const char *const *v = pool_vec(&p, two, 2);

	assert_ptr_equal(v, pool_vec(&p, two, 2));
	assert_ptr_not_equal(v, pool_vec(&p, two, 1));
	assert_string_equal(v[1], "B=2");
	assert_null(v[2]);
	assert_null(pool_vec(&p, NULL, 0)[0]);
	assert_int_equal(p.err, 0);
	pool_done(&p);
	arena_done(&a);
}

static void a_thousand_strings_are_all_found_again(void **unused)
{
	struct arena a = { 0 };
	struct pool p = { .arena = &a };
	const char *kept[1000];
	char text[32];

	(void)unused;
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "name-%d", i);
		kept[i] = pool_str(&p, text);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "name-%d", i);
		assert_ptr_equal(pool_str(&p, text), kept[i]);
	}
	assert_int_equal(p.strings.n_items, 1000);
	pool_done(&p);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(white_space_is_that_of_python),
		cmocka_unit_test(names_follow_the_rules),
		cmocka_unit_test(a_typing_error_costs_one),
		cmocka_unit_test(nothing_far_is_suggested),
		cmocka_unit_test(the_nearest_of_all_is_suggested),
		cmocka_unit_test(equal_strings_and_vectors_are_kept_once),
		cmocka_unit_test(a_thousand_strings_are_all_found_again),
	};

	return cmocka_run_group_tests_name("conf_text", tests, NULL, NULL);
}
