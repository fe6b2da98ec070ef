/* child.c - one misbehaving program instead of a zoo of scripts
 *
 * Each argument is an action; they are done in turn, and after the last one the program exits 0.
 * In a TEXT, %p stands for the PID.
 *
 *   say FIFO TEXT        write TEXT and a newline into FIFO, in one write: "I got here"
 *   print TEXT           the same to stdout; complain TEXT to stderr
 *   lines N              N numbered lines of 64 bytes, each one write
 *   spew BYTES           that many bytes, 64 KiB a write
 *   env NAME, environ    print a variable ("NAME=value", or "NAME" when unset), or all of them
 *   fds                  print every open descriptor: "0 /dev/null"
 *   ids                  print "uid euid gid egid groups…"
 *   kin                  print "pid ppid pgid sid"
 *   signals              print the masks of blocked, ignored and caught signals
 *   cwd, umask, nofile   print the directory, the mask (octal), soft and hard limit of descriptors
 *   tty                  print "tty ROWS COLUMNS" or "no tty" of stdin
 *   cat                  copy stdin to stdout until its end
 *   to FILE              append stdout to FILE from here on
 *   ignore SIG           ignore SIG (a number)
 *   on SIG STATUS        exit with STATUS on SIG
 *   tell SIG FIFO TEXT   say TEXT whenever SIG comes
 *   bye SIG FIFO TEXT    say TEXT and exit 0 on SIG
 *   sleep MS, hold       wait; wait until killed
 *   exit STATUS, die SIG exit; be killed by SIG
 *   first N FILE STATUS  exit with STATUS the first N times (counted in FILE)
 *   fork … end           a child does what stands between, then exits 0; we go on behind it
 *   setsid, setpgid      a session, a process group of its own
 *
 * Static, without libraries but libc, so that it starts quickly. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 64
#define SPEW_BYTES 65536

extern char **environ;

static int exit_status_on[65];
static struct {
	char path[256], text[256];
} told_on[65];

_Noreturn static void fail(const char *what)
{
	dprintf(2, "child: %s: %s\n", what, strerror(errno));
	_exit(120);
}

static void write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail("write");
		data += n;
		len -= (size_t)n;
	}
}

/* text with %p replaced, and a newline, in one write. */
static void put_line(int fd, const char *text)
{
	char line[4096];
	const char *mark = strstr(text, "%p");
	int n = mark ? snprintf(line, sizeof line, "%.*s%d%s\n", (int)(mark - text), text,
				(int)getpid(), mark + 2)
		     : snprintf(line, sizeof line, "%s\n", text);

	write_all(fd, line, (size_t)n < sizeof line ? (size_t)n : sizeof line);
}

/* Whoever reads a FIFO of the tests has it open: this does not wait. */
static void say_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		fail(path);
	put_line(fd, text);
	close(fd);
}

static void on_exit_signal(int number)
{
	_exit(exit_status_on[number]);
}

static void on_told_signal(int number)
{
	int saved = errno;

	say_to(told_on[number].path, told_on[number].text);
	errno = saved;
}

static void on_bye_signal(int number)
{
	say_to(told_on[number].path, told_on[number].text);
	_exit(0);
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };

	if (sigaction(number, &sa, NULL) < 0)
		fail("sigaction");
}

static int signal_of(const char *text)
{
	int number = atoi(text);

	if (number < 1 || number > 64)
		fail(text);
	return number;
}

static void say(char **args)
{
	say_to(args[0], args[1]);
}

static void print(char **args)
{
	put_line(1, args[0]);
}

static void complain(char **args)
{
	put_line(2, args[0]);
}

static void ignore(char **args)
{
	handle(signal_of(args[0]), SIG_IGN);
}

static void exit_on(char **args)
{
	exit_status_on[signal_of(args[0])] = atoi(args[1]);
	handle(signal_of(args[0]), on_exit_signal);
}

static void say_on(char **args, void (*handler)(int))
{
	int number = signal_of(args[0]);

	snprintf(told_on[number].path, sizeof told_on[number].path, "%s", args[1]);
	snprintf(told_on[number].text, sizeof told_on[number].text, "%s", args[2]);
	handle(number, handler);
}

static void tell(char **args)
{
	say_on(args, on_told_signal);
}

static void bye(char **args)
{
	say_on(args, on_bye_signal);
}

static void print_lines(char **args)
{
	long n = atol(args[0]);

	for (long i = 0; i < n; i++) {
		char line[LINE_BYTES + 1];
		int used = snprintf(line, sizeof line, "%020ld ", i);

		memset(line + used, 'a' + (int)(i % 26), LINE_BYTES - (size_t)used - 1);
		line[LINE_BYTES - 1] = '\n';
		write_all(1, line, LINE_BYTES);
	}
}

static void spew(char **args)
{
	static char block[SPEW_BYTES];
	long long bytes = atoll(args[0]);

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = i % LINE_BYTES == LINE_BYTES - 1 ? '\n' : 'x';
	for (; bytes > 0; bytes -= SPEW_BYTES)
		write_all(1, block, bytes < SPEW_BYTES ? (size_t)bytes : SPEW_BYTES);
}

static void print_environ(char **args)
{
	(void)args;
	for (char **e = environ; *e; e++)
		dprintf(1, "%s\n", *e);
}

static void print_env(char **args)
{
	const char *value = getenv(args[0]);

	dprintf(1, "%s%s%s\n", args[0], value ? "=" : "", value ? value : "");
}

static void print_fds(char **args)
{
	(void)args;
	DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		fail("/proc/self/fd");
	for (struct dirent *entry; (entry = readdir(dir));) {
		char target[512];

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		dprintf(1, "%s %s\n", entry->d_name, target);
	}
	closedir(dir);
}

static void print_ids(char **args)
{
	(void)args;
	gid_t groups[64];
	int n = getgroups(64, groups);

	dprintf(1, "%d %d %d %d", (int)getuid(), (int)geteuid(), (int)getgid(), (int)getegid());
	for (int i = 0; i < n; i++)
		dprintf(1, " %d", (int)groups[i]);
	dprintf(1, "\n");
}

static void print_signals(char **args)
{
	(void)args;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		fail("/proc/self/status");
	while (fgets(line, sizeof line, f))
		if (strncmp(line, "SigBlk:", 7) == 0 || strncmp(line, "SigIgn:", 7) == 0 ||
		    strncmp(line, "SigCgt:", 7) == 0)
			write_all(1, line, strlen(line));
	fclose(f);
}

static void print_cwd(char **args)
{
	(void)args;
	char path[4096];

	if (!getcwd(path, sizeof path))
		fail("getcwd");
	dprintf(1, "%s\n", path);
}

static void print_umask(char **args)
{
	(void)args;
	dprintf(1, "%03o\n", (unsigned)umask(0));
}

static void print_nofile(char **args)
{
	(void)args;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		fail("getrlimit");
	dprintf(1, "%llu %llu\n", (unsigned long long)limit.rlim_cur,
		(unsigned long long)limit.rlim_max);
}

static void print_tty(char **args)
{
	(void)args;
	struct winsize size;

	if (!isatty(0) || ioctl(0, TIOCGWINSZ, &size) < 0)
		dprintf(1, "no tty\n");
	else
		dprintf(1, "tty %d %d\n", size.ws_row, size.ws_col);
}

static void copy_stdin(char **args)
{
	(void)args;
	static char block[SPEW_BYTES];

	for (;;) {
		ssize_t n = read(0, block, sizeof block);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail("read");
		if (n == 0)
			return;
		write_all(1, block, (size_t)n);
	}
}

static void append_stdout(char **args)
{
	int fd = open(args[0], O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (fd < 0 || dup2(fd, 1) < 0)
		fail(args[0]);
	close(fd);
}

static void sleep_ms(char **args)
{
	long ms = atol(args[0]);
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static void hold(char **args)
{
	(void)args;
	for (;;)
		pause();
}

static void exit_now(char **args)
{
	_exit(atoi(args[0]));
}

static void die(char **args)
{
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	signal(signal_of(args[0]), SIG_DFL);
	raise(signal_of(args[0]));
}

/* Each call makes the file longer by a byte: its length counts our starts. */
static void exit_the_first(char **args)
{
	struct stat st;
	int fd = open(args[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, ".", 1) != 1 || fstat(fd, &st) < 0)
		fail(args[1]);
	close(fd);
	if (st.st_size <= atol(args[0]))
		_exit(atoi(args[2]));
}

static void print_kin(char **args)
{
	(void)args;
	dprintf(1, "%d %d %d %d\n", (int)getpid(), (int)getppid(), (int)getpgrp(), (int)getsid(0));
}

static void new_session(char **args)
{
	(void)args;
	if (setsid() < 0)
		fail("setsid");
}

static void new_group(char **args)
{
	(void)args;
	if (setpgid(0, 0) < 0)
		fail("setpgid");
}

/* Where the actions go on behind the "end" of the fork at args. */
static char **behind_end(char **args)
{
	int depth = 1;

	for (; *args; args++) {
		if (strcmp(*args, "fork") == 0)
			depth++;
		if (strcmp(*args, "end") == 0 && --depth == 0)
			return args + 1;
	}
	fail("fork without end");
}

static const struct action {
	const char *name;
	int n_args;
	void (*run)(char **args);
} actions[] = {
	{ "say", 2, say },
	{ "print", 1, print },
	{ "complain", 1, complain },
	{ "lines", 1, print_lines },
	{ "spew", 1, spew },
	{ "env", 1, print_env },
	{ "environ", 0, print_environ },
	{ "fds", 0, print_fds },
	{ "ids", 0, print_ids },
	{ "kin", 0, print_kin },
	{ "signals", 0, print_signals },
	{ "cwd", 0, print_cwd },
	{ "umask", 0, print_umask },
	{ "nofile", 0, print_nofile },
	{ "tty", 0, print_tty },
	{ "cat", 0, copy_stdin },
	{ "to", 1, append_stdout },
	{ "ignore", 1, ignore },
	{ "on", 2, exit_on },
	{ "tell", 3, tell },
	{ "bye", 3, bye },
	{ "sleep", 1, sleep_ms },
	{ "hold", 0, hold },
	{ "exit", 1, exit_now },
	{ "die", 1, die },
	{ "first", 3, exit_the_first },
	{ "setsid", 0, new_session },
	{ "setpgid", 0, new_group },
};

static const struct action *action_find(const char *name)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	errno = EINVAL;
	fail(name);
}

/* Do the action at args; returns where the next one stands. */
static char **perform(char **args)
{
	const struct action *action = action_find(args[0]);

	for (int i = 1; i <= action->n_args; i++)
		if (!args[i]) {
			errno = EINVAL;
			fail(args[0]);
		}
	action->run(args + 1);
	return args + 1 + action->n_args;
}

int main(int argc, char **argv)
{
	(void)argc;
	for (char **args = argv + 1; *args;) {
		if (strcmp(*args, "end") == 0)
			return 0;
		if (strcmp(*args, "fork") != 0) {
			args = perform(args);
			continue;
		}
		pid_t pid = fork();
		if (pid < 0)
			fail("fork");
		args = pid == 0 ? args + 1 : behind_end(args + 1);
	}
	return 0;
}
