#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/place.h"
#include "conf/sections.h"
#include "conf/setting.h"
#include "conf/text.h"
#include "conf/words.h"
#include "daemon/base/mem.h"

/* One list of the section: its items as strings one behind the other. */
static size_t list_of(struct build *b, const struct ini_value *v, struct buf *items)
{
	const char *text = build_text(b, v, &b->global);
	size_t n = 0;

	if (text && words_list(text, true, items, &n) < 0)
		b->err = -ENOMEM;
	return n;
}

static void store_users(struct build *b, const struct ini_value *v, struct conf_access *a)
{
	auto_buf struct buf items = { 0 };
	size_t n = list_of(b, v, &items);
	uid_t *uids = build_alloc(b, n, sizeof *uids);
	const char *name = items.data;

	if (!uids)
		return;
	for (size_t i = 0; i < n; i++, name += strlen(name) + 1) {
		const struct user *u = place_user(b, name);

		if (!u)
			build_error(b, v, "there is no user '%s'", name);
		else if (u->uid != PLACE_GONE)
			uids[a->n_uids++] = u->uid;
	}
	a->uids = uids;
}

static void store_groups(struct build *b, const struct ini_value *v, struct conf_access *a)
{
	auto_buf struct buf items = { 0 };
	size_t n = list_of(b, v, &items);
	gid_t *gids = build_alloc(b, n, sizeof *gids);
	const char *name = items.data;

	if (!gids)
		return;
	for (size_t i = 0; i < n; i++, name += strlen(name) + 1)
		if (place_group(name, &gids[a->n_gids]) == 0)
			a->n_gids++;
		else
			build_world_error(b, v, "there is no group '%s'", name);
	a->gids = gids;
}

static unsigned right_of(const char *word)
{
	static const struct {
		const char *word;
		unsigned rights;
	} rights[] = {
		{ "read", CONF_READ },
		{ "control", CONF_CONTROL },
		{ "run", CONF_RUN },
		{ "admin", CONF_READ | CONF_CONTROL | CONF_RUN | CONF_ADMIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rights); i++)
		if (strcmp(word, rights[i].word) == 0)
			return rights[i].rights;
	return 0;
}

static void store_allow(struct build *b, const struct ini_value *v, struct conf_access *a)
{
	auto_buf struct buf items = { 0 };
	size_t n = list_of(b, v, &items);
	const char *word = items.data;

	for (size_t i = 0; i < n; i++, word += strlen(word) + 1) {
		a->allow |= right_of(word);
		if (!right_of(word))
			build_error(b, v,
				    "'%s' is not valid (expected read, control, run or "
				    "admin)",
				    word);
	}
}

static void store(struct build *b, const struct ini_value *v, struct conf_access *a)
{
	auto_buf struct buf items = { 0 };
	size_t n;

	if (!v->known) {
		build_unknown_key(b, v);
	} else if (strcmp(v->key, "users") == 0) {
		store_users(b, v, a);
	} else if (strcmp(v->key, "groups") == 0) {
		store_groups(b, v, a);
	} else if (strcmp(v->key, "allow") == 0) {
		store_allow(b, v, a);
	} else {
		n = list_of(b, v, &items);
		a->programs = pool_vec(&b->pool, items.data, n);
	}
}

static void build_one(struct build *b, const struct ini_section *s, struct conf_access *a)
{
	const char *problem = text_name_problem(s->title);

	*a = (struct conf_access){ .name = pool_str(&b->pool, s->title),
				   .programs = pool_vec(&b->pool, NULL, 0) };
	if (problem)
		build_section_error(b, s, "%s", problem);
	for (const struct ini_value *v = s->values; v; v = v->next)
		store(b, v, a);
	if (!ini_get(&b->ini, s, "users") && !ini_get(&b->ini, s, "groups"))
		build_section_error(b, s, "users= or groups= is missing: nobody would have access");
	if (!ini_get(&b->ini, s, "allow"))
		build_section_error(b, s, "allow= is missing (read, control, run or admin)");
}

void access_build(struct build *b)
{
	struct conf_access *all;
	size_t n = 0;

	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		n += s->kind == SECTION_ACCESS;
	all = build_alloc(b, n, sizeof *all);
	if (!all)
		return;
	n = 0;
	for (const struct ini_section *s = b->ini.sections; s; s = s->next)
		if (s->kind == SECTION_ACCESS)
			build_one(b, s, &all[n++]);
	b->conf->accesses = all;
	b->conf->n_accesses = n;
}
