/* localfs.h - whether a program's files are all on local file systems
 *
 * execve(2) from a server that does not answer may hang, and in a child that shares the keeper's
 * memory would hang the keeper. The mount table is read once, and again when the kernel says that it
 * has changed; no file is touched to answer. Where a network or FUSE file system is mounted, a path is
 * local only if neither it nor a directory on its way lies below such a mount, symbolic links
 * included as far as they can be followed without touching one.
 *
 * Source: proc(5), /proc/PID/mountinfo: poll(2) tells of changes with POLLERR|POLLPRI. */
#ifndef FOSTER_SUPERVISOR_LOCALFS_H
#define FOSTER_SUPERVISOR_LOCALFS_H

#include <stdbool.h>

/* command: as argv[0]; without a slash it is searched in path. directory may be NULL. */
bool localfs_is_local(const char *command, const char *path, const char *directory);

/* Whether closing it cannot take for ever: close(2) of a regular file asks its file system first (flush),
 * and that may be one that a user serves himself (FUSE), or whose server is away. What lies on a file
 * system that we do not know is not prompt. */
bool localfs_is_prompt(int fd);

/* For tests: the same with the text of a mountinfo file. */
bool localfs_would_be_local(const char *mountinfo, const char *file);

#endif
