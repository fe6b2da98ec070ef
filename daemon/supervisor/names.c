#include "daemon/supervisor/names.h"

#include <fnmatch.h>

#include "daemon/base/mem.h"
#include "daemon/supervisor/access.h"

/* A name that no process can have, or longer than any pattern needs to be. */
#define NAME_BYTES_MAX ((size_t)2 * CONF_NAME_MAX)

struct search {
	const struct supervisor *s;
	const struct rpc_peer *peer;
	struct names *names;
	uint8_t *seen; /* a bit for each slot */
	unsigned patterns;
	uint64_t work;
	bool matched; /* the last scan found something, seen before or not */
	int err;
};

static bool is_pattern(const char *name)
{
	return strcmp(name, "all") == 0 || strpbrk(name, "*?[");
}

/* ---- one name ------------------------------------------------------------------------------ */

static bool means_group_member(const struct process *p, const char *name)
{
	const char *group = p->def->group, *colon = strchr(name, ':');

	return colon && (size_t)(colon - name) == strlen(group) &&
	       memcmp(name, group, strlen(group)) == 0 && strcmp(colon + 1, p->def->name) == 0;
}

static bool means_group(const struct process *p, const char *name)
{
	size_t len = strlen(p->def->group);

	return strncmp(name, p->def->group, len) == 0 && strcmp(name + len, ":*") == 0;
}

bool names_match(const struct process *p, const char *name)
{
	if (p->origin == PROCESS_SERVER || strlen(name) > NAME_BYTES_MAX)
		return false;
	if (strcmp(name, "all") == 0)
		return p->origin == PROCESS_FILE;
	if (strcmp(name, process_name(p)) == 0 || means_group_member(p, name))
		return true;
	return is_pattern(name) && (means_group(p, name) || fnmatch(name, process_name(p), 0) == 0);
}

static bool is_seen_by(const struct supervisor *s, const struct rpc_peer *peer,
		       const struct process *p)
{
	return p && p->origin != PROCESS_SERVER && access_sees(s, peer, p);
}

struct process *names_find(const struct supervisor *s, const struct rpc_peer *peer,
			   const char *name)
{
	struct process *p = process_find(s, name);
	const char *colon = strchr(name, ':');

	if (!p && colon) { /* the group's name left out, as it is the process's own */
		p = process_find(s, colon + 1);
		if (p && !means_group_member(p, name))
			p = NULL;
	}
	return is_seen_by(s, peer, p) ? p : NULL;
}

/* ---- many ---------------------------------------------------------------------------------- */

static void add(struct search *q, const char *name, struct process *p)
{
	struct names *names = q->names;

	if (p && q->seen[p->slot / 8] & 1U << p->slot % 8)
		return;
	if (names->n == names->capacity) {
		size_t capacity = names->capacity ? names->capacity * 2 : 16;
		struct names_item *items = realloc(names->items, capacity * sizeof *items);

		if (!items) {
			q->err = -ENOMEM;
			return;
		}
		names->items = items;
		names->capacity = capacity;
	}
	names->items[names->n++] = (struct names_item){ name, p };
	if (p)
		q->seen[p->slot / 8] |= (uint8_t)(1U << p->slot % 8);
	else
		names->n_unknown++;
}

static bool may_go_on(struct search *q, const char *name, const struct process *p)
{
	q->work += strlen(name) * strlen(process_name(p));
	if (q->work > NAMES_WORK_MAX && !q->err)
		q->err = -E2BIG;
	return !q->err;
}

static void add_matching(struct search *q, const char *name, struct process *p)
{
	if (!is_seen_by(q->s, q->peer, p))
		return;
	if (name && (!may_go_on(q, name, p) || !names_match(p, name)))
		return;
	q->matched = true;
	add(q, process_name(p), p);
}

/* Those that are configured in their order; then all others in theirs. name NULL: every one. */
static void scan(struct search *q, const char *name)
{
	const struct conf *c = q->s->conf;

	for (size_t i = 0; i < c->n_processes; i++)
		add_matching(q, name, process_find(q->s, c->processes[i].full_name));
	for (struct process *p = q->s->processes; p; p = p->by_name.next)
		if (p->origin != PROCESS_FILE || p->removed)
			add_matching(q, name, p);
}

static void resolve(struct search *q, const char *name)
{
	struct process *p = names_find(q->s, q->peer, name);

	if (p) {
		add(q, process_name(p), p);
		return;
	}
	if (!is_pattern(name)) {
		add(q, name, NULL);
		return;
	}
	if (++q->patterns > NAMES_PATTERNS_MAX) {
		q->err = -E2BIG;
		return;
	}
	q->matched = false;
	scan(q, name);
	if (!q->matched && strcmp(name, "all") != 0)
		add(q, name, NULL);
}

int names_resolve(const struct supervisor *s, const struct rpc_peer *peer, const json_t *names,
		  struct names *ret_names)
{
	auto_names struct names found = { 0 };
	auto_free uint8_t *seen = calloc(s->n_slots / 8 + 1, 1);
	struct search q = { .s = s, .peer = peer, .names = &found, .seen = seen };
	const json_t *name;
	size_t i;

	if (!seen)
		return -ENOMEM;
	if (json_array_size(names) > NAMES_MAX)
		return -E2BIG;
	if (!names)
		scan(&q, NULL);
	json_array_foreach(names, i, name)
	{
		if (q.err)
			break;
		resolve(&q, json_string_value(name));
	}
	if (q.err)
		return q.err;
	*ret_names = found;
	found = (struct names){ 0 };
	return 0;
}

void names_done(struct names *names)
{
	free(names->items);
	*names = (struct names){ 0 };
}
