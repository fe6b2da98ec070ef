/* call.h - calls and replies of Varlink as JSON
 *
 *   call   {"method": "a.b.C", "parameters": {…}, "more": true, "oneway": true}
 *   reply  {"parameters": {…}, "continues": true}   or   {"error": "a.b.E", "parameters": {…}}
 *
 * Parsing is strict: one object, each key at most once, no other key, right types. What was parsed
 * points into root, which owns it.
 *
 * Source: https://varlink.org/Method-Call. */
#ifndef FOSTER_WIRE_CALL_H
#define FOSTER_WIRE_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/buf.h"

struct call {
	json_t *root; /* owned */
	const char *method;
	json_t *parameters; /* an object, never NULL */
	bool more, oneway, upgrade;
};

struct reply {
	json_t *root; /* owned */
	const char *error; /* full name; NULL: none */
	json_t *parameters; /* an object, never NULL */
	bool continues;
	bool repeated; /* the call was sent before, and that answer was lost */
};

/* Returns 0, -EBADMSG when text is not a call (or reply), or -ENOMEM. */
int call_parse(const char *text, size_t len, struct call *ret_call);
int reply_parse(const char *text, size_t len, struct reply *ret_reply);
void call_done(struct call *c);
void reply_done(struct reply *r);

/* Append the text of a call and the NUL that ends it; parameters may be NULL. */
void call_add(struct buf *b, const char *method, const json_t *parameters, bool more);

/* Append the text of a reply and its NUL: with parameters as a tree (NULL: {}), or as text. error
 * NULL: a good reply. */
void reply_add(struct buf *b, const char *error, const json_t *parameters, bool continues);
void reply_add_text(struct buf *b, const char *parameters, size_t len, bool continues);

/* Append the compact JSON text of a value. */
void call_add_json(struct buf *b, const json_t *value);

#endif
