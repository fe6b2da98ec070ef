/* child.h - the child between its making and its program: what the plan asks for, in order
 *
 * May run on the forkserver's memory, while that waits (vfork): system calls only, no lock, no
 * allocation, nothing written but locals. The order is that of the keeper's spawn_child.c.
 * Source: DESIGN section 2 "Spawning"; execvp(3). */
#ifndef FOSTER_FORKSERVER_CHILD_H
#define FOSTER_FORKSERVER_CHILD_H

#include <sys/types.h>

#include "daemon/forkserver/plan.h"

/* Do all but the last step. channel (or -1) is kept open, close-on-exec, every other descriptor from 3 on is closed.
 * parent is who has to be the parent: the keeper. On failure the step, with errno set. */
enum link_step child_set_up(const struct plan *p, pid_t parent, int channel);

/* Execute the plan's program. Returns only on failure: LINK_STEP_EXEC, with errno set. */
enum link_step child_execute(const struct plan *p);

#endif
