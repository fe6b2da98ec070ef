#include "daemon/supervisor/budget.h"

#include <errno.h>
#include <stdio.h>

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
static uint64_t in_use(const struct supervisor *s, const struct process *but)
{
	uint64_t n = RESERVED;

	for (const struct process *p = s->processes; p; p = p->by_name.next)
		if (p != but && (p->logs_sent || is_spawned(p)))
			n += budget_cost(p) - !is_spawned(p);
	return n;
}

int budget_check(const struct process *p, char **ret_reason)
{
	const struct supervisor *s = p->supervisor;
	unsigned cost = budget_cost(p);
	uint64_t used;

	/* A count over all processes only where it might matter. */
	if ((HASH_CNT(by_name, s->processes) + 1) * 5ULL + RESERVED < s->keeper.nofile)
		return 0;
	used = in_use(s, p);
	if (used + cost <= s->keeper.nofile)
		return 0;
	if (asprintf(ret_reason,
		     "descriptors: %llu of %llu are in use and it needs %u (RLIMIT_NOFILE)",
		     (unsigned long long)used, (unsigned long long)s->keeper.nofile, cost) < 0)
		*ret_reason = NULL;
	return -EMFILE;
}
