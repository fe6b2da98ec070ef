/* main.c - fosterd: command line, background, what was inherited */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/loop.h"
#include "daemon/base/mem.h"
#include "daemon/base/proc.h"
#include "daemon/keeper/handoff.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/loopmem.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/store.h"

static const char usage_text[] =
	"Usage: fosterd [OPTION]...\n"
	"Keep the processes of a configuration file running.\n"
	"\n"
	"  -c, --config FILE    the configuration (default: " FOSTER_SYSCONFDIR
	"/foster/foster.ini)\n"
	"  -s, --socket PATH    where to listen for fosterctl\n"
	"  -p, --pidfile PATH   write the PID there\n"
	"  -d, --daemonize      go to the background once everything is set up\n"
	"  -n, --nodaemon       stay in the foreground, whatever the file says\n"
	"      --check          check the configuration and exit: 0 good, 2 bad\n"
	"      --help-config    list all sections and keys\n"
	"  -h, --help           show this help\n"
	"  -V, --version        show the version\n";

/* Options are checked here and read by the supervisor, who gets them all. */
static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "pidfile", required_argument, NULL, 'p' },
		{ "daemonize", no_argument, NULL, 'd' },
		{ "nodaemon", no_argument, NULL, 'n' },
		{ "check", no_argument, NULL, 'C' },
		{ "help-config", no_argument, NULL, 'K' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:s:p:dnhV", longs, NULL)) != -1) {
		if (c == 'd')
			o->daemonize = true;
		if (c == 'h' || c == 'V') {
			fputs(c == 'h' ? usage_text : "fosterd " FOSTER_VERSION "\n", stdout);
			exit(0);
		}
		if (c == '?')
			return false;
	}
	if (optind < argc) {
		fprintf(stderr, "fosterd: %s: unexpected argument\n", argv[optind]);
		return false;
	}
	return true;
}

/* Descriptors above 2 that we were given without close-on-exec: start method fork passes them on,
 * nobody else gets them. Those of systemd's socket activation are for us. NULL: errno. */
static int *note_inherited(void)
{
	static int fds[SPAWN_INHERIT_MAX + 1];
	int first = SD_LISTEN_FDS_START + sd_listen_fds(0);
	DIR *d = opendir("/proc/self/fd");
	struct rlimit most = { .rlim_max = RLIM_INFINITY };
	struct dirent *e;
	size_t n = 0;

	if (!d && errno == ENOMEM)
		return NULL;
	(void)getrlimit(RLIMIT_NOFILE, &most);
	while (d && (e = readdir(d))) {
		int fd = (int)strtol(e->d_name, NULL, 10); /* "." and ".." are 0 */

		if (fd < 3 || fd < first || fcntl(fd, F_GETFD) & FD_CLOEXEC)
			continue;
		(void)fd_set_cloexec(fd, true);
		if ((rlim_t)fd >= most.rlim_max) /* it was lowered since: no child could have it */
			log_warning("fosterd", "descriptor %d is not passed on: the limit is %llu",
				    fd, (unsigned long long)most.rlim_max);
		else if (n < SPAWN_INHERIT_MAX)
			fds[n++] = fd;
		else
			log_warning("fosterd", "descriptor %d is not passed on: %d are already", fd,
				    SPAWN_INHERIT_MAX);
	}
	if (d)
		closedir(d);
	fds[n] = -1;
	return fds;
}

/* Standard descriptors that are closed would be taken by the first files that we open. */
static void open_missing_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	if (fd >= 3)
		close(fd);
}

/* No handler and no ignored signal is passed on to anybody. By system call: signal(3) leaves those out
 * that the C library keeps for itself, and whoever started us may ignore them. */
static void reset_signals(void)
{
	unsigned long by_default[4] = { 0 }; /* the kernel's struct sigaction, SIG_DFL */
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int n = 1; n < NSIG; n++)
		(void)syscall(SYS_rt_sigaction, n, by_default, NULL, sizeof(unsigned long));
}

/* The process that was started waits for the outcome and exits with it; we are its child, in a
 * session of our own. */
static int go_to_background(struct options *o)
{
	unsigned char status = 1;
	int outcome[2];
	pid_t pid;

	if (pipe2(outcome, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(outcome[0]);
		o->ready_fd = outcome[1];
		setsid();
		return 0;
	}
	close(outcome[1]);
	if (read(outcome[0], &status, 1) != 1)
		status = 1; /* it has died without a word */
	_exit(status);
}

static int check_only(char **argv)
{
	char path[4096];

	proc_beside("foster-supervisor", path, sizeof path);
	execv(path, argv);
	fprintf(stderr, "fosterd: cannot execute %s: %s\n", path, strerror(errno));
	return 1;
}

static bool has_argument(char **argv, const char *wanted)
{
	for (char **a = argv + 1; *a; a++)
		if (strcmp(*a, wanted) == 0)
			return true;
	return false;
}

/* Left by the program that we replace (upgrade.c); nobody else is to see it. */
static int state_fd(void)
{
	const char *number = getenv(HANDOFF_ENV);
	int fd = number ? (int)strtol(number, NULL, 10) : -1;

	unsetenv(HANDOFF_ENV);
	return fd;
}

static int note_given(struct keeper *k)
{
	k->inherit = note_inherited();
	if (!k->inherit)
		return -errno;
	store_open();
	return getrlimit(RLIMIT_NOFILE, &k->nofile) < 0 ? -errno : 0;
}

/* Ours may lead elsewhere later. Above the range that spawn_init() takes. */
static int keep_stdio(struct keeper *k)
{
	k->stdout_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	k->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return k->stdout_fd < 0 || k->stderr_fd < 0 ? -errno : 0;
}

static int prepare(struct keeper *k)
{
	int r;

	r = k->options->resume ? resume_prepare(k, state_fd()) : note_given(k);
	if (r == 0)
		r = spawn_init();
	if (r == 0 && !k->options->resume)
		r = keep_stdio(k);
	if (r == 0)
		r = loopmem_init();
	if (r < 0)
		return r;
	k->null_fd = spawn_null_fd();
	k->loop = loop_new();
	if (!k->loop || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	static struct options options = { .ready_fd = -1 };
	static struct keeper k = { .options = &options,
				   .listen_fd = -1,
				   .listen_epoll = -1,
				   .own_log_fd = -1,
				   .runtime_fd = -1,
				   .lock_fd = -1 };
	int r;

	options.argv = argv;
	k.started_ns = clock_boot_ns();
	prctl(PR_SET_NAME, "fosterd"); /* whatever the file is called */
	if (has_argument(argv, "--check-state"))
		return resume_check();
	open_missing_stdio();
	options.resume = getenv(HANDOFF_ENV);
	if (!parse(argc, argv, &options))
		return 2;
	if (has_argument(argv, "--check") || has_argument(argv, "--help-config"))
		return check_only(argv);
	reset_signals();
	log_init(NULL);
	r = options.daemonize && !options.resume ? go_to_background(&options) : 0;
	if (r == 0)
		r = prepare(&k);
	if (r < 0) {
		log_error("fosterd", "cannot start: %s", strerror(-r));
		return 1;
	}
	return keeper_run(&k);
}
