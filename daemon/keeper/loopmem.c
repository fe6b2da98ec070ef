#include "daemon/keeper/loopmem.h"

#include <errno.h>
#include <ev.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/keeper/table.h"

/* The array by descriptor is the largest: 16 or 24 bytes each, for the pidfd, pipes and held descriptors
 * of each slot. Arrays double and leave their old places behind: as much again. The others (events,
 * changes, timers) are a small part of that. */
#define FDS_A_SLOT 8
#define BYTES_A_FD 24
#define RANGE_BYTES ((size_t)4 * TABLE_SLOTS * FDS_A_SLOT * BYTES_A_FD)

struct block {
	size_t size;
	alignas(max_align_t) char bytes[];
};

static char *range;
static size_t used;

static struct block *new_block(size_t size)
{
	size_t whole = (sizeof(struct block) + size + alignof(max_align_t) - 1) &
		       ~(alignof(max_align_t) - 1);
	struct block *b = (struct block *)(void *)(range + used);

	if (whole > RANGE_BYTES - used)
		return NULL; /* then libev aborts, as ever */
	used += whole;
	b->size = size;
	return b;
}

/* As realloc(3). Nothing is ever used again: arrays only grow, and each leaves less behind than it has. */
static void *resize(void *ptr, long size)
{
	struct block *old =
		ptr ? (struct block *)(void *)((char *)ptr - offsetof(struct block, bytes)) : NULL;
	struct block *b;

	if (!size)
		return NULL;
	if (old && old->size >= (size_t)size)
		return ptr;
	b = new_block((size_t)size);
	if (!b)
		return NULL;
	if (old)
		memcpy(b->bytes, old->bytes, old->size);
	return b->bytes;
}

int loopmem_init(void)
{
	void *map = mmap(NULL, RANGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	range = map;
	ev_set_allocator(resize);
	return 0;
}
