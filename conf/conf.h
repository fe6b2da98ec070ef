/* conf.h - a checked, immutable configuration
 *
 * Turns INI files into a struct conf and knows nothing of processes, clocks or sockets. Three steps,
 * so that each can be repeated by itself:
 *
 *   conf_read()    files (the main one, and what [include] names) -> struct conf_sources: their bytes
 *   conf_parse()   sources -> struct conf, or every problem in every file
 *   conf_diff()    what an update from one struct conf to another would start, stop and restart
 *
 * Sources can be written to a file and read back (conf_sources_save(), conf_sources_load()): the
 * supervisor keeps those of the running configuration, and its successor parses them again whatever
 * became of the files since.
 *
 * Everything in a struct conf lives in one arena, never changes, and is freed with the last
 * reference. Nothing here logs; problems are data (struct conf_diag).
 *
 * Source: supervisord's configuration reference and sources, for sections, keys, defaults, units and
 * expansion; Python's ConfigParser for the syntax of lines. */
#ifndef FOSTER_CONF_CONF_H
#define FOSTER_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "daemon/base/arena.h"

/* The longest process name "group:name", in bytes: it must fit a slot of the process table. */
#define CONF_NAME_MAX 255

/* Which word the file has for its main section; decides defaults, see DESIGN section 9. */
enum conf_dialect {
	CONF_FOSTER,
	CONF_SUPERVISORD,
	CONF_DIALECT_MAX
};

enum conf_method {
	CONF_FORK,
	CONF_SPAWN,
	CONF_FORKSERVER,
	CONF_METHOD_MAX
};

enum conf_autorestart {
	CONF_NEVER,
	CONF_UNEXPECTED,
	CONF_ALWAYS,
	CONF_AUTORESTART_MAX
};

/* What is killed with, or after, the main process when a person stops it. */
enum conf_kill_scope {
	CONF_PROCESS,
	CONF_GROUP,
	CONF_TREE,
	CONF_KILL_SCOPE_MAX
};

enum conf_log_full {
	CONF_BLOCK,
	CONF_DROP,
	CONF_LOG_FULL_MAX
};

enum conf_log_format {
	CONF_RAW,
	CONF_TIMESTAMP,
	CONF_JSON,
	CONF_LOG_FORMAT_MAX
};

/* Where a stream of a child goes. */
enum conf_log_kind {
	CONF_LOG_NONE, /* /dev/null */
	CONF_LOG_AUTO, /* a file of foster's choosing in RUNTIME/log or childlogdir= */
	CONF_LOG_FILE, /* path */
	CONF_LOG_STDOUT, /* fosterd's own stdout: "-", /dev/stdout, /dev/fd/1, /proc/self/fd/1 */
	CONF_LOG_STDERR, /* fosterd's own stderr: /dev/stderr, /dev/fd/2, /proc/self/fd/2 */
	CONF_LOG_JOURNAL, /* a stream of journald's own; the child writes to it directly */
	CONF_LOG_SYSLOG, /* supervisord's word; treated as the journal */
	CONF_LOG_KIND_MAX
};

struct conf_log {
	enum conf_log_kind kind;
	unsigned backups; /* rotated files kept: path.1 … path.N; 0 = truncate instead */
	/* FILE: the file; AUTO: its directory, NULL for RUNTIME/log; absolute. Else NULL */
	const char *path;
	uint64_t maxbytes; /* rotate at this size; 0 = never */
};

/* A number of seconds that was not given. Those below have their defaults then. */
#define CONF_UNSET (-1.0)

/* How a process is restarted. supervisord's rules hold unless one of foster's own keys was given
 * (native): then the delay is exponential with a cap, starts anew after a good run, and give_up
 * counts crashes after RUNNING too. */
struct conf_restart {
	enum conf_autorestart autorestart;
	double startsecs; /* seconds alive until RUNNING; 0 = at once */
	unsigned startretries; /* failed starts before FATAL */
	bool native; /* any of the following was given */
	double delay; /* restart_delay: seconds before the first retry; default 1 */
	double delay_max; /* restart_delay_max: seconds, the cap; default 60 */
	double jitter; /* restart_jitter: 0..1, the part of the delay that is random; 0 */
	unsigned give_up_count; /* give_up=N/SECONDS; 0 = never give up by it */
	double give_up_secs;
};

/* One program section, shared by its processes. Defaults are those of the dialect. */
struct conf_program {
	const char *name;
	const char
		*file; /* where its section begins, for messages; NULL when a client defined it */
	unsigned line;

	enum conf_method method;
	const char *forkserver; /* NAME of forkserver:NAME; NULL: the built-in one */
	const char *entry; /* module:function or PATH.so:symbol; NULL */
	const char *parent; /* full name of the parent process; NULL: fosterd */
	bool daemon;
	int priority; /* starts ascending, stops descending; default 999 */
	bool autostart;
	struct conf_restart restart;
	uint8_t exitcodes[32]; /* bit set of expected exit statuses */

	int stopsignal;
	double stopwaitsecs;
	bool stopasgroup, killasgroup;
	enum conf_kill_scope kill_scope;
	const char *const *stop_command; /* argv, NULL-terminated; NULL: the signal */

	const char *user; /* as written; NULL: unchanged */
	uid_t uid; /* of user; (uid_t)-1 when none */
	gid_t gid;
	const char *home, *shell; /* of user, from the password database; NULL when none */
	int umask; /* -1: fosterd's */

	bool redirect_stderr;
	bool stdin_pipe; /* the supervisord dialect: stdin is a pipe that stays open */
	const char *stdin_path; /* stdin=; NULL: /dev/null */
	bool own_session; /* setsid(); else (supervisord dialect) own process group only */
	enum conf_log_full log_full;
	enum conf_log_format log_format;
	bool log_prefix; /* "name | " before each line on fosterd's own stdout or stderr */
};

/* One process: a program with process_num applied. */
struct conf_process {
	const struct conf_program *program;
	const char *name; /* without group */
	const char *group; /* of a [group:x], else the program's name */
	/* "name", or "group:name" where they differ; 1..CONF_NAME_MAX bytes, unique in a conf */
	const char *full_name;
	unsigned number; /* process_num */
	int group_priority; /* groups start in ascending order of it, and stop in descending */
	const char *const *argv; /* NULL-terminated; NULL when the program has entry= only */
	const char *const *args; /* args= for an entry, NULL-terminated; never NULL */
	const char *const
		*environ; /* environment=, [foster]'s under the program's own: "K=V", NULL-t. */
	const char *directory; /* absolute, or NULL: fosterd's */
	struct conf_log out, err;
};

/* A named or implicit group; processes[] are sorted by priority, then as written. */
struct conf_group {
	const char *name;
	int priority;
	size_t n_processes;
	const struct conf_process *const *processes;
};

struct conf_forkserver {
	const char *name;
	const char *file;
	unsigned line;
	enum {
		CONF_FS_NATIVE,
		CONF_FS_PYTHON,
		CONF_FS_COMMAND
	} type;
	const char *const *command; /* argv of CONF_FS_COMMAND */
	const char *interpreter; /* of CONF_FS_PYTHON; /usr/bin/python3 */
	const char *const *preload; /* modules, or shared objects; NULL-terminated; never NULL */
	const char *const *environ; /* "K=V", NULL-terminated; never NULL */
	const char *directory; /* NULL: fosterd's */
	const char *user; /* NULL: fosterd's */
	uid_t uid;
	gid_t gid;
};

enum conf_right {
	CONF_READ = 1,
	CONF_CONTROL = 2,
	CONF_RUN = 4,
	CONF_ADMIN = 8
};

struct conf_access {
	const char *name;
	const uid_t *uids;
	size_t n_uids;
	const gid_t *gids;
	size_t n_gids;
	const char *const
		*programs; /* shell patterns over full names; NULL-terminated; empty: all */
	unsigned allow; /* set of conf_right; admin includes the others */
};

/* [foster] or [supervisord]. NULL or CONF_UNSET: not given. Paths are absolute. */
struct conf_main {
	enum conf_dialect dialect;
	const char *socket, *runtime_dir, *pidfile, *directory, *identifier;
	int socket_mode; /* 0600 */
	uid_t socket_uid; /* socket_owner=user[:group]; (uid_t)-1: unchanged */
	gid_t socket_gid;
	const char *logfile; /* NULL: stderr ("-") */
	uint64_t logfile_maxbytes;
	unsigned logfile_backups;
	int loglevel; /* as syslog(3): LOG_ERR … LOG_DEBUG */
	int umask; /* -1: unchanged ([supervisord]: 022) */
	const char *user; /* NULL: unchanged */
	uid_t uid;
	gid_t gid;
	const char *const *environ; /* "K=V", NULL-terminated; never NULL */
	uint64_t minfds;
	bool daemonize; /* nodaemon=false was written */
	bool join; /* on_exit=join */
	const char *exit_on; /* full name of a process; NULL */
	double watchdog; /* seconds; 10 */
	unsigned keep_finished; /* 1000 */
	double session_grace; /* seconds between a session's end and the stop of its processes; 0 */
	const char *childlogdir; /* NULL: RUNTIME/log */
	enum conf_method method; /* start_method=; fork */
	const char *forkserver; /* of start_method=forkserver:NAME */
};

struct conf {
	struct arena arena;
	unsigned refs;
	struct conf_main main;
	size_t n_programs, n_processes, n_groups, n_forkservers, n_accesses;
	const struct conf_program *programs;
	/* In start order: group priority, group name, priority, as written. */
	const struct conf_process *processes;
	const struct conf_group *groups;
	const struct conf_forkserver *forkservers;
	const struct conf_access *accesses;
	/* Indexes into processes and groups, in the order of full_name and name: for conf_find_…(). */
	const uint32_t *processes_by_name, *groups_by_name;
};

/* A problem, or a warning, in one of the files. */
struct conf_problem {
	bool fatal;
	const char *file; /* NULL when it belongs to no file */
	unsigned line; /* 0 when it belongs to no line */
	const char *section; /* without brackets; NULL when none */
	const char *text; /* what is wrong and what would be valid */
	unsigned file_no; /* file's place in the order of reading */
};

/* Everything found wrong, in the order of files and lines. A zeroed struct is empty. */
struct conf_diag {
	struct arena arena;
	struct conf_problem *problems;
	size_t n_problems, capacity;
	size_t n_fatal;
	int err; /* -ENOMEM when a problem could not be noted */
};

/* Print one problem as `foster.ini:12: [program:web] autorestrat: unknown key (did you mean
 * 'autorestart'?)` into a string of the caller's; NULL without memory. */
char *conf_problem_text(const struct conf_problem *p);
void conf_diag_done(struct conf_diag *diag);

/* The bytes of the files of one configuration, in the order in which they were read. */
struct conf_sources;

/* Read path (absolute or relative to the current directory) and what its [include] section names.
 * env is used to expand the include patterns ("K=V", NULL-terminated). Returns 0 with a new
 * *ret_sources, or -EINVAL with the reasons in *diag (unreadable, not a regular file, writable by
 * others while we are root, …), or -ENOMEM. diag may get warnings on success, too. */
int conf_read(const char *path, const char *const *env, struct conf_sources **ret_sources,
	      struct conf_diag *diag);

/* Sources of one text in memory, as if read from path. For tests and for what clients define. */
int conf_sources_of(const char *path, const char *text, size_t len,
		    struct conf_sources **ret_sources);

/* Write to, and read back from, the descriptor of a file (from its current offset to its end).
 * What was read back is trusted: a user, group or directory that has gone since is a warning, and
 * such a user's uid and gid are -2, which nobody has; relative paths and %(host_node_name)s are
 * what they were.
 * conf_sources_load() returns -EBADMSG for bytes that conf_sources_save() did not write whole. */
int conf_sources_save(const struct conf_sources *s, int fd);
int conf_sources_load(int fd, struct conf_sources **ret_sources);
void conf_sources_free(struct conf_sources *s);

/* Check sources and build the configuration. env is what %(ENV_X)s sees. Returns 0 and *ret_conf
 * with one reference, or -EINVAL with every problem in *diag, or -ENOMEM. Warnings (unknown keys in
 * a [supervisord] file, …) are added to *diag in either case. Looks users and groups up. */
int conf_parse(const struct conf_sources *s, const char *const *env, struct conf **ret_conf,
	       struct conf_diag *diag);

/* One key of a definition that a client makes: as in a file, not expanded. */
struct conf_setting {
	const char *key, *value;
};

/* A client's definition: keys by the same rules and checks as in a file, the defaults of DESIGN
 * section 6 (autorestart=false, startsecs=0, daemon=true, output AUTO). */
struct conf_definition {
	const char *name; /* full name, checked here */
	const char *const *argv; /* NULL-terminated; NULL with an entry= setting */
	const struct conf_setting *settings;
	size_t n_settings;
	const char *const *environ; /* "K=V", arbitrary bytes, NULL-terminated, or NULL */
	const char *directory; /* absolute or NULL */
	bool bare; /* of a user who is not to see what the environment= of base may hold */
};

/* Build a conf of exactly one program with one process. Paths must be absolute; whether directory
 * exists is left to who enters it, with the client's rights; a parent may be a client's, so that
 * only its name is checked. base gives the forkservers and defaults that
 * it may refer to, and its environment=. Returns as conf_parse() does. */
int conf_define(const struct conf *base, const struct conf_definition *d, struct conf **ret_conf,
		struct conf_diag *diag);

/* Whether name is a valid name of a process or group: 1..255 bytes of UTF-8, no blank, control
 * character, ':' or '/', no leading '-'. */
bool conf_name_valid(const char *name);

/* Whether the names of its AUTO log files, and of those that they are rotated to, are such that a file can
 * have: with the longest process names they are not. */
bool conf_log_name_fits(const struct conf_process *p);

struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf *c); /* NULL is allowed */

/* The process, group or forkserver of that name, or NULL. */
const struct conf_process *conf_find_process(const struct conf *c, const char *full_name);
const struct conf_group *conf_find_group(const struct conf *c, const char *name);
const struct conf_forkserver *conf_find_forkserver(const struct conf *c, const char *name);

/* Whether a running process of definition a is one of definition b without a restart: all but the
 * file, the line and the place that its group gives it in start order is the same. */
bool conf_process_same(const struct conf_process *a, const struct conf_process *b);
bool conf_forkserver_same(const struct conf_forkserver *a, const struct conf_forkserver *b);

enum conf_change {
	CONF_ADDED,
	CONF_CHANGED,
	CONF_REMOVED,
	CONF_CHANGE_MAX
};

/* Call on_change for each process that differs between two configurations, by full name: removed
 * ones first, then changed and added ones, both in start order. p is of from when removed, else of to. */
void conf_diff(const struct conf *from, const struct conf *to,
	       void (*on_change)(void *data, enum conf_change change, const struct conf_process *p),
	       void *data);

/* Names as they stand in files: "forkserver", "unexpected", "tree", … */
const char *conf_method_name(enum conf_method m);
const char *conf_autorestart_name(enum conf_autorestart a);
const char *conf_kill_scope_name(enum conf_kill_scope s);
const char *conf_log_kind_name(enum conf_log_kind k);
const char *conf_change_name(enum conf_change c); /* "added", "changed", "removed" */

/* The keys that a client without admin rights may set (DESIGN section 6). */
bool conf_key_open_to_clients(const char *key);

/* Print the keys of all sections with type, default and help, one a line, for the man page,
 * completion and `fosterd --help-config`. */
void conf_print_keys(FILE *f);

#endif
