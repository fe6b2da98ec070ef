/* sink_lines.h - bytes from a pipe that must be looked at on their way
 *
 * For outputs that several streams share, that want a prefix, a time or JSON around each line, or
 * that splice cannot serve. The bytes are peeked at, formatted, written, and only then taken from
 * the pipe, some whole lines at a time (a unit): a logger that is killed doubles at most one unit and
 * loses nothing. A line goes out complete, and is followed by a newline even when what it was made
 * of was not. Up to PEEK_BYTES_MAX a line is never split. */
#ifndef FOSTER_LOGGER_SINK_LINES_H
#define FOSTER_LOGGER_SINK_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/buf.h"
#include "daemon/logger/linefmt.h"
#include "daemon/logger/logfile.h"
#include "daemon/logger/outlet.h"
#include "daemon/logger/peek.h"

struct sink_lines {
	struct peek *peek;
	struct buf *unit; /* scratch */
	struct logfiles *files;
	struct logfile *file; /* prepared, regular; NULL: outlet is set */
	struct outlet *outlet;
	struct linefmt format; /* the stamp is filled in here */
	struct stream *owner; /* for the outlet */
	int pipe;
	size_t available; /* take at most as many; at least 1 */
	bool bytes; /* as they come: no lines, no format */
	bool force; /* do not wait for the end of a line */
	uint32_t *seen; /* so many bytes at the front of the pipe have no line end among them */
};

/* Returns the number of bytes taken (> 0); 0 when the pipe is empty; -EAGAIN when it holds only a
 * part of a line; -EBUSY when the outlet is full, perhaps with a unit of ours as its rest; another
 * -errno when nothing can be written. */
ssize_t sink_lines_take(struct sink_lines *s);

#endif
