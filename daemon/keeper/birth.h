/* birth.h - a child of a forkserver that is there and is not known to have executed
 *
 * It has told of itself (LINK_BEGUN). When its forkserver dies, nobody would hear of it: it is killed, and
 * the spawn has failed when it is gone, not before: the next one may begin then. Each forkserver has a list
 * (server.c). */
#ifndef FOSTER_KEEPER_BIRTH_H
#define FOSTER_KEEPER_BIRTH_H

#include "daemon/keeper/keeper.h"

struct birth;

/* Takes pidfd; another of that slot is forgotten. Without memory: as if it had not told. */
void birth_add(struct birth **list, struct keeper *k, const struct link_head *h, int pidfd);

/* Its forkserver has told the rest. */
void birth_forget(struct birth **list, uint32_t slot);

/* The forkserver that was asked for slot has died. */
void birth_fail(struct birth **list, struct keeper *k, uint32_t slot);

#endif
