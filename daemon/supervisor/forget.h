/* forget.h - ended processes that clients defined do not stay forever
 *
 * A transient one goes once its end was told; of the others the oldest, when more than keep_finished
 * have ended. Both happen a moment later, when nobody is at work on a process. */
#ifndef FOSTER_SUPERVISOR_FORGET_H
#define FOSTER_SUPERVISOR_FORGET_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/supervisor/supervisor.h"

struct forget {
	struct supervisor *supervisor;
	ev_timer soon; /* never started: fed */
	bool trim_due;
	uint32_t *slots; /* of processes that were told; owned */
	size_t n, capacity;
};

void forget_init(struct forget *f, struct supervisor *s);
void forget_done(struct forget *f);

/* The end of that incarnation was told to the client. Does nothing unless the process is transient
 * and down. */
void forget_told(struct supervisor *s, const char *name, uint64_t incarnation);

/* A process has ended: look whether there are too many. */
void forget_ended(const struct process *p);

/* Whether p may be forgotten now: a client's, and down. */
bool forget_may(const struct process *p);

#endif
