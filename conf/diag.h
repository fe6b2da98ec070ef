/* diag.h - noting problems
 *
 * Problems are collected, never printed here. Running out of memory is kept in diag->err and
 * looked at once, by who began the work. */
#ifndef FOSTER_CONF_DIAG_H
#define FOSTER_CONF_DIAG_H

#include "conf/conf.h"

/* Where something stands. Copied when a problem is noted. */
struct diag_where {
	const char *file; /* NULL: none */
	unsigned file_no; /* the order in which files were read */
	unsigned line; /* 0: none */
	const char *section; /* NULL: none */
};

/* Note an error (fatal), or a warning. */
void diag_error(struct conf_diag *d, const struct diag_where *w, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void diag_warn(struct conf_diag *d, const struct diag_where *w, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The work that began with first problems comes to err: put its own in the order of files and lines, each
 * once. Without memory there are none: what was found then may not be so. */
void diag_end(struct conf_diag *d, size_t first, int err);

#endif
