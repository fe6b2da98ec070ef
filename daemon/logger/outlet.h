/* outlet.h - an output that can be full: fosterd's stdout and stderr, a terminal, a FIFO
 *
 * Never blocks, and never changes a descriptor that others share: a pipe or terminal is opened anew
 * through /proc/self/fd, so that O_NONBLOCK is ours alone; a socket is written with MSG_DONTWAIT;
 * where the new opening is refused, poll(2) and then at most PIPE_BUF bytes, for which a pipe that
 * polls writable has room.
 *
 * What did not fit is kept (`rest`) and goes out before anything else: one stream's line is complete
 * before another's begins. The stream that it came from owns the outlet until then, and takes the
 * bytes from its pipe only after. Others wait in `waiters`. */
#ifndef FOSTER_LOGGER_OUTLET_H
#define FOSTER_LOGGER_OUTLET_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct stream;
TAILQ_HEAD(stream_list, stream);

enum outlet_sharing {
	OUTLET_OWN, /* opened by us with O_NONBLOCK; fd is taken */
	OUTLET_SHARED /* fosterd's; fd stays open */
};

enum outlet_way {
	OUTLET_NONBLOCKING,
	OUTLET_SOCKET,
	OUTLET_REGULAR, /* fosterd's stdout redirected to a file: never blocks */
	OUTLET_POLLED
};

struct outlet {
	struct ev_io writable; /* active while something waits */
	struct ev_loop *loop;
	const char *name; /* for the log; the caller's */
	int fd;
	enum outlet_way way;
	enum outlet_sharing sharing;
	bool close_fd; /* fd is ours */
	bool dead; /* nobody reads it any more: what comes is thrown away */
	bool held, doomed; /* see outlet_hold() */
	char *rest; /* owned; NULL: nothing is held up */
	size_t rest_len;
	bool begun; /* what was before rest is out */
	struct stream *owner; /* of rest */
	size_t owed; /* bytes that the owner takes from its pipe once rest is out */
	struct stream_list waiters; /* first come, first served */
	struct stream *granted; /* whose turn it is while others wait */
};

typedef void outlet_on_writable(struct ev_loop *loop, struct ev_io *writable, int events);

/* on_writable is called when something waits and fd can be written again. NULL: out of memory; fd
 * is closed then when it was to be taken. */
struct outlet *outlet_new(struct ev_loop *loop, int fd, const char *name,
			  enum outlet_sharing sharing, outlet_on_writable *on_writable);
void outlet_free(struct outlet *o); /* nobody waits; NULL is allowed */

/* Between these two outlet_free() is put off. */
void outlet_hold(struct outlet *o);
void outlet_release(struct outlet *o);

/* Write data, in pieces of at most PIPE_BUF. 0 when all is out; -EBUSY when it is full; or -errno
 * (ENOSPC, EIO, EPIPE of an own one, ENOMEM). The rest, when there is one, is kept for `owner`, who
 * owes `owed`; after -EBUSY there always is one, after an error when a part was written. Must not
 * be called while a rest is kept. */
int outlet_put(struct outlet *o, const char *data, size_t len, struct stream *owner, size_t owed);

/* Go on with the rest. 0 when it is out, -EBUSY, or -errno; it is kept unless 0. */
int outlet_resume(struct outlet *o);

/* Have on_writable called when fd can be written. */
void outlet_wake(struct outlet *o);

/* Give the rest up and let the others write. */
void outlet_abandon(struct outlet *o);

/* Whether s may write now: nothing is held up, and nobody waits who came before. */
static inline bool outlet_admits(const struct outlet *o, const struct stream *s)
{
	return !o->rest && (o->granted == s || TAILQ_EMPTY(&o->waiters));
}

#endif
