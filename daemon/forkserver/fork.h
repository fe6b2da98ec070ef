/* fork.h - making children for our parent
 *
 * With CLONE_PARENT the keeper becomes the parent of what we make: it reaps, its death is the one
 * that a parent-death signal tells, and our own death is nothing to the child. clone(2), because
 * container runtimes forbid clone3(2). The pidfd comes with the child (CLONE_PIDFD): the keeper may
 * have reaped it before we could open one.
 *
 * A copy made without fork(3) lacks what the C library does in the child. fork_copy() makes up for
 * it: the thread's own id, the list of robust mutexes, and pthread_atfork(3) handlers (atfork.h). Locks
 * need no care: we have one thread.
 *
 * Both calls block all signals in the child, which unblocks them when it has set its handlers. */
#ifndef FOSTER_FORKSERVER_FORK_H
#define FOSTER_FORKSERVER_FORK_H

#include <sys/types.h>

/* As fork(2): returns twice, 0 in the child; or -errno. *ret_pidfd is set in the forkserver. */
pid_t fork_copy(int *ret_pidfd);

/* As vfork(2): run(data) on a stack of its own, on our memory, while we wait until it executes a
 * program or exits. Returns the PID or -errno. */
pid_t fork_borrow(int (*run)(void *data), void *data, int *ret_pidfd);

#endif
