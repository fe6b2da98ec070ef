#include "daemon/keeper/pidinfo.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define PIDFS_MAGIC 0x50494446

/* struct pidfd_info of the kernel's first version, 64 bytes. */
struct info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define GET_INFO _IOWR(0xFF, 11, struct info)
#define INFO_EXIT 8
#define SIGNAL_PROCESS_GROUP 4

/* ---- who it is ------------------------------------------------------------------------------- */

static bool has_unique_inode(int pidfd)
{
	static int answer = -1;
	struct statfs fs;

	if (pidfd >= 0 && answer < 0)
		answer = fstatfs(pidfd, &fs) == 0 && fs.f_type == PIDFS_MAGIC;
	return pidfd >= 0 && answer == 1;
}

void pidinfo_identify(int pidfd, pid_t pid, struct pidinfo_identity *ret)
{
	struct proc_stat facts;
	struct stat st;

	*ret = (struct pidinfo_identity){ 0 };
	if (has_unique_inode(pidfd) && fstat(pidfd, &st) == 0)
		ret->inode = st.st_ino;
	else if (proc_stat(pid, &facts) == 0)
		ret->start_ticks = facts.start_ticks;
}

bool pidinfo_is(int pidfd, pid_t pid, const struct pidinfo_identity *who)
{
	struct proc_stat facts;
	struct stat st;

	if (who->inode)
		return has_unique_inode(pidfd) && fstat(pidfd, &st) == 0 && st.st_ino == who->inode;
	return proc_stat(pid, &facts) == 0 && facts.start_ticks == who->start_ticks;
}

int pidinfo_open(pid_t pid, const struct pidinfo_identity *who)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return -errno;
	return pidinfo_is(pidfd, pid, who) ? take_fd(pidfd) : -ESRCH;
}

pid_t pidinfo_pid(int pidfd)
{
	char path[40], text[1024];
	const char *p;
	long pid;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	if (fd_read_file(path, text, sizeof text) < 0)
		return -EBADF;
	p = strstr(text, "\nPid:");
	if (!p)
		return -EBADF;
	pid = strtol(p + 5, NULL, 10);
	return pid > 0 ? (pid_t)pid : 0; /* -1: reaped; 0: in no namespace of ours */
}

/* ---- how it ended ---------------------------------------------------------------------------- */

static bool reaped_end(int pidfd, struct proc_end *ret)
{
	struct info info = { .mask = INFO_EXIT };

	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return false;
	*ret = (struct proc_end){ .status = info.exit_code };
	return true;
}

static bool is_reaped(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0 && errno == ESRCH;
}

/* A zombie in /proc may be a first thread that left the others behind. */
static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

int pidinfo_end(int pidfd, pid_t pid, struct proc_end *ret)
{
	struct proc_end end;
	int r;

	if (!has_ended(pidfd))
		return -EAGAIN;
	r = proc_end(pid, &end);
	if (is_reaped(pidfd)) /* then that was somebody else */
		return reaped_end(pidfd, ret) ? 0 : -ENODATA;
	if (r == 0)
		*ret = end;
	return r;
}

/* ---- a signal -------------------------------------------------------------------------------- */

/* Without the flag, the number of the group is its own as long as the process is not reaped. */
static int signal_group_by_number(int pidfd, pid_t pid, int number)
{
	if (is_reaped(pidfd))
		return -ESRCH;
	return kill(-pid, number) < 0 ? -errno : 0;
}

int pidinfo_signal(int pidfd, pid_t pid, int number, bool group)
{
	unsigned flags = group ? SIGNAL_PROCESS_GROUP : 0;

	if (syscall(SYS_pidfd_send_signal, pidfd, number, NULL, flags) == 0)
		return 0;
	if (group && errno == EINVAL)
		return signal_group_by_number(pidfd, pid, number);
	return -errno;
}
