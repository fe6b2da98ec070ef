#include "daemon/supervisor/why.h"

#include "ctl/wire/text.h"
#include "daemon/base/buf.h"
#include "daemon/base/clock.h"
#include "daemon/supervisor/supervisor.h"

#define DEPTH_MAX 64 /* parents of parents; configuration has no cycles, clients are refused them */

static void add(json_t *chain, const char *text)
{
	json_array_append_new(chain, text_str_to_json(text));
}

static void add_timer(json_t *chain, const struct process *p, const char *until)
{
	double left = p->deadline_ns ? clock_seconds(clock_boot_ns(), p->deadline_ns) : 0;
	auto_buf struct buf b = { 0 };

	buf_addf(&b, "%.3g s until %s", left > 0 ? left : 0., until);
	if (!buf_error(&b))
		add(chain, b.data);
}

static void add_starting(json_t *chain, const struct process *p)
{
	if (p->executed)
		add_timer(chain, p, "startsecs have passed");
	else if (p->server && p->server->state != PROCESS_RUNNING)
		add(chain, "its forkserver, which starts");
	else
		add(chain, "its exec");
}

static void add_stopping(json_t *chain, const struct process *p)
{
	if (p->cleaning)
		add(chain, "the end of what its main process left behind");
	else if (p->deadline_ns)
		add_timer(chain, p, "SIGKILL");
	else
		add(chain, "its end");
}

static void add_link(json_t *chain, const struct process *p)
{
	switch (p->state) {
	case PROCESS_BACKOFF:
		add_timer(chain, p, "its next start");
		break;
	case PROCESS_STARTING:
		add_starting(chain, p);
		break;
	case PROCESS_STOPPING:
		add_stopping(chain, p);
		break;
	case PROCESS_STOPPED:
	case PROCESS_EXITED:
	case PROCESS_FATAL:
		if (!p->want_up)
			add(chain, "a start, by a person");
		break;
	case PROCESS_RUNNING:
	case PROCESS_UNKNOWN:
	case PROCESS_STATE_MAX:
		break;
	}
}

json_t *why_chain(const struct process *p, bool (*shows)(void *data, const struct process *p),
		  void *data)
{
	json_t *chain = json_array();

	add(chain, process_name(p));
	for (int depth = 0; depth < DEPTH_MAX && p->wait_parent; depth++) {
		const struct process *parent = process_parent(p);

		if (!parent) {
			add(chain, p->parent_name ? p->parent_name : "its parent");
			return chain;
		}
		add(chain, shows(data, parent) ? process_name(parent) : "another process");
		if (!shows(data, parent))
			return chain;
		p = parent;
	}
	add_link(chain, p);
	return chain;
}
