/* tty.h - a terminal for a child, and the user's own in between
 *
 * As `docker run -t` and `systemd-run --pty` do: the child gets the slave of a pty; bytes pass
 * between its master and our terminal, which is in raw mode, so that Ctrl-C and Ctrl-Z are made
 * into signals by the child's line discipline. The user's settings come back when the struct is
 * done, when this process stops for a while, exits, or dies of a bug.
 *
 * Source: pty(7), termios(3), ioctl_tty(2). */
#ifndef FOSTER_CLIENT_TTY_H
#define FOSTER_CLIENT_TTY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define TTY_RELAY_BYTES 8192
#define TTY_POLLS 4 /* entries that tty_polls() fills in */

/* Bytes on their way from one descriptor to another. */
struct tty_relay {
	int from, to;
	bool ended; /* from has no more, or to takes no more */
	size_t begin, end; /* of what is in bytes */
	char bytes[TTY_RELAY_BYTES];
};

struct tty {
	int master, slave; /* owned; -1: none */
	bool raw; /* our terminal is in raw mode */
	struct tty_relay in, out;
};

/* Make a pty with our terminal's settings and size. 0 or -errno. */
int tty_open(struct tty *t);

/* The child has the slave now: close ours, put our terminal into raw mode, let bytes pass. */
void tty_begin(struct tty *t);

/* Our terminal's size has changed. */
void tty_resize(struct tty *t);

/* Stop this process as SIGTSTP would, with the user's settings back until it goes on. */
void tty_stop(struct tty *t);

/* Fill in TTY_POLLS entries for poll(2), and act on what it found. */
void tty_polls(const struct tty *t, struct pollfd *polls);
void tty_act(struct tty *t, const struct pollfd *polls);

/* The child has ended: pass on what is left in the pty, restore our terminal, close. */
void tty_done(struct tty *t);

#endif
