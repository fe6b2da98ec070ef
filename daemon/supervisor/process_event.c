/* process_event.c - the queue of events, one event, enter */
#include <signal.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"

/* ---- the timer: one, for what the state waits for ------------------------------------------------- */

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct process *p = container_of(w, struct process, timer);

	(void)loop;
	(void)revents;
	p->deadline_ns = 0;
	switch (p->state) {
	case PROCESS_STARTING:
		process_post(p, PROCESS_EV_UP);
		break;
	case PROCESS_BACKOFF:
		p->restarts++;
		process_post(p, PROCESS_EV_START);
		break;
	case PROCESS_STOPPING:
		if (!p->executed) /* it, or its forkserver, had all the time to get so far */
			process_send_signal(p, SIGKILL, LINK_SCOPE_PROCESS);
		process_post(p, PROCESS_EV_TIMEOUT);
		break;
	default:
		break;
	}
}

void process_init_timer(struct process *p)
{
	ev_timer_init(&p->timer, on_timer, 0., 0.);
}

static void stop_timer(struct process *p)
{
	ev_timer_stop(p->supervisor->loop, &p->timer);
	p->deadline_ns = 0;
}

/* Fires at deadline_ns, at once if that is past; a deadline means the same to a successor. */
void process_start_timer(struct process *p, uint64_t deadline_ns)
{
	double after = clock_seconds(clock_boot_ns(), deadline_ns);

	ev_timer_stop(p->supervisor->loop, &p->timer);
	p->deadline_ns = deadline_ns;
	ev_now_update(p->supervisor->loop);
	ev_timer_set(&p->timer, after > 0 ? after : 0, 0.);
	ev_timer_start(p->supervisor->loop, &p->timer);
}

/* ---- the queue ------------------------------------------------------------------------------------ */

void process_post(struct process *p, enum process_event ev)
{
	struct supervisor *s = p->supervisor;

	if (!p->event_queued) {
		p->event_queued = true;
		p->next_event = NULL;
		*s->events_end = p;
		s->events_end = &p->next_event;
	}
	p->events_due |= 1U << ev;
}

bool process_is_to_start(const struct process *p)
{
	return p->events_due & 1U << PROCESS_EV_START;
}

static void unlink_event(struct process *p)
{
	struct supervisor *s = p->supervisor;
	struct process **place = &s->events;

	while (*place && *place != p)
		place = &(*place)->next_event;
	p->event_queued = false;
	if (!*place)
		return;
	*place = p->next_event;
	if (!*place)
		s->events_end = place;
}

static struct process_queue *queue_of(const struct process *p)
{
	if (p->spawn_queued)
		return &p->supervisor->spawns;
	return p->wait_server ? &p->supervisor->waiting : NULL;
}

void process_unlink_spawn(struct process *p)
{
	struct process_queue *q = queue_of(p);
	struct process **place;

	if (!q)
		return;
	place = &q->first;
	while (*place && *place != p)
		place = &(*place)->next_spawn;
	if (*place)
		*place = p->next_spawn;
	if (!*place)
		q->end = place;
	p->spawn_queued = p->wait_server = false;
}

void process_cancel_spawn(struct process *p)
{
	process_unlink_spawn(p);
	forkserver_answered(p);
	p->incarnation--;
}

static void append(struct process_queue *q, struct process *p)
{
	p->next_spawn = NULL;
	*q->end = p;
	q->end = &p->next_spawn;
}

void process_queue_spawn(struct process *p)
{
	process_unlink_spawn(p);
	p->spawn_queued = true;
	append(&p->supervisor->spawns, p);
}

void process_await_server(struct process *p)
{
	process_unlink_spawn(p);
	p->wait_server = true;
	append(&p->supervisor->waiting, p);
}

static void unlink_clean(struct process *p)
{
	struct process **place = &p->supervisor->cleans;

	while (p->cleaning && *place && *place != p)
		place = &(*place)->next_clean;
	if (p->cleaning && *place)
		*place = p->next_clean;
	p->cleaning = false;
}

void process_unqueue(struct process *p)
{
	if (p->event_queued)
		unlink_event(p);
	process_unlink_spawn(p);
	unlink_clean(p);
	stop_timer(p);
}

/* ---- enter: the only writer of ->state ------------------------------------------------------------ */

void process_set_reason(struct process *p, char *reason)
{
	free(p->reason);
	p->reason = reason;
}

static bool is_forgettable(const struct process *p)
{
	return !process_state_is_up(p->state) &&
	       (p->removed || (p->transient && (p->told || !p->session)));
}

static void enter_down(struct process *p)
{
	p->escalate = p->signal_due = p->kill_due = false;
	process_close_given(p);
	process_take_next(p);
}

static void log_change(const struct process *p)
{
	if (p->state == PROCESS_RUNNING)
		log_info(process_name(p), "RUNNING, PID %d", p->pid);
	else if (p->state == PROCESS_BACKOFF)
		log_info(process_name(p), "BACKOFF%s%s, next start in %.3g s",
			 p->reason ? ": " : "", p->reason ? p->reason : "",
			 clock_seconds(clock_boot_ns(), p->deadline_ns));
	else
		log_info(process_name(p), "%s%s%s", process_state_name(p->state),
			 p->reason ? ": " : "", p->reason ? p->reason : "");
}

static void process_enter(struct process *p, enum process_state to)
{
	enum process_state from = p->state;
	struct supervisor *s = p->supervisor;

	if (from == to)
		return;
	if (p->state == PROCESS_RUNNING)
		s->n_running--;
	*(enum process_state *)&p->state = to;
	p->changed_ns = clock_boot_ns();
	if (to != PROCESS_BACKOFF) /* its deadline was set by the verdict */
		stop_timer(p);
	switch (to) {
	case PROCESS_STARTING:
		process_set_reason(p, NULL);
		break;
	case PROCESS_RUNNING:
		s->n_running++;
		backoff_running(&p->backoff);
		break;
	case PROCESS_STOPPED:
	case PROCESS_EXITED:
	case PROCESS_FATAL:
		enter_down(p);
		break;
	default:
		break;
	}
	s->status_due = true;
	log_change(p);
}

/* ---- one event ------------------------------------------------------------------------------------ */

/* What is settled after a change: successors know, and whoever waits. */
static void after_change(struct process *p, enum process_state from)
{
	struct supervisor *s = p->supervisor;

	events_publish(s, p, from, p->state);
	if (p->state == PROCESS_STOPPED && p->want_up && !p->wait_parent && !p->removed &&
	    s->phase == SUPERVISOR_UP)
		process_post(p, PROCESS_EV_START); /* stopped on the way to a new start */
	if (p->state == PROCESS_RUNNING)
		process_leave_order(p);
	if (p->state != PROCESS_STARTING) /* a spawn carries its own note */
		process_send_note(p);
	waiters_check(p);
	supervisor_noticed(s, p, from);
}

void process_handle(struct process *p, enum process_event ev)
{
	const struct process_move *m = process_move(p->state, ev);
	enum process_state from = p->state;

	if (!m->set)
		return;
	process_enter(p, m->to);
	if (m->to == PROCESS_STOPPING)
		process_take_order_back(p); /* before the signal that ends it */
	process_act(p, m->act);
	if (m->act == PROCESS_ACT_TERM && p->escalate)
		process_start_timer(p, clock_boot_ns() + clock_ns(p->def->program->stopwaitsecs));
	if (m->act == PROCESS_ACT_KILL)
		process_start_timer(p, clock_boot_ns() + clock_ns(p->def->program->stopwaitsecs));
	if (m->act == PROCESS_ACT_CLEAN)
		stop_timer(p);
	if (ev == PROCESS_EV_GONE) {
		process_acknowledge(p);
		p->pid = 0;
	}
	if (from != p->state)
		after_change(p, from);
	else if (m->act == PROCESS_ACT_KILL) /* perhaps as soon as it executes */
		process_send_note(p);
}

/* Its next event, or PROCESS_EV_MAX when all were taken back. */
static enum process_event next_event(struct process *p)
{
	int ev = p->events_due ? __builtin_ctz(p->events_due) : PROCESS_EV_MAX;

	p->events_due &= p->events_due - 1;
	return (enum process_event)ev;
}

void process_drain(struct supervisor *s)
{
	while (s->events) {
		struct process *p = s->events;
		enum process_event ev = next_event(p);

		if (!p->events_due)
			unlink_event(p);
		if (ev != PROCESS_EV_MAX)
			process_handle(p, ev);
		if (!p->event_queued && is_forgettable(p))
			process_free(p);
	}
}
