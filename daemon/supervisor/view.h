/* view.h - a process as JSON: what clients are told of it
 *
 * Pure but for the clock. The types are those of ctl/org.foster.Supervisor.varlink. Lists, which may
 * have thousands of members, are written as text (jsonw.h); single things are trees. */
#ifndef FOSTER_SUPERVISOR_VIEW_H
#define FOSTER_SUPERVISOR_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/buf.h"
#include "daemon/supervisor/process.h"

/* Append a Status; now as clock_boot_ns() and clock_real_ns() have it, read once for a list. */
struct view_now {
	uint64_t boot_ns, real_ns;
};
struct view_now view_now(void);
void view_status(struct buf *b, const struct process *p, const struct view_now *now);

/* Append an End: returncode of an end that is known, lost of one that is not, neither where nothing
 * has ended. */
void view_end_text(struct buf *b, const char *name, const struct process_end *end);
json_t *view_end(const char *name, const struct process_end *end);

/* Append a Node of the tree. */
void view_node(struct buf *b, const struct process *p);

/* A Process. whole: with what may hold secrets (environment); else only the names of its variables.
 * NULL: no memory. */
json_t *view_process(const struct process *p, bool whole);

/* An Event. NULL: no memory. */
json_t *view_event(const struct process *p, enum process_state from, enum process_state to);

/* The parent in words: a process's name, "session of PID 17"; NULL: fosterd. text is for the
 * second. */
#define VIEW_PARENT_BYTES 48
const char *view_parent(const struct process *p, char text[VIEW_PARENT_BYTES]);

#endif
