#include "daemon/logger/stream.h"

#include <limits.h>
#include <sys/epoll.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/logger/logger.h"
#include "daemon/logger/sink_file.h"
#include "daemon/logger/sink_lines.h"

/* What one stream may take before the others have their turn. */
#define TURN_BYTES (1 << 20)

/* So little, and again so soon: see should_nap(). */
#define NAP_BYTES (32 << 10)
#define NAP_SOON_MS 2

/* How long a file that takes nothing is left alone, at first and at most. */
#define RETRY_FIRST_NS (NS_PER_S / 2)
#define RETRY_LAST_NS (5 * NS_PER_S)

/* A pipe found so full is one whose writer waits for us: larger, both switch less often. */
#define BUSY_BYTES (48 << 10)

static const char *stream_name(const struct stream *s)
{
	return s->text;
}

static const char *stream_prefix(const struct stream *s)
{
	return s->text + strlen(s->text) + 1;
}

static const char *number_name(unsigned number)
{
	return number == 2 ? "stderr" : "stdout";
}

/* Where it goes, for the log. */
static const char *target_name(const struct stream *s)
{
	if (s->file)
		return s->file->path;
	return s->kind == LINK_LOG_STDERR ? "fosterd's stderr" : "fosterd's stdout";
}

/* The outlet that s would write to, if it is there already. */
static struct outlet *present_outlet(struct logger *l, const struct stream *s)
{
	if (s->file)
		return s->file->outlet;
	return l->outlets[s->kind == LINK_LOG_STDERR ? 1 : 0];
}

/* ---- watching and waiting ------------------------------------------------------------------ */

static int set_watch(struct logger *l, const struct stream *s, enum stream_watch how)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = (void *)s };
	int op = s->watch == STREAM_NONE ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (how == STREAM_NONE)
		op = EPOLL_CTL_DEL;
	if (how == STREAM_EDGE)
		e.events |= EPOLLET;
	return epoll_ctl(l->epoll_fd, op, s->pipe, &e) < 0 ? -errno : 0;
}

static void wait_for_retry(struct logger *l, struct stream *s);

static void watch(struct logger *l, struct stream *s, enum stream_watch how)
{
	int r = s->watch == how ? 0 : set_watch(l, s, how);

	if (r == 0) {
		s->watch = (uint8_t)how;
		return;
	}
	log_error(stream_name(s), "%s: cannot watch its pipe: %s", number_name(s->number),
		  strerror(-r));
	s->retry_at_ns = clock_boot_ns() + RETRY_FIRST_NS;
	wait_for_retry(l, s);
}

static void wait_in(struct stream *s, struct stream_list *list)
{
	TAILQ_INSERT_TAIL(list, s, wait);
	s->waits = list;
}

static void wait_no_more(struct stream *s)
{
	if (s->waits)
		TAILQ_REMOVE(s->waits, s, wait);
	s->waits = NULL;
}

static void set_retry_timer(struct logger *l)
{
	uint64_t soonest_ns = UINT64_MAX;
	const struct stream *s;
	double after;

	ev_timer_stop(l->loop, &l->on_retry);
	if (TAILQ_EMPTY(&l->retries))
		return;
	TAILQ_FOREACH(s, &l->retries, wait)
	if (s->retry_at_ns < soonest_ns)
		soonest_ns = s->retry_at_ns;
	after = clock_seconds(clock_boot_ns(), soonest_ns);
	ev_timer_set(&l->on_retry, after > 0 ? after : 0, 0);
	ev_timer_start(l->loop, &l->on_retry);
}

/* Streams come in the order of their failing, most with the same delay: the timer seldom moves. */
static void wait_for_retry(struct logger *l, struct stream *s)
{
	double after = clock_seconds(clock_boot_ns(), s->retry_at_ns);

	if (s->watch != STREAM_NONE)
		watch(l, s, STREAM_NONE);
	wait_in(s, &l->retries);
	if (!ev_is_active(&l->on_retry) || after < ev_timer_remaining(l->loop, &l->on_retry))
		set_retry_timer(l);
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
	struct outlet *o = present_outlet(l, s);

	wait_no_more(s);
	if (o && o->owner == s)
		outlet_abandon(o);
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
	auto_free char *text = join_text(set);
	int r = text ? set_target(l, s, set) : -ENOMEM;

	if (r < 0)
		return r;
	free(s->text);
	s->text = take_ptr(text);
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

static void stream_free(struct logger *l, struct stream *s)
{
	if (s->enlarged)
		l->peek.enlarged--;
	wait_no_more(s);
	logger_stream_removed(l, s);
	logfile_put(&l->files, s->file);
	/* Closing does not take it out of the epoll instance: others have the same pipe open. */
	if (s->watch != STREAM_NONE)
		(void)set_watch(l, s, STREAM_NONE);
	close_fd(&s->pipe);
	free(s->text);
	free(s);
}

int stream_new(struct logger *l, uint32_t slot, int pipe, const struct stream_settings *set,
	       struct stream **ret)
{
	auto_close int fd = pipe;
	auto_free struct stream *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return -ENOMEM;
	s->slot = slot;
	s->number = (uint8_t)set->log.stream;
	s->pipe = fd;
	s->watch = STREAM_NONE;
	r = set_all(l, s, set);
	if (r < 0)
		return r;
	r = set_watch(l, s, STREAM_LEVEL);
	if (r < 0) {
		logfile_put(&l->files, s->file);
		free(s->text);
		return r;
	}
	s->watch = STREAM_LEVEL;
	(void)take_fd(fd);
	logger_stream_added(l, s);
	*ret = take_ptr(s);
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
			 number_name(s->number), target_name(s), (unsigned long long)s->dropped);
	else
		log_info(stream_name(s), "%s: %s: can be written again", number_name(s->number),
			 target_name(s));
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
	if (!s->failures) {
		errno = -err;
		log_error(stream_name(s), "%s: cannot write to %s: %m, %s", number_name(s->number),
			  target_name(s), s->drop ? "output is dropped" : "output waits");
	}
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

/* ---- taking -------------------------------------------------------------------------------- */

static int shared_outlet(struct logger *l, const struct stream *s, struct outlet **ret)
{
	unsigned which = s->kind == LINK_LOG_STDERR ? 1 : 0;

	if (!l->outlets[which])
		l->outlets[which] = outlet_new(l->loop, which ? LOGGER_STDERR_FD : STDOUT_FILENO,
					       target_name(s), OUTLET_SHARED, stream_on_writable);
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
			    .stream = number_name(s->number) },
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
		.force = force,
	};
	ssize_t n = sink_file_take(&sink);

	if (n != -EINVAL)
		return n;
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
static ssize_t take(struct logger *l, struct stream *s, size_t max)
{
	ssize_t n;

	if (max >= BUSY_BYTES)
		enlarge(l, s);
	n = take_once(l, s, max, s->ending);
	if (n != -EAGAIN || !pipe_is_full(s->pipe))
		return n;
	return take_once(l, s, max, true);
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
		wait_no_more(other);
		other->retry_at_ns = clock_boot_ns();
		wait_for_retry(l, other);
	}
	logfile_close(&l->files, s->file);
}

static void not_written(struct logger *l, struct stream *s, int err, size_t max)
{
	struct outlet *o = present_outlet(l, s);

	failed(s, err);
	if (s->drop) {
		if (o && o->owner == s)
			outlet_abandon(o);
		throw_away(l, s, max);
	}
	release_outlet(l, s);
	if (s->drop)
		watch(l, s, STREAM_LEVEL);
	else
		wait_for_retry(l, s);
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
		watch(l, s, STREAM_EDGE);
	} else if (n == -EBUSY) {
		watch(l, s, STREAM_NONE);
		wait_in(s, &present_outlet(l, s)->waiters);
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
	size_t much = !napped ? NAP_BYTES : s->enlarged ? PEEK_BYTES_MAX / 2 : BUSY_BYTES;
	uint32_t before_ms = s->turn_ms;

	if (s->ending || s->failures || !taken || taken >= much)
		return false;
	s->turn_ms = now_ms();
	return napped || s->turn_ms - before_ms <= NAP_SOON_MS;
}

static void nap(struct logger *l, struct stream *s)
{
	watch(l, s, STREAM_NONE);
	wait_in(s, &l->naps);
	if (!ev_is_active(&l->on_nap))
		ev_timer_again(l->loop, &l->on_nap);
}

/* The turn is over; `more` may be there. */
static void rest(struct logger *l, struct stream *s, size_t taken, bool more, bool napped)
{
	if (s->ending && (!s->left || !pipe_available(s->pipe)))
		stream_free(l, s);
	else if ((more || s->watch != STREAM_EDGE) && should_nap(s, taken, napped))
		nap(l, s);
	else if (more || s->watch == STREAM_NONE)
		watch(l, s, STREAM_LEVEL);
}

/* Bytes that come faster than they are taken, but few each time, end the turn, too: both sides would
 * spend it waiting for the pipe's lock. */
void stream_drive(struct logger *l, struct stream *s)
{
	bool napped = s->waits == &l->naps;
	size_t taken = 0;
	bool more = true;

	wait_no_more(s);
	while (more && taken < TURN_BYTES) {
		size_t max = bytes_to_take(s, TURN_BYTES - taken);
		ssize_t n = 0;

		if (drops_now(s)) {
			throw_away(l, s, max);
			watch(l, s, STREAM_LEVEL);
			more = false;
		} else {
			n = max ? take(l, s, max) : 0;
			more = after_taking(l, s, n, max);
		}
		taken += n > 0 ? (size_t)n : 0;
		if (n < NAP_BYTES && !s->ending)
			break;
	}
	if (!s->waits)
		rest(l, s, taken, more, napped);
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

void stream_abandon(struct logger *l, struct stream *s)
{
	struct outlet *o = present_outlet(l, s);

	if (s->left)
		log_warning(stream_name(s), "%s: %u bytes could not be written to %s",
			    number_name(s->number), (unsigned)s->left, target_name(s));
	if (o && o->owner == s)
		outlet_abandon(o);
	stream_free(l, s);
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

void stream_on_nap(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct logger *l = ev_userdata(loop);
	struct stream_list awake = TAILQ_HEAD_INITIALIZER(awake);
	struct stream *s;

	(void)events;
	TAILQ_CONCAT(&awake, &l->naps, wait);
	while ((s = TAILQ_FIRST(&awake))) {
		TAILQ_REMOVE(&awake, s, wait);
		TAILQ_INSERT_TAIL(&l->naps, s, wait); /* where its `waits` says that it is */
		stream_drive(l, s);
	}
	if (TAILQ_EMPTY(&l->naps))
		ev_timer_stop(loop, timer);
}

void stream_on_retry(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct logger *l = ev_userdata(loop);
	struct stream *s, *next;

	(void)timer;
	(void)events;
	for (s = TAILQ_FIRST(&l->retries); s; s = next) {
		next = TAILQ_NEXT(s, wait);
		if (s->retry_at_ns > clock_boot_ns())
			continue;
		stream_drive(l, s);
	}
	set_retry_timer(l);
}
