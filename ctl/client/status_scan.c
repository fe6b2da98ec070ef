#include "ctl/client/status_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/base/mem.h"

#define DIGITS_MAX 15 /* exact in a double */

/* Where reading is. Nothing goes beyond the NUL at the end of the text. */
struct scan {
	char *p;
};

static bool take(struct scan *s, const char *literal)
{
	size_t len = strlen(literal);

	if (strncmp(s->p, literal, len) != 0)
		return false;
	s->p += len;
	return true;
}

/* A string of plain ASCII; its closing quote becomes the NUL. */
static bool take_string(struct scan *s, const char **ret)
{
	char *begin = s->p + 1;
	char *p = begin;

	if (*s->p != '"')
		return false;
	while (*p != '"') {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c >= 0x7f || c == '\\')
			return false;
		p++;
	}
	*p = '\0';
	s->p = p + 1;
	*ret = begin;
	return true;
}

/* Digits, perhaps a fraction; no sign and no exponent. */
static bool take_number(struct scan *s, double *ret)
{
	double value = 0, unit = 1;
	char *begin = s->p;

	while (*s->p >= '0' && *s->p <= '9')
		value = value * 10 + (*s->p++ - '0');
	if (s->p == begin || s->p - begin > DIGITS_MAX || (*begin == '0' && s->p - begin > 1))
		return false;
	if (*s->p == '.') {
		begin = ++s->p;
		for (; *s->p >= '0' && *s->p <= '9'; s->p++)
			value += (*s->p - '0') * (unit /= 10);
		if (s->p == begin)
			return false;
	}
	*ret = value;
	return *s->p == ',' || *s->p == '}';
}

static bool take_pid(struct scan *s, json_int_t *ret)
{
	double value;

	if (!take_number(s, &value))
		return false;
	*ret = (json_int_t)value;
	return true;
}

static bool take_value(struct scan *s, const char *key, struct format_status *r)
{
	if (take(s, "null"))
		return true;
	if (strcmp(key, "name") == 0)
		return take_string(s, &r->name);
	if (strcmp(key, "state") == 0)
		return take_string(s, &r->state);
	if (strcmp(key, "reason") == 0)
		return take_string(s, &r->reason);
	if (strcmp(key, "pid") == 0)
		return take_pid(s, &r->pid);
	if (strcmp(key, "uptime") == 0)
		return take_number(s, &r->uptime);
	if (strcmp(key, "stopped") == 0)
		return take_number(s, &r->stopped);
	return false;
}

static bool take_record(struct scan *s, struct format_status *r)
{
	const char *key;

	*r = (struct format_status){ .uptime = -1, .stopped = -1 };
	if (!take(s, "{"))
		return false;
	do
		if (!take_string(s, &key) || !take(s, ":") || !take_value(s, key, r))
			return false;
	while (take(s, ","));
	return take(s, "}") && r->name && r->state;
}

static int take_records(struct scan *s, struct status_list *l)
{
	size_t capacity = 0;

	do {
		if (l->n == capacity) {
			struct format_status *more;

			capacity = capacity ? 2 * capacity : 16;
			more = realloc(l->records, capacity * sizeof *more);
			if (!more)
				return -ENOMEM;
			l->records = more;
		}
		if (!take_record(s, &l->records[l->n]))
			return -ENOTSUP;
		l->n++;
	} while (take(s, ","));
	return 0;
}

int status_scan(const char *reply, size_t len, struct status_list *ret_list)
{
	struct status_list l = { .text = malloc(len + 1) };
	struct scan s = { l.text };
	int r = -ENOTSUP;

	if (!l.text)
		return -ENOMEM;
	memcpy(l.text, reply, len);
	l.text[len] = '\0';
	if (take(&s, "{\"parameters\":{\"processes\":["))
		r = take_records(&s, &l);
	if (r == 0 && (!take(&s, "]}}") || s.p != l.text + len))
		r = -ENOTSUP;
	if (r < 0)
		status_list_done(&l);
	else
		*ret_list = l;
	return r;
}

void status_list_done(struct status_list *l)
{
	free(l->records);
	free(l->text);
	*l = (struct status_list){ 0 };
}
