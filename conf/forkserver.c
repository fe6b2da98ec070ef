#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/sections.h"
#include "conf/setting.h"
#include "conf/text.h"
#include "conf/value.h"
#include "conf/words.h"

static void store_type(struct build *b, const struct ini_value *v, const char *text,
		       struct conf_forkserver *f)
{
	unsigned type;

	if (value_word(text, keys_fs_types, 3, &type) < 0)
		build_error(b, v,
			    "'%s' is not valid (expected native or python, or no type and a "
			    "command)",
			    text);
	else
		f->type = type;
}

static void store_preload(struct build *b, const char *text, struct conf_forkserver *f)
{
	auto_buf struct buf words = { 0 };
	size_t n = 0;

	if (words_list(text, true, &words, &n) < 0)
		b->err = -ENOMEM;
	else
		f->preload = pool_vec(&b->pool, words.data, n);
}

static void store(struct build *b, const struct ini_value *v, struct conf_forkserver *f)
{
	const char *const *own;
	const char *text;

	if (!v->known) {
		build_unknown_key(b, v);
		return;
	}
	text = build_text(b, v, &b->global);
	if (!text)
		return;
	if (v->known->type < KEY_USER)
		setting_store(b, v->known, text, f, v);
	else if (v->known->type == KEY_USER)
		setting_user(b, v, text, &f->user, &f->uid, &f->gid, NULL, NULL);
	else if (v->known->type == KEY_ENVIRONMENT)
		setting_environment(b, text, v, b->conf->main.environ, &own, &f->environ);
	else if (v->known->type == KEY_LIST)
		store_preload(b, text, f);
	else
		store_type(b, v, text, f);
}

static void check_type(struct build *b, const struct ini_section *s, struct conf_forkserver *f)
{
	const struct ini_value *type = ini_get(&b->ini, s, "type");
	const struct ini_value *interpreter = ini_get(&b->ini, s, "interpreter");

	if (f->command && type && f->type != CONF_FS_COMMAND)
		build_error(b, type, "command= is a forkserver of its own kind: leave out type=%s",
			    keys_fs_types[f->type]);
	if (f->command)
		f->type = CONF_FS_COMMAND;
	else if (f->type == CONF_FS_COMMAND && type)
		build_error(b, type, "a command= is missing");
	if (interpreter && f->type != CONF_FS_PYTHON)
		build_error(b, interpreter, "only type=python has an interpreter");
}

static void build_one(struct build *b, const struct ini_section *s, struct conf_forkserver *f)
{
	struct diag_where w = build_where_section(b, s);
	const char *problem = text_name_problem(s->title);

	*f = (struct conf_forkserver){
		.name = pool_str(&b->pool, s->title),
		.file = pool_str(&b->pool, w.file ? w.file : ""),
		.line = w.line,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.preload = pool_vec(&b->pool, NULL, 0),
		.environ = b->conf->main.environ,
	};
	if (problem)
		build_section_error(b, s, "%s", problem);
	setting_defaults(b, SECTION_FORKSERVER, false, f);
	for (const struct ini_value *v = s->values; v; v = v->next)
		store(b, v, f);
	check_type(b, s, f);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct conf_forkserver *)a)->name,
		      ((const struct conf_forkserver *)b)->name);
}

void forkserver_build(struct build *b)
{
	struct conf_forkserver *all;
	size_t n = 0;

	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		n += s->kind == SECTION_FORKSERVER;
	all = build_alloc(b, n, sizeof *all);
	if (!all)
		return;
	n = 0;
	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		if (s->kind == SECTION_FORKSERVER)
			build_one(b, s, &all[n++]);
	qsort(all, n, sizeof *all, compare_names);
	b->conf->forkservers = all;
	b->conf->n_forkservers = n;
}
