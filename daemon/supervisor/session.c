/* session.c - clients as parents: sessions end with their process, not with a connection
 *
 * The keeper holds the pidfd, so that a session outlives the supervisor that made it. */
#include <fcntl.h>
#include <poll.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/supervisor.h"

struct session {
	UT_hash_handle by_id;
	struct supervisor *supervisor;
	uint64_t id;
	pid_t pid;
	int pidfd;
	unsigned n_processes;
	bool over;
	ev_io on_end;
	ev_timer grace;
};

static struct link_hold hold_of(const struct session *session)
{
	struct link_hold what = { .kind = LINK_HOLD_SESSION, .id = session->id };

	snprintf(what.name, sizeof what.name, "%d", session->pid);
	return what;
}

static void forget(struct session *session)
{
	struct supervisor *s = session->supervisor;
	struct link_hold what = hold_of(session);
	struct link_head h = { .type = LINK_DROP };
	struct link_part part = { &what, sizeof what };

	HASH_DELETE(by_id, s->sessions, session);
	ev_io_stop(s->loop, &session->on_end);
	ev_timer_stop(s->loop, &session->grace);
	keeper_send(s, &h, &part, 1, NULL, 0);
	close(session->pidfd);
	free(session);
}

/* Its daemons are stopped; what was transient and has ended is forgotten with it. */
static void end(struct session *session)
{
	static const struct process_asker foster = { .kind = ASKED_FOSTER };
	struct supervisor *s = session->supervisor;
	struct process *next;

	session->over = true;
	session->n_processes++; /* not forgotten while we go through its processes */
	for (struct process *p = s->processes; p; p = next) {
		next = p->by_name.next;
		if (p->session != session)
			continue;
		if (p->daemon && p->session_is_parent)
			(void)process_ask_stop(p, &foster);
		session_detach(p);
		if (p->transient && !process_state_is_up(p->state) && !p->event_queued)
			process_free(p);
	}
	if (--session->n_processes == 0)
		forget(session);
}

static void on_grace(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	end(container_of(w, struct session, grace));
}

static void on_end(struct ev_loop *loop, ev_io *w, int revents)
{
	struct session *session = container_of(w, struct session, on_end);
	double grace = session->supervisor->conf->main.session_grace;

	(void)revents;
	ev_io_stop(loop, w);
	if (grace <= 0) {
		end(session);
		return;
	}
	ev_timer_set(&session->grace, grace, 0.);
	ev_timer_start(loop, &session->grace);
}

static struct session *add(struct supervisor *s, uint64_t id, pid_t pid, int pidfd)
{
	struct session *session = calloc(1, sizeof *session);

	if (!session)
		return NULL;
	session->supervisor = s;
	session->id = id;
	session->pid = pid;
	session->pidfd = pidfd;
	ev_timer_init(&session->grace, on_grace, 0., 0.);
	ev_io_init(&session->on_end, on_end, pidfd, EV_READ);
	ev_io_start(s->loop, &session->on_end);
	HASH_ADD(by_id, s->sessions, id, sizeof session->id, session);
	return session;
}

struct session *session_find(const struct supervisor *s, uint64_t id)
{
	struct session *session;

	HASH_FIND(by_id, s->sessions, &id, sizeof id, session);
	return session;
}

/* Whether it is still the session of this PID: its process has not ended without us having heard of it
 * yet, or a little while ago (session_grace=), and left the PID to another. */
static bool is_of(const struct session *session, pid_t pid)
{
	struct pollfd p = { .fd = session->pidfd, .events = POLLIN };

	return session->pid == pid && !session->over && poll(&p, 1, 0) == 0;
}

/* The PID is 0 for everybody who is in another PID namespace than we: then each time a new one. */
struct session *session_of_client(const struct supervisor *s, pid_t pid)
{
	for (struct session *session = pid ? s->sessions : NULL; session;
	     session = session->by_id.next)
		if (is_of(session, pid))
			return session;
	return NULL;
}

size_t session_count(const struct supervisor *s)
{
	return HASH_CNT(by_id, s->sessions);
}

struct session *session_of(struct supervisor *s, pid_t pid, int pidfd)
{
	static uint64_t last_id;
	struct session *session = session_of_client(s, pid);
	struct link_head h = { .type = LINK_HOLD };
	struct link_hold what;
	struct link_part part = { &what, sizeof what };
	int copy;

	if (session)
		return session;
	copy = pidfd < 0 ? -1 : fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
	if (pidfd < 0)
		errno = ESRCH; /* it has gone, and its PID may be another's */
	if (copy < 0)
		return NULL;
	while (session_find(s, ++last_id))
		;
	session = add(s, last_id, pid, copy);
	if (!session) {
		close(copy);
		errno = ENOMEM;
		return NULL;
	}
	what = hold_of(session);
	keeper_send(s, &h, &part, 1, &copy, 1);
	return session;
}

struct session *session_resume(struct supervisor *s, uint64_t id, pid_t pid, int pidfd)
{
	struct session *session = session_find(s, id);

	if (session) {
		close(pidfd);
		return session;
	}
	session = add(s, id, pid, pidfd);
	if (!session)
		close(pidfd);
	return session;
}

void session_attach(struct session *session, struct process *p)
{
	session_detach(p);
	p->session = session;
	session->n_processes++;
}

void session_detach(struct process *p)
{
	struct session *session = p->session;

	p->session = NULL;
	if (session && --session->n_processes == 0)
		forget(session);
}

uint64_t session_id(const struct session *session)
{
	return session->id;
}

pid_t session_pid(const struct session *session)
{
	return session->pid;
}
