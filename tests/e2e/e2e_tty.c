/* e2e_tty.c - fosterctl run on a terminal: relayed, resized, interrupted, restored */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

/* A terminal with fosterctl on its other end. */
struct terminal {
	int master, slave;
	pid_t client;
	struct termios before;
	struct buf seen;
};

/* fosterctl run … as the leader of a session on a terminal of 40 lines and 100 columns. */
#define terminal_run(f, t, ...) terminal_run_argv(f, t, (const char *const[]){ __VA_ARGS__, NULL })
static void terminal_run_argv(struct fixture *f, struct terminal *t, const char *const *args)
{
	struct winsize size = { .ws_row = 40, .ws_col = 100 };
	const char *argv[32] = { "fosterctl", "run" };

	for (int i = 0; i < 28 && args[i]; i++)
		argv[i + 2] = args[i];
	*t = (struct terminal){ 0 };
	assert_return_code(openpty(&t->master, &t->slave, NULL, NULL, &size), errno);
	assert_return_code(tcgetattr(t->slave, &t->before), errno);
	fflush(stdout);
	t->client = fork();
	if (t->client == 0) {
		setsid();
		ioctl(t->slave, TIOCSCTTY, 0);
		for (int fd = 0; fd < 3; fd++)
			dup2(t->slave, fd);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execv(fixture_format(f, "%s/fosterctl", f->build), (char *const *)(uintptr_t)argv);
		_exit(126);
	}
}

static void terminal_type(struct terminal *t, const char *text)
{
	assert_int_equal(write(t->master, text, strlen(text)), strlen(text));
}

/* Read the terminal until text was seen. */
static void terminal_expect(struct fixture *f, struct terminal *t, const char *text)
{
	while (!t->seen.len || !strstr(t->seen.data, text)) {
		struct pollfd p = { .fd = t->master, .events = POLLIN };
		char block[4096];

		if (poll(&p, 1, FIXTURE_DEADLINE_MS) == 0)
			fixture_fail(f, "never seen: \"%s\" but: %s", text,
				     t->seen.data ? t->seen.data : "");
		ssize_t n = read(t->master, block, sizeof block);
		if (n <= 0)
			fixture_fail(f, "the terminal has ended before \"%s\"", text);
		buf_add(&t->seen, block, (size_t)n);
	}
}

/* The client's end; the terminal must be as it was. */
static int terminal_end(struct fixture *f, struct terminal *t)
{
	struct termios after;
	int status = 0;
	int err = run_wait(t->client, FIXTURE_DEADLINE_MS, &status);

	if (err < 0)
		fixture_fail(f, "fosterctl does not end: %s", strerror(-err));
	assert_return_code(tcgetattr(t->slave, &after), errno);
	assert_int_equal(after.c_lflag, t->before.c_lflag);
	assert_int_equal(after.c_iflag, t->before.c_iflag);
	assert_int_equal(after.c_oflag, t->before.c_oflag);
	close(t->master);
	close(t->slave);
	buf_done(&t->seen);
	return status;
}

static void the_child_has_a_terminal_of_that_size(void **state)
{
	struct fixture *f = *state;
	struct terminal t;

	fixture_up(f, "");
	terminal_run(f, &t, "--", fixture_child(f), "tty", "kin", "exit", "5");
	terminal_expect(f, &t, "tty 40 100\r\n");
	assert_int_equal(terminal_end(f, &t), 5);
	fixture_down(f);
}

static void what_is_typed_arrives(void **state)
{
	struct fixture *f = *state;
	struct terminal t;

	fixture_up(f, "");
	terminal_run(f, &t, "--", "sh", "-c", "echo ready; read line; echo got-$line");
	terminal_expect(f, &t, "ready\r\n");
	terminal_type(&t, "words\n");
	terminal_expect(f, &t, "got-words\r\n");
	assert_int_equal(terminal_end(f, &t), 0);
	fixture_down(f);
}

static void ctrl_c_interrupts_the_child_not_the_client(void **state)
{
	struct fixture *f = *state;
	struct terminal t;

	fixture_up(f, "");
	terminal_run(f, &t, "--", fixture_child(f), "on", "2", "33", "print", "ready", "hold");
	terminal_expect(f, &t, "ready\r\n");
	terminal_type(&t, "\003");
	assert_int_equal(terminal_end(f, &t), 33);
	fixture_down(f);
}

static void a_new_size_is_told_to_the_child(void **state)
{
	struct fixture *f = *state;
	struct terminal t;
	struct winsize size = { .ws_row = 50, .ws_col = 120 };

	fixture_up(f, "");
	terminal_run(f, &t, "--", "sh", "-c",
		     "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done");
	terminal_expect(f, &t, "ready\r\n");
	assert_return_code(ioctl(t.master, TIOCSWINSZ, &size), errno);
	terminal_expect(f, &t, "50 120\r\n");
	assert_int_equal(terminal_end(f, &t), 0);
	fixture_down(f);
}

static void large_output_arrives_whole(void **state)
{
	struct fixture *f = *state;
	struct terminal t;

	fixture_up(f, "");
	terminal_run(f, &t, "--", fixture_child(f), "lines", "3000", "print", "the end");
	terminal_expect(f, &t, "the end\r\n");
	char last[32];
	snprintf(last, sizeof last, "%020d ", 2999);
	assert_non_null(strstr(t.seen.data, last));
	assert_int_equal(terminal_end(f, &t), 0);
	fixture_down(f);
}

static void settings_are_restored_when_the_child_is_killed(void **state)
{
	struct fixture *f = *state;
	struct terminal t;

	fixture_up(f, "");
	terminal_run(f, &t, "--name", "job", "--", fixture_child(f), "print", "ready", "hold");
	terminal_expect(f, &t, "ready\r\n");
	fixture_ctl_is(f, 0, NULL, "", "kill", "job");
	assert_int_equal(terminal_end(f, &t), 128 + 9);
	fixture_down(f);
}

static void settings_are_restored_when_fosterd_dies(void **state)
{
	struct fixture *f = *state;
	struct terminal t;

	fixture_up(f, "");
	terminal_run(f, &t, "--", fixture_child(f), "print", "ready", "hold");
	terminal_expect(f, &t, "ready\r\n");
	fixture_kill(f->fosterd, SIGKILL);
	assert_int_equal(fixture_ended(f), -SIGKILL);
	assert_int_equal(terminal_end(f, &t), 125);
	fixture_reap_all_but(f, 0);
}

static void settings_are_restored_when_the_client_is_told_to_end(void **state)
{
	struct fixture *f = *state;
	struct terminal t;

	fixture_up(f, "");
	terminal_run(f, &t, "--", fixture_child(f), "print", "ready", "hold");
	terminal_expect(f, &t, "ready\r\n");
	fixture_kill(t.client, SIGTERM); /* goes to the child, which dies of it */
	assert_int_equal(terminal_end(f, &t), 128 + 15);
	fixture_down(f);
}

static void without_tty_the_child_gets_the_terminal_itself(void **state)
{
	struct fixture *f = *state;
	struct terminal t;

	fixture_up(f, "");
	terminal_run(f, &t, "-T", "--", fixture_child(f), "fds");
	char name[64];
	assert_int_equal(ttyname_r(t.slave, name, sizeof name), 0);
	terminal_expect(f, &t, fixture_format(f, "1 %s\r\n", name));
	assert_int_equal(terminal_end(f, &t), 0);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(the_child_has_a_terminal_of_that_size),
		fixture_test(what_is_typed_arrives),
		fixture_test(ctrl_c_interrupts_the_child_not_the_client),
		fixture_test(a_new_size_is_told_to_the_child),
		fixture_test(large_output_arrives_whole),
		fixture_test(settings_are_restored_when_the_child_is_killed),
		fixture_test(settings_are_restored_when_fosterd_dies),
		fixture_test(settings_are_restored_when_the_client_is_told_to_end),
		fixture_test(without_tty_the_child_gets_the_terminal_itself),
	};

	return fixture_run(tests);
}
