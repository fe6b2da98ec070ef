#include "daemon/supervisor/caller.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/fd.h"

#define DEPTH_MAX 64

/* PIDs from near to far. */
struct ancestry {
	pid_t pids[DEPTH_MAX + 1];
	size_t n;
};

/* Field 4 of /proc/PID/stat; 0 when there is none. The name in field 2 may hold anything. */
static pid_t parent_of(pid_t pid)
{
	char path[32], text[512];
	const char *after;
	int parent;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (fd_read_file(path, text, sizeof text) < 0)
		return 0;
	after = strrchr(text, ')');
	return after && sscanf(after + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

/* Up to the keeper, to which orphans fall; their session tells whose they were. */
static void look_up(struct ancestry *a, pid_t pid, pid_t keeper)
{
	pid_t session = getsid(pid);

	for (; pid > 1 && pid != keeper && a->n < DEPTH_MAX; pid = parent_of(pid))
		a->pids[a->n++] = pid;
	if (session > 1)
		a->pids[a->n++] = session;
}

static bool is_alive(const struct rpc_peer *peer)
{
	struct pollfd p = { .fd = peer->pidfd, .events = POLLIN };

	return peer->pidfd >= 0 && poll(&p, 1, 0) == 0;
}

struct process *caller_process(const struct supervisor *s, const struct rpc_peer *peer)
{
	struct ancestry a = { .n = 0 };
	struct process *nearest = NULL;

	look_up(&a, peer->pid, s->keeper.keeper_pid);
	if (!is_alive(peer)) /* else its PID was its own while we looked */
		return NULL;
	for (struct process *p = s->processes; p; p = p->by_name.next) {
		if (!p->pid || p->origin == PROCESS_SERVER)
			continue;
		for (size_t i = 0; i < a.n; i++)
			if (a.pids[i] == p->pid) {
				a.n = i; /* only nearer ones from here on */
				nearest = p;
			}
	}
	return nearest;
}
