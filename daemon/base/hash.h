/* hash.h - FNV-1a: for damage and chance, not for malice
 *
 * Source: http://www.isthe.com/chongo/tech/comp/fnv/ */
#ifndef FOSTER_BASE_HASH_H
#define FOSTER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t hash_bytes(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ULL;
	return sum;
}

#endif
