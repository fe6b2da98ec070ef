#include "ctl/client/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define DRAIN_BYTES_MAX (1 << 20) /* of a grandchild that goes on printing */

/* What the user had, for the handlers that run when all else has failed. */
static struct termios saved;
static volatile sig_atomic_t is_raw;

static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS };

/* ---- the user's terminal ------------------------------------------------------------------- */

static void restore(void)
{
	int kept = errno;

	if (is_raw) {
		is_raw = 0;
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	}
	errno = kept;
}

static void on_deadly(int number)
{
	restore();
	raise(number); /* SA_RESETHAND: the default now, once this handler has returned */
}

static void guard(void)
{
	struct sigaction sa = { .sa_handler = on_deadly, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		sigaction(deadly[i], &sa, NULL);
	atexit(restore);
}

static void set_raw(void)
{
	struct termios raw = saved;

	cfmakeraw(&raw);
	is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void tty_resize(struct tty *t)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && t->master >= 0)
		(void)ioctl(t->master, TIOCSWINSZ, &size);
}

void tty_stop(struct tty *t)
{
	restore();
	raise(SIGSTOP);
	if (t->raw)
		set_raw();
	tty_resize(t);
}

/* ---- the pty ------------------------------------------------------------------------------- */

int tty_open(struct tty *t)
{
	auto_close int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	*t = (struct tty){ .master = -1, .slave = -1 };
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -errno;
	/* By descriptor, not by name: /dev/pts here need not be the one of the master. */
	auto_close int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	if (tcgetattr(STDIN_FILENO, &saved) < 0 || tcsetattr(slave, TCSANOW, &saved) < 0)
		return -errno;
	if (fd_set_nonblocking(master, true) < 0)
		return -errno;
	t->master = take_fd(master);
	t->slave = take_fd(slave);
	tty_resize(t);
	return 0;
}

void tty_begin(struct tty *t)
{
	close_fd(&t->slave);
	guard();
	set_raw();
	t->raw = true;
	t->in.from = STDIN_FILENO;
	t->in.to = t->master;
	t->out.from = t->master;
	t->out.to = STDOUT_FILENO;
}

/* ---- relaying ------------------------------------------------------------------------------ */

static bool wants_more(const struct tty_relay *r)
{
	return !r->ended && r->begin == r->end;
}

static bool has_bytes(const struct tty_relay *r)
{
	return !r->ended && r->begin < r->end;
}

/* EIO of a master: no slave is open any more. */
static void relay_read(struct tty_relay *r)
{
	ssize_t n = read(r->from, r->bytes, sizeof r->bytes);

	if (n > 0) {
		r->begin = 0;
		r->end = (size_t)n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		r->ended = true;
	}
}

static void relay_write(struct tty_relay *r)
{
	ssize_t n = write(r->to, r->bytes + r->begin, r->end - r->begin);

	if (n > 0)
		r->begin += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		r->ended = true;
}

static void relay_polls(const struct tty_relay *r, struct pollfd *polls)
{
	polls[0] = (struct pollfd){ .fd = wants_more(r) ? r->from : -1, .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = has_bytes(r) ? r->to : -1, .events = POLLOUT };
}

static void relay_act(struct tty_relay *r, const struct pollfd *polls)
{
	if (polls[0].revents)
		relay_read(r);
	else if (polls[1].revents)
		relay_write(r);
}

void tty_polls(const struct tty *t, struct pollfd *polls)
{
	if (!t->raw) {
		for (size_t i = 0; i < TTY_POLLS; i++)
			polls[i] = (struct pollfd){ .fd = -1 };
		return;
	}
	relay_polls(&t->in, polls);
	relay_polls(&t->out, polls + 2);
}

void tty_act(struct tty *t, const struct pollfd *polls)
{
	if (!t->raw)
		return;
	relay_act(&t->in, polls);
	relay_act(&t->out, polls + 2);
}

/* What the child wrote before its end is in the pty already. */
static void drain(struct tty *t)
{
	size_t total = 0;

	while (!t->out.ended && total < DRAIN_BYTES_MAX) {
		size_t len = t->out.end - t->out.begin;

		if (len && fd_write_all(t->out.to, t->out.bytes + t->out.begin, len) < 0)
			return;
		total += len;
		t->out.begin = t->out.end = 0;
		relay_read(&t->out);
		if (t->out.begin == t->out.end)
			return;
	}
}

void tty_done(struct tty *t)
{
	if (t->raw)
		drain(t);
	t->raw = false;
	restore();
	close_fd(&t->master);
	close_fd(&t->slave);
}
