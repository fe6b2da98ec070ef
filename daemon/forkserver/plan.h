/* plan.h - a LINK_SPAWN message, taken apart and checked
 *
 * Pure: no log, no system call. The strings stay where they are, in the message; a plan is good as
 * long as that is.
 * Source: struct link_spawn in daemon/base/link.h; README.md beside this file. */
#ifndef FOSTER_FORKSERVER_PLAN_H
#define FOSTER_FORKSERVER_PLAN_H

#include "daemon/base/link.h"

struct plan {
	const struct link_spawn *spawn;
	const uint32_t *groups; /* spawn->n_groups of them */
	const char *directory, *entry; /* "" = none */
	char **path; /* candidates for execve(2), NULL-terminated; path[0] NULL: run entry */
	char **argv; /* NULL-terminated */
	char **envp; /* ours, then the program's, which win; NULL-terminated */
	int stdio[3], directory_fd; /* the message's; directory_fd -1 when not given */
	char **vectors; /* owned: path, argv and envp stand in it */
};

/* Read m's body into *ret_plan; environment is what the child gets beside the plan's own. Returns
 * 0; -EPROTO when body or descriptors are not as they should be; or -ENOMEM. */
int plan_read(const struct link_message *m, char *const *environment, struct plan *ret_plan);

void plan_done(struct plan *p);

#endif
