/* logger_rig.h - a real foster-logger in a fresh directory, and the test in the keeper's place
 *
 * The binary is $FOSTER_BUILD/foster-logger, or that of the build which the test is part of. Waiting
 * is for events of the directory (inotify) or of a descriptor, each with a deadline; when it passes,
 * the logger's own log is shown. */
#ifndef FOSTER_TESTS_LOGGER_RIG_H
#define FOSTER_TESTS_LOGGER_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/buf.h"
#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/link.h"
#include "daemon/base/mem.h"

#define RIG_DEADLINE_MS 10000

struct rig {
	char dir[64];
	struct link link;
	pid_t pid;
	int out, err; /* what the logger gets as fosterd's stdout and stderr; owned */
	int events; /* inotify of dir */
	rlim_t nofile; /* of the logger; 0: as ours */
	unsigned pongs;
	bool disk; /* dir is a small file system of its own */
};

/* One stream's pipe, as a keeper has it: open read-write; and a child's end. */
struct rig_pipe {
	int both, in;
};

static inline int rig_find_logger(char *path, size_t size)
{
	const char *build = getenv("FOSTER_BUILD");
	char self[4096] = { 0 };
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	for (int up = 0; n > 0 && up < 3 && strrchr(self, '/'); up++) /* BUILD/tests/unit/test_x */
		*strrchr(self, '/') = '\0';
	(void)snprintf(path, size, "%s/foster-logger", build ? build : self);
	return access(path, X_OK);
}

/* ---- starting and ending ------------------------------------------------------------------- */

static inline void rig_child(const struct rig *r, int link_fd)
{
	char path[8192];
	char log[128];
	struct rlimit lim = { .rlim_cur = r->nofile, .rlim_max = r->nofile };
	int fd;

	(void)snprintf(log, sizeof log, "%s.own", r->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	(void)rig_find_logger(path, sizeof path);
	/* Above what is replaced. */
	link_fd = fcntl(link_fd, F_DUPFD_CLOEXEC, 20);
	int out = fcntl(r->out, F_DUPFD_CLOEXEC, 20);
	int err = fcntl(r->err, F_DUPFD_CLOEXEC, 20);
	if (dup2(out, 1) < 0 || dup2(fd, 2) < 0 || dup2(link_fd, 3) < 0 || dup2(err, 4) < 0)
		_exit(125);
	if (r->nofile)
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	execl(path, path, (char *)NULL);
	_exit(126);
}

static inline void rig_start(struct rig *r)
{
	int ours = -1, theirs = -1;

	assert_int_equal(link_pair(&ours, &theirs), 0);
	link_init(&r->link, ours);
	r->pid = fork();
	assert_int_not_equal(r->pid, -1);
	if (!r->pid)
		rig_child(r, theirs);
	close(theirs);
}

static inline int rig_setup(void **state)
{
	char path[8192];
	struct rig *r = calloc(1, sizeof *r);

	if (!r)
		return -1;
	*state = r;
	r->link.fd = r->out = r->err = r->events = -1;
	if (rig_find_logger(path, sizeof path) < 0)
		return 0; /* rig_begin() skips */
	strcpy(r->dir, "/tmp/foster-logger-XXXXXX");
	if (!mkdtemp(r->dir))
		return -1;
	r->events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return r->events < 0 ? -1 : 0;
}

/* To be called first: with fosterd's stdout and stderr as given (taken; -1: /dev/null). */
static inline struct rig *rig_begin(void **state, int out, int err)
{
	struct rig *r = *state;

	if (!*r->dir) {
		print_message("no foster-logger beside this test: make builds it\n");
		skip();
	}
	r->out = out < 0 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : out;
	r->err = err < 0 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : err;
	assert_true(r->out >= 0 && r->err >= 0);
	assert_return_code(inotify_add_watch(r->events, r->dir,
					     IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE),
			   errno);
	rig_start(r);
	return r;
}

static inline void rig_show_log(const struct rig *r)
{
	char log[128], text[8192];

	(void)snprintf(log, sizeof log, "%s.own", r->dir);
	if (fd_read_file(log, text, sizeof text - 1) > 0)
		print_message("the logger said:\n%s", text);
}

/* Order it to finish; it must exit with 0, by the deadline. */
static inline void rig_finish(struct rig *r)
{
	uint64_t deadline = clock_boot_ns() + RIG_DEADLINE_MS * NS_PER_MS;
	int status = -1;
	pid_t pid = r->pid;

	link_done(&r->link);
	auto_close int pidfd = pidfd_open(pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	assert_true(pidfd >= 0);
	if (poll(&p, 1, RIG_DEADLINE_MS) != 1) {
		rig_show_log(r);
		fail_msg("the logger does not end");
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	r->pid = 0;
	if (status)
		rig_show_log(r);
	assert_int_equal(status, 0);
	assert_true(clock_boot_ns() < deadline);
}

static inline void rig_kill(struct rig *r)
{
	assert_return_code(kill(r->pid, SIGKILL), errno);
	assert_int_equal(waitpid(r->pid, NULL, 0), r->pid);
	r->pid = 0;
	link_done(&r->link);
}

static inline int rig_teardown(void **state)
{
	struct rig *r = *state;
	char command[256];
	int status = 0;

	if (r->pid > 0) {
		(void)kill(r->pid, SIGKILL);
		(void)waitpid(r->pid, NULL, 0);
	}
	link_done(&r->link);
	close_fd(&r->out);
	close_fd(&r->err);
	close_fd(&r->events);
	if (*r->dir) {
		(void)snprintf(command, sizeof command, "%s%s; rm -rf %s %s.own",
			       r->disk ? "umount " : ":", r->disk ? r->dir : "", r->dir, r->dir);
		status = system(command); /* NOLINT(cert-env33-c): a path of our own making */
	}
	free(r);
	return status;
}

/* A child that writes: it ends with the test, and holds nothing of the keeper's. */
static inline pid_t rig_fork(const struct rig *r)
{
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(r->link.fd);
	}
	return pid;
}

/* ---- the keeper's words -------------------------------------------------------------------- */

static inline const char *rig_path(const struct rig *r, const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];

	(void)snprintf(path, sizeof paths[0], "%s/%s", r->dir, name);
	return path;
}

static inline struct rig_pipe rig_pipe(void)
{
	struct rig_pipe p;
	char self[64];
	int fds[2];

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", fds[0]);
	p.both = open(self, O_RDWR | O_CLOEXEC);
	p.in = fds[1];
	assert_true(p.both >= 0);
	close(fds[0]);
	return p;
}

static inline void rig_pipe_done(struct rig_pipe *p)
{
	close_fd(&p->both);
	close_fd(&p->in);
}

static inline void rig_send_log(struct rig *r, uint32_t slot, int pipe, const struct link_log *log,
				const char *path, const char *prefix, const char *name)
{
	struct link_head head = { .type = LINK_LOG, .slot = slot };
	struct link_part parts[] = { { log, sizeof *log },
				     { path, strlen(path) + 1 },
				     { prefix, strlen(prefix) + 1 },
				     { name, strlen(name) + 1 } };

	assert_int_equal(
		link_send(&r->link, &head, parts, ARRAY_SIZE(parts), &pipe, pipe >= 0 ? 1 : 0), 0);
	assert_int_equal(link_flush(&r->link), 0);
}

/* stdout of slot 1, process "web", into that file. */
static inline void rig_send_file(struct rig *r, const struct rig_pipe *p, const char *name,
				 uint64_t maxbytes, uint32_t backups)
{
	struct link_log log = {
		.stream = 1, .maxbytes = maxbytes, .backups = backups, .mode = 0644
	};

	rig_send_log(r, 1, p->both, &log, rig_path(r, name), "", "web");
}

/* A message with nothing but a stream, or nothing at all (stream 0). */
static inline void rig_send(struct rig *r, enum link_type type, uint32_t slot, uint32_t stream)
{
	struct link_log log = { .stream = stream };
	struct link_head head = { .type = (uint16_t)type, .slot = slot };
	struct link_part part = { &log, sizeof log };

	assert_int_equal(link_send(&r->link, &head, &part, stream ? 1 : 0, NULL, 0), 0);
	assert_int_equal(link_flush(&r->link), 0);
}

static inline void rig_on_message(void *data, const struct link_message *m)
{
	struct rig *r = data;

	assert_int_equal(m->head->type, LINK_PONG);
	r->pongs++;
}

/* Everything sent before has been acted on when this returns. */
static inline void rig_sync(struct rig *r)
{
	struct pollfd p = { .fd = r->link.fd, .events = POLLIN };
	unsigned before = r->pongs;

	rig_send(r, LINK_PING, 0, 0);
	while (r->pongs == before) {
		if (poll(&p, 1, RIG_DEADLINE_MS) != 1) {
			rig_show_log(r);
			fail_msg("the logger does not answer");
		}
		assert_int_equal(link_receive(&r->link, rig_on_message, r), 1);
	}
}

/* ---- what became of it --------------------------------------------------------------------- */

/* Bytes of the file at path, "" when there is none. free() it; *ret_len may be NULL. */
static inline char *rig_read(const char *path, size_t *ret_len)
{
	struct buf b = { 0 };
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		assert_int_equal(fd_read_all(fd, &b, 1 << 30), 0);
	if (ret_len)
		*ret_len = b.len;
	return buf_take_str(&b);
}

static inline size_t rig_size(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (size_t)st.st_size;
}

static inline void rig_write(int fd, const char *text)
{
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* Wait until done(r, data), asking again whenever something changed in the directory. */
static inline void rig_wait(struct rig *r, bool (*done)(const struct rig *, const void *),
			    const void *data)
{
	uint64_t deadline = clock_boot_ns() + RIG_DEADLINE_MS * NS_PER_MS;
	struct pollfd p = { .fd = r->events, .events = POLLIN };
	char events[4096];

	while (!done(r, data)) {
		if (poll(&p, 1, RIG_DEADLINE_MS) != 1 || clock_boot_ns() > deadline) {
			rig_show_log(r);
			fail_msg("what was waited for did not come");
		}
		while (read(r->events, events, sizeof events) > 0)
			;
	}
}

struct rig_expected {
	const char *name;
	const char *text;
};

static inline bool rig_is_there(const struct rig *r, const void *data)
{
	const struct rig_expected *e = data;
	auto_free char *text = rig_read(rig_path(r, e->name), NULL);

	return !strcmp(text, e->text);
}

/* Wait until the file of that name holds exactly text. */
static inline void rig_expect(struct rig *r, const char *name, const char *text)
{
	struct rig_expected e = { name, text };

	rig_wait(r, rig_is_there, &e);
}

static inline void rig_assert_file(const struct rig *r, const char *name, const char *text)
{
	auto_free char *found = rig_read(rig_path(r, name), NULL);

	assert_string_equal(found, text);
}

/* How many lines of the logger's own log contain text. */
static inline unsigned rig_said(const struct rig *r, const char *text)
{
	char path[128];
	unsigned n = 0;

	(void)snprintf(path, sizeof path, "%s.own", r->dir);
	auto_free char *log = rig_read(path, NULL);
	for (const char *at = log; (at = strstr(at, text)); at += strlen(text))
		n++;
	return n;
}

/* Read one line from a pipe, without its newline, by the deadline. */
static inline void rig_read_line(int fd, char *line, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;

	for (;;) {
		assert_int_equal(poll(&p, 1, RIG_DEADLINE_MS), 1);
		assert_int_equal(read(fd, line + n, 1), 1);
		if (line[n] == '\n')
			break;
		assert_true(++n < size);
	}
	line[n] = '\0';
}

#endif
