/* A definition made by a client is a document of one section, built by the rules of files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/find.h"
#include "conf/parse.h"
#include "conf/sections.h"
#include "conf/setting.h"
#include "conf/text.h"
#include "daemon/base/mem.h"

/* DESIGN section 6: where a client's program differs from one in a native file. */
static const struct conf_setting client_defaults[] = {
	{ "autostart", "false" },
	{ "autorestart", "false" },
	{ "startsecs", "0" },
};

struct definition {
	struct build *b;
	const struct conf_definition *d;
	struct ini_section *section;
	const char *group; /* what stands before ':' in the name, else the name */
	const char *name; /* what stands behind it, else the name */
};

static void check_name(struct definition *def)
{
	const char *full = def->d->name, *colon = strchr(full, ':');
	const char *problem;

	def->group = colon ? pool_strn(&def->b->pool, full, (size_t)(colon - full)) : full;
	def->name = colon ? colon + 1 : full;
	problem = text_name_problem(def->group);
	if (!problem)
		problem = text_name_problem(def->name);
	if (!problem && strlen(full) > CONF_NAME_MAX)
		problem = "a name has 255 bytes at most";
	if (problem)
		build_section_error(def->b, def->section, "%s", problem);
}

static void add_setting(struct definition *def, const struct conf_setting *setting)
{
	struct ini *ini = &def->b->ini;
	char *key = arena_strdup(&ini->arena, setting->key);
	const struct key *known;

	if (!key) {
		ini->err = -ENOMEM;
		return;
	}
	text_lower(key);
	known = keys_find(SECTION_PROGRAM, key);
	if (known && (known->flags & KEY_IN_FILE))
		build_section_error(def->b, def->section, "%s: is for programs in files", key);
	else
		ini_set(ini, def->section, key, setting->value, 0);
}

static void add_command(struct definition *def)
{
	struct ini *ini = &def->b->ini;
	const struct ini_value *command = ini_get(ini, def->section, "command");

	if (!def->d->argv)
		return;
	if (!def->d->argv[0] || !def->d->argv[0][0])
		build_section_error(def->b, def->section, "a program is missing");
	if (command)
		build_error(def->b, command, "the command was given already");
	else /* so that the checks of command= and entry= see one; its words replace it below */
		ini_set(ini, def->section, "command", "client", 0);
}

static void add_settings(struct definition *def)
{
	for (size_t i = 0; i < ARRAY_SIZE(client_defaults); i++)
		add_setting(def, &client_defaults[i]);
	for (size_t i = 0; i < def->d->n_settings; i++)
		add_setting(def, &def->d->settings[i]);
	add_command(def);
}

static const char *const *copy_strings(struct build *b, const char *const *v)
{
	auto_buf struct buf all = { 0 };
	size_t n = 0;

	for (; v && v[n]; n++)
		buf_add_strz(&all, v[n]);
	if (buf_error(&all)) {
		b->err = -ENOMEM;
		n = 0;
	}
	return pool_vec(&b->pool, all.data, n);
}

/* What the client's program may refer to. The strings are copied: base may go first. */
static void take_base(struct build *b, const struct conf *base, bool bare)
{
	struct conf_main *m = &b->conf->main;
	struct conf_forkserver *servers = build_alloc(b, base->n_forkservers, sizeof *servers);

	m->dialect = CONF_FOSTER;
	m->umask = -1;
	m->uid = m->socket_uid = (uid_t)-1;
	m->gid = m->socket_gid = (gid_t)-1;
	m->method = base->main.method;
	m->forkserver = base->main.forkserver ? pool_str(&b->pool, base->main.forkserver) : NULL;
	m->environ = copy_strings(b, bare ? NULL : base->main.environ);
	for (size_t i = 0; servers && i < base->n_forkservers; i++)
		servers[i].name = base->forkservers[i].name; /* only for looking up, then dropped */
	b->conf->forkservers = servers;
	b->conf->n_forkservers = servers ? base->n_forkservers : 0;
}

static void check_environment(struct definition *def)
{
	const char *const *e = def->d->environ;

	for (size_t i = 0; e && e[i]; i++)
		if (e[i][0] == '=' || !strchr(e[i], '='))
			build_section_error(def->b, def->section,
					    "environment: '%s' is not NAME=VALUE", e[i]);
}

/* What is given as bytes, and never as text to be split or expanded. */
static void put_bytes(struct definition *def)
{
	struct build *b = def->b;
	const struct conf_definition *d = def->d;
	struct conf_process *p = (struct conf_process *)&b->conf->processes[0];
	const char *problem = NULL;

	p->group = pool_str(&b->pool, def->group);
	((struct conf_program *)b->conf->programs)->name = p->group;
	p->name = pool_str(&b->pool, def->name);
	p->full_name = p->name == p->group ? p->name : pool_str(&b->pool, d->name);
	if (d->argv)
		p->argv = copy_strings(b, d->argv);
	if (d->environ)
		p->environ = setting_merge(b, p->environ, copy_strings(b, d->environ));
	if (d->directory && d->directory[0] != '/')
		problem = "must be absolute";
	else if (d->directory && p->directory)
		problem = "was given twice";
	if (problem)
		build_section_error(b, def->section, "directory: %s", problem);
	else if (d->directory)
		p->directory = pool_str(&b->pool, d->directory);
	((struct conf_group *)b->conf->groups)->name = p->group;
}

static void build_definition(struct definition *def)
{
	struct build *b = def->b;

	parse_programs(b);
	if (b->err || b->conf->n_processes != 1)
		return;
	put_bytes(def);
	check_environment(def);
	b->conf->n_forkservers = 0;
	b->conf->forkservers = NULL;
}

static struct ini_section *open_section(struct build *b, const char *name)
{
	auto_buf struct buf section = { 0 };

	buf_addf(&section, "program:%s", name);
	if (buf_reserve(&section, 0) < 0)
		return NULL;
	return ini_open(&b->ini, section.data, 0);
}

int conf_define(const struct conf *base, const struct conf_definition *d, struct conf **ret_conf,
		struct conf_diag *diag)
{
	size_t first_problem = diag->n_problems, fatal_before = diag->n_fatal;
	struct build b;
	struct definition def = { .b = &b, .d = d };
	int err = parse_begin(&b, NULL, NULL, diag);

	if (err)
		return err;
	take_base(&b, base, d->bare);
	def.section = open_section(&b, d->name);
	if (!def.section) {
		b.err = -ENOMEM;
	} else {
		check_name(&def);
		add_settings(&def);
	}
	if (!b.err && !b.ini.err)
		build_definition(&def);
	return parse_end(&b, first_problem, fatal_before, ret_conf);
}
