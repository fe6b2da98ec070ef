#include "daemon/supervisor/budget.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/supervisor.h"

#define RESERVED 128 /* of the keeper itself: links, socket, table, staging, and some to spare */

static bool is_piped(const struct conf_log *l)
{
	return l->kind == CONF_LOG_AUTO || l->kind == CONF_LOG_FILE || l->kind == CONF_LOG_STDOUT ||
	       l->kind == CONF_LOG_STDERR;
}

unsigned budget_cost(const struct process *p)
{
	const struct conf_process *d = p->def;
	unsigned cost = 1 + (p->origin == PROCESS_SERVER);

	if (p->client && p->client->stdio[0] >= 0)
		return cost;
	cost += d->program->stdin_pipe;
	cost += is_piped(&d->out);
	cost += is_piped(&d->err) && !d->program->redirect_stderr;
	return cost;
}

static bool is_spawned(const struct process *p)
{
	return process_state_is_alive(p->state) && !p->spawn_queued && !p->wait_server;
}

/* Pipes stay with their slot between two lives, a pidfd does not. */
static unsigned held_by(const struct process *p)
{
	return p->logs_sent || is_spawned(p) ? budget_cost(p) - !is_spawned(p) : 0;
}

static void count(const struct supervisor *s, struct budget *b)
{
	*b = (struct budget){ .counted = true, .used = RESERVED + session_count(s) };
	for (const struct process *p = s->processes; p; p = p->by_name.next) {
		b->used += held_by(p);
		b->beginning += is_spawned(p) && !p->executed;
	}
}

/* A count over all processes only where it might matter. The dearest has five and one while it begins,
 * and each session but a new one has a process. */
static bool is_far_from_limit(const struct supervisor *s)
{
	return (HASH_CNT(by_name, s->processes) + 1) * 7ULL + RESERVED < s->keeper.nofile;
}

static int refuse(uint64_t used, uint64_t most, const char *what, unsigned cost, char **ret_reason)
{
	if (asprintf(ret_reason,
		     "descriptors: %llu of %llu are in use and %s needs %u (RLIMIT_NOFILE)",
		     (unsigned long long)used, (unsigned long long)most, what, cost) < 0)
		*ret_reason = NULL;
	return -EMFILE;
}

int budget_take(struct budget *b, const struct process *p, char **ret_reason)
{
	const struct supervisor *s = p->supervisor;
	unsigned cost = budget_cost(p);
	uint64_t others;

	if (is_far_from_limit(s))
		return 0;
	if (!b->counted)
		count(s, b);
	others = b->used - held_by(p);
	if (others + cost > s->keeper.nofile)
		return refuse(others, s->keeper.nofile, "it", cost, ret_reason);
	if (others + cost + b->beginning > s->keeper.nofile)
		return -EAGAIN;
	b->used = others + cost;
	b->beginning++;
	return 0;
}

int budget_check_session(const struct supervisor *s, char **ret_reason)
{
	uint64_t used = session_count(s), most = rpc_fds_left();
	struct budget b;

	if (used < most && is_far_from_limit(s))
		return 0;
	if (used < most) {
		count(s, &b);
		used = b.used;
		most = s->keeper.nofile;
	}
	return used < most ? 0 : refuse(used, most, "a session", 1, ret_reason);
}
