/* canary.h - processes beside those of foster, which nobody may signal
 *
 * They come and go with the others, so that their PIDs lie among theirs, and count every signal that
 * they get. One that dies, and not by us, was killed. */
#ifndef FOSTER_TESTS_SOAK_CANARY_H
#define FOSTER_TESTS_SOAK_CANARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CANARIES 8

struct canaries {
	pid_t pids[CANARIES];
	size_t next; /* to be replaced */
	_Atomic int *signals; /* in memory that all of them share */
};

int canaries_begin(struct canaries *c); /* 0 or -errno */

/* Replace the oldest by a new one. 0; -errno; or 1 when one has died, or was signalled. */
int canaries_turn(struct canaries *c);

bool canaries_have(const struct canaries *c, pid_t pid);
void canaries_end(struct canaries *c);

#endif
