#include "tests/e2e/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define LEFTOVERS_MAX 64

/* ---- setup and teardown -------------------------------------------------------------------- */

void fixture_fail(struct fixture *f, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("# ");
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
	(void)f;
	fail();
	abort(); /* fail() has jumped */
}

void fixture_skip(const char *why)
{
	print_message("# skip: %s\n", why);
	skip();
	abort();
}

/* The programs under test lie two directories above us: build/tests/e2e/e2e_x. */
static int find_build(struct fixture *f)
{
	char path[sizeof f->build];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(path, '/');

		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	strcpy(f->build, path);
	return 0;
}

/* A datagram socket in the place of systemd's, for READY=1 and the like. */
int fixture_open_notify(struct fixture *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/notify", f->dir);
	close_fd(&f->notify);
	unlink(sa.sun_path);
	f->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (f->notify < 0 || bind(f->notify, (struct sockaddr *)&sa, sizeof sa) < 0)
		return -errno;
	return chmod(sa.sun_path, 0666) < 0 ? -errno : 0;
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *asan_options = getenv("ASAN_OPTIONS");

	if (!f || (asan_options && !(f->asan_options = strdup(asan_options))))
		return -1;
	*state = f;
	setvbuf(stdout, NULL, _IOLBF, 0);
	f->notify = f->calls.fd = f->events.fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(f->fifos); i++)
		f->fifos[i].fd = -1;
	f->pending = json_array();
	f->kept = json_array();
	strcpy(f->dir, "/tmp/foster-e2e.XXXXXX");
	if (!f->pending || !f->kept || find_build(f) < 0 || !mkdtemp(f->dir) ||
	    chmod(f->dir, 0755) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -1;
	snprintf(f->socket, sizeof f->socket, "%s/run/foster.sock", f->dir);
	setenv("FOSTER_SOCKET", f->socket, 1);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

/* What was mounted there might have nobody any more who answers for it: that could not even be looked at. */
static void unmount_all(struct fixture *f)
{
	const char *line = run_slurp("/proc/self/mounts", &f->arena, NULL);

	while (line && *line) {
		char path[256];

		if (sscanf(line, "%*s %255s", path) == 1 &&
		    strncmp(path, f->dir, strlen(f->dir)) == 0)
			umount2(path, MNT_DETACH);
		line = strchrnul(line, '\n');
		line += *line == '\n';
	}
}

/* Kill whatever is our child, until nothing is; returns how many there were. */
static int kill_leftovers(void)
{
	pid_t pids[LEFTOVERS_MAX];
	int killed = 0;

	for (size_t n; (n = run_children_of(getpid(), pids, LEFTOVERS_MAX)) > 0;) {
		for (size_t i = 0; i < n; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
			killed++;
		}
	}
	return killed;
}

static void say_log(struct fixture *f)
{
	auto_free char *log = strdup(fixture_file(f, "log"));
	char *rest = log;

	for (char *line; rest && (line = strsep(&rest, "\n"));)
		if (*line)
			printf("# log: %s\n", line);
}

/* A part that a sanitizer has ended is replaced like any other: only its last words tell. */
static bool sanitizer_spoke(struct fixture *f)
{
	static const char *const words[] = { "Sanitizer", "runtime error: " };
	const char *log = fixture_file(f, "log");

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(log, words[i])) {
			printf("# %s in the log\n", words[i]);
			return true;
		}
	return false;
}

/* Nothing that a test has set for what it started is there for the next one. */
static void restore_environment(struct fixture *f)
{
	fixture_preload(f, NULL);
	if (f->asan_options)
		setenv("ASAN_OPTIONS", f->asan_options, 1);
	else
		unsetenv("ASAN_OPTIONS");
	free(f->asan_options);
}

static void free_fixture(struct fixture *f)
{
	restore_environment(f);
	varlink_close(&f->calls);
	varlink_close(&f->events);
	close_fd(&f->notify);
	for (size_t i = 0; i < ARRAY_SIZE(f->fifos); i++) {
		close_fd(&f->fifos[i].fd);
		buf_done(&f->fifos[i].in);
	}
	json_decref(f->pending);
	json_decref(f->kept);
	unmount_all(f);
	arena_done(&f->arena);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
}

/* A test that failed has left fosterd as it was, and what is wrong then is known already: only a
 * fosterd that still answers is asked to end in order. */
int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int status = 0;

	if (f->fosterd) {
		kill(f->fosterd, SIGTERM);
		kill(f->fosterd, SIGCONT); /* if the test has stopped it */
		int err = run_wait(f->fosterd, FIXTURE_DEADLINE_MS, &status);
		if (err < 0)
			printf("# fosterd did not end: %s\n", strerror(-err));
		else if (status != 0)
			printf("# fosterd ended with %d\n", status);
		status |= err;
	}
	int left = kill_leftovers();
	if (left > 0)
		printf("# processes left behind: %d\n", left);
	say_log(f);
	bool bad = status != 0 || left > 0 || sanitizer_spoke(f);
	free_fixture(f);
	return bad ? -1 : 0;
}

/* ---- configuration ------------------------------------------------------------------------- */

static void add_substituted(struct fixture *f, struct buf *b, const char *text)
{
	const struct {
		const char *mark, *value;
	} marks[] = {
		{ "@dir@", f->dir },
		{ "@child@", fixture_child(f) },
		{ "@build@", f->build },
	};

	while (*text) {
		size_t i = 0;

		while (i < ARRAY_SIZE(marks) &&
		       strncmp(text, marks[i].mark, strlen(marks[i].mark)) != 0)
			i++;
		if (i == ARRAY_SIZE(marks)) {
			buf_add_char(b, *text++);
			continue;
		}
		buf_add_str(b, marks[i].value);
		text += strlen(marks[i].mark);
	}
}

/* text with lines added behind every line that begins with header. */
static char *with_added(const char *text, const char *header, const char *lines)
{
	auto_buf struct buf b = { 0 };

	while (*text) {
		const char *end = strchrnul(text, '\n');
		bool is_header = strncmp(text, header, strlen(header)) == 0;

		buf_add(&b, text, (size_t)(end - text));
		buf_add_char(&b, '\n');
		if (is_header)
			buf_add_str(&b, lines);
		text = *end ? end + 1 : end;
	}
	char *s = buf_take_str(&b);
	if (!s)
		fail_msg("no memory");
	return s;
}

void fixture_write_config(struct fixture *f, const char *text)
{
	const char *header = strstr(text, "[supervisord]") ? "[supervisord]" : "[foster]";
	auto_free char *keys = NULL, *with_header = NULL;

	if (asprintf(&with_header, "%s%s", strstr(text, header) ? "" : "[foster]\n", text) < 0 ||
	    asprintf(&keys, "socket = %s\nruntime_dir = %s/run\n", f->socket, f->dir) < 0)
		fail_msg("no memory");
	auto_free char *whole = with_added(with_header, header, keys);
	auto_buf struct buf b = { 0 };
	add_substituted(f, &b, whole);
	fixture_write_file(f, "foster.ini", b.data);
}

/* ---- fosterd ------------------------------------------------------------------------------- */

/* In the child: fosterd as systemd would start it, its output in files. */
_Noreturn static void become_fosterd(struct fixture *f, const char *const *args)
{
	const char *argv[32] = { "fosterd" };
	char path[512];
	const struct rlimit nofile = { f->nofile, f->nofile };

	if (f->nofile && setrlimit(RLIMIT_NOFILE, &nofile) < 0)
		_exit(125);
	for (int i = 0; i < 30 && args[i]; i++)
		argv[i + 1] = args[i];
	snprintf(path, sizeof path, "%s/notify", f->dir);
	setenv("NOTIFY_SOCKET", path, 1);
	unsetenv("FOSTER_SOCKET");
	int in = open("/dev/null", O_RDONLY);
	int out = open(fixture_path(f, "out"), O_WRONLY | O_CREAT | O_APPEND, 0644);
	int log = open(fixture_path(f, "log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0)
		_exit(125);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	snprintf(path, sizeof path, "%s/fosterd", f->build);
	if (chdir(f->dir) < 0) /* where supervisord's defaults put files */
		_exit(125);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(126);
}

void fixture_spawn(struct fixture *f, const char *const *args)
{
	fflush(stdout);
	assert_int_equal(fixture_open_notify(f), 0);
	f->fosterd = fork();
	assert_true(f->fosterd >= 0);
	if (f->fosterd == 0)
		become_fosterd(f, args);
}

/* One message to systemd, within the deadline; false when fosterd ended first. */
static bool receive_notify(struct fixture *f, uint64_t deadline, char *text, size_t size)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, f->fosterd, 0);
	struct pollfd p[2] = { { .fd = f->notify, .events = POLLIN },
			       { .fd = pidfd, .events = POLLIN } };

	while (clock_boot_ns() < deadline) {
		if (poll(p, 2, 1000) <= 0)
			continue;
		ssize_t n = recv(f->notify, text, size - 1, MSG_DONTWAIT);
		if (n >= 0) {
			text[n] = '\0';
			return true;
		}
		if (p[1].revents)
			return false;
	}
	fixture_fail(f, "nothing was told to systemd in time");
}

/* Whether a message with these words came; false when fosterd ended first. */
static bool wait_notify(struct fixture *f, const char *wanted)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	char text[4096];

	do {
		if (!receive_notify(f, deadline, text, sizeof text))
			return false;
	} while (!strstr(text, wanted));
	return true;
}

void fixture_expect_notify(struct fixture *f, const char *wanted)
{
	if (!wait_notify(f, wanted))
		fixture_fail(f, "fosterd ended before it told systemd \"%s\"", wanted);
}

bool fixture_comes_up(struct fixture *f)
{
	bool ready = wait_notify(f, "READY=1");

	if (!f->keep_notify) /* nobody reads on: its queue would fill */
		close_fd(&f->notify);
	return ready;
}

void fixture_wait_ready(struct fixture *f)
{
	if (!fixture_comes_up(f))
		fixture_fail(f, "fosterd ended before it was ready");
	fixture_reconnect(f);
}

void fixture_up(struct fixture *f, const char *text)
{
	fixture_write_config(f, text);
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), NULL });
	fixture_wait_ready(f);
}

pid_t fixture_start(struct fixture *f, const char *text, const char *name)
{
	auto_free char *quiet = with_added(text, "[program:", "autostart = false\n");

	fixture_up(f, quiet);
	json_t *reply = fixture_call(f, "Start", "{s:[s]}", "names", name);
	json_t *outcome = json_array_get(json_object_get(reply, "outcomes"), 0);
	const char *reason = json_string_value(json_object_get(outcome, "reason"));
	if (json_string_value(json_object_get(outcome, "error")))
		fixture_fail(f, "%s does not start: %s", name, reason ? reason : "(no reason)");
	return fixture_until(f, name, "RUNNING").pid;
}

void fixture_assert_no_child(struct fixture *f)
{
	pid_t pids[LEFTOVERS_MAX];
	size_t n = run_children_of(getpid(), pids, LEFTOVERS_MAX);

	for (size_t i = 0; i < n; i++) {
		char name[32] = "?";

		run_name_of(pids[i], name, sizeof name);
		printf("# left behind: %d %s (%c)\n", (int)pids[i], name, run_state_of(pids[i]));
	}
	if (n > 0)
		fixture_fail(f, "%zu processes left behind", n);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

int fixture_ended(struct fixture *f)
{
	int status = 0;
	int err = run_wait(f->fosterd, FIXTURE_DEADLINE_MS, &status);

	if (err < 0)
		fixture_fail(f, "fosterd does not end: %s", strerror(-err));
	f->fosterd = 0;
	varlink_close(&f->calls);
	varlink_close(&f->events);
	return status;
}

int fixture_gone(struct fixture *f)
{
	int status = fixture_ended(f);

	fixture_assert_no_child(f);
	return status;
}

void fixture_down(struct fixture *f)
{
	assert_return_code(kill(f->fosterd, SIGTERM), errno);
	assert_int_equal(fixture_gone(f), 0);
}

void fixture_reconnect(struct fixture *f)
{
	json_t *reply = NULL;

	varlink_close(&f->calls);
	varlink_close(&f->events);
	assert_int_equal(varlink_open(&f->calls, f->socket), 0);
	assert_int_equal(varlink_open(&f->events, f->socket), 0);
	assert_int_equal(varlink_send(&f->events, "Events", NULL, true, NULL, 0), 0);
	int err = varlink_receive(&f->events, FIXTURE_DEADLINE_MS, &reply);
	if (err < 0)
		fixture_fail(f, "no event stream: %s", strerror(-err));
	json_array_append_new(f->kept, reply);
	assert_null(varlink_error(reply));
}

static pid_t part(struct fixture *f, const char *name)
{
	json_t *pid = json_object_get(fixture_call(f, "Ping", NULL), name);

	return (pid_t)json_integer_value(pid);
}

pid_t fixture_supervisor(struct fixture *f)
{
	return part(f, "supervisor");
}

pid_t fixture_logger(struct fixture *f)
{
	return part(f, "logger");
}

pid_t fixture_new_supervisor(struct fixture *f, pid_t old)
{
	fixture_reconnect(f); /* the kernel queues it until a new one accepts */
	pid_t now = fixture_supervisor(f);

	assert_int_not_equal(now, old);
	return now;
}

pid_t fixture_replace_supervisor(struct fixture *f)
{
	pid_t old = fixture_supervisor(f);

	fixture_kill(old, SIGKILL);
	return fixture_new_supervisor(f, old);
}

pid_t fixture_new_logger(struct fixture *f, pid_t old)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;

	while (clock_boot_ns() < deadline) {
		pid_t now = fixture_logger(f);

		if (now > 0 && now != old)
			return now;
		poll(NULL, 0, 1);
	}
	fixture_fail(f, "no new logger");
}
