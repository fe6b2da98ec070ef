#include "daemon/keeper/spawn_child.h"

#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "daemon/base/mem.h"
#include "daemon/keeper/rawcall.h"

#define SIGSET_BYTES ((_NSIG - 1) / 8) /* of the kernel's */

static long unshare_descriptors(const struct spawn_child *c)
{
	if (c->unshare_from < 0)
		return 0;
	return rawcall(SYS_close_range, c->unshare_from, ~0U, CLOSE_RANGE_UNSHARE);
}

static long lead(const struct spawn_child *c)
{
	if (c->plan->flags & LINK_SPAWN_SESSION)
		return rawcall(SYS_setsid);
	return c->plan->flags & LINK_SPAWN_GROUP ? rawcall(SYS_setpgid, 0, 0) : 0;
}

/* from is never to: one is staged, or 0. */
static long duplicate(int from, int to)
{
	return rawcall(SYS_dup3, from, to, 0);
}

static long descriptors(const struct spawn_child *c)
{
	const struct spawn_plan *p = c->plan;
	long r = 0;

	/* 0 last: others may still need its /dev/null */
	for (int i = (int)p->n_fds - 1; i >= 0 && r >= 0; i--)
		if (c->sources[i] != i)
			r = duplicate(c->sources[i], i);
	for (int i = 0; p->flags & LINK_SPAWN_INHERIT && p->inherit[i] >= 0 && r >= 0; i++)
		r = duplicate(c->inherited[i], p->inherit[i]);
	return r;
}

static long limits(const struct spawn_child *c)
{
	const struct rlimit64 nofile = { c->plan->nofile_soft, c->plan->nofile_hard };

	return c->plan->nofile_hard ? rawcall(SYS_prlimit64, 0, RLIMIT_NOFILE, RAW(&nofile)) : 0;
}

static long groups(const struct spawn_child *c)
{
	const struct spawn_plan *p = c->plan;

	if (!(p->flags & LINK_SPAWN_IDS))
		return 0;
	return rawcall(SYS_setgroups, (long)p->n_groups, RAW(p->groups));
}

static long gid(const struct spawn_child *c)
{
	long id = c->plan->gid;

	return c->plan->flags & LINK_SPAWN_IDS ? rawcall(SYS_setresgid, id, id, id) : 0;
}

static long uid(const struct spawn_child *c)
{
	long id = c->plan->uid;

	return c->plan->flags & LINK_SPAWN_IDS ? rawcall(SYS_setresuid, id, id, id) : 0;
}

/* The kernel takes them from who was root. From who was not, but had some (AmbientCapabilities= of
 * systemd), they would go with the child, and make the next user of it as powerful as we are. */
static long capabilities(const struct spawn_child *c)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (!(c->plan->flags & LINK_SPAWN_IDS) || c->plan->uid == 0)
		return 0;
	return rawcall(SYS_capset, RAW(&head), RAW(none)); /* the ambient ones go with them */
}

/* After the change of ids: root may take a terminal that was opened for writing only, and whose
 * terminal it is may read from it. */
static long terminal(const struct spawn_child *c)
{
	return c->plan->flags & LINK_SPAWN_TTY ? rawcall(SYS_ioctl, 0, TIOCSCTTY, 0) : 0;
}

static long directory(const struct spawn_child *c)
{
	if (c->plan->flags & LINK_SPAWN_DIRECTORY_FD)
		return rawcall(SYS_fchdir, c->stage_directory);
	if (c->plan->directory && c->plan->directory[0])
		return rawcall(SYS_chdir, RAW(c->plan->directory));
	return 0;
}

/* After the change of ids, which clears it; then look whether the parent died before it was set. */
static long tie_to_parent(const struct spawn_child *c)
{
	long r;

	if (!(c->plan->flags & LINK_SPAWN_DIES))
		return 0;
	r = rawcall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	return r == 0 && rawcall(SYS_getppid) != c->parent ? -ESRCH : r;
}

static long privileges(const struct spawn_child *c)
{
	return c->plan->flags & LINK_SPAWN_NO_NEW_PRIVS ? rawcall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1)
							: 0;
}

/* As execvp(3) does: a candidate that is not there is passed over, one that may not be executed is
 * remembered. */
static long execute(const struct spawn_child *c)
{
	const struct spawn_plan *p = c->plan;
	const sigset_t none = { 0 };
	long failed = -ENOENT;

	if (p->umask >= 0)
		rawcall(SYS_umask, p->umask);
	rawcall(SYS_rt_sigprocmask, SIG_SETMASK, RAW(&none), 0, SIGSET_BYTES);
	for (const char *const *path = p->paths; *path; path++) {
		long r = rawcall(SYS_execve, RAW(*path), RAW(p->argv), RAW(p->envp));

		if (r == -EACCES)
			failed = r;
		else if (r != -ENOENT && r != -ENOTDIR)
			return r;
	}
	return failed;
}

/* In this order. The first that fails is the last. */
static const struct {
	enum link_step step;
	long (*take)(const struct spawn_child *c);
} steps[] = {
	{ LINK_STEP_FORK, unshare_descriptors },
	{ LINK_STEP_SETSID, lead },
	{ LINK_STEP_STDIO, descriptors },
	{ LINK_STEP_LIMITS, limits },
	{ LINK_STEP_GROUPS, groups },
	{ LINK_STEP_GID, gid },
	{ LINK_STEP_UID, uid },
	{ LINK_STEP_UID, capabilities },
	{ LINK_STEP_TTY, terminal },
	{ LINK_STEP_CHDIR, directory },
	{ LINK_STEP_PARENT, tie_to_parent },
	{ LINK_STEP_LIMITS, privileges },
	{ LINK_STEP_EXEC, execute },
};

_Noreturn static void leave(int status)
{
	for (;;)
		rawcall(SYS_exit_group, status);
}

_Noreturn void spawn_child(const struct spawn_child *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		long r = steps[i].take(c);

		if (r < 0) {
			*c->fail = (struct spawn_fail){ steps[i].step, (int)-r };
			break;
		}
	}
	/* Less than PIPE_BUF: arrives whole. End of file tells the parent that execve() worked. */
	if (c->report_fd >= 0 && rawcall(SYS_write, c->report_fd, RAW(c->fail), sizeof *c->fail) !=
					 (long)sizeof *c->fail)
		leave(126);
	leave(127);
}

int spawn_child_on_stack(void *data)
{
	spawn_child(data);
}
