/* rpc_upgrade.c - Upgrade: another program takes the keeper's place
 *
 * The keeper does it (daemon/keeper/upgrade.c), and kills us on the way; our successor, told of the outcome
 * in its snapshot, answers the call that the client has repeated by its id. One that is refused is answered
 * by who has sent it. */
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/params.h"

#define ID_BYTES_MAX 128

struct upgrade_call {
	struct upgrade_call *next;
	struct supervisor *supervisor;
	struct rpc_call *call;
};

static void answer(const struct supervisor *s, struct rpc_call *call)
{
	if (s->upgrade.words[0])
		errors_reply(call, "UpgradeRefused", NULL, s->upgrade.words);
	else
		rpc_reply(call, json_pack("{s:s,s:i}", "version", FOSTER_VERSION, "keeper",
					  (int)s->keeper.keeper_pid));
}

static void on_gone(void *data)
{
	struct upgrade_call *u = data, **place = &u->supervisor->upgrade.calls;

	while (*place != u)
		place = &(*place)->next;
	*place = u->next;
	free(u);
}

static void wait_for_outcome(struct supervisor *s, struct rpc_call *call)
{
	struct upgrade_call *u = malloc(sizeof *u);

	if (!u) {
		errors_memory(call);
		return;
	}
	*u = (struct upgrade_call){ .next = s->upgrade.calls, .supervisor = s, .call = call };
	s->upgrade.calls = u;
	rpc_keep(call, on_gone, NULL, u);
}

static void begin(struct supervisor *s, const char *id, const char *binary)
{
	struct link_head h = { .type = LINK_UPGRADE };
	struct link_part parts[] = { { id, strlen(id) + 1 }, { binary, strlen(binary) + 1 } };

	snprintf(s->upgrade.id, sizeof s->upgrade.id, "%s", id);
	s->upgrade.under_way = true;
	keeper_send(s, &h, parts, ARRAY_SIZE(parts), NULL, 0);
}

void method_upgrade(void *data, struct rpc_call *call, json_t *parameters)
{
	const char *id = NULL, *binary = NULL;
	const struct param table[] = {
		{ "id", PARAM_STRING, PARAM_REQUIRED, &id },
		{ "binary", PARAM_STRING, PARAM_OPTIONAL, &binary },
	};
	struct supervisor *s = data;
	bool same;

	if (!params_read(call, parameters, table, ARRAY_SIZE(table)) ||
	    !request_global(s, call, CONF_ADMIN))
		return;
	if (!id[0] || strlen(id) > ID_BYTES_MAX) {
		rpc_error_parameter(call, "id");
		return;
	}
	if (binary && binary[0] != '/') {
		rpc_error_parameter(call, "binary");
		return;
	}
	same = strcmp(s->upgrade.id, id) == 0;
	if (same && !s->upgrade.under_way) {
		answer(s, call);
		return;
	}
	if (!same && s->upgrade.under_way) {
		errors_reply(call, "UpgradeRefused", NULL, "another upgrade is under way");
		return;
	}
	if (!same) {
		if (!request_is_up(s, call))
			return;
		begin(s, id, binary ? binary : "");
	}
	wait_for_outcome(s, call);
}

void upgrade_outcome(struct supervisor *s, const char *id, const char *words)
{
	snprintf(s->upgrade.id, sizeof s->upgrade.id, "%s", id);
	snprintf(s->upgrade.words, sizeof s->upgrade.words, "%s", words);
	s->upgrade.under_way = false;
	while (s->upgrade.calls) {
		struct upgrade_call *u = s->upgrade.calls;
		struct rpc_call *call = u->call;

		s->upgrade.calls = u->next;
		free(u);
		answer(s, call);
	}
}
