#include "daemon/supervisor/caller.h"

#include <poll.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/base/proc.h"
#include "daemon/supervisor/env.h"
#include "daemon/supervisor/errors.h"

#define DEPTH_MAX 64
#define AGAIN_S 0.002
#define AGAIN_MAX 500 /* then its report is lost, and so be it */

/* PIDs from near to far. */
struct ancestry {
	pid_t pids[DEPTH_MAX + 1];
	size_t n;
	pid_t of_keeper; /* the one that is the keeper's child; 0: none */
};

/* A call that waits for the report of its client's process. */
struct wait {
	struct supervisor *supervisor;
	struct rpc_call *call;
	json_t *parameters; /* reference */
	void (*method)(void *data, struct rpc_call *call, json_t *parameters);
	ev_timer again;
	unsigned n;
};

/* 0 when there is none. */
static pid_t parent_of(pid_t pid)
{
	struct proc_stat stat;

	return proc_stat(pid, &stat) == 0 ? stat.ppid : 0;
}

/* Up to the keeper, to which orphans fall; their session tells whose they were. */
static void look_up(struct ancestry *a, pid_t pid, pid_t keeper)
{
	pid_t session = pid > 0 ? getsid(pid) : 0; /* 0: in a PID namespace that we do not see */

	for (; pid > 1 && pid != keeper && a->n < DEPTH_MAX; pid = parent_of(pid))
		a->pids[a->n++] = pid;
	a->of_keeper = pid == keeper && a->n ? a->pids[a->n - 1] : 0;
	if (session > 1)
		a->pids[a->n++] = session;
}

/* Whether it is a child that the keeper has made and not yet told us of: no process has its PID, but one
 * that is being started, or has a standing order, has its instance. */
static bool is_on_its_way(const struct supervisor *s, pid_t child)
{
	uint64_t instance;

	if (!child || process_of_pid(s, child))
		return false;
	instance = env_instance_of(child);
	for (const struct process *p = s->processes; instance && p; p = p->by_name.next)
		if ((instance == p->instance && !p->executed) || instance == p->next_instance)
			return true;
	return false;
}

static bool is_expected(const struct supervisor *s, const struct rpc_call *call)
{
	struct ancestry a = { .n = 0 };

	look_up(&a, rpc_peer(call)->pid, s->keeper.keeper_pid);
	return is_on_its_way(s, a.of_keeper);
}

static void forget(void *data)
{
	struct wait *w = data;

	ev_timer_stop(w->supervisor->loop, &w->again);
	json_decref(w->parameters);
	free(w);
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct wait *w = container_of(timer, struct wait, again), now = *w;

	(void)revents;
	if (++w->n < AGAIN_MAX && is_expected(w->supervisor, w->call)) {
		ev_timer_set(timer, AGAIN_S, 0.);
		ev_timer_start(loop, timer);
		return;
	}
	json_incref(now.parameters);
	forget(w);
	now.method(now.supervisor, now.call, now.parameters);
	json_decref(now.parameters);
}

void caller_then(struct supervisor *s, struct rpc_call *call, json_t *parameters,
		 void (*method)(void *data, struct rpc_call *call, json_t *parameters))
{
	struct wait *w;

	if (!is_expected(s, call)) {
		method(s, call, parameters);
		return;
	}
	w = calloc(1, sizeof *w);
	if (!w) { /* whose child would it be? */
		errors_memory(call);
		return;
	}
	*w = (struct wait){ .supervisor = s,
			    .call = call,
			    .parameters = json_incref(parameters),
			    .method = method };
	rpc_keep(call, forget, NULL, w);
	ev_timer_init(&w->again, on_again, AGAIN_S, 0.);
	ev_timer_start(s->loop, &w->again);
}

static bool is_alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) == 0;
}

struct process *caller_process(const struct supervisor *s, pid_t pid, int pidfd)
{
	struct ancestry a = { .n = 0 };
	struct process *nearest = NULL;

	look_up(&a, pid, s->keeper.keeper_pid);
	if (!is_alive(pidfd)) /* else its PID was its own while we looked */
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
