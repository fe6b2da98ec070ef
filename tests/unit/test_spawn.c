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
	};

	for (int fd = 3; fd < 1024; fd++) /* whatever we were given would be a child's, too */
		(void)fd_set_cloexec(fd, true);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
