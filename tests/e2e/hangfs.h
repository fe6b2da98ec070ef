/* hangfs.h - a file system with one file that can be opened and written, and never be closed
 *
 * Whoever closes it waits for an answer that does not come, as long as the server lives: what any user can
 * have by FUSE. It is mounted in a mount namespace of this process', which is left with it.
 *
 * Source: linux/fuse.h; https://docs.kernel.org/filesystems/fuse. */
#ifndef FOSTER_TESTS_HANGFS_H
#define FOSTER_TESTS_HANGFS_H

#include <sys/types.h>

/* Mount it on directory. Returns the PID of its server, a child, or -errno where that cannot be done
 * here. Killing the server ends all waiting. */
pid_t hangfs_start(const char *directory);

#define HANGFS_FILE "file" /* its name in there */

#endif
