/* lines.h - the last lines of a file */
#ifndef FOSTER_CLIENT_LINES_H
#define FOSTER_CLIENT_LINES_H

#include <sys/types.h>

/* Where the last n lines of the file's first size bytes begin; a last line without an end of line
 * counts. Returns the offset, or -errno of pread(2). */
off_t lines_tail(int fd, off_t size, long n);

#endif
