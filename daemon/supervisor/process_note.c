/* process_note.c - what a successor must know, to and from a slot's note */
#include <assert.h>
#include <string.h>

#include "daemon/supervisor/process.h"
#include "daemon/supervisor/supervisor.h"

#define NOTE_VERSION 1

enum note_flag {
	NOTE_WANT_UP = 1,
	NOTE_WAIT_PARENT = 2,
	NOTE_TOLD = 4,
	NOTE_ESCALATE = 8,
	NOTE_REMOVED = 16,
	NOTE_SESSION_IS_PARENT = 32,
	NOTE_TRANSIENT = 64,
	NOTE_CLIENTS = 128
};

enum note_due { /* as soon as it has executed */
	NOTE_SIGNAL_DUE = 1,
	NOTE_KILL_DUE = 2
};

struct note {
	uint8_t version, state, flags, end_kind;
	uint8_t asker_kind, step;
	uint16_t start_failures;
	uint32_t failures, crashes, restarts;
	int32_t end_status;
	uint32_t asker_uid, asker_pid;
	uint64_t window_ns, deadline_ns, started_ns, stopped_ns;
	uint64_t instance, next_instance, session;
	uint32_t utime_ms, stime_ms, maxrss_kb, due;
	uint64_t changed_ns, start_id;
};

static_assert(sizeof(struct note) <= LINK_NOTE_BYTES, "a note fits its slot");

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

void process_note_write(const struct process *p, struct link_note *note)
{
	struct note n = {
		.version = NOTE_VERSION,
		.state = (uint8_t)p->state,
		.flags = (uint8_t)((p->want_up ? NOTE_WANT_UP : 0) |
				   (p->wait_parent ? NOTE_WAIT_PARENT : 0) |
				   (p->told ? NOTE_TOLD : 0) | (p->escalate ? NOTE_ESCALATE : 0) |
				   (p->removed ? NOTE_REMOVED : 0) |
				   (p->session_is_parent ? NOTE_SESSION_IS_PARENT : 0) |
				   (p->transient ? NOTE_TRANSIENT : 0) |
				   (p->clients ? NOTE_CLIENTS : 0)),
		.end_kind = (uint8_t)p->end.kind,
		.asker_kind = (uint8_t)p->asker.kind,
		.step = (uint8_t)p->end.step,
		.start_failures = (uint16_t)at_most(p->backoff.start_failures, UINT16_MAX),
		.failures = p->backoff.failures,
		.crashes = p->backoff.crashes,
		.restarts = p->restarts,
		.end_status = p->end.status,
		.asker_uid = p->asker.uid,
		.asker_pid = (uint32_t)p->asker.pid,
		.window_ns = p->backoff.window_ns,
		.deadline_ns = p->deadline_ns,
		.started_ns = p->started_ns,
		.stopped_ns = p->stopped_ns,
		.changed_ns = p->changed_ns,
		.start_id = p->start_id,
		.instance = p->instance,
		.next_instance = p->next_instance,
		.session = p->session ? session_id(p->session) : 0,
		.utime_ms = (uint32_t)at_most(p->end.utime_us / 1000, UINT32_MAX),
		.stime_ms = (uint32_t)at_most(p->end.stime_us / 1000, UINT32_MAX),
		.maxrss_kb = p->end.maxrss_kb,
		.due = (p->signal_due ? NOTE_SIGNAL_DUE : 0U) | (p->kill_due ? NOTE_KILL_DUE : 0U),
	};

	memset(note, 0, sizeof *note);
	memcpy(note->bytes, &n, sizeof n);
}

bool process_note_is_of_client(const struct link_note *note)
{
	struct note n;

	memcpy(&n, note->bytes, sizeof n);
	return n.version == NOTE_VERSION && n.flags & NOTE_CLIENTS;
}

bool process_note_read(struct process *p, const struct link_note *note)
{
	struct session *session;
	struct note n;

	memcpy(&n, note->bytes, sizeof n);
	if (n.version != NOTE_VERSION || n.state >= PROCESS_STATE_MAX ||
	    n.end_kind > PROCESS_NOT_SPAWNED || n.asker_kind > ASKED_CLIENT ||
	    n.step >= LINK_STEP_MAX)
		return false;
	*(enum process_state *)&p->state = n.state;
	p->want_up = n.flags & NOTE_WANT_UP;
	p->wait_parent = n.flags & NOTE_WAIT_PARENT;
	p->told = n.flags & NOTE_TOLD;
	p->escalate = n.flags & NOTE_ESCALATE;
	p->removed = n.flags & NOTE_REMOVED;
	p->session_is_parent = n.flags & NOTE_SESSION_IS_PARENT;
	p->transient = n.flags & NOTE_TRANSIENT;
	p->clients = n.flags & NOTE_CLIENTS;
	p->end = (struct process_end){ .kind = n.end_kind,
				       .status = n.end_status,
				       .step = n.step,
				       .utime_us = n.utime_ms * 1000ULL,
				       .stime_us = n.stime_ms * 1000ULL,
				       .maxrss_kb = n.maxrss_kb };
	p->asker.kind = n.asker_kind;
	p->asker.uid = n.asker_uid;
	p->asker.pid = (pid_t)n.asker_pid;
	p->backoff = (struct backoff){ .start_failures = n.start_failures,
				       .failures = n.failures,
				       .crashes = n.crashes,
				       .window_ns = n.window_ns };
	p->restarts = n.restarts;
	p->deadline_ns = n.deadline_ns;
	p->started_ns = n.started_ns;
	p->stopped_ns = n.stopped_ns;
	p->changed_ns = n.changed_ns;
	p->start_id = n.start_id;
	p->instance = n.instance;
	p->next_instance = n.next_instance;
	p->signal_due = n.due & NOTE_SIGNAL_DUE;
	p->kill_due = n.due & NOTE_KILL_DUE;
	p->supervisor->n_orders += n.next_instance != 0;
	session = n.session ? session_find(p->supervisor, n.session) : NULL;
	if (session)
		session_attach(session, p);
	return true;
}
