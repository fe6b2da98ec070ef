/* place.h - users and directories: what values say of this machine
 *
 * Looks at the password database and the file system, each name once per configuration. */
#ifndef FOSTER_CONF_PLACE_H
#define FOSTER_CONF_PLACE_H

#include "conf/build.h"

struct user {
	const char *text, *name; /* as written, and the login name; in the pool */
	uid_t uid;
	gid_t gid;
	const char *home, *shell; /* in the pool */
};

/* The user of that name or number, or NULL when there is none. Users of sources that were good once
 * are never NULL: who has gone since gets ids that nobody has (PLACE_GONE). */
const struct user *place_user(struct build *b, const char *text);
#define PLACE_GONE ((uid_t)-2)

/* The id of a group given by name or number. Returns 0 or -ENOENT. */
int place_group(const char *text, gid_t *ret_gid);

/* text as an absolute path in the pool: `~` and `~user` expanded, relative to b->base. */
const char *place_path(struct build *b, const char *text);

/* 0 when path is a directory, else -errno. */
int place_directory(struct build *b, const char *path);

/* The same for the directory that path lies in, whose name is stored in *ret_directory (pool). */
int place_directory_of(struct build *b, const char *path, const char **ret_directory);

#endif
