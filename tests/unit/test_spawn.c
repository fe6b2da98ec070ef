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
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/spawn.h"

static const int nothing_inherited[] = { -1 };

static void wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 10000), 1);
}

/* sh -c SCRIPT, its output into *output; flags decide the way. Returns its wait status. */
static int run(const char *script, uint32_t flags, const char *directory, struct buf *output)
{
	const char *const paths[] = { "/no/such/sh", "/bin/sh", NULL };
	const char *const argv[] = { "sh", "-c", script, NULL };
	const char *const envp[] = { "ONLY=this", NULL };
	struct spawn_result result;
	struct spawn_fail fail;
	int out[2], status;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	struct spawn_plan plan = { .flags = flags,
				   .fds = { spawn_null_fd(), out[1], out[1] },
				   .n_fds = 3,
				   .directory = directory,
				   .umask = 077,
				   .inherit = nothing_inherited,
				   .paths = paths,
				   .argv = (char *const *)argv,
				   .envp = (char *const *)envp };
	assert_int_equal(spawn(&plan, &result, &fail), 0);
	close(out[1]);
	assert_int_equal(fd_read_all(out[0], output, 65536), 0);
	close(out[0]);
	if (result.report_fd >= 0) {
		wait_for(result.report_fd);
		assert_int_equal(read(result.report_fd, &fail, sizeof fail), 0);
		close(result.report_fd);
	}
	assert_int_equal(waitpid(result.pid, &status, 0), result.pid);
	close(result.pidfd);
	return status;
}

static void check_child(uint32_t flags)
{
	auto_buf struct buf b = { 0 };
	int before = fd_count();

	assert_int_equal(run("ls /proc/self/fd | wc -l; umask; pwd; echo $ONLY; exit 3",
			     flags | LINK_SPAWN_SESSION, "/", &b),
			 3 << 8);
	/* 0, 1, 2, and what ls opened */
	assert_string_equal(b.data, "4\n0077\n/\nthis\n");
	assert_int_equal(fd_count(), before);
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
	const char *const paths[] = { path, NULL };
	const char *const argv[] = { path, NULL };
	struct spawn_plan plan = { .flags = LINK_SPAWN_LOCAL,
				   .fds = { spawn_null_fd(), spawn_null_fd(), spawn_null_fd() },
				   .n_fds = 3,
				   .directory = directory,
				   .umask = -1,
				   .inherit = nothing_inherited,
				   .paths = paths,
				   .argv = (char *const *)argv,
				   .envp = (char *const *)argv };
	struct spawn_result result;
	struct spawn_fail fail;
	int before = fd_count();

	if (spawn(&plan, &result, &fail) == 0) { /* carefully, for the machine is busy */
		assert_true(result.report_fd >= 0);
		wait_for(result.report_fd);
		assert_int_equal(read(result.report_fd, &fail, sizeof fail), sizeof fail);
		close(result.report_fd);
		close(result.pidfd);
		assert_int_equal(waitpid(result.pid, NULL, 0), result.pid);
	}
	assert_int_equal(fail.step, step);
	assert_int_equal(fail.err, err);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing left to reap */
	assert_int_equal(errno, ECHILD);
	assert_int_equal(fd_count(), before);
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
	const char *const paths[] = { "/bin/pwd", NULL };
	const char *const argv[] = { "pwd", "-P", NULL };
	struct spawn_result result;
	struct spawn_fail fail;
	char text[64] = "";
	int out[2];

	(void)unused;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	auto_close int directory = open("/usr", O_PATH | O_CLOEXEC);
	struct spawn_plan plan = { .flags = LINK_SPAWN_LOCAL | LINK_SPAWN_DIRECTORY_FD,
				   .fds = { spawn_null_fd(), out[1], spawn_null_fd() },
				   .n_fds = 3,
				   .directory_fd = directory,
				   .umask = -1,
				   .inherit = nothing_inherited,
				   .paths = paths,
				   .argv = (char *const *)argv,
				   .envp = (char *const *)(argv + 2) };
	assert_int_equal(spawn(&plan, &result, &fail), 0);
	close(out[1]);
	assert_true(read(out[0], text, sizeof text - 1) > 0);
	assert_string_equal(text, "/usr\n");
	close(out[0]);
	waitpid(result.pid, NULL, 0);
	close(result.pidfd);
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
	const char *const paths[] = { "/bin/cat", NULL };
	const char *const argv[] = { "cat", "/proc/self/cgroup", NULL };
	auto_close int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_buf struct buf output = { 0 };
	struct spawn_result result;
	struct spawn_fail fail;
	int out[2];

	assert_return_code(cgroup, errno);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	struct spawn_plan plan = { .flags = flags | LINK_SPAWN_CGROUP,
				   .fds = { spawn_null_fd(), out[1], spawn_null_fd() },
				   .n_fds = 3,
				   .cgroup_fd = cgroup,
				   .umask = -1,
				   .inherit = nothing_inherited,
				   .paths = paths,
				   .argv = (char *const *)argv,
				   .envp = (char *const *)(argv + 2) };
	assert_int_equal(spawn(&plan, &result, &fail), 0);
	close(out[1]);
	assert_int_equal(fd_read_all(out[0], &output, 65536), 0);
	close(out[0]);
	waitpid(result.pid, NULL, 0);
	close(result.pidfd);
	close_fd(&result.report_fd);
	assert_true(result.in_cgroup);
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
	auto_buf struct buf output = { 0 };

	(void)unused;
	/* descriptor 0 is no cgroup */
	assert_int_equal(run("exit 7", LINK_SPAWN_LOCAL | LINK_SPAWN_CGROUP, NULL, &output),
			 7 << 8);
	assert_int_equal(run("exit 7", LINK_SPAWN_CGROUP, NULL, &output), 7 << 8);
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
		cmocka_unit_test(a_child_is_born_in_its_cgroup),
		cmocka_unit_test(a_cgroup_that_cannot_be_is_done_without),
	};

	for (int fd = 3; fd < 1024; fd++) /* whatever we were given would be a child's, too */
		(void)fd_set_cloexec(fd, true);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
