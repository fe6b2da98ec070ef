#include "tests/bench/target.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"

#define ANSWER_MS 120000

void target_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(2);
}

void target_init(struct target *t, const char *build)
{
	*t = (struct target){ .build = build, .notify = -1, .calls.fd = -1 };
	strcpy(t->dir, "/dev/shm/foster-bench.XXXXXX");
	if (!mkdtemp(t->dir))
		target_die("%s: %m", t->dir);
	snprintf(t->socket, sizeof t->socket, "%s/run/foster.sock", t->dir);
	setenv("FOSTER_SOCKET", t->socket, 1);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/notify", t->dir);
	t->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (t->notify < 0 || bind(t->notify, (struct sockaddr *)&sa, sizeof sa) < 0)
		target_die("%s: %m", sa.sun_path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

void target_done(struct target *t)
{
	close(t->notify);
	nftw(t->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

_Noreturn static void become_fosterd(struct target *t)
{
	char program[512], config[128], notify[128], log[128];

	snprintf(program, sizeof program, "%s/fosterd", t->build);
	snprintf(config, sizeof config, "%s/foster.ini", t->dir);
	snprintf(notify, sizeof notify, "%s/notify", t->dir);
	snprintf(log, sizeof log, "%s/log", t->dir);
	setenv("NOTIFY_SOCKET", notify, 1);
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	dup2(fd, 1);
	dup2(fd, 2);
	execl(program, "fosterd", "-c", config, (char *)NULL);
	_exit(127);
}

static void wait_ready(struct target *t)
{
	char text[4096];

	for (;;) {
		struct pollfd p = { .fd = t->notify, .events = POLLIN };

		if (poll(&p, 1, ANSWER_MS) <= 0)
			target_die("fosterd is not ready; see %s/log", t->dir);
		ssize_t n = recv(t->notify, text, sizeof text - 1, 0);
		text[n < 0 ? 0 : n] = '\0';
		if (strstr(text, "READY=1"))
			return;
	}
}

static json_t *ask(struct target *t, const char *method, json_t *parameters)
{
	json_t *reply = NULL;
	int err = varlink_send(&t->calls, method, parameters, false, NULL, 0);

	if (err == 0)
		err = varlink_receive(&t->calls, ANSWER_MS, &reply);
	if (err < 0 || varlink_error(reply))
		target_die("%s: %s", method, err < 0 ? strerror(-err) : varlink_error(reply));
	return reply;
}

static void find_parts(struct target *t)
{
	static const char *const keys[] = { "keeper", "supervisor", "logger" };
	json_t *reply = ask(t, "Ping", NULL);
	json_t *parameters = json_object_get(reply, "parameters");

	for (int i = 0; i < 3; i++)
		t->parts[i] = (pid_t)json_integer_value(json_object_get(parameters, keys[i]));
	json_decref(reply);
}

void target_up(struct target *t, const char *text)
{
	char config[128], *whole;

	snprintf(config, sizeof config, "%s/foster.ini", t->dir);
	if (asprintf(&whole, "[foster]\nruntime_dir = %s/run\nsocket = %s\n%s", t->dir, t->socket,
		     text) < 0 ||
	    fd_replace_file(config, whole, strlen(whole), 0644) < 0)
		target_die("%s: cannot be written", config);
	free(whole);
	fflush(stdout);
	t->began_ns = clock_read_ns(CLOCK_MONOTONIC);
	t->keeper = fork();
	if (t->keeper == 0)
		become_fosterd(t);
	wait_ready(t);
	if (varlink_open(&t->calls, t->socket) < 0)
		target_die("%s: cannot connect", t->socket);
	find_parts(t);
}

void target_down(struct target *t)
{
	int status;

	varlink_close(&t->calls);
	kill(t->keeper, SIGTERM);
	if (waitpid(t->keeper, &status, 0) < 0 || status != 0)
		target_die("fosterd ended with status 0x%x; see %s/log", status, t->dir);
	t->keeper = 0;
}

void target_call(struct target *t, const char *method, const char *format, ...)
{
	va_list ap;
	json_t *parameters = NULL;

	va_start(ap, format);
	if (format)
		parameters = json_vpack_ex(NULL, 0, format, ap);
	va_end(ap);
	json_decref(ask(t, method, parameters));
}

pid_t target_pid(struct target *t, const char *name)
{
	json_t *reply = ask(t, "Status", json_pack("{s:[s]}", "names", name));
	json_t *processes = json_object_get(json_object_get(reply, "parameters"), "processes");
	json_t *pid = json_object_get(json_array_get(processes, 0), "pid");
	pid_t result = (pid_t)json_integer_value(pid);

	json_decref(reply);
	if (result <= 0)
		target_die("%s does not run", name);
	return result;
}

/* The number behind key in a file of /proc/PID. */
static unsigned long long proc_number(pid_t pid, const char *file, const char *key)
{
	char path[64], text[8192];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	if (fd_read_file(path, text, sizeof text) < 0)
		target_die("%s: %m", path);
	const char *p = strstr(text, key);
	if (!p)
		target_die("%s: no %s", path, key);
	return strtoull(p + strlen(key), NULL, 10);
}

long target_pss_kb(const struct target *t)
{
	long sum = 0;

	for (int i = 0; i < 3; i++)
		sum += (long)proc_number(t->parts[i], "smaps_rollup", "\nPss:");
	return sum;
}

unsigned long long target_switches(const struct target *t)
{
	unsigned long long sum = 0;

	for (int i = 0; i < 3; i++)
		sum += proc_number(t->parts[i], "status", "\nvoluntary_ctxt_switches:");
	return sum;
}

unsigned long long target_cpu_ns(const struct target *t)
{
	unsigned long long sum = 0;

	for (int i = 0; i < 3; i++)
		sum += proc_number(t->parts[i], "schedstat", "");
	return sum;
}
