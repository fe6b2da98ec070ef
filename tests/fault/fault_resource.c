/* fault_resource.c - no more processes, no more descriptors, no room on the disk of a log
 *
 * What must hold: what cannot be done is said in a line with its reason, what runs goes on, and all that was
 * put off is done when there is room again. Limits are those of the processes themselves, set from outside
 * while they run. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

/* Who cannot be started is tried again soon. */
#define AGAIN "startsecs = 0\nrestart_delay = 0.01\nrestart_delay_max = 0.01\n"
#define HOLD "command = @child@ hold\n" AGAIN
#define QUIET HOLD "autostart = false\n"

static int set_soft_limit(pid_t pid, int resource, rlim_t now)
{
	struct rlimit limit;

	if (prlimit(pid, resource, NULL, &limit) < 0)
		return -errno;
	limit.rlim_cur = now < limit.rlim_max ? now : limit.rlim_max;
	return prlimit(pid, resource, &limit, NULL) < 0 ? -errno : 0;
}

/* As its own user: to change another's takes more than being root (CAP_SYS_RESOURCE). */
static void limit_softly(struct fixture *f, pid_t pid, int resource, rlim_t now)
{
	struct stat st;
	int status;

	assert_return_code(stat(fixture_format(f, "/proc/%d", (int)pid), &st), errno);
	fflush(stdout);
	pid_t helper = fork();
	if (helper == 0)
		_exit((setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 && errno != EPERM) ||
		      setresuid(st.st_uid, st.st_uid, st.st_uid) < 0 ||
		      set_soft_limit(pid, resource, now) < 0);
	assert_int_equal(run_wait(helper, FIXTURE_DEADLINE_MS, &status), 0);
	assert_int_equal(status, 0);
}

/* ---- no more processes --------------------------------------------------------------------- */

/* The limit does not hold for root. */
#define AS_NOBODY "[foster]\nuser = nobody\n"

static void a_start_that_fork_refuses_is_made_when_it_does_not(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		fixture_skip("needs root, to become another user");
	pid_t keep =
		fixture_start(f, AS_NOBODY "[program:keep]\n" HOLD "[program:x]\n" HOLD, "keep");

	limit_softly(f, f->fosterd, RLIMIT_NPROC, 0);
	fixture_ctl_is(f, 1, "",
		       "fosterctl: x: cannot start: fork: Resource temporarily unavailable\n",
		       "start", "x");
	fixture_until(f, "x", "BACKOFF");
	fixture_until(f, "x", "BACKOFF"); /* and again */
	limit_softly(f, f->fosterd, RLIMIT_NPROC, RLIM_INFINITY);
	fixture_until(f, "x", "RUNNING");
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
}

static void parts_that_die_while_fork_is_refused_come_back_later(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		fixture_skip("needs root, to become another user");
	pid_t keep = fixture_start(f, AS_NOBODY "[program:keep]\n" HOLD, "keep");
	pid_t supervisor = fixture_supervisor(f), logger = fixture_logger(f);

	limit_softly(f, f->fosterd, RLIMIT_NPROC, 0);
	fixture_kill(logger, SIGKILL);
	fixture_kill(supervisor, SIGKILL);
	fixture_until_logged(f, "logger: cannot start ");
	fixture_until_logged(f, "supervisor: cannot start ");
	assert_true(run_alive(keep));
	limit_softly(f, f->fosterd, RLIMIT_NPROC, RLIM_INFINITY);
	fixture_new_supervisor(f, supervisor);
	fixture_new_logger(f, logger);
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
	assert_contains(fixture_file(f, "log"), "fork: Resource temporarily unavailable");
}

static char cgroup[64]; /* "": none was made */

/* Below the root, where the controller is there to be used: of cgroup v1, or of v2. */
static void make_cgroup(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup/pids", "/sys/fs/cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		char limit[80];

		snprintf(cgroup, sizeof cgroup, "%s/foster-fault-%d", roots[i], (int)getpid());
		snprintf(limit, sizeof limit, "%s/pids.max", cgroup);
		if (mkdir(cgroup, 0755) < 0)
			continue;
		if (access(limit, W_OK) == 0)
			return;
		rmdir(cgroup);
	}
	cgroup[0] = '\0';
	fixture_skip("cannot make a cgroup that limits processes");
}

static int remove_cgroup(void **state)
{
	int r = fixture_teardown(state);

	if (cgroup[0])
		r |= rmdir(cgroup);
	cgroup[0] = '\0';
	return r;
}

static void write_to_cgroup(struct fixture *f, const char *file, const char *text)
{
	auto_close int fd = open(fixture_format(f, "%s/%s", cgroup, file), O_WRONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* What containers have, and what holds for root, too. */
static void a_start_that_a_cgroup_refuses_is_made_when_it_does_not(void **state)
{
	struct fixture *f = *state;

	make_cgroup();
	pid_t keep = fixture_start(f, "[program:keep]\n" HOLD "[program:x]\n" HOLD, "keep");
	write_to_cgroup(f, "cgroup.procs", fixture_format(f, "%d", (int)f->fosterd));
	write_to_cgroup(f, "pids.max", "1");
	fixture_ctl_is(f, 1, "",
		       "fosterctl: x: cannot start: fork: Resource temporarily unavailable\n",
		       "start", "x");
	write_to_cgroup(f, "pids.max", "max");
	fixture_until(f, "x", "RUNNING");
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
}

static void a_forkserver_that_may_not_fork_says_so(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		fixture_skip("needs root, to become another user");
	fixture_start(f,
		      AS_NOBODY "[program:a]\nstart_method = forkserver\n" HOLD
				"[program:x]\nstart_method = forkserver\n" HOLD,
		      "a");
	pid_t server = run_child_named(f->fosterd, "foster-forkserv", 0);
	limit_softly(f, server, RLIMIT_NPROC, 0);
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "fosterctl: x: cannot start: ");
	assert_contains(r.err, "Resource temporarily unavailable");
	limit_softly(f, server, RLIMIT_NPROC, RLIM_INFINITY);
	fixture_until(f, "x", "RUNNING");
	fixture_down(f);
}

/* ---- no more descriptors ------------------------------------------------------------------- */

static void a_keeper_without_descriptors_starts_nothing_and_loses_nobody(void **state)
{
	struct fixture *f = *state;
	pid_t keep = fixture_start(f, "[program:keep]\n" HOLD "[program:x]\n" HOLD, "keep");
	pid_t supervisor = fixture_supervisor(f), logger = fixture_logger(f);

	limit_softly(f, f->fosterd, RLIMIT_NOFILE, 3);
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "fosterctl: x: cannot start: ");
	assert_contains(r.err, "Too many open files");
	/* nor can it replace a part */
	fixture_kill(supervisor, SIGKILL);
	fixture_kill(logger, SIGKILL);
	fixture_until_dead(f, supervisor);
	fixture_until_dead(f, logger);
	assert_true(run_alive(keep));
	limit_softly(f, f->fosterd, RLIMIT_NOFILE, RLIM_INFINITY);
	fixture_new_supervisor(f, supervisor);
	fixture_new_logger(f, logger);
	fixture_settle(f, "x", "RUNNING");
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
}

/* The caller's descriptors cannot be taken: the message that they came with is lost, not more. */
static void a_run_without_descriptors_is_carried_out_later(void **state)
{
	struct fixture *f = *state;
	pid_t keep = fixture_start(f, "[program:keep]\n" HOLD, "keep");
	struct run run = { 0 };

	limit_softly(f, f->fosterd, RLIMIT_NOFILE, 3);
	fixture_ctl_start(f, &run, "run", "-T", "--", fixture_child(f), "print", "here", "exit",
			  "7");
	fixture_until_logged(f, "a message of the supervisor was lost: Too many open files");
	assert_true(run_alive(keep));
	limit_softly(f, f->fosterd, RLIMIT_NOFILE, RLIM_INFINITY);
	fixture_check(f, fixture_finish(f, &run), 7, "here\n", NULL);
	fixture_reconnect(f);
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
}

static void a_logger_without_descriptors_gives_way_to_one_that_has(void **state)
{
	struct fixture *f = *state;

	fixture_asan_option(f, "detect_leaks=0"); /* it cannot look without descriptors */
	fixture_up(f, "");
	fixture_ctl_is(f, 0, NULL, "", "start", "first", "--", fixture_child(f), "print", "x");
	fixture_ctl_is(f, 0, "x\n", "", "tail", "first"); /* it has raised its own limit */
	pid_t logger = fixture_logger(f);
	limit_softly(f, logger, RLIMIT_NOFILE, 3);
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--", fixture_child(f), "lines", "2000");
	fixture_ctl_is(f, 0, "", "", "wait", "job");
	fixture_new_logger(f, logger);
	assert_int_equal(fixture_ctl(f, "tail", "-n", "9999", "job").out_len, 2000 * 64);
	fixture_down(f);
}

static void a_supervisor_without_descriptors_serves_whom_it_has(void **state)
{
	struct fixture *f = *state;
	pid_t keep = fixture_start(f, "[program:keep]\n" HOLD "[program:x]\n" HOLD, "keep");
	pid_t supervisor = fixture_supervisor(f);
	const char *accept = "control: cannot accept: Too many open files";
	struct run status = { 0 };

	limit_softly(f, supervisor, RLIMIT_NOFILE, 3);
	fixture_ctl_start(f, &status, "status", "keep"); /* waits to be accepted */
	fixture_until_logged(f, accept);
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_call(f, "Start", "{s:[s]}", "names", "x");
	fixture_until(f, "x", "RUNNING");
	limit_softly(f, supervisor, RLIMIT_NOFILE, RLIM_INFINITY);
	fixture_check(f, fixture_finish(f, &status), 0, NULL, "");
	assert_int_equal(fixture_supervisor(f), supervisor);
	fixture_down(f);
}

static void a_reload_without_descriptors_changes_nothing(void **state)
{
	static const char both[] = "[program:keep]\n" HOLD "[include]\nfiles = more*/*.ini\n";
	struct fixture *f = *state;

	assert_return_code(mkdir(fixture_path(f, "more"), 0755), errno);
	fixture_write_file(f, "more/x.ini",
			   fixture_format(f, "[program:x]\ncommand = %s hold\n", fixture_child(f)));
	fixture_up(f, both);
	pid_t keep = fixture_settle(f, "keep", "RUNNING"), x = fixture_pid(f, "x");
	pid_t supervisor = fixture_supervisor(f);
	limit_softly(f, supervisor, RLIMIT_NOFILE, 3);
	fixture_call_error(f, "Update", NULL);
	fixture_kill(f->fosterd, SIGHUP);
	fixture_until_logged(f, "Too many open files");
	fixture_call_error(f, "Reread", NULL);
	limit_softly(f, supervisor, RLIMIT_NOFILE, RLIM_INFINITY);
	assert_int_equal(fixture_pid(f, "keep"), keep);
	assert_int_equal(fixture_pid(f, "x"), x);
	fixture_down(f);
}

/* ---- no room on the disk of a log ----------------------------------------------------------- */

#define LINES 40000

static void make_small_disk(struct fixture *f)
{
	fixture_own_mounts();
	assert_return_code(mkdir(fixture_path(f, "small"), 0755), errno);
	if (mount("small", fixture_path(f, "small"), "tmpfs", 0, "size=128k") < 0)
		fixture_skip("cannot mount a tmpfs");
}

static void make_room(struct fixture *f)
{
	assert_return_code(mount("small", fixture_path(f, "small"), "tmpfs", MS_REMOUNT, "size=9m"),
			   errno);
}

/* One whose log is on the full disk, and one beside it. */
static void fill_disk(struct fixture *f, const char *full)
{
	make_small_disk(f);
	fixture_up(f, fixture_format(f,
				     "[program:full]\nstartsecs = 0\nautorestart = false\n%s"
				     "stdout_logfile = @dir@/small/full.log\n"
				     "stdout_logfile_maxbytes = 0\n"
				     "command = @child@ lines 40000 say @dir@/said full hold\n",
				     full));
	fixture_until_logged(f, "No space left on device");
	fixture_ctl_is(f, 0, NULL, "", "start", "other", "--", fixture_child(f), "lines", "40000");
	fixture_ctl_is(f, 0, "", "", "wait", "other"); /* is not held up */
	assert_int_equal(fixture_ctl(f, "tail", "-n", "99999", "other").out_len, LINES * 64);
}

static void a_full_disk_holds_up_its_own_log_only_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fill_disk(f, "");
	fixture_expect_silence(f, said);
	make_room(f);
	fixture_expect_line(f, said, "full");
	assert_int_equal(fixture_ctl(f, "tail", "-n", "99999", "full").out_len, LINES * 64);
	fixture_down(f);
	assert_contains(fixture_file(f, "log"), "full.log: No space left on device, output waits");
	assert_contains(fixture_file(f, "log"), "full.log: can be written again");
}

static void what_a_full_disk_drops_is_counted_in_the_log(void **state)
{
	static const char again[] = "full.log: can be written again, ";
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	size_t printed = LINES * 64;

	fill_disk(f, "log_full = drop\n");
	fixture_expect_line(f, said, "full"); /* was not held up */
	make_room(f);
	while (!strstr(fixture_file(f, "log"), again)) { /* tried again now and then */
		fixture_ctl_is(f, 0, NULL, "", "restart", "full");
		fixture_expect_line(f, said, "full");
		printed += LINES * 64;
		usleep(20000);
	}
	fixture_ctl_is(f, 0, NULL, "", "stop", "full");
	fixture_down(f);
	const char *words = strstr(fixture_file(f, "log"), again) + strlen(again);
	struct stat st;
	assert_return_code(stat(fixture_path(f, "small/full.log"), &st), errno);
	assert_int_equal(strtoull(words, NULL, 10) + (size_t)st.st_size, printed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_start_that_fork_refuses_is_made_when_it_does_not),
		cmocka_unit_test_setup_teardown(
			a_start_that_a_cgroup_refuses_is_made_when_it_does_not, fixture_setup,
			remove_cgroup),
		fixture_test(parts_that_die_while_fork_is_refused_come_back_later),
		fixture_test(a_forkserver_that_may_not_fork_says_so),
		fixture_test(a_keeper_without_descriptors_starts_nothing_and_loses_nobody),
		fixture_test(a_run_without_descriptors_is_carried_out_later),
		fixture_test(a_logger_without_descriptors_gives_way_to_one_that_has),
		fixture_test(a_supervisor_without_descriptors_serves_whom_it_has),
		fixture_test(a_reload_without_descriptors_changes_nothing),
		fixture_test(a_full_disk_holds_up_its_own_log_only_and_loses_nothing),
		fixture_test(what_a_full_disk_drops_is_counted_in_the_log),
	};

	return fixture_run(tests);
}
