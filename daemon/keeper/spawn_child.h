/* spawn_child.h - the child between clone() or fork() and execve()
 *
 * It may run on the keeper's memory. Therefore: system calls only (rawcall.h), no lock, no allocation,
 * no errno, writing to locals and to *fail alone. spawn_child.c holds this and nothing else;
 * `make lint` checks which symbols it uses. */
#ifndef FOSTER_KEEPER_SPAWN_CHILD_H
#define FOSTER_KEEPER_SPAWN_CHILD_H

#include "daemon/keeper/spawn.h"

struct spawn_child {
	const struct spawn_plan *plan;
	int sources[SPAWN_FDS_MAX]; /* what becomes i: a staged number, or 0, which is /dev/null */
	int stage_directory; /* where directory_fd is staged */
	int inherited[SPAWN_INHERIT_MAX]; /* where plan->inherit[i] is staged */
	int unshare_from; /* close_range() from here on; -1: the table is ours already */
	int report_fd; /* -1: the parent reads *fail from its own memory */
	pid_t parent; /* whose death is ours, with LINK_SPAWN_DIES */
	struct spawn_fail *fail;
};

/* Do as planned; does not return. On failure *fail is set (and written to report_fd) and the child
 * exits with 127, or 126 when it could not even report. */
_Noreturn void spawn_child(const struct spawn_child *c);

/* The same, as clone(2) wants it; data is a struct spawn_child. Compiled, as all of spawn_child.c,
 * without sanitizers: they would take the stack that each child leaves behind for that of the next. */
int spawn_child_on_stack(void *data);

#endif
