#include "daemon/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define OWN_FD_MIN 64

static struct {
	const char *identifier;
	int level;
	int own_fd; /* stderr once more, non-blocking for us alone; -1 */
	bool torn; /* the last line was not taken whole */
	bool journal;
	bool gathers;
	unsigned dropped; /* lines */
	unsigned n_gathered;
	size_t len;
	char gathered[PIPE_BUF];
} state = { .own_fd = -1, .level = LOG_INFO };

static const char *const level_names[] = { "EMERG", "ALERT", "CRIT", "ERROR",
					   "WARN",  "NOTE",  "INFO", "DEBUG" };

/* JOURNAL_STREAM names the device and inode of the stream that systemd gave as stderr. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* A pipe or terminal is opened anew, high enough not to be in anybody's way. Of a file that would lose
 * the common offset. */
static int open_own(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return -1;
	auto_close int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
							    (flags & (O_APPEND | O_DIRECT)));
	if (fd < 0 || fd_move_above(&fd, OWN_FD_MIN) < 0)
		return -1;
	return take_fd(fd);
}

void log_init(const char *identifier)
{
	state.identifier = identifier;
	state.journal = stderr_is_journal();
	close_fd(&state.own_fd);
	state.own_fd = open_own();
}

void log_set_level(int level)
{
	state.level = level;
}

static int format_start(char *line, size_t size, int level)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	if (state.journal)
		return snprintf(line, size, "<%d>", level);
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	n = strftime(line, size, "%Y-%m-%d %H:%M:%S", &tm);
	return (int)n + snprintf(line + n, size - n, ".%03ld %-5s ", now.tv_nsec / 1000000,
				 level_names[level & 7]);
}

/* Never waiting: neither poll(2), after which another writer may take the room, nor a terminal, which is
 * writable as long as it takes one byte, can promise that for a blocking write. */
static ssize_t write_now(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n;

	if (state.own_fd >= 0)
		return write(state.own_fd, line, len);
	n = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0 || errno != ENOTSOCK)
		return n;
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return -1;
	return write(STDERR_FILENO, line, len);
}

static bool write_line(const char *line, size_t len)
{
	ssize_t n;

	if (state.torn && write_now("\n", 1) != 1)
		return false;
	state.torn = false;
	n = write_now(line, len);
	state.torn = n >= 0 && (size_t)n < len; /* a terminal takes what it can */
	return n >= 0;
}

static void write_dropped(int level)
{
	char line[128];
	int n = format_start(line, sizeof line, level);

	n += snprintf(line + n, sizeof line - (size_t)n, "log: %u lines were dropped\n",
		      state.dropped);
	if (write_line(line, (size_t)n))
		state.dropped = 0;
}

void log_gather(void)
{
	state.gathers = true;
}

static void write_lines(int level, const char *lines, size_t len, unsigned n)
{
	if (state.dropped)
		write_dropped(level);
	if (!write_line(lines, len))
		state.dropped += n;
}

void log_flush(void)
{
	int saved = errno;

	if (state.len)
		write_lines(LOG_INFO, state.gathered, state.len, state.n_gathered);
	state.len = 0;
	state.n_gathered = 0;
	errno = saved;
}

static void gather(const char *line, size_t len)
{
	if (len > sizeof state.gathered - state.len)
		log_flush();
	memcpy(state.gathered + state.len, line, len);
	state.len += len;
	state.n_gathered++;
}

/* Whatever a name or text brings along: one event is one line, and no orders to a terminal (U+0080..9F are
 * such, too). */
static void make_one_line(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char *s = (const unsigned char *)text + i;

		if (s[0] < ' ' || s[0] == 0x7f)
			text[i] = ' ';
		else if (s[0] == 0xc2 && i + 1 < len && s[1] >= 0x80 && s[1] < 0xa0)
			text[i] = text[i + 1] = ' ';
	}
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

void log_line(int level, const char *subject, const char *format, ...)
{
	int saved = errno;
	char line[PIPE_BUF];
	size_t max = sizeof line - 1; /* a newline follows */
	size_t n;
	va_list ap;

	if (level > state.level)
		return;
	n = (size_t)format_start(line, sizeof line, level);
	if (state.identifier)
		n = least(max, n + (size_t)snprintf(line + n, max - n, "%s: ", state.identifier));
	if (subject)
		n = least(max, n + (size_t)snprintf(line + n, max - n, "%s: ", subject));
	errno = saved;
	va_start(ap, format);
	n = least(max - 1, n + (size_t)vsnprintf(line + n, max - n, format, ap));
	va_end(ap);
	make_one_line(line, n);
	line[n++] = '\n';
	if (state.gathers)
		gather(line, n);
	else
		write_lines(level, line, n, 1);
	if (level <= LOG_ERR)
		log_flush();
	errno = saved;
}
