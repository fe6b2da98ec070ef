/* format.h - facts as people read them
 *
 * Pure but for the time zone. The line of `status` is supervisorctl's, byte for byte: scripts take
 * its first two columns. Source: supervisor 4.2.5, options.py and rpcinterface.py. */
#ifndef FOSTER_CLIENT_FORMAT_H
#define FOSTER_CLIENT_FORMAT_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/base/buf.h"

#define FORMAT_NAME_MIN 30 /* the narrowest column of names */

/* "0:00:05", "23:59:59", "1 day, 0:00:00", "5 days, 7:18:14". */
void format_uptime(struct buf *b, double seconds);

/* "Nov 21 01:56 AM" of local time. */
void format_date(struct buf *b, double calendar);

/* "2026-11-21 03:39:02.123" of local time. */
void format_time(struct buf *b, double calendar);

/* One record of Status. pid 0, uptime or stopped negative, reason NULL: not there. */
struct format_status {
	const char *name, *state, *reason;
	json_int_t pid;
	double uptime, stopped;
};

/* The line of one process without its end of line; width is the longest name's. color: the escape
 * sequence that the state stands in, NULL: none. */
void format_status(struct buf *b, const struct format_status *s, int width, const char *color);

/* Whether a process in this state counts as running for the exit status of `status`. */
bool format_is_running(const char *state);

/* The escape sequence of a state. */
const char *format_state_color(const char *state);
#define FORMAT_COLOR_END "\033[0m"

/* Append text with control characters as \xNN: a line stays one line and a terminal is not driven. */
void format_text(struct buf *b, const char *text, size_t len);

/* Append a JSON value in one line: strings and {"base64"} as format_text(), lists with blanks
 * between, null as "-". */
void format_value(struct buf *b, const json_t *value);

#endif
