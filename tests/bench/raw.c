#include "tests/bench/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"

pid_t raw_spawn(const char *const *argv)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid < 0 ? -errno : pid;
}

int raw_start(const char *const *argv, size_t n, pid_t *ret_pids)
{
	for (size_t i = 0; i < n; i++) {
		ret_pids[i] = raw_spawn(argv);
		if (ret_pids[i] < 0)
			return ret_pids[i];
	}
	return 0;
}

void raw_stop(const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGTERM);
	for (size_t i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);
}

_Noreturn static void restart_forever(const char *const *argv, size_t n)
{
	sigset_t set;
	siginfo_t si;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < n; i++)
		raw_spawn(argv);
	for (;;) {
		if (sigwaitinfo(&set, &si) == SIGTERM)
			break;
		while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) == 0 && si.si_pid != 0) {
			raw_spawn(argv);
			si.si_pid = 0;
		}
	}
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGKILL); /* our own group: the children and us */
	_exit(0);
}

pid_t raw_restarter(const char *const *argv, size_t n)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		restart_forever(argv, n);
	}
	return pid < 0 ? -errno : pid;
}

void raw_restarter_end(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	while (kill(-pid, 0) == 0)
		usleep(1000);
}

uint64_t raw_run_ns(const char *const *argv)
{
	uint64_t began = clock_read_ns(CLOCK_MONOTONIC);
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		return 0;
	return clock_read_ns(CLOCK_MONOTONIC) - began;
}
