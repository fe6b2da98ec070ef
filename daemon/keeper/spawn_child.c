#include "daemon/keeper/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int descriptors(const struct spawn_child *c)
{
	const struct spawn_plan *p = c->plan;

	for (int i = (int)p->n_fds - 1; i >= 0;
	     i--) /* 0 last: others may still need its /dev/null */
		if (c->sources[i] != i && dup2(c->sources[i], i) < 0)
			return -1;
	for (int i = 0; p->flags & LINK_SPAWN_INHERIT && p->inherit[i] >= 0; i++)
		if (dup2(c->inherited[i], p->inherit[i]) < 0)
			return -1;
	return 0;
}

static int limits(const struct spawn_plan *p)
{
	struct rlimit nofile = { .rlim_cur = p->nofile_soft, .rlim_max = p->nofile_hard };

	return p->nofile_hard ? setrlimit(RLIMIT_NOFILE, &nofile) : 0;
}

/* By syscall(): the C library's functions would signal all threads of "this" process, ours. */
static enum link_step identity(const struct spawn_plan *p)
{
	if (!(p->flags & LINK_SPAWN_IDS))
		return LINK_STEP_NONE;
	if (syscall(SYS_setgroups, p->n_groups, p->groups) < 0)
		return LINK_STEP_GROUPS;
	if (syscall(SYS_setresgid, p->gid, p->gid, p->gid) < 0)
		return LINK_STEP_GID;
	if (syscall(SYS_setresuid, p->uid, p->uid, p->uid) < 0)
		return LINK_STEP_UID;
	return LINK_STEP_NONE;
}

static int directory(const struct spawn_child *c)
{
	if (c->plan->flags & LINK_SPAWN_DIRECTORY_FD)
		return fchdir(c->stage_directory);
	if (c->plan->directory && c->plan->directory[0])
		return chdir(c->plan->directory);
	return 0;
}

/* After the change of ids, which clears it; then look whether the parent died before it was set. */
static int tie_to_parent(const struct spawn_child *c)
{
	if (!(c->plan->flags & LINK_SPAWN_DIES))
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	if (getppid() != c->parent) {
		errno = ESRCH;
		return -1;
	}
	return 0;
}

/* As execvp(3) does: a candidate that is not there is passed over, one that may not be executed is
 * remembered. */
static void execute(const struct spawn_plan *p)
{
	int err = ENOENT;

	for (const char *const *path = p->paths; *path; path++) {
		execve(*path, p->argv, p->envp);
		if (errno == EACCES)
			err = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			return;
	}
	errno = err;
}

static enum link_step prepare_and_exec(const struct spawn_child *c)
{
	const struct spawn_plan *p = c->plan;
	enum link_step step;
	sigset_t none;

	if (c->unshare_from >= 0 &&
	    syscall(SYS_close_range, c->unshare_from, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		return LINK_STEP_FORK;
	if (p->flags & LINK_SPAWN_SESSION && setsid() < 0)
		return LINK_STEP_SETSID;
	if (p->flags & LINK_SPAWN_GROUP && setpgid(0, 0) < 0)
		return LINK_STEP_SETSID;
	if (descriptors(c) < 0)
		return LINK_STEP_STDIO;
	if (p->flags & LINK_SPAWN_TTY && ioctl(0, TIOCSCTTY, 0) < 0)
		return LINK_STEP_TTY;
	if (limits(p) < 0)
		return LINK_STEP_LIMITS;
	step = identity(p);
	if (step != LINK_STEP_NONE)
		return step;
	if (p->umask >= 0)
		umask((mode_t)p->umask);
	if (directory(c) < 0)
		return LINK_STEP_CHDIR;
	if (tie_to_parent(c) < 0)
		return LINK_STEP_PARENT;
	if (p->flags & LINK_SPAWN_NO_NEW_PRIVS && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return LINK_STEP_LIMITS;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execute(p);
	return LINK_STEP_EXEC;
}

int spawn_child_on_stack(void *data)
{
	spawn_child(data);
}

_Noreturn void spawn_child(const struct spawn_child *c)
{
	c->fail->step = prepare_and_exec(c);
	c->fail->err = errno;
	/* Less than PIPE_BUF: arrives whole. End of file tells the parent that execve() worked. */
	if (c->report_fd >= 0 &&
	    write(c->report_fd, c->fail, sizeof *c->fail) != (ssize_t)sizeof *c->fail)
		_exit(126);
	_exit(127);
}
