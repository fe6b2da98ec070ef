/* pidinfo.h - processes that are not our children, through their pidfds: is it the one, how did it
 * end, a signal to it
 *
 * Its parent may reap it at any moment, and then its number may be another's: nothing here trusts the
 * number alone.
 *
 * Source: pidfd_open(2), pidfd_send_signal(2); PIDFD_GET_INFO: include/uapi/linux/pidfd.h, the end of a
 * reaped process since Linux 6.15; PIDFD_SIGNAL_PROCESS_GROUP since 6.9; tried on 6.18 and 6.1. */
#ifndef FOSTER_KEEPER_PIDINFO_H
#define FOSTER_KEEPER_PIDINFO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/proc.h"

/* What no other process of this boot has. */
struct pidinfo_identity {
	uint64_t inode; /* of its pidfd, where those are unique (Linux >= 6.9), else 0 */
	uint64_t start_ticks; /* where inode is 0 */
};

/* That of the process of pidfd (-1: of the living process pid). */
void pidinfo_identify(int pidfd, pid_t pid, struct pidinfo_identity *ret);

/* A pidfd of pid if it is still the process of that identity, or -ESRCH, or another -errno. */
int pidinfo_open(pid_t pid, const struct pidinfo_identity *who);

/* Whether pidfd is of that process, which may have ended. */
bool pidinfo_is(int pidfd, pid_t pid, const struct pidinfo_identity *who);

/* The number of the process of pidfd; 0 when it is reaped, -errno when it is no pidfd. */
pid_t pidinfo_pid(int pidfd);

/* How it ended. 0; -EAGAIN when it lives; -ENODATA when it is reaped and the kernel does not tell (Linux <
 * 6.15); -EACCES when its parent has not reaped it and we may not look. */
int pidinfo_end(int pidfd, pid_t pid, struct proc_end *ret);

/* Signal it, or its process group, which is its own number. 0, -ESRCH when there is none any more, or
 * -errno. */
int pidinfo_signal(int pidfd, pid_t pid, int number, bool group);

#endif
