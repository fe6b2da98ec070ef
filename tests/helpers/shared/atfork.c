/* atfork.c - a shared object that counts its pthread_atfork(3) handlers; its entry tells: 10 for each
 * call before a fork and 1 for each in a child, and 100 when the C library knows the child's thread */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static int status;

static void before(void)
{
	status += 10;
}

static void in_child(void)
{
	status += 1;
}

static void ignore(int number)
{
	(void)number;
}

__attribute__((constructor)) static void ask_for_handlers(void)
{
	pthread_atfork(before, NULL, in_child);
}

int count_handlers(int argc, char **argv);

int count_handlers(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	signal(SIGUSR1, ignore);
	return status + (pthread_kill(pthread_self(), SIGUSR1) == 0 ? 100 : 0);
}
