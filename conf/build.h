/* build.h - from values to a struct conf: what the builders of all sections share
 *
 * conf_parse() and conf_define() each make one struct build, let main_section.c, forkserver.c,
 * program.c, group.c, access.c and link.c work on it in that order, and take the struct conf out of
 * it when nothing fatal was found. Problems go to diag at once and never stop the work: every one is
 * reported. Running out of memory is kept in err and looked at once, at the end. */
#ifndef FOSTER_CONF_BUILD_H
#define FOSTER_CONF_BUILD_H

#include "conf/diag.h"
#include "conf/expand.h"
#include "conf/ini.h"
#include "conf/keys.h"
#include "conf/pool.h"
#include "conf/sources.h"

/* The most processes that one section may make: a typing error must not fill the memory. */
#define CONF_NUMPROCS_MAX 10000u

/* What becomes of a [program:x] section, beside its struct conf_program. */
struct program_work {
	const struct ini_section *section;
	struct conf_program *program;
	unsigned numprocs, numprocs_start;
	const char *group; /* the first [group:x] that lists it; NULL: its own name */
	const char *listed_in; /* the group that was built last of those that list it */
};

/* A process on its way to its place in start order. */
struct process_work {
	struct conf_process process;
	const struct program_work *work;
	int group_priority;
	size_t number; /* as written */
};

struct build {
	const struct conf_sources *sources; /* NULL: a definition made by a client */
	struct conf_diag *diag;
	struct ini ini;
	struct conf *conf; /* owned until it is handed out */
	struct pool pool; /* of conf's arena */
	enum conf_dialect dialect;

	struct expand_name host;
	struct expand_scope world; /* host_node_name and the environment */
	struct expand_scope global; /* the same and the variables of the main section */
	const char *home; /* $HOME, for ~; NULL */
	const char *base; /* of relative paths; absolute */

	struct set directories, users; /* looked up already */
	struct program_draft program_defaults;
	struct process_draft process_defaults;

	struct program_work *programs; /* as many as sections; in the ini's arena */
	size_t n_programs;
	struct set programs_by_name;
	struct process_work *processes; /* malloc()ed */
	size_t n_processes, capacity;
	int err;
};

/* Where a value, or a section's header, stands. */
struct diag_where build_where(const struct build *b, const struct ini_value *v);
struct diag_where build_where_section(const struct build *b, const struct ini_section *s);

/* Report "KEY: …" at a value; and "…" at a section. A problem that only says that the world has
 * changed since (build_world_error) is a warning in sources that were good once. */
void build_error(struct build *b, const struct ini_value *v, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void build_warn(struct build *b, const struct ini_value *v, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void build_world_error(struct build *b, const struct ini_value *v, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void build_section_error(struct build *b, const struct ini_section *s, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void build_section_warn(struct build *b, const struct ini_section *s, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Report a key that no such section has, as the dialect wants it. */
void build_unknown_key(struct build *b, const struct ini_value *v);

/* The text of v, expanded by its key's rules; NULL when it could not be (which is reported). Lives as
 * long as b. A client's values are not expanded. */
const char *build_text(struct build *b, const struct ini_value *v,
		       const struct expand_scope *scope);

/* An array of n zeroed structs of size in the conf's arena; sets b->err without memory. */
void *build_alloc(struct build *b, size_t n, size_t size);

#endif
