/* keys.h - the one table of sections and keys
 *
 * What is checked, what is suggested for a typing error, what the man page, completion and
 * `fosterd --help-config` print, and the defaults of both dialects: all come from here. */
#ifndef FOSTER_CONF_KEYS_H
#define FOSTER_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

enum section_kind {
	SECTION_MAIN, /* [foster] or [supervisord] */
	SECTION_INCLUDE,
	SECTION_PROGRAM,
	SECTION_GROUP,
	SECTION_FORKSERVER,
	SECTION_ACCESS,
	SECTION_DEFAULT,
	SECTION_UNSUPPORTED, /* supervisord's, not foster's: one warning */
	SECTION_SILENT, /* supervisord's, without a meaning here: nothing to say */
	SECTION_UNKNOWN,
	SECTION_KIND_MAX
};

enum key_type {
	KEY_IGNORED, /* accepted, has no effect */
	KEY_BOOL, /* bool */
	KEY_INT, /* int */
	KEY_COUNT, /* unsigned */
	KEY_NUMBER, /* uint64_t */
	KEY_SIZE, /* uint64_t */
	KEY_SECONDS, /* double */
	KEY_FRACTION, /* double */
	KEY_OCTAL, /* int */
	KEY_SIGNAL, /* int */
	KEY_AUTORESTART, /* enum conf_autorestart */
	KEY_EXITCODES, /* uint8_t[32] */
	KEY_LOGLEVEL, /* int */
	KEY_WORD, /* an enum; its words are in the key */
	KEY_TEXT, /* const char * */
	KEY_NAME, /* const char *: the full name of a process */
	KEY_PATH, /* const char *, absolute */
	KEY_FILE, /* the same, in a directory that exists */
	KEY_DIRECTORY, /* the same, a directory that exists */
	KEY_ARGV, /* const char *const *: words, at least one */
	KEY_LOG, /* struct conf_log, its kind and path */
	KEY_GIVE_UP, /* give_up_count and give_up_secs of struct conf_restart */
	KEY_USER, /* stored by the section's own code, as all that follow */
	KEY_COMMAND,
	KEY_ENVIRONMENT,
	KEY_LIST,
	KEY_OTHER,
	KEY_TYPE_MAX
};

enum key_flag {
	KEY_NATIVE = 1, /* foster's own, not supervisord's */
	KEY_CLIENT = 2, /* a client without admin rights may set it, DESIGN section 6 */
	KEY_EACH = 4, /* evaluated once per process (sees process_num); stored in its draft */
	KEY_TWICE = 8, /* supervisord expands it twice */
	KEY_WHOLE = 16, /* supervisord takes whole numbers only */
	KEY_IN_FILE = 32, /* makes no sense in a client's definition */
	KEY_RESTART = 64, /* makes the restart rules foster's own */
};

struct key {
	const char *name;
	enum section_kind section;
	enum key_type type;
	unsigned flags; /* set of key_flag */
	size_t offset; /* in the section's draft; of no meaning for KEY_USER and later types */
	const char *fallback; /* default; NULL: none */
	const char *supervisord; /* default in a [supervisord] file where it differs */
	const char *const *words; /* of KEY_WORD, NULL-terminated */
	const char *help;
};

/* Drafts: what a section's keys are stored in. Their first member is what conf.h promises. */
struct program_draft {
	struct conf_program program;
	unsigned numprocs, numprocs_start;
};

struct process_draft {
	struct conf_process process;
	bool out_syslog, err_syslog;
};

struct group_draft {
	int priority;
};

extern const struct key keys[];
extern const size_t keys_count;

/* The kind of the section named so between the brackets. */
enum section_kind keys_section_kind(const char *name);

/* "program:NAME" and the like, for messages; NULL for kinds without keys. */
const char *keys_section_form(enum section_kind kind);

/* The key of that name in a section of that kind, or NULL. Folding to lower case is done. */
const struct key *keys_find(enum section_kind kind, const char *name);

/* What a value of the type must look like: "true or false", "seconds (…)". */
const char *keys_expected(const struct key *k);

/* The known key, or section, nearest to what was written; NULL when none is near. */
const char *keys_suggest(enum section_kind kind, const char *name);
const char *keys_suggest_section(const char *name);

/* Names as they stand in files, in the order of their enums, NULL-terminated. */
extern const char *const keys_autorestarts[],
	*const keys_kill_scopes[], *const keys_log_fulls[], *const keys_log_formats[],
								    *const keys_fs_types[];

#endif
