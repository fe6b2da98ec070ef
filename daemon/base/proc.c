#include "daemon/base/proc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/fd.h"

/* The line from field 3 on: the name before it may hold anything. */
static int read_stat(pid_t pid, char *text, size_t size, const char **ret_after)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	n = fd_read_file(path, text, size);
	if (n < 0)
		return (int)n;
	*ret_after = strrchr(text, ')');
	return *ret_after ? 0 : -EPROTO;
}

int proc_stat(pid_t pid, struct proc_stat *ret)
{
	char text[1024];
	const char *after;
	unsigned long long start;
	int r = read_stat(pid, text, sizeof text, &after);

	if (r < 0)
		return r;
	if (sscanf(after + 1,
		   " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ret->state, &ret->ppid, &ret->pgrp, &ret->session, &start) != 5)
		return -EPROTO;
	ret->start_ticks = start;
	return 0;
}

static bool may_look_into(pid_t pid)
{
	char path[32], name[64];

	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
	return readlink(path, name, sizeof name) >= 0 || errno != EACCES;
}

static uint64_t ticks_to_us(unsigned long long ticks)
{
	return ticks * 1000000 / (unsigned long long)sysconf(_SC_CLK_TCK);
}

int proc_end(pid_t pid, struct proc_end *ret)
{
	unsigned long long utime, stime;
	const char *after, *last;
	char text[1024], state;
	int r = read_stat(pid, text, sizeof text, &after);

	if (r < 0)
		return r;
	last = strrchr(after, ' '); /* exit_code is the last field, 52 */
	if (sscanf(after + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &state,
		   &utime, &stime) != 3 ||
	    !last)
		return -EPROTO;
	if (state != 'Z')
		return -EAGAIN;
	ret->status = (int)strtol(last, NULL, 10);
	if (ret->status == 0 && !may_look_into(pid))
		return -EACCES;
	ret->utime_us = ticks_to_us(utime);
	ret->stime_us = ticks_to_us(stime);
	return 0;
}

void proc_beside(const char *name, char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		snprintf(slash + 1, size - (size_t)(slash + 1 - path), "%s", name);
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, size, "%s/%s", FOSTER_LIBEXECDIR, name);
}
