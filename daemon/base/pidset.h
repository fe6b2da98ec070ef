/* pidset.h - a set of PIDs, for telling known children from others
 *
 * A bit for each possible PID (PID_MAX_LIMIT of the kernel is 2^22): half a MiB of address space, of
 * which only the pages in use cost memory. Emptied by removing what was added. */
#ifndef FOSTER_BASE_PIDSET_H
#define FOSTER_BASE_PIDSET_H

#include <stdbool.h>
#include <sys/types.h>

#define PIDSET_LIMIT (1 << 22)

struct pidset {
	unsigned char bits[PIDSET_LIMIT / 8];
};

static inline bool pidset_fits(pid_t pid)
{
	return pid > 0 && pid < PIDSET_LIMIT;
}

static inline void pidset_add(struct pidset *s, pid_t pid)
{
	if (pidset_fits(pid))
		s->bits[pid / 8] |= (unsigned char)(1 << pid % 8);
}

static inline void pidset_remove(struct pidset *s, pid_t pid)
{
	if (pidset_fits(pid))
		s->bits[pid / 8] &= (unsigned char)~(1 << pid % 8);
}

static inline bool pidset_has(const struct pidset *s, pid_t pid)
{
	return pidset_fits(pid) && s->bits[pid / 8] & 1 << pid % 8;
}

#endif
