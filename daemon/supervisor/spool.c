/* spool.c - definitions that clients made, as files in RUNTIME/spool
 *
 * One file a process: JSON, for it holds strings of a client (bytes that are not UTF-8 as base64).
 * It is replaced whole, and complete before the client hears of success. */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>

#include "ctl/wire/text.h"
#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"

#define FILE_MAX ((size_t)16 << 20)

static int file_of(const struct supervisor *s, const char *full_name, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/spool/%s", s->runtime_dir, full_name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* ---- save ---------------------------------------------------------------------------------------- */

static json_t *strings_to_json(const char *const *strings)
{
	json_t *array = json_array();

	for (; strings && *strings; strings++)
		json_array_append_new(array, text_str_to_json(*strings));
	return array;
}

static json_t *settings_to_json(const struct conf_definition *d)
{
	json_t *object = json_object();

	for (size_t i = 0; i < d->n_settings; i++)
		json_object_set_new(object, d->settings[i].key,
				    text_str_to_json(d->settings[i].value));
	return object;
}

static json_t *groups_to_json(const struct process_client *c)
{
	json_t *array = json_array();

	for (size_t i = 0; i < c->n_groups; i++)
		json_array_append_new(array, json_integer(c->groups[i]));
	return array;
}

static json_t *to_json(const struct process *p, const struct conf_definition *d)
{
	const struct process_client *c = p->client;

	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:b, s:b, s:b, s:I, s:I, s:s*, s:o*}",
			 "argv", strings_to_json(d->argv), "settings", settings_to_json(d),
			 "environment", strings_to_json(d->environ), "groups", groups_to_json(c),
			 "uid", (json_int_t)c->uid, "gid", (json_int_t)c->gid, "name",
			 text_str_to_json(d->name), "daemon", p->daemon, "transient", p->transient,
			 "has_argv", d->argv != NULL, "request", (json_int_t)c->request_id,
			 "defined", (json_int_t)c->defined_real_ns, "parent", p->parent_name,
			 "directory", d->directory ? text_str_to_json(d->directory) : NULL);
}

int spool_save(const struct supervisor *s, const struct process *p, const struct conf_definition *d)
{
	char path[4096];
	json_t *json = to_json(p, d);
	auto_free char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int r = file_of(s, process_name(p), path, sizeof path);

	json_decref(json);
	if (!text)
		return -ENOMEM;
	p->client->spooled = strlen(text);
	return r < 0 ? r : fd_replace_file(path, text, strlen(text), 0600);
}

void spool_remove(const struct supervisor *s, const char *full_name)
{
	char path[4096];

	if (file_of(s, full_name, path, sizeof path) == 0)
		unlink(path);
}

/* ---- load ---------------------------------------------------------------------------------------- */

/* Everything of one file; strings are owned by the arena. */
struct loaded {
	struct arena arena;
	struct conf_definition d;
};

static const char *string_of(struct arena *a, const json_t *json)
{
	auto_free char *text = NULL;

	return text_str_of_json(json, &text) < 0 ? NULL : arena_strdup(a, text);
}

static const char *const *strings_of(struct arena *a, const json_t *array)
{
	size_t n = json_array_size(array);
	const char **strings = arena_alloc(a, (n + 1) * sizeof *strings);

	for (size_t i = 0; strings && i < n; i++) {
		strings[i] = string_of(a, json_array_get(array, i));
		if (!strings[i])
			return NULL;
	}
	return strings;
}

static bool settings_of(struct loaded *l, json_t *object)
{
	size_t n = json_object_size(object);
	struct conf_setting *settings = arena_alloc(&l->arena, (n + 1) * sizeof *settings);
	const char *key;
	json_t *value;

	if (!settings)
		return false;
	json_object_foreach(object, key, value)
	{
		struct conf_setting *s = &settings[l->d.n_settings++];

		*s = (struct conf_setting){ arena_strdup(&l->arena, key),
					    string_of(&l->arena, value) };
		if (!s->key || !s->value)
			return false;
	}
	l->d.settings = settings;
	return true;
}

/* Whether all of it is there: what is missing would make another process. */
static bool definition_of(struct loaded *l, const json_t *json)
{
	const json_t *directory = json_object_get(json, "directory");
	bool has_argv = json_is_true(json_object_get(json, "has_argv"));

	l->d.bare = process_is_other_user((uid_t)json_integer_value(json_object_get(json, "uid")));
	l->d.name = string_of(&l->arena, json_object_get(json, "name"));
	l->d.argv = has_argv ? strings_of(&l->arena, json_object_get(json, "argv")) : NULL;
	l->d.environ = strings_of(&l->arena, json_object_get(json, "environment"));
	l->d.directory = directory ? string_of(&l->arena, directory) : NULL;
	return l->d.name && l->d.environ && (l->d.argv || !has_argv) &&
	       (l->d.directory || !directory) && settings_of(l, json_object_get(json, "settings"));
}

static void apply(struct process *p, const json_t *json)
{
	const json_t *groups = json_object_get(json, "groups");
	const char *parent = json_string_value(json_object_get(json, "parent"));
	struct process_client *c = p->client;

	c->uid = (uid_t)json_integer_value(json_object_get(json, "uid"));
	c->gid = (gid_t)json_integer_value(json_object_get(json, "gid"));
	p->daemon = json_is_true(json_object_get(json, "daemon"));
	p->transient = json_is_true(json_object_get(json, "transient"));
	c->request_id = (uint64_t)json_integer_value(json_object_get(json, "request"));
	c->defined_real_ns = (uint64_t)json_integer_value(json_object_get(json, "defined"));
	c->groups = calloc(json_array_size(groups) + 1, sizeof *c->groups);
	if (process_set_parent(p, parent) < 0 || !c->groups)
		nomem_exit(process_name(p));
	for (size_t i = 0; i < json_array_size(groups); i++)
		c->groups[c->n_groups++] = (gid_t)json_integer_value(json_array_get(groups, i));
}

static struct process *build(struct supervisor *s, const json_t *json, uint32_t slot)
{
	struct loaded l = { 0 };
	struct conf_diag diag = { 0 };
	struct conf *conf = NULL;
	struct process *p = NULL;

	if (definition_of(&l, json) && conf_define(s->conf, &l.d, &conf, &diag) == 0)
		p = process_new_in_slot(s, conf, conf->processes, PROCESS_CLIENT, slot);
	if (p)
		apply(p, json);
	conf_unref(conf);
	conf_diag_done(&diag);
	arena_done(&l.arena);
	return p;
}

/* Without memory errno says so. */
struct process *spool_load(struct supervisor *s, const char *full_name, uint32_t slot)
{
	auto_buf struct buf text = { 0 };
	struct process *p = NULL;
	char path[4096];
	json_t *json;
	int r = file_of(s, full_name, path, sizeof path);

	auto_close int fd = r < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fd_read_all(fd, &text, FILE_MAX) < 0 || !text.data)
		return NULL;
	json = json_loadb(text.data, text.len, 0, NULL);
	if (json)
		p = build(s, json, slot);
	json_decref(json);
	if (p)
		p->client->spooled = text.len;
	else
		log_error(full_name, "its definition %s cannot be read", path);
	return p;
}

/* The same in a slot of its own. */
static struct process *spool_load_anew(struct supervisor *s, const char *full_name)
{
	struct process *p;
	uint32_t slot;

	if (process_free_slot(s, &slot) < 0)
		return NULL;
	p = spool_load(s, full_name, slot);
	if (p)
		process_tell_name(p);
	return p;
}

/* ---- sweep --------------------------------------------------------------------------------------- */

/* It is forgotten as it would have been, with its logs. */
static void sweep(struct supervisor *s, const char *full_name)
{
	struct process *p = process_find(s, full_name) ? NULL : spool_load_anew(s, full_name);

	if (p)
		process_free(p);
	else if (!process_find(s, full_name))
		spool_remove(s, full_name);
}

void spool_sweep(struct supervisor *s)
{
	char path[4096];
	DIR *dir;

	if (file_of(s, "", path, sizeof path) < 0)
		return;
	dir = opendir(path);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			sweep(s, e->d_name);
	if (dir)
		closedir(dir);
}
