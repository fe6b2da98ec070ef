#include "daemon/forkserver/child.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 1024 /* who is in more has no forkserver of his own */

static enum link_step session(const struct plan *p)
{
	bool leads = p->spawn->flags & LINK_SPAWN_SESSION;

	if (leads && setsid() < 0)
		return LINK_STEP_SETSID;
	if (!leads && p->spawn->flags & LINK_SPAWN_GROUP && setpgid(0, 0) < 0)
		return LINK_STEP_SETSID;
	return LINK_STEP_NONE;
}

/* A preload may have set any; the two that the C library keeps for itself refuse, and stay. */
static void default_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &dfl, NULL);
}

static int close_between(int first, int last)
{
	if (first > last)
		return 0;
	return (int)syscall(SYS_close_range, first, last, 0);
}

/* Siblings that are being set up wait for the end of their own channels: hold none of them. */
static int close_all_but(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;
	int from = 3;

	if (low >= 0) {
		if (close_between(from, low - 1) < 0)
			return -1;
		from = low + 1;
	}
	if (high >= 0) {
		if (close_between(from, high - 1) < 0)
			return -1;
		from = high + 1;
	}
	return (int)syscall(SYS_close_range, from, ~0U, 0);
}

static enum link_step descriptors(const struct plan *p, int channel)
{
	for (int i = 0; i < 3; i++)
		if (dup2(p->stdio[i], i) < 0) /* all >= 3, so none overwrites another */
			return LINK_STEP_STDIO;
	if (close_all_but(p->directory_fd, channel) < 0)
		return LINK_STEP_STDIO;
	return LINK_STEP_NONE;
}

static enum link_step limits(const struct plan *p)
{
	struct rlimit nofile = { p->spawn->nofile_soft, p->spawn->nofile_hard };

	if (nofile.rlim_max && setrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return LINK_STEP_LIMITS;
	return LINK_STEP_NONE;
}

/* What a forkserver that is not root had (see spawn_child.c of the keeper). */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return (int)syscall(SYS_capset, &head, none);
}

static bool is_among(gid_t gid, const gid_t *groups, long n)
{
	while (n > 0 && groups[n - 1] != gid)
		n--;
	return n > 0;
}

/* Each of the first is among the second, or is the child's own. */
static bool are_among(const gid_t *first, long n_first, const gid_t *second, long n_second,
		      gid_t own)
{
	for (long i = 0; i < n_first; i++)
		if (first[i] != own && !is_among(first[i], second, n_second))
			return false;
	return true;
}

/* A forkserver of the child's own user may change nothing, and has nothing to change. */
static bool is_identity(const struct plan *p)
{
	const struct link_spawn *s = p->spawn;
	gid_t groups[GROUPS_MAX];
	long n = syscall(SYS_getgroups, GROUPS_MAX, groups);

	return n >= 0 && getuid() == s->uid && geteuid() == s->uid && getgid() == s->gid &&
	       getegid() == s->gid && are_among(groups, n, p->groups, s->n_groups, s->gid) &&
	       are_among(p->groups, s->n_groups, groups, n, s->gid);
}

/* By syscall(): the C library's functions would look after the threads of "this" process, and after
 * a vfork that is the forkserver. */
static enum link_step identity(const struct plan *p)
{
	const struct link_spawn *s = p->spawn;

	if (!(s->flags & LINK_SPAWN_IDS) || is_identity(p))
		return LINK_STEP_NONE;
	if (syscall(SYS_setgroups, s->n_groups, p->groups) < 0)
		return LINK_STEP_GROUPS;
	if (syscall(SYS_setresgid, s->gid, s->gid, s->gid) < 0)
		return LINK_STEP_GID;
	if (syscall(SYS_setresuid, s->uid, s->uid, s->uid) < 0)
		return LINK_STEP_UID;
	if (s->uid != 0 && drop_capabilities() < 0)
		return LINK_STEP_UID;
	return LINK_STEP_NONE;
}

/* With the child's own rights: root may take any. */
static enum link_step terminal(const struct plan *p)
{
	if (p->spawn->flags & LINK_SPAWN_TTY && ioctl(0, TIOCSCTTY, 0) < 0)
		return LINK_STEP_TTY;
	return LINK_STEP_NONE;
}

static enum link_step directory(const struct plan *p)
{
	if (p->spawn->umask >= 0)
		umask((mode_t)p->spawn->umask);
	if (p->directory_fd >= 0) {
		if (fchdir(p->directory_fd) < 0)
			return LINK_STEP_CHDIR;
		close(p->directory_fd);
	} else if (p->directory[0] && chdir(p->directory) < 0) {
		return LINK_STEP_CHDIR;
	}
	return LINK_STEP_NONE;
}

/* The keeper is our parent, so its death is what the kernel signals. After the change of ids, which
 * clears it; then look whether it died before. */
static enum link_step tie(const struct plan *p, pid_t parent)
{
	if (p->spawn->flags & LINK_SPAWN_DIES && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return LINK_STEP_PARENT;
	if (getppid() != parent) {
		errno = ESRCH;
		return LINK_STEP_PARENT;
	}
	return LINK_STEP_NONE;
}

static enum link_step privileges(const struct plan *p)
{
	if (p->spawn->flags & LINK_SPAWN_NO_NEW_PRIVS && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return LINK_STEP_LIMITS;
	return LINK_STEP_NONE;
}

enum link_step child_set_up(const struct plan *p, pid_t parent, int channel)
{
	enum link_step step = session(p);
	sigset_t none;

	default_signals();
	if (!step)
		step = descriptors(p, channel);
	if (!step)
		step = limits(p);
	if (!step)
		step = identity(p);
	if (!step)
		step = terminal(p);
	if (!step)
		step = directory(p);
	if (!step)
		step = tie(p, parent);
	if (!step)
		step = privileges(p);
	sigemptyset(&none);
	if (!step)
		sigprocmask(SIG_SETMASK, &none, NULL);
	return step;
}

/* As execvp(3) does: a candidate that is not there is passed over, one that may not be executed is
 * remembered. */
enum link_step child_execute(const struct plan *p)
{
	int err = ENOENT;

	for (char **path = p->path; *path; path++) {
		execve(*path, p->argv, p->envp);
		if (errno == EACCES)
			err = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			return LINK_STEP_EXEC;
	}
	errno = err;
	return LINK_STEP_EXEC;
}
