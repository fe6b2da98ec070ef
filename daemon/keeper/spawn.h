/* spawn.h - making a child process
 *
 * The cheap way is clone(CLONE_VM|CLONE_VFORK|CLONE_FILES): the child runs on our memory, with our
 * descriptors, while we wait, until it executes its program. Its first act is
 * close_range(CLOSE_RANGE_UNSHARE), which gives it a table of the few lowest descriptors only, so
 * that the cost does not grow with the thousands that the keeper holds (figures: 4.9 ms with vfork,
 * 0.9 so, at 20,000). Everything that the child needs is therefore staged at numbers that are
 * reserved at the start (stage.h).
 *
 * When many are to be made, we do not wait for each (no CLONE_VFORK): while one executes the next is
 * on its way, at most three at a time, each on a stack of its own. The kernel tells us by
 * CLONE_CHILD_CLEARTID that a child has left our memory. Two CPUs make 1,000 so in 62 ms instead of
 * 100 (a bare vfork() and execve() of each takes 82).
 *
 * A child that becomes another user is waited for in the second manner: by vfork(2) he could stop us,
 * with SIGSTOP at the right moment (tried: a loop of kill(-1, SIGSTOP) does it within seconds). Who is
 * found to have done so pays with the child, and for an hour everything is done carefully.
 *
 * The careful way is fork() and a report pipe: for programs that may lie on a remote file system,
 * where execve(2) could hang and would hang us with it, and where the cheap way does not work
 * or has just taken long because the machine is busy. The child is then SPAWNING until
 * its report is in.
 *
 * Source: clone(2), vfork(2), close_range(2), execve(2), posix_spawn(3), signal-safety(7). */
#ifndef FOSTER_KEEPER_SPAWN_H
#define FOSTER_KEEPER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/link.h"

#define SPAWN_FDS_MAX 8
#define SPAWN_INHERIT_MAX 16

/* What the child does; everything is looked up, allocated and opened before. */
struct spawn_plan {
	uint32_t flags; /* set of link_spawn_flag */
	int fds[SPAWN_FDS_MAX]; /* become 0, 1, 2, … n_fds-1; any number, closed by nobody */
	unsigned n_fds;
	int directory_fd; /* with LINK_SPAWN_DIRECTORY_FD */
	int cgroup_fd; /* with LINK_SPAWN_CGROUP: directory of the one that it is born in */
	const char *directory; /* NULL or "": stay */
	int umask; /* -1: as it is */
	const gid_t *groups; /* with LINK_SPAWN_IDS */
	size_t n_groups;
	uid_t uid;
	gid_t gid;
	uint64_t nofile_soft, nofile_hard; /* 0: as they are */
	const int *inherit; /* with LINK_SPAWN_INHERIT: passed on as they are, ended by -1 */
	const char *const *paths; /* tried in turn, NULL-terminated */
	char *const *argv, *const *envp;
};

struct spawn_fail {
	enum link_step step;
	int err;
};

struct spawn_result {
	pid_t pid;
	int pidfd; /* -1 where the kernel has none; the caller's */
	bool in_cgroup; /* as planned; else the kernel would not have it, and it is in ours */
	int report_fd; /* >= 0: the careful way: read a struct spawn_fail, or end of file = executed */
};

/* Reserve the staging range (stage.h). Call once, after the inherited descriptors are noted and before
 * anything else is opened, so that the range is low and a child's table small. 0 or -errno. */
int spawn_init(void);

/* A descriptor of /dev/null: one that costs nothing to pass on. */
int spawn_null_fd(void);

/* Make the child. Returns 0 with *ret_result; or -1 with *ret_fail telling the step and errno, and
 * then no process is left. The caller has all signals blocked. */
int spawn(const struct spawn_plan *plan, struct spawn_result *ret_result,
	  struct spawn_fail *ret_fail);

/* How it went: result is as spawn() gives it, or NULL, then fail tells why. The plan is the callee's
 * again. May not spawn. */
typedef void spawn_done(void *data, struct spawn_plan *plan, const struct spawn_result *result,
			const struct spawn_fail *fail);

/* The same, but done() is called when it is known how it went: at once, or in a later spawn_begin() or
 * spawn(), or in spawn_finish(); in the order of the calls. plan is ours until then. more: another
 * call follows at once. */
void spawn_begin(struct spawn_plan *plan, bool more, spawn_done *done, void *data);

/* Wait for all that were begun. To be called before anything else is done: as long as one is not
 * landed, nobody knows its PID. */
void spawn_finish(void);

#endif
