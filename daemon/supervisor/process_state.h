/* process_state.h - the states of a process, and what moves it from one to another
 *
 * Pure: no clock, no process, no log. States and their names are supervisord's (subprocess.rst).
 *
 * event      |STOPPED  STARTING      RUNNING        BACKOFF  STOPPING       EXITED   FATAL    UNKNOWN
 * -----------+---------------------------------------------------------------------------------------
 * START      |STARTING                              STARTING                STARTING STARTING STARTING
 *            | spawn                                 spawn                   spawn    spawn    spawn
 * UP         |         RUNNING
 * EXIT       |         EXITED        EXITED                  STOPPING                         EXITED
 *            |                                                clean
 * RETRY      |         BACKOFF       BACKOFF
 * GIVE_UP    |         FATAL         FATAL                   STOPPING
 *            |                                                clean
 * STOP       |         STOPPING      STOPPING       STOPPED                 STOPPED
 *            |          term          term
 * KILL       |         STOPPING      STOPPING       STOPPED  STOPPING       STOPPED
 *            |          kill          kill                    kill
 * TIMEOUT    |                                               STOPPING
 *            |                                                kill
 * GONE       |                                               STOPPED
 * BAFFLED    |         UNKNOWN       UNKNOWN                 UNKNOWN
 *
 * An empty cell: the event is nothing to this state. EXIT, RETRY and GIVE_UP are what an end of the
 * main process (or a failed spawn) comes to, once exit status and policy were looked at
 * (process_fact.c). GONE: the main process is gone and so is what it left behind, as far as
 * kill_scope goes. A person's STOP or KILL reaches EXITED only when it calls off a restart that was
 * decided already. BAFFLED: a signal could not be sent though the process is there. */
#ifndef FOSTER_SUPERVISOR_PROCESS_STATE_H
#define FOSTER_SUPERVISOR_PROCESS_STATE_H

#include <stdbool.h>

enum process_state {
	PROCESS_STOPPED,
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_BACKOFF,
	PROCESS_STOPPING,
	PROCESS_EXITED,
	PROCESS_FATAL,
	PROCESS_UNKNOWN,
	PROCESS_STATE_MAX
};

enum process_event {
	PROCESS_EV_START,
	PROCESS_EV_UP,
	PROCESS_EV_EXIT,
	PROCESS_EV_RETRY,
	PROCESS_EV_GIVE_UP,
	PROCESS_EV_STOP,
	PROCESS_EV_KILL,
	PROCESS_EV_TIMEOUT,
	PROCESS_EV_GONE,
	PROCESS_EV_BAFFLED,
	PROCESS_EV_MAX
};

enum process_act {
	PROCESS_ACT_NONE,
	PROCESS_ACT_SPAWN,
	PROCESS_ACT_TERM, /* stop signal or stop_command */
	PROCESS_ACT_KILL, /* SIGKILL */
	PROCESS_ACT_CLEAN, /* kill what the main process left behind */
};

struct process_move {
	bool set; /* false: nothing happens */
	enum process_state to;
	enum process_act act;
};

const struct process_move *process_move(enum process_state from, enum process_event ev);

/* "RUNNING", "START". */
const char *process_state_name(enum process_state s);
const char *process_event_name(enum process_event ev);

/* Whether there is, or is about to be, a PID: STARTING, RUNNING, STOPPING (UNKNOWN may have one). */
bool process_state_is_alive(enum process_state s);

/* What poll calls running: STARTING, RUNNING, STOPPING, BACKOFF. */
bool process_state_is_up(enum process_state s);

#endif
