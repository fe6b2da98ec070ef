/* everybody.h - all processes there are, for those that are not below the keeper
 *
 * What an earlier keeper left, and what becomes of it, falls to whoever reaps above us. It is found by
 * FOSTER_INSTANCE in its environment, a random number that only foster and the process' own tree know.
 * A look reads two files of each process (20 us each); it is made when a fosterd starts after another,
 * and when an adopted process is stopped.
 *
 * Source: proc(5). */
#ifndef FOSTER_SUPERVISOR_EVERYBODY_H
#define FOSTER_SUPERVISOR_EVERYBODY_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/proc.h"

struct everybody_one {
	pid_t pid;
	struct proc_stat facts;
	uint64_t instance; /* its FOSTER_INSTANCE; never 0 */
};

/* Call on_one for each living process, but us, that has a FOSTER_INSTANCE. */
void everybody_look(void (*on_one)(void *data, const struct everybody_one *one), void *data);

/* Kill pid if it is still the process that facts describe: a PID is looked at again after a descriptor
 * pins what it means. */
void everybody_kill(pid_t pid, const struct proc_stat *facts);

#endif
