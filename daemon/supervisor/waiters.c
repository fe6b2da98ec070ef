#include "daemon/supervisor/waiters.h"

#include "ctl/wire/jsonw.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/view.h"

/* One process that one call waits for. */
struct waiter {
	struct waiters *call;
	struct process *process; /* in whose list it is; NULL: settled */
	struct waiter *next, *prev;
	char *name; /* owned: it may outlive the process */
	uint64_t before;
	const char *error;
	char *reason; /* owned */
	pid_t pid;
	uint64_t incarnation;
	struct process_end end;
};

struct waiters {
	struct supervisor *supervisor;
	struct rpc_call *call;
	enum waiters_goal goal;
	bool any;
	bool begun; /* answers when it can; before, entries are still added */
	ev_timer timer;
	size_t n, open; /* entries; not yet settled */
	int err;
	struct waiter entries[];
};

/* ---- the lists ----------------------------------------------------------------------------- */

static void attach(struct waiter *e, struct process *p)
{
	e->process = p;
	e->prev = NULL;
	e->next = p->waiters;
	if (e->next)
		e->next->prev = e;
	p->waiters = e;
	e->call->open++;
}

static void detach(struct waiter *e)
{
	if (!e->process)
		return;
	if (e->prev)
		e->prev->next = e->next;
	else
		e->process->waiters = e->next;
	if (e->next)
		e->next->prev = e->prev;
	e->process = NULL;
	e->call->open--;
}

static void waiters_free(struct waiters *w)
{
	ev_timer_stop(w->supervisor->loop, &w->timer);
	for (size_t i = 0; i < w->n; i++) {
		detach(&w->entries[i]);
		free(w->entries[i].name);
		free(w->entries[i].reason);
	}
	free(w);
}

/* ---- is it there? -------------------------------------------------------------------------- */

/* What is known of p becomes the entry's outcome. */
static void record(struct waiter *e, const struct process *p, const char *error, const char *reason)
{
	e->error = error;
	if (reason) {
		e->reason = strdup(reason);
		if (!e->reason)
			e->call->err = -ENOMEM;
	}
	if (!p)
		return;
	e->pid = p->pid;
	e->incarnation = p->incarnation;
	e->end = p->end;
}

static void settle(struct waiter *e, const char *error, const char *reason)
{
	const struct process *p = e->process;

	detach(e);
	record(e, p, error, reason);
}

static void settle_failed(struct waiter *e, const struct process *p, const char *otherwise)
{
	const char *reason = process_reason(p);

	settle(e, p->end.kind == PROCESS_NOT_SPAWNED ? "CannotStart" : "Failed",
	       reason ? reason : otherwise);
}

bool waiters_parent_comes(const struct process *p)
{
	const struct process *parent = process_parent(p);

	if (!parent)
		return false;
	return !process_is_settled_down(parent) ||
	       (parent->wait_parent && parent->want_up && waiters_parent_comes(parent));
}

/* No new life has begun, and none will. */
static bool will_not_start(const struct process *p)
{
	if (p->removed)
		return true;
	if (p->wait_parent && p->want_up)
		return !waiters_parent_comes(p);
	return process_is_settled_down(p);
}

/* The start came to nothing, perhaps before there was an incarnation to speak of. */
static bool was_refused(const struct process *p)
{
	return p->end.kind == PROCESS_NOT_SPAWNED && !process_is_to_start(p) &&
	       (p->state == PROCESS_BACKOFF || p->state == PROCESS_FATAL);
}

static void look_running(struct waiter *e, const struct process *p)
{
	if (p->incarnation <= e->before) {
		if (was_refused(p))
			settle_failed(e, p, "it could not be started");
		else if (will_not_start(p))
			settle(e, "Failed",
			       p->wait_parent ? "its parent went down"
					      : "it was stopped meanwhile");
		return;
	}
	switch (p->state) {
	case PROCESS_RUNNING:
		settle(e, NULL, NULL);
		break;
	case PROCESS_BACKOFF:
	case PROCESS_EXITED:
	case PROCESS_FATAL:
		settle_failed(e, p, "it has ended");
		break;
	case PROCESS_STOPPING:
	case PROCESS_STOPPED:
		settle(e, "Failed", "it was stopped meanwhile");
		break;
	case PROCESS_UNKNOWN:
		settle(e, "Failed", "its state is not known");
		break;
	case PROCESS_STARTING:
	case PROCESS_STATE_MAX:
		break;
	}
}

static void look_down(struct waiter *e, const struct process *p)
{
	if (p->state == PROCESS_UNKNOWN)
		settle(e, "Failed", "it cannot be signalled");
	else if (!process_state_is_up(p->state) || p->incarnation != e->before)
		settle(e, NULL, NULL);
}

static void look_executed(struct waiter *e, const struct process *p)
{
	bool begun = p->incarnation > e->before, down = process_is_settled_down(p);
	bool ended = down && (p->end.kind == PROCESS_ENDED || p->end.kind == PROCESS_LOST);

	if (begun && (p->executed || ended))
		settle(e, NULL, NULL);
	else if (was_refused(p) || (begun && down && p->end.kind == PROCESS_NOT_SPAWNED))
		settle_failed(e, p, "it could not be started");
	else if (down)
		settle(e, "Failed", "it was stopped before it could start");
}

static void look(struct waiter *e)
{
	const struct process *p = e->process;

	switch (e->call->goal) {
	case WAITERS_RUNNING:
		look_running(e, p);
		break;
	case WAITERS_DOWN:
		look_down(e, p);
		break;
	case WAITERS_END:
		if (process_is_settled_down(p))
			settle(e, NULL, NULL);
		break;
	case WAITERS_EXECUTED:
		look_executed(e, p);
		break;
	case WAITERS_NONE:
	case WAITERS_GOAL_MAX:
		break;
	}
}

/* ---- answering ----------------------------------------------------------------------------- */

static void add_outcome(struct buf *b, const struct waiter *e)
{
	jsonw_open(b, NULL, '{');
	jsonw_str(b, "name", e->name);
	if (e->error)
		jsonw_str(b, "error", e->error);
	if (e->reason)
		jsonw_str(b, "reason", e->reason);
	if (e->pid)
		jsonw_int(b, "pid", e->pid);
	if (e->incarnation)
		jsonw_int(b, "incarnation", (int64_t)e->incarnation);
	jsonw_close(b, '}');
}

static void reply_outcomes(struct waiters *w, struct buf *b)
{
	jsonw_open(b, NULL, '{');
	jsonw_open(b, "outcomes", '[');
	for (size_t i = 0; i < w->n; i++)
		add_outcome(b, &w->entries[i]);
	jsonw_close(b, ']');
	jsonw_close(b, '}');
	errors_reply_text(w->call, b);
}

static void reply_ends(struct waiters *w, struct buf *b)
{
	jsonw_open(b, NULL, '{');
	jsonw_open(b, "ends", '[');
	for (size_t i = 0; i < w->n; i++)
		if (!w->entries[i].process)
			view_end_text(b, w->entries[i].name, &w->entries[i].end);
	jsonw_close(b, ']');
	jsonw_bool(b, "timed_out", w->open && !(w->any && w->open < w->n));
	jsonw_close(b, '}');
	errors_reply_text(w->call, b);
}

static void reply_defined(struct waiters *w)
{
	const struct waiter *e = &w->entries[0];

	if (!e->error)
		rpc_reply(w->call, json_pack("{s:s,s:i,s:I}", "name", e->name, "pid", (int)e->pid,
					     "incarnation", (json_int_t)e->incarnation));
	else if (strcmp(e->error, "CannotStart") == 0)
		errors_cannot_start(w->call, e->name, &e->end, e->reason);
	else
		errors_reply(w->call, e->error, e->name, e->reason);
}

static bool is_told_by(const struct waiters *w, const struct waiter *e)
{
	if (w->goal == WAITERS_EXECUTED)
		return e->error; /* there will be nobody to wait for it */
	return w->goal == WAITERS_END && !e->process;
}

/* The processes whose end this answer tells: what is transient among them is forgotten. */
static void mark_told(const struct waiters *w)
{
	for (size_t i = 0; i < w->n && !w->err; i++)
		if (is_told_by(w, &w->entries[i]))
			forget_told(w->supervisor, w->entries[i].name, w->entries[i].incarnation);
}

static void answer(struct waiters *w)
{
	auto_buf struct buf b = { 0 };

	if (w->err)
		errors_memory(w->call);
	else if (w->goal == WAITERS_END)
		reply_ends(w, &b);
	else if (w->goal == WAITERS_EXECUTED)
		reply_defined(w);
	else
		reply_outcomes(w, &b);
	mark_told(w);
	waiters_free(w);
}

/* Returns whether it was answered, and is gone. */
static bool answer_if_ready(struct waiters *w)
{
	if (!w->begun || (w->open && !(w->any && w->open < w->n)))
		return false;
	answer(w);
	return true;
}

static void on_gone(void *data)
{
	waiters_free(data);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	answer(container_of(timer, struct waiters, timer));
}

/* ---- building a request --------------------------------------------------------------------- */

struct waiters *waiters_new(struct supervisor *s, struct rpc_call *call, enum waiters_goal goal,
			    size_t n)
{
	struct waiters *w = calloc(1, sizeof *w + n * sizeof w->entries[0]);

	if (!w)
		return NULL;
	w->supervisor = s;
	w->call = call;
	w->goal = goal;
	ev_timer_init(&w->timer, on_timeout, 0., 0.);
	return w;
}

static struct waiter *add_entry(struct waiters *w, const char *name)
{
	struct waiter *e = &w->entries[w->n++];

	e->call = w;
	e->name = strdup(name);
	if (!e->name)
		w->err = -ENOMEM;
	return e;
}

void waiters_settle(struct waiters *w, const char *name, const struct process *p, const char *error,
		    const char *reason)
{
	record(add_entry(w, name), p, error, reason);
}

void waiters_add(struct waiters *w, struct process *p, uint64_t before)
{
	struct waiter *e = add_entry(w, process_name(p));

	e->before = before;
	attach(e, p);
	look(e);
}

void waiters_begin(struct waiters *w, bool any, double timeout)
{
	struct ev_loop *loop = w->supervisor->loop;

	w->begun = true;
	w->any = any;
	if (w->err || timeout == 0) {
		answer(w);
		return;
	}
	if (answer_if_ready(w))
		return;
	rpc_keep(w->call, on_gone, NULL, w);
	if (timeout < 0)
		return;
	ev_now_update(loop);
	ev_timer_set(&w->timer, timeout, 0.);
	ev_timer_start(loop, &w->timer);
}

/* ---- what happens to processes -------------------------------------------------------------- */

/* Who waits for the start of a child of p learns that p will not be there. */
static void check_children(const struct process *p)
{
	struct supervisor *s = p->supervisor;

	for (struct process *child = s->processes; child; child = child->by_name.next)
		if (child->waiters && child->wait_parent && child->parent_name &&
		    strcmp(child->parent_name, process_name(p)) == 0)
			waiters_check(child);
}

void waiters_check(struct process *p)
{
	struct waiter *next;

	for (struct waiter *e = p->waiters; e; e = next) {
		struct waiters *w = e->call;

		next = e->next; /* of another call: a process stands in one call once */
		look(e);
		if (!e->process)
			answer_if_ready(w);
	}
	if (p->supervisor->any_parents && process_is_settled_down(p))
		check_children(p);
}

void waiters_gone(struct process *p)
{
	while (p->waiters) {
		struct waiter *e = p->waiters;
		struct waiters *w = e->call;
		bool wanted_down = w->goal == WAITERS_END || w->goal == WAITERS_DOWN;

		settle(e, wanted_down ? NULL : "Failed", wanted_down ? NULL : "it was forgotten");
		answer_if_ready(w);
	}
	if (p->supervisor->front)
		follow_forgotten(&p->supervisor->front->follow, p);
}

/* Answer with what is known, and ShuttingDown where nothing is. */
static void refuse(struct waiters *w)
{
	if (w->goal == WAITERS_END || w->goal == WAITERS_EXECUTED) {
		errors_reply(w->call, "ShuttingDown", NULL, NULL);
		waiters_free(w);
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		if (w->entries[i].process)
			settle(&w->entries[i], "ShuttingDown", NULL);
	answer(w);
}

static bool is_for_a_start(const struct waiters *w)
{
	return w->goal == WAITERS_RUNNING || w->goal == WAITERS_EXECUTED;
}

static void refuse_all(struct supervisor *s, bool starts_only)
{
	struct waiter *next;

	for (struct process *p = s->processes; p; p = p->by_name.next)
		for (struct waiter *e = p->waiters; e; e = next) {
			next = e->next; /* of another call */
			if (!starts_only || is_for_a_start(e->call))
				refuse(e->call);
		}
}

void waiters_shutdown(struct supervisor *s)
{
	refuse_all(s, true);
}

void waiters_end(struct supervisor *s)
{
	refuse_all(s, false);
}
