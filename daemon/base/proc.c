#include "daemon/base/proc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/fd.h"

int proc_stat(pid_t pid, struct proc_stat *ret)
{
	char path[32], text[1024];
	const char *after;
	unsigned long long start;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	n = fd_read_file(path, text, sizeof text);
	if (n < 0)
		return (int)n;
	after = strrchr(text, ')'); /* the name before it may hold anything */
	if (!after ||
	    sscanf(after + 1,
		   " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ret->state, &ret->ppid, &ret->pgrp, &ret->session, &start) != 5)
		return -EPROTO;
	ret->start_ticks = start;
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
