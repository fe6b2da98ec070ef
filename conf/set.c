#include "conf/set.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64

uint32_t set_hash(const void *data, size_t len, uint32_t seed)
{
	const unsigned char *bytes = data;
	uint32_t h = seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 16777619u;
	return h;
}

void *set_find(const struct set *s, uint32_t hash,
	       bool (*same)(const void *item, const void *wanted), const void *wanted)
{
	if (s->capacity == 0)
		return NULL;
	for (size_t i = hash & (s->capacity - 1); s->items[i]; i = (i + 1) & (s->capacity - 1))
		if (s->hashes[i] == hash && same(s->items[i], wanted))
			return s->items[i];
	return NULL;
}

static void place(struct set *s, uint32_t hash, void *item)
{
	size_t i = hash & (s->capacity - 1);

	while (s->items[i])
		i = (i + 1) & (s->capacity - 1);
	s->items[i] = item;
	s->hashes[i] = hash;
}

static int grow(struct set *s)
{
	struct set bigger = { .capacity = s->capacity ? s->capacity * 2 : FIRST_CAPACITY };

	bigger.items = calloc(bigger.capacity, sizeof *bigger.items);
	bigger.hashes = calloc(bigger.capacity, sizeof *bigger.hashes);
	if (!bigger.items || !bigger.hashes) {
		set_done(&bigger);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->capacity; i++)
		if (s->items[i])
			place(&bigger, s->hashes[i], s->items[i]);
	free(s->items);
	free(s->hashes);
	s->items = bigger.items;
	s->hashes = bigger.hashes;
	s->capacity = bigger.capacity;
	return 0;
}

int set_add(struct set *s, uint32_t hash, const void *item)
{
	if (s->n_items * 4 >= s->capacity * 3 && grow(s) < 0)
		return -ENOMEM;
	place(s, hash, (void *)item);
	s->n_items++;
	return 0;
}

void set_done(struct set *s)
{
	free(s->items);
	free(s->hashes);
	*s = (struct set){ 0 };
}
