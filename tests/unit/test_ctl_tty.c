/* The relay between a user's terminal and a child's: a real pty stands for the user's terminal, a
 * process on it is fosterctl, and its child runs a shell script on the pty that tty.c makes. */
#include "ctl/client/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

#define DEADLINE_NS (10 * NS_PER_S)

struct fixture {
	/* Of the user's terminal; slave stays open so that its settings can be read. */
	int master, slave;
	struct termios before;
	pid_t user; /* the process that plays fosterctl */
	char heard[8192];
	size_t len;
};

/* ---- the process that plays fosterctl ------------------------------------------------------ */

static void become_child(const struct tty *t, const char *script)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL); /* a shell's background job ignores it */
	setsid();
	for (int fd = 0; fd < 3; fd++)
		dup2(t->slave, fd);
	ioctl(STDIN_FILENO, TIOCSCTTY, 0);
	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	_exit(127);
}

static int watch(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void relay_until_end(struct tty *t, int signals)
{
	struct pollfd polls[1 + TTY_POLLS];
	struct signalfd_siginfo si;

	for (;;) {
		polls[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
		tty_polls(t, polls + 1);
		if (poll(polls, 1 + TTY_POLLS, -1) < 0)
			continue;
		tty_act(t, polls + 1);
		if (!polls[0].revents || read(signals, &si, sizeof si) != (ssize_t)sizeof si)
			continue;
		if (si.ssi_signo == SIGCHLD)
			return;
		if (si.ssi_signo == SIGWINCH)
			tty_resize(t);
		else
			tty_stop(t);
	}
}

/* Exits as the script does. */
_Noreturn static void play_fosterctl(const struct fixture *f, const char *script)
{
	static struct tty t;
	int signals = watch(), status = 0;
	pid_t child;

	setsid();
	ioctl(f->slave, TIOCSCTTY, 0);
	for (int fd = 0; fd < 3; fd++)
		dup2(f->slave, fd);
	if (tty_open(&t) < 0)
		_exit(99);
	child = fork();
	if (child == 0)
		become_child(&t, script);
	tty_begin(&t);
	relay_until_end(&t, signals);
	tty_done(&t);
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* ---- the user ------------------------------------------------------------------------------ */

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct winsize size = { .ws_row = 24, .ws_col = 80 };

	assert_non_null(f);
	f->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_return_code(f->master, errno);
	assert_return_code(grantpt(f->master) | unlockpt(f->master), errno);
	f->slave = ioctl(f->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_return_code(f->slave, errno);
	assert_return_code(ioctl(f->master, TIOCSWINSZ, &size), errno);
	assert_return_code(tcgetattr(f->slave, &f->before), errno);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->user > 0) {
		kill(f->user, SIGKILL);
		waitpid(f->user, NULL, 0);
	}
	close(f->master);
	close(f->slave);
	free(f);
	return 0;
}

static void begin(struct fixture *f, const char *script)
{
	f->user = fork();
	assert_return_code(f->user, errno);
	if (f->user == 0)
		play_fosterctl(f, script);
}

/* Read what the terminal shows until text is among it. */
static void hear(struct fixture *f, const char *text)
{
	uint64_t deadline = clock_boot_ns() + DEADLINE_NS;
	struct pollfd p = { .fd = f->master, .events = POLLIN };

	while (!strstr(f->heard, text)) {
		ssize_t n;

		if (clock_boot_ns() > deadline)
			fail_msg("not heard: %s; only: %s", text, f->heard);
		if (poll(&p, 1, 100) < 1)
			continue;
		n = read(f->master, f->heard + f->len, sizeof f->heard - 1 - f->len);
		assert_return_code(n, errno);
		f->len += (size_t)n;
	}
	f->len = 0;
	memset(f->heard, 0, sizeof f->heard);
}

static void type(struct fixture *f, const char *keys)
{
	assert_int_equal(write(f->master, keys, strlen(keys)), strlen(keys));
}

static bool is_restored(const struct fixture *f)
{
	struct termios now;

	assert_return_code(tcgetattr(f->slave, &now), errno);
	return now.c_lflag == f->before.c_lflag && now.c_iflag == f->before.c_iflag &&
	       now.c_oflag == f->before.c_oflag && now.c_cflag == f->before.c_cflag;
}

/* wait(2)'s status of the process that plays fosterctl. */
static int end_of(struct fixture *f)
{
	int status;

	assert_int_equal(waitpid(f->user, &status, 0), f->user);
	f->user = 0;
	return status;
}

/* ---- promises ------------------------------------------------------------------------------ */

static void the_child_has_a_terminal_of_its_own_and_of_the_same_size(void **state)
{
	struct fixture *f = *state;

	begin(f, "test -t 0 -a -t 1 -a -t 2 && stty size </dev/tty; exit 3");
	hear(f, "24 80\r\n");
	assert_int_equal(WEXITSTATUS(end_of(f)), 3);
	assert_true(is_restored(f));
}

static void keys_go_in_and_output_comes_out(void **state)
{
	struct fixture *f = *state;

	begin(f, "echo ready; read line; echo \"got $line\"");
	hear(f, "ready\r\n");
	assert_false(is_restored(f));
	type(f, "abc\r");
	hear(f, "got abc\r\n");
	assert_int_equal(end_of(f), 0);
}

static void ctrl_c_is_made_into_a_signal_by_the_childs_terminal(void **state)
{
	struct fixture *f = *state;

	begin(f, "trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.1; done");
	hear(f, "ready\r\n");
	type(f, "\003");
	hear(f, "interrupted\r\n");
	assert_int_equal(WEXITSTATUS(end_of(f)), 5);
	assert_true(is_restored(f));
}

static void a_new_size_reaches_the_child(void **state)
{
	struct fixture *f = *state;
	struct winsize size = { .ws_row = 40, .ws_col = 100 };

	begin(f, "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done");
	hear(f, "ready\r\n");
	assert_return_code(ioctl(f->master, TIOCSWINSZ, &size), errno);
	hear(f, "40 100\r\n");
	assert_int_equal(end_of(f), 0);
}

static void all_output_is_passed_on_before_the_end(void **state)
{
	struct fixture *f = *state;

	begin(f, "i=0; while [ $i -lt 200 ]; do echo line$i; i=$((i + 1)); done; echo last");
	hear(f, "line199\r\nlast\r\n");
	assert_int_equal(end_of(f), 0);
}

static void settings_come_back_while_it_is_stopped(void **state)
{
	struct fixture *f = *state;
	int status;

	begin(f, "echo ready; read line; echo \"got $line\"");
	hear(f, "ready\r\n");
	assert_return_code(kill(f->user, SIGTSTP), errno);
	assert_int_equal(waitpid(f->user, &status, WUNTRACED), f->user);
	assert_true(WIFSTOPPED(status));
	assert_true(is_restored(f));
	assert_return_code(kill(f->user, SIGCONT), errno);
	type(f, "on\r");
	hear(f, "got on\r\n");
	assert_int_equal(end_of(f), 0);
	assert_true(is_restored(f));
}

static void settings_come_back_when_it_crashes(void **state)
{
	struct fixture *f = *state;
	int status;

	begin(f, "echo ready; sleep 10");
	hear(f, "ready\r\n");
	assert_return_code(kill(f->user, SIGSEGV), errno);
	status = end_of(f);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_true(is_restored(f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_child_has_a_terminal_of_its_own_and_of_the_same_size),
		TEST(keys_go_in_and_output_comes_out),
		TEST(ctrl_c_is_made_into_a_signal_by_the_childs_terminal),
		TEST(a_new_size_reaches_the_child),
		TEST(all_output_is_passed_on_before_the_end),
		TEST(settings_come_back_while_it_is_stopped),
		TEST(settings_come_back_when_it_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
