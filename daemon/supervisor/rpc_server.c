#include "daemon/supervisor/rpc_server.h"

#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/hurry.h"

#define ACCEPTS_A_TURN 64
#define ACCEPT_REST_S 1.0
#define HANGUPS_A_TURN 64
#define FDS_OF_OTHERS 64 /* descriptors that the supervisor needs beside connections and sessions */

/* ---- accepting ----------------------------------------------------------------------------- */

static void accept_rest(struct rpc_server *s, bool timed)
{
	struct ev_loop *loop = s->config.loop;

	ev_io_stop(loop, &s->accept_io);
	if (timed)
		ev_timer_again(loop, &s->accept_timer);
}

static void accept_resume(struct rpc_server *s)
{
	if (s->stopped || ev_is_active(&s->accept_io))
		return;
	ev_timer_stop(s->config.loop, &s->accept_timer);
	ev_io_start(s->config.loop, &s->accept_io);
}

static void on_accept_timer(struct ev_loop *loop, struct ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	accept_resume(container_of(w, struct rpc_server, accept_timer));
}

/* Returns 0 to go on, -errno to stop for this turn. */
static int accept_one(struct rpc_server *s)
{
	int fd = accept4(s->accept_io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r;

	if (fd >= 0) {
		r = rpc_conn_new(s, fd);
		if (r < 0) {
			log_debug("control", "connection refused: %s", strerror(-r));
			hurry_close(&fd);
		}
		return 0;
	}
	switch (errno) {
	case EINTR:
	case ECONNABORTED:
		return 0;
	case EAGAIN:
		return -EAGAIN;
	default:
		/* Out of descriptors or memory: those who wait in the backlog lose nothing, and the
		 * next turn would only fail again. */
		r = -errno;
		log_warning("control", "cannot accept: %s, next try in %g s", strerror(-r),
			    ACCEPT_REST_S);
		accept_rest(s, true);
		return r;
	}
}

static void on_accept(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct rpc_server *s = container_of(io, struct rpc_server, accept_io);

	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		if (s->n_conns >= s->max_conns) {
			accept_rest(s, false);
			return;
		}
		if (accept_one(s) < 0)
			return;
	}
}

/* ---- who has how much ---------------------------------------------------------------------- */

static struct rpc_user *user_find(struct rpc_server *s, uid_t uid)
{
	struct rpc_user *u = s->users;

	while (u && u->uid != uid)
		u = u->next;
	if (u)
		return u;
	u = calloc(1, sizeof *u);
	if (!u)
		return NULL;
	u->uid = uid;
	u->privileged = uid == 0 || uid == geteuid();
	u->next = s->users;
	s->users = u;
	return u;
}

static void user_drop_unused(struct rpc_server *s, struct rpc_user *user)
{
	struct rpc_user **link = &s->users;

	if (user->connections)
		return;
	while (*link != user)
		link = &(*link)->next;
	*link = user->next;
	free(user);
}

/* One user has at most a share of the connections, all users but the privileged at most all shares
 * but one: root always gets in. */
static bool user_may_connect(const struct rpc_server *s, const struct rpc_user *u)
{
	size_t share = s->max_conns / RPC_USER_SHARE;

	return u->privileged ||
	       (u->connections < share && s->n_unprivileged < s->max_conns - share);
}

int rpc_server_add(struct rpc_server *s, struct rpc_conn *c)
{
	struct rpc_user *u = user_find(s, c->peer.uid);

	if (!u)
		return -ENOMEM;
	if (!user_may_connect(s, u)) {
		user_drop_unused(s, u);
		return -EUSERS;
	}
	u->connections++;
	s->n_conns++;
	s->n_unprivileged += !u->privileged;
	c->user = u;
	c->next = s->conns;
	if (s->conns)
		s->conns->prev = c;
	s->conns = c;
	return 0;
}

static void not_due(struct rpc_server *s, const struct rpc_conn *c)
{
	struct rpc_conn **link = &s->due;

	if (!c->due)
		return;
	while (*link != c)
		link = &(*link)->next_due;
	*link = c->next_due;
}

void rpc_server_remove(struct rpc_server *s, struct rpc_conn *c)
{
	not_due(s, c);
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	s->n_conns--;
	s->n_unprivileged -= !c->user->privileged;
	c->user->bytes -= c->charged;
	c->user->connections--;
	user_drop_unused(s, c->user);
	accept_resume(s);
}

int rpc_server_charge(struct rpc_conn *c)
{
	struct rpc_user *u = c->user;
	size_t kept = c->call.active ? c->call.bytes : 0;
	size_t now = c->frame.part.capacity + c->out.bytes.capacity + kept;
	bool more = now > c->charged;

	u->bytes = u->bytes - c->charged + now;
	c->charged = now;
	return more && !u->privileged && u->bytes > RPC_USER_BYTES_MAX ? -ENOBUFS : 0;
}

/* ---- replies ------------------------------------------------------------------------------- */

void rpc_server_due(struct rpc_conn *c)
{
	if (c->due)
		return;
	c->due = true;
	c->next_due = c->server->due;
	c->server->due = c;
}

/* What was asked of the keeper before it must have left. */
static bool may_leave(const struct rpc_server *s, struct rpc_conn *c)
{
	const struct rpc_config *config = &s->config;

	if (!config->asked)
		return true;
	if (!c->due_after)
		c->due_after = config->asked(config->data);
	return config->gone(config->data) >= c->due_after;
}

/* Returns whether anything left; then somebody may have had more to say. */
static bool send_due(struct rpc_server *s)
{
	struct rpc_conn *next, *due = take_ptr(s->due);
	bool any = false;

	for (struct rpc_conn *c = due; c; c = next) {
		next = c->next_due;
		c->due = false;
		if (may_leave(s, c)) {
			any = true;
			rpc_conn_send(c);
		} else {
			rpc_server_due(c);
		}
	}
	return any;
}

void rpc_server_reply(struct rpc_server *s)
{
	while (send_due(s))
		;
}

/* After everybody else has done what is done before a wait. */
static void before_wait(struct ev_loop *loop, struct ev_prepare *w, int events)
{
	(void)loop;
	(void)events;
	rpc_server_reply(container_of(w, struct rpc_server, before_wait));
}

/* ---- the peers of kept calls --------------------------------------------------------------- */

static void on_hangup(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct epoll_event e[HANGUPS_A_TURN];
	int n = epoll_wait(io->fd, e, HANGUPS_A_TURN, 0);

	(void)loop;
	(void)events;
	for (int i = 0; i < n; i++)
		rpc_conn_close(e[i].data.ptr);
}

/* ---- life ---------------------------------------------------------------------------------- */

/* The word after "interface" at the start of a line; the text is ours. */
static int interface_name(const char *text, char *name, size_t size)
{
	static const char keyword[] = "interface ";
	const char *p = text;
	size_t len;

	while (strncmp(p, keyword, sizeof keyword - 1) != 0) {
		p = strchr(p, '\n');
		if (!p)
			return -EINVAL;
		p++;
	}
	p += sizeof keyword - 1;
	len = strcspn(p, " \t\n");
	if (!len || len >= size)
		return -EINVAL;
	memcpy(name, p, len);
	name[len] = '\0';
	return 0;
}

/* Descriptors for connections and sessions. */
static size_t usable_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return FDS_OF_OTHERS;
	limit.rlim_cur = MIN(limit.rlim_cur, INT_MAX);
	return limit.rlim_cur > 2 * FDS_OF_OTHERS ? limit.rlim_cur - FDS_OF_OTHERS : FDS_OF_OTHERS;
}

static size_t max_connections(void)
{
	size_t fds = usable_fds();

	return MIN(fds - fds / RPC_FDS_SHARE, RPC_CONNECTIONS_MAX);
}

size_t rpc_fds_left(void)
{
	return usable_fds() - max_connections();
}

int rpc_server_new(const struct rpc_config *config, struct rpc_server **ret_server)
{
	auto_free struct rpc_server *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return -ENOMEM;
	s->config = *config;
	s->max_conns = max_connections();
	r = interface_name(config->interface, s->interface_name, sizeof s->interface_name);
	if (r < 0)
		return r;
	s->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->hangup_fd < 0)
		return -errno;
	ev_io_init(&s->hangup_io, on_hangup, s->hangup_fd, EV_READ);
	ev_io_init(&s->accept_io, on_accept, config->listen_fd, EV_READ);
	ev_init(&s->accept_timer, on_accept_timer);
	s->accept_timer.repeat = ACCEPT_REST_S;
	ev_prepare_init(&s->before_wait, before_wait);
	ev_set_priority(&s->before_wait, RPC_REPLIES_PRIORITY);
	ev_prepare_start(config->loop, &s->before_wait);
	ev_io_start(config->loop, &s->hangup_io);
	ev_io_start(config->loop, &s->accept_io);
	*ret_server = take_ptr(s);
	return 0;
}

void rpc_server_stop(struct rpc_server *s)
{
	s->stopped = true;
	ev_io_stop(s->config.loop, &s->accept_io);
	ev_timer_stop(s->config.loop, &s->accept_timer);
}

void rpc_server_free(struct rpc_server *s)
{
	if (!s)
		return;
	rpc_server_stop(s);
	while (s->conns)
		rpc_conn_free(s->conns);
	ev_prepare_stop(s->config.loop, &s->before_wait);
	ev_io_stop(s->config.loop, &s->hangup_io);
	close_fd(&s->hangup_fd);
	free(s);
}

bool rpc_server_owes(const struct rpc_server *s)
{
	return s->due;
}

size_t rpc_server_connections(const struct rpc_server *s)
{
	return s->n_conns;
}

/* ---- before an exit ------------------------------------------------------------------------ */

static size_t flush_once(struct rpc_server *s, struct pollfd *polls)
{
	size_t n = 0;

	for (struct rpc_conn *c = s->conns; c; c = c->next)
		if (!c->closing && rpc_out_pending(&c->out) &&
		    rpc_out_flush(&c->out, c->io.fd) == -EAGAIN)
			polls[n++] = (struct pollfd){ .fd = c->io.fd, .events = POLLOUT };
	return n;
}

void rpc_server_flush(struct rpc_server *s, int timeout_ms)
{
	uint64_t deadline = clock_boot_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	auto_free struct pollfd *polls = calloc(s->n_conns + 1, sizeof *polls);
	size_t n;

	if (!polls)
		return;
	while ((n = flush_once(s, polls)) > 0) {
		uint64_t now = clock_boot_ns();

		if (now >= deadline ||
		    poll(polls, n, (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS)) <= 0)
			return;
	}
}
