/* leave.c - the end of fosterd, as far as its processes go
 *
 * In waves: all of the highest priority that have no daemons of their own left, then, when they are gone, the
 * next; with on_exit=join, those that are no daemons are waited for; then forkservers and stop commands. The
 * keeper knows that we leave (LINK_LEAVE), so that a successor goes on. */
#include "daemon/base/log.h"
#include "daemon/supervisor/supervisor.h"

static const struct process_asker foster = { .kind = ASKED_FOSTER };

static bool is_people_s(const struct process *p)
{
	return p->origin == PROCESS_FILE || p->origin == PROCESS_CLIENT;
}

static bool goes_with_us(const struct process *p)
{
	return p->daemon || p->removed;
}

static bool is_to_go(const struct process *p)
{
	return is_people_s(p) && goes_with_us(p) && process_state_is_up(p->state);
}

static void count_daemons(struct supervisor *s)
{
	for (struct process *p = s->processes; p; p = p->by_name.next)
		if (is_people_s(p))
			p->n_daemons = 0;
	for (const struct process *p = s->processes; p; p = p->by_name.next) {
		struct process *parent = is_to_go(p) ? process_parent(p) : NULL;

		if (parent)
			parent->n_daemons++;
	}
}

/* The higher, the sooner it stops: first by its group's priority, then by its own. */
static int64_t rank(const struct process *p)
{
	return (int64_t)p->def->group_priority * (INT64_C(1) << 32) + p->def->program->priority;
}

/* The highest rank that is still up, but for those who wait for daemons of their own; INT64_MIN when
 * nothing is. */
static int64_t highest_rank(const struct supervisor *s)
{
	int64_t highest = INT64_MIN;

	for (const struct process *p = s->processes; p; p = p->by_name.next)
		if (is_to_go(p) && !p->n_daemons && rank(p) > highest)
			highest = rank(p);
	return highest;
}

static bool anybody_to_wait_for(const struct supervisor *s)
{
	for (const struct process *p = s->processes; p; p = p->by_name.next)
		if (is_people_s(p) && process_state_is_alive(p->state) && !goes_with_us(p))
			return true;
	return false;
}

/* Forkservers and stop commands go last. Returns whether one is still there. */
static bool stop_our_own(struct supervisor *s)
{
	bool any = false;

	for (struct process *p = s->processes; p; p = p->by_name.next) {
		if (is_people_s(p) || !process_state_is_up(p->state))
			continue;
		any = true;
		if (p->state != PROCESS_STOPPING)
			(void)process_ask_stop(p, &foster);
	}
	return any;
}

static void log_who_runs_on(const struct supervisor *s)
{
	for (const struct process *p = s->processes; p; p = p->by_name.next)
		if (is_people_s(p) && p->pid > 0 && process_state_is_alive(p->state))
			log_info(process_name(p), "runs on, PID %d", p->pid);
}

static void finish(struct supervisor *s)
{
	struct link_head h = { .type = LINK_FINISH };
	struct link_finish f = { .status = s->exit_status };
	struct link_part part = { &f, sizeof f };

	s->phase = SUPERVISOR_GONE;
	log_who_runs_on(s);
	methods_stop(s);
	keeper_send(s, &h, &part, 1, NULL, 0);
}

void supervisor_leave_further(struct supervisor *s)
{
	int64_t highest;

	s->leaving_due = false;
	count_daemons(s);
	highest = highest_rank(s);
	if (highest != INT64_MIN) {
		for (struct process *p = s->processes; p; p = p->by_name.next)
			if (is_to_go(p) && !p->n_daemons && rank(p) == highest &&
			    (p->state != PROCESS_STOPPING || !p->escalate))
				(void)process_ask_stop(p, &foster);
		return;
	}
	if (s->conf->main.join && anybody_to_wait_for(s))
		return;
	if (!stop_our_own(s))
		finish(s);
}

static void tell_leaving(struct supervisor *s)
{
	struct link_head h = { .type = LINK_LEAVE };
	struct link_finish f = { .status = s->exit_status };
	struct link_part part = { &f, sizeof f };

	keeper_send(s, &h, &part, 1, NULL, 0);
}

void supervisor_leave(struct supervisor *s, int exit_status)
{
	if (s->phase != SUPERVISOR_UP)
		return;
	s->phase = SUPERVISOR_LEAVING;
	s->exit_status = exit_status;
	s->leaving_due = true;
	tell_leaving(s);
	log_info("fosterd", "shutting down");
	keeper_notify(s, "STOPPING=1\nSTATUS=Stopping processes");
	waiters_shutdown(s);
}
