/* rig_child.h - what a child of the rig is: a process that runs nothing */
#ifndef FOSTER_FUZZ_RIG_CHILD_H
#define FOSTER_FUZZ_RIG_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct rig_child {
	pid_t parent; /* with whom it ends */
	bool exits; /* at once */
};

/* Wait for any signal and exit with its number, or exit with 0 at once. data is a struct rig_child. Runs on our memory, on a
 * stack of its own, and is not unwound: system calls only, and no sanitizer (Makefile). All signals are
 * blocked. */
int rig_child_run(void *data);

#endif
