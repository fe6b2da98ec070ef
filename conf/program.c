#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/place.h"
#include "conf/sections.h"
#include "conf/setting.h"

#define FIFO_PREFIX "fifo:"

void program_defaults(struct build *b)
{
	struct conf_program *p = &b->program_defaults.program;

	p->uid = (uid_t)-1;
	p->gid = (gid_t)-1;
	p->umask = -1;
	p->stdin_pipe = b->dialect == CONF_SUPERVISORD;
	p->own_session = b->dialect == CONF_FOSTER;
	setting_defaults(b, SECTION_PROGRAM, false, &b->program_defaults);
	setting_defaults(b, SECTION_PROGRAM, true, &b->process_defaults);
}

static void store_entry(struct build *b, const struct ini_value *v, const char *text,
			struct conf_program *p)
{
	const char *colon = strrchr(text, ':');

	if (!colon || colon == text || colon[1] == '\0')
		build_error(b, v, "'%s' is not valid (expected module:function or PATH.so:symbol)",
			    text);
	else
		p->entry = pool_str(&b->pool, text);
}

static void store_stdin(struct build *b, const struct ini_value *v, const char *text,
			struct conf_program *p)
{
	if (strncmp(text, FIFO_PREFIX, strlen(FIFO_PREFIX)) == 0) {
		build_error(b, v, "named pipes are not supported yet");
		return;
	}
	if (*text == '\0') {
		build_error(b, v, "a path is missing");
		return;
	}
	p->stdin_pipe = false;
	p->stdin_path = strcmp(text, "/dev/null") == 0 ? NULL : place_path(b, text);
}

static void store_program(struct build *b, const struct ini_value *v, const char *text,
			  struct program_draft *d)
{
	struct conf_program *p = &d->program;

	if (v->known->type < KEY_USER)
		setting_store(b, v->known, text, d, v);
	else if (v->known->type == KEY_USER)
		setting_user(b, v, text, &p->user, &p->uid, &p->gid, &p->home, &p->shell);
	else if (strcmp(v->key, "start_method") == 0)
		setting_method(b, v, text, &p->method, &p->forkserver);
	else if (strcmp(v->key, "entry") == 0)
		store_entry(b, v, text, p);
	else if (strcmp(v->key, "stdin") == 0)
		store_stdin(b, v, text, p);
	if (v->known->flags & KEY_RESTART)
		p->restart.native = true;
}

static void check_groups(struct build *b, const struct ini_section *s, struct conf_program *p)
{
	const struct ini_value *kill = ini_get(&b->ini, s, "killasgroup");

	if (!kill)
		p->killasgroup = p->stopasgroup;
	if (p->stopasgroup && !p->killasgroup)
		build_error(b, kill, "false does not go with stopasgroup=true");
	if (b->dialect == CONF_SUPERVISORD && !ini_get(&b->ini, s, "kill_scope"))
		p->kill_scope = p->killasgroup ? CONF_GROUP : CONF_PROCESS;
}

/* What a program runs: command= (or a client's argument list), or entry= in a forkserver. */
static void check_what_runs(struct build *b, const struct ini_section *s,
			    const struct conf_program *p)
{
	const struct ini_value *command = ini_get(&b->ini, s, "command");
	const struct ini_value *entry = ini_get(&b->ini, s, "entry");
	const struct ini_value *args = ini_get(&b->ini, s, "args");

	if (!command && !entry)
		build_section_error(b, s, "command= (or entry= with a forkserver) is missing");
	if (command && entry)
		build_error(b, entry, "does not go with command=: one of them is what runs");
	if (entry && p->method != CONF_FORKSERVER)
		build_error(b, entry, "needs start_method=forkserver or forkserver:NAME");
	if (args && !entry)
		build_error(b, args, "is for entry=: put the arguments of a command into command=");
}

static void check_numbers(struct build *b, const struct ini_section *s,
			  const struct program_draft *d)
{
	const struct ini_value *name = ini_get(&b->ini, s, "process_name");

	if (d->numprocs <= 1)
		return;
	if (d->numprocs > CONF_NUMPROCS_MAX)
		build_error(b, ini_get(&b->ini, s, "numprocs"), "%u is too many (%u at most)",
			    d->numprocs, CONF_NUMPROCS_MAX);
	else if (!name)
		build_section_error(b, s, "numprocs=%u needs a process_name with %%(process_num)d",
				    d->numprocs);
	else if (!strstr(name->text, "%(process_num)"))
		build_error(b, name, "must contain %%(process_num)d because numprocs is %u",
			    d->numprocs);
}

/* A cap that nobody has written does not make a written delay shorter. */
static void check_restart(struct build *b, const struct ini_section *s, struct conf_restart *r)
{
	const struct ini_value *max = ini_get(&b->ini, s, "restart_delay_max");

	if (!max && r->delay_max < r->delay)
		r->delay_max = r->delay;
	else if (r->delay_max < r->delay)
		build_error(b, max, "is less than restart_delay");
}

void program_build(struct build *b, struct program_work *w)
{
	const struct ini_section *s = w->section;
	struct program_draft d = b->program_defaults;
	const char *name = w->program->name;
	const struct expand_name names[] = {
		{ .name = "program_name", .text = name },
		{ .name = "group_name", .text = w->group ? w->group : name },
	};
	const struct expand_scope scope = { .outer = &b->global, .names = names, .n_names = 2 };

	d.program.name = name;
	d.program.file = w->program->file;
	d.program.line = s->line;
	d.program.method = b->conf->main.method;
	d.program.forkserver = b->conf->main.forkserver;
	for (const struct ini_value *v = s->values; v; v = v->next) {
		const char *text;

		if (!v->known)
			build_unknown_key(b, v);
		else if (!(v->known->flags & KEY_EACH) && v->known->type != KEY_IGNORED &&
			 (text = build_text(b, v, &scope)))
			store_program(b, v, text, &d);
	}
	check_groups(b, s, &d.program);
	check_what_runs(b, s, &d.program);
	check_numbers(b, s, &d);
	check_restart(b, s, &d.program.restart);
	*w->program = d.program;
	w->numprocs = d.numprocs <= CONF_NUMPROCS_MAX ? d.numprocs : 0;
	w->numprocs_start = d.numprocs_start;
}

static bool same_name(const void *item, const void *name)
{
	return strcmp(((const struct program_work *)item)->program->name, name) == 0;
}

struct program_work *program_find(struct build *b, const char *name)
{
	return set_find(&b->programs_by_name, set_hash(name, strlen(name), SET_SEED), same_name,
			name);
}

void program_list(struct build *b)
{
	struct conf_program *programs;
	size_t n = 0, i = 0;

	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		n += s->kind == SECTION_PROGRAM;
	programs = build_alloc(b, n, sizeof *programs);
	b->programs = arena_alloc(&b->ini.arena, (n + 1) * sizeof *b->programs);
	if (!programs || !b->programs) {
		b->err = -ENOMEM;
		return;
	}
	for (const struct ini_section *s = b->ini.sections; s; s = s->next) {
		struct diag_where w = build_where_section(b, s);
		struct program_work *work = &b->programs[i];

		if (s->kind != SECTION_PROGRAM)
			continue;
		*work = (struct program_work){ .section = s, .program = &programs[i] };
		programs[i].name = pool_str(&b->pool, s->title);
		programs[i].file = w.file ? pool_str(&b->pool, w.file) : NULL;
		i++;
		if (set_add(&b->programs_by_name, set_hash(s->title, strlen(s->title), SET_SEED),
			    work) < 0)
			b->err = -ENOMEM;
	}
	b->n_programs = b->conf->n_programs = n;
	b->conf->programs = programs;
}
