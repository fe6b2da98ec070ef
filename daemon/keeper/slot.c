/* slot.c - a slot's life: spawn, end, acknowledge, report */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/pidinfo.h"
#include "daemon/keeper/pipes.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/store.h"

int slots_init(struct keeper *k)
{
	k->slots = calloc(TABLE_SLOTS, sizeof *k->slots); /* pages come with use */
	if (!k->slots)
		return -ENOMEM;
	k->first_report = k->last_report = LINK_NO_SLOT;
	return 0;
}

uint32_t slot_index(const struct keeper *k, const struct slot *s)
{
	return (uint32_t)(s - k->slots);
}

void slot_prepare(struct keeper *k, uint32_t slot)
{
	struct slot *s = &k->slots[slot];

	if (s->keeper)
		return;
	s->keeper = k;
	s->log_fds[0] = s->log_fds[1] = s->stdin_fd = -1;
	s->on_pidfd.fd = -1;
	s->next_report = LINK_NO_SLOT;
}

/* ---- reports: facts are sent at the end of the turn, each changed slot once ------------------ */

void slot_report(struct keeper *k, uint32_t slot)
{
	struct slot *s = &k->slots[slot];

	if (s->report_due)
		return;
	s->report_due = true;
	s->next_report = LINK_NO_SLOT;
	if (k->first_report == LINK_NO_SLOT)
		k->first_report = slot;
	else
		k->slots[k->last_report].next_report = slot;
	k->last_report = slot;
}

int slot_send(struct keeper *k, uint32_t slot, bool with_name)
{
	const char *name = table_name(&k->table, slot);
	struct link_slot f = *table_facts(&k->table, slot);
	struct link_head h = { .type = LINK_SLOT,
			       .slot = slot,
			       .incarnation = table_incarnation(&k->table, slot),
			       .acks = k->acks };
	struct link_part parts[] = { { &f, sizeof f }, { name, with_name ? strlen(name) + 1 : 0 } };
	struct link *l = k->parts[PART_SUPERVISOR].link;
	int r;

	if (k->slots[slot].unlogged)
		f.flags |= LINK_FLAG_UNLOGGED;
	r = link_leave_room(l);
	if (r == 0)
		r = link_send(l, &h, parts, 2, NULL, 0);
	if (r == 0)
		k->slots[slot].unlogged = 0;
	return r;
}

void slots_send_reports(struct keeper *k)
{
	while (k->first_report != LINK_NO_SLOT) {
		struct slot *s = &k->slots[k->first_report];

		if (k->parts[PART_SUPERVISOR].link->fd >= 0) {
			if (slot_send(k, k->first_report, false) < 0)
				return; /* goes on when the supervisor has read, or is another */
			part_expect(&k->parts[PART_SUPERVISOR]);
		} /* else the snapshot will tell its successor */
		s->report_due = false;
		k->first_report = s->next_report;
	}
	k->last_report = LINK_NO_SLOT;
}

void slots_report_unlogged(struct keeper *k)
{
	if (!k->any_unlogged || k->any_untold || k->parts[PART_LOGGER].link->blocked)
		return;
	k->any_unlogged = false;
	for (uint32_t i = 0; i < k->table.used_max; i++)
		if (k->slots[i].unlogged)
			slot_report(k, i);
}

static void refuse(struct keeper *k, uint32_t slot, uint64_t incarnation, enum link_type type,
		   int err)
{
	struct link_head h = { .type = LINK_REFUSED, .slot = slot, .incarnation = incarnation };
	struct link_refused refused = { .type = type, .err = err };
	struct link_part part = { &refused, sizeof refused };

	part_send(&k->parts[PART_SUPERVISOR], &h, &part, 1, NULL, 0);
	slot_report(k, slot);
}

/* ---- changes of state ------------------------------------------------------------------------ */

static void on_pidfd(struct ev_loop *loop, ev_io *w, int revents)
{
	struct slot *s = container_of(w, struct slot, on_pidfd);

	(void)loop;
	(void)revents;
	reap_slot(s->keeper, slot_index(s->keeper, s));
}

void slot_watch(struct keeper *k, uint32_t slot, bool on)
{
	struct slot *s = &k->slots[slot];

	if (s->on_pidfd.fd < 0)
		return;
	if (on)
		ev_io_start(k->loop, &s->on_pidfd);
	else
		ev_io_stop(k->loop, &s->on_pidfd);
}

static void close_pidfd(struct keeper *k, struct slot *s)
{
	if (s->on_pidfd.fd < 0)
		return;
	ev_io_stop(k->loop, &s->on_pidfd);
	close(s->on_pidfd.fd);
	s->on_pidfd.fd = -1;
}

void slot_watch_adopted(struct keeper *k, uint32_t slot, int pidfd)
{
	struct slot *s = &k->slots[slot];

	ev_io_init(&s->on_pidfd, on_pidfd, pidfd, EV_READ);
	ev_io_start(k->loop, &s->on_pidfd);
}

/* Of one that has ended only what is adopted keeps a pidfd, and nothing is to come from it. */
void slot_watch_again(struct keeper *k, uint32_t slot, int pidfd)
{
	slot_watch_adopted(k, slot, pidfd);
	if (table_facts(&k->table, slot)->state != LINK_SLOT_LIVE)
		slot_watch(k, slot, false);
}

void slot_executed(struct keeper *k, uint32_t slot, pid_t pid, int pidfd, uint32_t flags)
{
	struct link_slot f = *table_facts(&k->table, slot);
	struct slot *s = &k->slots[slot];
	struct pidinfo_identity who;

	pidinfo_identify(pidfd < 0 ? s->on_pidfd.fd : pidfd, pid, &who);
	f.state = LINK_SLOT_LIVE;
	f.pid = pid;
	f.flags |= flags;
	f.pidfd_inode = who.inode;
	f.start_ticks = who.start_ticks;
	table_write(&k->table, slot, table_incarnation(&k->table, slot), &f);
	slot_report(k, slot);
	if (pidfd >= 0 && s->on_pidfd.fd < 0) {
		ev_io_init(&s->on_pidfd, on_pidfd, pidfd, EV_READ);
		ev_io_start(k->loop, &s->on_pidfd);
	}
	store_update(k, slot);
}

void slot_failed(struct keeper *k, uint32_t slot, enum link_step step, int err)
{
	struct link_slot f = *table_facts(&k->table, slot);

	f.state = LINK_SLOT_FAILED;
	f.pid = 0;
	f.step = step;
	f.err = err;
	f.ended_ns = clock_boot_ns();
	table_write(&k->table, slot, table_incarnation(&k->table, slot), &f);
	slot_report(k, slot);
	close_pidfd(k, &k->slots[slot]);
	if (k->slots[slot].server)
		server_free(k, slot);
}

void slot_ended(struct keeper *k, uint32_t slot, int status, const struct rusage *usage)
{
	struct link_slot f = *table_facts(&k->table, slot);

	f.state = LINK_SLOT_ENDED;
	f.status = status;
	f.ended_ns = clock_boot_ns();
	f.utime_us = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec;
	f.stime_us = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec;
	f.maxrss_kb = (uint64_t)usage->ru_maxrss;
	table_write(&k->table, slot, table_incarnation(&k->table, slot), &f);
	slot_report(k, slot);
	order_begin(k, slot, status);
	if (f.flags & LINK_FLAG_ADOPTED) /* another may reap it: the pidfd is all that means it */
		slot_watch(k, slot, false);
	else
		close_pidfd(k, &k->slots[slot]); /* the zombie itself keeps the PID now */
	if (k->slots[slot].server)
		server_free(k, slot);
}

void slot_lost(struct keeper *k, uint32_t slot)
{
	struct link_slot f = *table_facts(&k->table, slot);

	f.state = LINK_SLOT_ENDED;
	f.flags |= LINK_FLAG_LOST;
	f.ended_ns = clock_boot_ns();
	table_write(&k->table, slot, table_incarnation(&k->table, slot), &f);
	slot_report(k, slot);
	close_pidfd(k, &k->slots[slot]);
	if (k->slots[slot].server)
		server_free(k, slot);
}

void slot_note(struct keeper *k, uint32_t slot, const struct link_note *note)
{
	struct link_slot f = *table_facts(&k->table, slot);

	f.note = *note;
	table_write(&k->table, slot, table_incarnation(&k->table, slot), &f);
}

/* Let an ended or failed incarnation go: from now on its PID means nothing. */
static void release(struct keeper *k, uint32_t slot)
{
	struct link_slot f = *table_facts(&k->table, slot);

	if (f.state == LINK_SLOT_ENDED) {
		if (f.flags & LINK_FLAG_SERVED)
			server_reap(k, slot, table_incarnation(&k->table, slot));
		if (!(f.flags & LINK_FLAG_ADOPTED))
			reap_release(k, f.pid);
	}
	f.state = LINK_SLOT_EMPTY;
	f.pid = 0;
	table_write(&k->table, slot, table_incarnation(&k->table, slot), &f);
	close_pidfd(k, &k->slots[slot]);
	store_update(k, slot);
}

void slot_acknowledge(struct keeper *k, uint32_t slot, uint64_t incarnation)
{
	uint32_t state = table_facts(&k->table, slot)->state;

	k->acks++;
	if (incarnation == table_incarnation(&k->table, slot) &&
	    (state == LINK_SLOT_ENDED || state == LINK_SLOT_FAILED)) {
		order_drop(k, slot);
		release(k, slot);
	}
}

void slot_free(struct keeper *k, uint32_t slot)
{
	struct slot *s = &k->slots[slot];
	uint32_t state = table_facts(&k->table, slot)->state;

	if (!s->keeper)
		return;
	if (state == LINK_SLOT_LIVE || state == LINK_SLOT_SPAWNING) {
		refuse(k, slot, table_incarnation(&k->table, slot), LINK_FREE, EBUSY);
		return;
	}
	order_drop(k, slot);
	release(k, slot);
	pipes_close(k, slot);
	s->unlogged = 0;
	table_free_slot(&k->table, slot);
}

/* LIVE and ENDED both: the PID, and with it the number of the group, is still its own. */
static int send_signal(const struct slot *s, const struct link_slot *f, const struct link_signal *l)
{
	bool group = l->scope == LINK_SCOPE_GROUP;

	if (f->pid <= 1 || (f->state != LINK_SLOT_LIVE && f->state != LINK_SLOT_ENDED))
		return -ESRCH;
	if (!(f->flags & LINK_FLAG_ADOPTED))
		return kill(group ? -f->pid : f->pid, l->number) < 0 ? -errno : 0;
	if (s->on_pidfd.fd < 0)
		return -ESRCH;
	return pidinfo_signal(s->on_pidfd.fd, f->pid, l->number, group);
}

/* It has not executed: a file system may hold it up, or its forkserver. Its report, or that one's end, tells. */
static int give_up_start(struct keeper *k, uint32_t slot, const struct link_slot *f)
{
	if (f->pid <= 1)
		return server_give_up(k, slot);
	return kill(f->pid, SIGKILL) < 0 ? -errno : 0;
}

void slot_signal(struct keeper *k, uint32_t slot, uint64_t incarnation, const struct link_signal *s)
{
	const struct link_slot *f = table_facts(&k->table, slot);
	int r = -ESRCH;

	if (incarnation == table_incarnation(&k->table, slot))
		r = f->state == LINK_SLOT_SPAWNING && s->number == SIGKILL
			    ? give_up_start(k, slot, f)
			    : send_signal(&k->slots[slot], f, s);
	if (r < 0)
		refuse(k, slot, incarnation, LINK_SIGNAL, -r);
}

/* ---- spawning -------------------------------------------------------------------------------- */

/* A careful spawn whose child has not yet said how it went. */
struct report {
	struct keeper *keeper;
	uint32_t slot;
	ev_io on_readable;
};

static void on_report(struct ev_loop *loop, ev_io *w, int revents)
{
	struct report *r = container_of(w, struct report, on_readable);
	struct keeper *k = r->keeper;
	uint32_t slot = r->slot;
	struct spawn_fail fail;
	ssize_t n = read(w->fd, &fail, sizeof fail);
	pid_t pid;

	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ev_io_stop(loop, w);
	close(w->fd);
	free(r);
	k->slots[slot].report = NULL;
	if (n != (ssize_t)sizeof fail) {
		slot_executed(k, slot, table_facts(&k->table, slot)->pid, -1, 0);
		slot_watch(k, slot, true);
		reap_slot(k, slot); /* it may have ended while it was SPAWNING */
		return;
	}
	pid = table_facts(&k->table, slot)->pid;
	kill(pid, SIGKILL); /* it exits right after the report, unless its user has stopped it */
	waitpid(pid, NULL, 0);
	slot_failed(k, slot, fail.step, fail.err);
}

/* The careful way: nothing is known until the report pipe says so. */
static void await_report(struct keeper *k, uint32_t slot, const struct spawn_result *result)
{
	struct link_slot f = *table_facts(&k->table, slot);
	struct slot *s = &k->slots[slot];
	struct report *r = malloc(sizeof *r);

	f.pid = result->pid;
	f.flags |= result->in_cgroup ? LINK_FLAG_CGROUP : 0;
	table_write(&k->table, slot, table_incarnation(&k->table, slot), &f);
	if (result->pidfd >= 0)
		ev_io_init(&s->on_pidfd, on_pidfd, result->pidfd, EV_READ); /* started when LIVE */
	if (!r) { /* then its report is not read; that it lives is all we know */
		close(result->report_fd);
		slot_executed(k, slot, result->pid, -1, 0);
		slot_watch(k, slot, true);
		return;
	}
	*r = (struct report){ .keeper = k, .slot = slot };
	s->report = r;
	ev_io_init(&r->on_readable, on_report, result->report_fd, EV_READ);
	ev_io_start(k->loop, &r->on_readable);
}

static void spawned(struct keeper *k, uint32_t slot, const struct spawn_result *result)
{
	if (result->report_fd >= 0)
		await_report(k, slot, result);
	else
		slot_executed(k, slot, result->pid, result->pidfd,
			      result->in_cgroup ? LINK_FLAG_CGROUP : 0);
}

static void on_spawned(void *data, struct spawn_plan *plan, const struct spawn_result *result,
		       const struct spawn_fail *fail)
{
	struct slot *s = data;
	uint32_t slot = slot_index(s->keeper, s);

	free(plan);
	if (result)
		spawned(s->keeper, slot, result);
	else
		slot_failed(s->keeper, slot, fail->step, fail->err);
}

/* The slot is now SPAWNING this incarnation; whatever becomes of it, the table knows it was tried. */
static void begin(struct keeper *k, uint32_t slot, uint64_t incarnation, uint64_t spawned_ns,
		  const struct link_spawn *l)
{
	struct link_slot f = { .state = LINK_SLOT_SPAWNING,
			       .spawned_ns = spawned_ns,
			       .server = l->server,
			       .note = l->note };

	if (l->flags & LINK_SPAWN_DIES)
		f.flags |= LINK_FLAG_DIES;
	if (l->flags & LINK_SPAWN_SERVER)
		f.flags |= LINK_FLAG_SERVER;
	table_write(&k->table, slot, incarnation, &f);
}

static void carry_out(struct keeper *k, const struct link_message *m, const struct link_spawn *l)
{
	auto_free struct spawn_plan *plan = NULL;
	uint32_t slot = m->head->slot;
	int fds[4], server_end = -1;
	unsigned n_fds;
	int r = plan_fds(k, m, l, fds, &n_fds);

	if (r < 0) {
		slot_failed(k, slot, LINK_STEP_PIPE, -r);
		return;
	}
	if (l->server != LINK_NO_SLOT) {
		r = server_spawn(k, slot, m, l, fds, n_fds);
		if (r < 0)
			slot_failed(k, slot, LINK_STEP_SERVER, -r);
		return;
	}
	r = plan_make(k, m, l, fds, n_fds, &plan);
	if (r == 0 && l->flags & LINK_SPAWN_SERVER) {
		k->slots[slot].server = server_new(k, slot, &server_end);
		r = k->slots[slot].server ? 0 : -errno;
	}
	if (r < 0) {
		slot_failed(k, slot, LINK_STEP_FORK, -r);
		return;
	}
	if (server_end >= 0)
		plan->fds[plan->n_fds++] = server_end;
	spawn_begin(take_ptr(plan), m->more, on_spawned, &k->slots[slot]);
	close_fd(&server_end);
}

void slot_spawn(struct keeper *k, const struct link_message *m)
{
	uint32_t slot = m->head->slot;
	uint64_t now = table_incarnation(&k->table, slot), wanted = m->head->incarnation;
	uint32_t state = table_facts(&k->table, slot)->state;
	size_t at = 0;
	const struct link_spawn *l = link_take(m, &at, sizeof *l);
	struct spawn_result life;
	uint64_t spawned_ns;

	if (!l || (l->server >= TABLE_SLOTS && l->server != LINK_NO_SLOT)) {
		refuse(k, slot, wanted, LINK_SPAWN, EPROTO);
		return;
	}
	if (wanted == now &&
	    state != LINK_SLOT_EMPTY) { /* asked again: it is done, or being done */
		slot_report(k, slot);
		return;
	}
	if (wanted != now + 1 || state == LINK_SLOT_LIVE || state == LINK_SLOT_SPAWNING) {
		refuse(k, slot, wanted, LINK_SPAWN, wanted != now + 1 ? ESTALE : EBUSY);
		return;
	}
	if (state == LINK_SLOT_ENDED)
		release(k, slot);
	if (order_claim(k, m, &life, &spawned_ns)) {
		begin(k, slot, wanted, spawned_ns, l);
		spawned(k, slot, &life);
		if (life.pidfd < 0)
			reap_slot(k, slot); /* SIGCHLD may have come before it was the slot's */
		return;
	}
	begin(k, slot, wanted, clock_boot_ns(), l);
	carry_out(k, m, l);
}
