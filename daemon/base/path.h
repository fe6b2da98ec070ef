/* path.h - opening files in directories that others can write to
 *
 * A log file may lie in a directory of the program's own user. Whoever can write there can put a
 * symbolic link in its place, and have root write to a file of root's. So a link is followed only
 * where it belongs to root or to us.
 *
 * Source: proc(5), fs.protected_symlinks, which says the same of sticky directories alone; openat2(2);
 * CHASE_SAFE of systemd's src/basic/chase.h. */
#ifndef FOSTER_BASE_PATH_H
#define FOSTER_BASE_PATH_H

#include <sys/types.h>

/* As open(2), close-on-exec. -ELOOP when a symbolic link on the way belongs to somebody else (or there
 * are too many), or another -errno. What lies in /proc (/dev/stdout leads there) is the kernel's. */
int path_open(const char *path, int flags, mode_t mode);

/* What an error of path_open() means, in words. */
const char *path_error(int err);

#endif
