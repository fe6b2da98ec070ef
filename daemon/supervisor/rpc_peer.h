/* rpc_peer.h - who is at the other end of a connection
 *
 * All of it comes from the kernel, which recorded it when the peer connected: nothing that the peer
 * says, and nothing that /proc says about a PID, is believed.
 *
 * Source: unix(7): SO_PEERCRED, SO_PEERGROUPS (Linux 4.13), SO_PEERPIDFD (6.5). */
#ifndef FOSTER_SUPERVISOR_RPC_PEER_H
#define FOSTER_SUPERVISOR_RPC_PEER_H

#include "daemon/supervisor/rpc.h"

/* What the kernel recorded; rpc_peer_done() releases it. 0 or -errno. */
int rpc_peer_read(int socket, struct rpc_peer *ret_peer);

/* A pidfd of the peer's process, then the caller's (SO_PEERPIDFD, else as below), or -errno: -ESRCH when
 * it is gone. */
int rpc_peer_pidfd(int socket, pid_t pid);

/* The same where the kernel has no SO_PEERPIDFD: by PID, then making sure that the connection was
 * still open, so that its process had lived, and the PID not been reused, until then. */
int rpc_peer_pidfd_by_pid(int socket, pid_t pid);

void rpc_peer_done(struct rpc_peer *peer);

#endif
