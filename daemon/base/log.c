#include "daemon/base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *identifier;
	int level;
	bool journal;
	bool gathers;
	unsigned dropped; /* lines */
	unsigned n_gathered;
	size_t len;
	char gathered[PIPE_BUF];
} state = { .level = LOG_INFO };

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

void log_init(const char *identifier)
{
	state.identifier = identifier;
	state.journal = stderr_is_journal();
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

static bool write_line(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT && write(STDERR_FILENO, line, len) >= 0;
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

void log_line(int level, const char *subject, const char *format, ...)
{
	int saved = errno;
	char line[PIPE_BUF];
	size_t max = sizeof line - 1;
	size_t n;
	va_list ap;

	if (level > state.level)
		return;
	n = (size_t)format_start(line, sizeof line, level);
	if (state.identifier)
		n += (size_t)snprintf(line + n, max - n, "%s: ", state.identifier);
	if (subject)
		n += (size_t)snprintf(line + n, max - n, "%s: ", subject);
	if (n > max)
		n = max;
	errno = saved;
	va_start(ap, format);
	n += (size_t)vsnprintf(line + n, max - n, format, ap);
	va_end(ap);
	if (n > max - 1)
		n = max - 1;
	line[n++] = '\n';
	if (state.gathers)
		gather(line, n);
	else
		write_lines(level, line, n, 1);
	if (level <= LOG_ERR)
		log_flush();
	errno = saved;
}
