/* rpc_config.c - the configuration read again: compared, or put in force */
#include <errno.h>
#include <string.h>

#include "ctl/wire/text.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/params.h"

struct changes {
	const struct supervisor *supervisor;
	const struct conf *conf; /* the new one */
	const char *const *groups; /* NULL-terminated; NULL: all */
	json_t *list;
};

static bool concerns(const struct changes *c, const char *full_name)
{
	const struct conf_process *def = conf_find_process(c->conf, full_name);
	const struct process *p = process_find(c->supervisor, full_name);
	const char *group = def ? def->group : p ? p->def->group : full_name;
	const char *const *g = c->groups;

	while (g && *g && strcmp(*g, group) != 0)
		g++;
	return !g || *g;
}

static void on_change(void *data, enum conf_change change, const char *full_name)
{
	struct changes *c = data;

	if (concerns(c, full_name))
		json_array_append_new(c->list,
				      json_pack("{s:s,s:o}", "change", conf_change_name(change),
						"name", text_str_to_json(full_name)));
}

/* What an update to conf would do, to these groups. */
static json_t *changes_to(struct supervisor *s, const struct conf *conf, const char *const *groups)
{
	struct changes c = { s, conf, groups, json_array() };

	reload_changes(s, conf, on_change, &c);
	return c.list;
}

/* What was read, released by scope. */
struct reading {
	struct conf *conf;
	struct conf_sources *sources;
	struct conf_diag diag;
};

static void reading_done(struct reading *r)
{
	conf_unref(r->conf);
	conf_sources_free(r->sources);
	conf_diag_done(&r->diag);
}

static bool read_again(struct supervisor *s, struct rpc_call *call, struct reading *r)
{
	int err = reload_read(s, &r->conf, &r->sources, &r->diag);

	if (err == -EINVAL)
		errors_problems(call, "BadConfiguration", &r->diag);
	else if (err < 0)
		errors_errno(call, err);
	return err == 0;
}

void method_reread(void *data, struct rpc_call *call, json_t *parameters)
{
	struct supervisor *s = data;
	__attribute__((cleanup(reading_done))) struct reading r = { 0 };

	if (!params_read(call, parameters, NULL, 0) || !request_global(s, call, CONF_ADMIN) ||
	    !read_again(s, call, &r))
		return;
	rpc_reply(call, json_pack("{s:o}", "changes", changes_to(s, r.conf, NULL)));
}

/* Names of groups as an array of C strings that point into list; NULL without memory. */
static const char **group_names(const json_t *list)
{
	size_t n = json_array_size(list);
	const char **names = calloc(n + 1, sizeof *names);

	for (size_t i = 0; names && i < n; i++)
		names[i] = json_string_value(json_array_get(list, i));
	return names;
}

/* The first group that neither configuration has; NULL: none. */
static const char *unknown_group(const struct conf *from, const struct conf *to,
				 const char *const *groups)
{
	for (; groups && *groups; groups++)
		if (!conf_find_group(from, *groups) && !conf_find_group(to, *groups))
			return *groups;
	return NULL;
}

static void update(struct supervisor *s, struct rpc_call *call, const char *const *groups)
{
	__attribute__((cleanup(reading_done))) struct reading r = { 0 };
	const char *unknown;
	json_t *changes;
	int err;

	if (!read_again(s, call, &r))
		return;
	unknown = unknown_group(s->conf, r.conf, groups);
	if (unknown) {
		errors_reply(call, "NoSuchProcess", unknown, NULL);
		return;
	}
	changes = changes_to(s, r.conf, groups);
	err = reload_apply(s, r.conf, r.sources, groups);
	if (err == 0) {
		rpc_reply(call, json_pack("{s:o}", "changes", changes));
	} else {
		json_decref(changes);
		errors_errno(call, err);
	}
}

void method_update(void *data, struct rpc_call *call, json_t *parameters)
{
	json_t *list = NULL;
	const struct param table[] = { { "names", PARAM_STRINGS, PARAM_OPTIONAL, &list } };
	auto_free const char **groups = NULL;

	if (!params_read(call, parameters, table, ARRAY_SIZE(table)) ||
	    !request_global(data, call, CONF_ADMIN) || !request_is_up(data, call))
		return;
	if (list) {
		groups = group_names(list);
		if (!groups) {
			errors_memory(call);
			return;
		}
	}
	update(data, call, (const char *const *)groups);
}
