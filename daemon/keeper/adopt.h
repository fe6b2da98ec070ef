/* adopt.h - survivors of an earlier keeper become slots of ours
 *
 * Its table says who there was (table_left.h), systemd's descriptor store perhaps who there is
 * (store.h); nobody is taken for another, for a PID alone is never believed. First the earlier keeper's
 * own parts, which notice its death by themselves, must be gone: two loggers may not read one pipe.
 *
 *   in the table   here now                       becomes
 *   LIVE           the same process               LIVE, ADOPTED; its pipes are opened again through
 *                                                 /proc/PID/fd. What was to die with its keeper is killed
 *   LIVE           nobody, or another             ENDED, ADOPTED, LOST
 *   LIVE           its pidfd from the store       LIVE, ADOPTED, and its end is known at once
 *   SPAWNING       not known                      ENDED, ADOPTED, LOST, without a PID: the supervisor may
 *                                                 find it by its environment (LINK_ADOPT)
 *   anything else                                 the same; ENDED is ADOPTED: its PID means nothing
 *
 * After an end in order (finished) only what was LIVE is looked at: the rest of that fosterd's life is
 * over. Called once, while we boot; may wait for the parts, at most 10 seconds. */
#ifndef FOSTER_KEEPER_ADOPT_H
#define FOSTER_KEEPER_ADOPT_H

#include "daemon/keeper/keeper.h"
#include "daemon/keeper/table_left.h"

/* k->table is ours, empty and not yet in the place of the other. 0, or -errno when not all have a place in
 * it. */
int adopt(struct keeper *k, const struct table_left *left);

/* Whoever is in the descriptor store and was not in any table. 0 or -errno in the same way. */
int adopt_stored(struct keeper *k);

/* LINK_ADOPT: the supervisor has found the process of a slot that was SPAWNING. Takes pidfd. */
void adopt_found(struct keeper *k, uint32_t slot, uint64_t incarnation, pid_t pid, int pidfd);

#endif
