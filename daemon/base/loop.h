/* loop.h - the event loop of a part
 *
 * libev wakes up once a minute to see whether somebody has set the clock, unless a timerfd is to tell it
 * (ev(3), EVFLAG_NOTIMERFD). It makes one with the first periodic watcher, so a loop gets one for a
 * moment: with nothing to do it sleeps for 17 days. */
#ifndef FOSTER_BASE_LOOP_H
#define FOSTER_BASE_LOOP_H

#include <ev.h>

#define LOOP_NEVER 1e10 /* seconds of the calendar */

static inline void loop_nothing(struct ev_loop *loop, ev_periodic *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

/* Not influenced by LIBEV_FLAGS. NULL without memory or descriptors. */
static inline struct ev_loop *loop_new(void)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV);
	ev_periodic never;

	if (!loop)
		return NULL;
	ev_periodic_init(&never, loop_nothing, LOOP_NEVER, 0., 0);
	ev_periodic_start(loop, &never);
	ev_periodic_stop(loop, &never);
	return loop;
}

#endif
