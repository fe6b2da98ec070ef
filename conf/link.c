#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/sections.h"
#include "conf/suggest.h"

/* p and q have the same full name; q comes later. */
static void report_twins(struct build *b, const struct conf_process *p,
			 const struct conf_process *q)
{
	const struct program_work *w = &b->programs[q->program - b->conf->programs];
	const struct ini_value *name = ini_get(&b->ini, w->section, "process_name");

	if (p->program != q->program)
		build_section_error(b, w->section,
				    "its process '%s' has the name of one of [program:%s]",
				    q->full_name, p->program->name);
	else if (name && strstr(name->text, "%(process_num)")) /* else that was reported */
		build_error(b, name, "two processes are named '%s'", q->full_name);
}

/* The groups of programs that are in none have the programs' names. */
static void check_names(struct build *b)
{
	const struct conf *c = b->conf;

	for (size_t i = 1; i < c->n_processes; i++) {
		const struct conf_process *p = &c->processes[c->processes_by_name[i - 1]];
		const struct conf_process *q = &c->processes[c->processes_by_name[i]];

		if (strcmp(p->full_name, q->full_name) == 0)
			report_twins(b, p, q);
	}
	for (size_t i = 1; i < c->n_groups; i++) {
		const struct conf_group *g = &c->groups[c->groups_by_name[i - 1]];
		const struct conf_group *h = &c->groups[c->groups_by_name[i]];
		const struct program_work *w = program_find(b, g->name);

		if (g->name == h->name && w)
			build_section_error(b, w->section,
					    "[group:%s] has the name of this program, which is not "
					    "one of its own",
					    g->name);
	}
}

static const struct conf_process *find_or_report(struct build *b, const struct ini_value *v,
						 const char *name)
{
	const struct conf_process *p = conf_find_process(b->conf, name);
	struct suggest s = { .word = name };
	const char *near;

	if (p)
		return p;
	for (size_t i = 0; i < b->conf->n_processes; i++)
		suggest_offer(&s, b->conf->processes[i].full_name);
	near = suggest_best(&s);
	if (near)
		build_error(b, v, "there is no process '%s' (did you mean '%s'?)", name, near);
	else
		build_error(b, v, "there is no process '%s'", name);
	return NULL;
}

/* Index of the program whose process is the parent of program i's; i itself when it has none. */
static size_t parent_of(const struct build *b, size_t i)
{
	const char *name = b->programs[i].program->parent;
	const struct conf_process *p = name ? conf_find_process(b->conf, name) : NULL;

	return p ? (size_t)(p->program - b->conf->programs) : i;
}

static void spell_cycle(struct build *b, const size_t *parents, size_t first)
{
	auto_buf struct buf text = { 0 };
	size_t i = first;

	do {
		buf_addf(&text, "%s → ", b->programs[i].program->name);
		i = parents[i];
	} while (i != first);
	buf_add_str(&text, b->programs[first].program->name);
	if (buf_reserve(&text, 0) < 0)
		b->err = -ENOMEM;
	else
		build_error(b, ini_get(&b->ini, b->programs[first].section, "parent"),
			    "a cycle: %s", text.data);
}

/* Walk up from each program; who meets this walk's own mark has closed a cycle, who meets an older
 * one has come where somebody was before. */
static void check_cycles(struct build *b)
{
	size_t n = b->n_programs;
	size_t *parents = arena_alloc(&b->ini.arena, (n + 1) * sizeof *parents);
	size_t *marks = arena_alloc(&b->ini.arena, (n + 1) * sizeof *marks);

	if (!parents || !marks) {
		b->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++)
		parents[i] = parent_of(b, i);
	for (size_t start = 0; start < n; start++) {
		size_t i = start;

		while (!marks[i]) {
			marks[i] = start + 1;
			i = parents[i];
		}
		if (marks[i] == start + 1 && (parents[i] != i || b->programs[i].program->parent))
			spell_cycle(b, parents, i);
	}
}

void link_check(struct build *b)
{
	const struct conf_main *m = &b->conf->main;

	check_names(b);
	for (size_t i = 0; i < b->n_programs; i++) {
		const struct program_work *w = &b->programs[i];

		if (w->program->parent &&
		    !find_or_report(b, ini_get(&b->ini, w->section, "parent"), w->program->parent))
			w->program->parent = NULL; /* no cycle through it */
	}
	check_cycles(b);
	for (const struct ini_section *s = b->ini.sections; s && m->exit_on; s = s->next)
		if (s->kind == SECTION_MAIN && ini_get(&b->ini, s, "exit_on"))
			find_or_report(b, ini_get(&b->ini, s, "exit_on"), m->exit_on);
}
