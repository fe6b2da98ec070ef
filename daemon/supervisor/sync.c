#include "daemon/supervisor/sync.h"

#include <utlist.h>

#include "daemon/base/mem.h"
#include "daemon/supervisor/supervisor.h"

/* Requests under way: they fit into the link of a logger that reads nothing, and leave room for others. */
#define ASKED_MAX 64

/* In the order in which they came. One that was asked for stays until it is answered. */
struct sync {
	struct sync *prev, *next;
	struct supervisor *supervisor;
	uint64_t token; /* 0: not asked yet */
	uint32_t slot, stream;
	struct rpc_call *call; /* NULL: its client has gone */
	json_t *parameters; /* reference */
	void (*method)(void *data, struct rpc_call *call, json_t *parameters);
};

static void ask(struct sync *y)
{
	static uint64_t last_token;
	struct link_head h = { .type = LINK_SYNC, .slot = y->slot, .incarnation = ++last_token };
	struct link_log body = { .stream = y->stream };
	struct link_part part = { &body, sizeof body };

	y->token = last_token;
	keeper_send(y->supervisor, &h, &part, 1, NULL, 0);
}

static void ask_first(const struct supervisor *s)
{
	unsigned n = 0;

	for (struct sync *y = s->syncs; y && n < ASKED_MAX; y = y->next, n++)
		if (!y->token)
			ask(y);
}

static void forget(struct sync *y)
{
	DL_DELETE(y->supervisor->syncs, y);
	json_decref(y->parameters);
	free(y);
}

static void on_gone(void *data)
{
	struct sync *y = data;

	y->call = NULL;
	if (!y->token)
		forget(y);
}

void sync_then(struct process *p, int stream, struct rpc_call *call, json_t *parameters,
	       void (*method)(void *data, struct rpc_call *call, json_t *parameters))
{
	struct supervisor *s = p->supervisor;
	struct sync *y = p->logs_sent && s->logger_pid ? calloc(1, sizeof *y) : NULL;

	if (!y) {
		method(s, call, parameters);
		return;
	}
	*y = (struct sync){ .supervisor = s,
			    .slot = p->slot,
			    .stream = (uint32_t)stream,
			    .call = call,
			    .parameters = json_incref(parameters),
			    .method = method };
	DL_APPEND(s->syncs, y);
	rpc_keep(call, on_gone, NULL, y);
	ask_first(s);
}

void sync_answered(struct supervisor *s, uint64_t token)
{
	struct sync *y = s->syncs, found;

	while (y && y->token != token)
		y = y->next;
	if (!y)
		return;
	found = *y;
	json_incref(found.parameters);
	forget(y);
	ask_first(s);
	if (found.call)
		found.method(s, found.call, found.parameters);
	json_decref(found.parameters);
}

/* It may have been asked already, before we had told it of any stream: that answer is nobody's. */
void sync_new_logger(struct supervisor *s)
{
	for (struct sync *y = s->syncs, *next; y; y = next) {
		next = y->next;
		y->token = 0;
		if (!y->call)
			forget(y);
	}
	ask_first(s);
}
