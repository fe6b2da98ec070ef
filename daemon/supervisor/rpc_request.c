/* rpc_request.c - what most methods begin with: whose process, by which right */
#include <errno.h>

#include "daemon/base/hash.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/access.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"

struct process *request_process(const struct supervisor *s, struct rpc_call *call, const char *name,
				unsigned rights)
{
	struct process *p = names_find(s, rpc_peer(call), name);

	if (!p) {
		errors_reply(call, "NoSuchProcess", name, NULL);
		return NULL;
	}
	if (!(access_to(s, rpc_peer(call), p) & rights)) {
		errors_not_permitted(call, process_name(p), rights);
		return NULL;
	}
	return p;
}

bool request_names(const struct supervisor *s, struct rpc_call *call, const json_t *names,
		   struct names *ret_names)
{
	int r = names_resolve(s, rpc_peer(call), names, ret_names);

	if (r == -E2BIG)
		errors_reply(call, "LimitReached", NULL,
			     "too many names in one request, or too long patterns");
	else if (r < 0)
		errors_errno(call, r);
	return r == 0;
}

bool request_global(const struct supervisor *s, struct rpc_call *call, unsigned right)
{
	bool may = access_global(s, rpc_peer(call)) & right;

	if (!may)
		errors_not_permitted(call, NULL, right);
	return may;
}

bool request_is_up(const struct supervisor *s, struct rpc_call *call)
{
	bool up = s->phase == SUPERVISOR_UP || s->phase == SUPERVISOR_BOOTING;

	if (!up)
		errors_reply(call, "ShuttingDown", NULL, NULL);
	return up;
}

struct process_asker request_asker(struct rpc_call *call)
{
	const struct rpc_peer *peer = rpc_peer(call);

	return (struct process_asker){ .kind = ASKED_CLIENT, .uid = peer->uid, .pid = peer->pid };
}

/* Ids are random, and compared within what one user defined, or within one process. */
uint64_t request_id(const char *id)
{
	uint64_t h = hash_bytes(id, strlen(id));

	return h ? h : 1;
}
