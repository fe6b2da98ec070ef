/* forkserver_rig.h - a real forkserver, and the test in the keeper's place
 *
 * The test is a child subreaper, as the keeper is. The servers are those of $FOSTER_BUILD, or of the
 * build that the test is part of. Waiting is for messages and descriptors, each with a deadline; when
 * it passes, what the server wrote to stderr is shown. */
#ifndef FOSTER_TESTS_FORKSERVER_RIG_H
#define FOSTER_TESTS_FORKSERVER_RIG_H

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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/buf.h"
#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/link.h"
#include "daemon/base/mem.h"

#define RIG_DEADLINE_MS 20000
#define RIG_ANSWERS 2048

enum rig_kind {
	RIG_NATIVE,
	RIG_PYTHON,
	RIG_PERL
};

struct rig_answer {
	uint16_t type;
	bool taken; /* a test has waited for it */
	uint32_t slot;
	uint64_t incarnation;
	int pid, pidfd; /* FORKED; pidfd is the rig's */
	uint32_t step; /* FAILED */
	int err;
	char text[4096];
	struct link_ended ended;
};

struct rig {
	enum rig_kind kind;
	char dir[64], build[4096];
	struct link link;
	pid_t pid;
	bool stays_parent;
	struct rig_answer answers[RIG_ANSWERS];
	unsigned n;
	pid_t begun; /* the last child that said it */
	unsigned n_begun;
};

/* What is asked for; what is not set is as usual. */
struct rig_plan {
	uint32_t slot;
	uint64_t incarnation; /* 0: 1 */
	uint32_t flags; /* and LINK_SPAWN_SESSION */
	const char *entry, *directory;
	const char *const *paths, *const *argv, *const *env; /* NULL-terminated */
	uint32_t uid, gid;
	uint64_t nofile;
	int in, out, directory_fd; /* 0: /dev/null; out: stdout and stderr */
};

static struct rig *rig_current; /* NULL: none, or it was ended in order */

/* ---- files --------------------------------------------------------------------------------- */

static inline const char *rig_path(const struct rig *r, const char *name)
{
	static char path[4][4200];
	static unsigned n;

	n = (n + 1) % 4;
	(void)snprintf(path[n], sizeof path[n], "%s/%s", r->dir, name);
	return path[n];
}

/* Returns a string of the caller's: everything in the file, "" when there is none. */
static inline char *rig_read(const char *path)
{
	auto_buf struct buf b = { 0 };
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		assert_int_equal(fd_read_all(fd, &b, 1 << 20), 0);
	return buf_take_str(&b);
}

static inline void rig_write(const struct rig *r, const char *name, const char *text)
{
	auto_close int fd = open(rig_path(r, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static inline void rig_give_up(const struct rig *r, const char *what)
{
	auto_free char *err = rig_read(rig_path(r, "err"));

	print_error("# %s\n# the server: %s\n", what, err);
	fail();
}

/* A line of /proc/PID/status: what follows "KEY:" and blanks, in a static buffer. */
static inline const char *rig_status(pid_t pid, const char *key)
{
	static char value[256];
	char path[64], line[512];

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	auto_file FILE *f = fopen(path, "re");
	value[0] = '\0';
	while (f && fgets(line, sizeof line, f)) {
		size_t n = strlen(key);

		if (strncmp(line, key, n) != 0 || line[n] != ':')
			continue;
		char *at = line + n + 1 + strspn(line + n + 1, " \t");
		at[strcspn(at, "\n")] = '\0';
		(void)snprintf(value, sizeof value, "%s", at);
	}
	return value;
}

/* ---- messages ------------------------------------------------------------------------------ */

/* A child says it of itself; it is no answer. */
static inline void rig_on_begun(struct rig *r, const struct link_message *m)
{
	size_t at = 0;
	const struct link_forked *f = link_take(m, &at, sizeof *f);

	assert_non_null(f);
	assert_int_equal(m->n_fds, 1);
	r->begun = f->pid;
	r->n_begun++;
}

static inline void rig_on_message(void *data, const struct link_message *m)
{
	struct rig *r = data;
	struct rig_answer *a = &r->answers[r->n];
	size_t at = 0;
	const void *body;

	if (m->head->type == LINK_BEGUN) {
		rig_on_begun(r, m);
		return;
	}
	assert_true(r->n < RIG_ANSWERS);
	*a = (struct rig_answer){ .type = m->head->type,
				  .slot = m->head->slot,
				  .incarnation = m->head->incarnation,
				  .pidfd = -1 };
	r->n++;
	switch (m->head->type) {
	case LINK_HELLO:
		body = link_take(m, &at, sizeof(struct link_hello));
		assert_non_null(body);
		r->stays_parent = ((const struct link_hello *)body)->parent;
		break;
	case LINK_FORKED:
		body = link_take(m, &at, sizeof(struct link_forked));
		assert_non_null(body);
		assert_int_equal(m->n_fds, 1);
		a->pid = ((const struct link_forked *)body)->pid;
		a->pidfd = take_fd(m->fds[0]);
		break;
	case LINK_FAILED:
		body = link_take(m, &at, sizeof(struct link_failed));
		assert_non_null(body);
		a->step = ((const struct link_failed *)body)->step;
		a->err = ((const struct link_failed *)body)->err;
		body = link_take_str(m, &at);
		assert_non_null(body);
		(void)snprintf(a->text, sizeof a->text, "%s", (const char *)body);
		break;
	case LINK_ENDED:
		body = link_take(m, &at, sizeof a->ended);
		assert_non_null(body);
		memcpy(&a->ended, body, sizeof a->ended);
		break;
	default:
		fail_msg("the server sent a message of type %u", m->head->type);
	}
}

/* Take in what the server says next. */
static inline void rig_receive(struct rig *r, const char *waits_for)
{
	struct pollfd p = { .fd = r->link.fd, .events = POLLIN };

	if (poll(&p, 1, RIG_DEADLINE_MS) != 1)
		rig_give_up(r, waits_for);
	int n = link_receive(&r->link, rig_on_message, r);
	if (n != 1)
		rig_give_up(r, n == 0 ? "the server closed the link" : strerror(-n));
}

static inline struct rig_answer *rig_find(struct rig *r, uint16_t type, uint32_t slot)
{
	for (unsigned i = 0; i < r->n; i++)
		if (!r->answers[i].taken && r->answers[i].type == type &&
		    r->answers[i].slot == slot)
			return &r->answers[i];
	return NULL;
}

/* The next message of that type about the slot. */
static inline struct rig_answer *rig_await(struct rig *r, uint16_t type, uint32_t slot)
{
	char what[96];
	struct rig_answer *a;

	(void)snprintf(what, sizeof what, "no %s of slot %u came", link_type_name(type), slot);
	while (!(a = rig_find(r, type, slot))) {
		const struct rig_answer *failed = rig_find(r, LINK_FAILED, slot);

		if (failed) {
			print_error("# failed: %s, error %d: %s\n", link_step_name(failed->step),
				    failed->err, failed->text);
			rig_give_up(r, what);
		}
		rig_receive(r, what);
	}
	a->taken = true;
	return a;
}

static inline void rig_send(struct rig *r, uint16_t type, uint32_t slot, uint64_t incarnation)
{
	struct link_head h = { .type = type, .slot = slot, .incarnation = incarnation };

	assert_int_equal(link_send(&r->link, &h, NULL, 0, NULL, 0), 0);
	assert_int_equal(link_flush(&r->link), 0);
}

static inline uint32_t rig_add_all(struct buf *b, const char *const *strings)
{
	uint32_t n = 0;

	for (; strings && strings[n]; n++)
		buf_add_strz(b, strings[n]);
	return n;
}

/* Append the request to the batch. */
static inline void rig_ask_later(struct rig *r, const struct rig_plan *p)
{
	static const char *const nobody[] = { "name", NULL };
	static const uint32_t groups[] = { 65534, 4 };
	struct link_head h = { .type = LINK_SPAWN,
			       .slot = p->slot,
			       .incarnation = p->incarnation ? p->incarnation : 1 };
	struct link_spawn s = { .flags = p->flags | LINK_SPAWN_SESSION,
				.uid = p->uid,
				.gid = p->gid,
				.n_groups = p->flags & LINK_SPAWN_IDS ? 2 : 0,
				.umask = 027,
				.stdio = { LINK_STDIO_FD, LINK_STDIO_FD, LINK_STDIO_FD },
				.nofile_soft = p->nofile,
				.nofile_hard = p->nofile };
	auto_buf struct buf b = { 0 };
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[4] = { p->in ? p->in : null, p->out ? p->out : null, p->out ? p->out : null,
		       p->directory_fd };

	if (p->directory_fd)
		s.flags |= LINK_SPAWN_DIRECTORY_FD;
	buf_add(&b, groups, s.n_groups * sizeof groups[0]);
	buf_add_strz(&b, p->directory ? p->directory : "");
	buf_add_strz(&b, p->entry ? p->entry : "");
	s.n_path = rig_add_all(&b, p->paths);
	s.n_argv = rig_add_all(&b, p->argv ? p->argv : nobody);
	s.n_env = rig_add_all(&b, p->env);
	assert_int_equal(buf_error(&b), 0);
	struct link_part parts[] = { { &s, sizeof s }, { b.data, b.len } };
	assert_int_equal(link_send(&r->link, &h, parts, 2, fds, p->directory_fd ? 4 : 3), 0);
}

static inline void rig_ask(struct rig *r, const struct rig_plan *p)
{
	rig_ask_later(r, p);
	assert_int_equal(link_flush(&r->link), 0);
}

/* Ask, and wait for the process. */
static inline struct rig_answer *rig_start(struct rig *r, const struct rig_plan *p)
{
	rig_ask(r, p);
	return rig_await(r, LINK_FORKED, p->slot);
}

static inline struct rig_answer *rig_fail(struct rig *r, const struct rig_plan *p)
{
	rig_ask(r, p);
	while (!rig_find(r, LINK_FAILED, p->slot)) {
		if (rig_find(r, LINK_FORKED, p->slot))
			rig_give_up(r, "what should fail was forked");
		rig_receive(r, "no FAILED came");
	}
	return rig_await(r, LINK_FAILED, p->slot);
}

/* ---- ends ---------------------------------------------------------------------------------- */

static inline int rig_wait_pid(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Wait for a child's end, as its parent or from its server, which then reaps. Its wait status. */
static inline int rig_wait(struct rig *r, const struct rig_answer *child)
{
	const struct rig_answer *end;

	if (!r->stays_parent)
		return rig_wait_pid(child->pid);
	end = rig_await(r, LINK_ENDED, child->slot);
	assert_int_equal(end->incarnation, child->incarnation);
	rig_send(r, LINK_REAP, child->slot, child->incarnation);
	return end->ended.status;
}

static inline int rig_kill(struct rig *r, const struct rig_answer *child)
{
	assert_int_equal(kill(child->pid, SIGKILL), 0);
	return rig_wait(r, child);
}

/* Start, collect what it prints until all who could are gone, and return its wait status. */
static inline int rig_run(struct rig *r, const struct rig_plan *plan, struct buf *output)
{
	struct rig_plan p = *plan;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p.out = ends[1];
	const struct rig_answer *child = rig_start(r, &p);
	close(ends[1]);
	assert_int_equal(fd_read_all(ends[0], output, 1 << 20), 0);
	close(ends[0]);
	return rig_wait(r, child);
}

/* ---- the server ---------------------------------------------------------------------------- */

static inline void rig_exec(const struct rig *r, int link_fd, const char *const *args)
{
	static const char *const files[] = {
		[RIG_NATIVE] = "foster-forkserver", [RIG_PYTHON] = "foster-forkserver.py"
	};
	const char *argv[16] = { NULL };
	char path[8300];
	size_t n = 0;

	(void)snprintf(path, sizeof path, "%s/%s", r->build,
		       r->kind == RIG_PERL ? "" : files[r->kind]);
	if (r->kind == RIG_PYTHON)
		argv[n++] = "/usr/bin/python3";
	if (r->kind == RIG_PERL)
		argv[n++] = "/usr/bin/perl";
	argv[n++] = r->kind == RIG_PERL ? "tests/helpers/forkserver.pl" : path;
	for (; args && *args; args++)
		argv[n++] = *args;
	int null = open("/dev/null", O_RDWR);
	int out = open(rig_path(r, "out"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	int err = open(rig_path(r, "err"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	link_fd = fcntl(link_fd, F_DUPFD, 20);
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
	dup2(link_fd, 3);
	(void)close_range(4, ~0U, 0);
	setenv("PYTHONPATH", r->dir, 1);
	setenv("OF_SERVER", "its own", 1);
	setenv("OF_BOTH", "its own", 1);
	setenv("DIR", r->dir, 1);
	execv(argv[0], (char **)argv);
	_exit(127);
}

static inline void rig_find_build(struct rig *r)
{
	const char *build = getenv("FOSTER_BUILD");
	ssize_t n = readlink("/proc/self/exe", r->build, sizeof r->build - 1);

	for (int up = 0; n > 0 && up < 3; up++) /* BUILD/tests/unit/test_x */
		*strrchr(r->build, '/') = '\0';
	if (build)
		(void)snprintf(r->build, sizeof r->build, "%s", build);
}

/* A rig whose server does not run yet: the test may write files for it. */
static inline struct rig *rig_new(enum rig_kind kind)
{
	struct rig *r = calloc(1, sizeof *r);

	assert_non_null(r);
	rig_current = r;
	r->kind = kind;
	rig_find_build(r);
	strcpy(r->dir, "/tmp/foster-forkserver.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	assert_int_equal(chmod(r->dir, 0755), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	return r;
}

/* Start its server, with these arguments. It has not said anything yet. */
static inline void rig_go(struct rig *r, const char *const *args)
{
	int ours, theirs;

	assert_int_equal(link_pair(&ours, &theirs), 0);
	link_init(&r->link, ours);
	r->pid = fork();
	if (r->pid == 0)
		rig_exec(r, theirs, args);
	assert_true(r->pid > 0);
	close(theirs);
}

/* Started, and has said hello. */
static inline struct rig *rig_begin(enum rig_kind kind)
{
	struct rig *r = rig_new(kind);

	rig_go(r, NULL);
	(void)rig_await(r, LINK_HELLO, LINK_NO_SLOT);
	return r;
}

static inline void rig_free(struct rig *r)
{
	char command[128];

	rig_current = NULL;
	for (unsigned i = 0; i < r->n; i++)
		close_fd(&r->answers[i].pidfd);
	(void)snprintf(command, sizeof command, "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c,bugprone-command-processor) */
	free(r);
}

/* The link ends, and the server with it, in order; whatever fell to us is reaped; nothing is left. */
static inline void rig_end(struct rig *r)
{
	int status;

	link_done(&r->link);
	if (r->pid > 0) {
		status = rig_wait_pid(r->pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	while (waitpid(-1, &status, 0) > 0)
		;
	assert_int_equal(errno, ECHILD);
	rig_free(r);
}

/* After a failed test: kill what it left, so that the next one finds nothing. */
static inline int rig_teardown(void **state)
{
	char path[64], text[4096];

	(void)state;
	if (!rig_current)
		return 0;
	link_done(&rig_current->link);
	(void)snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	while (fd_read_file(path, text, sizeof text) > 0) {
		kill((pid_t)strtol(text, NULL, 10), SIGKILL);
		(void)waitpid(-1, NULL, 0);
	}
	rig_free(rig_current);
	return 0;
}

/* Kill the server outright and wait until it is gone: its children are ours then. */
static inline void rig_kill_server(struct rig *r)
{
	assert_int_equal(kill(r->pid, SIGKILL), 0);
	assert_int_equal(WTERMSIG(rig_wait_pid(r->pid)), SIGKILL);
	r->pid = -1;
}

#endif
