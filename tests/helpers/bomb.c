/* bomb.c - a program that forks faster than anybody can list its processes
 *
 *   bomb UID grow|run [setsid]
 *
 * As user UID, of whom there are 60 processes at most; SIGTERM ends the first and is ignored by the others.
 *   grow     each forks as long as it may
 *   run      each forks one and exits: a single process, at ever another PID
 *   setsid   each in a session of its own
 *
 * Static, so that it is quick. */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROCESSES_MAX 60

static void become(uid_t uid)
{
	const struct rlimit most = { PROCESSES_MAX, PROCESSES_MAX };

	if (setrlimit(RLIMIT_NPROC, &most) < 0 || setresuid(uid, uid, uid) < 0)
		_exit(120);
}

int main(int argc, char **argv)
{
	bool grow = argc > 2 && strcmp(argv[2], "grow") == 0;
	bool apart = argc > 3;

	if (argc < 3)
		return 120;
	become((uid_t)atoi(argv[1]));
	if (fork() > 0)
		for (;;)
			pause();
	signal(SIGTERM, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* nobody is waited for */
	for (;;) {
		pid_t pid = fork();

		if (pid == 0 && apart)
			setsid();
		if (pid > 0 && !grow)
			_exit(0);
	}
}
