/* sink_file.h - bytes from a pipe into a regular file, by splice alone
 *
 * At every instant a byte is in the pipe or in the file, never in our memory: killing the logger
 * loses and doubles nothing. Where the file is full, cut.h says where it ends; only then are the
 * bytes looked at (peek.h). */
#ifndef FOSTER_LOGGER_SINK_FILE_H
#define FOSTER_LOGGER_SINK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/logger/logfile.h"
#include "daemon/logger/peek.h"

struct sink_file {
	struct logfiles *files;
	struct logfile *file; /* prepared, regular */
	struct peek *peek;
	int pipe;
	size_t available; /* take at most as many; at least 1 */
	bool whole; /* whole lines only: others write to the file, too */
	bool force; /* but do not wait for the end of this one */
};

/* Returns the number of bytes moved (> 0); 0 when the pipe is empty; -EAGAIN when it holds only a
 * part of a line and `whole` is set; -EINVAL when the file system cannot splice; another -errno
 * when the file takes nothing (ENOSPC, EDQUOT, EIO, …) or cannot be opened after a rotation. */
ssize_t sink_file_take(const struct sink_file *s);

#endif
