/* process_event.c - facts to events, enter, the queue */
#include <math.h>
#include <sys/wait.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sig.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/returncode.h"
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
static void start_timer(struct process *p, uint64_t deadline_ns)
{
	double after = clock_seconds(clock_boot_ns(), deadline_ns);

	ev_timer_stop(p->supervisor->loop, &p->timer);
	p->deadline_ns = deadline_ns;
	ev_now_update(p->supervisor->loop);
	ev_timer_set(&p->timer, after > 0 ? after : 0, 0.);
	ev_timer_start(p->supervisor->loop, &p->timer);
}

static uint64_t ns_of(double seconds)
{
	return (uint64_t)(seconds * NS_PER_S);
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

static void unlink_spawn(struct process *p)
{
	struct supervisor *s = p->supervisor;
	struct process **place = &s->spawns;

	if (!p->spawn_queued)
		return;
	while (*place && *place != p)
		place = &(*place)->next_spawn;
	if (*place)
		*place = p->next_spawn;
	if (!*place)
		s->spawns_end = place;
	p->spawn_queued = false;
}

void process_cancel_spawn(struct process *p)
{
	unlink_spawn(p);
	p->wait_server = false;
	p->incarnation--;
}

void process_queue_spawn_again(struct process *p)
{
	struct supervisor *s = p->supervisor;

	if (p->spawn_queued)
		return;
	p->spawn_queued = true;
	p->next_spawn = NULL;
	*s->spawns_end = p;
	s->spawns_end = &p->next_spawn;
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
	unlink_spawn(p);
	unlink_clean(p);
	stop_timer(p);
}

/* ---- enter: the only writer of ->state ------------------------------------------------------------ */

static void set_reason(struct process *p, char *reason)
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
		log_info(process_name(p), "BACKOFF, next start in %.3g s",
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
	if (to != PROCESS_BACKOFF) /* its deadline was set by the verdict */
		stop_timer(p);
	switch (to) {
	case PROCESS_STARTING:
		set_reason(p, NULL);
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

static void process_event(struct process *p, enum process_event ev)
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
		start_timer(p, clock_boot_ns() + ns_of(p->def->program->stopwaitsecs));
	if (m->act == PROCESS_ACT_KILL)
		start_timer(p, clock_boot_ns() + ns_of(p->def->program->stopwaitsecs));
	if (m->act == PROCESS_ACT_CLEAN)
		stop_timer(p);
	if (ev == PROCESS_EV_GONE) {
		process_acknowledge(p);
		p->pid = 0;
	}
	if (from != p->state)
		after_change(p, from);
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
			process_event(p, ev);
		if (!p->event_queued && is_forgettable(p))
			process_free(p);
	}
}

/* ---- ends ----------------------------------------------------------------------------------------- */

static char *words_of_end(const struct process *p)
{
	char how[64], *text = NULL;

	if (p->end.kind == PROCESS_ENDED && p->state == PROCESS_STARTING) {
		returncode_describe(p->end.status, how, sizeof how);
		if (asprintf(&text, "exited too quickly: %s", how) < 0)
			return NULL;
		return text;
	}
	if (p->end.kind == PROCESS_ENDED) {
		returncode_describe(p->end.status, how, sizeof how);
		return strdup(how);
	}
	return p->end.kind == PROCESS_LOST ? strdup("ended, and nobody could know how") : NULL;
}

static bool is_to_start(const struct process *p)
{
	return p->events_due & 1U << PROCESS_EV_START;
}

/* The end of the main process, or a spawn that failed, becomes one event. */
static void judge(struct process *p)
{
	const struct conf_program *program = p->def->program;
	struct backoff_end end = {
		.was_running = p->state == PROCESS_RUNNING,
		.spawned = p->end.kind != PROCESS_NOT_SPAWNED,
		.expected = p->end.kind == PROCESS_ENDED &&
			    returncode_is_expected(p->end.status, program->exitcodes),
		.once = p->origin != PROCESS_FILE && program->restart.autorestart == CONF_NEVER,
		.up_ns = p->stopped_ns - p->started_ns,
		.now_ns = clock_boot_ns(),
		.random = drand48(),
	};
	uint64_t delay_ns = 0;

	if (p->state == PROCESS_STOPPING || p->state == PROCESS_UNKNOWN) {
		process_event(p, PROCESS_EV_EXIT);
		return;
	}
	switch (p->supervisor->phase == SUPERVISOR_UP && p->want_up
			? backoff_judge(&p->backoff, &program->restart, &end, &delay_ns)
			: BACKOFF_SETTLED) {
	case BACKOFF_SETTLED:
		process_event(p, PROCESS_EV_EXIT);
		break;
	case BACKOFF_NOW:
		p->restarts++;
		process_post(p,
			     PROCESS_EV_START); /* first: who waits for a final end must see it */
		process_event(p, PROCESS_EV_EXIT);
		break;
	case BACKOFF_LATER:
		if (p->state == PROCESS_STARTING || p->state == PROCESS_RUNNING)
			start_timer(p, clock_boot_ns() + delay_ns);
		process_event(p, PROCESS_EV_RETRY);
		break;
	case BACKOFF_GIVE_UP:
		process_event(p, PROCESS_EV_GIVE_UP);
		break;
	}
}

static void on_live(struct process *p, const struct link_slot *f)
{
	double startsecs = p->def->program->restart.startsecs;

	if (p->executed)
		return;
	p->executed = true;
	p->pid = f->pid;
	p->started_ns = f->spawned_ns;
	process_close_given(p);
	if (p->kill_due)
		process_send_signal(p, SIGKILL, LINK_SCOPE_PROCESS);
	else if (p->signal_due)
		process_act(p, PROCESS_ACT_TERM);
	p->signal_due = p->kill_due = false;
	if (p->state == PROCESS_STARTING && startsecs <= 0)
		process_event(p, PROCESS_EV_UP);
	else if (p->state == PROCESS_STARTING)
		start_timer(p, p->started_ns + ns_of(startsecs));
	waiters_check(p);
}

static void on_ended(struct process *p, const struct link_slot *f)
{
	if (!p->executed) { /* it was alive between two reports */
		p->started_ns = f->spawned_ns;
		p->pid = f->pid;
		p->executed = true;
		if (p->state == PROCESS_STARTING && p->def->program->restart.startsecs <= 0)
			process_event(p, PROCESS_EV_UP);
		else
			waiters_check(p); /* whoever defined it learns its PID */
	}
	p->end = (struct process_end){
		.kind = f->flags & LINK_FLAG_LOST ? PROCESS_LOST : PROCESS_ENDED,
		.status = f->status,
		.utime_us = f->utime_us,
		.stime_us = f->stime_us,
		.maxrss_kb = f->maxrss_kb,
	};
	p->stopped_ns = f->ended_ns;
	set_reason(p, words_of_end(p));
	p->told = false;
	if (p->state != PROCESS_STOPPING) { /* else the PID is needed until its tree is gone */
		p->pid = 0;
		judge(p);
		if (p->state != PROCESS_STARTING && !is_to_start(p))
			process_acknowledge(p);
	} else {
		judge(p);
	}
}

/* A spawn that came to nothing: the end of an incarnation that never lived. */
static void not_spawned(struct process *p, enum link_step step, int err, char *words)
{
	p->end = (struct process_end){ .kind = PROCESS_NOT_SPAWNED, .status = err, .step = step };
	p->stopped_ns = clock_boot_ns();
	p->executed = false;
	p->pid = 0;
	process_close_given(p);
	set_reason(p, words);
	log_warning(process_name(p), "cannot start: %s", words ? words : link_step_name(step));
	judge(p);
}

/* "/opt/web: No such file or directory", "chdir /srv/web: Permission denied", "setuid: …". */
static char *words_of_failure(const struct process *p, const struct link_slot *f)
{
	const char *err = strerror(f->err);
	char *words = NULL;
	int r;

	if (f->step == LINK_STEP_EXEC && p->def->argv)
		r = asprintf(&words, "%s: %s", p->def->argv[0], err);
	else if (f->step == LINK_STEP_CHDIR && p->def->directory)
		r = asprintf(&words, "chdir %s: %s", p->def->directory, err);
	else
		r = asprintf(&words, "%s: %s", link_step_name(f->step), err);
	return r < 0 ? NULL : words;
}

static void on_failed(struct process *p, const struct link_slot *f)
{
	char *words = take_ptr(p->told_reason); /* a forkserver's own */

	if (!words)
		words = words_of_failure(p, f);
	process_acknowledge(p);
	not_spawned(p, f->step, f->err, words);
}

void process_cannot_spawn(struct process *p, enum link_step step, int err, const char *words)
{
	if (p->spawn_queued)
		unlink_spawn(p);
	p->incarnation--;
	process_acknowledge(p); /* the last life's end, if that is what led here */
	not_spawned(p, step, err, words ? strdup(words) : NULL);
}

void process_tell_reason(struct process *p, uint64_t incarnation, const char *words)
{
	if (incarnation != p->incarnation)
		return;
	free(p->told_reason);
	p->told_reason = strdup(words);
}

void process_fact(struct process *p, uint64_t incarnation, const struct link_slot *f)
{
	if (incarnation != p->incarnation || p->spawn_queued)
		return; /* of a life that is over for us */
	if (f->state != LINK_SLOT_SPAWNING)
		forkserver_answered(p);
	p->in_cgroup = f->flags & LINK_FLAG_CGROUP;
	switch ((enum link_slot_state)f->state) {
	case LINK_SLOT_LIVE:
		on_live(p, f);
		break;
	case LINK_SLOT_ENDED:
		if (p->cleaning)
			break;
		if (process_state_is_alive(p->state) || p->state == PROCESS_UNKNOWN)
			on_ended(p, f);
		else if (!is_to_start(p)) /* else the spawn does it */
			process_acknowledge(p);
		break;
	case LINK_SLOT_FAILED:
		if (process_state_is_alive(p->state))
			on_failed(p, f);
		break;
	case LINK_SLOT_EMPTY:
	case LINK_SLOT_SPAWNING:
	case LINK_SLOT_STATE_MAX:
		break;
	}
}

/* ---- resume --------------------------------------------------------------------------------------- */

static void resume_timer(struct process *p)
{
	uint64_t deadline = p->deadline_ns;

	p->deadline_ns = 0;
	if (deadline && (p->state == PROCESS_STARTING || p->state == PROCESS_BACKOFF ||
			 p->state == PROCESS_STOPPING))
		start_timer(p, deadline);
	else if (p->state == PROCESS_BACKOFF)
		process_post(p, PROCESS_EV_START);
}

/* Whether the restart of one that has EXITED was decided, and not yet begun. */
static bool was_to_restart(const struct process *p)
{
	const struct conf_program *program = p->def->program;

	if (p->end.kind == PROCESS_NEVER || program->restart.autorestart == CONF_NEVER)
		return false;
	return program->restart.autorestart == CONF_ALWAYS || p->end.kind != PROCESS_ENDED ||
	       !returncode_is_expected(p->end.status, program->exitcodes);
}

/* Without a process, what was under way when our predecessor died goes on. */
static void go_on(struct process *p)
{
	bool start = p->want_up && !p->wait_parent;

	if (p->state == PROCESS_STARTING)
		process_act(p, PROCESS_ACT_SPAWN); /* was decided, never asked for */
	else if (p->state == PROCESS_STOPPING)
		process_post(p, PROCESS_EV_GONE);
	else if (start &&
		 (p->state == PROCESS_STOPPED || (p->state == PROCESS_EXITED && was_to_restart(p))))
		process_post(p, PROCESS_EV_START);
}

void process_resumed(struct process *p, uint64_t incarnation, const struct link_slot *f)
{
	bool has_process = f->state == LINK_SLOT_LIVE || f->state == LINK_SLOT_ENDED ||
			   f->state == LINK_SLOT_SPAWNING;

	p->supervisor->any_parents |= p->parent_name != NULL;
	p->incarnation = incarnation;
	p->logs_sent = p->incarnation != 0;
	if (has_process && f->state != LINK_SLOT_SPAWNING) {
		p->pid = f->pid;
		p->executed = true;
		p->in_cgroup = f->flags & LINK_FLAG_CGROUP;
		p->started_ns = f->spawned_ns;
	}
	if (p->state == PROCESS_RUNNING)
		p->supervisor->n_running++;
	resume_timer(p);
	if (f->state == LINK_SLOT_LIVE && p->state == PROCESS_STARTING && !p->deadline_ns) {
		p->executed = false;
		on_live(p, f);
	}
	if (has_process || f->state == LINK_SLOT_FAILED) {
		if (!process_state_is_alive(p->state) && f->state == LINK_SLOT_LIVE) {
			/* the keeper had spawned it, the note had not yet followed */
			*(enum process_state *)&p->state = PROCESS_STARTING;
			p->executed = false;
			on_live(p, f);
		} else {
			process_fact(p, incarnation, f);
		}
	} else {
		go_on(p);
	}
}

/* ---- what people ask for --------------------------------------------------------------------------- */

/* A parent that executes already, though not yet RUNNING, may start its own children. */
static bool is_there(const struct process *parent)
{
	return parent && (parent->state == PROCESS_RUNNING ||
			  (parent->state == PROCESS_STARTING && parent->executed));
}

int process_ask_start(struct process *p, const struct process_asker *who)
{
	const struct process *parent = process_parent(p);

	if (p->removed)
		return -ESRCH;
	p->supervisor->any_parents |= p->parent_name != NULL;
	if (process_state_is_alive(p->state) && p->state != PROCESS_STOPPING)
		return -EALREADY;
	if (p->parent_name && !is_there(parent)) {
		p->wait_parent = p->wait_parent || (who->kind == ASKED_FOSTER);
		p->want_up = p->want_up || who->kind == ASKED_FOSTER;
		return -EHOSTDOWN;
	}
	p->asker = *who;
	p->want_up = true;
	p->wait_parent = false;
	p->restarts = 0;
	backoff_reset(&p->backoff);
	if (p->state != PROCESS_STOPPING)
		process_post(p, PROCESS_EV_START);
	return 0;
}

static int ask_down(struct process *p, const struct process_asker *who, enum process_event ev)
{
	bool was_to_start = is_to_start(p);

	p->want_up = false;
	p->wait_parent = false;
	p->events_due &= ~(1U << PROCESS_EV_START);
	if (!process_state_is_up(p->state) && !was_to_start)
		return -EALREADY;
	if (p->state == PROCESS_EXITED) /* its spawn would have done so */
		process_acknowledge(p);
	p->asker = *who;
	if (ev == PROCESS_EV_STOP && p->state == PROCESS_STOPPING && !p->escalate) {
		p->escalate = true; /* after a terminate: now it has stopwaitsecs */
		start_timer(p, clock_boot_ns() + ns_of(p->def->program->stopwaitsecs));
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
		process_act(p, PROCESS_ACT_TERM);
		return 0;
	}
	r = ask_down(p, who, PROCESS_EV_STOP);
	p->escalate = escalate;
	return r;
}

int process_ask_restart(struct process *p, const struct process_asker *who)
{
	int r = process_ask_stop(p, who);

	if (r == -EALREADY && p->state != PROCESS_STOPPING)
		return process_ask_start(p, who);
	p->want_up = true; /* STOPPED on the way: after_change() starts it again */
	p->restarts = 0;
	backoff_reset(&p->backoff);
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
	p->want_up = p->wait_parent = wanted;
}

bool process_is_settled_down(const struct process *p)
{
	return !process_state_is_up(p->state) && !is_to_start(p) &&
	       !(p->state == PROCESS_STOPPED && p->want_up && !p->wait_parent);
}
