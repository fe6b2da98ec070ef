/* cut.h - how much of what waits in a pipe goes into the file now, and when the file is full
 *
 * Pure. A file ends where a line ends: it is rotated before the first line that would carry it past
 * its limit. Only a line that is by itself longer than a whole file makes it larger, and only one
 * that has no end within `hard` is split.
 *
 * The answer depends on nothing but the file and the pipe, and both outlive the logger: one that was
 * killed before it had acted is followed by one that comes to the same answer. */
#ifndef FOSTER_LOGGER_CUT_H
#define FOSTER_LOGGER_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cut_view {
	const char *bytes; /* the front of the pipe; the first `seen` bytes of it */
	size_t seen; /* at least 1 */
	uint64_t size; /* of the file now */
	uint64_t limit; /* rotate rather than grow beyond it; UINT64_MAX: never */
	uint64_t hard; /* an endless line is split here; at least limit */
	bool line_start; /* the file's last line is complete; only looked at when not all fits */
	bool whole; /* take whole lines only */
	bool force; /* whole lines wanted, but the rest of this one cannot be waited for */
};

enum cut_what {
	CUT_TAKE, /* move `bytes` bytes */
	CUT_ROTATE, /* rotate, then ask again */
	CUT_WAIT /* only a part of a line is there, and whole ones are wanted */
};

struct cut {
	enum cut_what what;
	size_t bytes;
	bool line_end; /* a line ends after these bytes */
};

struct cut cut_find(const struct cut_view *v);

/* Bytes through the last line end, 0 when there is none. */
size_t cut_last_line_end(const char *bytes, size_t len);

#endif
