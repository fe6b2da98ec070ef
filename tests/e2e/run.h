/* run.h - run a program to its end, and look at it from outside
 *
 * Output goes to memory files: whatever the program leaves running behind cannot hold us up. Nothing
 * here knows of foster. */
#ifndef FOSTER_TESTS_RUN_H
#define FOSTER_TESTS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/base/arena.h"

/* What a program was given, and a running one. */
struct run {
	const char *const *argv; /* argv[0] is the path, looked up in PATH */
	const char *input; /* stdin; NULL: /dev/null */
	size_t input_len;
	const int *stdio; /* three descriptors in place of the memory files; NULL: none */
	const char *const *environ; /* NULL: ours */
	const char *directory; /* NULL: ours */
	uid_t uid; /* 0: unchanged. gid and groups are those of uid alone */
	pid_t pid; /* out: the running program */
	int out_fd, err_fd; /* out: the memory files, or -1 */
};

struct result {
	int status; /* as Python's returncode: N, or -SIGNAL */
	const char *out, *err; /* NUL-terminated, of the arena */
	size_t out_len, err_len;
};

/* Start it. 0 or -errno. */
int run_start(struct run *r);

/* Wait for its end, at most timeout_ms; then it is killed and -ETIMEDOUT returned. Its output in
 * *ret_result belongs to arena. 0 or -errno. */
int run_finish(struct run *r, int timeout_ms, struct arena *arena, struct result *ret_result);

/* Wait until pid, a child of ours, has ended. 0 with its returncode, -ETIMEDOUT, or -errno. */
int run_wait(pid_t pid, int timeout_ms, int *ret_status);

/* Read a whole file into the arena (NUL-terminated). NULL when it cannot be read. */
char *run_slurp(const char *path, struct arena *arena, size_t *ret_len);
char *run_slurp_fd(int fd, struct arena *arena, size_t *ret_len);

/* Facts from /proc. Counts and PIDs are -1, and texts empty, where there is no such process. */
int run_count_fds(pid_t pid);
pid_t run_parent_of(pid_t pid);
size_t run_children_of(pid_t pid, pid_t *pids, size_t max);
long run_status_kb(pid_t pid, const char *key); /* a number of /proc/PID/status: "VmRSS" */
char run_state_of(pid_t pid); /* 'R', 'S', 'Z', …; 0 */
bool run_alive(pid_t pid); /* there is such a process, and it is no zombie */
int run_name_of(pid_t pid, char *name, size_t size); /* comm; 0 or -errno */

/* How often part stands in text. */
unsigned run_count(const char *text, const char *part);

/* A child of parent, other than `but`, that lives and whose comm (15 bytes at most) begins with name.
 * 0: there is none. */
pid_t run_child_named(pid_t parent, const char *name, pid_t but);

/* How long pid, which waits in epoll_wait(2), will sleep at most: its timeout in ms, where endless is
 * less than 0. 0 when it is not in there; -errno in *ret_err when /proc/PID/syscall cannot be read. */
long run_sleep_ms(pid_t pid, int *ret_err);

#endif
