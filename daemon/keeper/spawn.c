#include "daemon/keeper/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/spawn_child.h"

#define STAGE_DEFAULT 48 /* the first staged number, unless we were given descriptors above it */
#define STAGE_DIRECTORY SPAWN_FDS_MAX
#define STAGE_REPORT (SPAWN_FDS_MAX + 1)
#define STAGE_NUMBERS (SPAWN_FDS_MAX + 2)
#define STACK_BYTES 65536

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static struct {
	int first; /* of the staging range */
	int null_fd; /* what an unused number of the range refers to */
	bool careful; /* clone() with our flags does not work here */
} stage = { .null_fd = -1 };

int spawn_init(const int *inherit)
{
	int first = STAGE_DEFAULT;

	for (; inherit && *inherit >= 0; inherit++)
		if (*inherit >= first)
			first = *inherit + 1;
	auto_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < STAGE_NUMBERS; i++)
		if (dup3(fd, first + i, O_CLOEXEC) < 0)
			return -errno;
	stage.first = first;
	stage.null_fd = take_fd(fd);
	return 0;
}

/* ---- the staging range --------------------------------------------------------------------- */

static int put_on_stage(const struct spawn_plan *p)
{
	for (unsigned i = 0; i < p->n_fds; i++)
		if (dup3(p->fds[i], stage.first + (int)i, O_CLOEXEC) < 0)
			return -errno;
	if (p->flags & LINK_SPAWN_DIRECTORY_FD &&
	    dup3(p->directory_fd, stage.first + STAGE_DIRECTORY, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Else the range would keep a child's pipe or a client's file open. */
static void clear_stage(const struct spawn_plan *p)
{
	for (unsigned i = 0; i < p->n_fds; i++)
		(void)dup3(stage.null_fd, stage.first + (int)i, O_CLOEXEC);
	if (p->flags & LINK_SPAWN_DIRECTORY_FD)
		(void)dup3(stage.null_fd, stage.first + STAGE_DIRECTORY, O_CLOEXEC);
}

/* ---- the cheap way ------------------------------------------------------------------------- */

static int on_our_memory(void *data)
{
	spawn_child(data);
}

/* Alone in its function, which may not be inlined: the child must not share a frame with code that
 * goes on in the parent. */
__attribute__((noinline)) static pid_t clone_and_wait(struct spawn_child *child, int *ret_pidfd)
{
	static alignas(16) char stack[STACK_BYTES];
	int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | SIGCHLD;

	return clone(on_our_memory, stack + sizeof stack, flags, child, ret_pidfd);
}

static int spawn_cheap(struct spawn_child *child, struct spawn_result *ret, struct spawn_fail *fail)
{
	int pidfd = -1;
	pid_t pid;

	child->unshare_from = stage.first + STAGE_NUMBERS;
	pid = clone_and_wait(child, &pidfd);
	if (pid < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_FORK, errno };
		return -1;
	}
	if (fail->step != LINK_STEP_NONE) { /* the child wrote it, and exits */
		close(pidfd);
		waitpid(pid, NULL, 0);
		return -1;
	}
	*ret = (struct spawn_result){ .pid = pid, .pidfd = pidfd, .report_fd = -1 };
	return 0;
}

/* ---- the careful way ----------------------------------------------------------------------- */

static int spawn_careful(struct spawn_child *child, struct spawn_result *ret,
			 struct spawn_fail *fail)
{
	int report[2];
	pid_t pid;

	if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_PIPE, errno };
		return -1;
	}
	auto_close int read_end = report[0];
	auto_close int write_end = report[1];
	child->unshare_from = -1;
	child->report_fd = stage.first + STAGE_REPORT;
	if (dup3(write_end, child->report_fd, O_CLOEXEC) < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_PIPE, errno };
		return -1;
	}
	pid = fork();
	if (pid == 0)
		spawn_child(child);
	*fail = (struct spawn_fail){ LINK_STEP_FORK, errno };
	(void)dup3(stage.null_fd, child->report_fd, O_CLOEXEC);
	if (pid < 0)
		return -1;
	*ret = (struct spawn_result){
		.pid = pid,
		.pidfd = (int)syscall(SYS_pidfd_open, pid, 0), /* unreaped: the PID is its own */
		.report_fd = take_fd(read_end),
	};
	return 0;
}

/* ---- both ---------------------------------------------------------------------------------- */

/* Whether the kernel (or valgrind in front of it) knows neither CLONE_PIDFD nor UNSHARE. */
static bool is_unknown_to_kernel(const struct spawn_fail *f)
{
	return f->step == LINK_STEP_FORK && (f->err == EINVAL || f->err == ENOSYS);
}

int spawn(const struct spawn_plan *plan, struct spawn_result *ret_result,
	  struct spawn_fail *ret_fail)
{
	struct spawn_fail fail = { 0 };
	struct spawn_child child = {
		.plan = plan,
		.stage_first = stage.first,
		.stage_directory = stage.first + STAGE_DIRECTORY,
		.report_fd = -1,
		.parent = getpid(),
		.fail = &fail,
	};
	int r = put_on_stage(plan);

	if (r < 0) {
		clear_stage(plan);
		*ret_fail = (struct spawn_fail){ LINK_STEP_STDIO, -r };
		return -1;
	}
	if (plan->flags & LINK_SPAWN_LOCAL && !stage.careful) {
		r = spawn_cheap(&child, ret_result, &fail);
		if (r < 0 && is_unknown_to_kernel(&fail)) {
			stage.careful = true;
			fail = (struct spawn_fail){ 0 };
			r = spawn_careful(&child, ret_result, &fail);
		}
	} else {
		r = spawn_careful(&child, ret_result, &fail);
	}
	clear_stage(plan);
	if (r < 0)
		*ret_fail = fail;
	return r;
}
