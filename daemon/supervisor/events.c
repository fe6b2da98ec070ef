/* events.c - streams of state changes
 *
 * A subscriber is a call with "more" that is kept until its client goes away. It gets what it may
 * read, by names that are looked at anew with each event, so that processes which do not exist yet
 * are meant, too. One that does not read until RPC_OUT_BYTES_MAX wait loses its connection.
 *
 * A change is numbered by its time since boot, which its process' note tells a successor: who comes back
 * with the last number that it has is told what has changed since. */
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/access.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/params.h"
#include "daemon/supervisor/view.h"

/* Each event is compared with every name of every stream: of those of one user who is not admin, so many
 * bytes, or he could keep us busy. */
#define NAMES_BYTES_MAX ((size_t)8192)

struct subscriber {
	struct subscriber *next, *prev;
	struct supervisor *supervisor;
	struct rpc_call *call;
	json_t *names; /* array of strings; NULL: all. Reference */
};

static void on_gone(void *data)
{
	struct subscriber *u = data;

	if (u->prev)
		u->prev->next = u->next;
	else
		u->supervisor->subscribers = u->next;
	if (u->next)
		u->next->prev = u->prev;
	json_decref(u->names);
	free(u);
}

static bool wants(const struct subscriber *u, const struct process *p)
{
	const json_t *name;
	size_t i;

	if (!(access_to(u->supervisor, rpc_peer(u->call), p) & CONF_READ))
		return false;
	if (!u->names)
		return true;
	json_array_foreach(u->names, i,
			   name) if (names_match(p, json_string_value(name))) return true;
	return false;
}

/* Returns false when u is gone. */
static bool send_event(struct subscriber *u, json_t *event)
{
	if (rpc_continue(u->call, json_pack("{s:O}", "event", event), -1))
		return true;
	rpc_drop(u->call);
	return false;
}

void events_publish(struct supervisor *s, const struct process *p, enum process_state from,
		    enum process_state to)
{
	struct subscriber *next;
	json_t *event = NULL;

	if (process_state_is_up(from) && !process_state_is_up(to))
		forget_ended(p);
	if (to == PROCESS_STARTING && s->front)
		follow_started(&s->front->follow, p);
	if (p->origin == PROCESS_SERVER || from == to)
		return;
	for (struct subscriber *u = s->subscribers; u; u = next) {
		next = u->next;
		if (!wants(u, p))
			continue;
		if (!event)
			event = view_event(p, from, to);
		(void)send_event(u, event);
	}
	json_decref(event);
}

static int by_change(const void *a, const void *b)
{
	uint64_t x = (*(const struct process *const *)a)->changed_ns;
	uint64_t y = (*(const struct process *const *)b)->changed_ns;

	return (x > y) - (x < y);
}

/* What has changed after that, in its order. Where it cannot be told, the stream ends: it is asked again. */
static void send_missed(struct subscriber *u, uint64_t after)
{
	struct supervisor *s = u->supervisor;
	size_t n = 0, room = HASH_CNT(by_name, s->processes);
	auto_free const struct process **missed = calloc(room + 1, sizeof *missed);

	for (const struct process *p = s->processes; missed && p; p = p->by_name.next)
		if (p->changed_ns > after && p->origin != PROCESS_SERVER && wants(u, p))
			missed[n++] = p;
	if (!missed) {
		rpc_drop(u->call);
		return;
	}
	qsort(missed, n, sizeof *missed, by_change);
	for (size_t i = 0; i < n; i++) {
		json_t *event = view_event(missed[i], PROCESS_UNKNOWN, missed[i]->state);
		bool sent = send_event(u, event);

		json_decref(event);
		if (!sent)
			return;
	}
}

static size_t bytes_of(const json_t *names)
{
	const json_t *name;
	size_t i, n = 0;

	json_array_foreach(names, i, name) n += json_string_length(name);
	return n;
}

static bool has_room(const struct supervisor *s, struct rpc_call *call, const json_t *names)
{
	const struct rpc_peer *peer = rpc_peer(call);
	size_t bytes = bytes_of(names);

	if (json_array_size(names) > NAMES_PATTERNS_MAX)
		return false;
	if (access_global(s, peer) & CONF_ADMIN)
		return true;
	for (const struct subscriber *u = s->subscribers; u; u = u->next)
		if (rpc_peer(u->call)->uid == peer->uid)
			bytes += bytes_of(u->names);
	return bytes <= NAMES_BYTES_MAX;
}

void method_events(void *data, struct rpc_call *call, json_t *parameters)
{
	struct supervisor *s = data;
	json_t *names = NULL;
	json_int_t after = (json_int_t)clock_boot_ns();
	const struct param table[] = { { "names", PARAM_STRINGS, PARAM_OPTIONAL, &names },
				       { "after", PARAM_INT, PARAM_OPTIONAL, &after } };
	struct subscriber *u;

	if (!params_read(call, parameters, table, ARRAY_SIZE(table)))
		return;
	if (!rpc_wants_more(call)) {
		errors_expected_more(call);
		return;
	}
	if (!has_room(s, call, names)) {
		errors_reply(call, "LimitReached", NULL, "too many names to watch");
		return;
	}
	u = calloc(1, sizeof *u);
	if (!u) {
		errors_memory(call);
		return;
	}
	*u = (struct subscriber){ .next = s->subscribers, .supervisor = s, .call = call };
	u->names = json_incref(names);
	if (u->next)
		u->next->prev = u;
	s->subscribers = u;
	rpc_keep(call, on_gone, NULL, u);
	(void)rpc_continue(call, json_pack("{s:I}", "number", after), -1); /* the stream is open */
	send_missed(u, (uint64_t)after);
}
