/* e2e_leak.c - descriptors and memory are the same after ten thousand starts, and idle parts sleep */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define STARTS 10000
#define WARM_UP 1000 /* pools and buffers have their size by then */
#define GROWTH_KB_MAX 256
#define ORPHANS 2000

struct usage {
	int fds[3];
	long kb[3];
};

static struct usage usage_of(struct fixture *f)
{
	pid_t parts[3] = { f->fosterd, fixture_supervisor(f), fixture_logger(f) };
	struct usage u;

	for (int i = 0; i < 3; i++) {
		u.fds[i] = run_count_fds(parts[i]);
		u.kb[i] = run_status_kb(parts[i], "RssAnon");
		assert_true(u.fds[i] > 0 && u.kb[i] > 0);
	}
	printf("# fds %d %d %d, KiB %ld %ld %ld\n", u.fds[0], u.fds[1], u.fds[2], u.kb[0], u.kb[1],
	       u.kb[2]);
	return u;
}

/* What a part has open, for whoever looks for the leak. */
static void say_fds(pid_t pid)
{
	char path[64], target[256];

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
		ssize_t n = readlink(path, target, sizeof target - 1);
		if (n <= 0)
			continue;
		printf("# %d %.*s\n", fd, (int)n, target);
		snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
		ssize_t len = fd_read_file(path, target, sizeof target);
		const char *whose = len > 0 ? strstr(target, "\nPid:") : NULL;
		if (whose)
			printf("#   of %d\n", atoi(whose + 5));
	}
}

static bool fds_grew(struct usage before, struct usage after)
{
	return after.fds[0] > before.fds[0] || after.fds[1] > before.fds[1] ||
	       after.fds[2] > before.fds[2];
}

/* What the last process had may be given back a moment after its end is told: look again then. */
static void expect_no_growth(struct fixture *f, struct usage before)
{
	struct usage after = usage_of(f);

	for (int i = 0; i < 100 && fds_grew(before, after); i++) {
		usleep(20000);
		after = usage_of(f);
	}
	if (fds_grew(before, after))
		say_fds(f->fosterd);
	assert_false(fds_grew(before, after));
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
	for (int i = 0; i < 3; i++)
		assert_true(after.kb[i] - before.kb[i] <= GROWTH_KB_MAX);
#endif
}

static void restart_until(struct fixture *f, long long incarnation)
{
	for (;;) {
		json_t *show = fixture_show(f, "x");

		if (json_integer_value(json_object_get(show, "incarnation")) >= incarnation)
			return;
		json_array_clear(f->kept);
		usleep(20000);
	}
}

/* A program that ends at once and is restarted at once, with log files. */
static void ten_thousand_restarts_leave_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[supervisord]\nlogfile = @dir@/log\n[program:x]\nautorestart = true\n"
		      "startsecs = 0\nstdout_logfile = @dir@/out.log\n"
		      "command = @child@ print words\n");
	varlink_close(&f->events); /* nobody reads ten thousand events here */
	restart_until(f, WARM_UP);
	fixture_call(f, "Stop", "{s:[s]}", "names", "x");
	struct usage before = usage_of(f);
	fixture_call(f, "Start", "{s:[s]}", "names", "x");
	restart_until(f, WARM_UP + STARTS);
	fixture_call(f, "Stop", "{s:[s]}", "names", "x");
	expect_no_growth(f, before);
	fixture_down(f);
}

static void define_and_wait(struct fixture *f, int from, int to)
{
	for (int i = from; i < to; i++) {
		char id[32];

		snprintf(id, sizeof id, "leak-%d", i);
		json_t *job =
			fixture_call(f, "Define", "{s:s, s:s, s:b, s:[s]}", "id", id, "prefix",
				     "job", "transient", 1, "argv", fixture_child(f));
		fixture_call(f, "Wait", "{s:[O]}", "names", json_object_get(job, "name"));
		json_array_clear(f->kept);
	}
}

static void processes_of_clients_leave_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	varlink_close(&f->events);
	define_and_wait(f, 0, WARM_UP);
	struct usage before = usage_of(f);
	define_and_wait(f, WARM_UP, WARM_UP + 2000);
	expect_no_growth(f, before);
	assert_int_equal(
		json_array_size(json_object_get(fixture_call(f, "Status", NULL), "processes")), 0);
	fixture_down(f);
}

static void fail_often(struct fixture *f, int n)
{
	for (int i = 0; i < n; i++) {
		fixture_call(f, "Start", "{s:[s]}", "names", "x");
		fixture_until(f, "x", "FATAL"); /* what is not read waits in the supervisor */
	}
}

static void failed_starts_leave_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nstartsecs = 0\nstartretries = 0\n"
		      "command = /no/such/program\n");
	fail_often(f, 200);
	struct usage before = usage_of(f);
	fail_often(f, 1000);
	expect_no_growth(f, before);
	fixture_down(f);
}

static void restarts_of_the_parts_leave_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "[program:x]\nstartsecs = 0\ncommand = @child@ hold\n", "x");
	int before = 0;
	for (int i = 0; i < 15; i++) {
		pid_t supervisor = fixture_supervisor(f), logger = fixture_logger(f);

		fixture_kill(logger, SIGKILL);
		fixture_new_logger(f, logger);
		fixture_kill(supervisor, SIGKILL);
		fixture_new_supervisor(f, supervisor);
		if (i == 4)
			before = run_count_fds(f->fosterd);
	}
	/* The last messages to the new parts may still carry copies. */
	for (int i = 0; run_count_fds(f->fosterd) != before && i < 500; i++)
		usleep(10000);
	assert_int_equal(run_count_fds(f->fosterd), before);
	fixture_down(f);
}

/* Their list is longer than what is read of it at a time. */
static void of_many_orphans_that_end_together_no_zombie_stays(void **state)
{
	struct fixture *f = *state;
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	pid_t children[ORPHANS + 8];
	size_t n;

	fixture_up(f, "");
	pid_t supervisor = fixture_supervisor(f), logger = fixture_logger(f);
	fixture_ctl_is(f, 0, NULL, "", "start", "mother", "--", "sh", "-c",
		       fixture_format(f, "for i in $(seq %d); do %s hold & done; echo $$", ORPHANS,
				      fixture_child(f)));
	fixture_ctl_is(f, 0, "", "", "wait", "mother");
	pid_t group = (pid_t)atoi(fixture_ctl(f, "tail", "mother").out);
	assert_int_equal(run_children_of(f->fosterd, children, ORPHANS + 8), ORPHANS + 2);
	assert_true(group > 1);
	fixture_kill(f->fosterd, SIGSTOP);
	assert_return_code(kill(-group, SIGKILL), errno);
	for (int i = 0; i < ORPHANS + 2; i++)
		if (children[i] != supervisor && children[i] != logger)
			fixture_until_dead(f, children[i]);
	fixture_kill(f->fosterd, SIGCONT);
	while ((n = run_children_of(f->fosterd, children, ORPHANS + 8)) > 2) {
		if (clock_boot_ns() > deadline)
			fixture_fail(f, "%zu zombies are left", n - 2);
		usleep(20000);
	}
	fixture_down(f);
}

static void with_nothing_to_do_all_sleep_for_days(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "[program:x]\ncommand = @child@ hold\n", "x");
	const pid_t parts[] = { f->fosterd, fixture_supervisor(f), fixture_logger(f) };
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		fixture_until_asleep(f, parts[i]);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(ten_thousand_restarts_leave_nothing),
		fixture_test(processes_of_clients_leave_nothing),
		fixture_test(failed_starts_leave_nothing),
		fixture_test(restarts_of_the_parts_leave_nothing),
		fixture_test(of_many_orphans_that_end_together_no_zombie_stays),
		fixture_test(with_nothing_to_do_all_sleep_for_days),
	};

	return fixture_run(tests);
}
