/* server.c - forkservers: plans out, children in
 *
 * A forkserver is a slot like any other, plus a link. What it says is checked: a reply must name a
 * slot that was asked of it, and the process it names must be its own child or ours, and nobody else's
 * yet. A reply that is none fails what was asked: nothing waits for another.
 *
 * Once its preload is done, an answer is due to each plan, and of each child of its own whose end is seen
 * the status. One that is silent for a watchdog interval hangs, and is killed; so is one that does not speak
 * as it should, that lives on without its link, or that has not answered when its plan is given up. */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/proc.h"
#include "daemon/keeper/birth.h"
#include "daemon/keeper/keeper.h"

#define CLOSED_TO_END_S 1.

struct server {
	struct birth *births;
	struct keeper *keeper;
	uint32_t slot;
	bool loaded; /* its preload is done */
	bool closed; /* its end of the link; watch waits for its own end */
	bool killed; /* for what it did, or did not */
	bool stays_parent;
	unsigned n_due; /* answers */
	ev_timer watch; /* runs from what was last said, as long as one is due; or when closed */
	ev_io on_readable, on_writable;
	struct link link;
};

static void watch_writable(struct server *s)
{
	if (s->link.blocked)
		ev_io_start(s->keeper->loop, &s->on_writable);
	else
		ev_io_stop(s->keeper->loop, &s->on_writable);
}

/* 0: it is on its way, at the latest when there is room again. -EAGAIN: not even that. */
static int send_now(struct server *s, const struct link_head *h, const struct link_part *parts,
		    unsigned n, const int *fds, unsigned n_fds)
{
	int r = link_send(&s->link, h, parts, n, fds, n_fds);

	if (r == 0) {
		r = link_flush(&s->link);
		r = r == -EAGAIN ? 0 : r;
	}
	watch_writable(s);
	return r;
}

/* ---- what is due ------------------------------------------------------------------------------- */

static void watch_anew(struct server *s)
{
	ev_timer_stop(s->keeper->loop, &s->watch);
	if (s->loaded && s->n_due && s->keeper->watchdog_ms) {
		ev_timer_set(&s->watch, s->keeper->watchdog_ms / 1000., 0.);
		ev_timer_start(s->keeper->loop, &s->watch);
	}
}

static void expect(struct server *s)
{
	s->n_due++;
	if (!ev_is_active(&s->watch))
		watch_anew(s);
}

static void has_answered(struct server *s)
{
	s->n_due--;
	watch_anew(s);
}

static void has_answered_spawn(struct server *s)
{
	s->keeper->n_server_spawns--;
	has_answered(s);
}

/* ---- what it says ---------------------------------------------------------------------------- */

static bool is_answer(const struct server *s, const struct link_message *m, uint32_t state)
{
	const struct table *t = &s->keeper->table;

	return m->head->slot < TABLE_SLOTS && table_name(t, m->head->slot)[0] &&
	       table_incarnation(t, m->head->slot) == m->head->incarnation &&
	       table_facts(t, m->head->slot)->server == s->slot &&
	       table_facts(t, m->head->slot)->state == state;
}

/* Whether it may be the child that was asked for. Who names the process of another slot, or a part of ours,
 * would have us signal that. */
static bool is_new_child(const struct server *s, pid_t pid, int pidfd)
{
	const struct keeper *k = s->keeper;
	struct proc_stat stat;

	if (pid <= 1 || pidinfo_pid(pidfd) != pid || proc_stat(pid, &stat) < 0 ||
	    reap_knows(k, pid))
		return false;
	return stat.ppid == getpid() ||
	       (s->stays_parent && stat.ppid == table_facts(&k->table, s->slot)->pid);
}

static void on_begun(struct server *s, const struct link_message *m)
{
	size_t at = 0;
	const struct link_forked *f = link_take(m, &at, sizeof *f);

	if (is_answer(s, m, LINK_SLOT_SPAWNING) && f && m->n_fds == 1 &&
	    is_new_child(s, f->pid, m->fds[0]))
		birth_add(&s->births, s->keeper, m->head, take_fd(m->fds[0]));
}

static void no_answer(struct server *s, const struct link_message *m)
{
	struct keeper *k = s->keeper;

	log_error(table_name(&k->table, s->slot), "its %s for %s is not well formed",
		  link_type_name(m->head->type), table_name(&k->table, m->head->slot));
	slot_failed(k, m->head->slot, LINK_STEP_SERVER, EBADMSG);
}

static void on_forked(struct server *s, const struct link_message *m)
{
	struct keeper *k = s->keeper;
	size_t at = 0;
	const struct link_forked *f = link_take(m, &at, sizeof *f);

	if (!is_answer(s, m, LINK_SLOT_SPAWNING))
		return;
	has_answered_spawn(s);
	birth_forget(&s->births, m->head->slot);
	if (!f || m->n_fds != 1) {
		no_answer(s, m);
		return;
	}
	if (!is_new_child(s, f->pid, m->fds[0])) {
		log_error(table_name(&k->table, s->slot), "named PID %d, which is not its child",
			  f->pid);
		slot_failed(k, m->head->slot, LINK_STEP_SERVER, EBADMSG);
		return;
	}
	slot_executed(k, m->head->slot, f->pid, take_fd(m->fds[0]),
		      s->stays_parent ? LINK_FLAG_SERVED : 0);
}

/* The words of a failure are for the log and for who asked; the table keeps step and errno. */
static void on_failed(struct server *s, const struct link_message *m)
{
	struct keeper *k = s->keeper;
	struct link_head h = *m->head;
	struct link_part body = { m->body, m->len };
	size_t at = 0;
	const struct link_failed *f = link_take(m, &at, sizeof *f);
	bool is_whole = f && link_take_str(m, &at);

	if (!is_whole && is_answer(s, m, LINK_SLOT_SPAWNING)) {
		has_answered_spawn(s);
		no_answer(s, m);
	}
	if (!is_whole)
		return;
	if (h.slot == LINK_NO_SLOT) { /* its preload */
		h.slot = s->slot;
		h.incarnation = table_incarnation(&k->table, s->slot);
		part_send(&k->parts[PART_SUPERVISOR], &h, &body, 1, NULL, 0);
	} else if (is_answer(s, m, LINK_SLOT_SPAWNING)) {
		part_send(&k->parts[PART_SUPERVISOR], &h, &body, 1, NULL, 0);
		has_answered_spawn(s);
		birth_forget(&s->births, h.slot);
		slot_failed(k, h.slot, f->step < LINK_STEP_MAX ? f->step : LINK_STEP_SERVER,
			    f->err);
	}
}

/* Whether it can tell: it is the parent, and the process has ended. */
static bool is_end(const struct server *s, uint32_t slot)
{
	struct pollfd p = { .fd = s->keeper->slots[slot].on_pidfd.fd, .events = POLLIN };

	return table_facts(&s->keeper->table, slot)->flags & LINK_FLAG_SERVED &&
	       poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

static void on_ended(struct server *s, const struct link_message *m)
{
	size_t at = 0;
	const struct link_ended *e = link_take(m, &at, sizeof *e);
	struct rusage usage = { 0 };

	if (!e || !is_answer(s, m, LINK_SLOT_LIVE) || !is_end(s, m->head->slot))
		return;
	if (!ev_is_active(&s->keeper->slots[m->head->slot].on_pidfd))
		has_answered(s); /* we have seen it before */
	if (!WIFEXITED(e->status) && !WIFSIGNALED(e->status)) {
		slot_lost(s->keeper, m->head->slot);
		return;
	}
	usage.ru_utime.tv_sec = (time_t)(e->utime_us / 1000000);
	usage.ru_utime.tv_usec = (suseconds_t)(e->utime_us % 1000000);
	usage.ru_stime.tv_sec = (time_t)(e->stime_us / 1000000);
	usage.ru_stime.tv_usec = (suseconds_t)(e->stime_us % 1000000);
	usage.ru_maxrss = (long)e->maxrss_kb;
	slot_ended(s->keeper, m->head->slot, e->status, &usage);
}

static void on_message(void *data, const struct link_message *m)
{
	struct server *s = data;
	size_t at = 0;
	const struct link_hello *hello;

	switch (m->head->type) {
	case LINK_HELLO:
		hello = link_take(m, &at, sizeof *hello);
		s->stays_parent = hello && hello->parent;
		s->loaded = true;
		watch_anew(s);
		break;
	case LINK_BEGUN:
		on_begun(s, m);
		break;
	case LINK_FORKED:
		on_forked(s, m);
		break;
	case LINK_FAILED:
		on_failed(s, m);
		break;
	case LINK_ENDED:
		on_ended(s, m);
		break;
	default:
		log_warning(table_name(&s->keeper->table, s->slot), "sent message %u, ignored",
			    m->head->type);
	}
}

/* Its number is its own until its end was acknowledged. */
__attribute__((format(printf, 2, 3))) static void end_server(struct server *s, const char *format,
							     ...)
{
	pid_t pid = table_facts(&s->keeper->table, s->slot)->pid;
	char why[TABLE_NAME_BYTES + 64];
	va_list ap;

	if (s->killed)
		return;
	s->killed = true;
	va_start(ap, format);
	vsnprintf(why, sizeof why, format, ap);
	va_end(ap);
	log_error(table_name(&s->keeper->table, s->slot), "%s, killing it", why);
	if (pid > 1)
		kill(pid, SIGKILL);
}

/* Its link is closed: as a rule it is about to end. */
static void await_end(struct server *s)
{
	s->closed = true;
	ev_timer_stop(s->keeper->loop, &s->watch);
	ev_timer_set(&s->watch, CLOSED_TO_END_S, 0.);
	ev_timer_start(s->keeper->loop, &s->watch);
}

static void listen_to(struct server *s)
{
	int r;

	do
		r = link_receive(&s->link, on_message, s);
	while (r == 1);
	if (r == -EAGAIN)
		return;
	ev_io_stop(s->keeper->loop, &s->on_readable);
	if (r == -EPROTO || r == -EPROTONOSUPPORT)
		end_server(s, "does not speak version %d", LINK_VERSION);
	else if (r < 0 && r != -ECONNRESET)
		end_server(s, "what it has said is lost (%s)", strerror(-r));
	else
		await_end(s);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	listen_to(container_of(w, struct server, on_readable));
}

/* Who was stopped may have been we. */
static void on_watch(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *s = w->data;

	(void)loop;
	(void)revents;
	if (s->closed) {
		end_server(s, "has closed its link");
		return;
	}
	listen_to(s);
	if (s->n_due && !ev_is_active(w))
		end_server(s, "has not answered for %u ms", s->keeper->watchdog_ms);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct server *s = container_of(w, struct server, on_writable);

	(void)loop;
	(void)revents;
	(void)link_flush(&s->link);
	watch_writable(s);
}

/* ---- what it is told ------------------------------------------------------------------------- */

struct server *server_of_link(struct keeper *k, uint32_t slot, int fd, bool loaded,
			      bool stays_parent)
{
	struct server *s = malloc(sizeof *s);

	if (!s)
		return NULL;
	s->births = NULL;
	s->keeper = k;
	s->slot = slot;
	s->loaded = loaded;
	s->closed = s->killed = false;
	s->stays_parent = stays_parent;
	s->n_due = 0;
	link_init(&s->link, fd);
	ev_timer_init(&s->watch, on_watch, 0., 0.);
	s->watch.data = s;
	ev_io_init(&s->on_readable, on_readable, fd, EV_READ);
	ev_io_init(&s->on_writable, on_writable, fd, EV_WRITE);
	ev_io_start(k->loop, &s->on_readable);
	return s;
}

struct server *server_new(struct keeper *k, uint32_t slot, int *ret_child_end)
{
	struct server *s;
	int ours;

	if (link_pair(&ours, ret_child_end) < 0)
		return NULL;
	s = server_of_link(k, slot, ours, false, false);
	if (!s) {
		close(ours);
		close_fd(ret_child_end);
		errno = ENOMEM;
	}
	return s;
}

int server_link_fd(const struct server *s, uint32_t *ret_loaded, uint32_t *ret_stays_parent)
{
	*ret_loaded = s->loaded;
	*ret_stays_parent = s->stays_parent;
	return s->link.fd;
}

bool server_is_quiet(const struct server *s)
{
	return !link_pending(&s->link);
}

int server_spawn(struct keeper *k, uint32_t slot, const struct link_message *m,
		 const struct link_spawn *plan, const int *fds, unsigned n_fds)
{
	struct server *s = plan->server < TABLE_SLOTS ? k->slots[plan->server].server : NULL;
	struct link_head h = { .type = LINK_SPAWN,
			       .slot = slot,
			       .incarnation = m->head->incarnation };
	struct link_spawn copy = *plan;
	struct link_part body[] = { { &copy, sizeof copy },
				    { m->body + sizeof copy, m->len - sizeof copy } };
	int r;

	if (!s)
		return -ECONNRESET; /* as if it had died with it */
	copy.nofile_soft = k->nofile.rlim_cur;
	copy.nofile_hard = k->nofile.rlim_max;
	r = send_now(s, &h, body, 2, fds, n_fds);
	if (r < 0 && r != -EPIPE) /* then it is about to end, and this fails with it: not before */
		return r;
	k->n_server_spawns++;
	expect(s);
	return 0;
}

void server_expect_end(struct keeper *k, uint32_t slot)
{
	if (!ev_is_active(&k->slots[slot].on_pidfd))
		return;
	slot_watch(k, slot, false);
	expect(k->slots[table_facts(&k->table, slot)->server].server);
}

int server_give_up(struct keeper *k, uint32_t slot)
{
	uint32_t server = table_facts(&k->table, slot)->server;

	if (server >= TABLE_SLOTS || !k->slots[server].server)
		return -ESRCH;
	end_server(k->slots[server].server, "has not made %s in time", table_name(&k->table, slot));
	return 0;
}

/* With all others of this turn: each alone would fill the socket much sooner. What it was not told would be a
 * zombie for ever. */
void server_reap(struct keeper *k, uint32_t slot, uint64_t incarnation)
{
	uint32_t server = table_facts(&k->table, slot)->server;
	struct server *s = server < TABLE_SLOTS ? k->slots[server].server : NULL;
	struct link_head h = { .type = LINK_REAP, .slot = slot, .incarnation = incarnation };

	if (!s)
		return;
	if (link_send(&s->link, &h, NULL, 0, NULL, 0) == -EAGAIN)
		end_server(s, "reads nothing");
	ev_io_start(k->loop, &s->on_writable);
}

/* ---- its end --------------------------------------------------------------------------------- */

/* Its children have fallen to us, the subreaper: those that ended too are ours to wait for now. */
static void inherit_child(struct keeper *k, struct server *s, uint32_t slot)
{
	struct link_slot f = *table_facts(&k->table, slot);

	if (f.state == LINK_SLOT_SPAWNING) {
		birth_fail(&s->births, k, slot);
		return;
	}
	birth_forget(&s->births, slot);
	if (!(f.flags & LINK_FLAG_SERVED))
		return;
	f.flags &= ~(uint32_t)LINK_FLAG_SERVED;
	table_write(&k->table, slot, table_incarnation(&k->table, slot), &f);
	if (f.state == LINK_SLOT_LIVE) {
		slot_watch(k, slot, true);
		reap_slot(k, slot);
	}
}

void server_free(struct keeper *k, uint32_t slot)
{
	struct server *s = k->slots[slot].server;

	while (link_receive(&s->link, on_message, s) == 1)
		; /* what it said before it died */
	ev_timer_stop(k->loop, &s->watch);
	ev_io_stop(k->loop, &s->on_readable);
	ev_io_stop(k->loop, &s->on_writable);
	link_done(&s->link);
	k->slots[slot].server = NULL;
	for (uint32_t i = 0; i < k->table.used_max; i++)
		if (table_name(&k->table, i)[0] && table_facts(&k->table, i)->server == slot)
			inherit_child(k, s, i);
	free(s);
}
