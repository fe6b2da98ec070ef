#include "daemon/keeper/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/clone3.h"
#include "daemon/keeper/spawn_child.h"

#define STDIO_NUMBERS 3
/* Room for the numbers themselves, descriptors, a directory, what was inherited, a report pipe. */
#define STAGE_NUMBERS (SPAWN_FDS_MAX + SPAWN_FDS_MAX + 1 + SPAWN_INHERIT_MAX + 1)
#define STACK_BYTES 65536
#define BUSY_NS (3 * NS_PER_MS)
#define AVERAGE_OF 8
#define BUSY_FOR_NS NS_PER_S

static struct {
	int first; /* of the staging range */
	int null_fd; /* what an unused number of the range refers to */
	pid_t self;
	bool careful; /* clone() with our flags does not work here */
	uint64_t average_ns; /* what the cheap way takes lately */
	uint64_t busy_until_ns; /* it took long: use the other until then */
} stage = { .null_fd = -1 };

static bool is_clear(int first)
{
	for (int fd = first; fd < first + STAGE_NUMBERS; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return false;
	return true;
}

int spawn_init(void)
{
	int first = STDIO_NUMBERS; /* what lies below is copied and closed for each child */

	while (!is_clear(first))
		first++;
	auto_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd_move_above(&fd, first + STAGE_NUMBERS) < 0 || dup2(fd, STDIN_FILENO) < 0)
		return -errno;
	for (int i = 0; i < STAGE_NUMBERS; i++)
		if (dup3(fd, first + i, O_CLOEXEC) < 0)
			return -errno;
	stage.first = first;
	stage.null_fd = take_fd(fd);
	stage.self = getpid();
	return 0;
}

int spawn_null_fd(void)
{
	return stage.null_fd;
}

/* ---- the staging range --------------------------------------------------------------------- */

/* Stage fd at the next number. */
static int stage_one(int fd, int *next)
{
	if (dup3(fd, *next, O_CLOEXEC) < 0)
		return -errno;
	return (*next)++;
}

/* Each number that is copied to a child is closed again when it executes (2 us each, measured), so
 * /dev/null is not staged: our own descriptor 0 serves. Returns the first number not in use. */
static int put_on_stage(const struct spawn_plan *p, struct spawn_child *child)
{
	int next = stage.first;

	if (p->n_fds > STDIO_NUMBERS) /* 3, 4, … are to be something else: stage above them */
		next += SPAWN_FDS_MAX;
	for (unsigned i = 0; i < p->n_fds; i++) {
		child->sources[i] = p->fds[i] == stage.null_fd ? 0 : stage_one(p->fds[i], &next);
		if (child->sources[i] < 0)
			return child->sources[i];
	}
	if (p->flags & LINK_SPAWN_DIRECTORY_FD) {
		child->stage_directory = stage_one(p->directory_fd, &next);
		if (child->stage_directory < 0)
			return child->stage_directory;
	}
	for (int i = 0; p->flags & LINK_SPAWN_INHERIT && p->inherit[i] >= 0; i++) {
		child->inherited[i] = stage_one(p->inherit[i], &next);
		if (child->inherited[i] < 0)
			return child->inherited[i];
	}
	return next;
}

/* Else the range would keep a child's pipe or a client's file open. */
static void clear_stage(int end)
{
	for (int fd = stage.first; fd < end; fd++)
		(void)dup3(stage.null_fd, fd, O_CLOEXEC);
}

/* Our child is not reaped yet: the PID is its own. CLONE_PIDFD would take a number while the child
 * shares our table, and that table the kernel extends only after an RCU grace period (fs/file.c,
 * expand_fdtable(); 8 ms, measured, at each doubling). */
static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* A child that is born in its cgroup, or -1 when it has none or the kernel, or a container's filter,
 * refuses: then any other way is tried, and what is wrong shows there. */
static pid_t in_cgroup(struct spawn_child *child, uint64_t flags, void *stack, size_t stack_bytes)
{
	pid_t pid = -1;

	if (child->plan->flags & LINK_SPAWN_CGROUP)
		pid = clone3_into_cgroup(flags, stack, stack_bytes, child->plan->cgroup_fd,
					 spawn_child_on_stack, child);
	return pid < 0 ? -1 : pid;
}

/* ---- the cheap way ------------------------------------------------------------------------- */

/* Alone in its function, which may not be inlined: the child must not share a frame with code that
 * goes on in the parent. */
__attribute__((noinline)) static pid_t clone_and_wait(struct spawn_child *child,
						      bool *ret_in_cgroup)
{
	static alignas(16) char stack[STACK_BYTES];
	const int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES;
	pid_t pid = in_cgroup(child, (uint64_t)flags, stack, sizeof stack);

	*ret_in_cgroup = pid >= 0;
	if (pid >= 0)
		return pid;
	return clone(spawn_child_on_stack, stack + sizeof stack, flags | SIGCHLD, child);
}

static int spawn_cheap(struct spawn_child *child, struct spawn_result *ret, struct spawn_fail *fail)
{
	bool in_cgroup;
	pid_t pid = clone_and_wait(child, &in_cgroup);

	if (pid < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_FORK, errno };
		return -1;
	}
	if (fail->step != LINK_STEP_NONE) { /* the child wrote it, and exits */
		waitpid(pid, NULL, 0);
		return -1;
	}
	*ret = (struct spawn_result){
		.pid = pid, .pidfd = open_pidfd(pid), .in_cgroup = in_cgroup, .report_fd = -1
	};
	return 0;
}

/* ---- the careful way ----------------------------------------------------------------------- */

static int spawn_careful(struct spawn_child *child, struct spawn_result *ret,
			 struct spawn_fail *fail)
{
	bool into_cgroup;
	int report[2];
	pid_t pid;

	if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_PIPE, errno };
		return -1;
	}
	auto_close int read_end = report[0];
	auto_close int write_end = report[1];
	child->unshare_from = -1;
	child->report_fd = stage.first + STAGE_NUMBERS - 1;
	if (dup3(write_end, child->report_fd, O_CLOEXEC) < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_PIPE, errno };
		return -1;
	}
	pid = in_cgroup(child, 0, NULL, 0);
	into_cgroup = pid >= 0;
	if (!into_cgroup)
		pid = fork();
	if (pid == 0)
		spawn_child(child);
	*fail = (struct spawn_fail){ LINK_STEP_FORK, errno };
	(void)dup3(stage.null_fd, child->report_fd, O_CLOEXEC);
	if (pid < 0)
		return -1;
	*ret = (struct spawn_result){
		.pid = pid,
		.pidfd = open_pidfd(pid),
		.in_cgroup = into_cgroup,
		.report_fd = take_fd(read_end),
	};
	return 0;
}

/* ---- which ---------------------------------------------------------------------------------- */

static bool cheap_is_cheap(void)
{
	return !stage.careful && clock_boot_ns() >= stage.busy_until_ns;
}

/* On a busy machine a child in a session of its own is, with autogroups (sched(7)), a competitor of
 * everybody else's for the CPU, and we, who wait until it executes, wait with it: 9 ms instead of
 * 0.1, measured. A careful child waits alone. */
static int spawn_cheap_timed(struct spawn_child *child, struct spawn_result *ret,
			     struct spawn_fail *fail)
{
	uint64_t began_ns = clock_boot_ns();
	int r = spawn_cheap(child, ret, fail);
	uint64_t ended_ns = clock_boot_ns();

	stage.average_ns += (ended_ns - began_ns) / AVERAGE_OF;
	stage.average_ns -= stage.average_ns / AVERAGE_OF;
	if (stage.average_ns > BUSY_NS) {
		stage.busy_until_ns = ended_ns + BUSY_FOR_NS;
		stage.average_ns = 0;
	}
	return r;
}

/* ---- both ---------------------------------------------------------------------------------- */

/* Whether the kernel (or a sandbox in front of it) does not know these flags together. */
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
		.report_fd = -1,
		.parent = stage.self,
		.fail = &fail,
	};
	int end = put_on_stage(plan, &child);
	int r;

	if (end < 0) {
		clear_stage(stage.first + STAGE_NUMBERS);
		*ret_fail = (struct spawn_fail){ LINK_STEP_STDIO, -end };
		return -1;
	}
	child.unshare_from = end;
	r = plan->flags & LINK_SPAWN_LOCAL && cheap_is_cheap()
		    ? spawn_cheap_timed(&child, ret_result, &fail)
		    : spawn_careful(&child, ret_result, &fail);
	if (r < 0 && !stage.careful && is_unknown_to_kernel(&fail)) {
		stage.careful = true;
		fail = (struct spawn_fail){ 0 };
		r = spawn_careful(&child, ret_result, &fail);
	}
	clear_stage(end);
	if (r < 0)
		*ret_fail = fail;
	return r;
}
