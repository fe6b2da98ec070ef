/* rpc_methods.c - the table of methods, and those that concern fosterd as a whole */
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/supervisor/access.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/params.h"
#include "daemon/supervisor/rpc_interface.h"
#include "daemon/supervisor/waiters.h"

#define FLUSH_MS 200 /* for clients that are about to read their last reply */

static void method_ping(void *data, struct rpc_call *call, json_t *parameters)
{
	const struct supervisor *s = data;
	json_t *reply;

	if (!params_read(call, parameters, NULL, 0))
		return;
	reply = json_pack("{s:s,s:i,s:i}", "version", FOSTER_VERSION, "keeper",
			  (int)s->keeper.keeper_pid, "supervisor", (int)getpid());
	if (s->conf->main.identifier)
		json_object_set_new(reply, "identifier", json_string(s->conf->main.identifier));
	if (s->logger_pid)
		json_object_set_new(reply, "logger", json_integer(s->logger_pid));
	rpc_reply(call, reply);
}

static void method_shutdown(void *data, struct rpc_call *call, json_t *parameters)
{
	struct supervisor *s = data;

	if (!params_read(call, parameters, NULL, 0) || !request_global(s, call, CONF_ADMIN))
		return;
	if (s->phase == SUPERVISOR_UP)
		supervisor_leave(s, 0);
	rpc_reply(call, NULL);
}

/* Rights that let the peer call at all; the handlers ask about each process. Who may only run has
 * rights on what he runs; who may only read a process is told so by its name. */
#define READ ((unsigned)(CONF_READ | CONF_RUN | CONF_ADMIN))
#define NAME ((unsigned)(CONF_READ | CONF_CONTROL | CONF_RUN | CONF_ADMIN))
#define RUN ((unsigned)(CONF_RUN | CONF_ADMIN))
#define ADMIN ((unsigned)CONF_ADMIN)

const struct rpc_method methods_table[] = {
	{ ERRORS_PREFIX "Ping", 0, method_ping },
	{ ERRORS_PREFIX "Status", READ, method_status },
	{ ERRORS_PREFIX "Resolve", NAME, method_resolve },
	{ ERRORS_PREFIX "Start", NAME, method_start },
	{ ERRORS_PREFIX "Define", RUN, method_define },
	{ ERRORS_PREFIX "Stop", NAME, method_stop },
	{ ERRORS_PREFIX "Terminate", NAME, method_terminate },
	{ ERRORS_PREFIX "Kill", NAME, method_kill },
	{ ERRORS_PREFIX "Restart", NAME, method_restart },
	{ ERRORS_PREFIX "Signal", NAME, method_signal },
	{ ERRORS_PREFIX "Poll", READ, method_poll },
	{ ERRORS_PREFIX "Wait", READ, method_wait },
	{ ERRORS_PREFIX "Show", READ, method_show },
	{ ERRORS_PREFIX "Tree", READ, method_tree },
	{ ERRORS_PREFIX "Why", READ, method_why },
	{ ERRORS_PREFIX "Forget", NAME, method_forget },
	{ ERRORS_PREFIX "OpenLog", READ, method_open_log },
	{ ERRORS_PREFIX "ReadLog", READ, method_read_log },
	{ ERRORS_PREFIX "Events", READ, method_events },
	{ ERRORS_PREFIX "OpenProcess", READ, method_open_process },
	{ ERRORS_PREFIX "Reread", ADMIN, method_reread },
	{ ERRORS_PREFIX "Update", ADMIN, method_update },
	{ ERRORS_PREFIX "Shutdown", ADMIN, method_shutdown },
	{ ERRORS_PREFIX "Upgrade", ADMIN, method_upgrade },
};
const size_t methods_count = ARRAY_SIZE(methods_table);

static unsigned rights(void *data, const struct rpc_peer *peer)
{
	return access_any(data, peer);
}

static uint64_t asked(void *data)
{
	return keeper_asked(data);
}

static uint64_t gone(void *data)
{
	return keeper_gone(data);
}

int methods_start(struct supervisor *s)
{
	const struct rpc_config config = {
		.loop = s->loop,
		.listen_fd = s->listen_fd,
		.methods = methods_table,
		.n_methods = methods_count,
		.interface = rpc_interface_text,
		.rights = rights,
		.data = s,
		.asked = asked,
		.gone = gone,
	};

	s->front = calloc(1, sizeof *s->front);
	if (!s->front)
		return -ENOMEM;
	forget_init(&s->front->forget, s);
	follow_init(&s->front->follow, s);
	return rpc_server_new(&config, &s->rpc);
}

void methods_stop(struct supervisor *s)
{
	if (!s->front)
		return;
	waiters_end(s);
	rpc_server_flush(s->rpc, FLUSH_MS);
	rpc_server_free(s->rpc); /* calls that are kept end themselves */
	s->rpc = NULL;
	follow_done(&s->front->follow);
	forget_done(&s->front->forget);
	free(s->front);
	s->front = NULL;
}
