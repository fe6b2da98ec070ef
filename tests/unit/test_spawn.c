#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/rawcall.h"
#include "daemon/keeper/spawn.h"

static const int nothing_inherited[] = { -1 };

static void wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 10000), 1);
}

/* A program, what is planned with it, and what comes of it. */
struct job {
	struct spawn_plan plan;
	const char *paths[3], *argv[4], *envp[2];
	int out; /* where what it prints can be read; -1 */
	struct spawn_result result;
	struct spawn_fail fail;
	unsigned done; /* times */
};

static void plan(struct job *j, uint32_t flags, const char *path, const char *a, const char *b)
{
	*j = (struct job){
		.paths = { "/no/such/program", path, NULL },
		.argv = { path, a, b, NULL },
		.envp = { "ONLY=this", NULL },
		.out = -1,
	};
	j->plan = (struct spawn_plan){
		.flags = flags,
		.fds = { spawn_null_fd(), spawn_null_fd(), spawn_null_fd() },
		.n_fds = 3,
		.umask = 077,
		.inherit = nothing_inherited,
		.paths = j->paths,
		.argv = (char *const *)j->argv,
		.envp = (char *const *)j->envp,
	};
}

/* What it prints shall be kept; end_of_plan() closes our copy of its end. */
static void keep_output(struct job *j)
{
	int out[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	j->out = out[0];
	j->plan.fds[1] = j->plan.fds[2] = out[1];
}

static void end_of_plan(struct job *j)
{
	if (j->out >= 0)
		close(j->plan.fds[1]);
}

/* Carefully done, how it went is known later: then it is waited for. -1 when it failed. */
static int outcome(struct job *j)
{
	ssize_t n;

	if (j->result.report_fd < 0)
		return 0;
	wait_for(j->result.report_fd);
	n = read(j->result.report_fd, &j->fail, sizeof j->fail);
	close(j->result.report_fd);
	if (n == 0)
		return 0;
	assert_int_equal(n, sizeof j->fail);
	close(j->result.pidfd);
	assert_int_equal(waitpid(j->result.pid, NULL, 0), j->result.pid);
	return -1;
}

/* Returns its wait status. */
static int end(struct job *j, struct buf *output)
{
	int status;

	if (output) {
		assert_int_equal(fd_read_all(j->out, output, 65536), 0);
		close(j->out);
	}
	assert_int_equal(outcome(j), 0);
	assert_int_equal(waitpid(j->result.pid, &status, 0), j->result.pid);
	close(j->result.pidfd);
	return status;
}

static int run(struct job *j, struct buf *output)
{
	keep_output(j);
	assert_int_equal(spawn(&j->plan, &j->result, &j->fail), 0);
	end_of_plan(j);
	return end(j, output);
}

static void nothing_is_left(int n_fds)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(fd_count(), n_fds);
}

/* ---- one ------------------------------------------------------------------------------------ */

static void check_child(uint32_t flags)
{
	auto_buf struct buf b = { 0 };
	int before = fd_count();
	struct job j;

	plan(&j, flags | LINK_SPAWN_SESSION, "/bin/sh", "-c",
	     "ls /proc/self/fd | wc -l; umask; pwd; echo $ONLY; exit 3");
	j.plan.directory = "/";
	assert_int_equal(run(&j, &b), 3 << 8);
	/* 0, 1, 2, and what ls opened */
	assert_string_equal(b.data, "4\n0077\n/\nthis\n");
	nothing_is_left(before);
}

static void a_child_gets_what_was_planned_and_nothing_else_cheaply(void **unused)
{
	(void)unused;
	check_child(LINK_SPAWN_LOCAL);
}

static void a_child_gets_what_was_planned_and_nothing_else_carefully(void **unused)
{
	(void)unused;
	check_child(0);
}

static void expect_fail(const char *path, const char *directory, enum link_step step, int err)
{
	int before = fd_count();
	struct job j;

	plan(&j, LINK_SPAWN_LOCAL, path, NULL, NULL);
	j.plan.directory = directory;
	if (spawn(&j.plan, &j.result, &j.fail) == 0)
		assert_int_equal(outcome(&j), -1);
	assert_int_equal(j.fail.step, step);
	assert_int_equal(j.fail.err, err);
	nothing_is_left(before);
}

static void a_missing_program_names_its_step(void **unused)
{
	(void)unused;
	expect_fail("/no/such/program", NULL, LINK_STEP_EXEC, ENOENT);
	expect_fail("/etc/passwd", NULL, LINK_STEP_EXEC, EACCES);
	expect_fail("/bin/true", "/no/such/directory", LINK_STEP_CHDIR, ENOENT);
}

static void a_directory_by_descriptor_is_entered(void **unused)
{
	auto_close int directory = open("/usr", O_PATH | O_CLOEXEC);
	auto_buf struct buf b = { 0 };
	struct job j;

	(void)unused;
	plan(&j, LINK_SPAWN_LOCAL | LINK_SPAWN_DIRECTORY_FD, "/bin/pwd", "-P", NULL);
	j.plan.directory_fd = directory;
	assert_int_equal(run(&j, &b), 0);
	assert_string_equal(b.data, "/usr\n");
}

/* ---- several -------------------------------------------------------------------------------- */

static unsigned n_done;

static void on_done(void *data, struct spawn_plan *its, const struct spawn_result *result,
		    const struct spawn_fail *fail)
{
	struct job *j = data;

	assert_ptr_equal(its, &j->plan);
	j->done++;
	if (result)
		j->result = *result;
	else
		j->fail = *fail;
	n_done++;
}

#define MANY 300

/* Each third fails, each in a way of its own kind; the others print their number into their pipe. */
static void many_that_overlap_are_told_in_order(void **unused)
{
	static struct job jobs[MANY];
	static char numbers[MANY][8];
	int before = fd_count();

	(void)unused;
	n_done = 0;
	for (unsigned i = 0; i < MANY; i++) {
		struct job *j = &jobs[i];

		snprintf(numbers[i], sizeof numbers[i], "%u", i);
		plan(j, LINK_SPAWN_LOCAL | LINK_SPAWN_SESSION,
		     i % 3 ? "/bin/echo" : "/no/such/other", numbers[i], NULL);
		keep_output(j);
		spawn_begin(&j->plan, true, on_done, j);
		end_of_plan(j);
		for (unsigned k = 0; k <= i; k++)
			assert_int_equal(jobs[k].done, k < n_done);
	}
	spawn_finish();
	assert_int_equal(n_done, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		auto_buf struct buf b = { 0 };

		assert_int_equal(jobs[i].done, 1);
		if (i % 3) {
			assert_int_equal(end(&jobs[i], &b), 0);
			b.data[b.len - 1] = '\0'; /* the newline */
			assert_string_equal(b.data, numbers[i]);
			continue;
		}
		if (jobs[i].result.pid)
			assert_int_equal(outcome(&jobs[i]), -1);
		assert_int_equal(jobs[i].fail.step, LINK_STEP_EXEC);
		assert_int_equal(jobs[i].fail.err, ENOENT);
		close(jobs[i].out);
	}
	nothing_is_left(before);
}

static void no_child_is_heard_in_our_errno(void **unused)
{
	static const char *nowhere[2000];
	struct job j;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(nowhere) - 1; i++)
		nowhere[i] = "/no/such/program";
	unsigned overlapped = 0;
	for (int i = 0; overlapped < 20 && i < (RAWCALL_IS_RAW ? 20000 : 20); i++) {
		volatile int *own = &errno;

		n_done = 0;
		plan(&j, LINK_SPAWN_LOCAL, "/bin/true", NULL, NULL);
		j.plan.paths = nowhere;
		spawn_begin(&j.plan, true, on_done, &j);
		if (n_done) { /* the machine is busy: it did not overlap */
			if (j.result.pid)
				assert_int_equal(outcome(&j), -1);
			usleep(1000);
			continue;
		}
		*own = EXDEV;
		for (int k = 0; k < 100000; k++)
			assert_int_equal(*own, EXDEV);
		spawn_finish();
		assert_int_equal(j.fail.err, ENOENT);
		overlapped++;
	}
	assert_int_equal(overlapped, RAWCALL_IS_RAW ? 20 : 0);
}

/* What needs more than its place among several waits for them, and comes in its turn. */
static void one_that_cannot_overlap_waits_for_the_others(void **unused)
{
	int before = fd_count();
	struct job quick[2], other;

	(void)unused;
	n_done = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(quick); i++) {
		plan(&quick[i], LINK_SPAWN_LOCAL, "/bin/true", NULL, NULL);
		spawn_begin(&quick[i].plan, true, on_done, &quick[i]);
	}
	plan(&other, 0, "/bin/sh", "-c", "exit 4"); /* carefully */
	spawn_begin(&other.plan, true, on_done, &other);
	assert_int_equal(n_done, 3);
	for (unsigned i = 0; i < ARRAY_SIZE(quick); i++)
		assert_int_equal(end(&quick[i], NULL), 0);
	assert_int_equal(end(&other, NULL), 4 << 8);
	nothing_is_left(before);
}

/* ---- cgroups ------------------------------------------------------------------------------ */

/* A new cgroup in the hierarchy of version 2, wherever it is mounted. */
static bool make_cgroup(char *path, size_t size)
{
	static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		snprintf(path, size, "%s/cgroup.procs", roots[i]);
		if (access(path, W_OK) < 0)
			continue;
		snprintf(path, size, "%s/foster-test-%d", roots[i], (int)getpid());
		return mkdir(path, 0755) == 0;
	}
	return false;
}

static void is_born_in_its_cgroup(const char *path, uint32_t flags)
{
	auto_close int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_buf struct buf output = { 0 };
	struct job j;

	assert_return_code(cgroup, errno);
	plan(&j, flags | LINK_SPAWN_CGROUP, "/bin/cat", "/proc/self/cgroup", NULL);
	j.plan.cgroup_fd = cgroup;
	assert_int_equal(run(&j, &output), 0);
	assert_true(j.result.in_cgroup);
	assert_non_null(strstr(output.data, strrchr(path, '/')));
}

static void a_child_is_born_in_its_cgroup(void **unused)
{
	char path[128];

	(void)unused;
	if (!make_cgroup(path, sizeof path)) {
		print_message("# skip: needs a cgroup2 hierarchy to write to\n");
		skip();
	}
	is_born_in_its_cgroup(path, LINK_SPAWN_LOCAL);
	is_born_in_its_cgroup(path, 0);
	assert_return_code(rmdir(path), errno);
}

static void a_cgroup_that_cannot_be_is_done_without(void **unused)
{
	const uint32_t ways[] = { LINK_SPAWN_LOCAL, 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		auto_buf struct buf output = { 0 };
		struct job j;

		plan(&j, ways[i] | LINK_SPAWN_CGROUP, "/bin/sh", "-c", "exit 7");
		j.plan.cgroup_fd = 0; /* no cgroup */
		assert_int_equal(run(&j, &output), 7 << 8);
		assert_false(j.result.in_cgroup);
	}
}

/* ---- a user who stops what becomes his ------------------------------------------------------ */

#define STOPPED 64999 /* of no other process */
#define SECONDS 20

/* Ends by itself, and then lets run again what it has stopped, so that this test fails and does not
 * hang. */
static pid_t start_stopper(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	time_t end = time(NULL) + SECONDS;
	if (setresuid(STOPPED, STOPPED, STOPPED) < 0)
		_exit(1);
	while (time(NULL) < end)
		kill(-1, SIGSTOP);
	kill(-1, SIGCONT);
	_exit(0);
}

/* Of a child that takes its time between setresuid(2) and the end of execve(2). */
static int status_of_slow_child(struct job *j)
{
	static const char *nowhere[20000];
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(nowhere) - 1; i++)
		nowhere[i] = "/no/such/program";
	plan(j, LINK_SPAWN_LOCAL | LINK_SPAWN_IDS, "/bin/true", NULL, NULL);
	j->plan.paths = nowhere;
	j->plan.uid = STOPPED;
	if (spawn(&j->plan, &j->result, &j->fail) < 0)
		return 0;
	if (j->result.report_fd >= 0) { /* the machine is busy: it is not on our memory */
		close(j->result.report_fd);
		kill(j->result.pid, SIGKILL);
	}
	assert_int_equal(waitpid(j->result.pid, &status, 0), j->result.pid);
	close(j->result.pidfd);
	return j->result.report_fd >= 0 ? 0 : status;
}

/* The last test: from here on everything is done carefully. */
static void who_stops_a_child_that_becomes_his_does_not_stop_us(void **unused)
{
	int before = fd_count(), status = 0;
	pid_t stopper;
	struct job j;

	(void)unused;
	if (geteuid() != 0 || !RAWCALL_IS_RAW)
		skip();
	stopper = start_stopper();
	assert_true(stopper > 0);
	while (status == 0 && waitpid(stopper, NULL, WNOHANG) == 0)
		status = status_of_slow_child(&j);
	assert_int_equal(status, SIGKILL);
	kill(stopper, SIGKILL);
	assert_int_equal(waitpid(stopper, NULL, 0), stopper);
	plan(&j, LINK_SPAWN_LOCAL, "/bin/true", NULL, NULL);
	assert_int_equal(spawn(&j.plan, &j.result, &j.fail), 0);
	assert_true(j.result.report_fd >= 0);
	assert_int_equal(end(&j, NULL), 0);
	nothing_is_left(before);
}

static int set_up(void **state)
{
	sigset_t all;

	(void)state;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	return spawn_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_gets_what_was_planned_and_nothing_else_cheaply),
		cmocka_unit_test(a_child_gets_what_was_planned_and_nothing_else_carefully),
		cmocka_unit_test(a_missing_program_names_its_step),
		cmocka_unit_test(a_directory_by_descriptor_is_entered),
		cmocka_unit_test(many_that_overlap_are_told_in_order),
		cmocka_unit_test(no_child_is_heard_in_our_errno),
		cmocka_unit_test(one_that_cannot_overlap_waits_for_the_others),
		cmocka_unit_test(a_child_is_born_in_its_cgroup),
		cmocka_unit_test(a_cgroup_that_cannot_be_is_done_without),
		cmocka_unit_test(who_stops_a_child_that_becomes_his_does_not_stop_us),
	};

	for (int fd = 3; fd < 1024; fd++) /* whatever we were given would be a child's, too */
		(void)fd_set_cloexec(fd, true);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
