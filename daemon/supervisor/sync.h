/* sync.h - a call that goes on when the logger has written what a process has printed so far
 *
 * Output goes from pipe to file in a process of its own, so a log file may be a moment behind. Whoever
 * asks for it after the process has ended expects all of it. The logger is asked to take what is in
 * the pipe; its answer lets the call go on. A new logger is asked again; without one, or for a stream
 * that it does not write, the call goes on at once. */
#ifndef FOSTER_SUPERVISOR_SYNC_H
#define FOSTER_SUPERVISOR_SYNC_H

#include <jansson.h>

#include "daemon/supervisor/process.h"
#include "daemon/supervisor/rpc.h"

/* Call method(s, call, parameters) later, or now. The call is kept meanwhile; if its client goes, it is
 * forgotten. */
void sync_then(struct process *p, int stream, struct rpc_call *call, json_t *parameters,
	       void (*method)(void *data, struct rpc_call *call, json_t *parameters));

/* From the keeper: a token was answered; there is a new logger. */
void sync_answered(struct supervisor *s, uint64_t token);
void sync_new_logger(struct supervisor *s);

#endif
