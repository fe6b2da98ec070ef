/* ini.h - the sections, keys and values of all files, merged
 *
 * What lines.h reports, put together as ConfigParser does: a repeated section is merged, a repeated
 * key replaces the value, [DEFAULT] gives values to every section. Each value knows the file and the
 * line that it comes from. Nothing is checked or converted here.
 *
 * Temporary: everything lives in the document's own arena, until ini_done(). */
#ifndef FOSTER_CONF_INI_H
#define FOSTER_CONF_INI_H

#include "conf/keys.h"
#include "conf/set.h"
#include "daemon/base/arena.h"

struct ini_value {
	struct ini_value *next; /* in the section */
	const struct ini_section *section;
	const char *key; /* lower case */
	const char *text; /* as written, stripped, lines joined by '\n' */
	const struct key *known; /* NULL: no key of such a section */
	unsigned file_no, line;
};

struct ini_section {
	struct ini_section *next;
	const char *name; /* as between the brackets */
	const char *title; /* what follows the kind and ':', stripped; NULL when nothing does */
	enum section_kind kind;
	unsigned file_no, line; /* of its first header */
	struct ini_value *values, **values_end;
};

struct ini {
	struct arena arena;
	struct ini_section *sections, **sections_end; /* without [DEFAULT] */
	struct ini_section defaults;
	struct set by_name, by_key;
	struct ini_section *current;
	unsigned file_no; /* of the file that is being read */
	int err; /* 0 or -ENOMEM */
};

void ini_init(struct ini *ini);
void ini_done(struct ini *ini);

/* The section of that name, made if it is not there. NULL without memory (kept in err). */
struct ini_section *ini_open(struct ini *ini, const char *name, unsigned line);

/* Set a value in a section; a value that the key has already is replaced. */
void ini_set(struct ini *ini, struct ini_section *s, const char *key, const char *text,
	     unsigned line);

struct ini_section *ini_section(const struct ini *ini, const char *name);

/* Give every section the values of [DEFAULT] that fit it and that it has not itself. Once, when all
 * files are read. */
void ini_inherit(struct ini *ini);

/* The section's value of key; NULL when there is none. */
const struct ini_value *ini_get(const struct ini *ini, const struct ini_section *s,
				const char *key);

#endif
