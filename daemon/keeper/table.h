/* table.h - the process table: slots in a file, mapped, written by the keeper alone
 *
 * It is what a later keeper adopts survivors by (table_left.h reads it, that of earlier versions, too).
 *
 * RUNTIME/table is a header, a row of records, one a slot, and a row of long names. A write goes to
 * the header first, as the pending entry, then to its record: a keeper killed between two stores
 * leaves either the old facts, or a pending entry that says what they are to be. (One pending entry
 * for all, rather than two copies in each record, because there is one writer and memory counts.)
 * A name that does not fit its record stands in the row of long names at the same index, which is a
 * hole in the file as long as nobody uses it. Others may map the file read-only. It survives
 * processes, not the machine: nothing is synced.
 *
 * A store into a hole for which the file system has no room would be our end (SIGBUS). So a slot gets its
 * room before it is named, many at a time, and a slot without is not used. */
#ifndef FOSTER_KEEPER_TABLE_H
#define FOSTER_KEEPER_TABLE_H

#include <stdint.h>

#include "daemon/base/link.h"

#define TABLE_MAGIC 0x4f465354424c3031ULL
#ifndef TABLE_VERSION /* tests of upgrades build a next one */
#define TABLE_VERSION 2 /* raise it when the layout, or the meaning of a field changes */
#endif
#define TABLE_PARTS 2
#define TABLE_BOOT_ID_BYTES 40
#define TABLE_SLOTS 16384
#define TABLE_NAME_BYTES 256 /* with its NUL */
#define TABLE_SHORT_BYTES 56

struct table_entry {
	uint64_t incarnation;
	struct link_slot facts;
};

enum table_use {
	TABLE_FREE,
	TABLE_SHORT_NAME,
	TABLE_LONG_NAME
};

struct table_record {
	uint32_t use; /* enum table_use */
	uint32_t reserved;
	char name[TABLE_SHORT_BYTES];
	struct table_entry entry;
	/* since version 2 */
	uint32_t pipes[3]; /* inodes of the pipes of stdin, stdout, stderr that we hold; 0: none */
	uint32_t reserved2;
};

struct table_pending {
	uint32_t valid; /* 1: entry belongs into the record of slot, which may be half written */
	uint32_t slot;
	struct table_entry entry;
};

/* A process by an identity that no other has in this boot. */
struct table_part {
	int32_t pid; /* 0: none */
	uint32_t reserved;
	uint64_t inode, start_ticks; /* as struct pidinfo_identity */
};

struct table_header {
	uint64_t magic;
	uint32_t version; /* TABLE_VERSION */
	uint32_t record_bytes;
	uint32_t slots;
	int32_t keeper_pid;
	char boot_id[TABLE_BOOT_ID_BYTES];
	uint64_t started_ns; /* of this keeper; CLOCK_BOOTTIME */
	struct table_pending pending;
	/* since version 2 */
	uint64_t pid_namespace; /* inode of /proc/self/ns/pid: what the PIDs mean */
	uint32_t finished; /* 1: the keeper ended in order; what is LIVE was left running */
	uint32_t reserved;
	struct table_part parts[TABLE_PARTS]; /* of the keeper: they may outlive it by a moment */
};

#define TABLE_NAMES_AT (sizeof(struct table_header) + TABLE_SLOTS * sizeof(struct table_record))
#define TABLE_BYTES (TABLE_NAMES_AT + (size_t)TABLE_SLOTS * TABLE_NAME_BYTES)

struct table {
	struct table_header *header; /* the mapping; NULL when closed */
	struct table_record *records;
	char (*long_names)[TABLE_NAME_BYTES];
	uint32_t used_max; /* no slot at or above it has ever been used */
	uint32_t n_with_room; /* slots below it have their place on the disk */
	int fd; /* of the file; owned */
};

/* Create name anew in directory_fd, with a new inode, and map it. 0 or -errno. */
int table_create(struct table *t, int directory_fd, const char *name);

/* Map the one that fd refers to, whose version is ours: the keeper before us was this process. Takes fd.
 * 0 or -errno. */
int table_map(struct table *t, int fd);

/* The boot, and the PID namespace, that PIDs in a table written now belong to. */
void table_here(char boot_id[TABLE_BOOT_ID_BYTES], uint64_t *ret_pid_namespace);

/* What is known of a slot that has a name. slot < TABLE_SLOTS. */
const struct link_slot *table_facts(const struct table *t, uint32_t slot);
uint64_t table_incarnation(const struct table *t, uint32_t slot);
const char *table_name(const struct table *t, uint32_t slot); /* "" when unused */

/* Replace the facts of a slot. */
void table_write(struct table *t, uint32_t slot, uint64_t incarnation,
		 const struct link_slot *facts);

/* Note the inode of the slot's pipe for stream 0, 1 or 2; 0: it has none. */
void table_note_pipe(struct table *t, uint32_t slot, int stream, uint32_t inode);

/* Note a part of the keeper. */
void table_note_part(struct table *t, unsigned part, const struct table_part *p);

/* The keeper ends in order. */
void table_finish(struct table *t);

/* Give a slot its name (shorter than TABLE_NAME_BYTES). 0, or -errno when there is no room for it: -ENOSPC. */
int table_name_slot(struct table *t, uint32_t slot, const char *name);

/* Forget its name and all facts. */
void table_free_slot(struct table *t, uint32_t slot);

#endif
