/* proc.h - what /proc says of a process, and where our own programs lie
 *
 * Source: proc(5), /proc/PID/stat. */
#ifndef FOSTER_BASE_PROC_H
#define FOSTER_BASE_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char state; /* 'R', 'S', …, 'Z' */
	pid_t ppid, pgrp, session;
	uint64_t start_ticks; /* since boot: with the PID an identity */
};

/* 0, or -errno: -ENOENT or -ESRCH when there is no such process, -EPROTO when the line is not one. */
int proc_stat(pid_t pid, struct proc_stat *ret);

/* How a process ended that another has yet to wait for. */
struct proc_end {
	int status; /* as wait(2) gives it */
	uint64_t utime_us, stime_us;
};

/* 0; -EAGAIN when it is no zombie; -EACCES when we may not know (the kernel then says 0, proc(5), field
 * 52); or as proc_stat(). */
int proc_end(pid_t pid, struct proc_end *ret);

/* The program of that name beside our own executable, where it lies in an uninstalled build, else in
 * LIBEXECDIR. */
void proc_beside(const char *name, char *path, size_t size);

#endif
