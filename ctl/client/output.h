/* output.h - what fosterctl prints, and what it says when it cannot
 *
 * Everything goes through stdio's stdout and is checked once, at the end. */
#ifndef FOSTER_CLIENT_OUTPUT_H
#define FOSTER_CLIENT_OUTPUT_H

#include "ctl/client/ctl.h"
#include "daemon/base/buf.h"

/* "web: started": what became of one process; not with -q or -o json. */
void say(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print the buffer and empty it. */
void print_buf(struct buf *b);

/* One document, indented, or one line of a stream. */
void print_json(const json_t *value);
void print_json_line(const json_t *value);

/* Write out what stdio holds. 0, or CTL_FAILED after a complaint; a reader that went away (EPIPE)
 * is no news to anybody. */
int output_flush(void);

/* ---- replies ------------------------------------------------------------------------------- */

/* client_call(), with a failure to get any reply complained about. Returns 0 with a reply that may
 * be an error; else the exit status. */
int ctl_call(struct ctl *ctl, const struct request *q, struct reply *ret_reply);

/* Complain about a failure of client_call() or the like; what: what was tried. The exit status. */
int ctl_lost(const struct ctl *ctl, int err, const char *what);

/* Complain about an error reply: on subject where the error has no name of its own (NULL: none).
 * Returns the exit status. Ends no reply. */
int ctl_error(const char *subject, const struct reply *reply);

/* ctl_call() for callers to whom any error reply is the end: complains, returns 0 or the status. */
int ctl_ask(struct ctl *ctl, const struct request *q, const char *subject, struct reply *ret_reply);

/* The exit status of an error by its full or short name. */
int error_status(const char *error);

/* Append an error in words: its own for its name, with what its parameters (or outcome) tell. */
void error_words(struct buf *b, const char *error, const json_t *parameters);

/* A reply that has not the form it must have. Returns CTL_FAILED. */
int ctl_bad_reply(void);

/* The names of a reply that mean nothing, each with a complaint. Returns CTL_NO_PROCESS, or CTL_OK when there are
 * none (NULL, too). */
int complain_unknown(const json_t *unknown);

/* NAMEs of the command line as a JSON list (new reference), or NULL after a complaint. */
json_t *names_to_json(char *const *names, int n);

/* The string, integer or number at key; NULL, or what is given, where there is none. */
const char *get_str(const json_t *object, const char *key);
json_int_t get_int(const json_t *object, const char *key, json_int_t absent);
double get_number(const json_t *object, const char *key, double absent);

#endif
