/* soaker.c - a process of the soak: there is one of each name, and it counts what it does
 *
 *   soaker PAGE VERSION
 *
 * Takes the lock of its page (tests/fault/soak/page.h), then prints lines "LIFE NUMBER", numbered from 0
 * in each life, until it is told to end: SIGTERM is exit status 43, SIGUSR1 the one that its page says.
 * A line is counted when it is written: who is killed in between has printed one more than it says. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/soak/page.h"

#define LINES_A_TURN 5
#define TURN_NS 10000000

static struct page *page;

_Noreturn static void fail(const char *what)
{
	dprintf(2, "soaker: %s: %s\n", what, strerror(errno));
	_exit(120);
}

static void on_signal(int number)
{
	if (number == SIGUSR2)
		atomic_fetch_add(&page->usr2, 1);
	else
		_exit(number == SIGTERM ? PAGE_STATUS_ON_TERM : (int)atomic_load(&page->status));
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGUSR1, SIGUSR2 };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (sigaction(numbers[i], &sa, NULL) < 0)
			fail("sigaction");
}

/* The lock goes with us: nobody else has this open file. */
static void take_page(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail(path);
	page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		fail("mmap");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		atomic_fetch_add(&page->intruders, 1);
		_exit(99);
	}
}

static void print_line(uint32_t life, uint32_t number)
{
	char line[32];
	int n = snprintf(line, sizeof line, "%u %u\n", life, number);

	if (write(1, line, (size_t)n) != n)
		fail("write");
	atomic_store(&page->lines[life % PAGE_LIVES], number + 1);
}

int main(int argc, char **argv)
{
	uint32_t life, number = 0;

	if (argc != 3)
		return 120;
	take_page(argv[1]);
	catch_signals();
	life = atomic_fetch_add(&page->life, 1) + 1;
	atomic_store(&page->version, (uint32_t)atoi(argv[2]));
	atomic_store(&page->pid, (int32_t)getpid()); /* last: now we are there */
	for (;;) {
		for (int i = 0; i < LINES_A_TURN; i++)
			print_line(life, number++);
		nanosleep(&(struct timespec){ .tv_nsec = TURN_NS }, NULL);
	}
}
