#include "conf/expand.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "conf/text.h"

/* Widths in real files are single digits; this bounds what a file can make of a few bytes. */
#define WIDTH_MAX 4096

#define ENV_PREFIX "ENV_"

struct spec {
	const char *name;
	size_t name_len;
	char flags[8]; /* each of "-+ #0" at most once */
	int width; /* 0: none */
	int precision; /* -1: none */
	char conversion;
};

struct value {
	const char *text; /* NULL: number */
	long number;
};

static const char *find_env(const char *const *environ, const char *name, size_t len)
{
	for (; environ && *environ; environ++)
		if (strncmp(*environ, name, len) == 0 && (*environ)[len] == '=')
			return *environ + len + 1;
	return NULL;
}

static bool find_name(const struct expand_scope *s, const char *name, size_t len,
		      struct value *ret_value)
{
	size_t prefix = strlen(ENV_PREFIX);

	for (size_t i = 0; i < s->n_names; i++) {
		const struct expand_name *n = &s->names[i];

		if (strlen(n->name) == len && memcmp(n->name, name, len) == 0) {
			*ret_value = (struct value){ .text = n->text, .number = n->number };
			return true;
		}
	}
	if (len <= prefix || memcmp(name, ENV_PREFIX, prefix) != 0)
		return false;
	*ret_value = (struct value){ .text = find_env(s->environ, name + prefix, len - prefix) };
	return ret_value->text != NULL;
}

static void list_names(const struct expand_scope *scope, struct buf *why)
{
	for (const struct expand_scope *s = scope; s; s = s->outer)
		for (size_t i = 0; i < s->n_names; i++)
			buf_addf(why, "%s, ", s->names[i].name);
	buf_add_str(why, "ENV_*");
}

static int look_up(const struct expand_scope *scope, const struct spec *f, struct value *ret_value,
		   struct buf *why)
{
	int len = (int)f->name_len;

	for (const struct expand_scope *s = scope; s; s = s->outer)
		if (find_name(s, f->name, f->name_len, ret_value))
			return 0;
	if (strncmp(f->name, ENV_PREFIX, strlen(ENV_PREFIX)) == 0 &&
	    f->name_len > strlen(ENV_PREFIX)) {
		buf_addf(why, "%%(%.*s)%c: the environment has no %.*s", len, f->name,
			 f->conversion, len - (int)strlen(ENV_PREFIX),
			 f->name + strlen(ENV_PREFIX));
		return -EINVAL;
	}
	buf_addf(why, "%%(%.*s)%c: unknown name (known here: ", len, f->name, f->conversion);
	list_names(scope, why);
	buf_add_char(why, ')');
	return -EINVAL;
}

static void pad(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_add_char(out, ' ');
}

/* Width and precision count characters, as in Python. */
static void add_text(struct buf *out, const struct spec *f, const char *text)
{
	size_t rest = strlen(text), bytes = 0, chars = 0, fill;

	while (bytes < rest && (f->precision < 0 || chars < (size_t)f->precision)) {
		bytes += text_char(text + bytes, rest - bytes);
		chars++;
	}
	fill = (size_t)f->width > chars ? (size_t)f->width - chars : 0;
	if (!strchr(f->flags, '-'))
		pad(out, fill);
	buf_add(out, text, bytes);
	if (strchr(f->flags, '-'))
		pad(out, fill);
}

static void add_number(struct buf *out, const struct spec *f, long number)
{
	char format[48];
	bool real = strchr("eEfFgG", f->conversion) != NULL;
	int n = snprintf(format, sizeof format, "%%%s", f->flags);

	if (f->width)
		n += snprintf(format + n, sizeof format - (size_t)n, "%d", f->width);
	if (f->precision >= 0)
		n += snprintf(format + n, sizeof format - (size_t)n, ".%d", f->precision);
	if (real)
		snprintf(format + n, sizeof format - (size_t)n, "%c", f->conversion);
	else
		snprintf(format + n, sizeof format - (size_t)n, "l%c",
			 f->conversion == 'u' ? 'd' : f->conversion);
	if (real)
		buf_addf(out, format, (double)number);
	else
		buf_addf(out, format, number);
}

static int add_value(struct buf *out, const struct spec *f, const struct value *v, struct buf *why)
{
	char digits[24];

	if (!v->text)
		snprintf(digits, sizeof digits, "%ld", v->number);
	if (f->conversion == 's' || (!v->text && strchr("ra", f->conversion))) {
		add_text(out, f, v->text ? v->text : digits);
		return 0;
	}
	if (v->text) {
		buf_addf(why, "%%(%.*s)%c: %.*s is text, not a number: use 's'", (int)f->name_len,
			 f->name, f->conversion, (int)f->name_len, f->name);
		return -EINVAL;
	}
	add_number(out, f, v->number);
	return 0;
}

/* Digits at *p; -1 when they are more than WIDTH_MAX. */
static int digits_at(const char **p)
{
	int n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++) {
		n = n * 10 + (**p - '0');
		if (n > WIDTH_MAX)
			return -1;
	}
	return n;
}

static void flags_at(const char **p, char flags[8])
{
	size_t n = 0;

	for (; **p && strchr("-+ #0", **p); (*p)++)
		if (!memchr(flags, **p, n))
			flags[n++] = **p;
	flags[n] = '\0';
}

/* What follows "%(": name, flags, width, precision, length (ignored), conversion. */
static int parse_spec(const char **p, struct spec *f, struct buf *why)
{
	const char *close = strchr(*p, ')');

	if (!close) {
		buf_add_str(why, "'%(' without ')'");
		return -EINVAL;
	}
	f->name = *p;
	f->name_len = (size_t)(close - *p);
	*p = close + 1;
	flags_at(p, f->flags);
	f->width = digits_at(p);
	f->precision = -1;
	if (**p == '.') {
		(*p)++;
		f->precision = digits_at(p);
		if (f->precision < 0)
			f->width = -1;
	}
	if (**p && strchr("hlL", **p))
		(*p)++;
	f->conversion = **p;
	if (f->width < 0 || !**p || !strchr("sradiuoxXeEfFgG", **p)) {
		buf_addf(why, "'%%(%.*s)' must be followed by 's' (for numbers also 'd', '02d')",
			 (int)f->name_len, f->name);
		return -EINVAL;
	}
	(*p)++;
	return 0;
}

static int expand_one(struct buf *out, const char **p, const struct expand_scope *scope,
		      struct buf *why)
{
	struct spec f;
	struct value v = { 0 };
	int err;

	if (**p != '(') {
		buf_add_str(why, "a '%' alone (write '%%' for a percent sign)");
		return -EINVAL;
	}
	(*p)++;
	err = parse_spec(p, &f, why);
	if (err == 0)
		err = look_up(scope, &f, &v, why);
	return err ? err : add_value(out, &f, &v, why);
}

int expand(struct buf *out, const char *text, const struct expand_scope *scope, struct buf *why)
{
	for (const char *p = text; *p;) {
		size_t plain = strcspn(p, "%");
		int err;

		buf_add(out, p, plain);
		p += plain;
		if (*p == '\0')
			break;
		p++;
		if (*p == '%') {
			buf_add_char(out, *p++);
			continue;
		}
		err = expand_one(out, &p, scope, why);
		if (err)
			return err;
	}
	return buf_error(out);
}
