#include "ctl/client/format.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "ctl/wire/text.h"
#include "daemon/base/mem.h"

#define SECONDS_MAX 1e11 /* more than any clock shows; keeps every cast in range */
#define DAY 86400

static long whole_seconds(double seconds)
{
	if (!(seconds > 0))
		return 0;
	return (long)(seconds < SECONDS_MAX ? seconds : SECONDS_MAX);
}

void format_uptime(struct buf *b, double seconds)
{
	long s = whole_seconds(seconds);
	long days = s / DAY;

	if (days)
		buf_addf(b, "%ld day%s, ", days, days == 1 ? "" : "s");
	s %= DAY;
	buf_addf(b, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static void add_time(struct buf *b, double calendar, const char *format)
{
	time_t t = (time_t)whole_seconds(calendar);
	struct tm tm;
	char text[64];

	if (localtime_r(&t, &tm) && strftime(text, sizeof text, format, &tm))
		buf_add_str(b, text);
}

void format_date(struct buf *b, double calendar)
{
	add_time(b, calendar, "%b %d %I:%M %p");
}

void format_time(struct buf *b, double calendar)
{
	double fraction = calendar > 0 && calendar < SECONDS_MAX ? calendar - floor(calendar) : 0;

	add_time(b, calendar, "%Y-%m-%d %H:%M:%S");
	buf_addf(b, ".%03d", (int)(fraction * 1000));
}

static void add_description(struct buf *b, const struct format_status *s)
{
	if (s->pid > 0 && strcmp(s->state, "RUNNING") == 0) {
		buf_addf(b, "pid %lld, uptime ", (long long)s->pid);
		format_uptime(b, s->uptime);
	} else if (strcmp(s->state, "STOPPED") == 0 || strcmp(s->state, "EXITED") == 0) {
		if (s->stopped >= 0)
			format_date(b, s->stopped);
		else
			buf_add_str(b, "Not started");
	} else if (s->reason) {
		format_text(b, s->reason, strlen(s->reason));
	}
}

static void pad(struct buf *b, size_t used, size_t width)
{
	static const char blanks[] = "                                ";

	while (used < width) {
		size_t n = width - used;

		n = n < sizeof blanks - 1 ? n : sizeof blanks - 1;
		buf_add(b, blanks, n);
		used += n;
	}
}

void format_status(struct buf *b, const struct format_status *s, int width, const char *color)
{
	size_t before = b->len;

	format_text(b, s->name, strlen(s->name));
	pad(b, b->len - before, (size_t)(width > FORMAT_NAME_MIN ? width : FORMAT_NAME_MIN) + 3);
	if (color)
		buf_add_str(b, color);
	before = b->len;
	format_text(b, s->state, strlen(s->state));
	pad(b, b->len - before, 10);
	if (color)
		buf_add_str(b, FORMAT_COLOR_END);
	add_description(b, s);
}

bool format_is_running(const char *state)
{
	static const char *const down[] = { "STOPPED", "EXITED", "FATAL", "UNKNOWN" };

	for (size_t i = 0; i < ARRAY_SIZE(down); i++)
		if (strcmp(down[i], state) == 0)
			return false;
	return true;
}

const char *format_state_color(const char *state)
{
	if (strcmp(state, "RUNNING") == 0)
		return "\033[32m";
	if (strcmp(state, "FATAL") == 0 || strcmp(state, "UNKNOWN") == 0)
		return "\033[31m";
	if (strcmp(state, "STOPPED") == 0 || strcmp(state, "EXITED") == 0)
		return "\033[2m";
	return "\033[33m";
}

/* U+0080..9F are control characters, too, and single bytes of that range are to some terminals. */
static bool is_control(const char *text, size_t i, bool is_utf8)
{
	const unsigned char *s = (const unsigned char *)text;

	if (s[i] < 0x80)
		return s[i] < 0x20 || s[i] == 0x7f;
	if (!is_utf8)
		return s[i] < 0xa0;
	return (s[i] == 0xc2 && s[i + 1] < 0xa0) || (s[i] < 0xa0 && s[i - 1] == 0xc2);
}

void format_text(struct buf *b, const char *text, size_t len)
{
	bool is_utf8 = text_is_utf8(text, len);
	size_t plain = 0;

	for (size_t i = 0; i < len; i++) {
		if (!is_control(text, i, is_utf8))
			continue;
		buf_add(b, text + plain, i - plain);
		buf_addf(b, "\\x%02x", (unsigned char)text[i]);
		plain = i + 1;
	}
	buf_add(b, text + plain, len - plain);
}

static void add_list(struct buf *b, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (i)
			buf_add_char(b, ' ');
		format_value(b, json_array_get(list, i));
	}
}

static void add_members(struct buf *b, const json_t *object)
{
	const char *key, *gap = "";
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		buf_addf(b, "%s%s ", gap, key);
		format_value(b, value);
		gap = ", ";
	}
}

void format_value(struct buf *b, const json_t *value)
{
	auto_free char *bytes = NULL;
	size_t len;

	if (!value || json_is_null(value))
		buf_add_char(b, '-');
	else if (text_of_json(value, &bytes, &len) == 0)
		format_text(b, bytes, len);
	else if (json_is_integer(value))
		buf_addf(b, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		buf_addf(b, "%.15g", json_real_value(value));
	else if (json_is_boolean(value))
		buf_add_str(b, json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		add_list(b, value);
	else
		add_members(b, value);
}
