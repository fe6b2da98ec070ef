#include "tests/e2e/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define FILE_BYTES_MAX ((size_t)256 << 20)
#define NAMED_CHILDREN_MAX 256

static int open_input(const struct run *r)
{
	if (!r->input)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_close int fd = memfd_create("stdin", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, r->input, r->input_len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return take_fd(fd);
}

/* In the child, which is a copy of a test: it has no threads and may call what it likes. */
_Noreturn static void become(const struct run *r, const int stdio[3])
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 0; i < 3; i++)
		if (dup2(stdio[i], i) < 0)
			_exit(125);
	if (r->uid && (setgroups(0, NULL) < 0 || setgid((gid_t)r->uid) < 0 || setuid(r->uid) < 0))
		_exit(125);
	if (r->directory && chdir(r->directory) < 0)
		_exit(125);
	if (r->environ)
		environ = (char **)(uintptr_t)r->environ;
	execvp(r->argv[0], (char *const *)(uintptr_t)r->argv);
	dprintf(2, "%s: %s\n", r->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

int run_start(struct run *r)
{
	auto_close int in = open_input(r);
	auto_close int out = memfd_create("stdout", MFD_CLOEXEC);
	auto_close int err = memfd_create("stderr", MFD_CLOEXEC);
	int ours[3] = { in, out, err };

	if (in < 0 || out < 0 || err < 0)
		return -errno;
	r->pid = fork();
	if (r->pid < 0)
		return -errno;
	if (r->pid == 0)
		become(r, r->stdio ? r->stdio : ours);
	r->out_fd = r->stdio ? -1 : take_fd(out);
	r->err_fd = r->stdio ? -1 : take_fd(err);
	return 0;
}

int run_wait(pid_t pid, int timeout_ms, int *ret_status)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int status;

	if (pidfd < 0)
		return -errno;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	if (poll(&p, 1, timeout_ms) == 0)
		return -ETIMEDOUT;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	*ret_status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}

char *run_slurp_fd(int fd, struct arena *arena, size_t *ret_len)
{
	auto_buf struct buf b = { 0 };

	if (fd < 0 || fd_read_all(fd, &b, FILE_BYTES_MAX) < 0)
		return NULL;
	char *text = arena_alloc(arena, b.len + 1);
	if (!text)
		return NULL;
	if (b.len)
		memcpy(text, b.data, b.len);
	text[b.len] = '\0';
	if (ret_len)
		*ret_len = b.len;
	return text;
}

char *run_slurp(const char *path, struct arena *arena, size_t *ret_len)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	return run_slurp_fd(fd, arena, ret_len);
}

int run_finish(struct run *r, int timeout_ms, struct arena *arena, struct result *ret_result)
{
	auto_close int out = take_fd(r->out_fd);
	auto_close int err = take_fd(r->err_fd);
	struct result result = { .out = "", .err = "" };
	int failed = run_wait(r->pid, timeout_ms, &result.status);

	if (failed == -ETIMEDOUT) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	if (out >= 0 && lseek(out, 0, SEEK_SET) == 0)
		result.out = run_slurp_fd(out, arena, &result.out_len);
	if (err >= 0 && lseek(err, 0, SEEK_SET) == 0)
		result.err = run_slurp_fd(err, arena, &result.err_len);
	if (!result.out || !result.err)
		return -ENOMEM;
	*ret_result = result;
	return failed;
}

int run_count_fds(pid_t pid)
{
	char path[64];
	int n = 0;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -1;
	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* State and parent stand behind the name, which may hold anything, and its parenthesis. */
static const char *stat_behind_name(pid_t pid, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (fd_read_file(path, text, size) < 0)
		return NULL;
	const char *p = strrchr(text, ')');
	return p && p[1] == ' ' ? p + 2 : NULL;
}

pid_t run_parent_of(pid_t pid)
{
	char text[1024], state;
	int parent;
	const char *p = stat_behind_name(pid, text, sizeof text);

	return p && sscanf(p, "%c %d", &state, &parent) == 2 ? parent : -1;
}

char run_state_of(pid_t pid)
{
	char text[1024];
	const char *p = stat_behind_name(pid, text, sizeof text);

	return p ? *p : '\0';
}

bool run_alive(pid_t pid)
{
	char state = run_state_of(pid);

	return state != '\0' && state != 'Z' && state != 'X';
}

int run_name_of(pid_t pid, char *name, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	ssize_t n = fd_read_file(path, name, size);
	if (n < 0)
		return (int)n;
	name[strcspn(name, "\n")] = '\0';
	return 0;
}

size_t run_children_of(pid_t pid, pid_t *pids, size_t max)
{
	size_t n = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir));) {
		pid_t candidate = (pid_t)atoi(entry->d_name);

		if (candidate > 0 && run_parent_of(candidate) == pid && n < max)
			pids[n++] = candidate;
	}
	closedir(dir);
	return n;
}

unsigned run_count(const char *text, const char *part)
{
	unsigned n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

pid_t run_child_named(pid_t parent, const char *name, pid_t but)
{
	pid_t pids[NAMED_CHILDREN_MAX];
	size_t n = run_children_of(parent, pids, NAMED_CHILDREN_MAX);
	char found[32];

	for (size_t i = 0; i < n; i++)
		if (pids[i] != but && run_name_of(pids[i], found, sizeof found) == 0 &&
		    strncmp(found, name, strlen(name)) == 0 && run_alive(pids[i]))
			return pids[i];
	return 0;
}

long run_status_kb(pid_t pid, const char *key)
{
	char path[64], text[8192], wanted[64];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (fd_read_file(path, text, sizeof text) < 0)
		return -1;
	snprintf(wanted, sizeof wanted, "\n%s:", key);
	const char *p = strstr(text, wanted);
	return p ? atol(p + strlen(wanted)) : -1;
}

#ifdef SYS_epoll_wait
#define IS_EPOLL_WAIT(number) ((number) == SYS_epoll_wait)
#else
#define IS_EPOLL_WAIT(number) false
#endif

long run_sleep_ms(pid_t pid, int *ret_err)
{
	char path[64], text[256];
	unsigned long number, args[4];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
	n = fd_read_file(path, text, sizeof text);
	*ret_err = n < 0 ? (int)n : 0;
	if (n < 0 ||
	    sscanf(text, "%lu %lx %lx %lx %lx", &number, &args[0], &args[1], &args[2], &args[3]) !=
		    5 ||
	    (number != SYS_epoll_pwait && !IS_EPOLL_WAIT(number)))
		return 0;
	return (int)args[3];
}
