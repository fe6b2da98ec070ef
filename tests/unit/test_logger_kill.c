/* The logger is killed, again and again, while children print as fast as they can. */
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/unit/logger_rig.h"

#define KILLS 150
#define BACKUPS 4000
#define LINE_TEXT " and some more text, so that lines are as long as lines are"

/* Shared with a writer: it stops when told, and says how many lines it printed. */
struct order {
	atomic_bool stop;
	atomic_uint lines;
};

static struct order *new_order(void)
{
	void *m = mmap(NULL, sizeof(struct order), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(m, MAP_FAILED);
	return m;
}

/* Numbered lines, in writes that know nothing of lines. */
static _Noreturn void print_numbers(int fd, struct order *order, size_t write_bytes)
{
	static char out[1 << 17];
	size_t len = 0, sent = 0;
	unsigned n = 0;
	bool last = false;

	while (!last || sent < len) {
		if (len - sent < write_bytes && !last) {
			memmove(out, out + sent, len - sent);
			len -= sent;
			sent = 0;
			last = atomic_load(&order->stop);
			while (!last && len < sizeof out / 2)
				len += (size_t)snprintf(out + len, 128, "%u%s\n", n++, LINE_TEXT);
		}
		size_t some = len - sent < write_bytes ? len - sent : write_bytes;
		if (fd_write_all(fd, out + sent, some) < 0)
			_exit(1);
		sent += some;
	}
	atomic_store(&order->lines, n);
	_exit(0);
}

static pid_t start_printing(const struct rig *r, const struct rig_pipe *p, struct order *order,
			    size_t write_bytes)
{
	pid_t pid = rig_fork(r);

	if (!pid)
		print_numbers(p->in, order, write_bytes);
	return pid;
}

/* The number of a line that is whole, or -1. */
static long number_of(const char *line)
{
	char *end;
	long n = strtol(line, &end, 10);

	return end != line && !strcmp(end, LINE_TEXT "\n") ? n : -1;
}

struct tally {
	unsigned next; /* the number that must come */
	unsigned doubled, torn;
};

/* What of a line was written before a kill may stand in front of it, written again. */
static const char *skip_torn(const char *line, struct tally *t)
{
	char expected[128];
	const char *at;

	(void)snprintf(expected, sizeof expected, "%u%s\n", t->next, LINE_TEXT);
	at = strstr(line, expected);
	if (at && at != line)
		t->torn++;
	return at ? at : line;
}

static void count_file(const char *path, struct tally *t)
{
	auto_file FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		long n = number_of(skip_torn(line, t));

		if (*line == '\n')
			continue;
		if (n == (long)t->next)
			t->next++;
		else if (n >= 0 && n < (long)t->next)
			t->doubled++;
		else if (n < 0)
			t->torn++;
		else
			fail_msg("%s: %ld comes where %u should", path, n, t->next);
	}
	free(line);
}

/* All files of that name, the oldest first. Numbers may have a hole, where a kill left one. */
static struct tally count_all(const struct rig *r, const char *name)
{
	struct tally t = { 0 };

	for (unsigned i = BACKUPS; i > 0; i--) {
		char rotated[64];

		(void)snprintf(rotated, sizeof rotated, "%s.%u", name, i);
		if (access(rig_path(r, rotated), F_OK) == 0)
			count_file(rig_path(r, rotated), &t);
	}
	count_file(rig_path(r, name), &t);
	return t;
}

/* Kill it at moments from at once to some milliseconds after it was told about its pipes. */
static void kill_many_times(struct rig *r, void (*tell)(struct rig *, const struct rig_pipe *),
			    const struct rig_pipe *pipes)
{
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	tell(r, pipes);
	for (int i = 0; i < KILLS; i++) {
		struct timespec moment = { .tv_nsec = rand() % 4000000 }; /* NOLINT(cert-msc30-c) */

		rig_sync(r);
		(void)nanosleep(&moment, NULL);
		rig_kill(r);
		rig_start(r);
		tell(r, pipes);
	}
}

static void stop_printing(pid_t pid, struct order *order)
{
	int status = -1;

	atomic_store(&order->stop, true);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void tell_files(struct rig *r, const struct rig_pipe *p)
{
	struct link_log log = {
		.stream = 1, .maxbytes = 256 << 10, .backups = BACKUPS, .mode = 0644
	};

	rig_send_log(r, 1, p[0].both, &log, rig_path(r, "fast"), "", "fast");
	log.maxbytes = 16384;
	rig_send_log(r, 2, p[1].both, &log, rig_path(r, "slow"), "", "slow");
}

static void every_line_arrives_once_and_in_order_whenever_the_logger_is_killed(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe pipes[2] = { rig_pipe(), rig_pipe() };
	struct order *orders[2] = { new_order(), new_order() };
	static const char *const names[] = { "fast", "slow" };
	pid_t pids[2];

	pids[0] = start_printing(r, &pipes[0], orders[0], 333);
	pids[1] = start_printing(r, &pipes[1], orders[1], 7);
	kill_many_times(r, tell_files, pipes);
	for (int i = 0; i < 2; i++)
		stop_printing(pids[i], orders[i]);
	rig_finish(r);
	for (int i = 0; i < 2; i++) {
		struct tally t = count_all(r, names[i]);

		print_message("%s: %u lines\n", names[i], t.next);
		assert_int_equal(t.next, atomic_load(&orders[i]->lines));
		assert_int_equal(t.doubled, 0);
		assert_int_equal(t.torn, 0);
		rig_pipe_done(&pipes[i]);
		(void)munmap(orders[i], sizeof(struct order));
	}
}

static void tell_prefixed(struct rig *r, const struct rig_pipe *p)
{
	struct link_log log = {
		.stream = 1, .maxbytes = 1 << 20, .backups = BACKUPS, .mode = 0644
	};

	/* A newline is all that a prefix may be, for count_file() to see lines as they were. */
	rig_send_log(r, 1, p->both, &log, rig_path(r, "prefixed"), "\n", "web");
}

/* Peeked at, written, then taken: at most one unit (64 KiB) is written twice after each kill. */
static void no_prefixed_line_is_lost_and_at_most_a_unit_doubled(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	struct order *order = new_order();
	pid_t pid = start_printing(r, &p, order, 5000);
	struct tally t;

	kill_many_times(r, tell_prefixed, &p);
	stop_printing(pid, order);
	rig_finish(r);
	t = count_all(r, "prefixed");
	print_message("%u lines, %u doubled\n", t.next, t.doubled);
	assert_int_equal(t.next, atomic_load(&order->lines));
	assert_true(t.doubled <= KILLS * (65536 / sizeof LINE_TEXT));
	rig_pipe_done(&p);
	(void)munmap(order, sizeof *order);
}

#define WITH_RIG(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(every_line_arrives_once_and_in_order_whenever_the_logger_is_killed),
		WITH_RIG(no_prefixed_line_is_lost_and_at_most_a_unit_doubled),
	};

	return cmocka_run_group_tests_name("logger_kill", tests, NULL, NULL);
}
