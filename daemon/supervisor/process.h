/* process.h - one named process: definition, wish, state, last end
 *
 * What a person wants (want) and what is (state) are two fields. state is written by process_enter()
 * alone. A process owns a slot of the keeper's table for as long as it exists, and at most one PID
 * at a time: an incarnation, numbered from 1.
 *
 *   process.c        new, find, forget
 *   process_state.c  the table of states
 *   process_event.c  the queue of events, one event, enter
 *   process_fact.c   what the keeper says of a slot, what an end comes to; resume from a slot
 *   process_ask.c    what people, and parents, ask of it
 *   process_act.c    actions: requests to the keeper
 *   process_plan.c   what keeper and logger are told before it runs: its streams, its plan
 *   process_note.c   what a successor must know, to and from a struct link_note
 *
 * Events are queued and drained before the loop waits, so no handler runs inside another. */
#ifndef FOSTER_SUPERVISOR_PROCESS_H
#define FOSTER_SUPERVISOR_PROCESS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "daemon/base/link.h"
#include "daemon/base/nomem.h"
#include "daemon/supervisor/backoff.h"
#include "daemon/supervisor/process_state.h"

#define uthash_fatal(words) nomem_exit(words)
#include <uthash.h>

struct supervisor;
struct session;
struct waiter;

enum process_origin {
	PROCESS_FILE, /* a configuration file */
	PROCESS_CLIENT, /* Define; its definition is a file in RUNTIME/spool */
	PROCESS_SERVER, /* a forkserver; not shown by status */
	PROCESS_HELPER, /* a stop_command that runs; not shown by status */
	PROCESS_GHOST /* taken over, and its definition is gone: it can be stopped */
};

enum process_end_kind {
	PROCESS_NEVER,
	PROCESS_ENDED,
	PROCESS_LOST,
	PROCESS_NOT_SPAWNED
};

/* Who asked for the last start or stop. */
struct process_asker {
	enum {
		ASKED_NOBODY,
		ASKED_FOSTER,
		ASKED_CLIENT
	} kind;
	uid_t uid;
	pid_t pid;
};

/* How the last incarnation ended. */
struct process_end {
	enum process_end_kind kind;
	int status; /* ENDED: as wait(2) gives it; NOT_SPAWNED: errno */
	enum link_step step; /* NOT_SPAWNED */
	uint32_t maxrss_kb;
	uint64_t utime_us, stime_us;
};

/* What a process has because a client defined it. */
struct process_client {
	uid_t uid; /* whose it is, and who it runs as */
	gid_t gid;
	gid_t *groups; /* supplementary; owned */
	size_t n_groups;
	uint64_t defined_real_ns; /* calendar */
	uint64_t request_id; /* hash of the id of its Define */
	size_t spooled; /* bytes of its definition in the spool */
	int stdio[3], directory_fd; /* of `run`, until it is spawned; -1 */
	bool terminal; /* stdio[0] is its terminal */
};

struct process {
	struct supervisor *supervisor;
	struct conf *conf; /* reference: what def lies in */
	const struct conf_process *def;
	struct conf *next_conf; /* after an update: what it becomes once it is down; NULL */
	const struct conf_process *next_def;
	UT_hash_handle by_name; /* key: def->full_name */

	enum process_origin origin;
	const enum process_state state; /* see process_enter() */
	bool want_up; /* a person, autostart or a parent wants it up */
	bool wait_parent; /* is to start when its parent is RUNNING */
	bool transient; /* of `run`: forgotten once its end was told */
	bool told; /* its end was told */
	bool daemon; /* the flag in force: def's, or as the client said */
	bool clients; /* a client defined it: a ghost, too, knows */
	bool removed; /* no longer configured: freed once it is down */
	bool escalate; /* STOPPING: SIGKILL after stopwaitsecs */
	bool signal_due; /* stop signal to be sent as soon as it is known to be spawned */
	bool kill_due;
	bool event_queued; /* is in the supervisor's event queue */
	bool spawn_queued; /* is in the supervisor's spawn queue */
	bool cleaning; /* its tree is being killed */
	bool executed; /* this incarnation is known to have executed */
	bool in_cgroup; /* and is in a cgroup of its own (cgroup.h) */
	bool adopted; /* this incarnation is of an earlier fosterd: it is not the keeper's child */
	bool went_with_keeper; /* and was to end with that fosterd, which was killed */
	bool logs_sent; /* the logger knows its streams */
	bool nameless; /* the keeper's table had no room for it: it is named anew before its next spawn */
	bool session_is_parent;
	bool wait_server; /* its spawn waits for a place at the server */
	bool asked; /* has one: it counts among the server's n_asked */
	bool server_died; /* with its spawn, which is asked of the next one */

	uint32_t events_due; /* set of 1 << enum process_event */
	unsigned restarts; /* starts that nobody asked for */
	unsigned left_behind; /* what the last look at its tree found */
	union {
		unsigned n_asked; /* of a forkserver: spawns that are asked of it, or about to be */
		unsigned n_daemons; /* of a parent, in a shutdown: its daemons that are still up */
	};
	pid_t pid; /* 0: none */
	uint32_t slot;
	uint64_t incarnation; /* of the current or last life; 0: never started */
	uint64_t instance; /* FOSTER_INSTANCE, random */
	uint64_t
		adopted_ticks; /* adopted: its start time, for its PID may mean another; 0: unknown */
	uint64_t next_instance; /* of a next life that the keeper has an order for; 0: no order */
	struct backoff backoff;
	uint64_t started_ns, stopped_ns; /* CLOCK_BOOTTIME; 0: never */
	uint64_t changed_ns; /* the same, of its state */
	uint64_t deadline_ns; /* when timer fires; 0: off */
	uint64_t start_id; /* of the call that asked for its latest start; 0: it had none */
	struct process_end end;
	struct process_asker asker;
	char *told_reason; /* a forkserver's words for a failure whose facts follow; owned; NULL */
	char *reason; /* of BACKOFF, FATAL: in words; owned; NULL */

	char *parent_name; /* another process; NULL: fosterd, or session; owned */
	struct session *session; /* of the client who made it, if transient or its parent; NULL */
	struct process_client *client; /* owned; NULL unless PROCESS_CLIENT */

	struct process *server; /* forkserver that makes it; NULL */

	ev_timer timer;
	struct process *next_event, *next_spawn, *next_clean; /* intrusive lists */
	struct waiter *waiters; /* calls that wait for it */
};

/* ---- process.c --------------------------------------------------------------------------------- */

/* Make a process of a definition, with a slot; takes a reference of conf. NULL without memory or
 * slots (errno set). */
struct process *process_new(struct supervisor *s, struct conf *conf, const struct conf_process *def,
			    enum process_origin origin);

/* Tell the keeper whose slot it is: what process_new() does. */
void process_tell_name(struct process *p);

/* Forget it and its slot. It must be down. */
void process_free(struct process *p);

struct process *process_find(const struct supervisor *s, const char *full_name);
struct process *process_of_pid(const struct supervisor *s, pid_t pid);

/* Go on with another definition (an update): at once when down, else after its end. */
void process_redefine(struct process *p, struct conf *conf, const struct conf_process *def);

/* The process of that name becomes its parent; NULL: fosterd, or its session. 0 or -ENOMEM. */
int process_set_parent(struct process *p, const char *name);

/* Its parent process; NULL when that is fosterd or a session, or not there. */
struct process *process_parent(const struct process *p);

/* Whether it ends with the keeper (parent-death signal): a daemon all the way up. */
bool process_dies_with_keeper(const struct process *p);

/* Whether a client has defined it who is neither root nor of fosterd's own user: it runs as that one,
 * and is given nothing that he could not have himself. */
bool process_is_of_other(const struct process *p);
bool process_is_other_user(uid_t uid); /* whether such a one */

/* ---- process_event.c --------------------------------------------------------------------------- */

/* Queue an event; it is handled before the loop waits. */
void process_post(struct process *p, enum process_event ev);

bool process_is_to_start(const struct process *p); /* a START is queued */

/* Drain the queue. Called by the supervisor once a turn. */
void process_drain(struct supervisor *s);

/* ---- process_fact.c ---------------------------------------------------------------------------- */

/* What the keeper says of its slot. */
void process_fact(struct process *p, uint64_t incarnation, const struct link_slot *f);

/* The forkserver's words for why incarnation could not be spawned; its facts follow. */
void process_tell_reason(struct process *p, uint64_t incarnation, const char *words);

/* Whether these are the facts of a life that was to end with its keeper, which was killed. */
bool process_is_gone_with_keeper(const struct link_slot *f);

/* Nothing is known of it but that it runs. */
void process_presume_running(struct process *p, pid_t pid);

/* Everything is known again after a resume: timers, and what the keeper knows better. */
void process_resumed(struct process *p, uint64_t incarnation, const struct link_slot *f);

/* ---- process_ask.c ----------------------------------------------------------------------------- */

/* What people ask for. They return 0, or -EALREADY when there is nothing to do (running, or not
 * running), or -EHOSTDOWN: its parent process is down. */
int process_ask_start(struct process *p, const struct process_asker *who);
int process_ask_stop(struct process *p, const struct process_asker *who);
int process_ask_terminate(struct process *p, const struct process_asker *who);
int process_ask_kill(struct process *p, const struct process_asker *who);
int process_ask_restart(struct process *p, const struct process_asker *who);

/* Not a person: the parent came up, or went. */
void process_parent_up(struct process *p);
void process_parent_down(struct process *p);

/* After a resume: what a predecessor may not have come to when its parent came up, or went. */
void process_look_at_parent(struct process *p);

/* Whether its last incarnation is over and no restart follows. */
bool process_is_settled_down(const struct process *p);

/* ---- process_act.c ----------------------------------------------------------------------------- */

void process_act(struct process *p, enum process_act act);
void process_send_signal(struct process *p, int number, enum link_scope scope);
void process_send_note(struct process *p);
void process_acknowledge(struct process *p);

/* ---- process_plan.c ---------------------------------------------------------------------------- */

int process_send_spawn(struct process *p, char **ret_reason); /* 0 or -errno, perhaps in words */
void process_send_logs(struct process *p); /* tell the logger its streams */
/* The log file of stream 1 or 2 in path; 0, or -ENOENT (with *ret_why in words). */
int process_log_path(const struct process *p, int stream, char *path, size_t size,
		     const char **ret_why);

/* ---- process_note.c ---------------------------------------------------------------------------- */

void process_note_write(const struct process *p, struct link_note *note);
/* Restore what the note says; false when it is not one. state is restored, no timer is started. */
bool process_note_read(struct process *p, const struct link_note *note);
/* Whether it says that a client has defined the process, or perhaps has. */
bool process_note_is_of_client(const struct link_note *note);

/* ---- words ------------------------------------------------------------------------------------- */

/* Python's returncode of its last end; valid when end.kind is PROCESS_ENDED. */
int process_returncode(const struct process_end *end);

/* Why it is not running, in words, or NULL. */
const char *process_reason(const struct process *p);

/* Its definition's main facts, for others than process*.c. */
static inline const char *process_name(const struct process *p)
{
	return p->def->full_name;
}

#endif
