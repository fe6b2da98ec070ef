#include "daemon/supervisor/forkserver.h"

#include <signal.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/proc.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"

#define SERVER_PREFIX "forkserver "
#define BUILT_IN "native"
#define HELPER_SUFFIX " stop-command"
#define RESTART_DELAY_S 0.05
#define RESTART_DELAY_MAX_S 10.
#define GIVE_UP_COUNT 5
#define GIVE_UP_S 10.
#define STOP_WAIT_S 5.
#define ARGS_MAX 256

static const struct process_asker foster = { .kind = ASKED_FOSTER };

/* ---- definitions of our own ----------------------------------------------------------------------- */

struct internal {
	struct conf_program program;
	struct conf_process process;
};

static const char *const no_strings[] = { NULL };

static struct conf *new_conf(const char *name, struct internal **ret)
{
	struct conf *c = calloc(1, sizeof *c);
	struct internal *in = c ? arena_alloc(&c->arena, sizeof *in) : NULL;
	char *copy = in ? arena_strdup(&c->arena, name) : NULL;

	if (!copy) {
		if (c)
			arena_done(&c->arena);
		free(c);
		return NULL;
	}
	c->refs = 1;
	c->programs = &in->program;
	c->processes = &in->process;
	c->n_programs = c->n_processes = 1;
	in->program = (struct conf_program){
		.name = copy,
		.daemon = true,
		.restart = { .autorestart = CONF_NEVER, .delay = CONF_UNSET },
		.stopsignal = SIGTERM,
		.stopwaitsecs = STOP_WAIT_S,
		.kill_scope = CONF_PROCESS,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.umask = -1,
		.own_session = true,
	};
	in->process = (struct conf_process){ .program = &in->program,
					     .name = copy,
					     .group = copy,
					     .full_name = copy,
					     .args = no_strings,
					     .environ = no_strings };
	*ret = in;
	return c;
}

/* NULL, too, is copied; false without memory. */
static bool copy_string(struct arena *a, const char *s, const char **ret)
{
	*ret = s ? arena_strdup(a, s) : NULL;
	return !s || *ret;
}

static const char *const *copy_strings(struct arena *a, const char *const *strings)
{
	size_t n = 0;
	const char **copy;

	while (strings && strings[n])
		n++;
	copy = arena_alloc(a, (n + 1) * sizeof *copy);
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = arena_strdup(a, strings[i]);
		if (!copy[i])
			return NULL;
	}
	return copy;
}

/* argv of a forkserver: its own command, or ours with the preload list behind it. */
static const char *const *server_argv(struct arena *a, const struct conf_forkserver *f)
{
	const char *argv[ARGS_MAX + 3];
	char path[4096];
	size_t n = 0;

	if (f && f->type == CONF_FS_COMMAND)
		return copy_strings(a, f->command);
	if (f && f->type == CONF_FS_PYTHON)
		argv[n++] = f->interpreter;
	proc_beside(n ? "foster-forkserver.py" : "foster-forkserver", path, sizeof path);
	argv[n++] = path;
	for (const char *const *p = f ? f->preload : no_strings; *p && n < ARGS_MAX; p++)
		argv[n++] = *p;
	argv[n] = NULL;
	return copy_strings(a, argv);
}

/* As whom it runs, where and with what: all of it, or false. */
static bool copy_place(struct conf *c, struct internal *in, const struct conf_forkserver *f)
{
	in->program.uid = f->uid;
	in->program.gid = f->gid;
	in->process.environ = copy_strings(&c->arena, f->environ);
	return in->process.environ && copy_string(&c->arena, f->user, &in->program.user) &&
	       copy_string(&c->arena, f->directory, &in->process.directory);
}

static struct conf *server_conf(const struct supervisor *s, const char *name)
{
	const char *which = name + strlen(SERVER_PREFIX);
	const struct conf_forkserver *f = conf_find_forkserver(s->conf, which);
	struct internal *in;
	struct conf *c;

	if (!f && strcmp(which, BUILT_IN) != 0)
		return NULL;
	c = new_conf(name, &in);
	if (!c)
		return NULL;
	in->program.restart = (struct conf_restart){ .autorestart = CONF_ALWAYS,
						     .native = true,
						     .delay = RESTART_DELAY_S,
						     .delay_max = RESTART_DELAY_MAX_S,
						     .give_up_count = GIVE_UP_COUNT,
						     .give_up_secs = GIVE_UP_S };
	in->process.argv = server_argv(&c->arena, f);
	if (in->process.argv && (!f || copy_place(c, in, f)))
		return c;
	conf_unref(c);
	return NULL;
}

static struct process *add(struct supervisor *s, struct conf *c, enum process_origin origin,
			   const uint32_t *slot)
{
	struct process *p = NULL;

	if (c)
		p = slot ? process_new_in_slot(s, c, c->processes, origin, *slot)
			 : process_new(s, c, c->processes, origin);
	conf_unref(c);
	return p;
}

/* ---- forkservers ------------------------------------------------------------------------------------ */

static struct process *server_of(struct process *p)
{
	const char *which = p->def->program->forkserver;
	char name[CONF_NAME_MAX + sizeof SERVER_PREFIX];
	struct process *server;

	snprintf(name, sizeof name, SERVER_PREFIX "%s", which ? which : BUILT_IN);
	server = process_find(p->supervisor, name);
	if (!server)
		server = add(p->supervisor, server_conf(p->supervisor, name), PROCESS_SERVER, NULL);
	return server;
}

/* Whether p has a place at its server, which is RUNNING, now. */
static bool take_place(struct process *p)
{
	if (!p->asked && p->server->n_asked == FORKSERVER_ASKED_MAX)
		return false;
	p->server->n_asked += !p->asked;
	p->asked = true;
	return true;
}

int forkserver_ready(struct process *p, char **ret_reason)
{
	struct process *server = server_of(p);

	if (!server) {
		*ret_reason = strdup("its forkserver cannot be set up: Cannot allocate memory");
		return -ENOMEM;
	}
	if (p->server != server)
		forkserver_answered(p);
	p->server = server;
	if (server->state == PROCESS_RUNNING && take_place(p))
		return 1;
	forkserver_answered(p);
	process_await_server(p);
	if (!process_state_is_up(server->state) || server->state == PROCESS_STOPPING)
		(void)process_ask_start(server, &foster);
	return 0;
}

static struct process *first_waiting(const struct process *server)
{
	struct process *p = server->supervisor->waiting.first;

	while (p && p->server != server)
		p = p->next_spawn;
	return p;
}

/* Give all places that it has to those that wait. */
static void fill(struct process *server)
{
	struct process *p;

	while (server->state == PROCESS_RUNNING && (p = first_waiting(server)) && take_place(p))
		process_queue_spawn(p);
}

/* Half of them at a time: for each row of starts the budget is counted once. */
void forkserver_answered(struct process *p)
{
	if (!p->asked)
		return;
	p->asked = false;
	if (--p->server->n_asked <= FORKSERVER_ASKED_MAX / 2)
		fill(p->server);
}

static void fail_waiting(struct process *server, const char *text)
{
	struct process *p;

	while ((p = first_waiting(server)))
		process_cannot_spawn(p, LINK_STEP_SERVER, EHOSTDOWN, text);
}

void forkserver_noticed(struct process *server)
{
	if (server->state == PROCESS_RUNNING)
		fill(server);
	else if (!process_state_is_up(server->state))
		fail_waiting(server, server->reason ? server->reason : "its forkserver has ended");
}

/* One line of a text with a traceback: what comes before it, and its last line. */
static char *summary(const char *text)
{
	const char *end = text + strlen(text), *last;
	size_t head = strcspn(text, "\n");
	const char *traceback = memmem(text, head, "Traceback", strlen("Traceback"));
	char *line;

	while (end > text && end[-1] == '\n')
		end--;
	last = memrchr(text, '\n', (size_t)(end - text));
	if (!last)
		return strndup(text, (size_t)(end - text));
	if (traceback)
		head = (size_t)(traceback - text);
	if (asprintf(&line, "%.*s%s%.*s", (int)head, text, traceback ? "" : ": ",
		     (int)(end - last - 1), last + 1) < 0)
		return NULL;
	return line;
}

static void log_lines(const char *name, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		log_error(name, "%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

void forkserver_failed(struct process *server, const char *text)
{
	auto_free char *line = summary(text);

	log_lines(process_name(server), text);
	for (struct process *p = server->supervisor->processes; line && p; p = p->by_name.next)
		if (p->server == server && p->asked)
			process_tell_reason(p, p->incarnation, line);
	fail_waiting(server, line ? line : text);
}

void forkserver_changed(struct supervisor *s, const char *name)
{
	char full[CONF_NAME_MAX + sizeof SERVER_PREFIX];
	struct process *server;
	struct conf *c;

	snprintf(full, sizeof full, SERVER_PREFIX "%s", name);
	server = process_find(s, full);
	c = server ? server_conf(s, full) : NULL;
	if (server && !c && conf_find_forkserver(s->conf, name))
		nomem_exit(full); /* the next one makes it by the new definition */
	if (c) {
		process_redefine(server, c, c->processes);
		if (process_state_is_up(server->state))
			(void)process_ask_restart(server, &foster);
	} else if (server) {
		(void)process_ask_stop(server, &foster);
	}
	conf_unref(c);
}

/* ---- stop commands ---------------------------------------------------------------------------------- */

static const char *const *helper_environ(struct arena *a, const struct process *p)
{
	const char *vars[ARGS_MAX + 2];
	char pid[32];
	size_t n = 0;

	snprintf(pid, sizeof pid, "FOSTER_PID=%d", p->pid);
	for (; p->def->environ && p->def->environ[n] && n < ARGS_MAX; n++)
		vars[n] = p->def->environ[n];
	vars[n++] = pid;
	vars[n] = NULL;
	return copy_strings(a, vars);
}

static struct conf *helper_conf(struct process *p, const char *name, const char *const *argv)
{
	const struct conf_process *def = p->def;
	struct internal *in;
	struct conf *c = new_conf(name, &in);

	if (!c)
		return NULL;
	in->program.uid = def->program->uid;
	in->program.gid = def->program->gid;
	in->program.umask = def->program->umask;
	in->process.argv = copy_strings(&c->arena, argv);
	in->process.environ = helper_environ(&c->arena, p);
	if (in->process.argv && in->process.environ &&
	    copy_string(&c->arena, def->program->user, &in->program.user) &&
	    copy_string(&c->arena, def->directory, &in->process.directory))
		return c;
	conf_unref(c);
	return NULL;
}

void helper_run(struct process *p, const char *const *argv)
{
	char name[CONF_NAME_MAX + sizeof HELPER_SUFFIX];
	struct process *helper;

	snprintf(name, sizeof name, "%s" HELPER_SUFFIX, process_name(p));
	if (process_find(p->supervisor, name))
		return; /* it runs already */
	helper = add(p->supervisor, helper_conf(p, name, argv), PROCESS_HELPER, NULL);
	if (!helper) {
		log_error(process_name(p), "stop_command cannot be run: %m");
		return;
	}
	helper->removed = true; /* forgotten when it has ended */
	helper->want_up = true;
	process_post(helper, PROCESS_EV_START);
}

struct process *internal_resume(struct supervisor *s, const char *name, uint32_t slot)
{
	size_t n = strlen(name), suffix = strlen(HELPER_SUFFIX);
	struct internal *in;
	struct process *p;

	if (strncmp(name, SERVER_PREFIX, strlen(SERVER_PREFIX)) == 0)
		return add(s, server_conf(s, name), PROCESS_SERVER, &slot);
	if (n <= suffix || strcmp(name + n - suffix, HELPER_SUFFIX) != 0)
		return NULL;
	p = add(s, new_conf(name, &in), PROCESS_HELPER, &slot);
	if (p)
		p->removed = true;
	return p;
}

struct process *internal_ghost(struct supervisor *s, const char *name, uint32_t slot)
{
	struct internal *in;
	struct process *p = add(s, new_conf(name, &in), PROCESS_GHOST, &slot);

	if (!p)
		return NULL;
	in->program.kill_scope = CONF_TREE;
	return p;
}
