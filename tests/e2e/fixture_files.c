#include "tests/e2e/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define DAY_MS 86400000L

const char *fixture_format(struct fixture *f, const char *format, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, format);
	int n = vasprintf(&text, format, ap);
	va_end(ap);
	assert_true(n >= 0);
	char *copy = arena_strdup(&f->arena, text);
	assert_non_null(copy);
	return copy;
}

const char *fixture_path(struct fixture *f, const char *format, ...)
{
	auto_free char *name = NULL;
	va_list ap;

	va_start(ap, format);
	int n = vasprintf(&name, format, ap);
	va_end(ap);
	assert_true(n >= 0);
	return fixture_format(f, "%s/%s", f->dir, name);
}

const char *fixture_child(struct fixture *f)
{
	return fixture_format(f, "%s/tests/helpers/child", f->build);
}

void fixture_asan_option(struct fixture *f, const char *option)
{
	const char *others = getenv("ASAN_OPTIONS");

	setenv("ASAN_OPTIONS", fixture_format(f, "%s:%s", others ? others : "", option), 1);
}

/* A sanitizer would rather be first itself, and need not. */
void fixture_preload(struct fixture *f, const char *object)
{
	if (!object) {
		unsetenv("LD_PRELOAD");
		return;
	}
	setenv("LD_PRELOAD", fixture_format(f, "%s/tests/helpers/shared/%s", f->build, object), 1);
	fixture_asan_option(f, "verify_asan_link_order=0");
}

void fixture_own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fixture_skip("needs the right to mount");
}

struct fifo *fixture_fifo(struct fixture *f, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(f->fifos); i++) {
		struct fifo *fifo = &f->fifos[i];

		if (fifo->fd >= 0)
			continue;
		assert_true(strlen(f->dir) + strlen(name) + 2 <= sizeof fifo->path);
		strcpy(fifo->path, fixture_path(f, "%s", name));
		assert_return_code(mkfifo(fifo->path, 0666), errno);
		assert_return_code(chmod(fifo->path, 0666), errno);
		fifo->fd = open(fifo->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		assert_return_code(fifo->fd, errno);
		return fifo;
	}
	fixture_fail(f, "too many FIFOs");
}

const char *fixture_line(struct fixture *f, struct fifo *fifo)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	char *end;

	while (!fifo->in.len || !(end = memchr(fifo->in.data, '\n', fifo->in.len))) {
		struct pollfd p = { .fd = fifo->fd, .events = POLLIN };
		char block[4096];

		if (clock_boot_ns() > deadline)
			fixture_fail(f, "nothing said in %s", fifo->path);
		if (poll(&p, 1, 1000) <= 0)
			continue;
		ssize_t n = read(fifo->fd, block, sizeof block);
		if (n > 0)
			buf_add(&fifo->in, block, (size_t)n);
	}
	char *line = arena_strndup(&f->arena, fifo->in.data, (size_t)(end - fifo->in.data));
	assert_non_null(line);
	buf_consume(&fifo->in, (size_t)(end - fifo->in.data) + 1);
	printf("# said: %s\n", line);
	return line;
}

void fixture_expect_line(struct fixture *f, struct fifo *fifo, const char *line)
{
	assert_string_equal(fixture_line(f, fifo), line);
}

void fixture_expect_silence(struct fixture *f, struct fifo *fifo)
{
	char block[4096];

	if (fifo->in.len > 0 || read(fifo->fd, block, sizeof block) > 0)
		fixture_fail(f, "something was said in %s", fifo->path);
}

const char *fixture_file(struct fixture *f, const char *name)
{
	const char *text = run_slurp(fixture_path(f, "%s", name), &f->arena, NULL);

	return text ? text : "";
}

void fixture_until_file(struct fixture *f, const char *name, const char *text)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;

	while (!strstr(fixture_file(f, name), text)) {
		if (clock_boot_ns() > deadline)
			fixture_fail(f, "never in %s: %s", name, text);
		usleep(1000);
	}
}

void fixture_write_file(struct fixture *f, const char *name, const char *text)
{
	assert_int_equal(fd_replace_file(fixture_path(f, "%s", name), text, strlen(text), 0644), 0);
}

void fixture_until_logged(struct fixture *f, const char *words)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;

	while (!strstr(fixture_file(f, "log"), words)) {
		if (clock_boot_ns() > deadline)
			fixture_fail(f, "never logged: %s", words);
		usleep(5000);
	}
}

void fixture_kill(pid_t pid, int number)
{
	assert_true(pid > 1); /* 0 and below are groups: ours, and everybody */
	assert_return_code(kill(pid, number), errno);
}

void fixture_until_dead(struct fixture *f, pid_t pid)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		assert_int_equal(errno, ESRCH);
	else if (poll(&p, 1, FIXTURE_DEADLINE_MS) == 0)
		fixture_fail(f, "process %d does not end", (int)pid);
}

void fixture_until_asleep(struct fixture *f, pid_t pid)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	long ms = 0;
	int err = 0;

	while (ms >= 0 && ms < DAY_MS && clock_boot_ns() < deadline) {
		usleep(10000);
		ms = run_sleep_ms(pid, &err);
		if (err < 0)
			fixture_skip("/proc/PID/syscall cannot be read");
	}
	if (ms >= 0 && ms < DAY_MS)
		fixture_fail(f, "process %d wakes up after %ld ms", (int)pid, ms);
}

void fixture_reap(struct fixture *f, pid_t pid)
{
	kill(pid, SIGKILL);
	fixture_until_dead(f, pid);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

void fixture_reap_all_but(struct fixture *f, pid_t keep)
{
	pid_t pids[64];

	for (;;) {
		size_t n = run_children_of(getpid(), pids, ARRAY_SIZE(pids)), others = 0;

		for (size_t i = 0; i < n; i++) {
			if (pids[i] == keep)
				continue;
			others++;
			fixture_until_dead(f, pids[i]);
			assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		}
		if (others == 0)
			return;
	}
}

void fixture_assert_contains(const char *text, const char *part, bool wanted, const char *file,
			     int line)
{
	if ((text && strstr(text, part)) == wanted)
		return;
	printf("# %s: \"%s\" in: %s\n", wanted ? "missing" : "unwanted", part,
	       text ? text : "(null)");
	_fail(file, line);
}
