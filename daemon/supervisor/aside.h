/* aside.h - closing what may take for ever to close, without waiting for it
 *
 * A client can send a descriptor of a file system that he serves himself, and never answer its flush.
 * The kernel lets a thread that waits for that not even be killed. So each has a thread of its own,
 * bounded for each user; whose are all busy is not listened to any more when he sends descriptors. */
#ifndef FOSTER_SUPERVISOR_ASIDE_H
#define FOSTER_SUPERVISOR_ASIDE_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether so many more descriptors of this user can be closed. */
bool aside_has_room(uid_t uid, unsigned n);

/* Close fd, which came from this user, some time. Without a thread for it, it stays open. */
void aside_close(uid_t uid, int fd);

#endif
