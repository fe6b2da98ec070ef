/* process_act.c - actions: requests to the keeper */
#include <malloc.h>
#include <signal.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/budget.h"
#include "daemon/supervisor/cgroup.h"
#include "daemon/supervisor/env.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"

#define MANY_SPAWNS 256

static void send_about(struct process *p, enum link_type type, const void *body, size_t len)
{
	struct link_head h = { .type = type, .slot = p->slot, .incarnation = p->incarnation };
	struct link_part part = { body, len };

	keeper_send(p->supervisor, &h, &part, 1, NULL, 0);
}

void process_send_note(struct process *p)
{
	struct link_note note;

	process_note_write(p, &note);
	send_about(p, LINK_NOTE, &note, sizeof note);
}

void process_acknowledge(struct process *p)
{
	send_about(p, LINK_ACK, NULL, 0);
	tree_released(p);
	cgroup_remove(process_name(p), p->instance);
	if (p->next_instance) {
		process_order_is_over(p); /* the keeper drops it */
		process_send_note(p);
	}
}

void process_send_signal(struct process *p, int number, enum link_scope scope)
{
	struct link_signal s = { .number = number, .scope = scope };

	send_about(p, LINK_SIGNAL, &s, sizeof s);
}

/* ---- actions ------------------------------------------------------------------------------------- */

static void queue_spawn(struct process *p)
{
	if (p->spawn_queued)
		return;
	p->incarnation++;
	p->executed = p->in_cgroup = p->adopted = p->went_with_keeper = false;
	cgroup_remove(process_name(p), p->instance);
	p->pid = 0;
	p->instance = p->next_instance ? p->next_instance : env_new_instance();
	process_order_is_over(p);
	process_queue_spawn(p);
}

/* Send it, or say why it cannot be; it is out of the queue. r: what its budget says, with the reason. */
static void spawn_now(struct process *p, int r, char *budget_reason)
{
	auto_free char *reason = budget_reason;

	if (r == 0 && p->def->program->method == CONF_FORKSERVER && p->origin != PROCESS_SERVER) {
		r = forkserver_ready(p, &reason);
		if (r == 0)
			return;
	}
	if (r >= 0)
		r = process_send_spawn(p, &reason);
	if (r < 0)
		process_cannot_spawn(p, LINK_STEP_FORK, -r, reason ? reason : strerror(-r));
}

bool process_drain_spawns(struct supervisor *s)
{
	static unsigned sent; /* since memory was given back */
	struct budget budget = { 0 };

	if (!s->spawns.first && sent >= MANY_SPAWNS) {
		malloc_trim(0); /* plans and logs of a large start are gone */
		sent = 0;
	}
	while (s->spawns.first && !keeper_is_congested(s)) {
		struct process *p = s->spawns.first;
		char *reason = NULL;
		int r = budget_take(&budget, p, &reason);

		if (r == -EAGAIN) /* a report of one that has executed wakes us */
			return false;
		process_unlink_spawn(p);
		spawn_now(p, r, reason);
		sent++;
	}
	return s->spawns.first && !keeper_is_congested(s);
}

static void terminate(struct process *p)
{
	const struct conf_program *program = p->def->program;

	if (p->spawn_queued || p->wait_server) { /* never asked for: nothing to signal */
		process_cancel_spawn(p);
		process_post(p, PROCESS_EV_EXIT);
	} else if (!p->executed) {
		p->signal_due = true;
	} else if (program->stop_command) {
		helper_run(p, program->stop_command);
	} else {
		process_send_signal(p, program->stopsignal,
				    program->stopasgroup ? LINK_SCOPE_GROUP : LINK_SCOPE_PROCESS);
	}
}

static void kill_now(struct process *p)
{
	const struct conf_program *program = p->def->program;

	if (p->spawn_queued || p->wait_server) {
		process_cancel_spawn(p);
		process_post(p, PROCESS_EV_EXIT);
	} else if (!p->executed) {
		p->kill_due = true;
		/* A forkserver has stopwaitsecs to answer. */
		if (p->def->program->method != CONF_FORKSERVER)
			process_send_signal(p, SIGKILL, LINK_SCOPE_PROCESS);
	} else {
		process_send_signal(p, SIGKILL,
				    program->killasgroup || program->kill_scope == CONF_GROUP
					    ? LINK_SCOPE_GROUP
					    : LINK_SCOPE_PROCESS);
	}
}

void process_act(struct process *p, enum process_act act)
{
	switch (act) {
	case PROCESS_ACT_NONE:
		break;
	case PROCESS_ACT_SPAWN:
		queue_spawn(p);
		break;
	case PROCESS_ACT_TERM:
		terminate(p);
		break;
	case PROCESS_ACT_KILL:
		kill_now(p);
		break;
	case PROCESS_ACT_CLEAN:
		tree_clean(p);
		break;
	}
}
