#include "conf/words.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "conf/text.h"

/* What cuts a value short, and is not seen where it is used. */
#define COMMENT_HINT " (in a file, ';' or '#' after a blank begins a comment)"

#define BLANKS " \t\r\n"

static bool is_blank(char c)
{
	return c != '\0' && strchr(BLANKS, c) != NULL;
}

/* The rest of a quoted part, p behind the opening quote. Returns what follows the closing one. */
static const char *quoted(const char *p, char quote, struct buf *out)
{
	for (; *p && *p != quote; p++) {
		/* Inside double quotes a backslash escapes only the quote and itself. */
		if (quote == '"' && *p == '\\') {
			p++;
			if (*p == '\0')
				return NULL;
			if (*p != '"' && *p != '\\')
				buf_add_char(out, '\\');
		}
		buf_add_char(out, *p);
	}
	return *p ? p + 1 : NULL;
}

/* One word at p, which is no blank. Returns what follows it, or NULL with the reason in why. */
static const char *word(const char *p, struct buf *out, struct buf *why)
{
	while (*p && !is_blank(*p)) {
		if (*p == '\'' || *p == '"') {
			char quote = *p;

			p = quoted(p + 1, quote, out);
			if (!p) {
				buf_addf(why, "no closing %c" COMMENT_HINT, quote);
				return NULL;
			}
		} else if (*p == '\\') {
			if (p[1] == '\0') {
				buf_add_str(why, "nothing follows the last backslash");
				return NULL;
			}
			buf_add_char(out, p[1]);
			p += 2;
		} else {
			buf_add_char(out, *p++);
		}
	}
	return p;
}

int words_split(const char *text, struct buf *out, size_t *ret_n, struct buf *why)
{
	size_t n = 0;

	for (const char *p = text + strspn(text, BLANKS); *p; p += strspn(p, BLANKS)) {
		p = word(p, out, why);
		if (!p)
			return -EINVAL;
		buf_add_char(out, '\0');
		n++;
	}
	if (buf_error(out))
		return -ENOMEM;
	*ret_n = n;
	return 0;
}

/* ---- environment= --------------------------------------------------------------------------- */

struct lexer {
	const char *p;
	bool lost; /* a comment cut something off */
	bool open_quote;
};

static bool is_word_char(char c)
{
	return c != '\0' && (isalnum((unsigned char)c) || strchr("_/.+-():", c)) &&
	       (unsigned char)c < 0x80;
}

static void skip_comment(struct lexer *l)
{
	l->lost = true;
	l->p += strcspn(l->p, "\n");
	if (*l->p)
		l->p++;
}

/* A run of word characters; quotes inside it are plain, a comment is cut out of its middle. */
static void word_token(struct lexer *l, struct buf *token)
{
	for (;;) {
		if (*l->p == '#')
			skip_comment(l);
		else if (is_word_char(*l->p) || *l->p == '"' || *l->p == '\'')
			buf_add_char(token, *l->p++);
		else
			return;
	}
}

/* The next token, quotes included, in token. Returns false at the end and for an open quote. */
static bool next_token(struct lexer *l, struct buf *token)
{
	buf_clear(token);
	for (;;) {
		l->p += strspn(l->p, BLANKS);
		if (*l->p != '#')
			break;
		skip_comment(l);
	}
	if (*l->p == '\0')
		return false;
	if (is_word_char(*l->p)) {
		word_token(l, token);
	} else if (*l->p == '"' || *l->p == '\'') {
		const char *close = strchr(l->p + 1, *l->p);

		if (!close) {
			l->open_quote = true;
			return false;
		}
		buf_add(token, l->p, (size_t)(close + 1 - l->p));
		l->p = close + 1;
	} else {
		size_t n = text_char(l->p, strlen(l->p));

		buf_add(token, l->p, n);
		l->p += n;
	}
	return token->err == 0;
}

static bool token_is(const struct buf *token, char c)
{
	return token->len == 1 && token->data[0] == c;
}

/* Remove the "NAME=…" among the n strings of out from first on that has the name of pair. */
static bool drop_same_name(struct buf *out, size_t first, size_t n, const char *pair)
{
	size_t name_len = strcspn(pair, "=") + 1;
	char *s = n ? out->data + first : NULL;

	for (size_t i = 0; i < n; i++, s += strlen(s) + 1) {
		size_t size = strlen(s) + 1;

		if (strncmp(s, pair, name_len) != 0)
			continue;
		memmove(s, s + size, out->len - (size_t)(s - out->data) - size);
		out->len -= size;
		return true;
	}
	return false;
}

/* "NAME=" and the value, whose quotes at both ends go. */
static void make_pair(struct buf *pair, const struct buf *value)
{
	const char *begin = value->data, *end = begin + value->len;

	while (begin < end && (*begin == '"' || *begin == '\''))
		begin++;
	while (end > begin && (end[-1] == '"' || end[-1] == '\''))
		end--;
	buf_add(pair, begin, (size_t)(end - begin));
}

/* One NAME = VALUE whose name is in token; appends "NAME=VALUE" to pair. What is wrong is counted and not
 * quoted: it may be the rest of a password that was not in quotes, and this goes to a log. */
static int read_pair(struct lexer *l, struct buf *token, struct buf *pair, unsigned number,
		     struct buf *why)
{
	buf_clear(pair);
	buf_add(pair, token->data, token->len);
	if (pair->err)
		return -ENOMEM;
	if (token_is(token, '=') || strpbrk(token->data, "\"'=")) {
		buf_addf(why, "variable %u has no name (expected NAME=\"value\",…)", number);
		return -EINVAL;
	}
	if (!next_token(l, token) || !token_is(token, '=')) {
		if (!l->open_quote)
			buf_addf(why,
				 "variable %u has no '=' behind its name (expected "
				 "NAME=\"value\",…)",
				 number);
		return -EINVAL;
	}
	buf_add_char(pair, '=');
	if (!next_token(l, token)) {
		if (!l->open_quote)
			buf_addf(why, "variable %u has no value (\"\" is an empty one)", number);
		return -EINVAL;
	}
	make_pair(pair, token);
	return 0;
}

static int read_pairs(struct lexer *l, struct buf *out, size_t *ret_n, struct buf *why)
{
	auto_buf struct buf token = { 0 }, pair = { 0 };
	size_t first = out->len, n = 0;
	unsigned number = 0;

	while (next_token(l, &token)) {
		int err = read_pair(l, &token, &pair, ++number, why);

		if (err)
			return token.err ? token.err : err;
		if (pair.err || out->err)
			return -ENOMEM;
		n -= drop_same_name(out, first, n, pair.data);
		buf_add(out, pair.data, pair.len + 1);
		n++;
		if (next_token(l, &token) && !token_is(&token, ','))
			l->lost = true; /* any one token separates: `A=b*c` is A=b */
	}
	*ret_n = n;
	return token.err;
}

int words_environment(const char *text, struct buf *out, size_t *ret_n, bool *ret_lost,
		      struct buf *why)
{
	struct lexer l = { .p = text };
	size_t n = 0;
	int err = read_pairs(&l, out, &n, why);

	if (err == -ENOMEM || buf_error(out))
		return -ENOMEM;
	if (l.open_quote)
		buf_add_str(why, "a quote is not closed");
	if (err || l.open_quote)
		return -EINVAL;
	*ret_n = n;
	*ret_lost = l.lost;
	return 0;
}

int words_list(const char *text, bool blanks, struct buf *out, size_t *ret_n)
{
	size_t n = 0;

	for (const char *p = text; *p;) {
		const char *begin = p, *end = p + strcspn(p, blanks ? "," BLANKS : ",");

		p = *end ? end + 1 : end;
		text_strip(&begin, &end);
		if (begin == end)
			continue;
		buf_add(out, begin, (size_t)(end - begin));
		buf_add_char(out, '\0');
		n++;
	}
	if (buf_error(out))
		return -ENOMEM;
	*ret_n = n;
	return 0;
}
