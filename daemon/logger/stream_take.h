/* stream_take.h - bytes of a stream by the way that its settings ask for
 *
 * A regular file whose bytes nobody needs to see: splice (sink_file.h). Lines for fosterd's stdout or
 * stderr, with a prefix or a format, and whatever splice does not serve: peeked at (sink_lines.h). */
#ifndef FOSTER_LOGGER_STREAM_TAKE_H
#define FOSTER_LOGGER_STREAM_TAKE_H

#include <sys/types.h>

#include "daemon/logger/stream.h"

/* A pipe found so full is one whose writer waits for us: larger, both switch less often. */
#define STREAM_BUSY_BYTES (48 << 10)

/* Take up to max bytes (at least 1) that are in the pipe, once. Returns how many (> 0); 0: the pipe
 * is empty; -EAGAIN: it holds only the beginning of a line, and has room for more of it; -EBUSY: the
 * outlet is full, or others come first; another -errno: nothing can be written. */
ssize_t stream_take(struct logger *l, struct stream *s, size_t max);

#endif
