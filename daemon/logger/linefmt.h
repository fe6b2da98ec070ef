/* linefmt.h - what stands around a line in a log
 *
 * Pure but for the time zone. Three forms, each ended by a newline:
 *
 *   raw         prefix line
 *   timestamp   prefix 2026-01-31T23:59:59.123+01:00 line
 *   json        {"time":"2026-…","name":"web","stream":"stdout","line":"…"}
 *
 * The prefix is text that stands as it is ("web | "); json has the process' name instead. In json a
 * byte that is not part of valid UTF-8 becomes the text \xNN, so that every line can be parsed. */
#ifndef FOSTER_LOGGER_LINEFMT_H
#define FOSTER_LOGGER_LINEFMT_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"

enum linefmt_form { /* as in struct link_log */
	LINEFMT_RAW,
	LINEFMT_TIMESTAMP,
	LINEFMT_JSON,
	LINEFMT_MAX
};

#define LINEFMT_STAMP_BYTES 40

struct linefmt {
	enum linefmt_form form;
	const char *prefix; /* "" = none */
	const char *name; /* of the process */
	const char *stream; /* "stdout", "stderr" */
	char stamp[LINEFMT_STAMP_BYTES]; /* of linefmt_stamp() */
};

/* ISO 8601 with milliseconds and the offset of local time. */
void linefmt_stamp(char stamp[LINEFMT_STAMP_BYTES], uint64_t real_ns);

/* Append one line to *to; line has no newline of its own. */
void linefmt_add(struct buf *to, const struct linefmt *f, const char *line, size_t len);

#endif
