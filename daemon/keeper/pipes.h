/* pipes.h - the pipes of a slot: its log streams, and a stdin that is held open
 *
 * Made on first use, kept from one life to the next, open for reading and writing: so no writer gets
 * SIGPIPE when the logger is gone, and no reader an end of file between two writers. The table knows them
 * by their inodes, so that a later keeper finds them again with whoever has them.
 *
 * Source: pipe(7); fifo(7), "Under Linux, opening a FIFO for read and write will succeed"; proc(5),
 * /proc/PID/fd. */
#ifndef FOSTER_KEEPER_PIPES_H
#define FOSTER_KEEPER_PIPES_H

#include "daemon/keeper/keeper.h"

/* The slot's pipe for stream 0, 1 or 2; the slot's. A child may have made it non-blocking: it is not. Or
 * -errno. */
int pipes_of(struct keeper *k, uint32_t slot, int stream);

/* It is the caller's from now on, -1 where there is none: the next use makes another. */
int pipes_take(struct keeper *k, uint32_t slot, int stream);
void pipes_close(struct keeper *k, uint32_t slot); /* all */

/* Open those again that the table knows and pid has. */
void pipes_reopen(struct keeper *k, uint32_t slot, pid_t pid);

/* Those of living slots that their main processes do not have any more, with anybody who has. */
void pipes_look_for_missing(struct keeper *k);

#endif
