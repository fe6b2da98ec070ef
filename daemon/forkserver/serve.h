/* serve.h - a forkserver's conversation with the keeper
 *
 * The keeper asks by LINK_SPAWN and gets LINK_FORKED or LINK_FAILED. Children are the keeper's, so
 * their ends are not our affair.
 *
 * A program that is on local files is executed while we wait (fork_borrow). Everything else gets a
 * copy of us and a channel, so that neither a hung network file system nor an entry that takes its
 * time holds up others: over it the child says what failed, or that its entry is found, and then
 * waits until the keeper has been told. So no entry runs that the keeper has not heard of, and when
 * we die before, the child sees the end of its channel and gives up. A child that is to execute a
 * program tells the keeper itself that it is there, and is ended by it when we die before the answer.
 *
 * Who has been answered for is forgotten: a descriptor for each would be copied to, and closed in, every later
 * child. */
#ifndef FOSTER_FORKSERVER_SERVE_H
#define FOSTER_FORKSERVER_SERVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/base/link.h"

#define SERVE_LINK_FD 3 /* where a forkserver finds its end of the link */

/* One that is set up: until the keeper has its answer. */
struct serve_child {
	uint32_t slot;
	uint64_t incarnation;
	pid_t pid;
	int pidfd;
	int channel; /* to the child */
	bool has_entry;
	bool found; /* its entry is; waits for the keeper to be told */
};

struct server {
	struct link link;
	pid_t keeper; /* who must be our parent */
	int error; /* -errno of an answer that could not be sent; 0 */
	const char *threaded; /* the preload that started a thread, NULL: none did */
	struct serve_child *children;
	size_t n_children, capacity;
};

/* Number of threads of this process, or -errno. */
int serve_threads(void);

/* Tell the keeper that we are ready, or that path could not be preloaded and why. 0 or -errno. */
int serve_hello(struct server *s);
int serve_preload_failed(struct server *s, const char *path, const char *why);

/* Serve until the keeper closes the link. Returns 0, or -errno when that broke (logged). */
int serve(struct server *s);

void serve_done(struct server *s);

#endif
