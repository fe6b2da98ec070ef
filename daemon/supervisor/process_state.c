#include "daemon/supervisor/process_state.h"

#include <assert.h>

#include "daemon/base/mem.h"

#define GO(state, action)                                                       \
	{                                                                       \
		.set = true, .to = PROCESS_##state, .act = PROCESS_ACT_##action \
	}

/* clang-format off */
static const struct process_move moves[PROCESS_STATE_MAX][PROCESS_EV_MAX] = {
	[PROCESS_STOPPED] = {
		[PROCESS_EV_START]   = GO(STARTING, SPAWN),
	},
	[PROCESS_STARTING] = {
		[PROCESS_EV_UP]      = GO(RUNNING, NONE),
		[PROCESS_EV_EXIT]    = GO(EXITED, NONE),
		[PROCESS_EV_RETRY]   = GO(BACKOFF, NONE),
		[PROCESS_EV_GIVE_UP] = GO(FATAL, NONE),
		[PROCESS_EV_STOP]    = GO(STOPPING, TERM),
		[PROCESS_EV_KILL]    = GO(STOPPING, KILL),
		[PROCESS_EV_BAFFLED] = GO(UNKNOWN, NONE),
	},
	[PROCESS_RUNNING] = {
		[PROCESS_EV_EXIT]    = GO(EXITED, NONE),
		[PROCESS_EV_RETRY]   = GO(BACKOFF, NONE),
		[PROCESS_EV_GIVE_UP] = GO(FATAL, NONE),
		[PROCESS_EV_STOP]    = GO(STOPPING, TERM),
		[PROCESS_EV_KILL]    = GO(STOPPING, KILL),
		[PROCESS_EV_BAFFLED] = GO(UNKNOWN, NONE),
	},
	[PROCESS_BACKOFF] = {
		[PROCESS_EV_START]   = GO(STARTING, SPAWN),
		[PROCESS_EV_STOP]    = GO(STOPPED, NONE),
		[PROCESS_EV_KILL]    = GO(STOPPED, NONE),
	},
	[PROCESS_STOPPING] = {
		[PROCESS_EV_EXIT]    = GO(STOPPING, CLEAN),
		[PROCESS_EV_GIVE_UP] = GO(STOPPING, CLEAN),
		[PROCESS_EV_KILL]    = GO(STOPPING, KILL),
		[PROCESS_EV_TIMEOUT] = GO(STOPPING, KILL),
		[PROCESS_EV_GONE]    = GO(STOPPED, NONE),
		[PROCESS_EV_BAFFLED] = GO(UNKNOWN, NONE),
	},
	[PROCESS_EXITED] = {
		[PROCESS_EV_START]   = GO(STARTING, SPAWN),
		[PROCESS_EV_STOP]    = GO(STOPPED, NONE),
		[PROCESS_EV_KILL]    = GO(STOPPED, NONE),
	},
	[PROCESS_FATAL] = {
		[PROCESS_EV_START]   = GO(STARTING, SPAWN),
	},
	[PROCESS_UNKNOWN] = {
		[PROCESS_EV_START]   = GO(STARTING, SPAWN),
		[PROCESS_EV_EXIT]    = GO(EXITED, NONE),
	},
};
/* clang-format on */

const struct process_move *process_move(enum process_state from, enum process_event ev)
{
	return &moves[from][ev];
}

const char *process_state_name(enum process_state s)
{
	static const char *const names[] = {
		[PROCESS_STOPPED] = "STOPPED",	 [PROCESS_STARTING] = "STARTING",
		[PROCESS_RUNNING] = "RUNNING",	 [PROCESS_BACKOFF] = "BACKOFF",
		[PROCESS_STOPPING] = "STOPPING", [PROCESS_EXITED] = "EXITED",
		[PROCESS_FATAL] = "FATAL",	 [PROCESS_UNKNOWN] = "UNKNOWN",
	};

	static_assert(ARRAY_SIZE(names) == PROCESS_STATE_MAX, "every state has a name");
	return names[s];
}

const char *process_event_name(enum process_event ev)
{
	static const char *const names[] = {
		[PROCESS_EV_START] = "START",	  [PROCESS_EV_UP] = "UP",
		[PROCESS_EV_EXIT] = "EXIT",	  [PROCESS_EV_RETRY] = "RETRY",
		[PROCESS_EV_GIVE_UP] = "GIVE_UP", [PROCESS_EV_STOP] = "STOP",
		[PROCESS_EV_KILL] = "KILL",	  [PROCESS_EV_TIMEOUT] = "TIMEOUT",
		[PROCESS_EV_GONE] = "GONE",	  [PROCESS_EV_BAFFLED] = "BAFFLED",
	};

	static_assert(ARRAY_SIZE(names) == PROCESS_EV_MAX, "every event has a name");
	return names[ev];
}

bool process_state_is_alive(enum process_state s)
{
	return s == PROCESS_STARTING || s == PROCESS_RUNNING || s == PROCESS_STOPPING;
}

bool process_state_is_up(enum process_state s)
{
	return process_state_is_alive(s) || s == PROCESS_BACKOFF;
}
