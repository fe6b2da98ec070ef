/* Any text as a format string, a command line, an environment list, and a list. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/expand.h"
#include "conf/suggest.h"
#include "conf/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* n strings, each with its NUL, are all that out holds. */
static void check_strings(const struct buf *out, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		assert(at < out->len);
		at += strlen(out->data + at) + 1;
	}
	assert(at == out->len);
}

static void fuzz_expand(const char *text)
{
	static const char *const env[] = { "A=1", "B=x y", NULL };
	static const struct expand_name names[] = {
		{ .name = "program_name", .text = "web" },
		{ .name = "process_num", .number = 7 },
	};
	static const struct expand_scope outer = { .names = names, .n_names = 2 };
	static const struct expand_scope scope = { .outer = &outer, .environ = env };
	auto_buf struct buf out = { 0 }, why = { 0 };
	int err = expand(&out, text, &scope, &why);

	assert(err == 0 || (err == -EINVAL && why.len > 0));
	if (!strchr(text, '%'))
		assert(err == 0 && out.len == strlen(text));
}

/* Each word in single quotes, and a quote of its own as '\'': what a shell would take for the same words. */
static void add_quoted(struct buf *b, const struct buf *words, size_t n)
{
	const char *p = words->data;

	for (size_t i = 0; i < n; i++, p++) {
		buf_add_str(b, i ? " '" : "'");
		for (; *p; p++)
			if (*p == '\'')
				buf_add_str(b, "'\\''");
			else
				buf_add_char(b, *p);
		buf_add_char(b, '\'');
	}
	buf_add_char(b, '\0');
	assert(!buf_error(b));
}

static void check_quoting(const struct buf *words, size_t n)
{
	auto_buf struct buf quoted = { 0 }, again = { 0 }, why = { 0 };
	size_t n_again = 0;

	add_quoted(&quoted, words, n);
	assert(words_split(quoted.data, &again, &n_again, &why) == 0 && n_again == n);
	assert(again.len == words->len && (!n || memcmp(again.data, words->data, words->len) == 0));
}

static void check_list(const char *text, bool blanks)
{
	auto_buf struct buf items = { 0 };
	const char *p;
	size_t n = 0;

	assert(words_list(text, blanks, &items, &n) == 0);
	check_strings(&items, n);
	p = items.data;
	for (size_t i = 0; i < n; i++, p += strlen(p) + 1)
		assert(*p && !strpbrk(p, blanks ? ", \t" : ","));
}

/* Each is NAME=VALUE, and no name is there twice. */
static void check_environment(const struct buf *pairs, size_t n)
{
	const char *p = pairs->data;

	check_strings(pairs, n);
	for (size_t i = 0; i < n; i++, p += strlen(p) + 1) {
		const char *equals = strchr(p, '='), *q = p;

		assert(equals);
		for (size_t j = i + 1; j < n; j++) {
			q += strlen(q) + 1;
			assert(strncmp(p, q, (size_t)(equals - p) + 1) != 0);
		}
	}
}

static void fuzz_words(const char *text)
{
	auto_buf struct buf words = { 0 }, pairs = { 0 }, why = { 0 };
	bool lost = false;
	size_t n = 0;

	if (words_split(text, &words, &n, &why) == 0) {
		check_strings(&words, n);
		check_quoting(&words, n);
	} else {
		assert(why.len > 0);
	}
	buf_clear(&why);
	if (words_environment(text, &pairs, &n, &lost, &why) == 0)
		check_environment(&pairs, n);
	else
		assert(why.len > 0);
	check_list(text, true);
	check_list(text, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	if (!text)
		return 0;
	fuzz_expand(text);
	fuzz_words(text);
	assert(suggest_distance(text, text) == 0 || strlen(text) > 63);
	free(text);
	return 0;
}
