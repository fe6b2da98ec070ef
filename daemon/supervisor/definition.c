#include "daemon/supervisor/definition.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ctl/wire/text.h"
#include "daemon/base/buf.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/rpc.h"

#define ID_BYTES_MAX 128
#define PREFIX_BYTES_MAX 200 /* with a number it is still a name */
#define PATH_BYTES 4096

bool definition_read(struct rpc_call *call, json_t *parameters,
		     struct definition_params *ret_params)
{
	struct definition_params p = { .stdio = PARAM_UNSET,
				       .terminal = PARAM_UNSET,
				       .directory_descriptor = PARAM_UNSET,
				       .daemon = PARAM_UNSET,
				       .transient = PARAM_UNSET };
	const struct param table[] = {
		{ "id", PARAM_STRING, PARAM_REQUIRED, &p.id },
		{ "name", PARAM_STRING, PARAM_OPTIONAL, &p.name },
		{ "prefix", PARAM_STRING, PARAM_OPTIONAL, &p.prefix },
		{ "argv", PARAM_TEXTS, PARAM_REQUIRED, &p.argv },
		{ "settings", PARAM_OBJECT, PARAM_OPTIONAL, &p.settings },
		{ "environment", PARAM_TEXTS, PARAM_OPTIONAL, &p.environment },
		{ "directory", PARAM_TEXT, PARAM_OPTIONAL, &p.directory },
		{ "stdio", PARAM_BOOL, PARAM_OPTIONAL, &p.stdio },
		{ "terminal", PARAM_BOOL, PARAM_OPTIONAL, &p.terminal },
		{ "directory_descriptor", PARAM_BOOL, PARAM_OPTIONAL, &p.directory_descriptor },
		{ "parent", PARAM_STRING, PARAM_OPTIONAL, &p.parent },
		{ "daemon", PARAM_BOOL, PARAM_OPTIONAL, &p.daemon },
		{ "transient", PARAM_BOOL, PARAM_OPTIONAL, &p.transient },
	};
	const char *wrong = params_check(parameters, table, ARRAY_SIZE(table));

	if (!wrong && (!p.id[0] || strlen(p.id) > ID_BYTES_MAX))
		wrong = "id";
	if (!wrong && p.prefix &&
	    (!conf_name_valid(p.prefix) || strlen(p.prefix) > PREFIX_BYTES_MAX))
		wrong = "prefix";
	if (!wrong && p.terminal == PARAM_TRUE && p.stdio != PARAM_TRUE)
		wrong = "terminal";
	if (!wrong && rpc_fds(call) != definition_fds(&p))
		wrong = p.stdio == PARAM_TRUE ? "stdio" : "directory_descriptor";
	if (wrong)
		rpc_error_parameter(call, wrong);
	else
		*ret_params = p;
	return !wrong;
}

size_t definition_fds(const struct definition_params *p)
{
	return (p->stdio == PARAM_TRUE ? 3 : 0) + (p->directory_descriptor == PARAM_TRUE ? 1 : 0);
}

/* ---- problems -------------------------------------------------------------------------------- */

static void problem(struct definition *def, const char *key, const char *text)
{
	auto_buf struct buf b = { 0 };

	buf_addf(&b, "%s: %s", key, text);
	if (!def->problems)
		def->problems = json_array();
	if (buf_error(&b) || json_array_append_new(def->problems, text_str_to_json(b.data)) < 0)
		def->err = -ENOMEM;
}

/* ---- strings --------------------------------------------------------------------------------- */

static const char *text(struct definition *def, const json_t *value)
{
	auto_free char *s = NULL;
	const char *copy = NULL;

	if (text_str_of_json(value, &s) == 0)
		copy = arena_strdup(&def->arena, s);
	if (!copy)
		def->err = -ENOMEM; /* its form was checked before */
	return copy;
}

/* NULL-terminated; NULL when there are none. */
static const char *const *texts(struct definition *def, const json_t *list)
{
	size_t n = json_array_size(list);
	const char **v = n ? arena_alloc(&def->arena, (n + 1) * sizeof *v) : NULL;

	if (n && !v)
		def->err = -ENOMEM;
	for (size_t i = 0; v && i < n; i++)
		v[i] = text(def, json_array_get(list, i));
	return v;
}

/* ---- settings -------------------------------------------------------------------------------- */

static void take_parent(struct definition *def, const char *name)
{
	if (def->parent)
		problem(def, "parent", "was given twice");
	else
		def->parent = name;
}

/* A key that is not among the settings but the supervisor's own business is taken out. */
static bool is_taken(struct definition *def, const char *key, const char *value)
{
	if (strcasecmp(key, "parent") == 0) {
		take_parent(def, value);
		return true;
	}
	if (strcasecmp(key, "daemon") == 0)
		def->daemon_said = true;
	return false;
}

static void check_key(struct definition *def, const char *key, bool privileged)
{
	char lower[64];
	size_t n = 0;

	if (privileged)
		return;
	for (; n < sizeof lower - 1 && key[n]; n++)
		lower[n] = (char)(key[n] >= 'A' && key[n] <= 'Z' ? key[n] + ('a' - 'A') : key[n]);
	lower[n] = '\0';
	if (!conf_key_open_to_clients(lower))
		problem(def, key, "needs the right 'admin'");
	else if (strcmp(lower, "directory") == 0)
		problem(def, key, "must be passed as a descriptor");
}

static void add_settings(struct definition *def, json_t *settings, bool privileged)
{
	struct conf_setting *list;
	const char *key;
	json_t *value;

	if (!json_object_size(settings))
		return;
	list = arena_alloc(&def->arena, json_object_size(settings) * sizeof *list);
	if (!list) {
		def->err = -ENOMEM;
		return;
	}
	json_object_foreach(settings, key, value)
	{
		auto_free char *s = NULL;
		const char *copy;

		if (text_str_of_json(value, &s) < 0) {
			problem(def, key, "must be a string");
			continue;
		}
		copy = arena_strdup(&def->arena, s);
		if (!copy) {
			def->err = -ENOMEM;
			return;
		}
		check_key(def, key, privileged);
		if (!is_taken(def, key, copy))
			list[def->d.n_settings++] = (struct conf_setting){ key, copy };
	}
	def->d.settings = list;
}

/* ---- directory ------------------------------------------------------------------------------- */

/* Where the descriptor leads: for `show`, and for a later start, which the child does with its own
 * rights. */
static const char *path_of(struct definition *def, int fd)
{
	char link[64], path[PATH_BYTES];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path);
	if (n <= 0 || n == sizeof path || path[0] != '/')
		return NULL;
	return arena_strndup(&def->arena, path, (size_t)n);
}

static void add_directory(struct definition *def, const json_t *directory, bool privileged, int fd)
{
	if (directory)
		def->d.directory = text(def, directory);
	else if (fd >= 0)
		def->d.directory = path_of(def, fd);
	if (directory && fd < 0 && !privileged)
		problem(def, "directory", "must be passed as a descriptor");
}

void definition_build(struct definition *def, const struct definition_params *p, bool privileged,
		      int directory_fd)
{
	*def = (struct definition){ .parent = p->parent };
	def->d.argv = texts(def, p->argv);
	def->d.environ = texts(def, p->environment);
	add_settings(def, p->settings, privileged);
	add_directory(def, p->directory, privileged, directory_fd);
}

void definition_done(struct definition *def)
{
	json_decref(def->problems);
	arena_done(&def->arena);
}
