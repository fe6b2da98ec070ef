/* raw.h - what the kernel allows: the bare system calls that foster is measured against */
#ifndef FOSTER_BENCH_RAW_H
#define FOSTER_BENCH_RAW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* vfork() and exec of argv, output to /dev/null is the caller's business. The PID or -errno. */
pid_t raw_spawn(const char *const *argv);

/* n children in a loop. 0 or -errno. */
int raw_start(const char *const *argv, size_t n, pid_t *ret_pids);

/* SIGTERM to all, reap all. */
void raw_stop(const pid_t *pids, size_t n);

/* In a process of its own: start n children, then for each death SIGCHLD -> waitid -> vfork -> exec.
 * Returns its PID; raw_restarter_end() ends it and its children. */
pid_t raw_restarter(const char *const *argv, size_t n);
void raw_restarter_end(pid_t pid);

/* vfork, exec, wait: the whole life of argv with output to /dev/null, in ns. 0 when it failed. */
uint64_t raw_run_ns(const char *const *argv);

#endif
