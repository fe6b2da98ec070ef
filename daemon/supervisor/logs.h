/* logs.h - log files of processes, opened for those who may read them
 *
 * The bytes are the logger's business and go around the supervisor: a client gets a descriptor. Only
 * regular files are opened, and no symbolic link is followed at the path's end: whoever may write to
 * the directory could otherwise have anything read with fosterd's rights. */
#ifndef FOSTER_SUPERVISOR_LOGS_H
#define FOSTER_SUPERVISOR_LOGS_H

#include <jansson.h>
#include <sys/stat.h>

#include "daemon/supervisor/process.h"

#define LOGS_PATH_BYTES 4096

/* Open the file at path for reading, with what fstat(2) says in *ret_st. Returns the descriptor
 * (the caller's) or -errno: -EACCES for what is not a regular file. Does not block. */
int logs_open(const char *path, struct stat *ret_st);

/* The last lines that p printed, on stderr if it has a file of its own with something in it: an array
 * of texts, or NULL when there are none. Reads at most a few KiB. */
json_t *logs_last_lines(const struct process *p);

/* A client's process is forgotten: the files that foster chose for its output (AUTO), with those they
 * were rotated to, go with it. Otherwise the next client to take the name would read them. */
void logs_remove(const struct process *p);

#endif
