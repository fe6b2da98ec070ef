#include "conf/keys.h"

#include <assert.h>
#include <string.h>

#include "conf/suggest.h"
#include "daemon/base/mem.h"

static const char *const method_names[CONF_METHOD_MAX] = { "fork", "spawn", "forkserver" };
static const char *const log_kind_names[CONF_LOG_KIND_MAX] = {
	[CONF_LOG_NONE] = "none",     [CONF_LOG_AUTO] = "auto",	    [CONF_LOG_FILE] = "file",
	[CONF_LOG_STDOUT] = "stdout", [CONF_LOG_STDERR] = "stderr", [CONF_LOG_JOURNAL] = "journal",
	[CONF_LOG_SYSLOG] = "syslog",
};
static const char *const change_names[CONF_CHANGE_MAX] = { "added", "changed", "removed" };

const char *const keys_autorestarts[] = { "false", "unexpected", "true", NULL };
const char *const keys_kill_scopes[] = { "process", "group", "tree", NULL };
const char *const keys_log_fulls[] = { "block", "drop", NULL };
const char *const keys_log_formats[] = { "raw", "timestamp", "json", NULL };
const char *const keys_fs_types[] = { "native", "python", "command", NULL };
static const char *const on_exits[] = { "leave", "join", NULL };

static_assert(ARRAY_SIZE(keys_autorestarts) == CONF_AUTORESTART_MAX + 1, "a name for each");
static_assert(ARRAY_SIZE(keys_kill_scopes) == CONF_KILL_SCOPE_MAX + 1, "a name for each");
static_assert(ARRAY_SIZE(keys_log_fulls) == CONF_LOG_FULL_MAX + 1, "a name for each");
static_assert(ARRAY_SIZE(keys_log_formats) == CONF_LOG_FORMAT_MAX + 1, "a name for each");

const char *conf_method_name(enum conf_method m)
{
	return method_names[m];
}

const char *conf_autorestart_name(enum conf_autorestart a)
{
	return keys_autorestarts[a];
}

const char *conf_kill_scope_name(enum conf_kill_scope s)
{
	return keys_kill_scopes[s];
}

const char *conf_log_kind_name(enum conf_log_kind k)
{
	return log_kind_names[k];
}

const char *conf_change_name(enum conf_change c)
{
	return change_names[c];
}

#define MAIN(field) offsetof(struct conf_main, field)
#define PROGRAM(field) offsetof(struct program_draft, program.field)
#define DRAFT(field) offsetof(struct program_draft, field)
#define PROCESS(field) offsetof(struct process_draft, process.field)
#define EACH(field) offsetof(struct process_draft, field)
#define SERVER(field) offsetof(struct conf_forkserver, field)

#define N KEY_NATIVE
#define C KEY_CLIENT
#define E KEY_EACH
#define W KEY_WHOLE
#define F KEY_IN_FILE

/* Sorted by section, then name: keys_find() searches by halves. NULL after a default means that it
 * is the same in both dialects. */
/* clang-format off */
const struct key keys[] = {
	{ "childlogdir", SECTION_MAIN, KEY_DIRECTORY, 0, MAIN(childlogdir), NULL, NULL, NULL,
	  "directory of AUTO log files; default RUNTIME/log ([supervisord]: $TMPDIR)" },
	{ "directory", SECTION_MAIN, KEY_DIRECTORY, 0, MAIN(directory), NULL, NULL, NULL,
	  "current directory of fosterd ([supervisord]: not with nodaemon=true)" },
	{ "environment", SECTION_MAIN, KEY_ENVIRONMENT, KEY_TWICE, 0, NULL, NULL, NULL,
	  "variables of every program, as NAME=\"value\",…" },
	{ "exit_on", SECTION_MAIN, KEY_NAME, N, MAIN(exit_on), NULL, NULL, NULL,
	  "shut down when this process ends, with its status" },
	{ "identifier", SECTION_MAIN, KEY_TEXT, 0, MAIN(identifier), NULL, NULL, NULL,
	  "name of this fosterd, for people" },
	{ "keep_finished", SECTION_MAIN, KEY_COUNT, N, MAIN(keep_finished), "1000", NULL, NULL,
	  "finished processes of clients that are remembered" },
	{ "logfile", SECTION_MAIN, KEY_OTHER, 0, 0, "-", "supervisord.log", NULL,
	  "fosterd's own log; - is stderr" },
	{ "logfile_backups", SECTION_MAIN, KEY_COUNT, 0, MAIN(logfile_backups), "10", NULL, NULL,
	  "rotated files kept" },
	{ "logfile_maxbytes", SECTION_MAIN, KEY_SIZE, 0, MAIN(logfile_maxbytes), "50MB", NULL, NULL,
	  "size at which the log is rotated; 0: never" },
	{ "loglevel", SECTION_MAIN, KEY_LOGLEVEL, 0, MAIN(loglevel), "info", NULL, NULL,
	  "least level that is logged" },
	{ "minfds", SECTION_MAIN, KEY_NUMBER, 0, MAIN(minfds), "0", "1024", NULL,
	  "descriptors that fosterd must be able to open, and its children get; 0: as it is" },
	{ "minprocs", SECTION_MAIN, KEY_IGNORED, 0, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "nocleanup", SECTION_MAIN, KEY_IGNORED, 0, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "nodaemon", SECTION_MAIN, KEY_OTHER, 0, 0, "true", NULL, NULL,
	  "false: go to the background" },
	{ "on_exit", SECTION_MAIN, KEY_OTHER, N, 0, "leave", NULL, on_exits,
	  "processes with daemon=false at a shutdown: let them run on, or wait for them" },
	{ "pidfile", SECTION_MAIN, KEY_FILE, 0, MAIN(pidfile), NULL, "supervisord.pid", NULL,
	  "file for fosterd's PID" },
	{ "runtime_dir", SECTION_MAIN, KEY_PATH, N, MAIN(runtime_dir), NULL, NULL, NULL,
	  "directory of socket, process table and logs; default /run/foster or "
	  "$XDG_RUNTIME_DIR/foster" },
	{ "session_grace", SECTION_MAIN, KEY_SECONDS, N, MAIN(session_grace), "0", NULL, NULL,
	  "time between a client's end and the stop of its processes" },
	{ "silent", SECTION_MAIN, KEY_IGNORED, 0, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "socket", SECTION_MAIN, KEY_PATH, N, MAIN(socket), NULL, NULL, NULL,
	  "control socket; default RUNTIME/foster.sock" },
	{ "socket_mode", SECTION_MAIN, KEY_OCTAL, N, MAIN(socket_mode), "0600", NULL, NULL,
	  "mode of the control socket" },
	{ "socket_owner", SECTION_MAIN, KEY_OTHER, N, 0, NULL, NULL, NULL,
	  "user or user:group that owns the control socket" },
	{ "start_method", SECTION_MAIN, KEY_OTHER, N, 0, "fork", NULL, NULL,
	  "fork, spawn, forkserver or forkserver:NAME, for programs that do not say" },
	{ "strip_ansi", SECTION_MAIN, KEY_IGNORED, 0, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "umask", SECTION_MAIN, KEY_OCTAL, 0, MAIN(umask), NULL, "022", NULL,
	  "umask of fosterd" },
	{ "user", SECTION_MAIN, KEY_USER, 0, 0, NULL, NULL, NULL,
	  "user as whom fosterd runs" },
	{ "watchdog", SECTION_MAIN, KEY_SECONDS, N, MAIN(watchdog), "10", NULL, NULL,
	  "time after which an unresponsive part of foster is replaced" },

	{ "files", SECTION_INCLUDE, KEY_OTHER, 0, 0, NULL, NULL, NULL,
	  "patterns of more files, relative to this one" },

	{ "args", SECTION_PROGRAM, KEY_OTHER, N | C | E, 0, NULL, NULL, NULL,
	  "arguments of entry" },
	{ "autorestart", SECTION_PROGRAM, KEY_AUTORESTART, C, PROGRAM(restart.autorestart),
	  "unexpected", NULL, keys_autorestarts, "restart after an exit from RUNNING" },
	{ "autostart", SECTION_PROGRAM, KEY_BOOL, 0, PROGRAM(autostart), "true", NULL, NULL,
	  "start together with fosterd" },
	{ "command", SECTION_PROGRAM, KEY_COMMAND, C | E, 0, NULL, NULL, NULL,
	  "program and arguments, split like a shell's words, run without a shell" },
	{ "daemon", SECTION_PROGRAM, KEY_BOOL, N | C, PROGRAM(daemon), "true", NULL, NULL,
	  "terminated when its parent exits" },
	{ "directory", SECTION_PROGRAM, KEY_DIRECTORY, C | E, PROCESS(directory), NULL, NULL, NULL,
	  "current directory" },
	{ "entry", SECTION_PROGRAM, KEY_OTHER, N, 0, NULL, NULL, NULL,
	  "module:function or PATH.so:symbol to run inside a forkserver" },
	{ "environment", SECTION_PROGRAM, KEY_ENVIRONMENT, C | E, 0, NULL, NULL, NULL,
	  "variables, as NAME=\"value\",…" },
	{ "exitcodes", SECTION_PROGRAM, KEY_EXITCODES, C, PROGRAM(exitcodes), "0", NULL, NULL,
	  "exit statuses that are expected" },
	{ "give_up", SECTION_PROGRAM, KEY_GIVE_UP, N | C | KEY_RESTART, PROGRAM(restart), NULL, NULL,
	  NULL, "N/SECONDS: FATAL after so many crashes in that time" },
	{ "kill_scope", SECTION_PROGRAM, KEY_WORD, N, PROGRAM(kill_scope), "tree", "process",
	  keys_kill_scopes, "what is killed with the main process ([supervisord]: group with "
	  "killasgroup)" },
	{ "killasgroup", SECTION_PROGRAM, KEY_BOOL, C, PROGRAM(killasgroup), "false", NULL, NULL,
	  "SIGKILL to the process group; default as stopasgroup" },
	{ "log_format", SECTION_PROGRAM, KEY_WORD, N, PROGRAM(log_format), "raw", NULL,
	  keys_log_formats, "form of lines in log files" },
	{ "log_full", SECTION_PROGRAM, KEY_WORD, N, PROGRAM(log_full), "block", NULL,
	  keys_log_fulls, "what to do when a log cannot be written" },
	{ "log_prefix", SECTION_PROGRAM, KEY_BOOL, N, PROGRAM(log_prefix), "true", "false", NULL,
	  "\"name | \" before each line on fosterd's own stdout or stderr" },
	{ "numprocs", SECTION_PROGRAM, KEY_COUNT, F, DRAFT(numprocs), "1", NULL, NULL,
	  "processes made of this program" },
	{ "numprocs_start", SECTION_PROGRAM, KEY_COUNT, F, DRAFT(numprocs_start), "0", NULL, NULL,
	  "process_num of the first" },
	{ "parent", SECTION_PROGRAM, KEY_NAME, N | C, PROGRAM(parent), NULL, NULL, NULL,
	  "process that this one belongs to; default fosterd" },
	{ "priority", SECTION_PROGRAM, KEY_INT, 0, PROGRAM(priority), "999", NULL, NULL,
	  "starts ascending, stops descending" },
	{ "process_name", SECTION_PROGRAM, KEY_OTHER, E | F, 0, "%(program_name)s", NULL, NULL,
	  "name of each process" },
	{ "redirect_stderr", SECTION_PROGRAM, KEY_BOOL, 0, PROGRAM(redirect_stderr), "false", NULL,
	  NULL, "stderr goes where stdout goes" },
	{ "restart_delay", SECTION_PROGRAM, KEY_SECONDS, N | C | KEY_RESTART,
	  PROGRAM(restart.delay), "1", NULL, NULL, "time before the first restart; doubles" },
	{ "restart_delay_max", SECTION_PROGRAM, KEY_SECONDS, N | C | KEY_RESTART,
	  PROGRAM(restart.delay_max), "60", NULL, NULL, "longest time before a restart" },
	{ "restart_jitter", SECTION_PROGRAM, KEY_FRACTION, N | C | KEY_RESTART,
	  PROGRAM(restart.jitter), "0", NULL, NULL, "part of the delay that is random" },
	{ "serverurl", SECTION_PROGRAM, KEY_IGNORED, F, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "start_method", SECTION_PROGRAM, KEY_OTHER, N | C, 0, NULL, NULL, NULL,
	  "fork, spawn, forkserver or forkserver:NAME; default that of [foster]" },
	{ "startretries", SECTION_PROGRAM, KEY_COUNT, C, PROGRAM(restart.startretries), "3", NULL,
	  NULL, "failed starts before FATAL" },
	{ "startsecs", SECTION_PROGRAM, KEY_SECONDS, C | W, PROGRAM(restart.startsecs), "1", NULL,
	  NULL, "time alive until RUNNING" },
	{ "stderr_capture_maxbytes", SECTION_PROGRAM, KEY_IGNORED, F, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "stderr_events_enabled", SECTION_PROGRAM, KEY_IGNORED, F, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "stderr_logfile", SECTION_PROGRAM, KEY_LOG, E | KEY_TWICE, PROCESS(err), "AUTO", NULL,
	  NULL, "file, AUTO, NONE, - (fosterd's stdout), /dev/stderr, journal or syslog" },
	{ "stderr_logfile_backups", SECTION_PROGRAM, KEY_COUNT, E, PROCESS(err.backups), "10", NULL,
	  NULL, "rotated files kept" },
	{ "stderr_logfile_maxbytes", SECTION_PROGRAM, KEY_SIZE, E, PROCESS(err.maxbytes), "50MB",
	  NULL, NULL, "size at which the file is rotated; 0: never" },
	{ "stderr_syslog", SECTION_PROGRAM, KEY_BOOL, E, EACH(err_syslog), "false", NULL, NULL,
	  "as stderr_logfile=syslog" },
	{ "stdin", SECTION_PROGRAM, KEY_OTHER, N, 0, NULL, NULL, NULL,
	  "file to read from; default /dev/null ([supervisord]: a pipe that stays open)" },
	{ "stdout_capture_maxbytes", SECTION_PROGRAM, KEY_IGNORED, F, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "stdout_events_enabled", SECTION_PROGRAM, KEY_IGNORED, F, 0, NULL, NULL, NULL,
	  "accepted for supervisord's files" },
	{ "stdout_logfile", SECTION_PROGRAM, KEY_LOG, E | KEY_TWICE, PROCESS(out), "AUTO", NULL,
	  NULL, "file, AUTO, NONE, - (fosterd's stdout), /dev/stderr, journal or syslog" },
	{ "stdout_logfile_backups", SECTION_PROGRAM, KEY_COUNT, E, PROCESS(out.backups), "10", NULL,
	  NULL, "rotated files kept" },
	{ "stdout_logfile_maxbytes", SECTION_PROGRAM, KEY_SIZE, E, PROCESS(out.maxbytes), "50MB",
	  NULL, NULL, "size at which the file is rotated; 0: never" },
	{ "stdout_syslog", SECTION_PROGRAM, KEY_BOOL, E, EACH(out_syslog), "false", NULL, NULL,
	  "as stdout_logfile=syslog" },
	{ "stop_command", SECTION_PROGRAM, KEY_ARGV, N, PROGRAM(stop_command), NULL, NULL, NULL,
	  "run to stop the process, instead of stopsignal" },
	{ "stopasgroup", SECTION_PROGRAM, KEY_BOOL, C, PROGRAM(stopasgroup), "false", NULL, NULL,
	  "stopsignal to the process group" },
	{ "stopsignal", SECTION_PROGRAM, KEY_SIGNAL, C, PROGRAM(stopsignal), "TERM", NULL, NULL,
	  "signal that asks the process to stop" },
	{ "stopwaitsecs", SECTION_PROGRAM, KEY_SECONDS, C | W, PROGRAM(stopwaitsecs), "10", NULL,
	  NULL, "time between stopsignal and SIGKILL" },
	{ "umask", SECTION_PROGRAM, KEY_OCTAL, C, PROGRAM(umask), NULL, NULL, NULL,
	  "umask; default fosterd's" },
	{ "user", SECTION_PROGRAM, KEY_USER, 0, 0, NULL, NULL, NULL,
	  "user, by name or number, with primary and supplementary groups" },

	{ "priority", SECTION_GROUP, KEY_INT, 0, offsetof(struct group_draft, priority), "999", NULL,
	  NULL, "starts ascending, stops descending" },
	{ "programs", SECTION_GROUP, KEY_LIST, 0, 0, NULL, NULL, NULL,
	  "programs of the group, with commas between" },

	{ "command", SECTION_FORKSERVER, KEY_ARGV, N, SERVER(command), NULL, NULL, NULL,
	  "a forkserver of any kind, which speaks the messages on descriptor 3" },
	{ "directory", SECTION_FORKSERVER, KEY_DIRECTORY, N, SERVER(directory), NULL, NULL, NULL,
	  "current directory" },
	{ "environment", SECTION_FORKSERVER, KEY_ENVIRONMENT, N, 0, NULL, NULL, NULL,
	  "variables, as NAME=\"value\",…" },
	{ "interpreter", SECTION_FORKSERVER, KEY_TEXT, N, SERVER(interpreter), "/usr/bin/python3",
	  NULL, NULL, "the Python of type=python" },
	{ "preload", SECTION_FORKSERVER, KEY_LIST, N, 0, NULL, NULL, NULL,
	  "modules (python) or shared objects (native) that are loaded once" },
	{ "type", SECTION_FORKSERVER, KEY_OTHER, N, 0, "native", NULL, keys_fs_types,
	  "native or python; command= alone says the third" },
	{ "user", SECTION_FORKSERVER, KEY_USER, N, 0, NULL, NULL, NULL, "user as whom it runs" },

	{ "allow", SECTION_ACCESS, KEY_LIST, N, 0, NULL, NULL, NULL,
	  "rights: read, control, run, admin" },
	{ "groups", SECTION_ACCESS, KEY_LIST, N, 0, NULL, NULL, NULL, "groups who have them" },
	{ "programs", SECTION_ACCESS, KEY_LIST, N, 0, NULL, NULL, NULL,
	  "patterns of process names that they hold for; default all" },
	{ "users", SECTION_ACCESS, KEY_LIST, N, 0, NULL, NULL, NULL, "users who have them" },
};
/* clang-format on */
const size_t keys_count = ARRAY_SIZE(keys);

static const struct section {
	const char *name;
	enum section_kind kind;
	enum {
		PLAIN, /* [name] */
		NAMED, /* [name:x] */
		EITHER
	} form;
	const char *shown;
} sections[] = {
	{ "foster", SECTION_MAIN, PLAIN, "foster" },
	{ "supervisord", SECTION_MAIN, PLAIN, NULL },
	{ "include", SECTION_INCLUDE, PLAIN, "include" },
	{ "program", SECTION_PROGRAM, NAMED, "program:NAME" },
	{ "group", SECTION_GROUP, NAMED, "group:NAME" },
	{ "forkserver", SECTION_FORKSERVER, NAMED, "forkserver:NAME" },
	{ "access", SECTION_ACCESS, NAMED, "access:NAME" },
	{ "unix_http_server", SECTION_SILENT, EITHER, NULL },
	{ "supervisorctl", SECTION_SILENT, PLAIN, NULL },
	{ "rpcinterface:supervisor", SECTION_SILENT, PLAIN, NULL },
	{ "rpcinterface", SECTION_UNSUPPORTED, NAMED, NULL },
	{ "inet_http_server", SECTION_UNSUPPORTED, EITHER, NULL },
	{ "eventlistener", SECTION_UNSUPPORTED, NAMED, NULL },
	{ "fcgi-program", SECTION_UNSUPPORTED, NAMED, NULL },
	{ "ctlplugin", SECTION_UNSUPPORTED, NAMED, NULL },
};

static bool has_form(const struct section *s, const char *name)
{
	size_t len = strlen(s->name);

	if (strncmp(name, s->name, len) != 0)
		return false;
	return s->form == NAMED ? name[len] == ':'
				: name[len] == '\0' || (s->form == EITHER && name[len] == ':');
}

enum section_kind keys_section_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (has_form(&sections[i], name))
			return sections[i].kind;
	return SECTION_UNKNOWN;
}

const char *keys_section_form(enum section_kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (sections[i].kind == kind)
			return sections[i].shown;
	return NULL;
}

const struct key *keys_find(enum section_kind kind, const char *name)
{
	size_t low = 0, high = keys_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct key *k = &keys[middle];
		int order =
			k->section == kind ? strcmp(name, k->name) : (int)kind - (int)k->section;

		if (order == 0)
			return k;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *keys_expected(const struct key *k)
{
	switch (k->type) {
	case KEY_BOOL:
		return "true or false (or yes, on, 1, no, off, 0)";
	case KEY_INT:
		return "a whole number";
	case KEY_COUNT:
	case KEY_NUMBER:
		return "a whole number, 0 or more";
	case KEY_SIZE:
		return "bytes: a number, or one with KB, MB or GB";
	case KEY_SECONDS:
		return "seconds (5, 0.5) or a time with a unit (10ms, 5s, 2m, 1h)";
	case KEY_FRACTION:
		return "a number from 0 to 1";
	case KEY_OCTAL:
		return "an octal number such as 022";
	case KEY_SIGNAL:
		return "the name or number of a signal, such as TERM";
	case KEY_AUTORESTART:
		return "true, false or unexpected";
	case KEY_EXITCODES:
		return "exit statuses from 0 to 255 with commas between";
	case KEY_LOGLEVEL:
		return "critical, error, warn, info, debug, trace or blather";
	case KEY_GIVE_UP:
		return "N/SECONDS, such as 5/60";
	default:
		return NULL;
	}
}

const char *keys_suggest(enum section_kind kind, const char *name)
{
	struct suggest s = { .word = name };

	for (size_t i = 0; i < keys_count; i++)
		if (keys[i].section == kind && keys[i].type != KEY_IGNORED)
			suggest_offer(&s, keys[i].name);
	return suggest_best(&s);
}

const char *keys_suggest_section(const char *name)
{
	char kind[32] = "";
	struct suggest s = { .word = kind };
	size_t len = strcspn(name, ":");

	if (len >= sizeof kind)
		return NULL;
	memcpy(kind, name, len);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (sections[i].shown)
			suggest_offer(&s, sections[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (suggest_best(&s) == sections[i].name)
			return sections[i].shown;
	return NULL;
}

bool conf_key_open_to_clients(const char *key)
{
	const struct key *k = keys_find(SECTION_PROGRAM, key);

	return k && (k->flags & KEY_CLIENT);
}

static const char *type_name(enum key_type type)
{
	static const char *const names[KEY_TYPE_MAX] = {
		[KEY_IGNORED] = "ignored",
		[KEY_BOOL] = "boolean",
		[KEY_INT] = "number",
		[KEY_COUNT] = "number",
		[KEY_NUMBER] = "number",
		[KEY_SIZE] = "size",
		[KEY_SECONDS] = "seconds",
		[KEY_FRACTION] = "fraction",
		[KEY_OCTAL] = "octal",
		[KEY_SIGNAL] = "signal",
		[KEY_AUTORESTART] = "word",
		[KEY_EXITCODES] = "statuses",
		[KEY_LOGLEVEL] = "level",
		[KEY_WORD] = "word",
		[KEY_TEXT] = "text",
		[KEY_NAME] = "process",
		[KEY_PATH] = "path",
		[KEY_FILE] = "path",
		[KEY_DIRECTORY] = "directory",
		[KEY_ARGV] = "command",
		[KEY_LOG] = "log",
		[KEY_GIVE_UP] = "N/SECONDS",
		[KEY_USER] = "user",
		[KEY_COMMAND] = "command",
		[KEY_ENVIRONMENT] = "environment",
		[KEY_LIST] = "list",
		[KEY_OTHER] = "text",
	};

	return names[type];
}

void conf_print_keys(FILE *f)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];

		fprintf(f, "[%s]\t%s\t%s", keys_section_form(k->section), k->name,
			type_name(k->type));
		for (size_t w = 0; k->words && k->words[w]; w++)
			fprintf(f, "%c%s", w ? '|' : ' ', k->words[w]);
		fprintf(f, "\t%s", k->fallback ? k->fallback : "");
		if (k->supervisord)
			fprintf(f, " ([supervisord]: %s)", k->supervisord);
		fprintf(f, "\t%s\n", k->help);
	}
}
