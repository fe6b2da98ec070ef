#include "daemon/logger/stream_take.h"

#include <errno.h>
#include <unistd.h>

#include "daemon/logger/logger.h"
#include "daemon/logger/sink_file.h"
#include "daemon/logger/sink_lines.h"

/* Streams that share a file wait for each other's line ends so long: each piece of a line has all of
 * it looked at again. */
#define LINE_AWAITED_BYTES PEEK_BYTES_FEW

static int shared_outlet(struct logger *l, const struct stream *s, struct outlet **ret)
{
	unsigned which = s->kind == LINK_LOG_STDERR ? 1 : 0;

	if (!l->outlets[which])
		l->outlets[which] = outlet_new(l->loop, which ? LOGGER_STDERR_FD : STDOUT_FILENO,
					       stream_target(s), OUTLET_SHARED, stream_on_writable);
	*ret = l->outlets[which];
	return *ret ? 0 : -ENOMEM;
}

/* Make what s writes to ready: *ret_outlet is NULL for a regular file. 0 or -errno. */
static int prepare(struct logger *l, struct stream *s, struct outlet **ret_outlet)
{
	int r;

	if (!s->file)
		return shared_outlet(l, s, ret_outlet);
	r = logfile_prepare(&l->files, s->file);
	*ret_outlet = s->file->outlet;
	return r;
}

/* The rest of an earlier unit of ours goes out first. 1: the bytes that it was made of are taken;
 * 0: there was none; -EBUSY or -errno. */
static int settle_debt(struct logger *l, struct stream *s, struct outlet *o, size_t *ret_taken)
{
	size_t owed = o->owed;
	ssize_t n;
	int r;

	if (o->owner != s)
		return 0;
	r = outlet_resume(o);
	if (r < 0)
		return r;
	n = peek_discard(&l->peek, s->pipe, owed);
	if (n < 0)
		return (int)n;
	*ret_taken = (size_t)n;
	if (!TAILQ_EMPTY(&o->waiters))
		outlet_wake(o);
	return 1;
}

static bool is_formatted(const struct stream *s)
{
	return s->form != LINEFMT_RAW || *stream_prefix(s);
}

static ssize_t take_lines(struct logger *l, struct stream *s, struct outlet *o, size_t max,
			  bool force)
{
	struct sink_lines sink = {
		.peek = &l->peek,
		.unit = &l->unit,
		.files = &l->files,
		.file = o ? NULL : s->file,
		.outlet = o,
		.format = { .form = s->form,
			    .prefix = stream_prefix(s),
			    .name = stream_name(s),
			    .stream = stream_which(s) },
		.owner = s,
		.pipe = s->pipe,
		.available = max,
		.bytes = s->file && s->file->refs == 1 && !is_formatted(s),
		.force = force,
		.seen = &s->seen,
	};
	size_t taken = 0;
	int r = o ? settle_debt(l, s, o, &taken) : 0;

	if (r != 0)
		return r < 0 ? r : (ssize_t)taken;
	return sink_lines_take(&sink);
}

static ssize_t take_by_splice(struct logger *l, struct stream *s, size_t max, bool force)
{
	struct sink_file sink = {
		.files = &l->files,
		.file = s->file,
		.peek = &l->peek,
		.pipe = s->pipe,
		.available = max,
		.whole = s->file->refs > 1,
		.force = force || max >= LINE_AWAITED_BYTES,
	};
	ssize_t n = sink_file_take(&sink);

	if (n != -EINVAL)
		return n;
	if (!s->file->outlet)
		s->file->no_splice = true;
	return take_lines(l, s, s->file->outlet, max, force);
}

static ssize_t take_once(struct logger *l, struct stream *s, size_t max, bool force)
{
	struct outlet *o = NULL;
	int r = prepare(l, s, &o);

	if (r < 0)
		return r;
	if (o || is_formatted(s) || s->file->no_splice)
		return take_lines(l, s, o, max, force);
	return take_by_splice(l, s, max, force);
}

static void enlarge(struct logger *l, struct stream *s)
{
	if (!s->enlarged)
		s->enlarged = pipe_enlarge(&l->peek, s->pipe);
}

/* As take_once(); the beginning of a line whose end has no room in the pipe is taken, too. */
ssize_t stream_take(struct logger *l, struct stream *s, size_t max)
{
	ssize_t n;

	if (max >= STREAM_BUSY_BYTES)
		enlarge(l, s);
	n = take_once(l, s, max, s->ending);
	if (n != -EAGAIN || !pipe_is_full(s->pipe))
		return n;
	return take_once(l, s, max, true);
}
