/* arena.h - memory that is freed all at once
 *
 * A configuration is thousands of small strings that live and die together. An arena hands them
 * out of large blocks, so that they cost their own bytes only, and frees them in one call. */
#ifndef FOSTER_BASE_ARENA_H
#define FOSTER_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first; NULL in an empty arena */
};

/* size zeroed bytes, aligned to 8 bytes; NULL when there is no memory. Owned by the arena. */
void *arena_alloc(struct arena *a, size_t size);

/* Copies of a string and of bytes (with a NUL added); NULL when there is no memory. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len);

/* Bytes taken from the system, for figures. */
size_t arena_size(const struct arena *a);

/* Free everything; the arena is empty and usable again. */
void arena_done(struct arena *a);

#endif
