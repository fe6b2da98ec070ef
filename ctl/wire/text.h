/* text.h - bytes as JSON, and back
 *
 * Arguments, environments and paths of Unix are arbitrary bytes without NUL; JSON has UTF-8 only.
 * Bytes that are UTF-8 are a JSON string; others {"base64": "…"} (RFC 4648, with padding). Reading
 * takes both. Strict: base64 must be canonical, the object must have that one member. */
#ifndef FOSTER_WIRE_TEXT_H
#define FOSTER_WIRE_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/buf.h"

/* Whether the bytes are UTF-8 that JSON can carry: no surrogate, nothing overlong, at most U+10FFFF,
 * no NUL. */
bool text_is_utf8(const char *data, size_t len);

/* Append the base64 form of the bytes. */
void text_add_base64(struct buf *b, const char *data, size_t len);

/* A new reference, or NULL without memory. */
json_t *text_to_json(const char *data, size_t len);
json_t *text_str_to_json(const char *s);

/* The bytes of a value into *ret_data (the caller frees it; a NUL follows them), their number into
 * *ret_len. Returns 0, -EINVAL when the value is neither form, or -ENOMEM. */
int text_of_json(const json_t *value, char **ret_data, size_t *ret_len);

/* The same for bytes that must be a C string: -EINVAL when a NUL is among them. */
int text_str_of_json(const json_t *value, char **ret_s);

#endif
