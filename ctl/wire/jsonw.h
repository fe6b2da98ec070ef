/* jsonw.h - JSON text written straight onto a buffer
 *
 * A tree of a thousand records costs thousands of allocations before its first byte is written;
 * this costs none. Calls append one value each; key is its name within an object, NULL within an
 * array or at the top. Commas come by themselves. Keys are literals of ours and are not escaped.
 * Failure stays in the buffer (buf_error()), so nothing is checked on the way.
 *
 *   jsonw_open(b, NULL, '{');
 *   jsonw_str(b, "name", "web");
 *   jsonw_close(b, '}');                          {"name":"web"}
 */
#ifndef FOSTER_WIRE_JSONW_H
#define FOSTER_WIRE_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"

void jsonw_open(struct buf *b, const char *key, char bracket); /* '{' or '[' */
void jsonw_close(struct buf *b, char bracket); /* '}' or ']' */

/* Bytes, as text.h says: a string when they are UTF-8, else {"base64": …}. */
void jsonw_bytes(struct buf *b, const char *key, const char *data, size_t len);
void jsonw_str(struct buf *b, const char *key, const char *s); /* NULL: null */
void jsonw_int(struct buf *b, const char *key, int64_t value);
void jsonw_bool(struct buf *b, const char *key, bool value);
void jsonw_null(struct buf *b, const char *key);

/* Seconds, with microseconds. Not a number, and what no clock can show, is null. */
void jsonw_seconds(struct buf *b, const char *key, double value);

#endif
