/* forkserver.h - processes that foster needs for itself: forkservers, stop commands
 *
 * They are processes like any other, with a slot, states and restarts, but no command knows them:
 * their names hold a blank, which no configured name may.
 *
 * A forkserver starts when the first process that is made by it is to start; that one's spawn waits
 * until it is RUNNING, or fails with it. It has FORKSERVER_ASKED_MAX places for spawns
 * that it is asked for; who finds none waits. It is restarted when it dies, and stops with fosterd. */
#ifndef FOSTER_SUPERVISOR_FORKSERVER_H
#define FOSTER_SUPERVISOR_FORKSERVER_H

#include "daemon/supervisor/process.h"

#define FORKSERVER_ASKED_MAX 32

/* p is about to be spawned by a forkserver. Returns 1: ask now (p->server is set); 0: not yet, it waits, and
 * its spawn is queued again when there is a place for it; -errno: it cannot be (reason in words in
 * *ret_reason). */
int forkserver_ready(struct process *p, char **ret_reason);

/* The place that p has at its server, if any, is free: it is answered, or will not be asked for. */
void forkserver_answered(struct process *p);

/* The forkserver's own state has changed. */
void forkserver_noticed(struct process *server);

/* It said why its preload failed; told to all that wait for it. */
void forkserver_failed(struct process *server, const char *text);

/* Its definition has changed, or it is not configured any more: replace or stop it. */
void forkserver_changed(struct supervisor *s, const char *name);

/* Run stop_command= of p as a process of its own, with p's user and environment, FOSTER_PID set. */
void helper_run(struct process *p, const char *const *argv);

/* The internal process of a slot, built again for a successor; NULL when its server is not
 * configured any more. */
struct process *internal_resume(struct supervisor *s, const char *name, uint32_t slot);

/* A process whose definition is gone: a stand-in, good for stopping it. */
struct process *internal_ghost(struct supervisor *s, const char *name, uint32_t slot);

#endif
