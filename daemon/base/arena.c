#include "daemon/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)4096)
#define FIRST_BLOCK_BYTES ((size_t)512) /* a definition made by a client is a small arena */

struct arena_block {
	struct arena_block *next;
	size_t size; /* of bytes[] */
	size_t used;
	alignas(max_align_t) char bytes[];
};

static struct arena_block *add_block(struct arena *a, size_t need)
{
	size_t size = (a->blocks ? BLOCK_BYTES : FIRST_BLOCK_BYTES) - sizeof(struct arena_block);
	struct arena_block *b;

	if (size < need)
		size = need;
	b = calloc(1, sizeof *b + size);
	if (!b)
		return NULL;
	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

static void *alloc_aligned(struct arena *a, size_t size, size_t align)
{
	struct arena_block *b = a->blocks;
	size_t start;

	if (size > SIZE_MAX / 2)
		return NULL;
	start = b ? (b->used + align - 1) & ~(align - 1) : 0;
	if (!b || start > b->size || b->size - start < size) {
		b = add_block(a, size);
		if (!b)
			return NULL;
		start = 0;
	}
	b->used = start + size;
	return b->bytes + start;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return alloc_aligned(a, size, 8);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = alloc_aligned(a, len + 1, 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

size_t arena_size(const struct arena *a)
{
	size_t total = 0;

	for (const struct arena_block *b = a->blocks; b; b = b->next)
		total += sizeof *b + b->size;
	return total;
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
}
