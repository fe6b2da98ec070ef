#include "daemon/keeper/spawn.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/clone3.h"
#include "daemon/keeper/rawcall.h"
#include "daemon/keeper/spawn_child.h"
#include "daemon/keeper/stage.h"

#define FLIGHTS STAGE_BAYS
#define STACK_BYTES 65536
#define ROOM_NUMBERS 64 /* more than what is opened between one flight and the next */
#define BUSY_NS (3 * NS_PER_MS)
#define AVERAGE_OF 8
#define BUSY_FOR_NS NS_PER_S
#define LOOK_NS (50 * NS_PER_MS)
#define STOPPED_FOR_NS (3600 * NS_PER_S)

/* A child on our memory. While it is in the air it reads child and plan, and writes to fail. */
struct flight {
	struct spawn_child child;
	struct spawn_fail fail;
	_Atomic(pid_t) aboard; /* not 0 until the kernel clears it: it has executed or ended */
	pid_t pid;
	bool in_cgroup;
	int stage_end;
	uint64_t began_ns;
	struct spawn_plan *plan; /* with done: whose it is when it has landed */
	spawn_done *done;
	void *data;
};

static struct flight flights[FLIGHTS]; /* each in the bay of its own number */
static unsigned first_flight, n_flights; /* in the air, in this order, round and round */

static struct {
	pid_t self;
	bool careful; /* clone() with our flags does not work here */
	uint64_t average_ns; /* what the cheap way takes lately */
	uint64_t careful_until_ns; /* it took long, or was abused: use the other until then */
	int last_number; /* of a descriptor that was opened: the lowest that was free */
	int room; /* the kernel's table of our descriptors has at least so many numbers */
} own;

int spawn_init(void)
{
	own.self = getpid();
	return stage_init();
}

int spawn_null_fd(void)
{
	return stage_null_fd();
}

/* Our child is not reaped yet: the PID is its own. CLONE_PIDFD would take a number while the child
 * shares our table, see make_room(). */
static int open_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd > own.last_number)
		own.last_number = fd;
	return fd;
}

/* A child that is born in its cgroup, or -1 when it has none or the kernel, or a container's filter,
 * refuses: then any other way is tried, and what is wrong shows there. */
static pid_t in_cgroup(struct spawn_child *child, uint64_t flags, void *stack, size_t stack_bytes,
		       _Atomic(pid_t) *aboard)
{
	pid_t pid = -1;

	if (child->plan->flags & LINK_SPAWN_CGROUP)
		pid = clone3_into_cgroup(flags, stack, stack_bytes, (pid_t *)aboard,
					 child->plan->cgroup_fd, spawn_child_on_stack, child);
	return pid < 0 ? -1 : pid;
}

/* ---- the cheap way ------------------------------------------------------------------------- */

/* Returns when the child has executed, with CLONE_VFORK, or at once. */
static pid_t clone_on_our_memory(struct flight *f, int flags)
{
	static alignas(16) char stacks[FLIGHTS][STACK_BYTES];
	char *stack = stacks[f - flights];
	pid_t pid;

	flags |= CLONE_VM | CLONE_FILES;
	pid = in_cgroup(&f->child, (uint64_t)flags, stack, STACK_BYTES, &f->aboard);
	f->in_cgroup = pid >= 0;
	if (pid >= 0)
		return pid;
	return clone(spawn_child_on_stack, stack + STACK_BYTES, flags | SIGCHLD, &f->child, NULL,
		     NULL, &f->aboard);
}

static int take_off(struct flight *f, const struct spawn_plan *plan, int flags)
{
	unsigned bay = (unsigned)(f - flights);

	*f = (struct flight){
		.child = { .plan = plan, .report_fd = -1, .parent = own.self, .fail = &f->fail },
		.began_ns = clock_boot_ns(),
	};
	f->stage_end = stage_put(bay, plan, &f->child);
	if (f->stage_end < 0) {
		f->fail = (struct spawn_fail){ LINK_STEP_STDIO, -f->stage_end };
		return -1;
	}
	atomic_store(&f->aboard, flags & CLONE_CHILD_CLEARTID ? 1 : 0);
	f->pid = clone_on_our_memory(f, flags);
	if (f->pid >= 0)
		return 0;
	f->fail = (struct spawn_fail){ LINK_STEP_FORK, errno };
	stage_clear(bay, f->stage_end);
	return -1;
}

static void be_careful_for(uint64_t ns)
{
	uint64_t until = clock_boot_ns() + ns;

	if (until > own.careful_until_ns)
		own.careful_until_ns = until;
}

/* On a busy machine a child in a session of its own is, with autogroups (sched(7)), a competitor of
 * everybody else's for the CPU, and we, who wait until it executes, wait with it: 9 ms instead of
 * 0.1, measured. A careful child waits alone. */
static void take_time(uint64_t ns)
{
	own.average_ns += ns / AVERAGE_OF;
	own.average_ns -= own.average_ns / AVERAGE_OF;
	if (own.average_ns > BUSY_NS) {
		be_careful_for(BUSY_FOR_NS);
		own.average_ns = 0;
	}
}

/* Between setresuid(2) and execve(2) it is a process of that user on our memory. He may not trace it, for
 * that memory is not dumpable now (commit_creds() of the kernel; fs.suid_dumpable=1, which proc(5) calls
 * insecure, is). But he may stop it, and us with it: vfork(2) could not be woken from that. */
static bool can_be_stopped(const struct spawn_plan *plan)
{
	return plan->flags & LINK_SPAWN_IDS && plan->uid != geteuid();
}

static void kill_when_stopped(const struct flight *f)
{
	siginfo_t stopped = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)f->pid, &stopped, WSTOPPED | WNOHANG | WNOWAIT) < 0 ||
	    stopped.si_pid == 0)
		return;
	log_warning("fosterd", "PID %d of uid %u was stopped before it executed: killed", f->pid,
		    f->child.plan->uid);
	kill(f->pid, SIGKILL);
	be_careful_for(STOPPED_FOR_NS);
}

static void wait_for_execution(const struct flight *f)
{
	static const struct timespec look = { .tv_nsec = LOOK_NS };
	pid_t aboard;

	while ((aboard = atomic_load(&f->aboard)) != 0)
		if (syscall(SYS_futex, &f->aboard, FUTEX_WAIT, aboard, &look, NULL, 0) < 0 &&
		    errno == ETIMEDOUT)
			kill_when_stopped(f);
}

/* Wait until it has executed or failed. 0 with *ret, or -1 with f->fail and no process left. */
static int land(struct flight *f, struct spawn_result *ret)
{
	wait_for_execution(f);
	take_time(clock_boot_ns() - f->began_ns);
	stage_clear((unsigned)(f - flights), f->stage_end);
	if (f->fail.step != LINK_STEP_NONE) { /* the child wrote it, and exits */
		waitpid(f->pid, NULL, 0);
		return -1;
	}
	*ret = (struct spawn_result){ .pid = f->pid,
				      .pidfd = open_pidfd(f->pid),
				      .in_cgroup = f->in_cgroup,
				      .report_fd = -1 };
	return 0;
}

static int spawn_cheap(const struct spawn_plan *plan, struct spawn_result *ret,
		       struct spawn_fail *fail)
{
	struct flight *f = &flights[0];
	int r = take_off(f, plan, can_be_stopped(plan) ? CLONE_CHILD_CLEARTID : CLONE_VFORK);

	if (r == 0)
		r = land(f, ret);
	*fail = f->fail;
	return r;
}

/* ---- the careful way ----------------------------------------------------------------------- */

static int fork_reporting_to(int write_end, struct spawn_child *child, struct spawn_result *ret,
			     struct spawn_fail *fail)
{
	int end = stage_put(0, child->plan, child);

	if (end < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_STDIO, -end };
		return -1;
	}
	child->unshare_from = -1; /* fork() gives it a table of its own */
	child->report_fd = stage_put_report(write_end);
	if (child->report_fd < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_PIPE, -child->report_fd };
		stage_clear(0, end);
		return -1;
	}
	ret->pid = in_cgroup(child, 0, NULL, 0, NULL);
	ret->in_cgroup = ret->pid >= 0;
	if (!ret->in_cgroup)
		ret->pid = fork();
	if (ret->pid == 0)
		spawn_child(child);
	*fail = (struct spawn_fail){ LINK_STEP_FORK, errno };
	stage_clear_report();
	stage_clear(0, end);
	return ret->pid < 0 ? -1 : 0;
}

static int spawn_careful(const struct spawn_plan *plan, struct spawn_result *ret,
			 struct spawn_fail *fail)
{
	struct spawn_fail childs = { 0 };
	struct spawn_child child = { .plan = plan, .parent = own.self, .fail = &childs };
	int report[2];

	if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0) {
		*fail = (struct spawn_fail){ LINK_STEP_PIPE, errno };
		return -1;
	}
	auto_close int read_end = report[0];
	auto_close int write_end = report[1];
	if (fork_reporting_to(write_end, &child, ret, fail) < 0)
		return -1;
	ret->pidfd = open_pidfd(ret->pid);
	ret->report_fd = take_fd(read_end);
	return 0;
}

/* ---- one, and wait -------------------------------------------------------------------------- */

/* Where we run beside the child, it must not write to our errno. */
static bool is_cheap(const struct spawn_plan *plan)
{
	return plan->flags & LINK_SPAWN_LOCAL && !own.careful &&
	       (RAWCALL_IS_RAW || !can_be_stopped(plan)) && clock_boot_ns() >= own.careful_until_ns;
}

/* Whether the kernel (or a sandbox in front of it) does not know these flags together. */
static bool is_unknown_to_kernel(const struct spawn_fail *f)
{
	return f->step == LINK_STEP_FORK && (f->err == EINVAL || f->err == ENOSYS);
}

int spawn(const struct spawn_plan *plan, struct spawn_result *ret_result,
	  struct spawn_fail *ret_fail)
{
	int r;

	spawn_finish();
	if (!is_cheap(plan))
		return spawn_careful(plan, ret_result, ret_fail);
	r = spawn_cheap(plan, ret_result, ret_fail);
	if (r == 0 || !is_unknown_to_kernel(ret_fail))
		return r;
	own.careful = true;
	return spawn_careful(plan, ret_result, ret_fail);
}

/* ---- several, overlapping ------------------------------------------------------------------- */

static void land_first(void)
{
	struct flight *f = &flights[first_flight];
	struct spawn_result result;
	int r = land(f, &result);

	first_flight = (first_flight + 1) % FLIGHTS;
	n_flights--;
	f->done(f->data, f->plan, r == 0 ? &result : NULL, &f->fail);
}

void spawn_finish(void)
{
	while (n_flights)
		land_first();
}

/* A table that somebody shares the kernel extends only after an RCU grace period (fs/file.c,
 * expand_fdtable(); 8 ms, measured, at each doubling). So it is extended before, alone. */
static void make_room(void)
{
	int fd;

	if (own.last_number + ROOM_NUMBERS < own.room)
		return;
	spawn_finish();
	own.room = 2 * (own.last_number + ROOM_NUMBERS);
	fd = fcntl(stage_null_fd(), F_DUPFD_CLOEXEC, own.room - 1);
	if (fd >= 0)
		close(fd);
}

/* Alone, the child is better waited for as vfork(2) does: that wakes us sooner. */
static bool may_overlap(const struct spawn_plan *plan, bool more)
{
	return RAWCALL_IS_RAW && (more || n_flights) && stage_fits_bay(plan) && is_cheap(plan);
}

void spawn_begin(struct spawn_plan *plan, bool more, spawn_done *done, void *data)
{
	struct spawn_result result;
	struct spawn_fail fail;
	int r;

	if (may_overlap(plan, more)) {
		struct flight *f;

		make_room();
		if (n_flights == FLIGHTS)
			land_first();
		f = &flights[(first_flight + n_flights) % FLIGHTS];
		if (take_off(f, plan, CLONE_CHILD_CLEARTID) == 0) {
			f->plan = plan;
			f->done = done;
			f->data = data;
			n_flights++;
			return;
		}
	} /* else, or if it did not: this says why, or knows better */
	r = spawn(plan, &result, &fail);
	done(data, plan, r == 0 ? &result : NULL, &fail);
}
