#include "daemon/keeper/table.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define TABLE_BYTES (sizeof(struct table_header) + TABLE_SLOTS * sizeof(struct table_record))

static_assert(sizeof(struct table_header) % 8 == 0, "records are aligned");
static_assert(sizeof(struct table_record) == 712, "the layout of a record is versioned");

int table_create(struct table *t, int directory_fd, const char *name)
{
	void *map;

	unlinkat(directory_fd, name, 0);
	auto_close int fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, TABLE_BYTES) < 0)
		return -errno;
	map = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	t->header = map;
	t->records = (struct table_record *)(t->header + 1);
	*t->header = (struct table_header){
		.magic = TABLE_MAGIC,
		.version = LINK_VERSION,
		.record_bytes = sizeof(struct table_record),
		.slots = TABLE_SLOTS,
		.keeper_pid = getpid(),
		.started_ns = clock_boot_ns(),
	};
	(void)fd_read_file("/proc/sys/kernel/random/boot_id", t->header->boot_id,
			   sizeof t->header->boot_id);
	return 0;
}

static const struct table_copy *copy_that_counts(const struct table *t, uint32_t slot)
{
	const struct table_record *r = &t->records[slot];

	return &r->copies[r->current & 1];
}

const struct link_slot *table_facts(const struct table *t, uint32_t slot)
{
	return &copy_that_counts(t, slot)->facts;
}

uint64_t table_incarnation(const struct table *t, uint32_t slot)
{
	return copy_that_counts(t, slot)->incarnation;
}

const char *table_name(const struct table *t, uint32_t slot)
{
	const struct table_record *r = &t->records[slot];

	return r->used ? r->name : "";
}

void table_write(struct table *t, uint32_t slot, uint64_t incarnation,
		 const struct link_slot *facts)
{
	struct table_record *r = &t->records[slot];
	uint32_t other = (r->current & 1) ^ 1;

	r->copies[other].incarnation = incarnation;
	r->copies[other].facts = *facts;
	atomic_thread_fence(memory_order_release);
	*(volatile uint32_t *)&r->current = other;
}

void table_name_slot(struct table *t, uint32_t slot, const char *name)
{
	struct table_record *r = &t->records[slot];

	*r = (struct table_record){ 0 };
	memcpy(r->name, name, strlen(name) + 1);
	for (int i = 0; i < 2; i++)
		r->copies[i].facts.server = LINK_NO_SLOT;
	atomic_thread_fence(memory_order_release);
	*(volatile uint32_t *)&r->used = 1;
	if (slot >= t->used_max)
		t->used_max = slot + 1;
}

void table_free_slot(struct table *t, uint32_t slot)
{
	*(volatile uint32_t *)&t->records[slot].used = 0;
}
