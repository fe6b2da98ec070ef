#include "daemon/supervisor/rpc_peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "daemon/base/mem.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD \
	77 /* asm-generic/socket.h of Linux 6.5; the same number on all but Alpha,
			   PA-RISC, MIPS and SPARC, where the call then fails */
#endif

/* The kernel tells with ERANGE how many there are. */
static int read_groups(int socket, struct rpc_peer *p)
{
	socklen_t len = 0;
	auto_free gid_t *groups = NULL;

	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0)
		return 0;
	if (errno != ERANGE)
		return -errno;
	groups = malloc(len);
	if (!groups)
		return -ENOMEM;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return -errno;
	p->n_groups = len / sizeof *groups;
	p->groups = take_ptr(groups);
	return 0;
}

int rpc_peer_read(int socket, struct rpc_peer *ret_peer)
{
	struct rpc_peer p = { 0 };
	struct ucred cred;
	socklen_t len = sizeof cred;
	int r;

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	p.pid = cred.pid;
	p.uid = cred.uid;
	p.gid = cred.gid;
	r = read_groups(socket, &p);
	if (r < 0)
		return r;
	*ret_peer = p;
	return 0;
}

int rpc_peer_pidfd_by_pid(int socket, pid_t pid)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = socket };

	if (pidfd < 0)
		return -errno;
	if (poll(&p, 1, 0) < 0)
		return -errno;
	if (p.revents & (POLLHUP | POLLERR))
		return -ESRCH;
	return take_fd(pidfd);
}

int rpc_peer_pidfd(int socket, pid_t pid)
{
	int pidfd;
	socklen_t len = sizeof pidfd;

	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
		return pidfd;
	return errno == ENOPROTOOPT ? rpc_peer_pidfd_by_pid(socket, pid) : -errno;
}

void rpc_peer_done(struct rpc_peer *peer)
{
	free(peer->groups);
	*peer = (struct rpc_peer){ 0 };
}
