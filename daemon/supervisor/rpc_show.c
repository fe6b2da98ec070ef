/* rpc_show.c - methods that tell and change nothing */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctl/wire/jsonw.h"
#include "daemon/base/mem.h"
#include "daemon/base/proc.h"
#include "daemon/supervisor/access.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/logs.h"
#include "daemon/supervisor/params.h"
#include "daemon/supervisor/sync.h"
#include "daemon/supervisor/view.h"
#include "daemon/supervisor/why.h"

static bool may_read(const struct supervisor *s, struct rpc_call *call, const struct process *p)
{
	return access_to(s, rpc_peer(call), p) & CONF_READ;
}

/* ---- lists --------------------------------------------------------------------------------- */

static void add_unknown(struct buf *b, const struct names *names)
{
	if (!names->n_unknown)
		return;
	jsonw_open(b, "unknown", '[');
	for (size_t i = 0; i < names->n; i++)
		if (!names->items[i].process)
			jsonw_str(b, NULL, names->items[i].name);
	jsonw_close(b, ']');
}

static void reply_status(struct supervisor *s, struct rpc_call *call, const struct names *names)
{
	const struct view_now now = view_now();
	auto_buf struct buf b = { 0 };

	(void)buf_reserve(&b, names->n * 96 + 64);
	jsonw_open(&b, NULL, '{');
	jsonw_open(&b, "processes", '[');
	for (size_t i = 0; i < names->n; i++)
		if (names->items[i].process && may_read(s, call, names->items[i].process))
			view_status(&b, names->items[i].process, &now);
	jsonw_close(&b, ']');
	add_unknown(&b, names);
	jsonw_close(&b, '}');
	errors_reply_text(call, &b);
}

void method_status(void *data, struct rpc_call *call, json_t *parameters)
{
	json_t *list = NULL;
	const struct param table[] = { { "names", PARAM_STRINGS, PARAM_OPTIONAL, &list } };
	auto_names struct names names = { 0 };

	if (params_read(call, parameters, table, ARRAY_SIZE(table)) &&
	    request_names(data, call, list, &names))
		reply_status(data, call, &names);
}

static void reply_targets(struct rpc_call *call, const struct names *names)
{
	auto_buf struct buf b = { 0 };

	jsonw_open(&b, NULL, '{');
	jsonw_open(&b, "targets", '[');
	for (size_t i = 0; i < names->n; i++) {
		const struct process *p = names->items[i].process;

		if (!p)
			continue;
		jsonw_open(&b, NULL, '{');
		jsonw_str(&b, "name", process_name(p));
		jsonw_int(&b, "incarnation", (int64_t)p->incarnation);
		jsonw_close(&b, '}');
	}
	jsonw_close(&b, ']');
	add_unknown(&b, names);
	jsonw_close(&b, '}');
	errors_reply_text(call, &b);
}

void method_resolve(void *data, struct rpc_call *call, json_t *parameters)
{
	json_t *list = NULL;
	const struct param table[] = { { "names", PARAM_STRINGS, PARAM_REQUIRED, &list } };
	auto_names struct names names = { 0 };

	if (params_read(call, parameters, table, ARRAY_SIZE(table)) &&
	    request_names(data, call, list, &names))
		reply_targets(call, &names);
}

void method_tree(void *data, struct rpc_call *call, json_t *parameters)
{
	auto_names struct names names = { 0 };
	auto_buf struct buf b = { 0 };

	if (!params_read(call, parameters, NULL, 0) || !request_names(data, call, NULL, &names))
		return;
	jsonw_open(&b, NULL, '{');
	jsonw_open(&b, "nodes", '[');
	for (size_t i = 0; i < names.n; i++)
		if (may_read(data, call, names.items[i].process))
			view_node(&b, names.items[i].process);
	jsonw_close(&b, ']');
	jsonw_close(&b, '}');
	errors_reply_text(call, &b);
}

/* ---- one process ---------------------------------------------------------------------------- */

/* The process that the call names, if the peer may read it. */
static struct process *named_process(struct supervisor *s, struct rpc_call *call,
				     json_t *parameters)
{
	const char *name = NULL;
	const struct param table[] = { { "name", PARAM_STRING, PARAM_REQUIRED, &name } };

	if (!params_read(call, parameters, table, ARRAY_SIZE(table)))
		return NULL;
	return request_process(s, call, name, CONF_READ);
}

void method_poll(void *data, struct rpc_call *call, json_t *parameters)
{
	const struct process *p = named_process(data, call, parameters);
	json_t *reply;

	if (!p)
		return;
	reply = json_pack("{s:b}", "alive", process_state_is_up(p->state));
	if (!process_state_is_up(p->state) &&
	    (p->end.kind == PROCESS_ENDED || p->end.kind == PROCESS_LOST))
		json_object_set_new(reply, "end", view_end(process_name(p), &p->end));
	rpc_reply(call, reply);
}

/* Environments hold secrets: they are for those who could read them in /proc or in the file. */
static void show_when_written(void *data, struct rpc_call *call, json_t *parameters)
{
	const struct process *p = named_process(data, call, parameters);
	json_t *process, *lines;
	bool whole;

	if (!p)
		return;
	whole = access_to(data, rpc_peer(call), p) & CONF_ADMIN || access_owns(rpc_peer(call), p);
	process = view_process(p, whole);
	lines = logs_last_lines(p);
	if (lines)
		json_object_set_new(process, "last_lines", lines);
	rpc_reply(call, json_pack("{s:o}", "process", process));
}

static void show_when_stdout_is(void *data, struct rpc_call *call, json_t *parameters)
{
	struct process *p = named_process(data, call, parameters);

	if (p)
		sync_then(p, 2, call, parameters, show_when_written);
}

/* The last lines of one that has just ended are perhaps on their way to the logger. */
void method_show(void *data, struct rpc_call *call, json_t *parameters)
{
	struct process *p = named_process(data, call, parameters);

	if (p)
		sync_then(p, 1, call, parameters, show_when_stdout_is);
}

struct viewer {
	const struct supervisor *s;
	struct rpc_call *call;
};

static bool is_shown(void *data, const struct process *p)
{
	const struct viewer *v = data;

	return may_read(v->s, v->call, p);
}

void method_why(void *data, struct rpc_call *call, json_t *parameters)
{
	const struct process *p = named_process(data, call, parameters);
	struct viewer viewer = { data, call };

	if (p)
		rpc_reply(call, json_pack("{s:o}", "chain", why_chain(p, is_shown, &viewer)));
}

/* While p->pid is set the keeper leaves the process unreaped, so the PID is nobody else's. Another may have
 * reaped one that is adopted. */
static int open_pidfd(const struct process *p)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	struct proc_stat facts;

	if (pidfd < 0)
		return -errno;
	if (p->adopted && (proc_stat(p->pid, &facts) < 0 || facts.start_ticks != p->adopted_ticks))
		return -ESRCH;
	return take_fd(pidfd);
}

void method_open_process(void *data, struct rpc_call *call, json_t *parameters)
{
	const struct process *p = named_process(data, call, parameters);
	auto_close int pidfd = -1;

	if (!p)
		return;
	if (!p->pid) {
		errors_reply(call, "NotRunning", process_name(p), NULL);
		return;
	}
	pidfd = open_pidfd(p);
	if (pidfd == -ESRCH)
		errors_reply(call, "NotRunning", process_name(p), NULL);
	else if (pidfd < 0)
		errors_errno(call, -pidfd);
	else
		rpc_reply_fd(call,
			     json_pack("{s:i,s:I}", "pid", (int)p->pid, "incarnation",
				       (json_int_t)p->incarnation),
			     pidfd);
}
