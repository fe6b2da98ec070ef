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

static void fuzz_words(const char *text)
{
	auto_buf struct buf words = { 0 }, pairs = { 0 }, items = { 0 }, why = { 0 };
	bool lost = false;
	size_t n = 0;

	if (words_split(text, &words, &n, &why) == 0)
		check_strings(&words, n);
	else
		assert(why.len > 0);
	buf_clear(&why);
	if (words_environment(text, &pairs, &n, &lost, &why) == 0)
		check_strings(&pairs, n);
	else
		assert(why.len > 0);
	assert(words_list(text, true, &items, &n) == 0);
	check_strings(&items, n);
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
