/* pool.h - equal strings and vectors once
 *
 * A thousand programs have the same environment, user and shell, and names that are those of their
 * groups. What goes into a configuration goes through the pool: equal things become one thing in
 * the arena. The pool itself is needed only while a configuration is built.
 *
 * Nothing here needs a check of its own: after a failed allocation the pool hands out empty
 * strings and vectors, and err says so. */
#ifndef FOSTER_CONF_POOL_H
#define FOSTER_CONF_POOL_H

#include "conf/set.h"
#include "daemon/base/arena.h"

struct pool {
	struct arena *arena; /* owns the results */
	struct set strings, vectors;
	int err; /* 0 or -ENOMEM */
};

const char *pool_str(struct pool *p, const char *s);
const char *pool_strn(struct pool *p, const char *s, size_t len);

/* The n strings that lie in data one behind the other, each with its NUL, as a vector that ends
 * with NULL. data may be NULL when n is 0. */
const char *const *pool_vec(struct pool *p, const char *data, size_t n);

void pool_done(struct pool *p);

#endif
