/* caller.h - the supervised process that a client runs in
 *
 * Found by its PID, those of its ancestors, and its session, as /proc and the kernel have them. It
 * decides a default only (parent and daemon flag of what the client starts), never a right. */
#ifndef FOSTER_SUPERVISOR_CALLER_H
#define FOSTER_SUPERVISOR_CALLER_H

#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/supervisor.h"

/* The nearest one, or NULL: the client is not of ours, or is gone already. */
struct process *caller_process(const struct supervisor *s, const struct rpc_peer *peer);

#endif
