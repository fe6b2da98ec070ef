/* tree.c - what a main process leaves behind
 *
 * With a cgroup of its own (cgroup.h), and kill_scope=tree, that is what is in there. Otherwise: when the
 * main process of a stopped program is gone, its descendants have fallen to the keeper, which
 * is a subreaper: they are children of the keeper that are no slot's main process and no part, or
 * descendants of such. An orphan belongs to a process
 *   - whose PID is its process group or session (the main process is kept a zombie until we are
 *     done, so neither number can mean another), or
 *   - whose FOSTER_INSTANCE stands in its environment.
 * The group is killed as one, which nobody can fork away from; an orphan with all its descendants through a
 * pidfd that was verified after it was opened. Looks are repeated until nothing is left; one look serves
 * all processes that are being cleaned. An orphan that belongs to nobody is left alone.
 *
 * A look that finds nobody proves nothing while orphans die under its eyes: one of them may have forked
 * the next. Nor while the keeper reaps: the kernel finds its place in the list by the child told last, and
 * when that is gone by counting, which passes over as many as were reaped before (fs/proc/array.c:
 * get_children_proc()). So it is repeated at once until two of them agree who is listed, and who is dead.
 *
 * An adopted process is another's child, and so are its orphans; its PID may mean another as soon as it has
 * ended. Its tree is its process group, signalled by the keeper through its pidfd, and everybody who has
 * its FOSTER_INSTANCE (everybody.h).
 *
 * Source: proc(5) (/proc/PID/task/TID/children), prctl(2) PR_SET_CHILD_SUBREAPER, pidfd_open(2). */
#include <signal.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/pidset.h"
#include "daemon/base/proc.h"
#include "daemon/supervisor/cgroup.h"
#include "daemon/supervisor/env.h"
#include "daemon/supervisor/everybody.h"
#include "daemon/supervisor/supervisor.h"

#define AGAIN_S 0.005
#define AGAIN_MAX_S 0.25
#define DEPTH_MAX 64
#define LOOKS_MAX 100 /* in a row: somebody else's orphans may come and go for ever */
#define LAST_LOOKS 50
#define LAST_LOOKS_EVERY_US 10000

/* Call on_child for each child of pid, as listed at this moment. Returns the sum of all. */
static uint64_t for_children(pid_t pid, void (*on_child)(void *data, pid_t child), void *data)
{
	auto_buf struct buf text = { 0 };
	uint64_t sum = 0;
	char path[64];
	char *at, *end;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
	if (fd_read_path(path, &text, SIZE_MAX) < 0 || !text.data)
		return 0;
	for (at = text.data; *at; at = end) {
		pid_t child = (pid_t)strtol(at, &end, 10);

		if (end == at)
			break;
		sum += (uint64_t)child;
		on_child(data, child);
		while (*end == ' ')
			end++;
	}
	return sum;
}

/* ---- killing a subtree: stopped first, so that it cannot grow away from us ------------------------- */

struct subtree {
	int depth;
};

static void kill_subtree(void *data, pid_t pid)
{
	struct subtree *t = data;
	struct proc_stat f;

	if (t->depth >= DEPTH_MAX || proc_stat(pid, &f) < 0 || f.state == 'Z')
		return;
	t->depth++;
	everybody_kill(pid, &f);
	(void)for_children(pid, kill_subtree, t);
	t->depth--;
}

/* ---- one look at all orphans ------------------------------------------------------------------------ */

struct look {
	struct supervisor *s;
	unsigned found;
	uint64_t dead; /* sum of the PIDs of orphans that are */
};

static struct pidset known; /* main processes and parts; empty between looks */

/* Main processes whose end was acknowledged, in that order. The keeper, who has not come to it, or had
 * not when it last told us something, may still have their zombies: to find that out by looking at
 * each would take more time than all else when many are stopped. */
static struct released {
	uint64_t ack; /* number of its ACK */
	pid_t pid;
} * released;
static size_t n_released, released_room;

void tree_released(const struct process *p)
{
	struct supervisor *s = p->supervisor;

	if (s->acks_done == s->acks_sent)
		n_released = 0;
	s->acks_sent++;
	if (n_released == released_room) {
		size_t room = released_room ? 2 * released_room : 16;
		struct released *more = realloc(released, room * sizeof *more);

		if (!more)
			return; /* it will be looked at */
		released = more;
		released_room = room;
	}
	released[n_released++] = (struct released){ s->acks_sent, p->pid };
}

static void mark_known(const struct supervisor *s, void (*change)(struct pidset *set, pid_t pid))
{
	change(&known, getpid());
	change(&known, s->logger_pid);
	for (size_t i = 0; i < n_released; i++)
		if (released[i].ack > s->acks_done)
			change(&known, released[i].pid);
	for (const struct process *p = s->processes; p; p = p->by_name.next)
		change(&known, p->pid);
}

/* Whether its tree is what is in its cgroup. */
static bool is_its_cgroup(const struct process *p)
{
	return p->in_cgroup && p->def->program->kill_scope == CONF_TREE;
}

/* Whether its zombie is kept: who was lost, or is adopted, is reaped by somebody else, and its PID may be
 * another's. */
static bool owns_its_pid(const struct process *p)
{
	return p->pid > 0 && p->end.kind == PROCESS_ENDED && !p->adopted;
}

static bool belongs_to(const struct process *p, const struct proc_stat *f, uint64_t instance)
{
	enum conf_kill_scope scope = p->def->program->kill_scope;

	if (owns_its_pid(p) && f->pgrp == p->pid)
		return true;
	if (scope != CONF_TREE)
		return false;
	if (owns_its_pid(p) && f->session == p->pid)
		return true;
	return instance && instance == p->instance;
}

static void look_at_orphan(void *data, pid_t pid)
{
	struct look *l = data;
	struct proc_stat f;
	uint64_t instance;

	if (pidset_has(&known, pid))
		return;
	if (proc_stat(pid, &f) < 0 || f.state == 'Z') {
		l->dead += (uint64_t)pid;
		return;
	}
	instance = env_instance_of(pid);
	for (struct process *p = l->s->cleans; p; p = p->next_clean) {
		if (!is_its_cgroup(p) && belongs_to(p, &f, instance)) {
			struct subtree t = { 0 };

			kill_subtree(&t, pid);
			p->left_behind++;
			l->found++;
			return;
		}
	}
	log_debug("supervisor", "orphan %d belongs to no process that is being stopped", pid);
}

/* An adopted process' orphans do not fall to our keeper. */
static void look_at_one(void *data, const struct everybody_one *one)
{
	const struct look *l = data;

	for (struct process *p = l->s->cleans; p; p = p->next_clean) {
		if (p->adopted && !is_its_cgroup(p) && p->instance == one->instance &&
		    p->pid != one->pid && p->def->program->kill_scope == CONF_TREE) {
			struct subtree t = { 0 };

			kill_subtree(&t, one->pid);
			p->left_behind++;
			return;
		}
	}
}

static bool is_adopted_among(const struct supervisor *s)
{
	for (const struct process *p = s->cleans; p; p = p->next_clean)
		if (p->adopted && !is_its_cgroup(p))
			return true;
	return false;
}

/* Those with a cgroup; returns how many have none. */
static unsigned kill_cgroups(struct supervisor *s)
{
	unsigned others = 0;

	for (struct process *p = s->cleans; p; p = p->next_clean) {
		p->left_behind = 0;
		if (!is_its_cgroup(p)) {
			others++;
		} else if (cgroup_is_populated(process_name(p), p->instance)) {
			p->left_behind = 1;
			if (cgroup_kill(process_name(p), p->instance) < 0) { /* Linux < 5.14 */
				p->in_cgroup = false;
				others++;
			}
		}
	}
	return others;
}

static void kill_groups(struct supervisor *s)
{
	for (const struct process *p = s->cleans; p; p = p->next_clean)
		if (!is_its_cgroup(p) && owns_its_pid(p))
			(void)kill(-p->pid, SIGKILL);
}

static void look_for_orphans(struct supervisor *s)
{
	struct look before, l = { .s = s };
	uint64_t listed_before, listed = 0;
	int looks = 0;

	mark_known(s, pidset_add);
	do {
		kill_groups(s);
		before = l;
		listed_before = listed;
		l = (struct look){ .s = s };
		listed = for_children(s->keeper.keeper_pid, look_at_orphan, &l);
	} while (!l.found && (listed != listed_before || l.dead != before.dead) &&
		 ++looks < LOOKS_MAX);
	mark_known(s, pidset_remove);
	if (is_adopted_among(s))
		everybody_look(look_at_one, &l);
}

static void on_clean_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	n_released = 0; /* long ago: their numbers may be others' */
	/* the turn that follows looks again */
}

void tree_turn(struct supervisor *s)
{
	static double again_s = AGAIN_S;
	struct process **place = &s->cleans;

	if (!s->cleans || ev_is_active(&s->clean_again))
		return;
	if (kill_cgroups(s))
		look_for_orphans(s);
	while (*place) {
		struct process *p = *place;

		if (p->left_behind) {
			place = &p->next_clean;
			continue;
		}
		*place = p->next_clean;
		p->cleaning = false;
		process_post(p, PROCESS_EV_GONE);
	}
	if (!s->cleans) {
		again_s = AGAIN_S;
		return;
	}
	ev_timer_init(&s->clean_again, on_clean_again, again_s, 0.);
	ev_timer_start(s->loop, &s->clean_again);
	again_s = again_s * 2 < AGAIN_MAX_S ? again_s * 2 : AGAIN_MAX_S;
}

void tree_clean(struct process *p)
{
	struct supervisor *s = p->supervisor;

	if (p->pid <= 0 || p->def->program->kill_scope == CONF_PROCESS) {
		process_post(p, PROCESS_EV_GONE);
		return;
	}
	if (p->cleaning)
		return;
	if (p->adopted) /* its group's number is not kept from reuse; the keeper has its pidfd */
		process_send_signal(p, SIGKILL, LINK_SCOPE_GROUP);
	ev_timer_stop(s->loop, &s->clean_again); /* it does not wait for others' stubborn orphans */
	p->cleaning = true;
	p->next_clean = s->cleans;
	s->cleans = p;
}

/* ---- the keeper is gone ------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void tree_doom(struct doomed *d, uint64_t instance)
{
	uint64_t *more;

	if (!instance)
		return;
	if (d->n == d->room) {
		d->room = d->room ? 2 * d->room : 64;
		more = realloc(d->instances, d->room * sizeof *more);
		if (!more) /* the next one, or the next fosterd, sees to it */
			nomem_exit("supervisor");
		d->instances = more;
	}
	d->instances[d->n++] = instance;
}

static void kill_if_doomed(void *data, const struct everybody_one *one)
{
	struct doomed *d = data;

	if (!bsearch(&one->instance, d->instances, d->n, sizeof *d->instances, by_value))
		return;
	everybody_kill(one->pid, &one->facts);
	d->found++;
}

void tree_kill_doomed(struct doomed *d)
{
	if (d->n)
		qsort(d->instances, d->n, sizeof *d->instances, by_value);
	for (int i = 0; d->n && i < LAST_LOOKS; i++) {
		d->found = 0;
		everybody_look(kill_if_doomed, d);
		if (!d->found)
			break;
		usleep(LAST_LOOKS_EVERY_US);
	}
	free(d->instances);
	*d = (struct doomed){ 0 };
}

/* Its children are dead (parent-death signal) and theirs have fallen to whoever reaps above us. */
void tree_kill_all(struct supervisor *s)
{
	struct doomed d = { 0 };

	for (const struct process *p = s->processes; p; p = p->by_name.next) {
		if (p->def->program->kill_scope != CONF_TREE || !process_dies_with_keeper(p))
			continue;
		if (p->in_cgroup)
			(void)cgroup_kill(process_name(p), p->instance);
		tree_doom(&d, p->instance);
	}
	tree_kill_doomed(&d);
}
