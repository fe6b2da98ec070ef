/* table.h - the process table: slots in a file, mapped, written by the keeper alone
 *
 * RUNTIME/table is a header and a row of records, one a slot. A record holds its facts twice and an
 * index that says which copy counts: a write goes to the other copy, then the index is turned, so a
 * keeper killed between two stores leaves the old facts or the new ones, never a mixture. The name is
 * written before the record is first used. Others may map the file read-only. It survives processes,
 * not the machine: nothing is synced. */
#ifndef FOSTER_KEEPER_TABLE_H
#define FOSTER_KEEPER_TABLE_H

#include <stdint.h>

#include "daemon/base/link.h"

#define TABLE_MAGIC 0x4f465354424c3031ULL
#define TABLE_SLOTS 16384
#define TABLE_NAME_BYTES 256 /* with its NUL */

struct table_copy {
	uint64_t incarnation;
	struct link_slot facts;
};

struct table_record {
	uint32_t current; /* 0 or 1: which copy counts */
	uint32_t used; /* 1: the slot has a name */
	char name[TABLE_NAME_BYTES];
	struct table_copy copies[2];
};

struct table_header {
	uint64_t magic;
	uint32_t version; /* LINK_VERSION */
	uint32_t record_bytes;
	uint32_t slots;
	int32_t keeper_pid;
	char boot_id[40];
	uint64_t started_ns; /* of this keeper; CLOCK_BOOTTIME */
};

struct table {
	struct table_header *header; /* the mapping; NULL when closed */
	struct table_record *records;
	uint32_t used_max; /* no slot at or above it has ever been used */
};

/* Create path anew in directory_fd, with a new inode, and map it. 0 or -errno. */
int table_create(struct table *t, int directory_fd, const char *name);

/* The facts that count, and their incarnation. slot < TABLE_SLOTS. */
const struct link_slot *table_facts(const struct table *t, uint32_t slot);
uint64_t table_incarnation(const struct table *t, uint32_t slot);
const char *table_name(const struct table *t, uint32_t slot); /* "" when unused */

/* Replace the facts of a slot. */
void table_write(struct table *t, uint32_t slot, uint64_t incarnation,
		 const struct link_slot *facts);

/* Give a slot its name (shorter than TABLE_NAME_BYTES), or forget it and all facts. */
void table_name_slot(struct table *t, uint32_t slot, const char *name);
void table_free_slot(struct table *t, uint32_t slot);

#endif
