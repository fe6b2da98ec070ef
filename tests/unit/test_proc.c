/* test_proc.c - what /proc says of a process */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/proc.h"

static void a_process_is_what_the_kernel_says(void **unused)
{
	struct proc_stat s;

	(void)unused;
	assert_int_equal(proc_stat(getpid(), &s), 0);
	assert_int_equal(s.state, 'R');
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(s.pgrp, getpgrp());
	assert_int_equal(s.session, getsid(0));
	assert_true(s.start_ticks > 0);
}

static void a_name_may_hold_anything(void **unused)
{
	char before[16];
	struct proc_stat s;

	(void)unused;
	prctl(PR_GET_NAME, before);
	prctl(PR_SET_NAME, ") Z 1 2 3 (");
	int r = proc_stat(getpid(), &s);
	prctl(PR_SET_NAME, before);
	assert_int_equal(r, 0);
	assert_int_equal(s.state, 'R');
	assert_int_equal(s.ppid, getppid());
}

static void a_zombie_is_still_there_and_later_it_is_not(void **unused)
{
	struct proc_stat s, own;
	siginfo_t si;
	pid_t pid = fork();

	(void)unused;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_stat(pid, &s), 0);
	assert_int_equal(s.state, 'Z');
	assert_int_equal(s.ppid, getpid());
	assert_int_equal(proc_stat(getpid(), &own), 0);
	assert_true(s.start_ticks >= own.start_ticks);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc_stat(pid, &s), -ENOENT);
}

static void a_program_that_is_not_beside_us_is_in_libexec(void **unused)
{
	char path[PATH_MAX], self[PATH_MAX] = { 0 };

	(void)unused;
	assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
	proc_beside("test_proc", path, sizeof path);
	assert_string_equal(path, self);
	proc_beside("no-such-program", path, sizeof path);
	assert_string_equal(path, FOSTER_LIBEXECDIR "/no-such-program");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_what_the_kernel_says),
		cmocka_unit_test(a_name_may_hold_anything),
		cmocka_unit_test(a_zombie_is_still_there_and_later_it_is_not),
		cmocka_unit_test(a_program_that_is_not_beside_us_is_in_libexec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
