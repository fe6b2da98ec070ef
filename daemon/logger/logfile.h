/* logfile.h - the files that output goes to: opened late, shared by path, rotated
 *
 * A file is opened at its first byte and may be closed at any time after: when descriptors are short
 * the one not used for longest is. It is written at its end, wherever that is: truncated by somebody
 * else, it goes on at the new end; removed, it is made anew. Not O_APPEND: splice(2) refuses it.
 *
 * Streams with the same path share one struct logfile and thus one position; the settings of the one
 * that came last hold. What path names need not be a regular file (a terminal, a FIFO, /dev/null):
 * then it gets an outlet (outlet.h) and is never rotated. */
#ifndef FOSTER_LOGGER_LOGFILE_H
#define FOSTER_LOGGER_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/logger/outlet.h"

struct logfile {
	TAILQ_ENTRY(logfile) lru; /* while open */
	struct logfile *next; /* in the same bucket */
	struct outlet *outlet; /* owned; NULL for a regular file, or while it is closed */
	uint64_t position; /* of fd; the size of the file when nobody else writes to it */
	uint64_t limit; /* rotate rather than grow beyond it; UINT64_MAX: never */
	uint64_t line_end; /* the size at which a line is known to have ended */
	uint64_t maxbytes; /* as set; 0: no rotation */
	unsigned backups; /* 0: truncate */
	unsigned mode; /* of a new file, less the umask */
	unsigned refs;
	int fd; /* -1: closed, or an outlet */
	bool no_splice; /* the file system cannot */
	bool stuck; /* the last rotation failed, and this was said */
	char path[];
};

TAILQ_HEAD(logfile_list, logfile);

struct logfiles {
	struct ev_loop *loop; /* of the outlets */
	outlet_on_writable *on_writable;
	struct logfile **buckets;
	size_t n_buckets, n; /* n_buckets: a power of 2 */
	struct logfile_list open; /* the one used last is first */
	size_t n_open, max_open;
};

/* loop and on_writable are for the outlets. 0 or -ENOMEM. */
int logfiles_init(struct logfiles *all, struct ev_loop *loop, outlet_on_writable *on_writable);
void logfiles_done(struct logfiles *all); /* all files have been put */

/* At most max files may be open from now on (at least 1); more are closed. */
void logfiles_limit(struct logfiles *all, size_t max);

/* Close every file; those that were open are opened again by name, so that one moved away by
 * somebody else is followed by a new one at once. */
void logfiles_reopen(struct logfiles *all);

/* The file of that path, made when there is none; counts a reference. NULL: out of memory. */
struct logfile *logfile_get(struct logfiles *all, const char *path);
void logfile_put(struct logfiles *all, struct logfile *f); /* NULL is allowed */

void logfile_set(struct logfile *f, uint64_t maxbytes, unsigned backups, unsigned mode);

/* Make f fit to be written: open, at its end, its position true. 0, or -errno of open(2) or
 * fstat(2). On success either fd or outlet is set. */
int logfile_prepare(struct logfiles *all, struct logfile *f);
void logfile_close(struct logfiles *all, struct logfile *f);

/* Whether a line is complete at the end of the file. f is prepared and regular. */
bool logfile_at_line_start(const struct logfile *f);

/* Begin a new file: after it f is prepared and empty, or an error says that it cannot be opened.
 * When the old one cannot be moved this is logged, once, and f goes on for another maxbytes. */
int logfile_rotate(struct logfiles *all, struct logfile *f);

/* Append all of data or nothing. f is prepared and regular. 0 or -errno. */
int logfile_append(struct logfile *f, const void *data, size_t len);

#endif
