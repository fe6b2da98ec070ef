#include "daemon/supervisor/sync.h"

#include "daemon/base/mem.h"
#include "daemon/supervisor/supervisor.h"

struct sync {
	struct sync *next;
	struct supervisor *supervisor;
	uint64_t token;
	uint32_t slot, stream;
	struct rpc_call *call;
	json_t *parameters; /* reference */
	void (*method)(void *data, struct rpc_call *call, json_t *parameters);
};

static uint64_t last_token;

static void ask(const struct sync *y)
{
	struct link_head h = { .type = LINK_SYNC, .slot = y->slot, .incarnation = y->token };
	struct link_log body = { .stream = y->stream };
	struct link_part part = { &body, sizeof body };

	keeper_send(y->supervisor, &h, &part, 1, NULL, 0);
}

static void forget(struct sync *y)
{
	struct sync **place = &y->supervisor->syncs;

	while (*place != y)
		place = &(*place)->next;
	*place = y->next;
	json_decref(y->parameters);
	free(y);
}

static void on_gone(void *data)
{
	forget(data);
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
	*y = (struct sync){ .next = s->syncs,
			    .supervisor = s,
			    .token = ++last_token,
			    .slot = p->slot,
			    .stream = (uint32_t)stream,
			    .call = call,
			    .parameters = json_incref(parameters),
			    .method = method };
	s->syncs = y;
	rpc_keep(call, on_gone, NULL, y);
	ask(y);
}

void sync_answered(struct supervisor *s, uint64_t token)
{
	for (struct sync *y = s->syncs; y; y = y->next) {
		struct sync found = *y;

		if (found.token != token)
			continue;
		found.parameters = json_incref(found.parameters);
		forget(y);
		found.method(s, found.call, found.parameters);
		json_decref(found.parameters);
		return;
	}
}

/* It may have been asked already, before we had told it of any stream: that answer is nobody's. */
void sync_new_logger(struct supervisor *s)
{
	for (struct sync *y = s->syncs; y; y = y->next) {
		y->token = ++last_token;
		ask(y);
	}
}
