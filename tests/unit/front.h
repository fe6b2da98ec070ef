/* front.h - a supervisor for tests, without keeper, loop or socket: processes of a configuration text */
#ifndef FOSTER_TESTS_FRONT_H
#define FOSTER_TESTS_FRONT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/supervisor.h"

static const struct rpc_peer front_root = { .uid = 0 };

static inline struct process *front_add(struct supervisor *s, struct conf *conf,
					const struct conf_process *def, enum process_origin origin)
{
	struct process *p = calloc(1, sizeof *p);

	assert_non_null(p);
	p->supervisor = s;
	p->conf = conf_ref(conf);
	p->def = def;
	p->origin = origin;
	p->slot = s->slots_used++;
	s->slots = realloc(s->slots, s->slots_used * sizeof(struct process *));
	assert_non_null(s->slots);
	s->slots[p->slot] = p;
	s->n_slots = s->slots_used;
	HASH_ADD_KEYPTR(by_name, s->processes, process_name(p), strlen(process_name(p)), p);
	return p;
}

/* Every process of text is there, last one first: order must come from the configuration. */
static inline struct supervisor *front_new(const char *text)
{
	struct supervisor *s = calloc(1, sizeof *s);
	struct conf_sources *sources = NULL;
	struct conf_diag diag = { 0 };
	const char *const none[] = { NULL };

	assert_non_null(s);
	assert_return_code(conf_sources_of("test.ini", text, strlen(text), &sources), 0);
	assert_int_equal(conf_parse(sources, none, &s->conf, &diag), 0);
	conf_sources_free(sources);
	conf_diag_done(&diag);
	s->runtime_dir = strdup("/run/test");
	for (size_t i = s->conf->n_processes; i-- > 0;)
		front_add(s, s->conf, &s->conf->processes[i], PROCESS_FILE);
	return s;
}

/* A process that the client uid has defined. */
static inline struct process *front_define(struct supervisor *s, const char *name, uid_t uid)
{
	const char *const argv[] = { "sleep", "1000", NULL };
	const struct conf_definition d = { .name = name, .argv = argv };
	struct conf_diag diag = { 0 };
	struct conf *conf = NULL;
	struct process *p;

	assert_int_equal(conf_define(s->conf, &d, &conf, &diag), 0);
	conf_diag_done(&diag);
	p = front_add(s, conf, &conf->processes[0], PROCESS_CLIENT);
	conf_unref(conf);
	p->client = calloc(1, sizeof *p->client);
	assert_non_null(p->client);
	*p->client =
		(struct process_client){ .uid = uid, .stdio = { -1, -1, -1 }, .directory_fd = -1 };
	return p;
}

static inline void front_state(struct process *p, enum process_state state, pid_t pid)
{
	*(enum process_state *)&p->state = state;
	p->pid = pid;
}

static inline void front_free(struct supervisor *s)
{
	HASH_CLEAR(by_name, s->processes);
	for (uint32_t i = 0; i < s->slots_used; i++) {
		struct process *p = s->slots[i];

		conf_unref(p->conf);
		free((char *)p->parent_name);
		free(p->reason);
		free(p->client);
		free(p);
	}
	conf_unref(s->conf);
	free(s->slots);
	free(s->runtime_dir);
	free(s);
}

#endif
