/* process.c - new, find, forget */
#include "daemon/supervisor/process.h"

#include <errno.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/hurry.h"
#include "daemon/supervisor/logs.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/returncode.h"
#include "daemon/supervisor/supervisor.h"

/* ---- slots -------------------------------------------------------------------------------------- */

static int grow_slots(struct supervisor *s, uint32_t need)
{
	uint32_t n = s->n_slots ? s->n_slots * 2 : 64;
	struct process **slots;

	while (n < need)
		n *= 2;
	slots = realloc(s->slots, n * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	memset(slots + s->n_slots, 0, (n - s->n_slots) * sizeof *slots);
	s->slots = slots;
	s->n_slots = n;
	return 0;
}

int process_take_slot(struct supervisor *s, uint32_t slot, struct process *p)
{
	if (slot >= s->n_slots && grow_slots(s, slot + 1) < 0)
		return -ENOMEM;
	s->slots[slot] = p;
	if (slot >= s->slots_used)
		s->slots_used = slot + 1;
	return 0;
}

int process_free_slot(const struct supervisor *s, uint32_t *ret_slot)
{
	uint32_t slot = s->slots_used;

	if (slot >= s->keeper.slots / 2) /* many have come and gone: look for a gap */
		for (slot = 0; slot < s->slots_used && s->slots[slot]; slot++)
			;
	if (slot >= s->keeper.slots)
		return -ENOSPC;
	*ret_slot = slot;
	return 0;
}

/* ---- new, free ---------------------------------------------------------------------------------- */

static struct process_client *new_client(void)
{
	struct process_client *c = calloc(1, sizeof *c);

	if (c)
		c->stdio[0] = c->stdio[1] = c->stdio[2] = c->directory_fd = -1;
	return c;
}

int process_set_parent(struct process *p, const char *name)
{
	char *copy = name ? strdup(name) : NULL;

	if (name && !copy)
		return -ENOMEM;
	free(p->parent_name);
	p->parent_name = copy;
	p->supervisor->any_parents |= name != NULL;
	return 0;
}

static void take_parent_of_definition(struct process *p)
{
	if (process_set_parent(p, p->def->program->parent) < 0)
		nomem_exit(process_name(p)); /* who forgets its parent would outlive it */
}

static struct process *new_process(struct supervisor *s, struct conf *conf,
				   const struct conf_process *def, enum process_origin origin)
{
	struct process *p = calloc(1, sizeof *p);

	if (p && origin == PROCESS_CLIENT)
		p->client = new_client();
	if (!p || (origin == PROCESS_CLIENT && !p->client)) {
		free(p);
		return NULL;
	}
	p->supervisor = s;
	p->conf = conf_ref(conf);
	p->def = def;
	p->origin = origin;
	p->clients = origin == PROCESS_CLIENT;
	p->daemon = def->program->daemon;
	process_init_timer(p);
	take_parent_of_definition(p);
	return p;
}

/* As new, in a slot that the keeper knows already. */
struct process *process_new_in_slot(struct supervisor *s, struct conf *conf,
				    const struct conf_process *def, enum process_origin origin,
				    uint32_t slot)
{
	struct process *p = new_process(s, conf, def, origin);

	if (!p || process_take_slot(s, slot, p) < 0) {
		if (p)
			process_discard(p);
		errno = ENOMEM;
		return NULL;
	}
	p->slot = slot;
	HASH_ADD_KEYPTR(by_name, s->processes, process_name(p), strlen(process_name(p)), p);
	return p;
}

void process_tell_name(struct process *p)
{
	struct link_head h = { .type = LINK_NAME, .slot = p->slot };
	struct link_note note = { 0 };
	struct link_part parts[] = { { &note, sizeof note },
				     { process_name(p), strlen(process_name(p)) + 1 } };

	process_note_write(p, &note);
	keeper_send(p->supervisor, &h, parts, 2, NULL, 0);
}

struct process *process_new(struct supervisor *s, struct conf *conf, const struct conf_process *def,
			    enum process_origin origin)
{
	struct process *p;
	uint32_t slot;
	int r = process_free_slot(s, &slot);

	if (r < 0) {
		errno = -r;
		return NULL;
	}
	p = process_new_in_slot(s, conf, def, origin, slot);
	if (p)
		process_tell_name(p);
	return p;
}

void process_close_given(struct process *p)
{
	if (!p->client)
		return;
	for (int i = 0; i < 3; i++)
		hurry_close(&p->client->stdio[i]);
	hurry_close(&p->client->directory_fd);
}

void process_discard(struct process *p)
{
	process_close_given(p);
	conf_unref(p->next_conf);
	conf_unref(p->conf);
	if (p->client)
		free(p->client->groups);
	free(p->client);
	free(p->parent_name);
	free(p->told_reason);
	free(p->reason);
	free(p);
}

void process_free(struct process *p)
{
	struct supervisor *s = p->supervisor;
	struct link_head h = { .type = LINK_FREE, .slot = p->slot };

	waiters_gone(p);
	session_detach(p);
	process_unqueue(p);
	forkserver_answered(p);
	process_forget_logs(p);
	process_order_is_over(p);
	keeper_send(s, &h, NULL, 0, NULL, 0);
	if (p->origin == PROCESS_CLIENT) {
		keeper_flush(s); /* before: a slot without its file is nobody's */
		spool_remove(s, process_name(p));
		logs_remove(p); /* who takes the name next may not read them */
	}
	s->slots[p->slot] = NULL;
	HASH_DELETE(by_name, s->processes, p);
	process_discard(p);
}

/* ---- find --------------------------------------------------------------------------------------- */

struct process *process_find(const struct supervisor *s, const char *full_name)
{
	struct process *p;

	HASH_FIND(by_name, s->processes, full_name, strlen(full_name), p);
	return p;
}

struct process *process_of_pid(const struct supervisor *s, pid_t pid)
{
	for (struct process *p = s->processes; p; p = p->by_name.next)
		if (p->pid == pid && pid > 0)
			return p;
	return NULL;
}

struct process *process_parent(const struct process *p)
{
	return p->parent_name ? process_find(p->supervisor, p->parent_name) : NULL;
}

bool process_dies_with_keeper(const struct process *p)
{
	for (int depth = 0; p->daemon && depth < 1000; depth++) {
		const struct process *parent = process_parent(p);

		if (!parent)
			return true;
		p = parent;
	}
	return false;
}

bool process_is_other_user(uid_t uid)
{
	return uid != 0 && uid != geteuid();
}

bool process_is_of_other(const struct process *p)
{
	return p->client && process_is_other_user(p->client->uid);
}

/* ---- definitions --------------------------------------------------------------------------------- */

void process_take_next(struct process *p)
{
	if (!p->next_def)
		return;
	if (!conf_process_same(p->def, p->next_def))
		process_forget_logs(p);
	HASH_DELETE(by_name, p->supervisor->processes, p);
	conf_unref(p->conf);
	p->conf = take_ptr(p->next_conf);
	p->def = p->next_def;
	p->next_def = NULL;
	p->daemon = p->def->program->daemon;
	take_parent_of_definition(p);
	HASH_ADD_KEYPTR(by_name, p->supervisor->processes, process_name(p), strlen(process_name(p)),
			p);
}

void process_redefine(struct process *p, struct conf *conf, const struct conf_process *def)
{
	struct conf *before = p->next_conf;

	p->next_conf = conf_ref(conf);
	p->next_def = def;
	conf_unref(before);
	if (!process_state_is_alive(p->state) || conf_process_same(p->def, def))
		process_take_next(p);
}

int process_returncode(const struct process_end *end)
{
	return returncode_of(end->status);
}

const char *process_reason(const struct process *p)
{
	return p->reason;
}
