/* process_ask.c - what people, and parents, ask of a process */
#include <errno.h>

#include "daemon/base/clock.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"

/* A parent that executes already, though not yet RUNNING, may start its own children. */
static bool is_there(const struct process *parent)
{
	return parent && (parent->state == PROCESS_RUNNING ||
			  (parent->state == PROCESS_STARTING && parent->executed));
}

/* A successor lets it wait, too. */
static void wait_for_parent(struct process *p)
{
	if (p->want_up && p->wait_parent)
		return;
	p->want_up = p->wait_parent = true;
	process_send_note(p);
}

int process_ask_start(struct process *p, const struct process_asker *who)
{
	const struct process *parent = process_parent(p);

	if (p->removed)
		return -ESRCH;
	if (process_state_is_alive(p->state) && p->state != PROCESS_STOPPING)
		return -EALREADY;
	if (p->parent_name && !is_there(parent)) {
		if (who->kind == ASKED_FOSTER)
			wait_for_parent(p);
		return -EHOSTDOWN;
	}
	p->asker = *who;
	p->want_up = true;
	p->wait_parent = false;
	p->restarts = 0;
	backoff_reset(&p->backoff);
	if (p->state == PROCESS_STOPPING) /* after_change() starts it */
		process_send_note(p);
	else
		process_post(p, PROCESS_EV_START);
	return 0;
}

/* No change of state follows at once that would carry the note. */
static void ask_further_down(struct process *p, enum process_event ev)
{
	if (ev == PROCESS_EV_KILL) {
		process_post(p, ev);
	} else if (!p->escalate) { /* after a terminate: now it has stopwaitsecs */
		p->escalate = true;
		process_start_timer(p, clock_boot_ns() + clock_ns(p->def->program->stopwaitsecs));
	}
	process_send_note(p);
}

static int ask_down(struct process *p, const struct process_asker *who, enum process_event ev)
{
	bool was_to_start = process_is_to_start(p), waited = p->wait_parent;

	p->want_up = false;
	p->wait_parent = false;
	p->events_due &= ~(1U << PROCESS_EV_START);
	if (!process_state_is_up(p->state) && !was_to_start) {
		if (waited) { /* a successor would let it wait on */
			p->asker = *who;
			process_send_note(p);
		}
		return -EALREADY;
	}
	if (p->state == PROCESS_EXITED) /* its spawn would have done so */
		process_acknowledge(p);
	p->asker = *who;
	if (p->state == PROCESS_STOPPING) {
		ask_further_down(p, ev);
		return 0;
	}
	if (!process_state_is_up(p->state) && p->state != PROCESS_EXITED) {
		process_send_note(p);
		waiters_check(p); /* for its start, which has been called off */
		return 0;
	}
	p->escalate = p->escalate || ev == PROCESS_EV_STOP;
	process_post(p, ev);
	return 0;
}

int process_ask_stop(struct process *p, const struct process_asker *who)
{
	return ask_down(p, who, PROCESS_EV_STOP);
}

int process_ask_kill(struct process *p, const struct process_asker *who)
{
	return ask_down(p, who, PROCESS_EV_KILL);
}

int process_ask_terminate(struct process *p, const struct process_asker *who)
{
	bool escalate = p->escalate;
	int r;

	if (p->state == PROCESS_STOPPING) { /* once more, to the same process */
		p->want_up = p->wait_parent = false;
		p->asker = *who;
		process_act(p, PROCESS_ACT_TERM);
		process_send_note(p);
		return 0;
	}
	r = ask_down(p, who, PROCESS_EV_STOP);
	p->escalate = escalate;
	return r;
}

int process_ask_restart(struct process *p, const struct process_asker *who)
{
	if (!process_state_is_up(p->state))
		return process_ask_start(p, who);
	(void)process_ask_stop(p, who);
	p->want_up = true; /* STOPPED on the way: after_change() starts it again */
	p->restarts = 0;
	backoff_reset(&p->backoff);
	if (p->state == PROCESS_STOPPING)
		process_send_note(p);
	return 0;
}

void process_parent_up(struct process *p)
{
	static const struct process_asker foster = { .kind = ASKED_FOSTER };

	if (p->wait_parent && p->want_up)
		(void)process_ask_start(p, &foster);
}

/* A daemon goes with its parent, and waits to come back with it. */
void process_parent_down(struct process *p)
{
	static const struct process_asker foster = { .kind = ASKED_FOSTER };
	bool wanted = p->want_up && p->origin == PROCESS_FILE;

	if (!p->daemon)
		return;
	(void)process_ask_stop(p, &foster);
	if (wanted)
		wait_for_parent(p);
}

void process_look_at_parent(struct process *p)
{
	const struct process *parent = process_parent(p);
	bool alive = parent && process_state_is_alive(parent->state);
	bool comes = process_state_is_up(p->state) || process_is_to_start(p);

	if (alive && parent->state == PROCESS_RUNNING)
		process_parent_up(p);
	else if (p->parent_name && !alive && comes)
		process_parent_down(p);
}

bool process_is_settled_down(const struct process *p)
{
	return !process_state_is_up(p->state) && !process_is_to_start(p) &&
	       !(p->state == PROCESS_STOPPED && p->want_up && !p->wait_parent);
}
