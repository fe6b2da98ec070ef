#include "daemon/supervisor/env.h"

#include <pwd.h>
#include <sys/random.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/supervisor.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define ENVIRON_BYTES ((size_t)256 << 10)
#define OWN_MAX 24
#define OWN_BYTES 640 /* of one variable of foster's own: a name or path and its key */

/* Layers by reference; own holds what is made up here. */
struct env {
	const char **vars;
	size_t n, capacity;
	char own[OWN_MAX][OWN_BYTES];
	size_t n_own;
	int err;
};

static void append(struct env *e, const char *var)
{
	if (e->n == e->capacity) {
		size_t capacity = e->capacity ? e->capacity * 2 : 64;
		const char **vars = realloc(e->vars, capacity * sizeof *vars);

		if (!vars) {
			e->err = -ENOMEM;
			return;
		}
		e->vars = vars;
		e->capacity = capacity;
	}
	e->vars[e->n++] = var;
}

/* In the place of one of the same name, or at the end. */
static void set(struct env *e, const char *var)
{
	size_t n = strcspn(var, "=") + 1;

	for (size_t i = 0; i < e->n; i++) {
		if (e->vars[i][0] == var[0] && strncmp(e->vars[i], var, n) == 0) {
			e->vars[i] = var;
			return;
		}
	}
	append(e, var);
}

static void set_all(struct env *e, const char *const *vars)
{
	for (; vars && *vars; vars++)
		set(e, *vars);
}

static void set_own(struct env *e, const char *key, const char *value)
{
	char *text = e->own[e->n_own++];

	if (snprintf(text, OWN_BYTES, "%s=%s", key, value) >= OWN_BYTES)
		e->err = -E2BIG; /* a cut value would be another one */
	set(e, text);
}

static const char *inherited(const struct process *p, const char *key)
{
	size_t n = strlen(key);

	for (char **var = p->supervisor->fork_environ; var && *var; var++)
		if (strncmp(*var, key, n) == 0 && (*var)[n] == '=')
			return *var + n + 1;
	return NULL;
}

/* Not by a process that another user has defined: it would speak of ours. */
static const char *inherited_by_ours(const struct process *p, const char *key)
{
	return process_is_of_other(p) ? NULL : inherited(p, key);
}

/* What start method spawn begins with, and every process of another user: what fosterd was given may be
 * secret, and the kernel would not show it to him. */
static bool begins_clean(const struct process *p)
{
	enum conf_method method = p->def->program->method;

	if (p->origin == PROCESS_SERVER)
		return false;
	return method == CONF_SPAWN || (method == CONF_FORK && process_is_of_other(p));
}

static void set_clean(struct env *e, const struct process *p)
{
	const struct conf_program *program = p->def->program;
	const char *lang = inherited(p, "LANG");
	const char *user = program->user ? program->user : inherited_by_ours(p, "USER");
	const char *home = program->home ? program->home : inherited_by_ours(p, "HOME");
	const char *shell = program->shell ? program->shell : inherited_by_ours(p, "SHELL");

	if (!user && !process_is_of_other(p))
		user = "root";
	set_own(e, "PATH", DEFAULT_PATH);
	set_own(e, "HOME", home ? home : "/");
	if (user) {
		set_own(e, "USER", user);
		set_own(e, "LOGNAME", user);
	}
	set_own(e, "SHELL", shell ? shell : "/bin/sh");
	set_own(e, "LANG", lang ? lang : "C.UTF-8");
}

static void set_supervisor(struct env *e, const struct process *p)
{
	set_own(e, "SUPERVISOR_ENABLED", "1");
	set_own(e, "SUPERVISOR_PROCESS_NAME", p->def->name);
	set_own(e, "SUPERVISOR_GROUP_NAME", p->def->group);
}

uint64_t env_new_instance(void)
{
	uint64_t instance = 0;

	if (getrandom(&instance, sizeof instance, 0) != (ssize_t)sizeof instance || !instance)
		instance = clock_boot_ns();
	return instance;
}

static void set_foster(struct env *e, const struct process *p)
{
	char instance[24];

	snprintf(instance, sizeof instance, "%016llx", (unsigned long long)p->instance);
	set_own(e, "FOSTER_NAME", p->def->full_name);
	set_own(e, "FOSTER_PROGRAM", p->def->program->name);
	set_own(e, "FOSTER_GROUP", p->def->group);
	set_own(e, "FOSTER_INSTANCE", instance);
	set_own(e, "FOSTER_SOCKET", p->supervisor->socket_path);
}

int env_build(const struct process *p, struct buf *out)
{
	static struct env reused; /* 16 KiB: not for each child anew */
	struct env *e = &reused;

	e->n = e->n_own = 0;
	e->err = 0;
	if (begins_clean(p))
		set_clean(e, p);
	else if (p->origin == PROCESS_SERVER || p->def->program->method == CONF_FORK)
		for (char **var = p->supervisor->fork_environ; *var; var++)
			append(e, *var); /* the first layer: nothing to replace */
	set_supervisor(e, p);
	set_all(e, p->def->environ);
	set_foster(e, p);
	for (size_t i = 0; i < e->n; i++)
		buf_add_strz(out, e->vars[i]);
	return e->err < 0 ? e->err : buf_error(out) < 0 ? buf_error(out) : (int)e->n;
}

const char *env_path(const struct process *p)
{
	const char *path = NULL;

	for (const char *const *var = p->def->environ; var && *var; var++)
		if (strncmp(*var, "PATH=", 5) == 0)
			path = *var + 5;
	if (!path && !begins_clean(p))
		path = inherited(p, "PATH");
	return path ? path : DEFAULT_PATH;
}

static bool speaks_of_fosterd(const char *var)
{
	static const char *const exact[] = { "NOTIFY_SOCKET", "JOURNAL_STREAM", "INVOCATION_ID" };
	static const char *const prefixes[] = { "WATCHDOG_", "LISTEN_" };
	size_t n = strcspn(var, "=");

	for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
		if (n == strlen(exact[i]) && strncmp(var, exact[i], n) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(var, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

char **env_for_fork(char *const *environment)
{
	size_t n = 0, kept = 0;
	char **copy;

	while (environment[n])
		n++;
	copy = calloc(n + 1, sizeof *copy);
	for (size_t i = 0; copy && i < n; i++)
		if (!speaks_of_fosterd(environment[i]))
			copy[kept++] = environment[i];
	return copy;
}

uint64_t env_instance_of(pid_t pid)
{
	static const char key[] = "FOSTER_INSTANCE=";
	auto_buf struct buf text = { 0 };
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/environ", pid);
	if (fd_read_path(path, &text, ENVIRON_BYTES) < 0)
		return 0;
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1)
		if (strncmp(text.data + at, key, sizeof key - 1) == 0)
			return strtoull(text.data + at + sizeof key - 1, NULL, 16);
	return 0;
}
