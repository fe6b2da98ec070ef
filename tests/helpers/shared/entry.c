/* entry.c - a shared object for native forkservers: loaded once, entered by each child
 *
 * The constructor runs where the object is loaded; the entry point, called like main(), appends
 * "LOADER-PID PID NAME ARGS…" to the file in argv[1], and waits or returns what argv[2] says. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pid_t loaded_by;

__attribute__((constructor)) static void note_loader(void)
{
	loaded_by = getpid();
}

int entered(int argc, char **argv);
int renamed(int argc, char **argv);

/* Writes to its arguments, as programs do that want to be seen by another name. */
int renamed(int argc, char **argv)
{
	argv[0][0] = 'N';
	argv[1][0]++;
	return atoi(argv[1]) + argc;
}

int entered(int argc, char **argv)
{
	int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);

	dprintf(fd, "%d %d %s %d\n", (int)loaded_by, (int)getpid(), argv[0], argc);
	close(fd);
	if (argc > 2)
		return atoi(argv[2]);
	for (;;)
		pause();
}
