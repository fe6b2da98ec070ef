/* why.h - what a process waits for, as a chain
 *
 * The first link is its name; each next one is what the one before it waits for: a process, or a few
 * words where nothing else can be named ("3 s until its next start"). A process that waits for
 * nothing is alone. */
#ifndef FOSTER_SUPERVISOR_WHY_H
#define FOSTER_SUPERVISOR_WHY_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/supervisor/process.h"

/* shows says which other processes may be named (others stand as "another process"). Returns an
 * array of strings, or NULL without memory. */
json_t *why_chain(const struct process *p, bool (*shows)(void *data, const struct process *p),
		  void *data);

#endif
