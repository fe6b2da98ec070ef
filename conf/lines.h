/* lines.h - the lines of an INI file, as Python's ConfigParser reads them
 *
 * inih splits names from values; a reader in front of it applies to each physical line the rules
 * that inih does not know or cannot tell: inline comments after white space (`;` and `#`, also on
 * continuation lines), continuation by deeper indentation only, a repeated key that is no
 * continuation, blank lines inside a value, the last `]` of a header, lines, names and sections of
 * any length, CRLF and CR, a byte order mark. Keys are folded to lower case.
 *
 * Pure but for inih's settings, which are global. Source: CPython 3.11 configparser.py with
 * inline_comment_prefixes=(';', '#') and strict=False, as supervisord uses it. */
#ifndef FOSTER_CONF_LINES_H
#define FOSTER_CONF_LINES_H

#include <stddef.h>

struct lines_handler {
	void *data;
	/* A header, also of an empty or repeated section. */
	void (*on_section)(void *data, const char *name, unsigned line);
	/* A complete value of the latest section; its lines are joined by '\n'. */
	void (*on_value)(void *data, const char *key, const char *value, unsigned line);
	void (*on_problem)(void *data, unsigned line, const char *text);
};

/* Read text and report what is in it, in order. Returns 0, also when problems were reported, or
 * -ENOMEM. */
int lines_read(const char *text, size_t len, const struct lines_handler *h);

#endif
