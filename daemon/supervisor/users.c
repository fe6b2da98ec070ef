#include "daemon/supervisor/users.h"

#include <grp.h>

#include "daemon/base/mem.h"

#define FIRST_GROUPS 16

struct known {
	struct known *next;
	char *user;
	struct user_groups groups;
};

static struct known *known;

static int look_up(const char *user, gid_t gid, struct user_groups *ret)
{
	int n = FIRST_GROUPS, before;
	gid_t *gids = NULL;

	do {
		gid_t *more = realloc(gids, (size_t)n * sizeof *gids);

		if (!more) {
			free(gids);
			return -ENOMEM;
		}
		gids = more;
		before = n;
	} while (getgrouplist(user, gid, gids, &n) < 0 && n > before);
	ret->gids = gids;
	ret->n = (size_t)(n > 0 ? n : 0);
	return 0;
}

const struct user_groups *users_groups(const char *user, gid_t gid)
{
	struct known *k;

	for (k = known; k; k = k->next)
		if (strcmp(k->user, user) == 0)
			return &k->groups;
	k = calloc(1, sizeof *k);
	if (!k)
		return NULL;
	k->user = strdup(user);
	if (!k->user || look_up(user, gid, &k->groups) < 0) {
		free(k->user);
		free(k);
		return NULL;
	}
	k->next = known;
	known = k;
	return &k->groups;
}

void users_forget(void)
{
	while (known) {
		struct known *next = known->next;

		free(known->user);
		free(known->groups.gids);
		free(known);
		known = next;
	}
}
