/* set.h - a hash set of pointers
 *
 * Open addressing over bare pointers: 12 bytes an item at most twice over, nothing inside the item.
 * (uthash costs 56 bytes in each item and ends the program when memory runs out.) The caller hashes
 * and compares; items are owned elsewhere and never removed. A zeroed struct is an empty set. */
#ifndef FOSTER_CONF_SET_H
#define FOSTER_CONF_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct set {
	void **items; /* owned; NULL = free place */
	uint32_t *hashes; /* of items[], owned */
	size_t n_items, capacity; /* capacity: 0 or a power of two */
};

#define SET_SEED 2166136261u

/* FNV-1a of len bytes, going on from seed (SET_SEED at first). */
uint32_t set_hash(const void *data, size_t len, uint32_t seed);

/* The item of that hash for which same(item, wanted) holds, or NULL. */
void *set_find(const struct set *s, uint32_t hash,
	       bool (*same)(const void *item, const void *wanted), const void *wanted);

/* Add an item that is not in the set. Returns 0 or -ENOMEM. */
int set_add(struct set *s, uint32_t hash, const void *item);

void set_done(struct set *s);

#endif
