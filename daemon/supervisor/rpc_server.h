/* rpc_server.h - what the files of the control socket share among themselves
 *
 * rpc_server.c  accepts, counts who has how much, owns the list of connections
 * rpc_conn.c    one connection: reading a call, its states, answering; implements struct rpc_call
 * rpc_out.c     replies that wait to be taken
 * rpc_peer.c    who is at the other end
 * rpc_service.c finds the method of a call; org.varlink.service
 *
 * rpc.h is for everybody else. */
#ifndef FOSTER_SUPERVISOR_RPC_SERVER_H
#define FOSTER_SUPERVISOR_RPC_SERVER_H

#include "ctl/wire/call.h"
#include "ctl/wire/fds.h"
#include "ctl/wire/frame.h"
#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/rpc_out.h"

/* What one unprivileged user's connections may hold together, beside their number: a quarter of the
 * connections, so that others get in, and this much of messages under way in either direction. */
#define RPC_USER_SHARE 4
#define RPC_USER_BYTES_MAX ((size_t)64 << 20)

#define RPC_SCRATCH_BYTES 65536
#define RPC_INTERFACE_NAME_MAX 255

/* What one uid has; lives while it has a connection. */
struct rpc_user {
	struct rpc_user *next;
	uid_t uid;
	bool privileged; /* root, or fosterd's own user: limits of the connection only */
	size_t connections;
	size_t bytes; /* allocated for messages under way, and what came with kept calls */
};

struct rpc_call {
	bool active; /* a handler has it and has not ended it */
	bool kept;
	bool more, oneway;
	size_t bytes; /* of its message: a handler may keep all of it */
	void (*on_gone)(void *data);
	void (*on_drained)(void *data);
	void *data;
};

/* About 330 bytes; what it reads and writes is allocated only while it is under way. */
struct rpc_conn {
	struct ev_io io;
	struct rpc_server *server;
	struct rpc_conn *prev, *next;
	struct rpc_user *user;
	struct rpc_peer peer;
	struct rpc_call call;
	struct frame frame;
	struct fds fds; /* of the message under way, then of the call */
	struct rpc_out out;
	struct rpc_conn *next_due;
	bool due; /* something was added to out, and has not been tried */
	uint64_t due_after; /* of what was asked of the keeper; 0: not looked at yet */
	size_t charged; /* to the user */
	bool fds_refused; /* the message came with some that may not be closed in time */
	bool eof; /* the peer sends no more; it may still read */
	bool in_handler;
	bool hangup_watched;
	bool closing; /* to be freed in its next callback, which is pending */
};

struct rpc_server {
	struct rpc_config config;
	char interface_name[RPC_INTERFACE_NAME_MAX + 1];
	struct ev_io accept_io;
	struct ev_prepare before_wait;
	struct rpc_conn *due; /* whose replies leave at the end of the turn */
	struct ev_timer accept_timer; /* runs while accepting rests for want of descriptors */
	struct ev_io hangup_io;
	int hangup_fd; /* epoll of connections whose call is kept: they are not read */
	bool stopped;
	struct rpc_conn *conns;
	size_t n_conns, n_unprivileged, max_conns;
	struct rpc_user *users;
	char scratch[RPC_SCRATCH_BYTES]; /* bytes just read, before they belong to a connection */
};

/* Serve socket. 0, and it is taken; or -errno. */
int rpc_conn_new(struct rpc_server *s, int socket);
void rpc_conn_free(struct rpc_conn *c);

/* The peer is gone or was bad: freed soon, not now, so that no caller loses what it works on. */
void rpc_conn_close(struct rpc_conn *c);

/* Let what was added to its replies leave, as far as it can. */
void rpc_conn_send(struct rpc_conn *c);

/* Let the method that a call names answer it. Called with call->active set. */
void rpc_dispatch(struct rpc_conn *c, const struct call *call);

/* Count a connection in or out, and what it holds. add says -EUSERS when that user (or all who are
 * not privileged) has too many, charge -ENOBUFS when its messages take too much. */
int rpc_server_add(struct rpc_server *s, struct rpc_conn *c);
void rpc_server_remove(struct rpc_server *s, struct rpc_conn *c);
int rpc_server_charge(struct rpc_conn *c);

/* Its replies leave before the loop waits, if what was asked of the keeper until then has left. */
void rpc_server_due(struct rpc_conn *c);

#endif
