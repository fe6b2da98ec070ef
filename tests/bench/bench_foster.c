/* bench_foster.c - what foster costs, beside the raw system calls in the same run
 *
 *   bench_foster [-p CPU] BUILD [ROW...]
 *
 * Each row measures foster and its bare counterpart in turn, many times, prints medians, their ratio
 * and the bar that it must keep. -p pins everything, children too, to one CPU; otherwise nothing is
 * pinned. Exit status: 0 when every bar is kept, 1 when one is missed, 2 when a row could not run.
 *
 *   BENCH_N        children where a row says 1,000        BENCH_IDLE_S   seconds of the idle row (30)
 *   BENCH_LOG_MIB  size of the log row (1024)             BENCH_ROUNDS   repetitions (5) */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "tests/bench/raw.h"
#include "tests/bench/stamps.h"
#include "tests/bench/target.h"

#define SAMPLES_MAX 1000
#define DINIT_MS_PER_CHILD 0.46

struct bench {
	struct target target;
	char tiny[512], empty[512], fosterctl[512], child[512], stamp_py_dir[512];
	char foster_stamps[128], raw_stamps[128];
	size_t n; /* children of a large row */
	int rounds;
	bool missed;
};

struct samples {
	double value[SAMPLES_MAX];
	size_t n;
};

static void samples_add(struct samples *s, double value)
{
	if (s->n < SAMPLES_MAX)
		s->value[s->n++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(struct samples *s)
{
	if (s->n == 0)
		target_die("no sample");
	qsort(s->value, s->n, sizeof *s->value, by_value);
	return (s->value[s->n / 2] + s->value[(s->n - 1) / 2]) / 2;
}

static long number_from_env(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? atol(text) : otherwise;
}

static double ms_since(uint64_t began_ns)
{
	return (double)(clock_read_ns(CLOCK_MONOTONIC) - began_ns) / 1e6;
}

static void say(struct bench *b, bool kept, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* One line of the report. */
static void say(struct bench *b, bool kept, const char *what, const char *format, ...)
{
	va_list ap;

	printf("%-26s ", what);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("  %s\n", kept ? "ok" : "MISSED");
	fflush(stdout);
	if (!kept)
		b->missed = true;
}

static void say_ratio(struct bench *b, const char *what, const char *unit, struct samples *foster,
		      struct samples *raw, double bar)
{
	double f = median(foster), r = median(raw);

	say(b, f <= bar * r, what, "foster %9.3f %s   raw %9.3f %s   ratio %5.2f   (at most %.2f)",
	    f, unit, r, unit, f / r, bar);
}

static int open_stamps(const char *path)
{
	int fd = stamps_open(path);

	if (fd < 0)
		target_die("%s: %s", path, strerror(-fd));
	return fd;
}

static void wait_stamps(int fd, size_t n)
{
	if (stamps_wait(fd, n) < 0)
		target_die("%zu of %zu children have started", stamps_count(fd), n);
}

/* A program of n tiny children. keys: further lines of the section. */
static char *tiny_config(const struct bench *b, size_t n, const char *keys)
{
	char *text;

	if (asprintf(&text,
		     "[program:t]\ncommand = %s %s\nnumprocs = %zu\n"
		     "process_name = %%(program_name)s%%(process_num)04d\nstartsecs = 0\n%s",
		     b->tiny, b->foster_stamps, n, keys) < 0)
		target_die("no memory");
	return text;
}

#define NO_LOGS "stdout_logfile = NONE\nstderr_logfile = NONE\n"

/* ---- start --------------------------------------------------------------------------------- */

/* From fosterd's own exec to the last child's first instruction. */
static double foster_start_ms(struct bench *b, const char *keys)
{
	auto_close int fd = open_stamps(b->foster_stamps);
	auto_free char *text = tiny_config(b, b->n, keys);

	target_up(&b->target, text);
	wait_stamps(fd, b->n);
	double ms = (double)(stamps_latest_ns(fd, 0, b->n) - b->target.began_ns) / 1e6;
	target_down(&b->target);
	return ms;
}

static double raw_start_ms(struct bench *b)
{
	auto_close int fd = open_stamps(b->raw_stamps);
	auto_free pid_t *pids = calloc(b->n, sizeof *pids);
	const char *const argv[] = { b->tiny, b->raw_stamps, NULL };

	if (!pids)
		target_die("no memory");
	uint64_t began = clock_read_ns(CLOCK_MONOTONIC);
	if (raw_start(argv, b->n, pids) < 0)
		target_die("%s: cannot be started", b->tiny);
	wait_stamps(fd, b->n);
	double ms = (double)(stamps_latest_ns(fd, 0, b->n) - began) / 1e6;
	raw_stop(pids, b->n);
	return ms;
}

static void row_start(struct bench *b)
{
	struct samples foster = { .n = 0 }, logged = { .n = 0 }, raw = { .n = 0 };

	for (int i = 0; i < b->rounds; i++) {
		samples_add(&raw, raw_start_ms(b));
		samples_add(&foster, foster_start_ms(b, NO_LOGS));
		samples_add(&logged, foster_start_ms(b, ""));
	}
	say_ratio(b, "start, no logs", "ms", &foster, &raw, 1.25);
	double each = median(&foster) / (double)b->n;
	say(b, each < DINIT_MS_PER_CHILD, "start, a child", "foster %9.3f ms   (dinit %.2f)", each,
	    DINIT_MS_PER_CHILD);
	each = median(&logged) / (double)b->n;
	say(b, each < DINIT_MS_PER_CHILD, "start, a child, with logs",
	    "foster %9.3f ms   (dinit, without, %.2f)", each, DINIT_MS_PER_CHILD);
}

/* ---- restart ------------------------------------------------------------------------------- */

/* Kill the child that stamped last; the time to the next stamp. */
static double kill_and_wait_us(int fd)
{
	size_t n = stamps_count(fd);
	struct stamp last = stamps_at(fd, n - 1);
	uint64_t began = clock_read_ns(CLOCK_MONOTONIC);

	if (kill((pid_t)last.pid, SIGKILL) < 0)
		target_die("child %d is gone", (int)last.pid);
	wait_stamps(fd, n + 1);
	usleep(10000); /* everybody has gone to sleep again */
	return (double)(stamps_at(fd, n).ns - began) / 1e3;
}

static void restart_at(struct bench *b, size_t n, const char *what)
{
	struct samples foster = { .n = 0 }, raw = { .n = 0 };
	auto_close int foster_fd = open_stamps(b->foster_stamps);
	auto_close int raw_fd = open_stamps(b->raw_stamps);
	auto_free char *text = tiny_config(b, n, NO_LOGS "autorestart = true\n");
	const char *const argv[] = { b->tiny, b->raw_stamps, NULL };

	target_up(&b->target, text);
	pid_t restarter = raw_restarter(argv, n);
	wait_stamps(foster_fd, n);
	wait_stamps(raw_fd, n);
	usleep(200000);
	for (int i = 0; i < 20 * b->rounds; i++) {
		samples_add(&raw, kill_and_wait_us(raw_fd));
		samples_add(&foster, kill_and_wait_us(foster_fd));
	}
	raw_restarter_end(restarter);
	target_down(&b->target);
	say_ratio(b, what, "us", &foster, &raw, 1.5);
}

static void row_restart(struct bench *b)
{
	restart_at(b, 1, "restart, alone");
	restart_at(b, b->n, "restart, among many");
}

/* ---- forkserver ---------------------------------------------------------------------------- */

static void raw_forkserver_us(struct bench *b, int n, struct samples *s)
{
	char command[1400];

	snprintf(command, sizeof command, "/usr/bin/python3 %s/stamp.py %s %d", b->stamp_py_dir,
		 b->raw_stamps, n);
	FILE *f = popen(command, "r"); /* NOLINT(bugprone-command-processor,cert-env33-c) */
	if (!f)
		target_die("python3: %m");
	for (double ns; fscanf(f, "%lf", &ns) == 1;)
		samples_add(s, ns / 1e3);
	pclose(f);
}

static void foster_forkserver_us(struct bench *b, int n, struct samples *s)
{
	auto_close int fd = open_stamps(b->foster_stamps);
	auto_free char *text = NULL;

	if (asprintf(&text,
		     "[forkserver:py]\ntype = python\npreload = stamp\n"
		     "environment = PYTHONPATH=\"%s\"\n"
		     "[program:p]\nstart_method = forkserver:py\nentry = stamp:stamp\nargs = %s\n"
		     "startsecs = 0\nautostart = false\n" NO_LOGS,
		     b->stamp_py_dir, b->foster_stamps) < 0)
		target_die("no memory");
	target_up(&b->target, text);
	for (int i = 0; i <= n; i++) {
		uint64_t began = clock_read_ns(CLOCK_MONOTONIC);

		target_call(&b->target, "Start", "{s:[s]}", "names", "p");
		wait_stamps(fd, (size_t)i + 1);
		if (i > 0) /* the first one starts the forkserver */
			samples_add(s, (double)(stamps_at(fd, (size_t)i).ns - began) / 1e3);
		target_call(&b->target, "Kill", "{s:[s]}", "names", "p");
	}
	target_down(&b->target);
}

static void row_forkserver(struct bench *b)
{
	struct samples foster = { .n = 0 }, raw = { .n = 0 };

	for (int i = 0; i < b->rounds; i++) {
		raw_forkserver_us(b, 20, &raw);
		foster_forkserver_us(b, 20, &foster);
	}
	say_ratio(b, "forkserver, python", "us", &foster, &raw, 1.5);
}

/* ---- fosterctl ----------------------------------------------------------------------------- */

static double run_us(const char *const *argv)
{
	uint64_t ns = raw_run_ns(argv);

	if (ns == 0)
		target_die("%s %s: failed", argv[0], argv[1] ? argv[1] : "");
	return (double)ns / 1e3;
}

static void row_status(struct bench *b)
{
	struct samples one = { .n = 0 }, all = { .n = 0 }, empty = { .n = 0 };
	auto_close int fd = open_stamps(b->foster_stamps);
	auto_free char *text = tiny_config(b, b->n, NO_LOGS);
	const char *const argv_one[] = { b->fosterctl, "status", "t:t0007", NULL };
	const char *const argv_all[] = { b->fosterctl, "status", NULL };
	const char *const argv_empty[] = { b->empty, NULL };

	target_up(&b->target, text);
	wait_stamps(fd, b->n);
	for (int i = 0; i < 60 * b->rounds; i++) {
		samples_add(&empty, run_us(argv_empty));
		samples_add(&one, run_us(argv_one));
		if (i % 5 == 0)
			samples_add(&all, run_us(argv_all));
	}
	target_down(&b->target);
	say_ratio(b, "status of one", "us", &one, &empty, 2);
	say_ratio(b, "status of all", "us", &all, &empty, 10);
}

/* ---- memory and rest ----------------------------------------------------------------------- */

/* Some time after its start: the logger, too, has then touched what it needs. */
static long settled_pss_kb(struct bench *b, size_t n)
{
	auto_close int fd = open_stamps(b->foster_stamps);
	auto_free char *text = n ? tiny_config(b, n, "") : strdup("");

	target_up(&b->target, text);
	wait_stamps(fd, n);
	usleep(200000);
	long kb = target_pss_kb(&b->target);
	target_down(&b->target);
	return kb;
}

static void row_memory(struct bench *b)
{
	long none = settled_pss_kb(b, 0), many = settled_pss_kb(b, b->n);
	double each = (double)(many - none) / (double)b->n;

	say(b, none <= 6 * 1024, "PSS, nothing runs", "foster %9ld KiB   (at most 6144)", none);
	say(b, each < 2, "PSS, a child more", "foster %9.2f KiB   (less than 2)", each);
}

static void row_idle(struct bench *b)
{
	auto_close int fd = open_stamps(b->foster_stamps);
	auto_free char *text = tiny_config(b, b->n, "");
	unsigned seconds = (unsigned)number_from_env("BENCH_IDLE_S", 30);

	target_up(&b->target, text);
	wait_stamps(fd, b->n);
	sleep(7); /* over are: startsecs, first flushes, the question whether a part still answers */
	unsigned long long switches = target_switches(&b->target);
	unsigned long long cpu = target_cpu_ns(&b->target);
	sleep(seconds);
	switches = target_switches(&b->target) - switches;
	cpu = target_cpu_ns(&b->target) - cpu;
	target_down(&b->target);
	say(b, switches == 0 && cpu == 0, "idle",
	    "foster %llu wakeups, %llu us of CPU in %u s   (none)", switches, cpu / 1000, seconds);
}

/* ---- stop ---------------------------------------------------------------------------------- */

static void row_stop(struct bench *b)
{
	struct samples foster = { .n = 0 }, raw = { .n = 0 };
	auto_close int foster_fd = open_stamps(b->foster_stamps);
	auto_close int raw_fd = open_stamps(b->raw_stamps);
	auto_free char *text = tiny_config(b, b->n, NO_LOGS);
	auto_free pid_t *pids = calloc(b->n, sizeof *pids);
	const char *const argv[] = { b->tiny, b->raw_stamps, NULL };

	if (!pids)
		target_die("no memory");
	target_up(&b->target, text);
	wait_stamps(foster_fd, b->n);
	for (int i = 0; i < b->rounds; i++) {
		if (raw_start(argv, b->n, pids) < 0)
			target_die("%s: cannot be started", b->tiny);
		wait_stamps(raw_fd, b->n * ((size_t)i + 1));
		usleep(100000);
		uint64_t began = clock_read_ns(CLOCK_MONOTONIC);
		raw_stop(pids, b->n);
		samples_add(&raw, ms_since(began));
		usleep(100000);
		began = clock_read_ns(CLOCK_MONOTONIC);
		target_call(&b->target, "Stop", "{s:[s]}", "names", "all");
		samples_add(&foster, ms_since(began));
		target_call(&b->target, "Start", "{s:[s]}", "names", "all");
		wait_stamps(foster_fd, b->n * ((size_t)i + 2));
	}
	target_down(&b->target);
	say_ratio(b, "stop", "ms", &foster, &raw, 1.5);
}

/* ---- log ----------------------------------------------------------------------------------- */

static double raw_log_ms(struct bench *b, const char *dir, long long bytes)
{
	char command[1400];

	snprintf(command, sizeof command, "%s spew %lld | cat > %s/raw.log", b->child, bytes, dir);
	uint64_t began = clock_read_ns(CLOCK_MONOTONIC);
	if (system(command) != 0) /* NOLINT(bugprone-command-processor,cert-env33-c) */
		target_die("%s: failed", command);
	double ms = ms_since(began);
	snprintf(command, sizeof command, "%s/raw.log", dir);
	unlink(command);
	return ms;
}

/* Sum of the sizes of the log and its rotated predecessors. */
static long long logged_bytes(const char *dir)
{
	long long sum = 0;

	for (int i = 0; i <= 40; i++) {
		char path[600];
		struct stat st;

		snprintf(path, sizeof path, i ? "%s/foster.log.%d" : "%s/foster.log", dir, i);
		sum += stat(path, &st) == 0 ? st.st_size : 0;
	}
	return sum;
}

static void remove_logs(const char *dir)
{
	for (int i = 0; i <= 40; i++) {
		char path[600];

		snprintf(path, sizeof path, i ? "%s/foster.log.%d" : "%s/foster.log", dir, i);
		unlink(path);
	}
}

static double foster_log_ms(struct bench *b, const char *dir, long long bytes)
{
	auto_free char *text = NULL;

	if (asprintf(&text,
		     "[program:l]\ncommand = %s spew %lld\nautostart = false\nstartsecs = 0\n"
		     "autorestart = false\nstdout_logfile = %s/foster.log\n"
		     "stdout_logfile_maxbytes = 50MB\nstdout_logfile_backups = 40\n",
		     b->child, bytes, dir) < 0)
		target_die("no memory");
	remove_logs(dir);
	target_up(&b->target, text);
	uint64_t began = clock_read_ns(CLOCK_MONOTONIC);
	target_call(&b->target, "Start", "{s:[s]}", "names", "l");
	target_call(&b->target, "Wait", "{s:[s], s:f}", "names", "l", "timeout", 100.0);
	while (logged_bytes(dir) < bytes) {
		if (ms_since(began) > 120000)
			target_die("%lld of %lld bytes were logged", logged_bytes(dir), bytes);
		usleep(1000);
	}
	double ms = ms_since(began);
	target_down(&b->target);
	if (logged_bytes(dir) != bytes)
		target_die("%lld bytes were logged instead of %lld", logged_bytes(dir), bytes);
	remove_logs(dir);
	return ms;
}

static void row_log(struct bench *b)
{
	struct samples foster = { .n = 0 }, raw = { .n = 0 };
	long long bytes = (long long)number_from_env("BENCH_LOG_MIB", 1024) << 20;
	char dir[600];

	snprintf(dir, sizeof dir, "%s/logs", b->target.dir); /* in memory: no disk is measured */
	mkdir(dir, 0755);
	/* Which memory of the machine the files get decides as much as who writes them, and is handed back
	 * and forth: each goes first as often as the other. */
	for (int i = 0; i < b->rounds; i++) {
		samples_add(&raw, raw_log_ms(b, dir, bytes));
		samples_add(&foster, foster_log_ms(b, dir, bytes));
		samples_add(&foster, foster_log_ms(b, dir, bytes));
		samples_add(&raw, raw_log_ms(b, dir, bytes));
	}
	rmdir(dir);
	say_ratio(b, "log, 64-byte lines", "ms", &foster, &raw, 1.0);
}

/* ---- all together -------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(struct bench *b);
} rows[] = {
	{ "start", row_start },	  { "restart", row_restart }, { "forkserver", row_forkserver },
	{ "status", row_status }, { "memory", row_memory },   { "stop", row_stop },
	{ "log", row_log },	  { "idle", row_idle },
};

static bool wanted(const char *row, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(*names, row) == 0)
			return true;
	return false;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		target_die("cannot pin to CPU %d: %m", cpu);
}

/* path as the children will see it, short enough to be built upon. */
static void absolute(const char *path, char *to, size_t size)
{
	char *real = realpath(path, NULL);

	if (!real || strlen(real) >= size)
		target_die("%s: %m", path);
	strcpy(to, real);
	free(real);
}

static void init(struct bench *b, const char *build)
{
	char path[400];

	absolute(build, path, sizeof path);
	absolute("tests/bench", b->stamp_py_dir, sizeof b->stamp_py_dir);
	target_init(&b->target, path);
	snprintf(b->tiny, sizeof b->tiny, "%s/tests/bench/tiny", path);
	snprintf(b->empty, sizeof b->empty, "%s/tests/bench/empty", path);
	snprintf(b->fosterctl, sizeof b->fosterctl, "%s/fosterctl", path);
	snprintf(b->child, sizeof b->child, "%s/tests/helpers/child", path);
	snprintf(b->foster_stamps, sizeof b->foster_stamps, "%s/foster.stamps", b->target.dir);
	snprintf(b->raw_stamps, sizeof b->raw_stamps, "%s/raw.stamps", b->target.dir);
	b->n = (size_t)number_from_env("BENCH_N", 1000);
	b->rounds = (int)number_from_env("BENCH_ROUNDS", 5);
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	int cpu = -1;

	for (int option; (option = getopt(argc, argv, "p:")) != -1;) {
		if (option != 'p')
			return 2;
		cpu = atoi(optarg);
	}
	if (optind >= argc)
		target_die("which build directory?");
	closefrom(3); /* else every child of both sides would pay for what we were given */
	if (cpu >= 0)
		pin(cpu);
	init(&b, argv[optind]);
	if (cpu >= 0)
		printf("%zu children, everything on CPU %d, medians\n", b.n, cpu);
	else
		printf("%zu children, not pinned (%ld CPUs), medians\n", b.n,
		       sysconf(_SC_NPROCESSORS_ONLN));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (wanted(rows[i].name, argv + optind + 1))
			rows[i].run(&b);
	target_done(&b.target);
	return b.missed;
}
