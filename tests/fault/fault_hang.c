/* fault_hang.c - a part is stopped, as by SIGSTOP or a debugger, and goes on or is replaced */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/hangfs.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"

/* The next line that fosterctl waits for is not there yet: it is still running. */
static void expect_waiting(struct fixture *f, const struct run *r)
{
	fixture_ctl_is(f, 0, NULL, NULL, "help"); /* as long as a command takes */
	assert_true(run_alive(r->pid));
}

static void a_keeper_that_is_stopped_goes_on_and_has_missed_nothing(void **state)
{
	struct fixture *f = *state;
	struct run start = { 0 }, wait = { 0 };

	fixture_start(f, "[foster]\nwatchdog = 0.2\n[program:a]\n" HOLD "[program:x]\n" HOLD, "a");
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--", fixture_child(f), "on", "10", "9",
		       "hold");
	pid_t supervisor = fixture_supervisor(f), logger = fixture_logger(f);
	pid_t job = fixture_settle(f, "job", "RUNNING"), a = fixture_pid(f, "a");

	fixture_kill(f->fosterd, SIGSTOP);
	fixture_ctl_start(f, &wait, "wait", "job");
	fixture_ctl_start(f, &start, "start", "x");
	fixture_kill(job, SIGUSR1);
	fixture_until_dead(f, job);
	fixture_kill(a, SIGKILL);
	fixture_until_dead(f, a);
	expect_waiting(f, &start);
	expect_waiting(f, &wait);
	fixture_kill(f->fosterd, SIGCONT);
	fixture_check(f, fixture_finish(f, &wait), 9, "", "");
	fixture_check(f, fixture_finish(f, &start), 0, NULL, "");
	fixture_until(f, "a", "RUNNING"); /* again */
	assert_int_equal(fixture_supervisor(f), supervisor);
	assert_int_equal(fixture_logger(f), logger);
	fixture_down(f);
}

static void a_logger_that_hangs_is_replaced_and_loses_no_line(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[foster]\nwatchdog = 0.2\n");
	pid_t logger = fixture_logger(f);
	fixture_kill(logger, SIGSTOP);
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--", fixture_child(f), "lines", "5000");
	fixture_new_logger(f, logger);
	fixture_ctl_is(f, 0, "", "", "wait", "job");
	assert_int_equal(fixture_ctl(f, "tail", "-n", "9999", "job").out_len, 5000 * 64);
	fixture_down(f);
	assert_contains(fixture_file(f, "log"),
			"logger: has not answered for 200 ms, replacing it");
}

/* Nothing is asked of it, and what waits in its pipes is not seen by the keeper. */
static void a_part_that_is_stopped_while_idle_is_replaced(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[foster]\nwatchdog = 0.2\n");
	pid_t logger = fixture_logger(f), supervisor = fixture_supervisor(f);
	fixture_until_asleep(f, f->fosterd); /* nothing is due any more */
	fixture_kill(logger, SIGSTOP);
	fixture_until_file(f, "log", "logger: has not answered for 200 ms");
	fixture_new_logger(f, logger);
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(supervisor, SIGSTOP);
	fixture_until_file(f, "log", "supervisor: has not answered for 200 ms");
	fixture_reconnect(f);
	fixture_new_supervisor(f, supervisor);
	fixture_down(f);
}

/* Stopped for longer than the watchdog allows, and awake again when it is replaced. */
static void a_supervisor_that_wakes_while_it_is_replaced_harms_nobody(void **state)
{
	struct fixture *f = *state;
	pid_t a = fixture_start(f, "[foster]\nwatchdog = 0.1\n[program:a]\n" HOLD, "a");

	for (int i = 0; i < 20; i++) {
		pid_t supervisor = (pid_t)atoi(fixture_ctl(f, "pid", "supervisor").out);
		struct varlink v;

		fixture_kill(supervisor, SIGSTOP);
		assert_int_equal(varlink_open(&v, f->socket), 0); /* something to answer */
		usleep((90U + (unsigned)i) * 1000); /* it is replaced after 100 ms */
		kill(supervisor, SIGCONT);
		varlink_close(&v);
		fixture_ctl_is(f, 0, fixture_format(f, "%d\n", (int)a), "", "pid", "a");
	}
	assert_true(run_alive(a));
	fixture_down(f);
	assert_contains(fixture_file(f, "log"), "supervisor: has not answered for 100 ms");
}

/* ---- forkservers --------------------------------------------------------------------------------- */

#define MADE "start_method = forkserver:fs\nstartsecs = 0\ncommand = @child@ "

/* One that executes only, and stays the parent of what it has made. */
static const char *perl_server(struct fixture *f)
{
	return fixture_format(
		f, "command = perl %s\n",
		realpath("tests/helpers/forkserver.pl", arena_alloc(&f->arena, 4096)));
}

static void hang(struct fixture *f, const char *definition, const char *comm)
{
	pid_t a = fixture_start(f,
				fixture_format(f,
					       "[foster]\nwatchdog = 1\n[forkserver:fs]\n%s"
					       "[program:a]\n" MADE "hold\n"
					       "[program:b]\n" MADE "hold\n"
					       "[program:x]\n" HOLD,
					       definition),
				"a");
	pid_t server = run_child_named(f->fosterd, comm, 0);

	fixture_kill(server, SIGSTOP);
	fixture_ctl_is(f, 0, NULL, "", "start", "b", "x");
	fixture_until_logged(f, "forkserver fs: has not answered for 1000 ms, killing it");
	assert_int_equal(fixture_pid(f, "a"), a);
	assert_true(run_alive(a) && !run_alive(server));
	fixture_down(f);
}

static void a_forkserver_that_hangs_is_replaced_and_its_children_run_on(void **state)
{
	hang(*state, "", "foster-forkserv");
}

static void so_is_one_in_python(void **state)
{
	hang(*state, "type = python\n", "python3");
}

static void so_is_one_of_another_making(void **state)
{
	hang(*state, perl_server(*state), "perl");
}

static void one_that_hangs_and_has_a_status_to_tell_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t a = fixture_start(f,
				fixture_format(f,
					       "[foster]\nwatchdog = 1\n[forkserver:fs]\n%s"
					       "[program:a]\nautorestart = false\n" MADE
					       "on 10 9 say @dir@/said up hold\n",
					       perl_server(f)),
				"a");

	fixture_expect_line(f, said, "up");
	fixture_kill(run_child_named(f->fosterd, "perl", 0), SIGSTOP);
	fixture_kill(a, SIGUSR1);
	fixture_ctl_is(f, 9, "", "", "wait", "a");
	fixture_until_logged(f, "forkserver fs: has not answered for 1000 ms, killing it");
	fixture_down(f);
}

#define MANY 2000

static void expect_children(struct fixture *f, pid_t parent, size_t n)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	pid_t pids[MANY + 8];

	while (run_children_of(parent, pids, ARRAY_SIZE(pids)) != n) {
		if (clock_boot_ns() > deadline)
			fixture_fail(f, "%d has %zu children", parent,
				     run_children_of(parent, pids, ARRAY_SIZE(pids)));
		usleep(5000);
	}
}

/* It has told of all ends before it is stopped; that they may be reaped is more than its link holds. */
static void one_that_is_stopped_leaves_no_zombies(void **state)
{
	struct fixture *f = *state;
	pid_t pids[MANY + 1];

	fixture_up(f, "[foster]\nwatchdog = 0\n[forkserver:fs]\ntype = python\n"
		      "[program:a]\nnumprocs = 2000\nprocess_name = %(process_num)d\n"
		      "autorestart = false\nkill_scope = process\n"
		      "stdout_logfile = NONE\nstderr_logfile = NONE\n" MADE "hold\n");
	fixture_until_logged(f, "forkserver fs: RUNNING");
	pid_t server = run_child_named(f->fosterd, "python3", 0),
	      supervisor = fixture_supervisor(f);
	expect_children(f, server, MANY + 1); /* and its spare */
	fixture_until_asleep(f, server);
	fixture_until_asleep(f, f->fosterd);
	fixture_until_asleep(f, supervisor);
	fixture_kill(supervisor, SIGSTOP);
	size_t n = run_children_of(server, pids, MANY + 1);
	for (size_t i = 0; i < n; i++)
		fixture_kill(pids[i], SIGKILL);
	fixture_until_asleep(f, server);
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(server, SIGSTOP);
	fixture_kill(supervisor, SIGCONT);
	fixture_until_asleep(f, supervisor);
	fixture_until_asleep(f, f->fosterd);
	kill(server, SIGCONT); /* if it is still there */
	expect_children(f, server, 0);
	expect_children(f, f->fosterd, run_alive(server) ? 3 : 2);
	fixture_down(f);
}

/* What a forkserver says of its children is not more than can be kept. */
static void a_peak_that_nobody_can_have_is_the_most_there_is(void **state)
{
	struct fixture *f = *state;

	fixture_start(
		f,
		fixture_format(
			f,
			"[forkserver:fs]\ncommand = sh -c 'sed \"s/.times.4./2**40/\" %s"
			">@dir@/liar.pl; exec perl @dir@/liar.pl'\n"
			"[program:a]\nautorestart = false\n" MADE "sleep 10\n",
			realpath("tests/helpers/forkserver.pl", arena_alloc(&f->arena, 4096))),
		"a");
	fixture_settle(f, "a", "EXITED");
	const json_t *usage = json_object_get(fixture_show(f, "a"), "rusage");
	assert_int_equal(json_integer_value(json_object_get(usage, "maxrss_kb")), UINT32_MAX);
	fixture_down(f);
}

static void one_may_take_its_time_to_load(void **state)
{
	struct fixture *f = *state;

	fixture_write_file(f, "slow.py", "import time\ntime.sleep(2)\n");
	fixture_start(f,
		      "[foster]\nwatchdog = 1\n[forkserver:fs]\ntype = python\npreload = slow\n"
		      "environment = PYTHONPATH=\"@dir@\"\n[program:a]\n" MADE "hold\n",
		      "a");
	fixture_down(f);
	assert_lacks(fixture_file(f, "log"), "has not answered");
}

/* One that is asked and says nothing at all, and one that says something else. */
static void refuse_to_serve(struct fixture *f, const char *program, const char *stop,
			    const char *words)
{
	struct run start = { 0 };

	fixture_up(f, fixture_format(f,
				     "[forkserver:fs]\ncommand = perl -e '%s; sleep 1000'\n"
				     "[program:a]\nautostart = false\nstopwaitsecs = 0.2\n"
				     "restart_delay = 1000\n" MADE "hold\n",
				     program));
	fixture_ctl_start(f, &start, "start", "a");
	fixture_until_logged(f, "forkserver fs: RUNNING"); /* and is asked in the same turn */
	fixture_ctl_is(f, 0, NULL, "", stop, "a");
	fixture_check(f, fixture_finish(f, &start), 1, "", NULL);
	fixture_until_logged(f, words);
	fixture_down(f);
}

static void who_waits_for_a_forkserver_that_says_nothing_can_be_stopped(void **state)
{
	refuse_to_serve(*state, "1", "stop", "forkserver fs: has not made a in time, killing it");
}

static void or_killed(void **state)
{
	refuse_to_serve(*state, "1", "kill", "forkserver fs: has not made a in time, killing it");
}

static void one_that_closes_its_link_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct run start = { 0 };

	fixture_up(f, "[forkserver:fs]\n"
		      "command = sh -c '[ -e @dir@/once ] && exec @build@/foster-forkserver; "
		      ": >@dir@/once; exec 3>&-; echo closed >@dir@/once; exec sleep 1000'\n"
		      "[program:a]\nautostart = false\n" MADE "hold\n"
		      "[program:b]\nautostart = false\n" MADE "hold\n");
	fixture_ctl_start(f, &start, "start", "a");
	fixture_until_file(f, "once", "closed");
	fixture_ctl_is(f, 0, "b: started\n", "", "start", "b"); /* asked of it after that */
	fixture_check(f, fixture_finish(f, &start), 0, "a: started\n", "");
	fixture_down(f);
	assert_contains(fixture_file(f, "log"), "forkserver fs: has closed its link, killing it");
}

static void one_that_speaks_another_language_is_killed(void **state)
{
	refuse_to_serve(*state, "open $o, q(>&=3); syswrite $o, q(hello)", "stop",
			"forkserver fs: does not speak version 1, killing it");
}

static void end_start(struct fixture *f, const char *name, const char *how)
{
	struct run start = { 0 };

	fixture_ctl_start(f, &start, "start", name);
	fixture_expect(f, name, "STARTING");
	fixture_ctl_is(f, 0, NULL, "", "start", "later"); /* the keeper has read both */
	fixture_ctl_is(f, 0, NULL, "", "stop", "later");
	fixture_ctl_is(f, 0, NULL, "", how, name);
	fixture_check(f, fixture_finish(f, &start), 1, "", NULL);
}

/* The child waits in chdir(2), before it executes. The last test: this process stays in another mount
 * namespace. */
static void a_start_that_a_file_system_holds_up_can_be_stopped(void **state)
{
	struct fixture *f = *state;
	pid_t server;

	assert_return_code(mkdir(fixture_path(f, "fs"), 0755), errno);
	server = hangfs_start(fixture_path(f, "fs"));
	if (server < 0)
		fixture_skip("FUSE cannot be had here");
	fixture_up(
		f,
		"[program:a]\nautostart = false\nstopwaitsecs = 0.2\ndirectory = @dir@/fs\n" HOLD
		"[program:b]\nautostart = false\nstopwaitsecs = 1000\ndirectory = @dir@/fs\n" HOLD
		"[program:later]\nautostart = false\n" HOLD);
	fixture_kill(server, SIGSTOP);
	end_start(f, "a", "stop");
	end_start(f, "b", "kill"); /* at once */
	fixture_reap(f, server);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_keeper_that_is_stopped_goes_on_and_has_missed_nothing),
		fixture_test(a_logger_that_hangs_is_replaced_and_loses_no_line),
		fixture_test(a_part_that_is_stopped_while_idle_is_replaced),
		fixture_test(a_supervisor_that_wakes_while_it_is_replaced_harms_nobody),
		fixture_test(a_forkserver_that_hangs_is_replaced_and_its_children_run_on),
		fixture_test(so_is_one_in_python),
		fixture_test(so_is_one_of_another_making),
		fixture_test(one_that_hangs_and_has_a_status_to_tell_is_replaced),
		fixture_test(one_that_is_stopped_leaves_no_zombies),
		fixture_test(a_peak_that_nobody_can_have_is_the_most_there_is),
		fixture_test(one_may_take_its_time_to_load),
		fixture_test(who_waits_for_a_forkserver_that_says_nothing_can_be_stopped),
		fixture_test(or_killed),
		fixture_test(one_that_closes_its_link_is_replaced),
		fixture_test(one_that_speaks_another_language_is_killed),
		fixture_test(a_start_that_a_file_system_holds_up_can_be_stopped),
	};

	return fixture_run(tests);
}
