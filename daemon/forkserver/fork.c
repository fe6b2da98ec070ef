#include "daemon/forkserver/fork.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/forkserver/atfork.h"

#ifdef __s390__
#error "clone(2) takes its arguments in another order here"
#endif

#define STACK_BYTES 65536

static void block_signals(sigset_t *ret_before)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, ret_before);
}

/* Where the C library keeps the id of this thread; NULL where the kernel does not tell. */
static int *own_tid(void)
{
	int *tid = NULL;

	return prctl(PR_GET_TID_ADDRESS, &tid) < 0 ? NULL : tid;
}

static pid_t raw_clone(int *ret_pidfd)
{
	int *tid = own_tid();
	unsigned long flags = CLONE_PARENT | CLONE_PIDFD;

	if (tid)
		flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	/* Architectures differ in whether the fourth or the fifth is tid; the other is not used. */
	return (pid_t)syscall(SYS_clone, flags, NULL, ret_pidfd, tid, tid);
}

pid_t fork_copy(int *ret_pidfd)
{
	struct robust_list_head *robust = NULL;
	size_t robust_len = 0;
	sigset_t before;
	pid_t pid;

	fflush(NULL); /* or the child would print it again */
	atfork_prepare();
	(void)syscall(SYS_get_robust_list, 0, &robust, &robust_len);
	block_signals(&before);
	pid = raw_clone(ret_pidfd);
	if (pid == 0) {
		if (robust)
			(void)syscall(SYS_set_robust_list, robust, robust_len);
		atfork_child();
		return 0;
	}
	if (pid < 0)
		pid = -errno;
	atfork_parent();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

pid_t fork_borrow(int (*run)(void *data), void *data, int *ret_pidfd)
{
	static alignas(16) char stack[STACK_BYTES];
	int flags = CLONE_VM | CLONE_VFORK | CLONE_PARENT | CLONE_PIDFD;
	sigset_t before;
	pid_t pid;

	block_signals(&before);
	pid = clone(run, stack + sizeof stack, flags, data, ret_pidfd);
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}
