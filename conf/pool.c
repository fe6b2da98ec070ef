#include "conf/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/mem.h"

struct piece {
	const char *s;
	size_t len;
};

static bool same_string(const void *item, const void *wanted)
{
	const struct piece *w = wanted;

	return strncmp(item, w->s, w->len) == 0 && ((const char *)item)[w->len] == '\0';
}

/* Strings of vectors are in the pool already: equal means the same pointers. */
static bool same_vector(const void *item, const void *wanted)
{
	const char *const *a = item, *const *b = wanted;

	for (; *a && *a == *b; a++)
		b++;
	return *a == *b;
}

const char *pool_strn(struct pool *p, const char *s, size_t len)
{
	struct piece wanted = { .s = s, .len = len };
	uint32_t hash = set_hash(s, len, SET_SEED);
	const char *found = set_find(&p->strings, hash, same_string, &wanted);

	if (found)
		return found;
	found = arena_strndup(p->arena, s, len);
	if (!found || set_add(&p->strings, hash, found) < 0) {
		p->err = -ENOMEM;
		return "";
	}
	return found;
}

const char *pool_str(struct pool *p, const char *s)
{
	return pool_strn(p, s, strlen(s));
}

static const char *const *keep_vector(struct pool *p, const char *const *v, size_t n)
{
	size_t size = (n + 1) * sizeof *v;
	uint32_t hash = set_hash(v, size, SET_SEED);
	const char **kept = set_find(&p->vectors, hash, same_vector, v);

	if (kept)
		return kept;
	kept = arena_alloc(p->arena, size);
	if (!kept || set_add(&p->vectors, hash, kept) < 0)
		return NULL;
	memcpy(kept, v, size);
	return kept;
}

const char *const *pool_vec(struct pool *p, const char *data, size_t n)
{
	static const char *const empty[] = { NULL };
	const char *const *kept = NULL;

	if (n == 0)
		return empty;
	auto_free const char **v = reallocarray(NULL, n + 1, sizeof *v);

	if (v) {
		for (size_t i = 0; i < n; i++, data += strlen(data) + 1)
			v[i] = pool_str(p, data);
		v[n] = NULL;
		kept = keep_vector(p, v, n);
	}
	if (!kept)
		p->err = -ENOMEM;
	return kept ? kept : empty;
}

void pool_done(struct pool *p)
{
	set_done(&p->strings);
	set_done(&p->vectors);
}
