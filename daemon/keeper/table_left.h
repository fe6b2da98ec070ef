/* table_left.h - reading the process table that an earlier keeper left
 *
 * Its file is read, never written: a table of any version up to ours is told in today's form. (Not mapped:
 * who owns it may cut it short meanwhile, and on a full tmpfs to look into a hole is deadly.) The
 * bytes are not trusted to make sense: a record that does not is left out. With a pending entry, the
 * record that was being written is told as it was to be.
 *
 *   version 1   header of 304 bytes, records of 288: no pipes, no parts, not known whether finished
 *   version 2   today's (table.h) */
#ifndef FOSTER_KEEPER_TABLE_LEFT_H
#define FOSTER_KEEPER_TABLE_LEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/keeper/table.h"

struct table_left {
	struct table_header header; /* in today's form */
	const unsigned char *bytes; /* of the file */
	size_t len, header_bytes;
	void *map; /* owned; NULL: bytes are the caller's */
};

/* One slot in use. */
struct table_left_slot {
	uint32_t slot;
	const char *name; /* lives as long as the table is open */
	struct table_entry entry;
	uint32_t pipes[3];
};

/* Open the file called name. 0; -ENOENT; -EBADMSG when it is no table; -EPROTONOSUPPORT when it is one
 * of a later version (ret->header.version says which); or another -errno. */
int table_left_open(struct table_left *ret, int directory_fd, const char *name);

/* The same of an open file, whose offset moves. */
int table_left_read(struct table_left *ret, int fd);

/* The same of bytes in memory, aligned to 8. */
int table_left_parse(struct table_left *ret, const void *bytes, size_t len);

/* The next slot in use at or after *at, which is advanced behind it. False: there is none. */
bool table_left_next(const struct table_left *t, uint32_t *at, struct table_left_slot *ret);

/* Whether its PIDs mean what they meant: this boot, this PID namespace. */
bool table_left_is_of_here(const struct table_left *t);

void table_left_close(struct table_left *t);

#endif
