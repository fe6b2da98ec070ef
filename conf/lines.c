#include "conf/lines.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "conf/text.h"
#include "daemon/base/buf.h"

/* What inih is given for each line begins with a byte that keeps its own rules away from the text
 * (a `[`, an empty name) and that on_inih() takes off again. */
#define GUARD_KEY "k"
#define GUARD_MORE " k" /* a leading blank: inih hands it over as a continuation of the last name */
#define GUARD_HEADER "[s]"

enum kind {
	LINE_NONE,
	LINE_KEY,
	LINE_MORE
};

struct reader {
	const struct lines_handler *h;
	const char *pos, *end; /* what was not read yet */
	unsigned line; /* number of the latest line */
	enum kind kind; /* of the line that inih has now */
	bool answered; /* inih has handed that line over */
	bool have_section;
	size_t indent; /* characters before the current key or header */

	struct buf to_inih; /* one line, its newline included */
	size_t given; /* bytes of it that inih has */

	bool open; /* a key whose value may go on */
	unsigned key_line;
	struct buf key, value;
	int err; /* 0 or -ENOMEM; buf_clear() forgets, this does not */
};

static void close_value(struct reader *r)
{
	const char *begin, *end;
	size_t n;

	if (r->value.err)
		r->err = -ENOMEM;
	if (!r->open || r->err)
		return;
	r->open = false;
	begin = r->value.data;
	end = begin + r->value.len;
	while ((n = text_blank_before(begin, end)) > 0)
		end -= n;
	r->value.data[end - begin] = '\0';
	r->h->on_value(r->h->data, r->key.data, r->value.data, r->key_line);
}

/* Keep name and value, which inih has split, without the white space that inih does not know. */
static void open_value(struct reader *r, const char *name, const char *value)
{
	const char *name_end = name + strlen(name), *value_end = value + strlen(value);

	text_strip(&name, &name_end);
	text_strip(&value, &value_end);
	if (name == name_end) {
		r->h->on_problem(r->h->data, r->line, "a key is missing before '=' or ':'");
		return;
	}
	buf_clear(&r->key);
	buf_add(&r->key, name, (size_t)(name_end - name));
	buf_clear(&r->value);
	buf_add(&r->value, value, (size_t)(value_end - value));
	if (buf_reserve(&r->key, 0) < 0 || buf_reserve(&r->value, 0) < 0) {
		r->err = -ENOMEM;
		return;
	}
	text_lower(r->key.data);
	r->key_line = r->line;
	r->open = true;
}

static int on_inih(void *data, const char *section, const char *name, const char *value)
{
	struct reader *r = data;

	(void)section;
	r->answered = true;
	if (r->kind == LINE_KEY) {
		open_value(r, name + strlen(GUARD_KEY), value);
	} else if (r->open) {
		buf_add_char(&r->value, '\n');
		buf_add_str(&r->value, value + strlen(GUARD_KEY));
	}
	return 1;
}

static void hand_over(struct reader *r, enum kind kind, const char *guard, const char *begin,
		      const char *end)
{
	r->kind = kind;
	r->answered = false;
	r->given = 0;
	buf_clear(&r->to_inih);
	buf_add_str(&r->to_inih, guard);
	buf_add(&r->to_inih, begin, (size_t)(end - begin));
	buf_add_char(&r->to_inih, '\n');
}

/* Where the comment of the line begins: at a ';' or '#' that is first or follows white space. */
static const char *find_comment(const char *begin, const char *end)
{
	for (const char *p = begin; p < end; p++)
		if ((*p == ';' || *p == '#') && (p == begin || text_blank_before(begin, p)))
			return p;
	return NULL;
}

static size_t indent_of(const char *begin, const char *text)
{
	size_t n = 0;

	for (const char *p = begin; p < text; p += text_blank(p, text))
		n++;
	return n;
}

static void header(struct reader *r, const char *begin, const char *close)
{
	auto_buf struct buf name = { 0 };

	close_value(r);
	buf_add(&name, begin + 1, (size_t)(close - begin - 1));
	if (buf_reserve(&name, 0) < 0) {
		r->err = -ENOMEM;
		return;
	}
	r->have_section = true;
	r->h->on_section(r->h->data, name.data, r->line);
	hand_over(r, LINE_NONE, GUARD_HEADER, "", "");
}

/* A line that is no comment and not empty: [begin, end) without blanks, indented by indent. */
static void content(struct reader *r, const char *begin, const char *end, size_t indent)
{
	const char *close = memrchr(begin, ']', (size_t)(end - begin));

	if (r->open && indent > r->indent) {
		hand_over(r, LINE_MORE, GUARD_MORE, begin, end);
		return;
	}
	r->indent = indent;
	if (*begin == '[' && close && close > begin + 1) {
		header(r, begin, close);
	} else if (!r->have_section) {
		const char *what =
			*begin == '[' && !close
				? "a section header without ']'"
				: "this stands before the first [section] and belongs to none";

		r->h->on_problem(r->h->data, r->line, what);
	} else {
		close_value(r);
		hand_over(r, LINE_KEY, GUARD_KEY, begin, end);
	}
}

static void take_line(struct reader *r, const char *begin, const char *end)
{
	const char *comment, *text_end;

	r->line++;
	if (memchr(begin, '\0', (size_t)(end - begin))) {
		r->h->on_problem(r->h->data, r->line, "a NUL byte is not allowed");
		return;
	}
	comment = find_comment(begin, end);
	text_end = comment ? comment : end;
	const char *text = begin;

	text_strip(&text, &text_end);
	if (text < text_end)
		content(r, text, text_end, indent_of(begin, text));
	else if (!comment && r->open)
		hand_over(r, LINE_MORE, GUARD_MORE, "", "");
}

/* inih says nothing of a line in which it found no delimiter but its number, at the end. */
static void look_back(struct reader *r)
{
	if (r->kind == LINE_KEY && !r->answered)
		r->h->on_problem(r->h->data, r->line,
				 "neither [section], key = value, nor the (indented) "
				 "continuation of a value");
	r->kind = LINE_NONE;
}

/* Read on until there is a line for inih. Returns false at the end. */
static bool next_line(struct reader *r)
{
	look_back(r);
	buf_clear(&r->to_inih);
	while (r->to_inih.len == 0 && r->pos < r->end) {
		size_t rest = (size_t)(r->end - r->pos);
		const char *begin = r->pos, *lf = memchr(begin, '\n', rest);
		const char *cr = memchr(begin, '\r', lf ? (size_t)(lf - begin) : rest);
		const char *end = cr ? cr : lf ? lf : r->end;

		r->pos = end < r->end ? end + 1 : end;
		if (cr && cr + 1 == lf)
			r->pos = lf + 1;
		take_line(r, begin, end);
		if (r->to_inih.err)
			r->err = -ENOMEM;
		if (r->err)
			return false;
	}
	return r->to_inih.len > 0;
}

/* As fgets(): at most num - 1 bytes of the line and a NUL. */
static char *read_for_inih(char *str, int num, void *data)
{
	struct reader *r = data;
	size_t n;

	if (num < 2 || (r->given >= r->to_inih.len && !next_line(r)))
		return NULL;
	n = r->to_inih.len - r->given;
	if (n > (size_t)num - 1)
		n = (size_t)num - 1;
	memcpy(str, r->to_inih.data + r->given, n);
	str[n] = '\0';
	r->given += n;
	return str;
}

static void set_up_inih(size_t longest)
{
	static char none[] = "";

	ini_allow_multiline = true;
	ini_allow_bom = false;
	ini_start_comment_prefixes = none;
	ini_allow_inline_comments = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = false;
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_initial_alloc = ini_max_line = (int)longest;
}

/* Bytes that the longest line needs: inih's buffer is allocated once and never too short. */
static size_t longest_line(const char *text, size_t len)
{
	size_t longest = 0;

	for (const char *p = text, *end = text + len; p < end;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((lf ? lf : end) - p);

		if (n > longest)
			longest = n;
		p = lf ? lf + 1 : end;
	}
	return longest + sizeof GUARD_HEADER + sizeof "\r\n";
}

int lines_read(const char *text, size_t len, const struct lines_handler *h)
{
	struct reader r = { .h = h, .pos = text, .end = text + len };
	size_t longest = longest_line(text, len);
	int result;

	if (longest > INT_MAX / 2)
		return -ENOMEM;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r.pos += 3;
	set_up_inih(longest);
	result = ini_parse_stream(read_for_inih, &r, on_inih, &r);
	look_back(&r);
	if (result == -2)
		r.err = -ENOMEM;
	close_value(&r);
	buf_done(&r.to_inih);
	buf_done(&r.key);
	buf_done(&r.value);
	return r.err;
}
