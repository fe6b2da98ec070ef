/* forget.h - ended processes that clients defined do not stay forever
 *
 * A transient one goes once its end was told; of the others the oldest, when more than keep_finished
 * have ended. Both happen at the end of a turn, when nobody is at work on a process, and the replies that
 * tell an end have left: until then a successor must be able to tell it. */
#ifndef FOSTER_SUPERVISOR_FORGET_H
#define FOSTER_SUPERVISOR_FORGET_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/supervisor/supervisor.h"

struct told {
	uint32_t slot;
	uint64_t incarnation;
};

struct forget {
	struct supervisor *supervisor;
	ev_prepare after_replies;
	bool trim_due;
	struct told *told; /* owned */
	size_t n, capacity;
};

void forget_init(struct forget *f, struct supervisor *s);
void forget_done(struct forget *f);

/* The end of that incarnation is told to the client, by a reply that was made now. Does nothing unless the process is transient
 * and down. */
void forget_told(struct supervisor *s, const char *name, uint64_t incarnation);

/* A process has ended: look whether there are too many. */
void forget_ended(const struct process *p);

/* Whether p may be forgotten now: a client's, and down. */
bool forget_may(const struct process *p);

#endif
