#include "daemon/logger/stream_wait.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/logger/logger.h"

int stream_watch_try(struct logger *l, struct stream *s, enum stream_watch how)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
	int op = s->watch == STREAM_NONE ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (how == STREAM_NONE)
		op = EPOLL_CTL_DEL;
	if (how == STREAM_EDGE)
		e.events |= EPOLLET;
	if (epoll_ctl(l->epoll_fd, op, s->pipe, &e) < 0)
		return -errno;
	s->watch = (uint8_t)how;
	return 0;
}

void stream_watch(struct logger *l, struct stream *s, enum stream_watch how)
{
	int r = s->watch == how ? 0 : stream_watch_try(l, s, how);

	if (how == STREAM_NONE)
		s->watch = STREAM_NONE;
	if (r == 0 || how == STREAM_NONE)
		return;
	log_error(stream_name(s), "%s: cannot watch its pipe: %s", stream_which(s), strerror(-r));
	s->retry_at_ns = clock_boot_ns() + STREAM_RETRY_NS;
	stream_wait_for_retry(l, s);
}

void stream_wait_in(struct stream *s, struct stream_list *list)
{
	TAILQ_INSERT_TAIL(list, s, wait);
	s->waits = list;
}

void stream_wait_no_more(struct stream *s)
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
	for (s = TAILQ_FIRST(&l->retries); s; s = TAILQ_NEXT(s, wait))
		if (s->retry_at_ns < soonest_ns)
			soonest_ns = s->retry_at_ns;
	after = clock_seconds(clock_boot_ns(), soonest_ns);
	ev_timer_set(&l->on_retry, after > 0 ? after : 0, 0);
	ev_timer_start(l->loop, &l->on_retry);
}

/* Streams come in the order of their failing, most with the same delay: the timer seldom moves. */
void stream_wait_for_retry(struct logger *l, struct stream *s)
{
	double after = clock_seconds(clock_boot_ns(), s->retry_at_ns);

	stream_watch(l, s, STREAM_NONE);
	stream_wait_in(s, &l->retries);
	if (!ev_is_active(&l->on_retry) || after < ev_timer_remaining(l->loop, &l->on_retry))
		set_retry_timer(l);
}

void stream_nap(struct logger *l, struct stream *s)
{
	stream_watch(l, s, STREAM_NONE);
	stream_wait_in(s, &l->naps);
	if (!ev_is_active(&l->on_nap))
		ev_timer_again(l->loop, &l->on_nap);
}

/* ---- woken --------------------------------------------------------------------------------- */

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
