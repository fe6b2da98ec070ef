#include "conf/ini.h"

#include <errno.h>
#include <string.h>

#include "conf/text.h"

struct wanted {
	const struct ini_section *section;
	const char *key;
};

static bool same_name(const void *item, const void *name)
{
	return strcmp(((const struct ini_section *)item)->name, name) == 0;
}

static bool same_key(const void *item, const void *wanted)
{
	const struct ini_value *v = item;
	const struct wanted *w = wanted;

	return v->section == w->section && strcmp(v->key, w->key) == 0;
}

static uint32_t hash_key(const struct ini_section *s, const char *key)
{
	uintptr_t section = (uintptr_t)s;

	return set_hash(key, strlen(key), set_hash(&section, sizeof section, SET_SEED));
}

void ini_init(struct ini *ini)
{
	*ini = (struct ini){ .defaults = { .name = "DEFAULT", .kind = SECTION_DEFAULT } };
	ini->sections_end = &ini->sections;
	ini->defaults.values_end = &ini->defaults.values;
}

void ini_done(struct ini *ini)
{
	set_done(&ini->by_name);
	set_done(&ini->by_key);
	arena_done(&ini->arena);
}

struct ini_section *ini_section(const struct ini *ini, const char *name)
{
	return set_find(&ini->by_name, set_hash(name, strlen(name), SET_SEED), same_name, name);
}

/* "a" of "program: a". */
static const char *title_of(struct ini *ini, const char *name)
{
	const char *begin = strchr(name, ':'), *end = name + strlen(name);
	const char *title;

	if (!begin)
		return NULL;
	begin++;
	text_strip(&begin, &end);
	title = arena_strndup(&ini->arena, begin, (size_t)(end - begin));
	if (!title)
		ini->err = -ENOMEM;
	return title;
}

static struct ini_section *new_section(struct ini *ini, const char *name, unsigned line)
{
	struct ini_section *s = arena_alloc(&ini->arena, sizeof *s);

	if (!s)
		return NULL;
	*s = (struct ini_section){ .file_no = ini->file_no, .line = line };
	s->name = arena_strdup(&ini->arena, name);
	if (!s->name || set_add(&ini->by_name, set_hash(name, strlen(name), SET_SEED), s) < 0)
		return NULL;
	s->values_end = &s->values;
	s->kind = keys_section_kind(name);
	s->title = title_of(ini, s->name);
	*ini->sections_end = s;
	ini->sections_end = &s->next;
	return s;
}

struct ini_section *ini_open(struct ini *ini, const char *name, unsigned line)
{
	struct ini_section *s;

	if (strcmp(name, ini->defaults.name) == 0)
		return &ini->defaults;
	s = ini_section(ini, name);
	if (!s)
		s = new_section(ini, name, line);
	if (!s)
		ini->err = -ENOMEM;
	return s;
}

static struct ini_value *find_value(const struct ini *ini, const struct ini_section *s,
				    const char *key)
{
	struct wanted w = { .section = s, .key = key };

	return set_find(&ini->by_key, hash_key(s, key), same_key, &w);
}

static struct ini_value *new_value(struct ini *ini, struct ini_section *s, const char *key)
{
	struct ini_value *v = arena_alloc(&ini->arena, sizeof *v);

	if (!v)
		return NULL;
	*v = (struct ini_value){ .section = s, .known = keys_find(s->kind, key) };
	v->key = v->known ? v->known->name : arena_strdup(&ini->arena, key);
	if (!v->key || set_add(&ini->by_key, hash_key(s, key), v) < 0)
		return NULL;
	*s->values_end = v;
	s->values_end = &v->next;
	return v;
}

void ini_set(struct ini *ini, struct ini_section *s, const char *key, const char *text,
	     unsigned line)
{
	struct ini_value *v = find_value(ini, s, key);
	const char *copy = arena_strdup(&ini->arena, text);

	if (!v)
		v = new_value(ini, s, key);
	if (!v || !copy) {
		ini->err = -ENOMEM;
		return;
	}
	v->text = copy;
	v->line = line;
	v->file_no = ini->file_no;
}

static void inherit(struct ini *ini, struct ini_section *s, const struct ini_value *v)
{
	struct ini_value *own;

	if (!keys_find(s->kind, v->key) || find_value(ini, s, v->key))
		return;
	own = new_value(ini, s, v->key);
	if (!own) {
		ini->err = -ENOMEM;
		return;
	}
	own->text = v->text;
	own->line = v->line;
	own->file_no = v->file_no;
}

void ini_inherit(struct ini *ini)
{
	for (struct ini_section *s = ini->sections; s; s = s->next)
		for (const struct ini_value *v = ini->defaults.values; v; v = v->next)
			inherit(ini, s, v);
}

const struct ini_value *ini_get(const struct ini *ini, const struct ini_section *s, const char *key)
{
	return find_value(ini, s, key);
}
