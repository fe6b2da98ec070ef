/* stage.h - the staging range: where descriptors stand from which a child takes its own
 *
 * A child's table is a copy of our lowest numbers, so what it shall have must be among them. They are
 * reserved at the start and refer to /dev/null when they are not in use. Each number that is copied is
 * closed again when the child executes (2 us each, measured), so /dev/null itself is never staged: our
 * own descriptor 0 serves. Several children at a time stand in bays of their own.
 *
 * spawn.c calls it, nobody else. */
#ifndef FOSTER_KEEPER_STAGE_H
#define FOSTER_KEEPER_STAGE_H

#include <stdbool.h>

#include "daemon/keeper/spawn_child.h"

#define STAGE_BAYS 3
#define STAGE_BAY_NUMBERS 4

/* Reserve the range: the lowest numbers in a row of which none is open now. Our own descriptor 0
 * becomes /dev/null. 0 or -errno. */
int stage_init(void);

/* A descriptor of /dev/null: one that costs nothing to pass on. */
int stage_null_fd(void);

/* Whether what a child of this plan needs fits into a bay. */
bool stage_fits_bay(const struct spawn_plan *plan);

/* Stage what the plan needs: child's sources, stage_directory, inherited, and unshare_from, from where on
 * it needs none of our numbers. In bay 0 more than a bay may be taken when the others are empty. Returns
 * the first number behind, or -errno with nothing left on stage. */
int stage_put(unsigned bay, const struct spawn_plan *plan, struct spawn_child *child);

/* Else the range would keep a child's pipe or a client's file open. */
void stage_clear(unsigned bay, int end);

/* Put the writing end of a report pipe on stage, and take it away. The number or -errno. */
int stage_put_report(int fd);
void stage_clear_report(void);

#endif
