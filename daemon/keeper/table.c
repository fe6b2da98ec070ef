#include "daemon/keeper/table.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define SLOTS_AT_A_TIME 128 /* get room, 38 KiB */

static_assert(sizeof(struct table_header) % 8 == 0, "records are aligned");
static_assert(sizeof(struct table_header) == 368, "the layout of the header is versioned");
static_assert(sizeof(struct table_record) == 304, "the layout of a record is versioned");

static int map_file(struct table *t, int fd)
{
	void *map = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	t->header = map;
	t->records = (struct table_record *)(t->header + 1);
	t->long_names = (char(*)[TABLE_NAME_BYTES])(t->records + TABLE_SLOTS);
	t->fd = fd;
	return 0;
}

static int make_room(const struct table *t, size_t from, size_t to)
{
	int err;

	do
		err = posix_fallocate(t->fd, (off_t)from, (off_t)(to - from));
	while (err == EINTR); /* we were stopped */
	return -err;
}

/* For the record of that slot, and those around it. */
static int make_room_for(struct table *t, uint32_t slot)
{
	uint32_t n = (slot / SLOTS_AT_A_TIME + 1) * SLOTS_AT_A_TIME;
	int r;

	if (slot < t->n_with_room)
		return 0;
	r = make_room(t, 0, sizeof(struct table_header) + n * sizeof(struct table_record));
	if (r == 0)
		t->n_with_room = n;
	return r;
}

int table_create(struct table *t, int directory_fd, const char *name)
{
	struct table made = { 0 };
	int r;

	unlinkat(directory_fd, name, 0);
	auto_close int fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, TABLE_BYTES) < 0)
		return -errno;
	made.fd = fd;
	r = make_room_for(&made, 0);
	if (r == 0)
		r = map_file(&made, fd);
	if (!made.header)
		return r;
	take_fd(fd);
	*made.header = (struct table_header){
		.magic = TABLE_MAGIC,
		.version = TABLE_VERSION,
		.record_bytes = sizeof(struct table_record),
		.slots = TABLE_SLOTS,
		.keeper_pid = getpid(),
		.started_ns = clock_boot_ns(),
	};
	table_here(made.header->boot_id, &made.header->pid_namespace);
	*t = made;
	return 0;
}

/* Not through the mapping: on a tmpfs even to look into a hole takes a page. */
static bool is_used(int fd, uint32_t slot)
{
	const size_t at = sizeof(struct table_header) + slot * sizeof(struct table_record);
	uint32_t use;

	return pread(fd, &use, sizeof use, (off_t)at) == sizeof use && use != TABLE_FREE;
}

int table_map(struct table *t, int fd)
{
	int r = map_file(t, fd);

	for (uint32_t slot = 0; r == 0 && slot < TABLE_SLOTS; slot++)
		if (is_used(fd, slot))
			t->used_max = slot + 1;
	t->n_with_room = t->used_max;
	return r;
}

void table_here(char boot_id[TABLE_BOOT_ID_BYTES], uint64_t *ret_pid_namespace)
{
	struct stat st;

	(void)fd_read_file("/proc/sys/kernel/random/boot_id", boot_id, TABLE_BOOT_ID_BYTES);
	*ret_pid_namespace = stat("/proc/self/ns/pid", &st) < 0 ? 0 : st.st_ino;
}

const struct link_slot *table_facts(const struct table *t, uint32_t slot)
{
	return &t->records[slot].entry.facts;
}

uint64_t table_incarnation(const struct table *t, uint32_t slot)
{
	return t->records[slot].entry.incarnation;
}

const char *table_name(const struct table *t, uint32_t slot)
{
	const struct table_record *r = &t->records[slot];

	if (slot >= t->used_max)
		return "";
	switch ((enum table_use)r->use) {
	case TABLE_SHORT_NAME:
		return r->name;
	case TABLE_LONG_NAME:
		return t->long_names[slot];
	case TABLE_FREE:
		break;
	}
	return "";
}

/* The order of the stores is what a successor relies on. */
static void store_flag(uint32_t *flag, uint32_t value)
{
	atomic_thread_fence(memory_order_seq_cst);
	*(volatile uint32_t *)flag = value;
	atomic_thread_fence(memory_order_seq_cst);
}

void table_write(struct table *t, uint32_t slot, uint64_t incarnation,
		 const struct link_slot *facts)
{
	struct table_pending *pending = &t->header->pending;

	pending->slot = slot;
	pending->entry.incarnation = incarnation;
	pending->entry.facts = *facts;
	store_flag(&pending->valid, 1);
	t->records[slot].entry = pending->entry;
	store_flag(&pending->valid, 0);
}

void table_note_pipe(struct table *t, uint32_t slot, int stream, uint32_t inode)
{
	t->records[slot].pipes[stream] = inode;
}

void table_note_part(struct table *t, unsigned part, const struct table_part *p)
{
	t->header->parts[part] = *p;
}

void table_finish(struct table *t)
{
	store_flag(&t->header->finished, 1);
}

int table_name_slot(struct table *t, uint32_t slot, const char *name)
{
	size_t bytes = strlen(name) + 1, at = TABLE_NAMES_AT + slot * (size_t)TABLE_NAME_BYTES;
	struct table_record *r = &t->records[slot];
	bool is_short = bytes <= sizeof r->name;
	int err = make_room_for(t, slot);

	if (err == 0 && !is_short)
		err = make_room(t, at, at + bytes);
	if (err < 0)
		return err;
	*r = (struct table_record){ .entry.facts.server = LINK_NO_SLOT };
	memcpy(is_short ? r->name : t->long_names[slot], name, bytes);
	store_flag(&r->use, is_short ? TABLE_SHORT_NAME : TABLE_LONG_NAME);
	if (slot >= t->used_max)
		t->used_max = slot + 1;
	return 0;
}

void table_free_slot(struct table *t, uint32_t slot)
{
	store_flag(&t->records[slot].use, TABLE_FREE);
}
