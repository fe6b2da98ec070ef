#include "daemon/logger/linefmt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"

void linefmt_stamp(char stamp[LINEFMT_STAMP_BYTES], uint64_t real_ns)
{
	time_t seconds = (time_t)(real_ns / NS_PER_S);
	long offset;
	struct tm tm;
	size_t n;

	localtime_r(&seconds, &tm);
	offset = tm.tm_gmtoff / 60;
	n = strftime(stamp, LINEFMT_STAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(stamp + n, LINEFMT_STAMP_BYTES - n, ".%03u%c%02ld:%02ld",
		       (unsigned)(real_ns / NS_PER_MS % 1000), offset < 0 ? '-' : '+',
		       labs(offset) / 60, labs(offset) % 60);
}

/* Length of the UTF-8 sequence at s, or 0 when it is none (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	if (s[0] == 0xed)
		high = 0x9f;
	if (s[0] == 0xf0)
		low = 0x90;
	if (s[0] == 0xf4)
		high = 0x8f;
	if (len < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

static void add_escaped(struct buf *to, unsigned char c)
{
	static const char letters[] = "btn\1fr"; /* of 8 to 13; 11 has none */

	if (c == '"' || c == '\\')
		buf_addf(to, "\\%c", c);
	else if (c >= 8 && c <= 13 && c != 11)
		buf_addf(to, "\\%c", letters[c - 8]);
	else if (c < 0x20 || c == 0x7f)
		buf_addf(to, "\\u%04x", c);
	else
		buf_addf(to, "\\\\x%02x", c);
}

static size_t plain_length(const unsigned char *s, size_t len)
{
	size_t at = 0;

	while (at < len && s[at] >= 0x20 && s[at] != '"' && s[at] != '\\' && s[at] != 0x7f) {
		size_t n = utf8_length(s + at, len - at);

		if (!n)
			break;
		at += n;
	}
	return at;
}

static void add_json_string(struct buf *to, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t at = 0;

	buf_add_char(to, '"');
	while (at < len) {
		size_t plain = plain_length(s + at, len - at);

		buf_add(to, s + at, plain);
		at += plain;
		if (at < len)
			add_escaped(to, s[at++]);
	}
	buf_add_char(to, '"');
}

static void add_json(struct buf *to, const struct linefmt *f, const char *line, size_t len)
{
	buf_addf(to, "{\"time\":\"%s\",\"name\":", f->stamp);
	add_json_string(to, f->name, strlen(f->name));
	buf_addf(to, ",\"stream\":\"%s\",\"line\":", f->stream);
	add_json_string(to, line, len);
	buf_add_char(to, '}');
}

void linefmt_add(struct buf *to, const struct linefmt *f, const char *line, size_t len)
{
	if (f->form == LINEFMT_JSON) {
		add_json(to, f, line, len);
	} else {
		buf_add_str(to, f->prefix);
		if (f->form == LINEFMT_TIMESTAMP) {
			buf_add_str(to, f->stamp);
			buf_add_char(to, ' ');
		}
		buf_add(to, line, len);
	}
	buf_add_char(to, '\n');
}
