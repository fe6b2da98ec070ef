#include "daemon/keeper/clone3.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

/* struct clone_args of linux/sched.h as of CLONE_ARGS_SIZE_VER2: older headers lack its end. */
struct arguments {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};

/* The child goes on behind the system call with another stack, or with a copy of ours: it finds fn and
 * data in registers and needs nothing else. */
static long call(struct arguments *args, int (*fn)(void *data), void *data)
{
#if defined(__x86_64__)
	register int (*child_fn)(void *) __asm__("r12") = fn;
	register void *child_data __asm__("r13") = data;
	long result;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "and $-16, %%rsp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(result)
			 : "a"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(child_fn),
			   "r"(child_data)
			 : "rcx", "r11", "memory", "cc");
	return result;
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_clone3;
	register int (*child_fn)(void *) __asm__("x19") = fn;
	register void *child_data __asm__("x20") = data;
	register long result __asm__("x0") = (long)args;
	register long size __asm__("x1") = sizeof *args;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, #0\n\t"
			 "mov x0, x20\n\t"
			 "blr x19\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(result)
			 : "r"(number), "r"(child_fn), "r"(child_data), "r"(size)
			 : "memory", "cc");
	return result;
#else
	(void)args;
	(void)fn;
	(void)data;
	return -ENOSYS;
#endif
}

pid_t clone3_into_cgroup(uint64_t flags, void *stack, size_t stack_bytes, pid_t *child_tid,
			 int cgroup_fd, int (*fn)(void *data), void *data)
{
	struct arguments args = { .flags = flags | CLONE_INTO_CGROUP,
				  .child_tid = (uint64_t)(uintptr_t)child_tid,
				  .exit_signal = SIGCHLD,
				  .stack = (uint64_t)(uintptr_t)stack,
				  .stack_size = stack_bytes,
				  .cgroup = (uint64_t)cgroup_fd };

	return (pid_t)call(&args, fn, data);
}
