/* take_over.c - going on with what others leave: another supervisor, or another fosterd
 *
 * A slot of the keeper's snapshot has a name, facts and a note. Its process is made by the name, from the
 * configuration or the spool; the note says what the one before us knew of it; then the facts are told like
 * any others (process_resumed()).
 *
 * After another fosterd (ADOPTED) two things are different:
 *   - A process whose start was under way, and whose PID its keeper had not learnt yet, is looked for by
 *     its FOSTER_INSTANCE; found, it is the slot's like any other.
 *   - What was left of trees that were to end with that fosterd is killed, and so is what was begun by
 *     order and asked for by nobody. */
#include <sys/syscall.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/cgroup.h"
#include "daemon/supervisor/everybody.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"

struct snapshot_entry {
	uint32_t slot;
	uint64_t incarnation;
	struct link_slot facts;
	char *name;
	struct process *process;
	pid_t found; /* a process that may be the one that was being started */
	uint64_t found_ticks;
};

void snapshot_slot(struct supervisor *s, uint32_t slot, uint64_t incarnation,
		   const struct link_slot *facts, const char *name)
{
	struct snapshot_entry *more;

	for (size_t i = 0; !name && i < s->n_snapshot; i++) /* a later report of one we have */
		if (s->snapshot[i].slot == slot) {
			s->snapshot[i].facts = *facts;
			s->snapshot[i].incarnation = incarnation;
		}
	if (!name || !name[0])
		return;
	more = realloc(s->snapshot, (s->n_snapshot + 1) * sizeof *more);
	if (!more)
		nomem_exit(name);
	s->snapshot = more;
	s->snapshot[s->n_snapshot] = (struct snapshot_entry){
		.slot = slot, .incarnation = incarnation, .facts = *facts, .name = strdup(name)
	};
	if (!s->snapshot[s->n_snapshot++].name)
		nomem_exit(name);
}

/* A client's process stays what it is, also where its name has become that of a program since. */
static struct process *make_process(struct supervisor *s, const struct snapshot_entry *e)
{
	const struct conf_process *def = conf_find_process(s->conf, e->name);
	struct process *p = NULL;

	errno = 0;
	if (!def || process_note_is_of_client(&e->facts.note))
		p = spool_load(s, e->name, e->slot);
	if (!p && def && errno != ENOMEM)
		p = process_new_in_slot(s, s->conf, def, PROCESS_FILE, e->slot);
	if (!p && errno != ENOMEM)
		p = internal_resume(s, e->name, e->slot);
	if (!p && errno != ENOMEM)
		p = internal_ghost(s, e->name, e->slot);
	if (!p) /* what runs would be forgotten, and started again */
		nomem_exit(e->name);
	return p;
}

/* Known by systemd's descriptor store alone, it has none. */
static void read_note(const struct snapshot_entry *e)
{
	static const struct link_note none;

	if (process_note_read(e->process, &e->facts.note))
		return;
	if (memcmp(&e->facts.note, &none, sizeof none) != 0)
		log_error(e->name, "its note cannot be read");
	if (e->facts.state != LINK_SLOT_EMPTY)
		process_presume_running(e->process, e->facts.pid);
	process_send_note(e->process); /* which the next one can read */
}

/* ---- after another fosterd ------------------------------------------------------------------------ */

static bool was_being_started(const struct snapshot_entry *e)
{
	const uint32_t left = LINK_FLAG_ADOPTED | LINK_FLAG_LOST;

	return e->facts.state == LINK_SLOT_ENDED && !e->facts.pid &&
	       (e->facts.flags & left) == left && !(e->facts.flags & LINK_FLAG_DIES);
}

/* The main process is the first of its tree, and leads a group. */
static void consider(void *data, const struct everybody_one *one)
{
	struct supervisor *s = data;

	for (size_t i = 0; i < s->n_snapshot; i++) {
		struct snapshot_entry *e = &s->snapshot[i];

		if (was_being_started(e) && e->process->instance == one->instance &&
		    one->facts.pgrp == one->pid &&
		    (!e->found || one->facts.start_ticks < e->found_ticks)) {
			e->found = one->pid;
			e->found_ticks = one->facts.start_ticks;
		}
	}
}

static void tell_found(struct supervisor *s, struct snapshot_entry *e)
{
	struct link_head h = { .type = LINK_ADOPT, .slot = e->slot, .incarnation = e->incarnation };
	struct link_forked body = { .pid = e->found };
	struct link_part part = { &body, sizeof body };
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, e->found, 0);
	struct proc_stat now;

	if (pidfd < 0 || proc_stat(e->found, &now) < 0 || now.start_ticks != e->found_ticks)
		return;
	keeper_send(s, &h, &part, 1, &pidfd, 1);
	e->facts.state = LINK_SLOT_LIVE;
	e->facts.flags &= ~(uint32_t)LINK_FLAG_LOST;
	e->facts.pid = e->found;
	log_info(e->name, "PID %d was being started when fosterd was killed", e->found);
}

static void find_those_being_started(struct supervisor *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_snapshot; i++)
		any |= was_being_started(&s->snapshot[i]);
	if (any)
		everybody_look(consider, s);
	for (size_t i = 0; any && i < s->n_snapshot; i++)
		if (s->snapshot[i].found)
			tell_found(s, &s->snapshot[i]);
}

/* What their own death signal, and the supervisor that saw their keeper go, have missed. */
static void kill_trees_of_the_gone(struct supervisor *s)
{
	struct doomed d = { 0 };

	for (size_t i = 0; i < s->n_snapshot; i++) {
		const struct snapshot_entry *e = &s->snapshot[i];
		const struct process *p = e->process;

		tree_doom(&d, p->next_instance); /* begun by order, asked for by nobody */
		if (!p->went_with_keeper || p->def->program->kill_scope != CONF_TREE)
			continue;
		if (e->facts.flags & LINK_FLAG_CGROUP)
			(void)cgroup_kill(e->name, p->instance);
		tree_doom(&d, p->instance);
	}
	tree_kill_doomed(&d);
}

/* An order was the earlier keeper's. */
static void forget_orders(struct supervisor *s)
{
	for (struct process *p = s->processes; p; p = p->by_name.next)
		process_order_is_over(p);
}

/* Stopped, or being stopped, by a shutdown that was not finished: this fosterd starts what it would start.
 * What a person has stopped stays so. */
static void call_shutdown_off(struct supervisor *s)
{
	static const struct process_asker foster = { .kind = ASKED_FOSTER };

	for (struct process *p = s->processes; p; p = p->by_name.next) {
		if (p->origin != PROCESS_FILE || p->removed || p->want_up ||
		    !p->def->program->autostart || p->asker.kind == ASKED_CLIENT)
			continue;
		if (p->state == PROCESS_STOPPING)
			p->want_up = true;
		else if (p->state == PROCESS_STOPPED)
			(void)process_ask_start(p, &foster);
	}
}

/* ---- both ------------------------------------------------------------------------------------------ */

static void free_snapshot(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_snapshot; i++)
		free(s->snapshot[i].name);
	free(s->snapshot);
	s->snapshot = NULL;
	s->n_snapshot = 0;
}

/* It is forgotten when it has ended, and ends now if its definition was taken out of the configuration: our
 * predecessor died before it could stop it. */
static void resume_ghost(struct process *p)
{
	static const struct process_asker foster = { .kind = ASKED_FOSTER };

	p->removed = true;
	if (!p->clients)
		(void)process_ask_stop(p, &foster);
	if (!process_state_is_up(p->state) && !p->event_queued)
		process_free(p);
}

static void go_on(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_snapshot; i++) {
		const struct snapshot_entry *e = &s->snapshot[i];

		process_resumed(e->process, e->incarnation, &e->facts);
		if (e->process->origin == PROCESS_GHOST)
			resume_ghost(e->process);
	}
}

static void look_at_parents(struct supervisor *s)
{
	for (struct process *p = s->processes; p && !s->keeper.leaving; p = p->by_name.next)
		process_look_at_parent(p);
}

/* But those that are about to end, as their keeper did. */
static void log_adopted(const struct supervisor *s)
{
	for (size_t i = 0; i < s->n_snapshot; i++) {
		const struct snapshot_entry *e = &s->snapshot[i];

		if (e->facts.state == LINK_SLOT_LIVE && !(e->facts.flags & LINK_FLAG_DIES))
			log_info(e->name, "adopted, PID %d", e->facts.pid);
	}
}

void take_over(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_snapshot; i++) /* all must exist before any is looked at */
		s->snapshot[i].process = make_process(s, &s->snapshot[i]);
	for (size_t i = 0; i < s->n_snapshot; i++) {
		struct snapshot_entry *e = &s->snapshot[i];

		read_note(e);
		e->process->went_with_keeper = process_is_gone_with_keeper(&e->facts);
	}
	if (s->keeper.adopted && !s->resumed) {
		find_those_being_started(s);
		kill_trees_of_the_gone(s);
		forget_orders(s);
	}
	go_on(s);
	if (s->keeper.adopted && !s->resumed) {
		log_adopted(s);
		call_shutdown_off(s);
	}
	look_at_parents(s);
	keeper_send_all_logs(s); /* the logger may be as new as we are */
	free_snapshot(s);
}
