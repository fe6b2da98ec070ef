#include "daemon/supervisor/hurry.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>

#include "daemon/base/mem.h"

#define HURRY_US 1000

static void on_alarm(int number)
{
	(void)number;
}

/* Other threads have it blocked (aside.c). */
static void handle_alarm(void)
{
	static const struct sigaction action = { .sa_handler = on_alarm };
	static bool done;

	if (!done)
		sigaction(SIGALRM, &action, NULL);
	done = true;
}

/* Again and again: each of several things to close may wait, and a signal may come before it does. */
static void set_timer(suseconds_t us)
{
	const struct itimerval timer = { .it_value.tv_usec = us, .it_interval.tv_usec = us };

	setitimer(ITIMER_REAL, &timer, NULL);
}

void hurry_begin(void)
{
	handle_alarm();
	set_timer(HURRY_US);
}

void hurry_end(void)
{
	set_timer(0);
}

void hurry_close(int *fd)
{
	if (*fd < 0)
		return;
	hurry_begin();
	close_fd(fd);
	hurry_end();
}
