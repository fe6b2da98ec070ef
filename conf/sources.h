/* sources.h - what a struct conf_sources is made of */
#ifndef FOSTER_CONF_SOURCES_H
#define FOSTER_CONF_SOURCES_H

#include <stdbool.h>

#include "conf/conf.h"

struct source {
	const char *path; /* as read: for messages */
	const char *here; /* absolute directory of the file: %(here)s */
	const char *text;
	size_t len;
};

struct conf_sources {
	struct arena arena;
	struct source *files; /* malloc()ed; the strings are in the arena */
	size_t n_files, capacity;
	const char *cwd; /* current directory when they were read: base of relative paths */
	const char *host; /* %(host_node_name)s */
	/* Read back from conf_sources_save(): they were found good once, and must not become bad
	 * because a directory or a user has gone since. */
	bool revived;
};

/* A new empty struct for files read now, here; NULL without memory. */
struct conf_sources *sources_new(void);

/* Add a file's text (copied). Returns 0 or -ENOMEM. */
int sources_add(struct conf_sources *s, const char *path, const char *text, size_t len);

#endif
