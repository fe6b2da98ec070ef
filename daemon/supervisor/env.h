/* env.h - the environment of a child
 *
 * Three layers, the later ones win: what the start method begins with (fork: fosterd's own less what
 * speaks of fosterd alone; spawn: PATH HOME USER LOGNAME SHELL LANG; forkserver: the server adds its
 * own), environment=, and foster's FOSTER_* (in a [supervisord] file SUPERVISOR_* come before
 * environment=, as there). By fork, what a client who is not admin has defined begins as by spawn, less
 * USER and LOGNAME: fosterd's environment is as secret as /proc/PID/environ. */
#ifndef FOSTER_SUPERVISOR_ENV_H
#define FOSTER_SUPERVISOR_ENV_H

#include "daemon/base/buf.h"
#include "daemon/supervisor/process.h"

/* FOSTER_INSTANCE of a living process, 0 when it has none or hides it. */
uint64_t env_instance_of(pid_t pid);

/* A new FOSTER_INSTANCE: random, never 0. */
uint64_t env_new_instance(void);

/* Append "K=V" strings, each with its NUL, to *out. Returns how many, or -ENOMEM. */
int env_build(const struct process *p, struct buf *out);

/* fosterd's own environment as children may see it: a copy, NULL-terminated, or NULL. */
char **env_for_fork(char *const *environment);

/* The value of PATH as the child would have it. Points into process or constant memory. */
const char *env_path(const struct process *p);

#endif
