/* fd.h - descriptors: flags, whole reads and writes, passing them, sealed memory
 *
 * Nothing here logs. Every descriptor made is close-on-exec. */
#ifndef FOSTER_BASE_FD_H
#define FOSTER_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/base/buf.h"

/* Returns 0 or -errno of fcntl(2). */
int fd_set_nonblocking(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* Move *fd to a number of at least min, close-on-exec; the old number is closed. 0 or -errno, and
 * *fd is unchanged on failure. */
int fd_move_above(int *fd, int min);

/* Write all of data, going on after EINTR and short writes. 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);

/* Append what is left of fd, up to limit bytes, to *b. Returns 0, -EFBIG when there was more, or
 * -errno. */
int fd_read_all(int fd, struct buf *b, size_t limit);

/* The same with the file at path. */
int fd_read_path(const char *path, struct buf *b, size_t limit);

/* Read a small file of /proc or /run into text (NUL-terminated). Returns its length, -EFBIG when
 * it does not fit, or -errno. */
ssize_t fd_read_file(const char *path, char *text, size_t size);

/* Replace path by data, atomically: written beside it, synced to memory only, renamed. 0 or
 * -errno; on failure the old file stands and nothing is left beside it. */
int fd_replace_file(const char *path, const void *data, size_t len, mode_t mode);

/* A sealed memfd that holds data: whoever gets it can rely on it not changing. 0 or -errno. */
int fd_sealed(const char *name, const void *data, size_t len, int *ret_fd);

/* Size of a memfd whose seals forbid any change, or -EPERM when they do not, or -errno. */
ssize_t fd_sealed_size(int fd);

/* Number of open descriptors of this process, from /proc/self/fd. */
int fd_count(void);

#endif
