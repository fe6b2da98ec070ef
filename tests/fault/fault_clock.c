/* fault_clock.c - the calendar is set back, and forward, by years
 *
 * All that waits goes by clocks that nobody can set, so what must hold is that nothing happens: but for the
 * dates that are shown, which are those of the new calendar. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"
#include "tests/helpers/shared/clockstep.h"

#define YEAR_S (365 * 24 * 60 * 60)

static struct clockstep *calendar;

/* Whoever is started from here on, fosterctl too, goes by the calendar. */
static void preload(struct fixture *f)
{
	const char *path = fixture_path(f, "clock");
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_return_code(ftruncate(fd, sizeof *calendar), errno);
	calendar = mmap(NULL, sizeof *calendar, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(calendar, MAP_FAILED);
	setenv(CLOCKSTEP_FILE, path, 1);
	fixture_preload(f, "clockstep.so");
}

static double shown(struct fixture *f, const char *name, const char *key)
{
	return json_number_value(json_object_get(fixture_show(f, name), key));
}

/* Timers of each kind run while the calendar is set: they end, and before the test's patience does. */
static void expect_timers_to_end(struct fixture *f, int64_t seconds)
{
	struct run stop = { 0 };

	fixture_ctl_is(f, 0, NULL, "", "start", "stubborn");
	fixture_ctl_start(f, &stop, "stop", "stubborn"); /* stopwaitsecs, then SIGKILL */
	fixture_until(f, "stubborn", "STOPPING");
	fixture_call(f, "Start", "{s:[s]}", "names", "crashes"); /* a delay before each restart */
	atomic_store(&calendar->seconds, seconds);
	fixture_until(f, "crashes", "BACKOFF");
	fixture_until(f, "crashes", "STARTING");
	fixture_ctl_is(f, 0, NULL, "", "stop", "crashes");
	fixture_check(f, fixture_finish(f, &stop), 0, NULL, "");
	fixture_ctl_is(f, 0, NULL, "", "restart", "slow"); /* startsecs, then RUNNING */
}

/* began_ns: before keep was started. */
static void expect_dates_of(struct fixture *f, int64_t seconds, uint64_t began_ns)
{
	double started = shown(f, "keep", "started");
	struct result r = fixture_ctl(f, "status", "keep");
	double now = (double)clock_real_ns() / 1e9 + (double)seconds;
	double age = (double)(clock_boot_ns() - began_ns) / 1e9;

	assert_true(started > now - age - 1 && started <= now);
	assert_contains(r.out, "uptime 0:0"); /* less than ten minutes */
	assert_lacks(r.out, "-");
}

static void a_calendar_that_is_set_changes_dates_and_nothing_else(void **state)
{
	static const int64_t steps[] = { -10LL * YEAR_S, 10LL * YEAR_S, 0 };
	struct fixture *f = *state;
	uint64_t began_ns = clock_boot_ns();

	preload(f);
	fixture_up(f,
		   "[foster]\nwatchdog = 1\n"
		   "[program:keep]\nstartsecs = 0\ncommand = @child@ hold\n"
		   "[program:stubborn]\nautostart = false\nstartsecs = 0\nstopwaitsecs = 0.2\n"
		   "command = @child@ ignore 15 hold\n"
		   "[program:crashes]\nautostart = false\nstartsecs = 0\nautorestart = true\n"
		   "restart_delay = 0.2\ncommand = @child@ sleep 100 exit 1\n"
		   "[program:slow]\nautostart = false\nstartsecs = 0.2\ncommand = @child@ hold\n");
	pid_t keep = fixture_settle(f, "keep", "RUNNING"), supervisor = fixture_supervisor(f);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		expect_timers_to_end(f, steps[i]);
		expect_dates_of(f, steps[i], began_ns);
	}
	assert_int_equal(fixture_pid(f, "keep"), keep);
	assert_int_equal(fixture_supervisor(f), supervisor);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_calendar_that_is_set_changes_dates_and_nothing_else),
	};

	return fixture_run(tests);
}
