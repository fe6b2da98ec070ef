/* rpc_control.c - start, stop and the like of processes that exist
 *
 * Each method asks every process that is meant, notes what it said, and leaves the waiting, if there
 * is any, to waiters.c. */
#include <errno.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/sig.h"
#include "daemon/supervisor/access.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/params.h"
#include "daemon/supervisor/waiters.h"

#define TIMEOUT_MAX 1e9 /* seconds; more is for ever */

/* ---- one outcome --------------------------------------------------------------------------- */

static void settle_parent_down(struct waiters *w, const struct process *p)
{
	char reason[CONF_NAME_MAX + 64];

	snprintf(reason, sizeof reason, "its parent %s is not running",
		 p->parent_name ? p->parent_name : "");
	waiters_settle(w, process_name(p), p, "CannotStart", reason);
}

/* A process_ask_…() has refused. */
static void settle_refused(struct waiters *w, const struct process *p, int r)
{
	if (r == -EHOSTDOWN)
		settle_parent_down(w, p);
	else if (r == -ESRCH)
		waiters_settle(w, process_name(p), NULL, "NoSuchProcess", NULL);
	else
		waiters_settle(w, process_name(p), p, "Failed", strerror(-r));
}

/* Whether the peer may control what was named; settles it when not. */
static bool may_control(const struct supervisor *s, struct rpc_call *call, struct waiters *w,
			const struct names_item *item)
{
	const struct process *p = item->process;

	if (!p)
		waiters_settle(w, item->name, NULL, "NoSuchProcess", NULL);
	else if (access_to(s, rpc_peer(call), p) & CONF_CONTROL)
		return true;
	else
		waiters_settle(w, item->name, NULL, "NotPermitted", "needs the right 'control'");
	return false;
}

/* ---- by name: start, stop, terminate, kill, forget ------------------------------------------ */

struct asking {
	struct process_asker who;
	uint64_t start_id; /* the call's own; 0: it has none */
};

/* Returns false to be asked again once all others were: something may have changed by then. */
typedef bool action(struct waiters *w, struct process *p, const struct asking *by);

/* Whoever has to wait for another of them is asked after it; -EHOSTDOWN is final when no other is left. */
static void ask_all(struct waiters *w, const struct names *names, action *act,
		    const struct asking *by)
{
	bool progress = true;

	while (progress) {
		progress = false;
		for (size_t i = 0; i < names->n; i++) {
			struct process *p = names->items[i].process;

			if (p && act(w, p, by)) {
				names->items[i].process = NULL;
				progress = true;
			}
		}
	}
	for (size_t i = 0; i < names->n; i++)
		if (names->items[i].process)
			settle_parent_down(w, names->items[i].process);
}

/* Apply an action to all that names mean, and answer or wait. */
static void for_each_name(struct supervisor *s, struct rpc_call *call, json_t *parameters,
			  enum waiters_goal goal, action *act)
{
	const char *id = NULL;
	json_t *list = NULL;
	const struct param table[] = { { "names", PARAM_STRINGS, PARAM_REQUIRED, &list },
				       { "id", PARAM_STRING, PARAM_OPTIONAL, &id } };
	size_t n_params = goal == WAITERS_RUNNING ? 2 : 1; /* Start alone has an id */
	struct asking by = { .who = request_asker(call) };
	auto_names struct names names = { 0 };
	struct waiters *w;

	if (!params_read(call, parameters, table, n_params) ||
	    !request_names(s, call, list, &names))
		return;
	w = waiters_new(s, call, goal, names.n);
	if (!w) {
		errors_memory(call);
		return;
	}
	for (size_t i = 0; i < names.n; i++)
		if (!may_control(s, call, w, &names.items[i]))
			names.items[i].process = NULL;
	if (id)
		by.start_id = request_id(id);
	ask_all(w, &names, act, &by);
	waiters_begin(w, false, -1);
}

/* It is wanted, and starts with its parent, which is on its way. */
static void start_with_parent(struct waiters *w, struct process *p, const struct asking *by)
{
	p->want_up = p->wait_parent = true;
	p->asker = by->who;
	p->start_id = by->start_id;
	process_send_note(p);
	waiters_add(w, p, p->incarnation);
}

/* The call is made again, because its answer was lost: it has begun what is there now. */
static bool is_begun(const struct process *p, const struct asking *by)
{
	bool is_to_come = process_is_to_start(p) || p->wait_parent ||
			  (p->state == PROCESS_STOPPING && p->want_up);

	return by->start_id && by->start_id == p->start_id && !is_to_come;
}

static void settle_begun(struct waiters *w, struct process *p)
{
	bool was_up = p->state == PROCESS_EXITED && clock_seconds(p->started_ns, p->stopped_ns) >=
							    p->def->program->restart.startsecs;

	if (was_up)
		waiters_settle(w, process_name(p), p, NULL, NULL);
	else
		waiters_add(w, p, p->incarnation - 1);
}

static int ask_start(struct process *p, const struct asking *by)
{
	uint64_t earlier = p->start_id;
	int r;

	p->start_id = by->start_id; /* the note that follows has it */
	r = process_ask_start(p, &by->who);
	if (r < 0)
		p->start_id = earlier;
	return r;
}

static bool start(struct waiters *w, struct process *p, const struct asking *by)
{
	uint64_t before = p->incarnation;
	int r;

	if (is_begun(p, by)) {
		settle_begun(w, p);
		return true;
	}
	r = ask_start(p, by);
	if (r == -EHOSTDOWN && !waiters_parent_comes(p))
		return false;
	if (r == 0)
		waiters_add(w, p, before);
	else if (r == -EHOSTDOWN)
		start_with_parent(w, p, by);
	else if (r == -EALREADY && p->state == PROCESS_STARTING)
		waiters_add(w, p, before - 1);
	else if (r == -EALREADY)
		waiters_settle(w, process_name(p), p, "AlreadyStarted", NULL);
	else
		settle_refused(w, p, r);
	return true;
}

static void wait_down(struct waiters *w, struct process *p, uint64_t before, int r)
{
	if (r == 0)
		waiters_add(w, p, before);
	else if (r == -EALREADY)
		waiters_settle(w, process_name(p), p, "NotRunning", NULL);
	else
		settle_refused(w, p, r);
}

static bool stop(struct waiters *w, struct process *p, const struct asking *by)
{
	uint64_t before = p->incarnation;

	wait_down(w, p, before, process_ask_stop(p, &by->who));
	return true;
}

static bool kill_it(struct waiters *w, struct process *p, const struct asking *by)
{
	uint64_t before = p->incarnation;

	wait_down(w, p, before, process_ask_kill(p, &by->who));
	return true;
}

static bool terminate(struct waiters *w, struct process *p, const struct asking *by)
{
	int r = process_ask_terminate(p, &by->who);

	if (r == 0)
		waiters_settle(w, process_name(p), p, NULL, NULL);
	else
		wait_down(w, p, p->incarnation, r);
	return true;
}

static bool forget(struct waiters *w, struct process *p, const struct asking *by)
{
	char name[CONF_NAME_MAX + 1];

	(void)by;
	if (p->origin != PROCESS_CLIENT) {
		waiters_settle(w, process_name(p), p, "Failed", "it is configured in a file");
		return true;
	}
	if (!forget_may(p)) {
		waiters_settle(w, process_name(p), p, "StillRunning", NULL);
		return true;
	}
	snprintf(name, sizeof name, "%s", process_name(p));
	process_free(p);
	waiters_settle(w, name, NULL, NULL, NULL);
	return true;
}

void method_start(void *data, struct rpc_call *call, json_t *parameters)
{
	if (request_is_up(data, call))
		for_each_name(data, call, parameters, WAITERS_RUNNING, start);
}

void method_stop(void *data, struct rpc_call *call, json_t *parameters)
{
	for_each_name(data, call, parameters, WAITERS_DOWN, stop);
}

void method_kill(void *data, struct rpc_call *call, json_t *parameters)
{
	for_each_name(data, call, parameters, WAITERS_DOWN, kill_it);
}

void method_terminate(void *data, struct rpc_call *call, json_t *parameters)
{
	for_each_name(data, call, parameters, WAITERS_NONE, terminate);
}

void method_forget(void *data, struct rpc_call *call, json_t *parameters)
{
	for_each_name(data, call, parameters, WAITERS_NONE, forget);
}

/* ---- by incarnation: restart, signal -------------------------------------------------------- */

struct target {
	const char *name;
	json_int_t incarnation; /* -1: whichever it is */
};

static bool read_targets(struct rpc_call *call, json_t *list, struct target *targets)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct target *t = &targets[i];
		const struct param table[] = { { "name", PARAM_STRING, PARAM_REQUIRED, &t->name },
					       { "incarnation", PARAM_INT, PARAM_OPTIONAL,
						 &t->incarnation } };
		json_t *value = json_array_get(list, i);

		t->incarnation = -1;
		if (!json_is_object(value) || params_check(value, table, ARRAY_SIZE(table))) {
			rpc_error_parameter(call, "targets");
			return false;
		}
	}
	return true;
}

static bool is_over(const struct process *p, const struct target *t)
{
	return t->incarnation >= 0 && (uint64_t)t->incarnation < p->incarnation;
}

static void restart(struct waiters *w, struct process *p, const struct target *t,
		    const struct process_asker *who)
{
	uint64_t before = p->incarnation;
	int r;

	if (is_over(p, t)) { /* was done already: only its start is waited for */
		waiters_add(w, p, before - 1);
		return;
	}
	r = process_ask_restart(p, who);
	if (r == 0)
		waiters_add(w, p, before);
	else
		settle_refused(w, p, r);
}

static void send_signal(struct waiters *w, struct process *p, const struct target *t, int number)
{
	if (is_over(p, t)) {
		waiters_settle(w, process_name(p), p, NULL, NULL);
		return;
	}
	if (!p->pid) {
		waiters_settle(w, process_name(p), p, "NotRunning", NULL);
		return;
	}
	process_send_signal(p, number, p->transient ? LINK_SCOPE_GROUP : LINK_SCOPE_PROCESS);
	waiters_settle(w, process_name(p), p, NULL, NULL);
}

/* number 0: restart. A process that is named twice is asked once. */
static void apply_to_targets(struct supervisor *s, struct rpc_call *call,
			     const struct target *targets, size_t n, int number)
{
	const struct process_asker who = request_asker(call);
	auto_free uint8_t *seen = calloc(s->n_slots / 8 + 1, 1);
	struct waiters *w = waiters_new(s, call, number ? WAITERS_NONE : WAITERS_RUNNING, n);

	if (!w || !seen) {
		errors_memory(call);
		free(w);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct process *p = names_find(s, rpc_peer(call), targets[i].name);
		const struct names_item item = { targets[i].name, p };

		if (!may_control(s, call, w, &item) || seen[p->slot / 8] & 1U << p->slot % 8)
			continue;
		seen[p->slot / 8] |= (uint8_t)(1U << p->slot % 8);
		if (number)
			send_signal(w, p, &targets[i], number);
		else
			restart(w, p, &targets[i], &who);
	}
	waiters_begin(w, false, -1);
}

static void for_each_target(struct supervisor *s, struct rpc_call *call, json_t *list, int number)
{
	auto_free struct target *targets = calloc(json_array_size(list) + 1, sizeof *targets);

	if (!targets)
		errors_memory(call);
	else if (read_targets(call, list, targets))
		apply_to_targets(s, call, targets, json_array_size(list), number);
}

void method_restart(void *data, struct rpc_call *call, json_t *parameters)
{
	json_t *list = NULL;
	const struct param table[] = { { "targets", PARAM_ARRAY, PARAM_REQUIRED, &list } };

	if (request_is_up(data, call) && params_read(call, parameters, table, ARRAY_SIZE(table)))
		for_each_target(data, call, list, 0);
}

void method_signal(void *data, struct rpc_call *call, json_t *parameters)
{
	const char *name = NULL;
	json_t *list = NULL;
	const struct param table[] = { { "targets", PARAM_ARRAY, PARAM_REQUIRED, &list },
				       { "signal", PARAM_STRING, PARAM_REQUIRED, &name } };
	int number;

	if (!params_read(call, parameters, table, ARRAY_SIZE(table)))
		return;
	number = sig_number(name);
	if (number <= 0)
		rpc_error_parameter(call, "signal");
	else
		for_each_target(data, call, list, number);
}

/* ---- wait ---------------------------------------------------------------------------------- */

static bool may_wait(const struct supervisor *s, struct rpc_call *call, const struct names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		if (names->items[i].process)
			continue;
		errors_reply(call, "NoSuchProcess", names->items[i].name, NULL);
		return false;
	}
	for (size_t i = 0; i < names->n; i++) {
		if (access_to(s, rpc_peer(call), names->items[i].process) & CONF_READ)
			continue;
		errors_not_permitted(call, names->items[i].name, CONF_READ);
		return false;
	}
	return true;
}

static void wait_for(struct supervisor *s, struct rpc_call *call, const struct names *names,
		     bool any, double timeout)
{
	struct waiters *w = waiters_new(s, call, WAITERS_END, names->n);

	if (!w) {
		errors_memory(call);
		return;
	}
	for (size_t i = 0; i < names->n; i++)
		waiters_add(w, names->items[i].process, 0);
	waiters_begin(w, any, timeout > TIMEOUT_MAX ? -1 : timeout);
}

void method_wait(void *data, struct rpc_call *call, json_t *parameters)
{
	enum param_bool any = PARAM_UNSET;
	double timeout = -1;
	json_t *list = NULL;
	const struct param table[] = { { "names", PARAM_STRINGS, PARAM_REQUIRED, &list },
				       { "any", PARAM_BOOL, PARAM_OPTIONAL, &any },
				       { "timeout", PARAM_NUMBER, PARAM_OPTIONAL, &timeout } };
	auto_names struct names names = { 0 };

	if (!params_read(call, parameters, table, ARRAY_SIZE(table)))
		return;
	if (timeout < 0 && json_is_number(json_object_get(parameters, "timeout")))
		rpc_error_parameter(call, "timeout");
	else if (request_names(data, call, list, &names) && may_wait(data, call, &names))
		wait_for(data, call, &names, any == PARAM_TRUE, timeout);
}
