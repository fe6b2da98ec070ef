/* waiters.h - calls that are answered when processes have got somewhere
 *
 * A request about several processes is a list of entries, one for each, in the order of the request.
 * An entry is settled at once (refused, nothing to do, done) or waits for its process; when all are
 * settled the call is answered with the outcomes. A process holds the list of its entries, so that a
 * change of its state costs only those who wait for it.
 *
 * A client that goes away takes its list with it, and nothing else changes: what it asked for was
 * asked for. When fosterd begins to leave, no start is waited for any more (waiters_shutdown(), in
 * supervisor.h); the ends that this brings are still told. */
#ifndef FOSTER_SUPERVISOR_WAITERS_H
#define FOSTER_SUPERVISOR_WAITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/supervisor.h"

enum waiters_goal {
	WAITERS_NONE, /* outcomes only, no waiting */
	WAITERS_RUNNING, /* Start, Restart: RUNNING, or failed */
	WAITERS_DOWN, /* Stop, Kill: gone, with its tree */
	WAITERS_END, /* Wait: an end that no restart follows */
	WAITERS_EXECUTED, /* Define: exec succeeded or failed; one entry */
	WAITERS_GOAL_MAX
};

struct waiters;

/* A request about at most n processes. NULL without memory. */
struct waiters *waiters_new(struct supervisor *s, struct rpc_call *call, enum waiters_goal goal,
			    size_t n);

/* Entries. An outcome without error is done. error is the last part of an error's name; reason may
 * be NULL. name and reason are copied. */
void waiters_settle(struct waiters *w, const char *name, const struct process *p, const char *error,
		    const char *reason);

/* Wait for p, or settle at once where it is there already. before is the incarnation that was there
 * when the request came: with WAITERS_RUNNING and WAITERS_EXECUTED a later one is waited for. */
void waiters_add(struct waiters *w, struct process *p, uint64_t before);

/* Whether p's parent, which is not RUNNING, is on its way to be. */
bool waiters_parent_comes(const struct process *p);

/* All entries are there: answer, or keep the call. With any, the first that is settled is enough;
 * after timeout seconds (negative: never) what is settled by then. w is gone from the caller. */
void waiters_begin(struct waiters *w, bool any, double timeout);

/* Nothing more will happen: answer all that is still open with ShuttingDown. */
void waiters_end(struct supervisor *s);

#endif
