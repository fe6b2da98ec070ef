/* users.h - the supplementary groups of configured users
 *
 * Looked up once a user and kept: a look-up may ask a directory service, and a restart must not wait
 * for one. Forgotten at a reload.
 * Source: getgrouplist(3). */
#ifndef FOSTER_SUPERVISOR_USERS_H
#define FOSTER_SUPERVISOR_USERS_H

#include <stddef.h>
#include <sys/types.h>

struct user_groups {
	size_t n;
	gid_t *gids;
};

/* The groups of user, gid among them. NULL without memory. Valid until users_forget(). */
const struct user_groups *users_groups(const char *user, gid_t gid);
void users_forget(void);

#endif
