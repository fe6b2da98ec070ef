/* caller.h - the supervised process that a client runs in
 *
 * Found by its PID, those of its ancestors, and its session, as /proc and the kernel have them. It
 * decides a default only (parent and daemon flag of what the client starts), never a right. */
#ifndef FOSTER_SUPERVISOR_CALLER_H
#define FOSTER_SUPERVISOR_CALLER_H

#include <jansson.h>

#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/supervisor.h"

/* Call method(s, call, parameters) as soon as the client's process is known to us: at once, but for one
 * that calls in its first instructions, while the keeper's report of it is on its way. The call is kept
 * meanwhile; if its client goes, it is forgotten. */
void caller_then(struct supervisor *s, struct rpc_call *call, json_t *parameters,
		 void (*method)(void *data, struct rpc_call *call, json_t *parameters));

/* The nearest one to the client pid, or NULL: it is not of ours, or is gone already, as its pidfd tells
 * (less than 0: it is gone). */
struct process *caller_process(const struct supervisor *s, pid_t pid, int pidfd);

#endif
