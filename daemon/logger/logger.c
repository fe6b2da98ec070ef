#include "daemon/logger/logger.h"

#include <sys/epoll.h>
#include <sys/resource.h>

#include "daemon/base/log.h"
#include "daemon/base/loop.h"
#include "daemon/base/mem.h"
#include "daemon/base/nomem.h"
#include "daemon/logger/stream_wait.h"

#define EVENTS_AT_ONCE 64
#define DATAGRAMS_AT_ONCE 16

/* Descriptors kept free of log files: our own, outlets, and those of one datagram. */
#define FDS_RESERVED (32 + LINK_FDS_MAX)

/* While finishing: without a byte written for so long there will be none. What is not written then is said,
 * before the keeper kills us, after five seconds. */
#define DEADLINE_S 2.0
#define DEADLINES_MAX 2

/* Longer than it takes until all that ends with a killed keeper has ended. */
#define GRACE_S 0.2

/* ---- books --------------------------------------------------------------------------------- */

static void share_out_fds(struct logger *l)
{
	size_t taken = l->n_streams + FDS_RESERVED;

	logfiles_limit(&l->files, l->max_fds > taken ? l->max_fds - taken : 1);
}

void logger_stream_added(struct logger *l, struct stream *s)
{
	TAILQ_INSERT_TAIL(&l->streams, s, all);
	l->n_streams++;
	share_out_fds(l);
}

void logger_stream_removed(struct logger *l, struct stream *s)
{
	TAILQ_REMOVE(&l->streams, s, all);
	l->n_streams--;
	share_out_fds(l);
	if (l->finishing && TAILQ_EMPTY(&l->streams))
		ev_break(l->loop, EVBREAK_ALL);
}

/* As many as the system lets us have. */
static size_t raise_fd_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 0;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		(void)getrlimit(RLIMIT_NOFILE, &lim);
	return (size_t)lim.rlim_cur;
}

/* ---- finishing ----------------------------------------------------------------------------- */

static void give_up(struct logger *l)
{
	struct stream *s;

	while ((s = TAILQ_FIRST(&l->streams)))
		stream_abandon(l, s);
	ev_break(l->loop, EVBREAK_ALL);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct logger *l = ev_userdata(loop);

	(void)timer;
	(void)events;
	if (!l->progress || ++l->deadlines == DEADLINES_MAX)
		give_up(l);
	l->progress = false;
}

static void finish(struct logger *l)
{
	struct stream *s, *next;

	l->finishing = true;
	ev_timer_again(l->loop, &l->on_deadline);
	for (s = TAILQ_FIRST(&l->streams); s; s = next) {
		next = TAILQ_NEXT(s, all);
		if (!s->ending && l->followed)
			stream_leave(l, s);
		else if (!s->ending)
			stream_end(l, s);
	}
	if (TAILQ_EMPTY(&l->streams))
		ev_break(l->loop, EVBREAK_ALL);
}

static void on_grace(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	finish(ev_userdata(loop));
}

/* A keeper that has not dismissed us was killed. Its link is closed before the kernel, or the supervisor, has
 * killed those that end with it: what they print until then nobody else will read. */
static void on_end_of_link(struct logger *l)
{
	ev_io_stop(l->loop, &l->on_link);
	ev_io_stop(l->loop, &l->on_link_writable);
	if (l->dismissed || TAILQ_EMPTY(&l->streams))
		finish(l);
	else
		ev_timer_start(l->loop, &l->on_grace);
}

/* ---- watchers ------------------------------------------------------------------------------ */

static void flush(struct logger *l)
{
	int r = link_flush(&l->link);

	if (r == -EAGAIN)
		ev_io_start(l->loop, &l->on_link_writable);
	else
		ev_io_stop(l->loop, &l->on_link_writable);
}

static void on_link_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	(void)io;
	(void)events;
	flush(ev_userdata(loop));
}

/* Fosterd's programs were replaced while it runs: it must hear of it to go over to the new ones, and any
 * message of ours says so. */
static void say_version(struct logger *l)
{
	struct link_head h = { .type = LINK_PONG };

	log_error("link", "fosterd speaks another version of messages than %d", LINK_VERSION);
	(void)link_send(&l->link, &h, NULL, 0, NULL, 0);
	(void)link_flush(&l->link);
}

static void on_link(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct logger *l = ev_userdata(loop);
	int r = 1;

	(void)io;
	(void)events;
	for (int n = 0; n < DATAGRAMS_AT_ONCE && (r > 0 || r == -EPROTO); n++) {
		r = link_receive(&l->link, logger_on_message, l);
		if (r == -EPROTO)
			log_error("link", "a message of the keeper is not well formed");
	}
	if (r == -EPROTONOSUPPORT)
		say_version(l);
	if (r > 0 || r == -EPROTO || r == -EAGAIN)
		flush(l);
	else
		on_end_of_link(l);
}

/* A turn may free its own stream, never another that stands in events. */
static void on_pipes(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct logger *l = ev_userdata(loop);
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(l->epoll_fd, events, EVENTS_AT_ONCE, 0);

	(void)io;
	(void)revents;
	for (int i = 0; i < n; i++)
		stream_drive(l, events[i].data.ptr);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void init_watchers(struct logger *l)
{
	ev_set_userdata(l->loop, l);
	ev_io_init(&l->on_link, on_link, l->link.fd, EV_READ);
	ev_io_init(&l->on_link_writable, on_link_writable, l->link.fd, EV_WRITE);
	ev_io_init(&l->on_pipes, on_pipes, l->epoll_fd, EV_READ);
	ev_timer_init(&l->on_retry, stream_on_retry, 0, 0);
	ev_timer_init(&l->on_nap, stream_on_nap, 0, STREAM_NAP_S);
	ev_timer_init(&l->on_grace, on_grace, GRACE_S, 0);
	ev_timer_init(&l->on_deadline, on_deadline, 0, DEADLINE_S);
	ev_io_start(l->loop, &l->on_link);
	ev_io_start(l->loop, &l->on_pipes);
}

int logger_init(struct logger *l, int link_fd)
{
	int r;

	link_init(&l->link, link_fd);
	TAILQ_INIT(&l->streams);
	TAILQ_INIT(&l->retries);
	TAILQ_INIT(&l->naps);
	l->max_fds = raise_fd_limit();
	ev_set_allocator(nomem_realloc);
	l->loop = loop_new();
	if (!l->loop)
		return -ENOMEM;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = l->epoll_fd < 0 ? -errno : logfiles_init(&l->files, l->loop, stream_on_writable);
	if (r == 0)
		r = peek_init(&l->peek);
	if (r < 0)
		return r;
	share_out_fds(l);
	init_watchers(l);
	return 0;
}

void logger_run(struct logger *l)
{
	ev_run(l->loop, 0);
}

void logger_done(struct logger *l)
{
	outlet_free(l->outlets[0]);
	outlet_free(l->outlets[1]);
	logfiles_done(&l->files);
	peek_done(&l->peek);
	buf_done(&l->unit);
	free(l->index);
	close_fd(&l->epoll_fd);
	link_done(&l->link);
	ev_loop_destroy(l->loop);
}
