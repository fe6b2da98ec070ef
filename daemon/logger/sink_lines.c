#include "daemon/logger/sink_lines.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/logger/cut.h"

#define FILE_UNIT_BYTES (64 << 10)
#define UNIT_BYTES_KEPT (256 << 10)

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

/* Number of bytes in peek->bytes that may be written, 0, -EAGAIN or -errno. */
static ssize_t whole_lines(const struct sink_lines *s, ssize_t n, size_t asked)
{
	size_t lines = n > 0 ? cut_last_line_end(s->peek->bytes, (size_t)n) : 0;

	if (n <= 0 || lines)
		return n <= 0 ? n : (ssize_t)lines;
	if (s->force || (size_t)n < asked || asked >= PEEK_BYTES_MAX) /* no more can be looked at */
		return n;
	*s->seen = (uint32_t)n;
	return -EAGAIN;
}

/* When the front is known to have no line end, whether one has come since. */
static bool line_end_came(const struct sink_lines *s, size_t available)
{
	ssize_t n;

	if (!*s->seen || s->force || available >= PEEK_BYTES_MAX)
		return true;
	if (available <= *s->seen)
		return false;
	n = peek_at(s->peek, s->pipe, *s->seen, available - *s->seen);
	if (n <= 0 || cut_last_line_end(s->peek->bytes, (size_t)n))
		return true;
	*s->seen += (uint32_t)n;
	return false;
}

static ssize_t look(const struct sink_lines *s)
{
	size_t available = at_most(s->available, PEEK_BYTES_MAX);
	size_t few = at_most(available, PEEK_BYTES_FEW);
	ssize_t n;

	if (s->bytes)
		return peek_at(s->peek, s->pipe, 0, few);
	if (!line_end_came(s, available))
		return -EAGAIN;
	if (!*s->seen) {
		n = peek_at(s->peek, s->pipe, 0, few);
		if (few == available || n <= 0 || cut_last_line_end(s->peek->bytes, (size_t)n))
			return whole_lines(s, n, few);
	}
	n = peek_at(s->peek, s->pipe, 0, available);
	return whole_lines(s, n, available);
}

static size_t fill_with_bytes(struct buf *unit, const char *bytes, size_t len, size_t max)
{
	size_t some = at_most(len, max);
	size_t lines = some < len ? cut_last_line_end(bytes, some) : some;

	buf_add(unit, bytes, lines ? lines : some);
	return unit->len;
}

/* Whole lines until the unit is full, but at least one. Returns the bytes that they were. */
static size_t fill_with_lines(struct buf *unit, const struct linefmt *format, const char *bytes,
			      size_t len, size_t max)
{
	size_t used = 0;

	while (used < len && unit->len < max) {
		const char *end = memchr(bytes + used, '\n', len - used);
		size_t line = end ? (size_t)(end - bytes) - used : len - used;
		size_t before = unit->len;

		linefmt_add(unit, format, bytes + used, line);
		if (before && unit->len > max) {
			unit->len = before;
			break;
		}
		used += line + (end ? 1 : 0);
	}
	return used;
}

static size_t fill(const struct sink_lines *s, const char *bytes, size_t len, size_t max)
{
	buf_clear(s->unit);
	return s->bytes ? fill_with_bytes(s->unit, bytes, len, max)
			: fill_with_lines(s->unit, &s->format, bytes, len, max);
}

/* 0 and *ret_used, or -errno. */
static int put_into_file(struct sink_lines *s, const char *bytes, size_t len, size_t *ret_used)
{
	struct logfile *f = s->file;
	uint64_t room = f->position < f->limit ? f->limit - f->position : 0;
	size_t max = room && room < FILE_UNIT_BYTES ? (size_t)room : FILE_UNIT_BYTES;
	int r;

	*ret_used = fill(s, bytes, len, max);
	if (s->unit->len > room && f->position) {
		r = logfile_rotate(s->files, f);
		if (r < 0)
			return r;
		if (f->outlet) { /* path names something else now */
			outlet_wake(f->outlet);
			return -EBUSY;
		}
		max = f->limit < FILE_UNIT_BYTES ? (size_t)f->limit : FILE_UNIT_BYTES;
		*ret_used = fill(s, bytes, len, max);
	}
	r = buf_error(s->unit);
	return r < 0 ? r : logfile_append(f, s->unit->data, s->unit->len);
}

static int put_into_outlet(struct sink_lines *s, const char *bytes, size_t len, size_t *ret_used)
{
	int r;

	*ret_used = fill(s, bytes, len, PIPE_BUF);
	r = buf_error(s->unit);
	return r < 0 ? r : outlet_put(s->outlet, s->unit->data, s->unit->len, s->owner, *ret_used);
}

static int put_and_take(struct sink_lines *s, const char *bytes, size_t len, size_t *done)
{
	size_t used = 0;
	ssize_t n;
	int r = s->file ? put_into_file(s, bytes, len, &used)
			: put_into_outlet(s, bytes, len, &used);

	if (r < 0)
		return r;
	n = peek_discard(s->peek, s->pipe, used);
	if (n < 0)
		return (int)n;
	*done += used;
	return 0;
}

ssize_t sink_lines_take(struct sink_lines *s)
{
	size_t done = 0;
	ssize_t len;
	int r = 0;

	if (s->outlet && !outlet_admits(s->outlet, s->owner))
		return -EBUSY;
	len = look(s);
	if (len <= 0)
		return len;
	*s->seen = 0;
	linefmt_stamp(s->format.stamp, clock_real_ns());
	while (done < (size_t)len && r == 0)
		r = put_and_take(s, s->peek->bytes + done, (size_t)len - done, &done);
	if (s->unit->capacity > UNIT_BYTES_KEPT)
		buf_done(s->unit);
	return done ? (ssize_t)done : r;
}
