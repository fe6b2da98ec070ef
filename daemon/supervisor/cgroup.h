/* cgroup.h - a cgroup for each process, where systemd has delegated ours to us
 *
 * It is a directory NAME.INSTANCE below fosterd's own, made before the start and removed when the end
 * is settled; one that something was left in stays, and goes at the next start of fosterd. No controller
 * is enabled: a cgroup is the one way to know all that a process has started, and to kill it at once.
 * Not delegated (no xattr user.delegate or trusted.delegate), not ours to write, or a name that is too
 * long: there is none, and everything goes on without.
 *
 * Source: cgroups(7), the kernel's cgroup-v2.rst (cgroup.kill: Linux 5.14), systemd's
 * CGROUP_DELEGATION.md. */
#ifndef FOSTER_SUPERVISOR_CGROUP_H
#define FOSTER_SUPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* Find our own cgroup. Once, at the start. */
void cgroup_init(void);

/* Remove what an earlier fosterd left and nothing is in. */
void cgroup_sweep(void);

/* Make it, unless it is there. Its directory, the caller's; or -1. */
int cgroup_make(const char *name, uint64_t instance);

void cgroup_remove(const char *name, uint64_t instance);

/* Kill all that is in it. 0 or -errno. */
int cgroup_kill(const char *name, uint64_t instance);

/* Whether a living process is in it. */
bool cgroup_is_populated(const char *name, uint64_t instance);

#endif
