#include "tests/fault/soak/canary.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int *signals;

static void on_signal(int number)
{
	(void)number;
	atomic_fetch_add(signals, 1);
}

_Noreturn static void become_canary(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* with the test, whatever becomes of it */
	setsid();
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &sa, NULL); /* but KILL and STOP, which show otherwise */
	for (;;)
		pause();
}

static int hatch(struct canaries *c, size_t i)
{
	c->pids[i] = fork();
	if (c->pids[i] == 0)
		become_canary();
	return c->pids[i] < 0 ? -errno : 0;
}

int canaries_begin(struct canaries *c)
{
	int r = 0;

	c->signals = mmap(NULL, sizeof *c->signals, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->signals == MAP_FAILED)
		return -errno;
	signals = c->signals;
	for (size_t i = 0; i < CANARIES && r == 0; i++)
		r = hatch(c, i);
	return r;
}

static void kill_one(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

int canaries_turn(struct canaries *c)
{
	for (size_t i = 0; i < CANARIES; i++)
		if (waitpid(c->pids[i], NULL, WNOHANG | WUNTRACED) != 0)
			return 1;
	if (atomic_load(c->signals))
		return 1;
	kill_one(&c->pids[c->next]);
	int r = hatch(c, c->next);
	c->next = (c->next + 1) % CANARIES;
	return r;
}

bool canaries_have(const struct canaries *c, pid_t pid)
{
	for (size_t i = 0; i < CANARIES; i++)
		if (c->pids[i] == pid)
			return true;
	return false;
}

void canaries_end(struct canaries *c)
{
	for (size_t i = 0; i < CANARIES; i++)
		kill_one(&c->pids[i]);
}
