/* clone3.h - clone3(2) with CLONE_INTO_CGROUP (Linux 5.7): the C library has no wrapper
 *
 * To be born in its cgroup is the only cheap way into one: to be moved there makes the mover wait for
 * an RCU grace period, some 10 ms. */
#ifndef FOSTER_KEEPER_CLONE3_H
#define FOSTER_KEEPER_CLONE3_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* As clone(2) with these flags and SIGCHLD, in the cgroup whose directory cgroup_fd is. With CLONE_VM
 * the child needs a stack of its own, else stack is NULL; child_tid is for CLONE_CHILD_CLEARTID. It calls fn(data), which may not return.
 * Returns the PID or -errno; -ENOSYS where nobody has taught us the processor. */
pid_t clone3_into_cgroup(uint64_t flags, void *stack, size_t stack_bytes, pid_t *child_tid,
			 int cgroup_fd, int (*fn)(void *data), void *data);

#endif
