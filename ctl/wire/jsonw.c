#include "ctl/wire/jsonw.h"

#include <math.h>
#include <string.h>

#include "ctl/wire/text.h"

#define SECONDS_MAX 1e12 /* 30,000 years */
#define DIGITS_MAX 20

/* Whatever stands before it, a value needs a comma unless it is the first or follows its key. */
static void begin(struct buf *b, const char *key)
{
	char last = '\0';

	if (b->len)
		last = b->data[b->len - 1];
	if (last && last != '{' && last != '[' && last != ':')
		buf_add_char(b, ',');
	if (!key)
		return;
	buf_add_char(b, '"');
	buf_add_str(b, key);
	buf_add(b, "\":", 2);
}

void jsonw_open(struct buf *b, const char *key, char bracket)
{
	begin(b, key);
	buf_add_char(b, bracket);
}

void jsonw_close(struct buf *b, char bracket)
{
	buf_add_char(b, bracket);
}

static void add_escaped(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char six[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	char two[2] = { '\\', (char)c };

	switch (c) {
	case '\n':
		buf_add(b, "\\n", 2);
		break;
	case '\t':
		buf_add(b, "\\t", 2);
		break;
	case '"':
	case '\\':
		buf_add(b, two, sizeof two);
		break;
	default:
		buf_add(b, six, sizeof six);
	}
}

/* UTF-8 already checked. */
static void add_string(struct buf *b, const char *data, size_t len)
{
	size_t plain = 0;

	buf_add_char(b, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buf_add(b, data + plain, i - plain);
		add_escaped(b, c);
		plain = i + 1;
	}
	buf_add(b, data + plain, len - plain);
	buf_add_char(b, '"');
}

void jsonw_bytes(struct buf *b, const char *key, const char *data, size_t len)
{
	begin(b, key);
	if (text_is_utf8(data, len)) {
		add_string(b, data, len);
		return;
	}
	buf_add_str(b, "{\"base64\":\"");
	text_add_base64(b, data, len);
	buf_add(b, "\"}", 2);
}

void jsonw_str(struct buf *b, const char *key, const char *s)
{
	if (s)
		jsonw_bytes(b, key, s, strlen(s));
	else
		jsonw_null(b, key);
}

/* Decimal digits of v before end, at least min of them. Returns where they begin. */
static char *digits(char *end, uint64_t v, unsigned min)
{
	char *p = end;

	while (v || min) {
		*--p = (char)('0' + v % 10);
		v /= 10;
		if (min)
			min--;
	}
	return p;
}

void jsonw_int(struct buf *b, const char *key, int64_t value)
{
	char text[DIGITS_MAX];
	char *end = text + sizeof text;
	char *p = digits(end, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);

	begin(b, key);
	if (value < 0)
		buf_add_char(b, '-');
	buf_add(b, p, (size_t)(end - p));
}

void jsonw_seconds(struct buf *b, const char *key, double value)
{
	char text[DIGITS_MAX + 1];
	char *end = text + sizeof text;
	double size = fabs(value);
	uint64_t whole, us;
	char *p;

	if (!(size < SECONDS_MAX)) {
		jsonw_null(b, key);
		return;
	}
	whole = (uint64_t)size;
	us = (uint64_t)((size - (double)whole) * 1e6 + 0.5);
	whole += us / 1000000;
	us %= 1000000;
	p = digits(end, us, 6);
	*--p = '.';
	p = digits(p, whole, 1);
	begin(b, key);
	if (value < 0 && (whole || us))
		buf_add_char(b, '-');
	buf_add(b, p, (size_t)(end - p));
}

void jsonw_bool(struct buf *b, const char *key, bool value)
{
	begin(b, key);
	buf_add_str(b, value ? "true" : "false");
}

void jsonw_null(struct buf *b, const char *key)
{
	begin(b, key);
	buf_add(b, "null", 4);
}
