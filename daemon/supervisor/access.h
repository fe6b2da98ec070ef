/* access.h - what a peer may do, with all processes and with one
 *
 * Root and fosterd's own user may do everything. Others have what the [access:NAME] sections that
 * name them, by user or by group, allow them for the processes whose names match programs=; and a
 * process that they defined is theirs. The right control covers what is configured; what another
 * client has defined is that client's, and admin's.
 *
 * Pure: rules and credentials come from outside, nothing is looked up.
 * Source: DESIGN section 6, "Who may". */
#ifndef FOSTER_SUPERVISOR_ACCESS_H
#define FOSTER_SUPERVISOR_ACCESS_H

#include <stdbool.h>

#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/supervisor.h"

/* All of enum conf_right. */
#define ACCESS_ALL ((unsigned)(CONF_READ | CONF_CONTROL | CONF_RUN | CONF_ADMIN))

/* Rights that the peer has for any process at all. */
unsigned access_any(const struct supervisor *s, const struct rpc_peer *peer);

/* Rights that are not bound to names (programs=): for what concerns fosterd as a whole. */
unsigned access_global(const struct supervisor *s, const struct rpc_peer *peer);

/* Rights for processes of that name that are configured, or (run) to be defined. */
unsigned access_to_name(const struct supervisor *s, const struct rpc_peer *peer, const char *name);

/* Rights for one process: read, control and admin. */
unsigned access_to(const struct supervisor *s, const struct rpc_peer *peer,
		   const struct process *p);

/* Whether the peer is the client that defined it. */
bool access_owns(const struct rpc_peer *peer, const struct process *p);

/* Whether the peer can tell that it exists: it may read or control it. */
bool access_sees(const struct supervisor *s, const struct rpc_peer *peer, const struct process *p);

/* "read" of CONF_READ; of a set, its least. */
const char *access_right_name(unsigned rights);

#endif
