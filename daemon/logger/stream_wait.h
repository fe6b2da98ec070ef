/* stream_wait.h - what wakes a stream: its pipe, an outlet, a time, the end of a nap
 *
 * See stream.h for the states. A stream stands in one list at a time, and its pipe is not watched
 * while it does. */
#ifndef FOSTER_LOGGER_STREAM_WAIT_H
#define FOSTER_LOGGER_STREAM_WAIT_H

#include <ev.h>

#include "daemon/logger/stream.h"

#define STREAM_RETRY_NS 500000000ULL /* until the first new try; STREAM_NAP_S is in stream.h */

/* Watch the pipe so from now on. 0 or -errno of epoll_ctl(2). */
int stream_watch_try(struct logger *l, struct stream *s, enum stream_watch how);

/* The same; when it fails, that is logged and s waits for a retry. */
void stream_watch(struct logger *l, struct stream *s, enum stream_watch how);

void stream_wait_in(struct stream *s, struct stream_list *list);
void stream_wait_no_more(struct stream *s); /* also when it does not wait */

/* Wait until s->retry_at_ns, or for STREAM_NAP_S; then stream_drive() is called. */
void stream_wait_for_retry(struct logger *l, struct stream *s);
void stream_nap(struct logger *l, struct stream *s);

void stream_on_nap(struct ev_loop *loop, struct ev_timer *timer, int events);
void stream_on_retry(struct ev_loop *loop, struct ev_timer *timer, int events);

#endif
