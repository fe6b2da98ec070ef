#include "tests/fault/soak/faults.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/fault/soak/checker.h"

#define WITHIN_US 12000

/* A victim is told by the name of its process, of which the kernel keeps 15 bytes. */
static const struct fault {
	const char *victim;
	int signal;
	unsigned weight;
} faults[] = {
	{ "foster-supervis", SIGKILL, 100 }, { "foster-supervis", SIGSEGV, 10 },
	{ "foster-supervis", SIGABRT, 10 },  { "foster-supervis", SIGSTOP, 1 }, /* it hangs */
	{ "foster-logger", SIGKILL, 70 },    { "foster-logger", SIGSEGV, 5 },
	{ "foster-logger", SIGABRT, 5 },     { "foster-logger", SIGSTOP, 1 },
	{ "foster-forkserv", SIGKILL, 15 },  { "foster-forkserv", SIGSEGV, 2 },
	{ "python3", SIGKILL, 10 },
};

static const struct fault *choose(struct soak *k)
{
	unsigned sum = 0, at;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sum += faults[i].weight;
	at = soak_random(k, sum);
	for (const struct fault *f = faults;; at -= f++->weight)
		if (at < f->weight)
			return f;
}

void fault_check_deaths(struct soak *k, const char *log)
{
	unsigned n = run_count(log, "killed by SIGSEGV, starting its successor");

	if (n > k->crashes)
		soak_fail(k, "%u parts have crashed, %u of them by us", n, k->crashes);
	if (run_count(log, "exited with status 1, starting its successor"))
		soak_fail(k, "a part has given up");
}

void fault_strike(struct soak *k)
{
	const struct fault *f = choose(k);
	unsigned delay_us = soak_random(k, WITHIN_US);
	pid_t pid;

	usleep(delay_us);
	pid = run_child_named(k->f->fosterd, f->victim, 0);
	if (pid == 0 || kill(pid, f->signal) < 0)
		return; /* it is just being replaced, or was not needed yet */
	soak_note(k, "%s %d gets signal %d", f->victim, (int)pid, f->signal);
	k->faults++;
	k->crashes += f->signal == SIGSEGV;
}
