/* text.h - blanks, letters and names as Python sees them
 *
 * Pure. A configuration is bytes; where Python's reader looks at characters, these do as well:
 * white space is that of str.isspace() in UTF-8, so that the no-break and ideographic spaces of
 * pasted text are stripped as there.
 *
 * Source: Unicode's White_Space as in CPython 3.11; DESIGN section 6 for names. */
#ifndef FOSTER_CONF_TEXT_H
#define FOSTER_CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the white-space character at p, before end; 0 when there is none. */
size_t text_blank(const char *p, const char *end);

/* Bytes of the white-space character that ends at p, not before begin; 0 when there is none. */
size_t text_blank_before(const char *begin, const char *p);

/* Move *begin and *end over the white space at both ends. */
void text_strip(const char **begin, const char **end);

/* Whether the len bytes are well-formed UTF-8 (no overlong form, no surrogate). */
bool text_utf8(const char *s, size_t len);

/* The bytes of the UTF-8 character at s, 1 where there is none; len > 0. */
size_t text_char(const char *s, size_t len);

/* ASCII letters to lower case, in place. */
void text_lower(char *s);

/* Whether s may name a process, program or group. NULL, or what is wrong with it. */
const char *text_name_problem(const char *s);

#endif
