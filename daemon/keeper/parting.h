/* parting.h - log pipes that are no slot's any more
 *
 * When a process is forgotten, or its definition changes, its pipes are let go: the logger writes what is in
 * them to where it belongs, and closes them (LINK_UNLOG). Until it has said so (LINK_UNLOGGED) they are held
 * here, with the words that say where: should it die before, its successor is told the same. What is in
 * them when the keeper dies at the same moment is lost.
 *
 * What the logger's link has no room for waits here, in its order, and new words for any stream wait for that. */
#ifndef FOSTER_KEEPER_PARTING_H
#define FOSTER_KEEPER_PARTING_H

#include "daemon/keeper/keeper.h"

/* m: the supervisor's UNLOG, which the logger that there is is told of, now or later. Takes fd. */
void parting_begin(struct keeper *k, const struct link_message *m, int fd);

/* The logger has written all of it. */
void parting_end(struct keeper *k, uint64_t id);

/* What waits, as far as there is room. 0: nothing is left; or -errno. */
int partings_tell(struct keeper *k);

/* There is one that knows nothing. */
void partings_tell_new_logger(struct keeper *k);

/* For a program that takes our place, and there: what the logger has not answered. body: of the UNLOG; fd is
 * taken on success. 0 or -ENOMEM. */
void partings_each(const struct keeper *k,
		   void (*on_parting)(void *data, uint32_t id, uint32_t slot, int fd,
				      const void *body, size_t len),
		   void *data);
int parting_add(struct keeper *k, uint32_t id, uint32_t slot, int fd, const void *body, size_t len);

#endif
