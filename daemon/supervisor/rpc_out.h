/* rpc_out.h - replies that the peer has not taken yet
 *
 * Bytes in order, and the descriptors that belong to some of them, each leaving with the first byte
 * of its message (ctl/wire/fds.h has the rule). Nothing is allocated while nothing waits. */
#ifndef FOSTER_SUPERVISOR_RPC_OUT_H
#define FOSTER_SUPERVISOR_RPC_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/buf.h"

struct rpc_out_fd {
	size_t at; /* offset in bytes of the message that it goes with */
	int fd; /* owned */
};

/* A zeroed struct is empty. Messages are appended to bytes directly. */
struct rpc_out {
	struct buf bytes;
	size_t sent; /* of bytes */
	struct rpc_out_fd *fds; /* in order; owned */
	unsigned n_fds;
};

/* Let a duplicate of fd leave with the next byte appended. 0 or -errno. */
int rpc_out_attach(struct rpc_out *o, int fd);

/* Bytes that wait. */
size_t rpc_out_pending(const struct rpc_out *o);

/* Whether nothing waits, not even a failure to append that rpc_out_flush() is to tell. */
bool rpc_out_is_empty(const struct rpc_out *o);

/* Send what the socket takes. Returns 0 when nothing is left, -EAGAIN when the socket is full,
 * -ENOMEM when appending failed before, or -errno of sendmsg(2). */
int rpc_out_flush(struct rpc_out *o, int socket);

void rpc_out_done(struct rpc_out *o); /* drops everything */

#endif
