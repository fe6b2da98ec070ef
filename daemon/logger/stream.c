#include "daemon/logger/stream.h"

#include <limits.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/path.h"
#include "daemon/logger/logger.h"
#include "daemon/logger/stream_take.h"
#include "daemon/logger/stream_wait.h"

/* What one stream may take before the others have their turn. */
#define TURN_BYTES (1 << 20)

/* So little, and again so soon: see should_nap(). */
#define NAP_BYTES (32 << 10)
#define NAP_SOON_MS 2

/* How long a file that takes nothing is left alone, at first and at most. */
#define RETRY_FIRST_NS STREAM_RETRY_NS
#define RETRY_LAST_NS (5 * NS_PER_S)

const char *stream_name(const struct stream *s)
{
	return s->text;
}

const char *stream_prefix(const struct stream *s)
{
	return s->text + strlen(s->text) + 1;
}

const char *stream_which(const struct stream *s)
{
	return s->number == 2 ? "stderr" : "stdout";
}

/* Where it goes, for the log. */
const char *stream_target(const struct stream *s)
{
	if (s->file)
		return s->file->path;
	return s->kind == LINK_LOG_STDERR ? "fosterd's stderr" : "fosterd's stdout";
}

/* The outlet that s would write to, if it is there already. */
struct outlet *stream_outlet(struct logger *l, const struct stream *s)
{
	if (s->file)
		return s->file->outlet;
	return l->outlets[s->kind == LINK_LOG_STDERR ? 1 : 0];
}

/* A rest of ours is held up. It has to go out before anything else, also when who had printed it has read it
 * back: his end of the pipe can be read, too. */
static bool owes(struct logger *l, const struct stream *s)
{
	const struct outlet *o = stream_outlet(l, s);

	return o && o->owner == s;
}

static void abandon_rest(struct logger *l, const struct stream *s)
{
	if (owes(l, s))
		outlet_abandon(stream_outlet(l, s));
}

/* ---- making and changing ------------------------------------------------------------------- */

/* "name\0prefix\0", or NULL. Without a name the file's own serves. */
static char *join_text(const struct stream_settings *set)
{
	const char *base = strrchr(set->path, '/');
	const char *name = *set->name ? set->name : base ? base + 1 : set->path;
	size_t name_size = strlen(name) + 1;
	size_t prefix_size = strlen(set->prefix) + 1;
	char *text = malloc(name_size + prefix_size);

	if (!text)
		return NULL;
	memcpy(text, name, name_size);
	memcpy(text + name_size, set->prefix, prefix_size);
	return text;
}

/* What it was writing where it wrote before is still in its pipe. */
static void leave_target(struct logger *l, struct stream *s)
{
	stream_wait_no_more(s);
	abandon_rest(l, s);
	logfile_put(&l->files, s->file);
}

static int set_target(struct logger *l, struct stream *s, const struct stream_settings *set)
{
	struct logfile *file = NULL;

	if (set->log.kind == LINK_LOG_FILE) {
		file = logfile_get(&l->files, set->path);
		if (!file)
			return -ENOMEM;
		logfile_set(file, set->log.maxbytes, set->log.backups, set->log.mode);
	}
	if (s->kind == set->log.kind && s->file == file) {
		logfile_put(&l->files, file);
		return 0;
	}
	leave_target(l, s);
	s->kind = (uint8_t)set->log.kind;
	s->file = file;
	return 0;
}

static int set_all(struct logger *l, struct stream *s, const struct stream_settings *set)
{
	char *text = join_text(set);
	int r = text ? set_target(l, s, set) : -ENOMEM;

	if (r < 0) {
		free(text);
		return r;
	}
	free(s->text);
	s->text = text;
	s->form = (uint8_t)set->log.format;
	s->drop = set->log.drop;
	s->seen = 0;
	return 0;
}

int stream_change(struct logger *l, struct stream *s, const struct stream_settings *set)
{
	int r = set_all(l, s, set);

	if (r == 0)
		stream_drive(l, s);
	return r;
}

/* Closing the pipe does not take it out of the epoll instance: others have it open, too. */
static void release(struct logger *l, struct stream *s)
{
	if (s->watch != STREAM_NONE)
		(void)stream_watch_try(l, s, STREAM_NONE);
	logfile_put(&l->files, s->file);
	close_fd(&s->pipe);
	free(s->text);
	free(s);
}

static void say_unlogged(struct logger *l, uint32_t id)
{
	struct link_head h = { .type = LINK_UNLOGGED, .slot = LINK_NO_SLOT, .incarnation = id };

	if (link_send(&l->link, &h, NULL, 0, NULL, 0) == 0)
		(void)link_flush(&l->link);
}

static void stream_free(struct logger *l, struct stream *s)
{
	if (s->dropped)
		log_info(stream_name(s), "%s: %s: %llu bytes were dropped", stream_which(s),
			 stream_target(s), (unsigned long long)s->dropped);
	if (s->enlarged)
		l->peek.enlarged--;
	stream_wait_no_more(s);
	logger_stream_removed(l, s);
	if (s->unlog)
		say_unlogged(l, s->unlog);
	release(l, s);
}

int stream_new(struct logger *l, int pipe, const struct stream_settings *set, struct stream **ret)
{
	struct stream *s = calloc(1, sizeof *s);
	int r;

	if (!s) {
		close(pipe);
		return -ENOMEM;
	}
	s->number = (uint8_t)set->log.stream;
	s->pipe = pipe;
	s->watch = STREAM_NONE;
	r = set_all(l, s, set);
	if (r == 0)
		r = stream_watch_try(l, s, STREAM_LEVEL);
	if (r < 0) {
		release(l, s);
		return r;
	}
	logger_stream_added(l, s);
	*ret = s;
	return 0;
}

/* ---- what happened to the bytes ------------------------------------------------------------ */

static void took(struct logger *l, struct stream *s, size_t n)
{
	l->progress = true;
	s->seen = 0;
	if (s->ending)
		s->left -= n < s->left ? (uint32_t)n : s->left;
	if (!s->failures)
		return;
	if (s->dropped)
		log_info(stream_name(s), "%s: %s: can be written again, %llu bytes were dropped",
			 stream_which(s), stream_target(s), (unsigned long long)s->dropped);
	else
		log_info(stream_name(s), "%s: %s: can be written again", stream_which(s),
			 stream_target(s));
	s->failures = 0;
	s->dropped = 0;
}

/* Doubled with each failure in a row. */
static uint64_t retry_delay_ns(unsigned failures)
{
	uint64_t delay = RETRY_FIRST_NS << (failures < 8 ? failures : 8);

	return delay < RETRY_LAST_NS ? delay : RETRY_LAST_NS;
}

static void failed(struct stream *s, int err)
{
	if (!s->failures)
		log_error(stream_name(s), "%s: cannot write to %s: %s, %s", stream_which(s),
			  stream_target(s), path_error(err),
			  s->drop ? "output is dropped" : "output waits");
	s->retry_at_ns = clock_boot_ns() + retry_delay_ns(s->failures);
	if (s->failures < UCHAR_MAX)
		s->failures++;
}

static void throw_away(struct logger *l, struct stream *s, size_t max)
{
	ssize_t n = peek_discard(&l->peek, s->pipe, max);

	if (n <= 0)
		return;
	s->dropped += (uint64_t)n;
	s->seen = 0;
	if (s->ending)
		s->left -= (size_t)n < s->left ? (uint32_t)n : s->left;
}

/* ---- the turn ------------------------------------------------------------------------------ */

/* One that failed and may drop does so until it is time to try again. */
static bool drops_now(const struct stream *s)
{
	return s->drop && s->failures && clock_boot_ns() < s->retry_at_ns;
}

/* A FIFO whose reader went, a terminal that hung up: opened again by name, it may be better. */
static void release_outlet(struct logger *l, struct stream *s)
{
	struct outlet *o = s->file ? s->file->outlet : NULL;
	struct stream *other;

	if (!o)
		return;
	while ((other = TAILQ_FIRST(&o->waiters))) {
		stream_wait_no_more(other);
		other->retry_at_ns = clock_boot_ns();
		stream_wait_for_retry(l, other);
	}
	logfile_close(&l->files, s->file);
}

static void not_written(struct logger *l, struct stream *s, int err, size_t max)
{
	failed(s, err);
	if (s->drop) {
		abandon_rest(l, s);
		throw_away(l, s, max);
	}
	release_outlet(l, s);
	if (s->drop)
		stream_watch(l, s, STREAM_LEVEL);
	else
		stream_wait_for_retry(l, s);
}

/* Returns whether to go on at once. */
static bool after_taking(struct logger *l, struct stream *s, ssize_t n, size_t max)
{
	if (n > 0) {
		took(l, s, (size_t)n);
		return true;
	}
	if (n == 0)
		return false;
	if (n == -EAGAIN) {
		stream_watch(l, s, STREAM_EDGE);
	} else if (n == -EBUSY) {
		stream_watch(l, s, STREAM_NONE);
		stream_wait_in(s, &stream_outlet(l, s)->waiters);
	} else {
		not_written(l, s, (int)n, max);
	}
	return false;
}

static size_t bytes_to_take(const struct stream *s, size_t turn)
{
	size_t max = pipe_available(s->pipe);

	if (s->ending && max > s->left)
		max = s->left;
	return max < turn ? max : turn;
}

static uint32_t now_ms(void)
{
	return (uint32_t)(clock_boot_ns() / NS_PER_MS);
}

/* Whether bytes come so little at a time, and so soon again, that it is better to let them gather.
 * One that finds much after a nap has a writer who may be waiting for us. */
static bool should_nap(struct stream *s, size_t taken, bool napped)
{
	size_t much = !napped ? NAP_BYTES : s->enlarged ? PEEK_BYTES_MAX / 2 : STREAM_BUSY_BYTES;
	uint32_t before_ms = s->turn_ms;

	if (s->ending || s->failures || !taken || taken >= much)
		return false;
	s->turn_ms = now_ms();
	return napped || s->turn_ms - before_ms <= NAP_SOON_MS;
}

/* The turn is over; `more` may be there. */
static void turn_over(struct logger *l, struct stream *s, size_t taken, bool more, bool napped)
{
	if (s->ending && (!s->left || !pipe_available(s->pipe)))
		stream_free(l, s);
	else if ((more || s->watch != STREAM_EDGE) && should_nap(s, taken, napped))
		stream_nap(l, s);
	else if (more || s->watch == STREAM_NONE)
		stream_watch(l, s, STREAM_LEVEL);
}

/* Bytes that come faster than they are taken, but few each time, end the turn, too: both sides would
 * spend it waiting for the pipe's lock. */
void stream_drive(struct logger *l, struct stream *s)
{
	bool napped = s->waits == &l->naps;
	size_t taken = 0;
	bool more = true;

	stream_wait_no_more(s);
	while (more && taken < TURN_BYTES) {
		size_t max = bytes_to_take(s, TURN_BYTES - taken);
		ssize_t n = 0;

		if (drops_now(s)) {
			throw_away(l, s, max);
			stream_watch(l, s, STREAM_LEVEL);
			more = false;
		} else {
			n = max || owes(l, s) ? stream_take(l, s, max) : 0;
			more = after_taking(l, s, n, max);
		}
		taken += n > 0 ? (size_t)n : 0;
		if (n < NAP_BYTES && !s->ending)
			break;
	}
	if (!s->waits)
		turn_over(l, s, taken, more, napped);
}

/* ---- ending -------------------------------------------------------------------------------- */

void stream_end(struct logger *l, struct stream *s)
{
	s->ending = true;
	s->left = (uint32_t)pipe_available(s->pipe);
	/* One that waits for an outlet goes on when that has room. Others are tried at once. */
	if (!s->left || !s->waits || s->waits == &l->retries || s->waits == &l->naps)
		stream_drive(l, s);
}

void stream_forget(struct logger *l, struct stream *s)
{
	abandon_rest(l, s);
	stream_free(l, s);
}

void stream_leave(struct logger *l, struct stream *s)
{
	if (!owes(l, s) || !stream_outlet(l, s)->begun) {
		stream_forget(l, s);
		return;
	}
	s->ending = true;
	s->left = (uint32_t)stream_outlet(l, s)->owed;
}

void stream_abandon(struct logger *l, struct stream *s)
{
	if (s->left)
		log_warning(stream_name(s), "%s: %u bytes could not be written to %s",
			    stream_which(s), (unsigned)s->left, stream_target(s));
	stream_forget(l, s);
}

/* ---- woken --------------------------------------------------------------------------------- */

void stream_on_writable(struct ev_loop *loop, struct ev_io *writable, int events)
{
	struct logger *l = ev_userdata(loop);
	struct outlet *o = container_of(writable, struct outlet, writable);
	struct stream *s;

	(void)events;
	ev_io_stop(loop, writable);
	outlet_hold(o);
	if (o->owner)
		stream_drive(l, o->owner);
	while (!o->rest && (s = TAILQ_FIRST(&o->waiters))) {
		o->granted = s;
		stream_drive(l, s);
	}
	o->granted = NULL;
	outlet_release(o);
}
