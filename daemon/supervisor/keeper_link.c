/* keeper_link.c - the link to the keeper: what it says, what it is told
 *
 * What the socket does not take at once is kept in order (the backlog) and sent when it is writable.
 * Spawns, which are large and many, are not even made while there is a backlog. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/sync.h"

#define DATAGRAMS_A_TURN 16

struct backlog_item {
	struct backlog_item *next;
	struct link_head head;
	size_t len;
	unsigned n_fds;
	int fds[LINK_FDS_MAX];
	unsigned char body[];
};

struct keeper_backlog {
	struct backlog_item *first, **end;
	unsigned n;
};

/* ---- sending ---------------------------------------------------------------------------------- */

static void free_item(struct backlog_item *item)
{
	for (unsigned i = 0; i < item->n_fds; i++)
		if (item->fds[i] >= 0)
			close(item->fds[i]);
	free(item);
}

static int copy_fds(struct backlog_item *item, const int *fds, unsigned n_fds)
{
	for (unsigned i = 0; i < n_fds; i++) {
		item->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (item->fds[i] < 0)
			return -errno;
		item->n_fds++;
	}
	return 0;
}

static int keep(struct supervisor *s, const struct link_head *head, const struct link_part *parts,
		unsigned n_parts, const int *fds, unsigned n_fds)
{
	struct backlog_item *item;
	size_t len = 0, at = 0;
	int r;

	for (unsigned i = 0; i < n_parts; i++)
		len += parts[i].len;
	item = calloc(1, sizeof *item + len);
	if (!item)
		return -ENOMEM;
	r = copy_fds(item, fds, n_fds);
	if (r < 0) {
		free_item(item);
		return r;
	}
	item->head = *head;
	item->len = len;
	for (unsigned i = 0; i < n_parts; at += parts[i++].len)
		if (parts[i].len)
			memcpy(item->body + at, parts[i].data, parts[i].len);
	*s->backlog->end = item;
	s->backlog->end = &item->next;
	s->backlog->n++;
	return 0;
}

/* As link_send(). That the keeper is gone is heard of elsewhere. */
static int send_now(struct supervisor *s, const struct link_head *head,
		    const struct link_part *parts, unsigned n_parts, const int *fds, unsigned n_fds)
{
	int r = link_send(&s->link, head, parts, n_parts, fds, n_fds);

	return r == -EPIPE ? 0 : r;
}

_Noreturn static void give_up(const struct link_head *head, int err)
{
	log_error("supervisor", "cannot send %s: %s", link_type_name(head->type), strerror(-err));
	_exit(1);
}

static void send_backlog(struct supervisor *s)
{
	while (s->backlog->first) {
		struct backlog_item *item = s->backlog->first;
		struct link_part part = { item->body, item->len };
		int r = send_now(s, &item->head, &part, 1, item->fds, item->n_fds);

		if (r == -EAGAIN)
			return;
		if (r < 0)
			give_up(&item->head, r);
		s->backlog->first = item->next;
		s->backlog->n--;
		if (!item->next)
			s->backlog->end = &s->backlog->first;
		free_item(item);
	}
}

int keeper_try_send(struct supervisor *s, const struct link_head *head,
		    const struct link_part *parts, unsigned n_parts, const int *fds, unsigned n_fds)
{
	int r = -EAGAIN;

	if (!s->backlog->first)
		r = send_now(s, head, parts, n_parts, fds, n_fds);
	return r == -EAGAIN ? keep(s, head, parts, n_parts, fds, n_fds) : r;
}

void keeper_send(struct supervisor *s, const struct link_head *head, const struct link_part *parts,
		 unsigned n_parts, const int *fds, unsigned n_fds)
{
	int r = keeper_try_send(s, head, parts, n_parts, fds, n_fds);

	if (r < 0)
		give_up(head, r);
}

bool keeper_is_congested(const struct supervisor *s)
{
	return s->backlog->first || s->link.blocked;
}

uint64_t keeper_asked(const struct supervisor *s)
{
	return s->link.n_sent + s->link.n_out + s->backlog->n;
}

uint64_t keeper_gone(const struct supervisor *s)
{
	return s->link.n_sent;
}

void keeper_flush(struct supervisor *s)
{
	send_backlog(s);
	(void)link_flush(&s->link);
	if (s->link.blocked)
		ev_io_start(s->loop, &s->on_link_writable);
	else
		ev_io_stop(s->loop, &s->on_link_writable);
}

void keeper_notify(struct supervisor *s, const char *text)
{
	struct link_head h = { .type = LINK_NOTIFY };
	struct link_part part = { text, strlen(text) + 1 };

	keeper_send(s, &h, &part, 1, NULL, 0);
}

/* ---- receiving --------------------------------------------------------------------------------- */

static void on_slot(struct supervisor *s, const struct link_message *m)
{
	size_t at = 0;
	const struct link_slot *f = link_take(m, &at, sizeof *f);
	struct process *p = m->head->slot < s->n_slots ? s->slots[m->head->slot] : NULL;

	if (!f)
		return;
	s->acks_done = m->head->acks;
	if (p && f->flags & LINK_FLAG_UNLOGGED && p->logs_sent)
		process_send_logs(p);
	if (s->phase == SUPERVISOR_BOOTING)
		snapshot_slot(s, m->head->slot, m->head->incarnation, f, link_take_str(m, &at));
	else if (p)
		process_fact(p, m->head->incarnation, f);
}

/* One that systemd made may listen elsewhere than the configuration says; children are told where. */
static void use_path_of_socket(struct supervisor *s)
{
	struct sockaddr_un sa = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof sa - 1; /* the rest ends a path that fills it */
	char *path;

	if (getsockname(s->listen_fd, (struct sockaddr *)&sa, &len) < 0 || sa.sun_path[0] != '/')
		return;
	path = strdup(sa.sun_path);
	if (!path)
		nomem_exit("supervisor");
	free(s->socket_path);
	s->socket_path = path;
}

static void on_held(struct supervisor *s, const struct link_message *m)
{
	size_t at = 0;
	const struct link_hold *what = link_take(m, &at, sizeof *what);

	if (!what || m->n_fds != 1)
		return;
	if (what->kind == LINK_HOLD_LISTEN) {
		close_fd(&s->listen_fd);
		s->listen_fd = take_fd(m->fds[0]);
		use_path_of_socket(s);
	} else if (what->kind == LINK_HOLD_SESSION) {
		if (!session_resume(s, what->id, (pid_t)strtol(what->name, NULL, 10),
				    take_fd(m->fds[0])))
			nomem_exit("supervisor");
	}
}

/* The process table has no room for it: whatever was asked for it is refused, too. */
static void nameless(struct process *p, uint64_t incarnation, const struct link_refused *r)
{
	p->nameless = true;
	p->logs_sent = false;
	if (r->type != LINK_SPAWN || incarnation != p->incarnation ||
	    !process_state_is_alive(p->state))
		return;
	process_cannot_spawn(p, LINK_STEP_FORK, ENOSPC,
			     "there is no room for it in the process table");
}

static void on_refused(struct supervisor *s, const struct link_message *m)
{
	size_t at = 0;
	const struct link_refused *r = link_take(m, &at, sizeof *r);
	struct process *p = m->head->slot < s->n_slots ? s->slots[m->head->slot] : NULL;

	if (!r)
		return;
	if (r->type == LINK_SYNC) { /* who waits for it is told what there is, if anything */
		sync_answered(s, m->head->incarnation);
		return;
	}
	if (p && (p->nameless || (r->type == LINK_NAME && r->err == ENOSPC))) {
		nameless(p, m->head->incarnation, r);
		return;
	}
	if (p && r->type == LINK_SIGNAL && r->err != ESRCH &&
	    m->head->incarnation == p->incarnation)
		process_post(p, PROCESS_EV_BAFFLED);
	if (r->type != LINK_SIGNAL || r->err != ESRCH)
		log_error(p ? process_name(p) : "supervisor", "the keeper refused %s: %s",
			  link_type_name(r->type), strerror(r->err));
}

static void on_failed(struct supervisor *s, const struct link_message *m)
{
	size_t at = 0;
	const struct link_failed *f = link_take(m, &at, sizeof *f);
	const char *text = f ? link_take_str(m, &at) : NULL;
	struct process *p = m->head->slot < s->n_slots ? s->slots[m->head->slot] : NULL;

	if (!p || !text || !text[0])
		return;
	if (p->origin == PROCESS_SERVER)
		forkserver_failed(p, text);
	else
		process_tell_reason(p, m->head->incarnation, text);
}

static void on_upgraded(struct supervisor *s, const struct link_message *m)
{
	size_t at = 0;
	const char *id = link_take_str(m, &at), *words = id ? link_take_str(m, &at) : NULL;

	if (words)
		upgrade_outcome(s, id, words);
}

static void send_pong(struct supervisor *s)
{
	struct link_head h = { .type = LINK_PONG };

	keeper_send(s, &h, NULL, 0, NULL, 0);
}

void keeper_send_all_logs(struct supervisor *s)
{
	for (struct process *p = s->processes; p; p = p->by_name.next)
		if (p->logs_sent)
			process_send_logs(p);
}

static void on_message(void *data, const struct link_message *m)
{
	struct supervisor *s = data;
	size_t at = 0;
	const void *body;

	switch (m->head->type) {
	case LINK_SLOT:
		on_slot(s, m);
		break;
	case LINK_HELD:
		on_held(s, m);
		break;
	case LINK_WELCOME:
		body = link_take(m, &at, sizeof s->keeper);
		if (body)
			memcpy(&s->keeper, body, sizeof s->keeper);
		supervisor_welcome(s);
		break;
	case LINK_SIGNALLED:
		body = link_take(m, &at, sizeof(struct link_signal));
		if (body)
			supervisor_signalled(s, ((const struct link_signal *)body)->number);
		break;
	case LINK_LOGGER:
		s->logger_pid = (pid_t)m->head->incarnation;
		keeper_send_all_logs(s);
		sync_new_logger(s);
		break;
	case LINK_SYNCED:
		sync_answered(s, m->head->incarnation);
		break;
	case LINK_UPGRADED:
		on_upgraded(s, m);
		break;
	case LINK_REFUSED:
		on_refused(s, m);
		break;
	case LINK_FAILED:
		on_failed(s, m);
		break;
	case LINK_PING:
		send_pong(s);
		break;
	default:
		log_error("supervisor", "the keeper sent message %u", m->head->type);
	}
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct supervisor *s = w->data;
	int r = 1;

	(void)loop;
	(void)revents;
	for (int i = 0; r == 1 && i < DATAGRAMS_A_TURN; i++)
		r = link_receive(&s->link, on_message, s);
	if (r == 1 || r == -EAGAIN)
		return;
	if (r == 0 || r == -ECONNRESET) {
		supervisor_orphaned(s);
		return;
	}
	log_error("supervisor", "a message of the keeper was lost: %s", strerror(-r));
	_exit(1); /* it lives: our successor is told everything */
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	keeper_flush(w->data);
}

int keeper_open(struct supervisor *s, int fd)
{
	s->backlog = calloc(1, sizeof *s->backlog);
	if (!s->backlog)
		return -ENOMEM;
	s->backlog->end = &s->backlog->first;
	link_init(&s->link, fd);
	ev_io_init(&s->on_link, on_readable, fd, EV_READ);
	ev_io_init(&s->on_link_writable, on_writable, fd, EV_WRITE);
	s->on_link.data = s->on_link_writable.data = s;
	ev_io_start(s->loop, &s->on_link);
	return 0;
}
