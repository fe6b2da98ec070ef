/* process_fact.c - what the keeper says of a slot, and what its process' end comes to */
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/env.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/returncode.h"
#include "daemon/supervisor/supervisor.h"

/* ---- ends ----------------------------------------------------------------------------------------- */

/* Also of an end that our predecessor has seen. */
static bool was_too_quick(const struct process *p)
{
	bool failed = p->state == PROCESS_BACKOFF || p->state == PROCESS_FATAL;

	return p->state == PROCESS_STARTING ||
	       (failed &&
		p->stopped_ns - p->started_ns < clock_ns(p->def->program->restart.startsecs));
}

static bool is_end_of_server(enum link_step step, int number)
{
	return step == LINK_STEP_SERVER && number == ECONNRESET;
}

/* "/opt/web: No such file or directory", "chdir /srv/web: Permission denied", "setuid: …". */
static char *words_of_failure(const struct process *p, enum link_step step, int number)
{
	const char *err = strerror(number);
	char *words = NULL;
	int r;

	if (is_end_of_server(step, number))
		return strdup("its forkserver has ended");
	if (step == LINK_STEP_EXEC && p->def->argv)
		r = asprintf(&words, "%s: %s", p->def->argv[0], err);
	else if (step == LINK_STEP_CHDIR && p->def->directory)
		r = asprintf(&words, "chdir %s: %s", p->def->directory, err);
	else
		r = asprintf(&words, "%s: %s", link_step_name(step), err);
	return r < 0 ? NULL : words;
}

/* NULL: it has not ended, or there is no memory. */
static char *words_of_end(const struct process *p)
{
	char how[64], *words;

	switch (p->end.kind) {
	case PROCESS_ENDED:
		returncode_describe(p->end.status, how, sizeof how);
		if (!was_too_quick(p))
			return strdup(how);
		return asprintf(&words, "exited too quickly: %s", how) < 0 ? NULL : words;
	case PROCESS_LOST:
		return strdup(p->went_with_keeper ? "fosterd was killed, and it ended with it"
						  : "ended, and nobody could know how");
	case PROCESS_NOT_SPAWNED:
		return words_of_failure(p, p->end.step, p->end.status);
	case PROCESS_NEVER:
		break;
	}
	return NULL;
}

/* What ended because its fosterd was killed is started again by the next one, as it starts everything, but
 * for what clients made: that was no failure of its own. */
static enum backoff_verdict verdict(struct process *p, const struct backoff_end *end,
				    uint64_t *ret_delay_ns)
{
	if (p->supervisor->phase != SUPERVISOR_UP || !p->want_up)
		return BACKOFF_SETTLED;
	if (p->went_with_keeper && p->origin != PROCESS_FILE && p->origin != PROCESS_SERVER) {
		p->want_up = false; /* also for our successor */
		return BACKOFF_SETTLED;
	}
	if (p->went_with_keeper)
		return BACKOFF_NOW;
	return backoff_judge(&p->backoff, &p->def->program->restart, end, ret_delay_ns);
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
		process_handle(p, PROCESS_EV_EXIT);
		return;
	}
	switch (verdict(p, &end, &delay_ns)) {
	case BACKOFF_SETTLED:
		process_handle(p, PROCESS_EV_EXIT);
		break;
	case BACKOFF_NOW:
		p->restarts++;
		/* First: who waits for a final end must see it. */
		process_post(p, PROCESS_EV_START);
		process_handle(p, PROCESS_EV_EXIT);
		break;
	case BACKOFF_LATER:
		if (p->state == PROCESS_STARTING || p->state == PROCESS_RUNNING)
			process_start_timer(p, clock_boot_ns() + delay_ns);
		process_handle(p, PROCESS_EV_RETRY);
		break;
	case BACKOFF_GIVE_UP:
		process_handle(p, PROCESS_EV_GIVE_UP);
		break;
	}
}

/* What came while it was not yet known to have executed. */
static void send_due_signal(struct process *p)
{
	bool kill = p->kill_due;

	if (!p->kill_due && !p->signal_due)
		return;
	p->signal_due = p->kill_due = false;
	process_act(p, kill ? PROCESS_ACT_KILL : PROCESS_ACT_TERM);
	process_send_note(p);
}

static void on_live(struct process *p, const struct link_slot *f)
{
	double startsecs = p->def->program->restart.startsecs;

	if (p->executed)
		return;
	p->executed = true;
	p->pid = f->pid;
	p->started_ns = f->spawned_ns;
	p->server_died = false;
	process_close_given(p);
	send_due_signal(p);
	if (p->state == PROCESS_STARTING && startsecs <= 0)
		process_handle(p, PROCESS_EV_UP);
	else if (p->state == PROCESS_STARTING)
		process_start_timer(p, p->started_ns + clock_ns(startsecs));
	waiters_check(p);
}

static bool has_lasted(const struct process *p, const struct link_slot *f)
{
	double startsecs = p->def->program->restart.startsecs;

	return startsecs <= 0 || f->ended_ns - f->spawned_ns >= clock_ns(startsecs);
}

static void on_ended(struct process *p, const struct link_slot *f)
{
	if (!p->executed) { /* it was alive between two reports */
		p->started_ns = f->spawned_ns;
		p->pid = f->pid;
		p->executed = true;
		waiters_check(p); /* whoever defined it learns its PID */
	}
	/* The timer is late, or was lost. (Without a PID it has not executed.) */
	if (p->state == PROCESS_STARTING && f->pid && has_lasted(p, f))
		process_handle(p, PROCESS_EV_UP);
	p->end = (struct process_end){
		.kind = f->flags & LINK_FLAG_LOST ? PROCESS_LOST : PROCESS_ENDED,
		.status = f->status,
		.utime_us = f->utime_us,
		.stime_us = f->stime_us,
		.maxrss_kb = f->maxrss_kb < UINT32_MAX ? (uint32_t)f->maxrss_kb : UINT32_MAX,
	};
	p->stopped_ns = f->ended_ns;
	process_set_reason(p, words_of_end(p));
	p->told = false;
	if (p->state != PROCESS_STOPPING) { /* else the PID is needed until its tree is gone */
		p->pid = 0;
		judge(p);
		if (p->state != PROCESS_STARTING && !process_is_to_start(p))
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
	process_set_reason(p, words);
	log_warning(process_name(p), "cannot start: %s", words ? words : link_step_name(step));
	judge(p);
}

/* Its forkserver has died with it: whoever waits for it waits on, for the next server. Once, for it may be
 * what that one dies of. */
static bool is_for_next_server(struct process *p, const struct link_slot *f)
{
	bool died = is_end_of_server(f->step, f->err) && !p->told_reason;

	p->server_died = died && !p->server_died && p->state == PROCESS_STARTING;
	return p->server_died;
}

static void on_failed(struct process *p, const struct link_slot *f)
{
	char *words;

	if (is_for_next_server(p, f)) {
		process_act(p, PROCESS_ACT_SPAWN);
		return;
	}
	words = take_ptr(p->told_reason); /* a forkserver's own */
	if (!words)
		words = words_of_failure(p, f->step, f->err);
	process_acknowledge(p);
	not_spawned(p, f->step, f->err, words);
}

void process_cannot_spawn(struct process *p, enum link_step step, int err, const char *words)
{
	process_cancel_spawn(p);
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

static void take_flags(struct process *p, const struct link_slot *f)
{
	p->in_cgroup = f->flags & LINK_FLAG_CGROUP;
	p->adopted = f->flags & LINK_FLAG_ADOPTED;
	p->adopted_ticks = p->adopted ? f->start_ticks : 0;
}

void process_fact(struct process *p, uint64_t incarnation, const struct link_slot *f)
{
	if (incarnation != p->incarnation || p->spawn_queued)
		return; /* of a life that is over for us */
	p->nameless = false;
	if (f->state != LINK_SLOT_SPAWNING)
		forkserver_answered(p);
	take_flags(p, f);
	switch ((enum link_slot_state)f->state) {
	case LINK_SLOT_LIVE:
		on_live(p, f);
		break;
	case LINK_SLOT_ENDED:
		if (p->cleaning)
			break;
		if (process_state_is_alive(p->state) || p->state == PROCESS_UNKNOWN)
			on_ended(p, f);
		else if (!process_is_to_start(p)) /* else the spawn does it */
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
		process_start_timer(p, deadline);
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

/* Without a living process, what was under way when our predecessor died goes on; a shutdown decides
 * otherwise. */
static void go_on(struct process *p)
{
	bool start = p->want_up && !p->wait_parent && !p->supervisor->keeper.leaving;

	if (p->state == PROCESS_STARTING)
		process_act(p, PROCESS_ACT_SPAWN); /* was decided, never asked for */
	else if (p->state == PROCESS_STOPPING)
		process_post(p, PROCESS_EV_GONE);
	else if (start &&
		 (p->state == PROCESS_STOPPED || (p->state == PROCESS_EXITED && was_to_restart(p))))
		process_post(p, PROCESS_EV_START);
}

bool process_is_gone_with_keeper(const struct link_slot *f)
{
	const uint32_t both = LINK_FLAG_ADOPTED | LINK_FLAG_DIES;

	return (f->flags & both) == both;
}

void process_presume_running(struct process *p, pid_t pid)
{
	*(enum process_state *)&p->state = PROCESS_RUNNING;
	p->want_up = true;
	p->clients = true; /* perhaps: then it is not stopped for want of a definition */
	p->instance = env_instance_of(pid);
}

/* Whether that it has executed is news: the keeper knew it, and our predecessor had not done what follows. */
static bool has_just_executed(const struct process *p, const struct link_slot *f)
{
	if (f->state != LINK_SLOT_LIVE)
		return false;
	return !process_state_is_alive(p->state) || p->signal_due || p->kill_due ||
	       (p->state == PROCESS_STARTING && !p->deadline_ns);
}

void process_resumed(struct process *p, uint64_t incarnation, const struct link_slot *f)
{
	p->incarnation = incarnation;
	p->logs_sent = p->incarnation != 0;
	take_flags(p, f);
	if (f->state == LINK_SLOT_LIVE || f->state == LINK_SLOT_ENDED) {
		p->pid = f->pid;
		p->executed = true;
		p->started_ns = f->spawned_ns;
	}
	if (p->state == PROCESS_RUNNING)
		p->supervisor->n_running++;
	if (!p->pid && p->state != PROCESS_STARTING)
		process_set_reason(p, words_of_end(p));
	resume_timer(p);
	if (has_just_executed(p, f)) {
		if (!process_state_is_alive(p->state)) /* the note had not yet followed */
			*(enum process_state *)&p->state = PROCESS_STARTING;
		p->executed = false;
		on_live(p, f);
	} else {
		if (f->state == LINK_SLOT_EMPTY || !process_state_is_alive(p->state))
			go_on(p); /* first: the end of one that is to start again is let go by its spawn */
		process_fact(p, incarnation, f);
	}
}
