/* setup.c - LINK_BOOT: runtime directory, lock, table, control socket, limits, user
 *
 * In this order: what can be refused comes first, what others can see comes last, and each failure
 * is one line that says what, where and why. */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/path.h"
#include "daemon/keeper/adopt.h"
#include "daemon/keeper/keeper.h"

#define BACKLOG 4096 /* clients wait here while a supervisor is replaced */
#define RUNTIME_MODE 0711
#define LAST_MOMENT_MS 2000

struct boot {
	const struct link_boot *facts;
	const char *runtime_dir, *socket, *pidfile, *logfile, *directory, *user;
};

static int fail(const char *what, const char *where, int err)
{
	log_error("fosterd", "cannot %s %s: %s", what, where, path_error(-err));
	return -1;
}

/* A copy that we go on with when the message is gone. */
static int keep(char **to, const char *text)
{
	*to = strdup(text);
	return *to ? 0 : fail("remember", text, ENOMEM);
}

static bool read_boot(const struct link_message *m, struct boot *b)
{
	const char **strings[] = { &b->runtime_dir, &b->socket,	   &b->pidfile,
				   &b->logfile,	    &b->directory, &b->user };
	size_t at = 0;

	b->facts = link_take(m, &at, sizeof *b->facts);
	for (size_t i = 0; b->facts && i < ARRAY_SIZE(strings); i++) {
		*strings[i] = link_take_str(m, &at);
		if (!*strings[i])
			return false;
	}
	return b->facts;
}

/* ---- limits -------------------------------------------------------------------------------------- */

/* As many descriptors as we may have for ourselves; children get what we were given, or minfds. */
static int set_limits(struct keeper *k, const struct boot *b)
{
	struct rlimit ours = k->nofile;

	if (b->facts->minfds > ours.rlim_max) {
		ours.rlim_cur = ours.rlim_max = b->facts->minfds;
		if (setrlimit(RLIMIT_NOFILE, &ours) < 0) {
			log_error("fosterd",
				  "minfds=%llu cannot be had: the limit of open files is %llu",
				  (unsigned long long)b->facts->minfds,
				  (unsigned long long)k->nofile.rlim_max);
			return -1;
		}
		k->nofile.rlim_max = ours.rlim_max;
	}
	if (b->facts->minfds > k->nofile.rlim_cur)
		k->nofile.rlim_cur = b->facts->minfds;
	ours.rlim_cur = ours.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &ours) < 0)
		return fail("raise", "the limit of open files", errno);
	k->nofile_now = ours.rlim_cur;
	return 0;
}

/* ---- runtime directory --------------------------------------------------------------------------- */

static int make_directories(const char *path)
{
	char part[4096];

	if (strlen(path) >= sizeof part)
		return -ENAMETOOLONG;
	strcpy(part, path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, RUNTIME_MODE) < 0 && errno != EEXIST ? -errno : 0;
}

/* One fosterd on a runtime directory: the lock lives as long as we do, the file names us. */
static int take_lock(struct keeper *k, const char *where)
{
	char text[32] = "?";
	ssize_t n;

	k->lock_fd = openat(k->runtime_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->lock_fd < 0)
		return fail("open the lock in", where, errno);
	if (flock(k->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = read(k->lock_fd, text, sizeof text - 1);
		text[n > 0 ? n : 0] = '\0';
		log_error("fosterd", "another fosterd runs on %s: PID %.*s", where,
			  (int)strcspn(text, "\n"), text);
		return -1;
	}
	n = snprintf(text, sizeof text, "%d\n", getpid());
	if (ftruncate(k->lock_fd, 0) < 0 || fd_write_all(k->lock_fd, text, (size_t)n) < 0)
		return fail("write the lock in", where, errno);
	return 0;
}

/* A table that says nothing is kept for whoever wants to know why. */
static int open_left(struct keeper *k, const char *where, struct table_left *ret)
{
	int r = table_left_open(ret, k->runtime_fd, "table");

	if (r == -EPROTONOSUPPORT) {
		log_error("fosterd",
			  "%s/table is of version %u, and this fosterd knows those up to %d: "
			  "start a later one, or remove the file",
			  where, ret->header.version, TABLE_VERSION);
		return -1;
	}
	if (r < 0 && r != -ENOENT) {
		log_error("fosterd",
			  "%s/table cannot be read (%s), and is now table.bad: "
			  "what an earlier fosterd left running is not known",
			  where, r == -EBADMSG ? "damaged" : strerror(-r));
		(void)renameat(k->runtime_fd, "table", k->runtime_fd, "table.bad");
	}
	return 0;
}

/* All that lives is in it. */
static int make_table(struct keeper *k, const struct table_left *left)
{
	int r = table_create(&k->table, k->runtime_fd, "table.new");

	if (r == 0 && left->bytes && table_left_is_of_here(left))
		r = adopt(k, left);
	if (r == 0)
		r = adopt_stored(k);
	if (r == 0 && renameat(k->runtime_fd, "table.new", k->runtime_fd, "table") < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(k->runtime_fd, "table.new", 0);
	return r;
}

/* Ours takes the place of the one that an earlier keeper left, which stays where it is if that fails. */
static int open_table(struct keeper *k, const char *where)
{
	struct table_left left = { 0 };
	int r;

	if (open_left(k, where, &left) < 0)
		return -1;
	r = make_table(k, &left);
	table_left_close(&left);
	if (r < 0)
		return fail("make the process table in", where, -r);
	parts_note(k);
	return 0;
}

/* The user of user=, for a while: real and effective ids count for what may be signalled. */
static int borrow_user(const struct boot *b)
{
	uid_t uid = b->facts->uid;
	gid_t gid = b->facts->gid;

	return setresgid(gid, gid, 0) < 0 || setresuid(uid, uid, 0) < 0 ? -1 : 0;
}

static int be_root_again(void)
{
	return setresuid(0, 0, 0) < 0 || setresgid(0, 0, 0) < 0 ? -1 : 0;
}

static int fill_runtime(struct keeper *k, const char *where)
{
	static const char *const inside[] = { "log", "fifo", "spool" };

	if (take_lock(k, where) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
		if (mkdirat(k->runtime_fd, inside[i], 0700) < 0 && errno != EEXIST)
			return fail("make a directory in", where, errno);
	return open_table(k, where);
}

/* With user=, what an earlier fosterd has left is that user's, who may have put anything there: it is
 * looked at with his rights. */
static int open_runtime(struct keeper *k, const struct boot *b)
{
	const char *where = b->runtime_dir;
	bool borrowed;
	struct stat st;
	int r = make_directories(where);

	if (r < 0)
		return fail("make the runtime directory", where, -r);
	if (keep(&k->runtime_dir, where) < 0)
		return -1;
	k->runtime_fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->runtime_fd < 0 || fstat(k->runtime_fd, &st) < 0)
		return fail("open the runtime directory", where, errno);
	borrowed = geteuid() == 0 && st.st_uid != 0 && st.st_uid == b->facts->uid;
	if ((st.st_uid != geteuid() && !borrowed) || st.st_mode & 022)
		return fail("trust the runtime directory (owner or mode)", where, EPERM);
	if (borrowed && borrow_user(b) < 0)
		return fail("become the owner of", where, errno);
	r = fill_runtime(k, where);
	if (borrowed && be_root_again() < 0)
		return fail("become root again after", where, errno);
	return r;
}

/* ---- control socket ------------------------------------------------------------------------------ */

/* A socket that systemd listens on for us. */
static int take_given_socket(struct keeper *k)
{
	int n = sd_listen_fds(1);

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
		(void)fd_set_cloexec(fd, true);
		if (k->listen_fd < 0 && sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
			k->listen_fd = fd;
	}
	return k->listen_fd >= 0 ? fd_set_nonblocking(k->listen_fd, true) : -ENOENT;
}

/* The supervisor of a fosterd that was just killed has the socket for another moment. */
static bool is_closed_soon(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, LAST_MOMENT_MS) == 1;
}

/* A socket file that nobody answers on is left over; one that somebody answers on is not ours. */
static int remove_stale(const struct sockaddr_un *sa)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0 ? !is_closed_soon(fd)
								      : errno != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(sa->sun_path) < 0 ? -errno : 0;
}

static int listen_on(const struct boot *b, int *ret_fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	mode_t before;
	int r;

	if (strlen(b->socket) >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, b->socket);
	r = remove_stale(&sa);
	if (r < 0)
		return r;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	before = umask(0777 & ~(b->facts->socket_mode & 0777)); /* the mode that it gets */
	r = bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 ? -errno : 0;
	umask(before);
	if (r < 0)
		return r;
	if ((b->facts->socket_uid != (uint32_t)-1 || b->facts->socket_gid != (uint32_t)-1) &&
	    lchown(sa.sun_path, b->facts->socket_uid, b->facts->socket_gid) < 0)
		return -errno;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

static int open_socket(struct keeper *k, const struct boot *b)
{
	struct link_hold what = { .kind = LINK_HOLD_LISTEN };
	int fd, r;

	if (take_given_socket(k) < 0) {
		r = listen_on(b, &k->listen_fd);
		if (r < 0)
			return fail("listen on", b->socket, -r);
		k->socket_is_ours = true;
		if (keep(&k->socket_path, b->socket) < 0) {
			unlink(b->socket);
			return -1;
		}
	}
	fd = fcntl(k->listen_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return fail("listen on", b->socket, errno);
	strcpy(what.name, "control");
	return hold_add(k, &what, fd) < 0 ? -1 : 0; /* every supervisor needs it */
}

/* ---- the rest ------------------------------------------------------------------------------------ */

static int write_pidfile(struct keeper *k, const struct boot *b)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", getpid()), r;

	if (!b->pidfile[0])
		return 0;
	r = fd_replace_file(b->pidfile, text, (size_t)n, 0644);
	if (r < 0)
		return fail("write the pidfile", b->pidfile, -r);
	r = keep(&k->pidfile, b->pidfile);
	if (r < 0)
		unlink(b->pidfile);
	return r;
}

/* logfile=PATH: what we and the other parts say goes through a pipe to the logger, like the output
 * of a child, and is rotated like it. */
static int redirect_own_log(struct keeper *k, const struct boot *b)
{
	char path[40], background[4096];
	const char *logfile = b->logfile;
	int ends[2];

	snprintf(background, sizeof background, "%s/log/fosterd.log", b->runtime_dir);
	if (!logfile[0] && k->options->daemonize)
		logfile = background; /* the terminal is about to be let go */
	if (!logfile[0])
		return 0;
	auto_close int probe = path_open(logfile, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (probe < 0)
		return fail("open the log file", logfile, -probe);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail("make a pipe for", logfile, errno);
	snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
	k->own_log_fd = open(path, O_RDWR | O_CLOEXEC);
	close(ends[0]);
	close(ends[1]);
	if (k->own_log_fd < 0 || dup2(k->own_log_fd, STDERR_FILENO) < 0)
		return fail("make a pipe for", logfile, errno);
	if (keep(&k->logfile, logfile) < 0)
		return -1;
	k->logfile_maxbytes = b->facts->logfile_maxbytes;
	k->logfile_backups = b->facts->logfile_backups;
	log_init(NULL);
	return 0;
}

/* user=: from here on we are that user; the supervisor that told us is not, and gives way to one that
 * is. */
static int become_user(struct keeper *k, const struct boot *b)
{
	uid_t uid = b->facts->uid;
	gid_t gid = b->facts->gid;

	if (uid == (uid_t)-1 || (uid == geteuid() && gid == getegid()))
		return 0;
	if (fchown(k->runtime_fd, uid, gid) < 0 || fchown(k->lock_fd, uid, gid) < 0 ||
	    fchownat(k->runtime_fd, "log", uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchownat(k->runtime_fd, "fifo", uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchownat(k->runtime_fd, "spool", uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchownat(k->runtime_fd, "table", uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail("hand over", b->runtime_dir, errno);
	if (k->socket_is_ours && b->facts->socket_uid == (uint32_t)-1 &&
	    lchown(b->socket, uid, gid) < 0)
		return fail("hand over", b->socket, errno);
	if (k->logfile && lchown(k->logfile, uid, gid) < 0)
		return fail("hand over", k->logfile, errno);
	if (initgroups(b->user, gid) < 0 && setgroups(0, NULL) < 0)
		return fail("become", "the user of user=", errno);
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return fail("become", "the user of user=", errno);
	k->replace_supervisor = true;
	return 0;
}

/* In the background nothing of ours refers to the terminal any more. */
static int let_go_of_terminal(struct keeper *k)
{
	const int fds[] = { STDIN_FILENO, STDOUT_FILENO, k->stdout_fd, k->stderr_fd };

	if (!k->options->daemonize)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (dup3(k->null_fd, fds[i], fds[i] > 2 ? O_CLOEXEC : 0) < 0)
			return fail("let go of", "the terminal", errno);
	k->replace_supervisor = true;
	return 0;
}

/* nodaemon=false in the file: only now do we know. Nothing is held yet, so start over. */
static void start_over_in_background(struct keeper *k)
{
	const char *argv[64] = { "fosterd", "--daemonize" };
	size_t n = 2;

	for (char *const *a = k->options->argv + 1; *a && n < ARRAY_SIZE(argv) - 1; a++)
		argv[n++] = *a;
	kill(k->parts[PART_SUPERVISOR].pid, SIGKILL);
	execv("/proc/self/exe", (char *const *)argv);
	log_error("fosterd", "cannot go to the background: %m");
}

int setup(struct keeper *k, const struct link_message *m)
{
	struct boot b;

	if (!read_boot(m, &b)) {
		log_error("fosterd", "the supervisor's first message is not one");
		return -1;
	}
	if (b.facts->daemonize && !k->options->daemonize) {
		start_over_in_background(k);
		return -1;
	}
	k->watchdog_ms = b.facts->watchdog_ms;
	if (b.facts->umask >= 0)
		umask((mode_t)b.facts->umask);
	if (b.directory[0] && chdir(b.directory) < 0)
		return fail("change to", b.directory, errno);
	if (set_limits(k, &b) < 0 || open_runtime(k, &b) < 0 || open_socket(k, &b) < 0 ||
	    write_pidfile(k, &b) < 0 || redirect_own_log(k, &b) < 0 || let_go_of_terminal(k) < 0 ||
	    become_user(k, &b) < 0)
		return -1;
	return keeper_booted(k);
}

void setup_done(struct keeper *k)
{
	if (k->socket_path)
		unlink(k->socket_path);
	if (k->pidfile)
		unlink(k->pidfile);
	hold_done(k);
}
