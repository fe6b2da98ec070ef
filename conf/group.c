#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/sections.h"
#include "conf/setting.h"
#include "conf/text.h"
#include "conf/words.h"
#include "daemon/base/mem.h"

/* A group on its way. Those of [group:x] come first, then those of programs. */
struct group_work {
	const char *name; /* in the pool */
	int priority;
	const struct ini_section *section;
};

struct groups {
	struct group_work *items; /* malloc()ed */
	size_t n;
};

static const char *programs_of(struct build *b, const struct ini_section *s)
{
	const struct ini_value *v = ini_get(&b->ini, s, "programs");

	return v ? build_text(b, v, &b->global) : NULL;
}

static void unknown_program(struct build *b, const struct ini_section *s, const char *name)
{
	const struct ini_value *v = ini_get(&b->ini, s, "programs");
	auto_buf struct buf fcgi = { 0 };

	buf_addf(&fcgi, "fcgi-program:%s", name);
	if (buf_reserve(&fcgi, 0) < 0)
		b->err = -ENOMEM;
	else if (ini_section(&b->ini, fcgi.data))
		build_warn(b, v, "[%s] is not supported and was left out", fcgi.data);
	else
		build_error(b, v, "there is no [program:%s]", name);
}

/* Call each(…) for the programs that a group lists. */
static void each_member(struct build *b, const struct ini_section *s, const char *group,
			int priority,
			void (*each)(struct build *, struct program_work *, const char *, int))
{
	const char *text = programs_of(b, s);
	auto_buf struct buf names = { 0 };
	size_t n = 0;
	const char *name;

	if (!text)
		return;
	if (words_list(text, false, &names, &n) < 0) {
		b->err = -ENOMEM;
		return;
	}
	name = names.data;
	for (size_t i = 0; i < n; i++, name += strlen(name) + 1) {
		struct program_work *w = program_find(b, name);

		if (w)
			each(b, w, group, priority);
		else
			unknown_program(b, s, name);
	}
}

static void mark(struct build *b, struct program_work *w, const char *group, int priority)
{
	(void)b;
	(void)priority;
	if (!w->group)
		w->group = group;
}

/* A program that a group lists twice is in it once. */
static void add_once(struct build *b, struct program_work *w, const char *group, int priority)
{
	if (w->listed_in == group)
		return;
	w->listed_in = group;
	program_add_processes(b, w, group, priority);
}

void group_find_members(struct build *b)
{
	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		if (s->kind == SECTION_GROUP)
			each_member(b, s, pool_str(&b->pool, s->title), 0, mark);
}

static int priority_of(struct build *b, const struct ini_section *s)
{
	struct group_draft d = { 0 };
	const char *text;

	setting_defaults(b, SECTION_GROUP, false, &d);
	for (const struct ini_value *v = s->values; v; v = v->next) {
		if (!v->known)
			build_unknown_key(b, v);
		else if (v->known->type < KEY_USER && (text = build_text(b, v, &b->global)))
			setting_store(b, v->known, text, &d, v);
	}
	return d.priority;
}

static void add_group(struct groups *g, const char *name, int priority, const struct ini_section *s)
{
	g->items[g->n++] = (struct group_work){ .name = name, .priority = priority, .section = s };
}

static void add_section(struct build *b, const struct ini_section *s, struct groups *g)
{
	const char *name = pool_str(&b->pool, s->title);
	const char *problem = text_name_problem(name);
	int priority = priority_of(b, s);

	if (problem)
		build_section_error(b, s, "%s", problem);
	if (!ini_get(&b->ini, s, "programs") && b->dialect == CONF_FOSTER)
		build_section_error(b, s, "programs= is missing");
	add_group(g, name, priority, s);
	each_member(b, s, name, priority, add_once);
}

static int compare_groups(const void *a, const void *b)
{
	const struct group_work *g = a, *h = b;

	if (g->priority != h->priority)
		return g->priority < h->priority ? -1 : 1;
	return strcmp(g->name, h->name);
}

static int compare_processes(const void *a, const void *b)
{
	const struct process_work *p = *(struct process_work *const *)a;
	const struct process_work *q = *(struct process_work *const *)b;
	int by_group;

	if (p->group_priority != q->group_priority)
		return p->group_priority < q->group_priority ? -1 : 1;
	by_group = strcmp(p->process.group, q->process.group);
	if (by_group)
		return by_group;
	if (p->process.program->priority != q->process.program->priority)
		return p->process.program->priority < q->process.program->priority ? -1 : 1;
	return p->number < q->number ? -1 : 1;
}

/* conf->processes, in start order. */
static void place_processes(struct build *b)
{
	size_t n = b->n_processes;
	auto_free struct process_work **order = reallocarray(NULL, n + 1, sizeof(void *));
	struct conf_process *all = build_alloc(b, n, sizeof *all);

	if (!order || !all) {
		b->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = &b->processes[i];
	qsort(order, n, sizeof(void *), compare_processes);
	for (size_t i = 0; i < n; i++)
		all[i] = order[i]->process;
	b->conf->processes = all;
	b->conf->n_processes = n;
}

/* conf->groups, whose processes lie side by side in conf->processes. */
static void place_groups(struct build *b, struct groups *g)
{
	struct conf *c = b->conf;
	const struct conf_process **members = build_alloc(b, c->n_processes, sizeof(void *));
	struct conf_group *all = build_alloc(b, g->n, sizeof *all);
	size_t next = 0;

	if (!members || !all)
		return;
	qsort(g->items, g->n, sizeof *g->items, compare_groups);
	for (size_t i = 0; i < c->n_processes; i++)
		members[i] = &c->processes[i];
	for (size_t i = 0; i < g->n; i++) {
		const struct group_work *w = &g->items[i];
		size_t first = next;

		while (next < c->n_processes && c->processes[next].group == w->name)
			next++;
		all[i] = (struct conf_group){ .name = w->name,
					      .priority = w->priority,
					      .n_processes = next - first,
					      .processes = members + first };
	}
	c->groups = all;
	c->n_groups = g->n;
}

static void add_programs(struct build *b, struct groups *g)
{
	for (size_t i = 0; i < b->n_programs; i++) {
		struct program_work *w = &b->programs[i];

		if (w->group)
			continue;
		add_group(g, w->program->name, w->program->priority, w->section);
		program_add_processes(b, w, w->program->name, w->program->priority);
	}
}

void group_build(struct build *b)
{
	struct groups g = { 0 };
	size_t n = b->n_programs;

	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		n += s->kind == SECTION_GROUP;
	g.items = reallocarray(NULL, n + 1, sizeof *g.items);
	if (!g.items) {
		b->err = -ENOMEM;
		return;
	}
	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		if (s->kind == SECTION_GROUP)
			add_section(b, s, &g);
	add_programs(b, &g);
	place_processes(b);
	if (!b->err)
		place_groups(b, &g);
	free(g.items);
}
