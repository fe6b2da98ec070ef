/* Processes that are not our children: grandchildren, whose parent reaps them when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/keeper/pidinfo.h"

/* A parent that reaps its child when something is written to it. */
struct family {
	pid_t parent, child;
	int reap_fd, pidfd; /* pidfd of child */
	struct pidinfo_identity who;
};

_Noreturn static void be_parent(int said, int orders)
{
	pid_t child = fork();
	char c;

	if (child == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(child, child);
	if (write(said, &child, sizeof child) < 0 || read(orders, &c, 1) < 0)
		_exit(1);
	waitpid(child, NULL, 0);
	if (write(said, &c, 1) < 0 || read(orders, &c, 1) < 0)
		_exit(1);
	_exit(0);
}

static int said_fd;

static int set_up(void **state)
{
	static struct family f;
	int said[2], orders[2];

	*state = &f;
	if (pipe(said) < 0 || pipe(orders) < 0)
		return -1;
	f.parent = fork();
	if (f.parent == 0)
		be_parent(said[1], orders[0]);
	close(said[1]);
	close(orders[0]);
	said_fd = said[0];
	f.reap_fd = orders[1];
	if (read(said_fd, &f.child, sizeof f.child) != (ssize_t)sizeof f.child)
		return -1;
	f.pidfd = (int)syscall(SYS_pidfd_open, f.child, 0);
	pidinfo_identify(f.pidfd, f.child, &f.who);
	return 0;
}

static int tear_down(void **state)
{
	struct family *f = *state;

	kill(f->child, SIGKILL);
	kill(f->parent, SIGKILL);
	waitpid(f->parent, NULL, 0);
	close(f->pidfd);
	close(f->reap_fd);
	close(said_fd);
	return 0;
}

static void end_child(struct family *f)
{
	struct pollfd p = { .fd = f->pidfd, .events = POLLIN };

	kill(f->child, SIGTERM);
	assert_int_equal(poll(&p, 1, 10000), 1);
}

static void reap_child(struct family *f)
{
	char c = 0;

	assert_int_equal(write(f->reap_fd, &c, 1), 1);
	assert_int_equal(read(said_fd, &c, 1), 1);
}

static bool kernel_tells(void)
{
	pid_t pid = fork();
	struct proc_end end;

	if (pid == 0)
		_exit(5);
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	waitpid(pid, NULL, 0);
	return pidinfo_end(pidfd, pid, &end) == 0;
}

static void it_is_known_again(void **state)
{
	struct family *f = *state;
	struct pidinfo_identity other = f->who;

	other.inode += other.inode != 0;
	other.start_ticks += other.inode == 0;
	auto_close int again = pidinfo_open(f->child, &f->who);
	assert_true(again >= 0);
	assert_true(pidinfo_is(again, f->child, &f->who));
	assert_int_equal(pidinfo_pid(again), f->child);
	assert_int_equal(pidinfo_open(f->child, &other), -ESRCH);
	assert_int_equal(pidinfo_open(f->parent, &f->who), -ESRCH);
	assert_int_equal(pidinfo_pid(STDOUT_FILENO), -EBADF);
}

static void what_lives_has_no_end(void **state)
{
	struct family *f = *state;
	struct proc_end end;

	assert_int_equal(pidinfo_end(f->pidfd, f->child, &end), -EAGAIN);
}

static void a_zombie_tells_its_end(void **state)
{
	struct family *f = *state;
	struct proc_end end;

	end_child(f);
	assert_int_equal(pidinfo_end(f->pidfd, f->child, &end), 0);
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGTERM);
	assert_int_equal(pidinfo_pid(f->pidfd), f->child);
}

static void one_that_was_reaped_tells_it_or_nothing(void **state)
{
	struct family *f = *state;
	struct proc_end end = { 0 };
	bool tells = kernel_tells();

	end_child(f);
	reap_child(f);
	assert_int_equal(pidinfo_pid(f->pidfd), 0);
	assert_int_equal(pidinfo_end(f->pidfd, f->child, &end), tells ? 0 : -ENODATA);
	assert_int_equal(end.status, tells ? SIGTERM : 0);
}

static void a_signal_reaches_it_or_nobody(void **state)
{
	struct family *f = *state;
	struct pollfd p = { .fd = f->pidfd, .events = POLLIN };

	assert_int_equal(pidinfo_signal(f->pidfd, f->child, 0, false), 0);
	assert_int_equal(pidinfo_signal(f->pidfd, f->child, SIGTERM, true), 0);
	assert_int_equal(poll(&p, 1, 10000), 1);
	reap_child(f);
	assert_int_equal(pidinfo_signal(f->pidfd, f->child, SIGTERM, false), -ESRCH);
	assert_int_equal(pidinfo_signal(f->pidfd, f->child, SIGTERM, true), -ESRCH);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(it_is_known_again),
		TEST(what_lives_has_no_end),
		TEST(a_zombie_tells_its_end),
		TEST(one_that_was_reaped_tells_it_or_nothing),
		TEST(a_signal_reaches_it_or_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
