/* front.h - what stands between the control socket and the processes
 *
 *   params.c      the parameters of a call, checked
 *   access.c      who may what
 *   names.c       which processes a NAME means
 *   view.c why.c  a process as JSON
 *   waiters.c     calls that are answered later
 *   events.c      streams of state changes
 *   logs.c follow.c  log files, and following them
 *   forget.c      ended processes that clients defined
 *   rpc_*.c       the methods themselves; rpc_methods.c has their table
 *
 * A method's handler gets the supervisor as data. */
#ifndef FOSTER_SUPERVISOR_FRONT_H
#define FOSTER_SUPERVISOR_FRONT_H

#include <jansson.h>

#include "daemon/supervisor/follow.h"
#include "daemon/supervisor/forget.h"
#include "daemon/supervisor/names.h"
#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/supervisor.h"

struct front {
	struct forget forget;
	struct follow follow;
};

/* The table, for the comparison with the interface's description. */
extern const struct rpc_method methods_table[];
extern const size_t methods_count;

/* ---- for methods (rpc_request.c): each answers the call when it returns NULL or false ---------- */

/* The process of a name, on which the peer has one of these rights. */
struct process *request_process(const struct supervisor *s, struct rpc_call *call, const char *name,
				unsigned rights);

/* What names mean; NULL: all. */
bool request_names(const struct supervisor *s, struct rpc_call *call, const json_t *names,
		   struct names *ret_names);

/* Whether the peer has this right for fosterd as a whole. */
bool request_global(const struct supervisor *s, struct rpc_call *call, unsigned right);

/* Whether new things are still begun. */
bool request_is_up(const struct supervisor *s, struct rpc_call *call);

struct process_asker request_asker(struct rpc_call *call);

/* An id that a client has chosen, as a number; never 0. */
uint64_t request_id(const char *id);

/* ---- methods ------------------------------------------------------------------------------- */

typedef void front_method(void *data, struct rpc_call *call, json_t *parameters);

/* rpc_show.c */
front_method method_status, method_resolve, method_poll, method_show, method_tree, method_why,
	method_open_process;

/* rpc_control.c */
front_method method_start, method_stop, method_terminate, method_kill, method_restart,
	method_signal, method_wait, method_forget;

/* rpc_define.c */
front_method method_define;

/* rpc_config.c */
front_method method_reread, method_update;

/* rpc_upgrade.c */
front_method method_upgrade;

/* logs.c, events.c */
front_method method_open_log, method_read_log, method_events;

#endif
