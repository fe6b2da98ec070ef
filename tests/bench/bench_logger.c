/* bench_logger - how fast foster-logger captures into a rotated file, beside `cat >file`
 *
 *   bench_logger [FOSTER-LOGGER [DIRECTORY [MIB [ROUNDS]]]]
 *
 * The logger is that of the build which this is part of, the directory the build's, unless told.
 * A writer prints 64-byte lines into a pipe, in writes of 64 KiB and then one line a write; what
 * reads the pipe is foster-logger (files of 16 MiB, 10 backups) and cat in turn. The time is that
 * from the first byte until the reader has ended with everything in the file. The writer is pinned
 * to the first processor, the reader to the second. Exit status 1 when the logger is slower than cat
 * by more than the noise of such a comparison (10 %) in the first form. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/link.h"
#include "daemon/base/mem.h"

#define LINE_BYTES 64
#define MIB (1 << 20)
#define ROUNDS_MAX 99

struct bench {
	const char *logger;
	char path[4096];
	size_t bytes;
	size_t write_bytes;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_logger: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof set, &set); /* one processor: both share it */
}

static pid_t start_writer(const struct bench *b, int pipe)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	static char block[65536];

	pin(0);
	for (size_t i = 0; i < sizeof block; i++)
		block[i] = i % LINE_BYTES == LINE_BYTES - 1 ? '\n' : (char)('a' + i % 26);
	for (size_t left = b->bytes; left;) {
		ssize_t n = write(pipe, block, b->write_bytes < left ? b->write_bytes : left);

		if (n < 0)
			_exit(1);
		left -= (size_t)n;
	}
	_exit(0);
}

static void expect_success(pid_t pid, const char *what)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die(what);
	if (status) {
		fprintf(stderr, "bench_logger: %s ended with status %d\n", what, status);
		exit(2);
	}
}

static void remove_files(const struct bench *b)
{
	char name[4200];

	(void)unlink(b->path);
	for (int i = 1; i <= 10; i++) {
		(void)snprintf(name, sizeof name, "%s.%d", b->path, i);
		(void)unlink(name);
	}
}

static double run_cat(const struct bench *b)
{
	int fds[2];
	uint64_t start;
	pid_t cat, writer;

	if (pipe2(fds, O_CLOEXEC) < 0)
		die("pipe");
	cat = fork();
	if (!cat) {
		int out = open(b->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		pin(1);
		if (out < 0 || dup2(fds[0], 0) < 0 || dup2(out, 1) < 0)
			_exit(2);
		execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	start = clock_boot_ns();
	writer = start_writer(b, fds[1]);
	close(fds[0]);
	close(fds[1]);
	expect_success(writer, "the writer");
	expect_success(cat, "cat");
	return clock_seconds(start, clock_boot_ns());
}

static pid_t start_logger(const struct bench *b, int link_fd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	pin(1);
	if (dup2(link_fd, 3) < 0 || dup2(2, 4) < 0)
		_exit(2);
	execl(b->logger, b->logger, (char *)NULL);
	_exit(127);
}

static void send_log(struct link *l, const struct bench *b, int pipe)
{
	struct link_log log = { .stream = 1,
				.kind = LINK_LOG_FILE,
				.maxbytes = 16 * MIB,
				.backups = 10,
				.mode = 0644 };
	struct link_head head = { .type = LINK_LOG };
	struct link_part parts[] = {
		{ &log, sizeof log }, { b->path, strlen(b->path) + 1 }, { "", 1 }, { "bench", 6 }
	};

	if (link_send(l, &head, parts, ARRAY_SIZE(parts), &pipe, 1) < 0 || link_flush(l) < 0)
		die("link");
}

static double run_logger(const struct bench *b)
{
	static struct link l;
	char self[64];
	int fds[2], ours = -1, theirs = -1, both;
	uint64_t start;
	pid_t logger, writer;

	if (pipe2(fds, O_CLOEXEC) < 0 || link_pair(&ours, &theirs) < 0)
		die("pipe");
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", fds[0]);
	both = open(self, O_RDWR | O_CLOEXEC);
	link_init(&l, ours);
	logger = start_logger(b, theirs);
	close(theirs);
	send_log(&l, b, both);
	start = clock_boot_ns();
	writer = start_writer(b, fds[1]);
	expect_success(writer, "the writer");
	link_done(&l); /* the order to finish: it ends when the pipe is empty */
	expect_success(logger, "foster-logger");
	close(fds[0]);
	close(fds[1]);
	close(both);
	return clock_seconds(start, clock_boot_ns());
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof *values, by_value);
	return values[n / 2];
}

/* Returns the logger's median time over cat's. */
static double compare(const struct bench *b, size_t rounds, const char *form)
{
	double ours[ROUNDS_MAX] = { 0 }, cats[ROUNDS_MAX] = { 0 };
	double mib = (double)b->bytes / MIB;
	double a, c;

	for (size_t i = 0; i < rounds; i++) {
		remove_files(b);
		cats[i] = run_cat(b);
		remove_files(b);
		ours[i] = run_logger(b);
	}
	remove_files(b);
	a = median(ours, rounds);
	c = median(cats, rounds);
	printf("%-28s logger %7.3f s (%5.0f MiB/s)   cat %7.3f s (%5.0f MiB/s)   ratio %.2f\n",
	       form, a, mib / a, c, mib / c, a / c);
	return a / c;
}

/* BUILD of BUILD/tests/bench/bench_logger. */
static void find_build(char build[3000])
{
	ssize_t n = readlink("/proc/self/exe", build, 2999);

	build[n > 0 ? n : 0] = '\0';
	for (int up = 0; up < 3 && strrchr(build, '/'); up++)
		*strrchr(build, '/') = '\0';
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	size_t mib = argc > 3 ? (size_t)atol(argv[3]) : 1024;
	size_t rounds = argc > 4 ? (size_t)atol(argv[4]) : 3;
	char build[3000], logger[4000];
	double ratio;

	if (rounds < 1 || rounds > ROUNDS_MAX || mib < 1) {
		fprintf(stderr, "bench_logger: 1 to %d rounds of at least 1 MiB\n", ROUNDS_MAX);
		return 2;
	}
	find_build(build);
	(void)snprintf(logger, sizeof logger, "%s/foster-logger", build);
	b.logger = argc > 1 ? argv[1] : logger;
	(void)snprintf(b.path, sizeof b.path, "%s/bench-logger.log", argc > 2 ? argv[2] : build);
	printf("%zu MiB of 64-byte lines, median of %zu, writer on cpu 0, reader on cpu 1\n", mib,
	       rounds);
	b.bytes = mib * MIB;
	b.write_bytes = 65536;
	ratio = compare(&b, rounds, "1,024 lines a write");
	b.bytes = mib * MIB / 4;
	b.write_bytes = LINE_BYTES;
	(void)compare(&b, rounds, "a line a write (a quarter)");
	return ratio > 1.1;
}
