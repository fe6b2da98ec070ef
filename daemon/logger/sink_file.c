#include "daemon/logger/sink_file.h"

#include <errno.h>
#include <fcntl.h>

#include "daemon/logger/cut.h"

/* A line may make a file so much larger than maxbytes before it is split. */
#define LONG_LINE_MIN (1 << 20)

/* How far beyond the limit to look for the end of the line that crosses it. */
#define LOOK_BEYOND (64 << 10)

/* 0 and EAGAIN alike: the pipe is empty. */
static ssize_t move(const struct sink_file *s, size_t bytes)
{
	ssize_t n;

	do
		n = splice(s->pipe, NULL, s->file->fd, NULL, bytes,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	s->file->position += (uint64_t)n;
	return n;
}

static uint64_t room_of(const struct logfile *f)
{
	return f->position < f->limit ? f->limit - f->position : 0;
}

static size_t bytes_to_look_at(const struct sink_file *s)
{
	size_t len = s->available;
	uint64_t near = room_of(s->file);

	if (!s->whole && near < PEEK_BYTES_MAX && len > near + LOOK_BEYOND)
		len = (size_t)near + LOOK_BEYOND;
	return len < PEEK_BYTES_MAX ? len : PEEK_BYTES_MAX;
}

/* 1 and *ret_cut, 0 when the pipe is empty, or -errno. */
static int look(const struct sink_file *s, struct cut *ret_cut)
{
	const struct logfile *f = s->file;
	uint64_t longest = f->maxbytes > LONG_LINE_MIN ? f->maxbytes : LONG_LINE_MIN;
	struct cut_view v = { .size = f->position, .limit = f->limit };
	size_t asked = bytes_to_look_at(s);
	ssize_t seen = peek_at(s->peek, s->pipe, 0, asked);

	if (seen <= 0)
		return (int)seen;
	v.bytes = s->peek->bytes;
	v.seen = (size_t)seen;
	v.hard = f->limit < UINT64_MAX - longest ? f->limit + longest : UINT64_MAX;
	v.whole = s->whole;
	v.force = s->force || v.seen < asked; /* no more can be looked at */
	v.line_start = v.seen > room_of(f) && logfile_at_line_start(f);
	*ret_cut = cut_find(&v);
	return 1;
}

static ssize_t take_cut(const struct sink_file *s, const struct cut *cut)
{
	ssize_t n = move(s, cut->bytes);

	if (n == (ssize_t)cut->bytes && cut->line_end)
		s->file->line_end = s->file->position;
	return n;
}

ssize_t sink_file_take(const struct sink_file *s)
{
	if (!s->whole && s->available <= room_of(s->file))
		return move(s, s->available);
	for (;;) {
		struct cut cut = { 0 };
		int r = look(s, &cut);

		if (r <= 0)
			return r;
		if (cut.what == CUT_TAKE)
			return take_cut(s, &cut);
		if (cut.what == CUT_WAIT)
			return -EAGAIN;
		r = logfile_rotate(s->files, s->file);
		if (r < 0)
			return r;
		if (s->file->outlet) /* path names something else now */
			return -EINVAL;
	}
}
