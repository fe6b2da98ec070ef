/* words.h - command lines and environment lists, split as supervisord splits them
 *
 * Pure. Results are strings with a NUL byte after each, one behind the other.
 *
 * Source: CPython's shlex: split() in POSIX mode without comments for commands; for environment=
 * a non-POSIX lexer with the word characters of supervisor's dict_of_key_value_pairs(). */
#ifndef FOSTER_CONF_WORDS_H
#define FOSTER_CONF_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/buf.h"

/* Split text at white space, with quotes and backslashes as a POSIX shell's, and nothing else of a
 * shell. Appends *ret_n words to out. Returns 0; -EINVAL with the reason appended to why; -ENOMEM. */
int words_split(const char *text, struct buf *out, size_t *ret_n, struct buf *why);

/* Parse `A=1,B="x y"`. Appends *ret_n strings "A=1" to out; of a name given twice the last counts.
 * Text that the grammar drops without a word (`A=b*c`, `A=b#c`) sets *ret_lost to true. Returns 0;
 * -EINVAL with the reason appended to why; -ENOMEM. */
int words_environment(const char *text, struct buf *out, size_t *ret_n, bool *ret_lost,
		      struct buf *why);

/* Split text at commas (and at blanks when blanks is true); empty items are left out, the others
 * stripped. Appends *ret_n words to out. Returns 0 or -ENOMEM. */
int words_list(const char *text, bool blanks, struct buf *out, size_t *ret_n);

#endif
