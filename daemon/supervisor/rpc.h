/* rpc.h - the control socket: connections, messages, who may
 *
 * Owns the listening socket's connections. Speaks Varlink (JSON objects, each ended by one NUL
 * byte), takes the peer's credentials once from the kernel, checks the method and the caller's right
 * against a table, answers org.varlink.service by itself, and hands each call to its handler. It
 * knows nothing of processes; the handlers (rpc_methods.c) know nothing of sockets.
 *
 * A reply that says "done" must stay true when we are killed the moment it is read. So replies leave at
 * the end of a turn of the loop, and not before what was asked of the keeper until then has left us.
 *
 * A connection is served one call at a time, in order; calls behind an unanswered one wait unread.
 * Bounds per connection: RPC_MESSAGE_BYTES_MAX of one message, RPC_OUT_BYTES_MAX of replies not
 * taken. Who exceeds one loses his connection; nobody else notices.
 *
 * States of a connection:
 *   READING  waits for a whole message; calls its handler        -> WAITING or READING
 *   WAITING  a handler has kept the call and will answer later   -> READING when it has ended it
 *   CLOSING  the peer is gone or was bad: on_gone of a kept call was called; freed in the next turn
 *
 * Source: https://varlink.org/Interface-Definition, /Method-Call, /Service. */
#ifndef FOSTER_SUPERVISOR_RPC_H
#define FOSTER_SUPERVISOR_RPC_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RPC_MESSAGE_BYTES_MAX ((size_t)4 << 20) /* of one call: arguments and environment */
#define RPC_OUT_BYTES_MAX ((size_t)4 << 20) /* beyond the reply being written */
#define RPC_CONNECTIONS_MAX 12000 /* one descriptor each; who comes later waits in the backlog */
#define RPC_FDS_SHARE 4 /* connections leave this part of the descriptors to sessions */
#define RPC_FDS_MAX 8 /* with one call */
#define RPC_REPLIES_PRIORITY (EV_MINPRI + 1) /* of the watcher that lets them leave */

/* Who is at the other end, as the kernel told when the connection was accepted. */
struct rpc_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary groups (SO_PEERGROUPS), owned */
	size_t n_groups;
};

struct rpc_server;
struct rpc_call;

/* One method. handler must answer: rpc_reply(), rpc_error() or rpc_keep(), now or later. */
struct rpc_method {
	const char *name; /* "org.foster.Supervisor.Ping" */
	unsigned rights; /* set of conf_right, any of which suffices; 0: everybody */
	void (*handler)(void *data, struct rpc_call *call, json_t *parameters);
};

/* Serve listen_fd (stays the caller's) with the n methods of the table, which ends up called with
 * data. interface is the text of the .varlink file. rights tells which rights a peer has at all (for
 * any process); the handler asks about the process by itself. 0 or -errno. */
struct rpc_config {
	struct ev_loop *loop;
	int listen_fd;
	const struct rpc_method *methods;
	size_t n_methods;
	const char *interface;
	unsigned (*rights)(void *data, const struct rpc_peer *peer);
	void *data;
	/* How much was asked of the keeper so far, and how much of that has left us. NULL: nothing is. */
	uint64_t (*asked)(void *data);
	uint64_t (*gone)(void *data);
};
int rpc_server_new(const struct rpc_config *config, struct rpc_server **ret_server);
void rpc_server_free(struct rpc_server *s); /* closes every connection; NULL is allowed */

/* Stop accepting, for a shutdown; existing connections go on. */
void rpc_server_stop(struct rpc_server *s);

/* Write what can be written of all replies, for at most timeout_ms: before an exit. */
void rpc_server_flush(struct rpc_server *s, int timeout_ms);
size_t rpc_server_connections(const struct rpc_server *s);

/* Let those replies leave that may. Happens by itself before the loop waits. */
void rpc_server_reply(struct rpc_server *s);

/* Whether replies wait for what was asked of the keeper. */
bool rpc_server_owes(const struct rpc_server *s);

/* How many of this process' descriptors neither connections nor its own needs will ever take. */
size_t rpc_fds_left(void);

/* ---- for handlers -------------------------------------------------------------------------- */

const struct rpc_peer *rpc_peer(const struct rpc_call *call);

/* A pidfd of the peer's process, which is the caller's; or -errno: -ESRCH when it is gone. It is not
 * kept here: a connection costs one descriptor, whatever it has asked for. */
int rpc_peer_open(const struct rpc_call *call);

bool rpc_wants_more(const struct rpc_call *call); /* the call had "more": true */

/* Take the i-th descriptor that came with the call (then the caller's), or -1. */
int rpc_take_fd(struct rpc_call *call, size_t i);
size_t rpc_fds(const struct rpc_call *call);

/* Whether it had others, which were not taken: files that a file system may not let us close. */
bool rpc_fds_refused(const struct rpc_call *call);

/* End the call with parameters (reference taken; NULL: {}), or with an error: name is the full name
 * of the error. fd >= 0 rides along and stays the caller's. call is gone afterwards. */
void rpc_reply(struct rpc_call *call, json_t *parameters);
void rpc_reply_fd(struct rpc_call *call, json_t *parameters, int fd);
void rpc_error(struct rpc_call *call, const char *name, json_t *parameters);
/* org.varlink.service.InvalidParameter */
void rpc_error_parameter(struct rpc_call *call, const char *parameter);

/* End the call with parameters given as JSON text of len bytes (an object), for large replies. */
void rpc_reply_text(struct rpc_call *call, const char *text, size_t len);

/* One more reply of a stream ("continues": true); the call goes on. fd as above. Returns false when
 * the peer does not read: RPC_OUT_BYTES_MAX wait already; the reply was not queued and the handler
 * decides (the connection is closed by rpc_drop()). */
bool rpc_continue(struct rpc_call *call, json_t *parameters, int fd);
void rpc_drop(struct rpc_call *call); /* close the connection of a kept call; calls on_gone */

/* Whether everything queued for this call's connection was taken by the peer. */
bool rpc_drained(const struct rpc_call *call);

/* Keep the call to answer later. on_gone(data) is called if the peer goes away first; call is gone
 * then. on_drained, if any, is called whenever the last queued byte was taken. */
void rpc_keep(struct rpc_call *call, void (*on_gone)(void *data), void (*on_drained)(void *data),
	      void *data);

#endif
