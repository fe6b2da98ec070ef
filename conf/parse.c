/* Sources to a struct conf: reads all lines, decides the dialect, and lets the builders of the
 * sections do the rest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/find.h"
#include "conf/lines.h"
#include "conf/parse.h"
#include "conf/sections.h"
#include "conf/text.h"
#include "daemon/base/mem.h"

struct reading {
	struct build *b;
	struct ini_section *section; /* the current one */
};

static void on_section(void *data, const char *name, unsigned line)
{
	struct reading *r = data;

	r->section = ini_open(&r->b->ini, name, line);
}

static void on_value(void *data, const char *key, const char *value, unsigned line)
{
	struct reading *r = data;

	if (r->section)
		ini_set(&r->b->ini, r->section, key, value, line);
}

static void on_problem(void *data, unsigned line, const char *text)
{
	struct reading *r = data;
	struct diag_where w = {
		.file = r->b->sources->files[r->b->ini.file_no].path,
		.file_no = r->b->ini.file_no,
		.line = line,
		.section = r->section ? r->section->name : NULL,
	};

	diag_error(r->b->diag, &w, "%s", text);
}

static void read_files(struct build *b)
{
	for (unsigned i = 0; i < b->sources->n_files; i++) {
		const struct source *f = &b->sources->files[i];
		struct reading r = { .b = b };
		const struct lines_handler h = { .data = &r,
						 .on_section = on_section,
						 .on_value = on_value,
						 .on_problem = on_problem };

		b->ini.file_no = i;
		if (lines_read(f->text, f->len, &h) < 0)
			b->err = -ENOMEM;
	}
	ini_inherit(&b->ini);
}

/* [foster] or [supervisord], by which word the files have; NULL when they have neither. */
static const struct ini_section *find_main(struct build *b)
{
	const struct ini_section *foster = ini_section(&b->ini, "foster");
	const struct ini_section *supervisord = ini_section(&b->ini, "supervisord");

	if (foster && supervisord)
		build_section_error(b, supervisord,
				    "[foster] is there as well: a configuration has one of them");
	b->dialect = supervisord && !foster ? CONF_SUPERVISORD : CONF_FOSTER;
	return foster ? foster : supervisord;
}

static void unknown_section(struct build *b, const struct ini_section *s)
{
	const char *near = keys_suggest_section(s->name);
	void (*report)(struct build *, const struct ini_section *, const char *, ...) =
		b->dialect == CONF_FOSTER ? build_section_error : build_section_warn;

	if (near)
		report(b, s, "unknown section (did you mean [%s]?)", near);
	else
		report(b, s, "unknown section");
}

/* What can be said of a section by its name alone. */
static void check_section(struct build *b, const struct ini_section *s)
{
	if (s->kind == SECTION_UNSUPPORTED)
		build_section_warn(b, s, "foster does not support this section yet; it is ignored");
	if (s->kind == SECTION_UNKNOWN)
		unknown_section(b, s);
	if (s->kind == SECTION_PROGRAM && text_name_problem(s->title))
		build_section_error(b, s, "%s", text_name_problem(s->title));
	if (s->kind == SECTION_INCLUDE && s->file_no > 0)
		build_section_warn(b, s, "only the main file can include others");
	if (s->kind != SECTION_INCLUDE)
		return;
	for (const struct ini_value *v = s->values; v; v = v->next)
		if (!v->known)
			build_unknown_key(b, v);
}

static bool same_title(const void *item, const void *wanted)
{
	const struct ini_section *s = item, *w = wanted;

	return s->kind == w->kind && strcmp(s->title, w->title) == 0;
}

/* "[program:a]" twice is one section; "[program: a]" is another, of the same name. */
static void check_titles(struct build *b)
{
	struct set seen = { 0 };

	for (const struct ini_section *s = b->ini.sections; s; s = s->next) {
		uint32_t hash;

		if (!s->title || !keys_section_form(s->kind))
			continue;
		hash = set_hash(s->title, strlen(s->title), SET_SEED);
		if (set_find(&seen, hash, same_title, s))
			build_section_error(b, s,
					    "there is another section of this kind named "
					    "'%s'",
					    s->title);
		else if (set_add(&seen, hash, s) < 0)
			b->err = -ENOMEM;
	}
	set_done(&seen);
}

int parse_begin(struct build *b, const struct conf_sources *s, const char *const *env,
		struct conf_diag *diag)
{
	static const char home[] = "HOME=";

	*b = (struct build){ .sources = s, .diag = diag, .base = s ? s->cwd : "/" };
	ini_init(&b->ini);
	b->conf = calloc(1, sizeof *b->conf);
	if (!b->conf)
		return -ENOMEM;
	b->conf->refs = 1;
	b->pool.arena = &b->conf->arena;
	b->host = (struct expand_name){ .name = "host_node_name", .text = s ? s->host : "" };
	b->world = (struct expand_scope){ .names = &b->host, .n_names = 1, .environ = env };
	for (; env && *env; env++)
		if (strncmp(*env, home, strlen(home)) == 0 && (*env)[strlen(home)] == '/')
			b->home = *env + strlen(home);
	return 0;
}

int parse_end(struct build *b, size_t first_problem, size_t fatal_before, struct conf **ret_conf)
{
	int err = b->err;

	if (!err)
		err = b->ini.err ? b->ini.err : b->pool.err;
	if (!err)
		err = b->diag->err;
	diag_end(b->diag, first_problem, err);
	if (!err && b->diag->n_fatal > fatal_before)
		err = -EINVAL;
	if (!err)
		*ret_conf = take_ptr(b->conf);
	conf_unref(b->conf);
	free(b->processes);
	set_done(&b->users);
	set_done(&b->directories);
	set_done(&b->programs_by_name);
	pool_done(&b->pool);
	ini_done(&b->ini);
	return err;
}

void parse_programs(struct build *b)
{
	program_defaults(b);
	program_list(b);
	if (b->err)
		return;
	group_find_members(b);
	for (size_t i = 0; i < b->n_programs; i++)
		program_build(b, &b->programs[i]);
	group_build(b);
	if (!b->err && find_index(b->conf) < 0)
		b->err = -ENOMEM;
}

static void build_all(struct build *b)
{
	const struct ini_section *main_section = find_main(b);

	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		check_section(b, s);
	check_titles(b);
	main_section_build(b, main_section);
	forkserver_build(b);
	main_section_method(b, main_section);
	parse_programs(b);
	if (b->err)
		return;
	link_check(b);
	access_build(b);
}

int conf_parse(const struct conf_sources *s, const char *const *env, struct conf **ret_conf,
	       struct conf_diag *diag)
{
	size_t first_problem = diag->n_problems, fatal_before = diag->n_fatal;
	struct build b;
	int err = parse_begin(&b, s, env, diag);

	if (err)
		return err;
	read_files(&b);
	if (!b.err && !b.ini.err)
		build_all(&b);
	return parse_end(&b, first_problem, fatal_before, ret_conf);
}

struct conf *conf_ref(struct conf *c)
{
	c->refs++;
	return c;
}

void conf_unref(struct conf *c)
{
	if (!c || --c->refs > 0)
		return;
	arena_done(&c->arena);
	free(c);
}
