#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "tests/unit/under_valgrind.h"

#define HIGH 300 /* about where tests look for free numbers */
#define LARGE (256 << 10) /* more than a pipe holds */

/* A fresh directory, and what each test must leave as it was. */
struct place {
	char dir[64];
	int open_before;
	struct rlimit nofile, fsize;
	pid_t writer; /* of a test that has one; 0: none */
};

/* A name in the directory; valid until the fourth call after this one. */
static const char *at(const struct place *p, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	(void)snprintf(path, sizeof paths[0], "%s/%s", p->dir, name);
	return path;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* Interrupt every system call that waits, again and again: no SA_RESTART. */
static void interrupt_every_us(long us)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval every = { { 0, us }, { 0, us } };

	alarms = 0;
	assert_return_code(sigaction(SIGALRM, &sa, NULL), errno);
	assert_return_code(setitimer(ITIMER_REAL, &every, NULL), errno);
}

/* The handler stays: one may be on its way. */
static int interrupt_no_more(void)
{
	return setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

static int set_up(void **state)
{
	static struct place p;
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(p.dir, sizeof p.dir, "%.40s/foster-fd-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(p.dir))
		return -1;
	if (getrlimit(RLIMIT_NOFILE, &p.nofile) < 0 || getrlimit(RLIMIT_FSIZE, &p.fsize) < 0)
		return -1;
	p.writer = 0;
	p.open_before = fd_count();
	*state = &p;
	return 0;
}

static int remove_directory(const char *dir)
{
	auto_free char *command = NULL;

	if (asprintf(&command, "rm -rf '%s'", dir) < 0)
		return -1;
	return system(command); // NOLINT(bugprone-command-processor): the name is ours
}

static int tear_down(void **state)
{
	struct place *p = *state;

	if (p->writer > 0 && (kill(p->writer, SIGKILL) < 0 || waitpid(p->writer, NULL, 0) < 0))
		return -1;
	if (interrupt_no_more() < 0)
		return -1;
	if (setrlimit(RLIMIT_NOFILE, &p->nofile) < 0 || setrlimit(RLIMIT_FSIZE, &p->fsize) < 0)
		return -1;
	if (remove_directory(p->dir) != 0)
		return -1;
	if (fd_count() != p->open_before)
		print_error("%d descriptors were open, now %d\n", p->open_before, fd_count());
	return fd_count() == p->open_before ? 0 : -1;
}

static void limit(int resource, rlim_t soft)
{
	struct rlimit lim;

	assert_return_code(getrlimit((__rlimit_resource_t)resource, &lim), errno);
	lim.rlim_cur = soft;
	assert_return_code(setrlimit((__rlimit_resource_t)resource, &lim), errno);
}

static void make_file(const char *path, const void *data, size_t len)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(fd_write_all(fd, data, len), 0);
}

static void assert_content(const char *path, const char *expected)
{
	char text[256];

	assert_int_equal(fd_read_file(path, text, sizeof text), strlen(expected));
	assert_string_equal(text, expected);
}

/* Bytes in which no piece looks like another. */
static const char *pattern(void)
{
	static char bytes[LARGE];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 2654435761U >> 13);
	return bytes;
}

/* ---- flags --------------------------------------------------------------------------------- */

static void non_blocking_is_set_and_taken_back_and_other_flags_stay(void **state)
{
	auto_close int fd = open(at(*state, "f"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fd_set_nonblocking(fd, true), 0);
		assert_int_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_APPEND),
				 O_NONBLOCK | O_APPEND);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fd_set_nonblocking(fd, false), 0);
		assert_int_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_APPEND), O_APPEND);
	}
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void close_on_exec_is_set_and_taken_back(void **state)
{
	auto_close int fd = open("/dev/null", O_RDONLY); // NOLINT: what is tested sets it

	(void)state;
	assert_int_equal(fd_set_cloexec(fd, true), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fd_set_cloexec(fd, false), 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
}

static void flags_of_what_is_not_open_are_an_error(void **state)
{
	(void)state;
	assert_int_equal(fd_set_nonblocking(-1, true), -EBADF);
	assert_int_equal(fd_set_nonblocking(-1, false), -EBADF);
	assert_int_equal(fd_set_cloexec(-1, true), -EBADF);
}

/* ---- moving -------------------------------------------------------------------------------- */

static bool same_file(int a, int b)
{
	struct stat x, y;

	assert_return_code(fstat(a, &x), errno);
	assert_return_code(fstat(b, &y), errno);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void moved_means_a_high_number_close_on_exec_and_the_old_one_closed(void **state)
{
	auto_close int fd = open(at(*state, "f"), O_RDWR | O_CREAT, 0600); // NOLINT: it sets it
	auto_close int other = open(at(*state, "f"), O_RDONLY | O_CLOEXEC);
	int old = fd, n = fd_count();

	assert_int_equal(fd_move_above(&fd, HIGH), 0);
	assert_in_range(fd, HIGH, INT_MAX);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(old, F_GETFD), -1);
	assert_true(same_file(fd, other));
	assert_int_equal(fd_count(), n);
}

static void what_is_high_enough_stays_where_it_is(void **state)
{
	auto_close int low = open(at(*state, "f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	auto_close int fd = fcntl(low, F_DUPFD, HIGH); // NOLINT: moving sets it
	int number = fd;

	assert_int_equal(fd_move_above(&fd, HIGH), 0);
	assert_int_equal(fd, number);
	assert_int_equal(fd_move_above(&fd, number), 0); /* at least: not more than */
	assert_int_equal(fd, number);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void a_move_never_lands_on_what_is_open(void **state)
{
	auto_close int fd = open(at(*state, "f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	auto_close int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_close int taken = fcntl(other, F_DUPFD_CLOEXEC, HIGH);

	assert_int_equal(fd_move_above(&fd, taken), 0);
	assert_in_range(fd, taken + 1, INT_MAX);
	assert_true(same_file(other, taken));
}

static void what_is_not_open_cannot_be_moved(void **state)
{
	int closed = -1;

	(void)state;
	assert_int_equal(fd_move_above(&closed, HIGH), -EBADF);
	assert_int_equal(closed, -1);
}

static void a_failed_move_changes_nothing(void **state)
{
	skip_under_valgrind();
	auto_close int fd = open(at(*state, "f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	auto_close int other = open(at(*state, "f"), O_RDONLY | O_CLOEXEC);
	auto_close int last = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);
	int number = fd;

	limit(RLIMIT_NOFILE, (rlim_t)last + 1); /* the number above which is the last, and taken */
	assert_int_equal(fd_move_above(&fd, last), -EMFILE);
	assert_int_equal(fd, number);
	assert_int_equal(fd_move_above(&fd, last + 1), -EINVAL); /* fcntl(2): beyond the limit */
	assert_int_equal(fd, number);
	assert_true(same_file(fd, other));
}

/* ---- whole reads and writes ---------------------------------------------------------------- */

static void pause_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&t, NULL);
}

static void assert_exits_0(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The child: takes all there is, the first of it slowly, and says whether it was right. */
_Noreturn static void read_slowly(int fd, const char *expected, size_t len)
{
	char bytes[4096];
	size_t got = 0;
	ssize_t n;

	for (int i = 0; (n = read(fd, bytes, sizeof bytes)) > 0; i++) {
		if (got + (size_t)n > len || memcmp(bytes, expected + got, (size_t)n) != 0)
			_exit(1);
		got += (size_t)n;
		if (i < 32)
			pause_ms(2);
	}
	_exit(got == len ? 0 : 2);
}

static void a_write_goes_on_after_interruptions_and_short_writes(void **state)
{
	const char *bytes = pattern();
	int pipe_fds[2];
	pid_t pid;

	(void)state;
	assert_return_code(pipe2(pipe_fds, O_CLOEXEC), errno);
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[1]);
		read_slowly(pipe_fds[0], bytes, LARGE);
	}
	close(pipe_fds[0]);
	interrupt_every_us(300);
	assert_int_equal(fd_write_all(pipe_fds[1], bytes, LARGE), 0);
	(void)interrupt_no_more();
	assert_true(alarms > 0);
	close(pipe_fds[1]);
	assert_exits_0(pid);
}

static void a_write_that_cannot_be_says_why(void **state)
{
	const char *bytes = pattern();
	auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int pipe_fds[2];

	(void)state;
	assert_int_equal(fd_write_all(fd, "x", 1), -EBADF);
	assert_int_equal(fd_write_all(fd, "", 0), 0); /* nothing is written already */
	assert_return_code(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), errno);
	assert_int_equal(fd_write_all(pipe_fds[1], bytes, LARGE), -EAGAIN);
	close(pipe_fds[0]);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(fd_write_all(pipe_fds[1], bytes, LARGE), -EPIPE);
	signal(SIGPIPE, SIG_DFL);
	close(pipe_fds[1]);
}

static void what_is_left_is_appended_and_ends_with_a_nul(void **state)
{
	auto_buf struct buf b = { 0 };

	make_file(at(*state, "f"), "0123456789", 10);
	auto_close int fd = open(at(*state, "f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
	buf_add_str(&b, "ab");
	assert_int_equal(fd_read_all(fd, &b, 100), 0);
	assert_int_equal(b.len, 8);
	assert_string_equal(b.data, "ab456789");
	assert_int_equal(fd_read_all(fd, &b, 0), 0); /* nothing is left */
	assert_string_equal(b.data, "ab456789");
}

static void an_empty_file_is_an_empty_string(void **state)
{
	auto_buf struct buf b = { 0 };

	make_file(at(*state, "f"), "", 0);
	auto_close int fd = open(at(*state, "f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_read_all(fd, &b, 0), 0);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

static void a_read_takes_as_much_as_the_limit_and_refuses_more(void **state)
{
	static const size_t sizes[] = { 1, 100, 16383, 16384, 16385, 100000 };
	const char *bytes = pattern();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		auto_buf struct buf b = { 0 }, c = { 0 };

		make_file(at(*state, "f"), bytes, sizes[i]);
		auto_close int fd = open(at(*state, "f"), O_RDONLY | O_CLOEXEC);
		assert_int_equal(fd_read_all(fd, &b, sizes[i]), 0);
		assert_int_equal(b.len, sizes[i]);
		assert_memory_equal(b.data, bytes, sizes[i]);
		assert_int_equal(b.data[b.len], '\0');
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		buf_add_str(&c, "kept");
		assert_int_equal(fd_read_all(fd, &c, sizes[i] - 1), -EFBIG);
		assert_in_range(c.len, 4, 4 + sizes[i] - 1);
		assert_memory_equal(c.data, "kept", 4);
		assert_memory_equal(c.data + 4, bytes, c.len - 4);
		assert_int_equal(c.data[c.len], '\0');
	}
}

static void a_path_is_read_whole_or_says_why_not(void **state)
{
	auto_buf struct buf b = { 0 };

	(void)state;
	assert_int_equal(fd_read_path("/proc/self/status", &b, SIZE_MAX), 0);
	assert_non_null(strstr(b.data, "\nPid:"));
	assert_int_equal(fd_read_path("/no/such/file", &b, SIZE_MAX), -ENOENT);
	assert_int_equal(fd_read_path("/proc/self/status", &b, 16), -EFBIG);
}

static void a_read_goes_on_after_interruptions_until_the_end(void **state)
{
	const char *bytes = pattern();
	auto_buf struct buf b = { 0 };
	int pipe_fds[2];
	pid_t pid;

	(void)state;
	assert_return_code(pipe2(pipe_fds, O_CLOEXEC), errno);
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[0]); /* a test that fails ends it */
		for (size_t i = 0; i < LARGE; i += LARGE / 16) {
			pause_ms(2);
			if (fd_write_all(pipe_fds[1], bytes + i, LARGE / 16) < 0)
				_exit(1);
		}
		_exit(0);
	}
	close(pipe_fds[1]);
	interrupt_every_us(300);
	assert_int_equal(fd_read_all(pipe_fds[0], &b, LARGE), 0);
	(void)interrupt_no_more();
	assert_true(alarms > 0);
	assert_int_equal(b.len, LARGE);
	assert_memory_equal(b.data, bytes, LARGE);
	close(pipe_fds[0]);
	assert_exits_0(pid);
}

static void a_read_that_cannot_be_says_why(void **state)
{
	auto_close int fd = open(((struct place *)*state)->dir, O_RDONLY | O_CLOEXEC);
	auto_buf struct buf b = { 0 };
	int pipe_fds[2];

	assert_int_equal(fd_read_all(fd, &b, 100), -EISDIR);
	assert_int_equal(fd_read_all(-1, &b, 100), -EBADF);
	assert_return_code(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), errno);
	assert_int_equal(write(pipe_fds[1], "some", 4), 4);
	assert_int_equal(fd_read_all(pipe_fds[0], &b, 100), -EAGAIN);
	assert_string_equal(b.data, "some"); /* what had come is there */
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void a_small_file_is_a_string_of_its_length(void **state)
{
	char text[8], pid[64];

	make_file(at(*state, "f"), "1234567", 7);
	memset(text, 'x', sizeof text);
	assert_int_equal(fd_read_file(at(*state, "f"), text, sizeof text), 7);
	assert_string_equal(text, "1234567");
	make_file(at(*state, "f"), "", 0);
	assert_int_equal(fd_read_file(at(*state, "f"), text, sizeof text), 0);
	assert_string_equal(text, "");
	assert_int_equal(fd_read_file(at(*state, "f"), text, 1), 0);
	assert_true(fd_read_file("/proc/sys/kernel/pid_max", pid, sizeof pid) > 0);
	assert_in_range(strtoul(pid, NULL, 10), 1, 1 << 22);
}

static void a_file_that_leaves_no_room_for_the_nul_does_not_fit(void **state)
{
	char text[8 + 1] = { [8] = '!' };

	make_file(at(*state, "f"), "12345678", 8);
	assert_int_equal(fd_read_file(at(*state, "f"), text, 8), -EFBIG);
	assert_int_equal(fd_read_file(at(*state, "f"), text, 4), -EFBIG);
	assert_int_equal(fd_read_file(at(*state, "f"), text, 0), -EFBIG);
	assert_int_equal(text[8], '!'); /* nothing was written beyond */
	assert_int_equal(fd_read_file(at(*state, "f"), text, 9), 8);
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
	char text[8];

	assert_int_equal(fd_read_file(at(*state, "none"), text, sizeof text), -ENOENT);
	assert_int_equal(fd_read_file(at(*state, "."), text, sizeof text), -EISDIR);
}

/* ---- replacing ----------------------------------------------------------------------------- */

/* How many names there are in the directory. */
static int names(const struct place *p)
{
	auto_buf struct buf b = { 0 };
	auto_free char *command = NULL;
	int n;

	assert_true(asprintf(&command, "ls -A '%s' | wc -l", p->dir) > 0);
	FILE *f = popen(command, "re"); // NOLINT(bugprone-command-processor): the name is ours
	assert_non_null(f);
	assert_int_equal(fd_read_all(fileno(f), &b, 32), 0);
	n = (int)strtol(b.data, NULL, 10);
	assert_int_equal(pclose(f), 0);
	return n;
}

static void a_file_is_made_with_content_and_mode(void **state)
{
	static const mode_t modes[] = { 0600, 0644, 0666 };
	mode_t mask = umask(0);

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct stat st;

		assert_int_equal(fd_replace_file(at(*state, "f"), "text\n", 5, modes[i]), 0);
		assert_content(at(*state, "f"), "text\n");
		assert_int_equal(stat(at(*state, "f"), &st), 0);
		assert_int_equal(st.st_mode & 07777, modes[i]); /* and not the one it had */
	}
	umask(mask);
	assert_int_equal(names(*state), 1);
}

static void who_has_the_old_file_open_keeps_reading_the_old_one(void **state)
{
	auto_buf struct buf b = { 0 };

	make_file(at(*state, "f"), "the old, longer one", 19);
	auto_close int old = open(at(*state, "f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_replace_file(at(*state, "f"), "new", 3, 0600), 0);
	assert_int_equal(fd_read_all(old, &b, 100), 0);
	assert_string_equal(b.data, "the old, longer one");
	assert_content(at(*state, "f"), "new");
	assert_int_equal(fd_replace_file(at(*state, "f"), "", 0, 0600), 0);
	assert_content(at(*state, "f"), "");
}

static void what_an_interrupted_replacement_left_is_no_obstacle(void **state)
{
	struct stat st;

	make_file(at(*state, "f"), "old", 3);
	make_file(at(*state, "f new"), "half of something longer", 24);
	assert_return_code(chmod(at(*state, "f new"), 0666), errno);
	assert_int_equal(fd_replace_file(at(*state, "f"), "new", 3, 0600), 0);
	assert_content(at(*state, "f"), "new");
	assert_int_equal(stat(at(*state, "f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(names(*state), 1);
}

/* One writes forever, the other must always see all of one state or all of the other. */
static void a_reader_sees_the_old_or_the_new_and_nothing_between(void **state)
{
	enum {
		SIZE = 64 << 10,
		READS = 500
	};
	auto_free char *states = malloc(2 * SIZE), *text = malloc(SIZE + 1);
	const char *path = at(*state, "f");
	unsigned seen[2] = { 0 };
	struct place *p = *state;

	assert_true(states && text);
	memset(states, 'a', SIZE);
	memset(states + SIZE, 'b', SIZE);
	assert_int_equal(fd_replace_file(path, states, SIZE, 0600), 0);
	p->writer = fork();
	assert_return_code(p->writer, errno);
	if (p->writer == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 1; p->writer == 0; i++)
		if (fd_replace_file(path, states + (i % 2 ? SIZE : 0), SIZE, 0600) < 0)
			_exit(1);
	while (seen[0] < READS || seen[1] < 1) {
		ssize_t n = fd_read_file(path, text, SIZE + 1);

		assert_int_equal(n, SIZE);
		seen[text[0] == 'b']++;
		assert_memory_equal(text, states + (text[0] == 'b' ? SIZE : 0), SIZE);
	}
}

static void a_write_that_fails_halfway_leaves_the_old_file_and_nothing_else(void **state)
{
	const char *bytes = pattern();

	make_file(at(*state, "f"), "old", 3);
	signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_FSIZE, 5000); /* as a full disk: some is written, then no more */
	assert_int_equal(fd_replace_file(at(*state, "f"), bytes, LARGE, 0600), -EFBIG);
	assert_int_equal(fd_replace_file(at(*state, "other"), bytes, LARGE, 0600), -EFBIG);
	signal(SIGXFSZ, SIG_DFL);
	assert_content(at(*state, "f"), "old");
	assert_int_equal(names(*state), 1);
}

static void a_directory_in_the_way_stands(void **state)
{
	struct stat st;

	assert_return_code(mkdir(at(*state, "f"), 0700), errno);
	assert_int_equal(fd_replace_file(at(*state, "f"), "new", 3, 0600), -EISDIR);
	assert_int_equal(stat(at(*state, "f"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(names(*state), 1);
}

/* Whoever may write there could have it point anywhere. */
static void a_symbolic_link_beside_it_is_not_followed(void **state)
{
	make_file(at(*state, "f"), "old", 3);
	make_file(at(*state, "victim"), "intact", 6);
	assert_return_code(symlink("victim", at(*state, "f new")), errno);
	assert_int_equal(fd_replace_file(at(*state, "f"), "new", 3, 0600), 0);
	assert_content(at(*state, "f"), "new");
	assert_content(at(*state, "victim"), "intact");
}

static void a_name_with_no_room_beside_it_is_refused(void **state)
{
	char name[NAME_MAX + 1] = { 0 };
	auto_free char *path = malloc(PATH_MAX);

	memset(name, 'n', NAME_MAX - 2); /* a good name, but not with ".new" after it */
	make_file(at(*state, name), "old", 3);
	assert_int_equal(fd_replace_file(at(*state, name), "new", 3, 0600), -ENAMETOOLONG);
	assert_content(at(*state, name), "old");
	assert_int_equal(names(*state), 1);
	assert_non_null(path);
	memset(path, '/', PATH_MAX - 1); /* a path of the root, as long as one may be */
	path[PATH_MAX - 1] = '\0';
	assert_int_equal(fd_replace_file(path, "new", 3, 0600), -ENAMETOOLONG);
	assert_int_equal(fd_replace_file(at(*state, "no/f"), "new", 3, 0600), -ENOENT);
}

/* ---- sealed memory ------------------------------------------------------------------------- */

static void sealed_memory_has_the_content_and_a_name(void **state)
{
	auto_free char *back = malloc(LARGE + 1);
	const char *bytes = pattern();
	char link[64], target[64] = { 0 };
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(fd_sealed("a name", bytes, LARGE, &fd), 0);
	assert_int_equal(fd_sealed_size(fd), LARGE);
	assert_int_equal(pread(fd, back, LARGE + 1, 0), LARGE);
	assert_memory_equal(back, bytes, LARGE);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	assert_true(readlink(link, target, sizeof target - 1) > 0);
	assert_non_null(strstr(target, "memfd:a name"));
}

static void sealed_memory_may_be_empty(void **state)
{
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(fd_sealed("empty", NULL, 0, &fd), 0);
	assert_int_equal(fd_sealed_size(fd), 0);
}

static void nothing_can_change_what_is_sealed(void **state)
{
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(fd_sealed("s", "0123456789", 10, &fd), 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 5), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_ptr_equal(mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1); /* not even its seals */
	assert_int_equal(errno, EPERM);
	assert_int_equal(fd_sealed_size(fd), 10);
}

static void sealing_that_fails_gives_nothing_and_leaks_nothing(void **state)
{
	const char *bytes = pattern();
	char name[400] = { 0 };
	int fd = -77, before = fd_count();

	(void)state;
	memset(name, 'n', sizeof name - 1);
	assert_int_equal(fd_sealed(name, "x", 1, &fd), -EINVAL); /* memfd_create(2): 249 bytes */
	signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_FSIZE, 5000);
	assert_int_equal(fd_sealed("s", bytes, LARGE, &fd), -EFBIG);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(fd, -77);
	assert_int_equal(fd_count(), before);
}

static void memory_that_can_still_change_has_no_size(void **state)
{
	static const int seals[] = { 0, F_SEAL_SHRINK | F_SEAL_GROW, F_SEAL_GROW | F_SEAL_WRITE,
				     F_SEAL_SHRINK | F_SEAL_WRITE,
				     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
		auto_close int fd = memfd_create("s", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		assert_int_equal(write(fd, "abc", 3), 3);
		assert_return_code(fcntl(fd, F_ADD_SEALS, seals[i]), errno);
		assert_int_equal(fd_sealed_size(fd), -EPERM);
		assert_return_code(
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), errno);
		assert_int_equal(fd_sealed_size(fd), 3);
	}
}

static void what_is_no_memfd_has_no_sealed_size(void **state)
{
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(fd_sealed_size(null), -EINVAL);
	assert_int_equal(fd_sealed_size(-1), -EBADF);
}

/* ---- counting ------------------------------------------------------------------------------ */

static void the_count_follows_what_is_opened_and_closed(void **state)
{
	int before = fd_count(), fds[50];

	(void)state;
	assert_in_range(before, 0, INT_MAX);
	for (int i = 0; i < 50; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_int_equal(fd_count(), before + i + 1);
	}
	for (int i = 0; i < 50; i++)
		close(fds[i]);
	assert_int_equal(fd_count(), before);
}

static void the_count_is_of_all_that_is_open_and_of_nothing_else(void **state)
{
	const struct place *p = *state;
	int n = 0;

	skip_under_valgrind();
	for (rlim_t fd = 0; fd < p->nofile.rlim_cur && fd < 1 << 20; fd++)
		n += fcntl((int)fd, F_GETFD) >= 0;
	assert_int_equal(fd_count(), n);
}

static void a_count_that_no_descriptor_is_left_for_says_so(void **state)
{
	skip_under_valgrind();
	auto_close int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	limit(RLIMIT_NOFILE, (rlim_t)next + 1); /* it was the lowest that was free */
	assert_int_equal(fd_count(), -EMFILE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(non_blocking_is_set_and_taken_back_and_other_flags_stay),
		TEST(close_on_exec_is_set_and_taken_back),
		TEST(flags_of_what_is_not_open_are_an_error),
		TEST(moved_means_a_high_number_close_on_exec_and_the_old_one_closed),
		TEST(what_is_high_enough_stays_where_it_is),
		TEST(a_move_never_lands_on_what_is_open),
		TEST(what_is_not_open_cannot_be_moved),
		TEST(a_failed_move_changes_nothing),
		TEST(a_write_goes_on_after_interruptions_and_short_writes),
		TEST(a_write_that_cannot_be_says_why),
		TEST(what_is_left_is_appended_and_ends_with_a_nul),
		TEST(an_empty_file_is_an_empty_string),
		TEST(a_read_takes_as_much_as_the_limit_and_refuses_more),
		TEST(a_read_goes_on_after_interruptions_until_the_end),
		TEST(a_path_is_read_whole_or_says_why_not),
		TEST(a_read_that_cannot_be_says_why),
		TEST(a_small_file_is_a_string_of_its_length),
		TEST(a_file_that_leaves_no_room_for_the_nul_does_not_fit),
		TEST(a_file_that_cannot_be_read_says_why),
		TEST(a_file_is_made_with_content_and_mode),
		TEST(who_has_the_old_file_open_keeps_reading_the_old_one),
		TEST(what_an_interrupted_replacement_left_is_no_obstacle),
		TEST(a_reader_sees_the_old_or_the_new_and_nothing_between),
		TEST(a_write_that_fails_halfway_leaves_the_old_file_and_nothing_else),
		TEST(a_directory_in_the_way_stands),
		TEST(a_symbolic_link_beside_it_is_not_followed),
		TEST(a_name_with_no_room_beside_it_is_refused),
		TEST(sealed_memory_has_the_content_and_a_name),
		TEST(sealed_memory_may_be_empty),
		TEST(nothing_can_change_what_is_sealed),
		TEST(sealing_that_fails_gives_nothing_and_leaks_nothing),
		TEST(memory_that_can_still_change_has_no_size),
		TEST(what_is_no_memfd_has_no_sealed_size),
		TEST(the_count_follows_what_is_opened_and_closed),
		TEST(the_count_is_of_all_that_is_open_and_of_nothing_else),
		TEST(a_count_that_no_descriptor_is_left_for_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
