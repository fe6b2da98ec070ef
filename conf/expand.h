/* expand.h - Python's % formatting, over names
 *
 * Pure. `%(name)s` with flags, width and precision, `%%` for a percent sign; anything else after a
 * '%' is wrong, as in supervisord, where every value is a format string. Text takes the conversion
 * s; numbers take s r a d i u o x X e E f F g G.
 *
 * Source: Python library, "printf-style String Formatting"; supervisor's options.expand(). */
#ifndef FOSTER_CONF_EXPAND_H
#define FOSTER_CONF_EXPAND_H

#include <stddef.h>

#include "daemon/base/buf.h"

struct expand_name {
	const char *name;
	const char *text; /* NULL: the number */
	long number; /* 0 or more: o and x have no sign here */
};

/* Names that are known somewhere; looked up from the innermost scope outwards. */
struct expand_scope {
	const struct expand_scope *outer; /* NULL: none */
	const struct expand_name *names;
	size_t n_names;
	const char *const *environ; /* "X=V" for ENV_X, NULL-terminated; NULL: none */
};

/* Append text, expanded, to out. Returns 0; -EINVAL with the reason appended to why (out may then
 * hold a part); or -ENOMEM. */
int expand(struct buf *out, const char *text, const struct expand_scope *scope, struct buf *why);

#endif
