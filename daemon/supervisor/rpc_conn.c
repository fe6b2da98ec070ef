#include <assert.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/aside.h"
#include "daemon/supervisor/hurry.h"
#include "daemon/supervisor/localfs.h"
#include "daemon/supervisor/rpc_peer.h"
#include "daemon/supervisor/rpc_server.h"

static void conn_update(struct rpc_conn *c);

static struct rpc_conn *conn_of(const struct rpc_call *call)
{
	return container_of(call, struct rpc_conn, call);
}

/* ---- life ---------------------------------------------------------------------------------- */

void rpc_conn_close(struct rpc_conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	ev_feed_event(c->server->config.loop, &c->io, EV_CUSTOM);
}

/* Name the reason of a connection that we end. At debug level: a peer must not fill our log. */
static void conn_fail(struct rpc_conn *c, const char *what, int err)
{
	log_debug("control", "uid %u pid %d: %s%s%s, closed", (unsigned)c->peer.uid,
		  (int)c->peer.pid, what, err ? ": " : "", err ? strerror(-err) : "");
	rpc_conn_close(c);
}

static void call_gone(struct rpc_call *call)
{
	if (!call->active)
		return;
	call->active = false;
	if (call->kept && call->on_gone)
		call->on_gone(call->data);
}

/* Descriptors that were not taken. */
static void drop_fds(struct fds *f)
{
	for (unsigned i = 0; i < f->n; i++)
		hurry_close(&f->fd[i]);
	f->n = 0;
}

void rpc_conn_free(struct rpc_conn *c)
{
	if (!c)
		return;
	ev_io_stop(c->server->config.loop, &c->io);
	call_gone(&c->call);
	/* It may still be in the epoll set; closing the socket, which nobody shares, removes it. */
	hurry_close(&c->io.fd);
	rpc_server_remove(c->server, c);
	rpc_peer_done(&c->peer);
	frame_done(&c->frame);
	drop_fds(&c->fds);
	rpc_out_done(&c->out);
	free(c);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void conn_serve(struct rpc_conn *c, const char *text, size_t len)
{
	struct call call;
	int r = call_parse(text, len, &call);

	frame_done(&c->frame);
	if (r < 0) {
		conn_fail(c, "not a call", r);
		return;
	}
	c->call = (struct rpc_call){
		.active = true, .more = call.more, .oneway = call.oneway, .bytes = len
	};
	c->in_handler = true;
	rpc_dispatch(c, &call);
	c->in_handler = false;
	call_done(&call);
	assert(c->closing || !c->call.active || c->call.kept);
}

/* A user whose descriptors we may not be able to close has none of them: they are not for us, and not
 * for the keeper, whom nobody would replace. */
static void look_at_descriptors(struct rpc_conn *c, unsigned from)
{
	bool prompt = true;

	for (unsigned i = from; i < c->fds.n && prompt && !c->user->privileged; i++)
		prompt = localfs_is_prompt(c->fds.fd[i]);
	if (prompt)
		return;
	c->fds_refused = true;
	for (unsigned i = 0; i < c->fds.n; i++)
		aside_close(c->peer.uid, c->fds.fd[i]);
	c->fds.n = 0;
}

static void conn_read(struct rpc_conn *c)
{
	struct rpc_server *s = c->server;
	const char *text;
	unsigned n_fds = c->fds.n;
	size_t len;
	int r;

	c->fds.refuse = !c->user->privileged && !aside_has_room(c->peer.uid, FDS_MAX);
	if (!c->user->privileged) /* the kernel closes what there is no room for */
		hurry_begin();
	r = fds_read_message(c->io.fd, &c->frame, &c->fds, s->scratch, sizeof s->scratch, &text,
			     &len);
	if (!c->user->privileged)
		hurry_end();
	look_at_descriptors(c, n_fds);
	if (r == 1)
		conn_serve(c, text, len);
	else if (r == 0 && !frame_partial(&c->frame))
		c->eof = true;
	else if (r == 0)
		conn_fail(c, "half a message", 0);
	else if (r < 0 && r != -EAGAIN)
		conn_fail(c, "reading", r);
}

/* ---- writing ------------------------------------------------------------------------------- */

static void conn_flush(struct rpc_conn *c)
{
	int r = rpc_out_flush(&c->out, c->io.fd);

	if (r < 0 && r != -EAGAIN)
		conn_fail(c, "writing", r);
}

static void conn_write(struct rpc_conn *c)
{
	struct rpc_call *call = &c->call;

	conn_flush(c);
	if (!c->closing && !rpc_out_pending(&c->out) && call->active && call->on_drained)
		call->on_drained(call->data);
}

/* ---- watching ------------------------------------------------------------------------------ */

/* While a call is kept nothing is read, so only a hang-up can tell that the peer is gone; libev has
 * no watcher for that alone. A peer that merely stopped sending still waits for its reply. */
static void watch_hangup(struct rpc_conn *c, bool watch)
{
	struct epoll_event e = { .events = 0, .data.ptr = c }; /* EPOLLHUP is always reported */

	if (watch == c->hangup_watched)
		return;
	if (epoll_ctl(c->server->hangup_fd, watch ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->io.fd, &e) <
	    0) {
		conn_fail(c, "epoll", -errno);
		return;
	}
	c->hangup_watched = watch;
}

static void watch_io(struct rpc_conn *c, int events)
{
	struct ev_loop *loop = c->server->config.loop;

	if (ev_is_active(&c->io) && (c->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(loop, &c->io);
	if (!events)
		return;
	ev_io_set(&c->io, c->io.fd, events);
	ev_io_start(loop, &c->io);
}

/* Bring the watchers in line with the state. A call is read only when the replies before it were
 * taken: who does not read cannot ask for more. */
static void conn_update(struct rpc_conn *c)
{
	bool pending = rpc_out_pending(&c->out) > 0;
	int r;

	if (c->closing)
		return;
	r = rpc_server_charge(c);
	if (r < 0) {
		conn_fail(c, "this user's messages take too much memory", r);
		return;
	}
	if (c->due) /* again when it has left */
		return;
	if (c->eof && !pending && !c->call.active) {
		rpc_conn_close(c);
		return;
	}
	watch_hangup(c, c->call.active);
	if (c->closing)
		return;
	if (pending)
		watch_io(c, EV_WRITE);
	else
		watch_io(c, c->call.active || c->eof ? 0 : EV_READ);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct rpc_conn *c = container_of(io, struct rpc_conn, io);

	(void)loop;
	if (!c->closing && (events & EV_WRITE))
		conn_write(c);
	if (!c->closing && (events & EV_READ)) {
		if (c->due) /* it is held up: nothing is read behind it */
			watch_io(c, 0);
		else
			conn_read(c);
	}
	conn_update(c);
	if (c->closing)
		rpc_conn_free(c);
}

int rpc_conn_new(struct rpc_server *s, int socket)
{
	auto_free struct rpc_conn *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return -ENOMEM;
	r = rpc_peer_read(socket, &c->peer);
	if (r < 0)
		return r;
	c->server = s;
	r = rpc_server_add(s, c);
	if (r < 0) {
		rpc_peer_done(&c->peer);
		return r;
	}
	c->frame.limit = RPC_MESSAGE_BYTES_MAX;
	ev_io_init(&c->io, on_io, socket, EV_READ);
	conn_update(c);
	take_ptr(c);
	return 0;
}

/* ---- for handlers -------------------------------------------------------------------------- */

const struct rpc_peer *rpc_peer(const struct rpc_call *call)
{
	return &conn_of(call)->peer;
}

int rpc_peer_open(const struct rpc_call *call)
{
	const struct rpc_conn *c = conn_of(call);

	return rpc_peer_pidfd(c->io.fd, c->peer.pid);
}

bool rpc_wants_more(const struct rpc_call *call)
{
	return call->more;
}

int rpc_take_fd(struct rpc_call *call, size_t i)
{
	return fds_take(&conn_of(call)->fds, i);
}

bool rpc_fds_refused(const struct rpc_call *call)
{
	return conn_of(call)->fds_refused;
}

size_t rpc_fds(const struct rpc_call *call)
{
	return conn_of(call)->fds.n;
}

/* Whether a reply is to be written at all. */
static bool call_listens(const struct rpc_call *call)
{
	return !call->oneway && !conn_of(call)->closing;
}

/* What was appended to out leaves at the end of this turn. */
static void conn_send(struct rpc_conn *c)
{
	if (!c->closing && !rpc_out_is_empty(&c->out))
		rpc_server_due(c);
	if (!c->in_handler)
		conn_update(c);
}

void rpc_conn_send(struct rpc_conn *c)
{
	c->due_after = 0;
	if (!c->closing)
		conn_write(c);
	conn_update(c);
}

static void call_end(struct rpc_call *call)
{
	struct rpc_conn *c = conn_of(call);

	assert(call->active);
	call->active = false;
	drop_fds(&c->fds);
	c->fds_refused = false;
	conn_send(c);
}

/* Append one message and the descriptor that goes with it. */
static void call_add_reply(struct rpc_call *call, const char *error, json_t *parameters, int fd,
			   bool continues)
{
	struct rpc_conn *c = conn_of(call);
	int r = fd >= 0 ? rpc_out_attach(&c->out, fd) : 0;

	if (r < 0)
		conn_fail(c, "passing a descriptor", r);
	else
		reply_add(&c->out.bytes, error, parameters, continues);
}

static void reply_with(struct rpc_call *call, const char *error, json_t *parameters, int fd)
{
	if (call_listens(call))
		call_add_reply(call, error, parameters, fd, false);
	json_decref(parameters);
	call_end(call);
}

void rpc_reply(struct rpc_call *call, json_t *parameters)
{
	reply_with(call, NULL, parameters, -1);
}

void rpc_reply_fd(struct rpc_call *call, json_t *parameters, int fd)
{
	reply_with(call, NULL, parameters, fd);
}

void rpc_error(struct rpc_call *call, const char *name, json_t *parameters)
{
	reply_with(call, name, parameters, -1);
}

void rpc_error_parameter(struct rpc_call *call, const char *parameter)
{
	rpc_error(call, "org.varlink.service.InvalidParameter",
		  json_pack("{s:s}", "parameter", parameter));
}

void rpc_reply_text(struct rpc_call *call, const char *text, size_t len)
{
	if (call_listens(call))
		reply_add_text(&conn_of(call)->out.bytes, text, len, false);
	call_end(call);
}

bool rpc_continue(struct rpc_call *call, json_t *parameters, int fd)
{
	struct rpc_conn *c = conn_of(call);
	bool room = rpc_out_pending(&c->out) < RPC_OUT_BYTES_MAX;

	assert(call->active && (call->more || call->oneway));
	if (room && call_listens(call)) {
		call_add_reply(call, NULL, parameters, fd, true);
		conn_send(c);
	}
	json_decref(parameters);
	return room;
}

void rpc_drop(struct rpc_call *call)
{
	rpc_conn_close(conn_of(call));
	call_gone(call);
}

bool rpc_drained(const struct rpc_call *call)
{
	return rpc_out_pending(&conn_of(call)->out) == 0;
}

void rpc_keep(struct rpc_call *call, void (*on_gone)(void *data), void (*on_drained)(void *data),
	      void *data)
{
	assert(call->active);
	call->kept = true;
	call->on_gone = on_gone;
	call->on_drained = on_drained;
	call->data = data;
}
