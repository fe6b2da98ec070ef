#include "daemon/supervisor/everybody.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/supervisor/env.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

static void look_at(pid_t pid, void (*on_one)(void *, const struct everybody_one *), void *data)
{
	struct everybody_one one = { .pid = pid };

	if (pid <= 1 || pid == getpid() || proc_stat(pid, &one.facts) < 0 || one.facts.state == 'Z')
		return;
	one.instance = env_instance_of(pid);
	if (one.instance)
		on_one(data, &one);
}

void everybody_look(void (*on_one)(void *data, const struct everybody_one *one), void *data)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc)))
		look_at((pid_t)strtol(e->d_name, NULL, 10), on_one, data);
	if (proc)
		closedir(proc);
}

void everybody_kill(pid_t pid, const struct proc_stat *facts)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct proc_stat now;

	if (pidfd >= 0 && proc_stat(pid, &now) == 0 && now.start_ticks == facts->start_ticks)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}
