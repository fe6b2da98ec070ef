/* e2e_container.c - fosterd as PID 1 of a container
 *
 * Each test makes a PID namespace with its own /proc, in which fosterd is the init process. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"

_Noreturn static void become_init(struct fixture *f)
{
	char program[512];

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0)
		_exit(124);
	setenv("NOTIFY_SOCKET", fixture_path(f, "notify"), 1);
	unsetenv("FOSTER_SOCKET");
	int out = open(fixture_path(f, "out"), O_WRONLY | O_CREAT | O_APPEND, 0644);
	int log = open(fixture_path(f, "log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (dup2(out, 1) < 0 || dup2(log, 2) < 0)
		_exit(124);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	snprintf(program, sizeof program, "%s/fosterd", f->build);
	execl(program, "fosterd", "-c", fixture_path(f, "foster.ini"), (char *)NULL);
	_exit(126);
}

/* fosterd as PID 1 on text. */
static void boot(struct fixture *f, const char *text)
{
	fixture_write_config(f, text);
	assert_int_equal(fixture_open_notify(f), 0);
	fflush(stdout);
	f->fosterd = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL,
				    NULL, NULL);
	if (f->fosterd == 0)
		become_init(f);
	if (f->fosterd < 0) {
		f->fosterd = 0;
		fixture_skip("cannot make a PID namespace");
	}
	fixture_wait_ready(f);
}

static void what_falls_to_it_is_reaped(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t pids[16];

	/* ten orphans, one after the other, each ended by the time that x says "up" */
	boot(f,
	     "[program:x]\nstartsecs = 0\n"
	     "command = sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do @child@ fork fork sleep 10 end end; "
	     "done; @child@ sleep 100; exec @child@ say @dir@/said up hold'\n");
	fixture_expect_line(f, said, "up");
	/* keeper's children: supervisor, logger, x */
	size_t n = 0;
	for (int i = 0; i < 500; i++) {
		n = run_children_of(f->fosterd, pids, ARRAY_SIZE(pids));
		if (n == 3)
			break;
		usleep(10000);
	}
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		assert_int_not_equal(run_state_of(pids[i]), 'Z');
	fixture_down(f);
}

static void exit_on_gives_the_container_its_status(void **state)
{
	struct fixture *f = *state;

	boot(f,
	     "[foster]\nexit_on = main\n"
	     "[program:main]\nautorestart = false\nstartsecs = 0\ncommand = @child@ sleep 100 exit 7\n"
	     "[program:side]\n" HOLD);
	assert_int_equal(fixture_gone(f), 7);
}

static void signals_that_end_it_end_it(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* The kernel delivers to an init only what it has a handler for. */
	boot(f, "[program:x]\nstartsecs = 0\n"
		"command = @child@ bye 15 @dir@/said stopped say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	fixture_down(f);
	fixture_expect_line(f, said, "stopped");
}

static void other_signals_are_not_passed_on(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	boot(f,
	     "[program:x]\nstartsecs = 0\n"
	     "command = @child@ tell 1 @dir@/said hup tell 28 @dir@/said winch tell 10 @dir@/said usr1 "
	     "say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	fixture_settle(f, "x", "RUNNING");
	static const int numbers[] = { SIGHUP, SIGWINCH, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM };
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		fixture_kill(f->fosterd, numbers[i]);
	fixture_expect_nothing(f, "x");
	fixture_expect_silence(f, said);
	fixture_ctl_is(f, 0, "pong\n", "", "ping");
	fixture_down(f);
}

static void its_parts_are_replaced_there_too(void **state)
{
	struct fixture *f = *state;
	pid_t pids[16];

	boot(f, "[program:x]\n" HOLD);
	pid_t x = fixture_settle(f, "x", "RUNNING");
	/* PIDs inside differ from ours: find the supervisor by its name */
	size_t n = run_children_of(f->fosterd, pids, ARRAY_SIZE(pids));
	pid_t inside = fixture_supervisor(f);
	for (size_t i = 0; i < n; i++) {
		char name[32];

		if (run_name_of(pids[i], name, sizeof name) == 0 &&
		    strncmp(name, "foster-supervis", 15) == 0)
			fixture_kill(pids[i], SIGKILL);
	}
	fixture_new_supervisor(f, inside);
	assert_int_equal(fixture_pid(f, "x"), x);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(what_falls_to_it_is_reaped),
		fixture_test(exit_on_gives_the_container_its_status),
		fixture_test(signals_that_end_it_end_it),
		fixture_test(other_signals_are_not_passed_on),
		fixture_test(its_parts_are_replaced_there_too),
	};

	return fixture_run(tests);
}
