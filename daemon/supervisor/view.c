#include "daemon/supervisor/view.h"

#include <math.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "ctl/wire/jsonw.h"
#include "ctl/wire/text.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/sig.h"
#include "daemon/supervisor/supervisor.h"

#define PATH_BYTES 4096

/* ---- lists, as text -------------------------------------------------------------------------- */

struct view_now view_now(void)
{
	return (struct view_now){ clock_boot_ns(), clock_real_ns() };
}

static double calendar(uint64_t boot_ns, const struct view_now *now)
{
	return (double)(now->real_ns - now->boot_ns + boot_ns) / 1e9;
}

void view_status(struct buf *b, const struct process *p, const struct view_now *now)
{
	const char *reason = p->pid ? NULL : process_reason(p);

	jsonw_open(b, NULL, '{');
	jsonw_str(b, "name", process_name(p));
	jsonw_str(b, "state", process_state_name(p->state));
	if (p->pid) {
		jsonw_int(b, "pid", p->pid);
		jsonw_seconds(b, "uptime", clock_seconds(p->started_ns, now->boot_ns));
	} else if (p->stopped_ns) {
		jsonw_seconds(b, "stopped", calendar(p->stopped_ns, now));
	}
	if (reason)
		jsonw_str(b, "reason", reason);
	jsonw_close(b, '}');
}

static const char lost_words[] = "it ended while nobody could see how";

void view_end_text(struct buf *b, const char *name, const struct process_end *end)
{
	jsonw_open(b, NULL, '{');
	jsonw_str(b, "name", name);
	if (end->kind == PROCESS_ENDED)
		jsonw_int(b, "returncode", process_returncode(end));
	else if (end->kind == PROCESS_LOST)
		jsonw_str(b, "lost", lost_words);
	jsonw_close(b, '}');
}

const char *view_parent(const struct process *p, char text[VIEW_PARENT_BYTES])
{
	if (p->parent_name)
		return p->parent_name;
	if (!p->session || !p->session_is_parent)
		return NULL;
	snprintf(text, VIEW_PARENT_BYTES, "session of PID %d", (int)session_pid(p->session));
	return text;
}

void view_node(struct buf *b, const struct process *p)
{
	char text[VIEW_PARENT_BYTES];
	const char *parent = view_parent(p, text);

	jsonw_open(b, NULL, '{');
	jsonw_str(b, "name", process_name(p));
	if (parent)
		jsonw_str(b, "parent", parent);
	jsonw_str(b, "state", process_state_name(p->state));
	if (p->pid)
		jsonw_int(b, "pid", p->pid);
	jsonw_bool(b, "daemon", p->daemon);
	jsonw_close(b, '}');
}

/* ---- one, as a tree -------------------------------------------------------------------------- */

/* Absent where s is NULL: the interface says ?string. */
static void set_str(json_t *o, const char *key, const char *s)
{
	if (s)
		json_object_set_new(o, key, text_str_to_json(s));
}

static void set_int(json_t *o, const char *key, json_int_t value)
{
	json_object_set_new(o, key, json_integer(value));
}

static void set_bool(json_t *o, const char *key, bool value)
{
	json_object_set_new(o, key, json_boolean(value));
}

static void set_seconds(json_t *o, const char *key, double value)
{
	json_object_set_new(o, key, json_real(round(value * 1e6) / 1e6));
}

static void set_strings(json_t *o, const char *key, const char *const *strings)
{
	json_t *list = strings ? json_array() : NULL;

	for (; list && *strings; strings++)
		json_array_append_new(list, text_str_to_json(*strings));
	if (list)
		json_object_set_new(o, key, list);
}

json_t *view_end(const char *name, const struct process_end *end)
{
	json_t *o = json_object();

	set_str(o, "name", name);
	if (end->kind == PROCESS_ENDED)
		set_int(o, "returncode", process_returncode(end));
	else if (end->kind == PROCESS_LOST)
		set_str(o, "lost", lost_words);
	return o;
}

/* The last end in full. Where the process runs again it is still told: it says why it was restarted. */
static void add_end(json_t *o, const struct process *p)
{
	const struct process_end *e = &p->end;
	json_t *usage;

	if (e->kind == PROCESS_LOST)
		set_str(o, "lost", lost_words);
	if (e->kind != PROCESS_ENDED)
		return;
	set_int(o, "returncode", process_returncode(e));
	if (WIFSIGNALED(e->status)) {
		set_str(o, "signal", sig_name(WTERMSIG(e->status)));
		set_bool(o, "core", WCOREDUMP(e->status));
	}
	usage = json_object();
	set_seconds(usage, "user", (double)e->utime_us / 1e6);
	set_seconds(usage, "system", (double)e->stime_us / 1e6);
	set_int(usage, "maxrss_kb", (json_int_t)e->maxrss_kb);
	json_object_set_new(o, "rusage", usage);
}

static void add_asker(json_t *o, const struct process_asker *a)
{
	char text[64];

	if (a->kind == ASKED_NOBODY)
		return;
	if (a->kind == ASKED_CLIENT)
		snprintf(text, sizeof text, "uid %u pid %d", (unsigned)a->uid, (int)a->pid);
	else
		strcpy(text, "autostart");
	set_str(o, "asked_by", text);
}

static void add_life(json_t *o, const struct process *p)
{
	const struct view_now now = view_now();

	set_str(o, "state", process_state_name(p->state));
	set_str(o, "wanted", p->want_up ? "up" : "down");
	if (p->pid)
		set_int(o, "pid", p->pid);
	add_end(o, p);
	set_str(o, "reason", p->pid ? NULL : process_reason(p));
	set_int(o, "restarts", p->restarts);
	set_int(o, "incarnation", (json_int_t)p->incarnation);
	if (p->started_ns)
		set_seconds(o, "started", calendar(p->started_ns, &now));
	if (p->stopped_ns)
		set_seconds(o, "stopped", calendar(p->stopped_ns, &now));
	add_asker(o, &p->asker);
}

/* Linux 6.15 tells how a process ended that its parent has reaped. */
static bool kernel_tells_of_reaped(void)
{
	static int answer = -1;
	int major, minor;
	struct utsname u;

	if (answer < 0)
		answer = uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
			 (major > 6 || (major == 6 && minor >= 15));
	return answer;
}

/* What is known of its end when that comes. */
static const char *exit_status_words(const struct process *p)
{
	if (!p->adopted)
		return p->server ? "always: it is a child of its forkserver, or of fosterd"
				 : "always: it is a child of fosterd";
	return kernel_tells_of_reaped() ? "always: the kernel tells it through a pidfd"
					: "unless another reaps it before it is seen";
}

static void add_adopted(json_t *o, const struct process *p)
{
	if (!process_state_is_alive(p->state))
		return;
	set_bool(o, "adopted", p->adopted);
	set_str(o, "exit_status", exit_status_words(p));
}

static void add_parent(json_t *o, const struct process *p)
{
	char text[VIEW_PARENT_BYTES];

	set_bool(o, "daemon", p->daemon);
	set_bool(o, "dies_with_fosterd", process_dies_with_keeper(p));
	set_str(o, "parent", view_parent(p, text));
}

/* "file:line", or the time. */
static void add_origin(json_t *o, const struct process *p)
{
	const struct conf_program *program = p->def->program;
	time_t seconds = p->client ? (time_t)(p->client->defined_real_ns / NS_PER_S) : 0;
	char text[64] = "";
	auto_buf struct buf where = { 0 };
	struct tm tm;

	set_str(o, "origin", p->client ? "client" : "file");
	if (p->client) {
		if (localtime_r(&seconds, &tm))
			strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", &tm);
		buf_addf(&where, "%s by uid %u", text, (unsigned)p->client->uid);
	} else if (program->file) {
		buf_addf(&where, "%s:%u", program->file, program->line);
	}
	if (where.len && !buf_error(&where))
		set_str(o, "defined_at", where.data);
}

static void add_log(json_t *o, const char *key, const struct process *p, int stream)
{
	const struct conf_log *l = stream == 1 ? &p->def->out : &p->def->err;
	char path[PATH_BYTES];
	const char *why;

	if (stream == 2 && p->def->program->redirect_stderr)
		set_str(o, key, "stdout");
	else if (process_log_path(p, stream, path, sizeof path, &why) == 0)
		set_str(o, key, path);
	else
		set_str(o, key, conf_log_kind_name(l->kind));
}

/* How it is known that a stopped process left nothing behind. */
static const char *tree_words(const struct process *p)
{
	switch (p->def->program->kill_scope) {
	case CONF_TREE:
		if (p->in_cgroup)
			return "its cgroup";
		if (p->adopted)
			return "process group, and who has its FOSTER_INSTANCE";
		return "process group, session, descendants, and orphans with its FOSTER_INSTANCE";
	case CONF_GROUP:
		return "process group";
	case CONF_PROCESS:
	case CONF_KILL_SCOPE_MAX:
		break;
	}
	return "main process alone";
}

static void add_user(json_t *o, const struct process *p)
{
	char text[32];

	if (!p->def->program->user && p->client) {
		snprintf(text, sizeof text, "uid %u", (unsigned)p->client->uid);
		set_str(o, "user", text);
	} else {
		set_str(o, "user", p->def->program->user);
	}
}

static void add_definition(json_t *o, const struct process *p)
{
	const struct conf_process *def = p->def;
	const struct conf_program *program = def->program;

	set_str(o, "group", def->group);
	set_str(o, "program", program->name);
	set_str(o, "start_method", conf_method_name(program->method));
	set_str(o, "forkserver", program->forkserver);
	set_strings(o, "command", program->entry ? NULL : def->argv);
	set_str(o, "entry", program->entry);
	set_str(o, "directory", def->directory);
	add_user(o, p);
	set_str(o, "autorestart", conf_autorestart_name(program->restart.autorestart));
	set_seconds(o, "startsecs", program->restart.startsecs);
	set_int(o, "startretries", program->restart.startretries);
	set_str(o, "stopsignal", sig_name(program->stopsignal));
	set_seconds(o, "stopwaitsecs", program->stopwaitsecs);
	set_str(o, "kill_scope", conf_kill_scope_name(program->kill_scope));
	set_str(o, "tree", tree_words(p));
	add_log(o, "stdout", p, 1);
	add_log(o, "stderr", p, 2);
}

/* All of it, or the names alone. */
static void add_environment(json_t *o, const struct process *p, bool whole)
{
	const char *const *var = p->def->environ;
	json_t *list = var && !whole ? json_array() : NULL;

	if (whole)
		set_strings(o, "environment", var);
	for (; list && *var; var++) {
		auto_buf struct buf name = { 0 };

		buf_addf(&name, "%.*s=…", (int)strcspn(*var, "="), *var);
		if (!buf_error(&name))
			json_array_append_new(list, text_str_to_json(name.data));
	}
	if (list)
		json_object_set_new(o, "environment", list);
}

json_t *view_process(const struct process *p, bool whole)
{
	json_t *o = json_object();

	set_str(o, "name", process_name(p));
	add_life(o, p);
	add_adopted(o, p);
	add_parent(o, p);
	add_origin(o, p);
	add_definition(o, p);
	add_environment(o, p, whole);
	return o;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Whether this change is the end of an incarnation, so that the end is its own. */
static bool is_end(enum process_state from, enum process_state to)
{
	return (process_state_is_alive(from) || from == PROCESS_UNKNOWN) &&
	       !process_state_is_alive(to) && to != PROCESS_UNKNOWN;
}

json_t *view_event(const struct process *p, enum process_state from, enum process_state to)
{
	const uint64_t ago_ns = clock_boot_ns() - p->changed_ns;
	json_t *o = json_object();

	set_seconds(o, "time", (double)(clock_real_ns() - ago_ns) / 1e9);
	set_str(o, "name", process_name(p));
	set_str(o, "from", process_state_name(from));
	set_str(o, "to", process_state_name(to));
	if (p->pid)
		set_int(o, "pid", p->pid);
	if (is_end(from, to) && p->executed && p->end.kind == PROCESS_ENDED)
		set_int(o, "returncode", process_returncode(&p->end));
	set_int(o, "incarnation", (json_int_t)p->incarnation);
	set_int(o, "number", (json_int_t)p->changed_ns);
	return o;
}
