/* peek.h - looking at the bytes in a pipe without taking them
 *
 * tee(2) makes a second reference to the pipe's pages in a scratch pipe of our own, and that is what
 * is read: whoever is killed in between has taken nothing. One struct serves all streams. */
#ifndef FOSTER_LOGGER_PEEK_H
#define FOSTER_LOGGER_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PEEK_BYTES_MAX (1 << 20) /* what the largest pipe holds: /proc/sys/fs/pipe-max-size */
#define PEEK_BYTES_FEW (64 << 10) /* what an ordinary one holds */

struct peek {
	int out_fd, in_fd; /* the scratch pipe, empty between calls */
	int null_fd;
	unsigned
		enlarged; /* pipes that pipe_enlarge() counted; the caller takes off those he closes */
	char bytes[PEEK_BYTES_MAX]; /* touched only as far as used */
};

int peek_init(struct peek *p); /* 0 or -errno; on failure nothing is left open */
void peek_done(struct peek *p);

/* Look at up to len bytes that stand in pipe after the first skip: they are in p->bytes until the
 * next call. Returns their number, which may be less than there are, 0 when there are none, or
 * -errno. skip + len is at most PEEK_BYTES_MAX. */
ssize_t peek_at(struct peek *p, int pipe, size_t skip, size_t len);

/* Take up to len bytes from pipe and throw them away. Returns their number or -errno. */
ssize_t peek_discard(struct peek *p, int pipe, size_t len);

size_t pipe_available(int pipe); /* bytes in it now; 0 when that cannot be told */

/* Whether a writer would have to wait. pipe is open for writing, too. */
bool pipe_is_full(int pipe);

/* Let pipe hold PEEK_BYTES_MAX; true when it does, and it is counted then. False when too many
 * others do (the pages of all pipes of a user are limited: pipe(7), pipe-user-pages-soft), or when
 * the system refuses. */
bool pipe_enlarge(struct peek *p, int pipe);

#endif
