/* Each case talks in a child, whose stderr is what the case is about: the log's state is a process'
 * own, and a write that blocks must not block the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define DEADLINE_S 20
#define PACKETS_MAX 256 /* a page of the pipe each */
#define FLOOD 20000 /* lines, far more than any stderr here takes unread */
#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}"

/* What was written to stderr, write by write. */
struct said {
	unsigned n;
	char *writes[PACKETS_MAX + 1]; /* strings, owned */
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct said));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	struct said *s = *state;

	for (unsigned i = 0; i < s->n; i++)
		free(s->writes[i]);
	free(s);
	return 0;
}

/* In the child: what a case finds wrong there. */
#define CHECK(condition)                             \
	do {                                         \
		if (!(condition))                    \
			_exit(__LINE__ & 0x7f ?: 1); \
	} while (0)

/* stderr is fd, and whoever waits too long dies of it. */
static pid_t start(void (*talk)(void), int fd)
{
	static const int deadly[] = { SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid)
		return pid;
	for (size_t i = 0; i < ARRAY_SIZE(deadly);
	     i++) /* cmocka's would go on with the next test */
		signal(deadly[i], SIG_DFL);
	alarm(DEADLINE_S);
	unsetenv("JOURNAL_STREAM");
	CHECK(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	talk();
	_exit(0);
}

static void assert_ends_well(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("killed by %s", strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		fail_msg("the child's check fails in line %d (modulo 128)", WEXITSTATUS(status));
}

/* A pipe that keeps writes apart (pipe(2): O_DIRECT), with room for PACKETS_MAX of them. */
static void packet_pipe(int fds[2])
{
	assert_return_code(pipe2(fds, O_CLOEXEC | O_DIRECT), errno);
	assert_return_code(fcntl(fds[1], F_SETPIPE_SZ, PACKETS_MAX * sysconf(_SC_PAGESIZE)), errno);
}

static void collect(struct said *s, int fd)
{
	char bytes[2 * PIPE_BUF];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0 && s->n < PACKETS_MAX) {
		assert_in_range(n, 1, PIPE_BUF);
		assert_null(memchr(bytes, '\0', (size_t)n));
		s->writes[s->n] = strndup(bytes, (size_t)n);
		assert_non_null(s->writes[s->n]);
		s->n++;
	}
	assert_int_equal(n, 0);
}

/* All that talk() writes to its stderr. */
static struct said *hear(struct said *s, void (*talk)(void))
{
	int fds[2];

	packet_pipe(fds);
	pid_t pid = start(talk, fds[1]);
	close(fds[1]);
	collect(s, fds[0]);
	close(fds[0]);
	assert_ends_well(pid);
	return s;
}

static void assert_matches(const char *line, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, line, 0, NULL, 0) != 0)
		fail_msg("'%s' is not like '%s'", line, pattern);
	regfree(&re);
}

/* Where the text begins, after date, time, level. */
static const char *text_of(const char *line)
{
	const char *level = line + strlen("YYYY-MM-DD HH:MM:SS.mmm ");

	assert_matches(line, "^" STAMP " [A-Z]{4,5} ");
	return level + strlen("ERROR ");
}

/* ---- the line ------------------------------------------------------------------------------ */

static void say_hello(void)
{
	log_init(NULL);
	log_info("web", "started, PID %d", 42);
}

static void a_line_has_date_time_level_subject_and_text(void **state)
{
	struct said *s = hear(*state, say_hello);

	assert_int_equal(s->n, 1);
	assert_matches(s->writes[0], "^" STAMP " INFO  web: started, PID 42\n$");
}

/* Milliseconds since 1970. */
static long long now_ms(void)
{
	struct timespec t;

	assert_return_code(clock_gettime(CLOCK_REALTIME, &t), errno);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void its_time_is_now_and_here(void **state)
{
	struct timespec second = { .tv_sec = time(NULL) + 1 };
	const char *zone = getenv("TZ");
	auto_free char *old = zone ? strdup(zone) : NULL;
	struct tm tm = { .tm_isdst = -1 };
	const char *rest;

	assert_return_code(setenv("TZ", "FAR-5:45", 1), errno); /* nobody's hours, nor minutes */
	tzset();
	/* Its first milliseconds are written with leading zeros. */
	assert_int_equal(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &second, NULL), 0);
	long long before = now_ms();
	struct said *s = hear(*state, say_hello);
	long long after = now_ms();
	assert_matches(s->writes[0], "^" STAMP " ");
	rest = strptime(s->writes[0], "%Y-%m-%d %H:%M:%S", &tm);
	assert_non_null(rest);
	assert_in_range(mktime(&tm) * 1000LL + strtol(rest + 1, NULL, 10), before, after);
	assert_int_equal(old ? setenv("TZ", old, 1) : unsetenv("TZ"), 0);
	tzset();
}

static void say_at_every_level(void)
{
	log_init(NULL);
	log_set_level(LOG_DEBUG);
	for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
		log_line(level, "web", "%d", level);
	log_error("web", "3");
	log_warning("web", "4");
	log_info("web", "6");
	log_debug("web", "7");
}

static void every_level_has_its_word(void **state)
{
	static const char *const words[] = { "EMERG", "ALERT", "CRIT ", "ERROR", "WARN ", "NOTE ",
					     "INFO ", "DEBUG", "ERROR", "WARN ", "INFO ", "DEBUG" };
	static const int levels[] = { 0, 1, 2, 3, 4, 5, 6, 7, 3, 4, 6, 7 };
	struct said *s = hear(*state, say_at_every_level);

	assert_int_equal(s->n, ARRAY_SIZE(words));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		char pattern[128];

		(void)snprintf(pattern, sizeof pattern, "^" STAMP " %s web: %d\n$", words[i],
			       levels[i]);
		assert_matches(s->writes[i], pattern);
	}
}

static void say_with_and_without_names(void)
{
	log_line(LOG_INFO, "web", "before log_init");
	log_init("supervisor");
	log_info("web", "a process");
	log_info(NULL, "no process");
	log_init(NULL);
	log_info("web", "the keeper's");
	log_info(NULL, "of nobody");
}

static void the_part_stands_before_the_subject_and_either_may_be_missing(void **state)
{
	struct said *s = hear(*state, say_with_and_without_names);

	assert_int_equal(s->n, 5);
	assert_string_equal(text_of(s->writes[0]), "web: before log_init\n");
	assert_string_equal(text_of(s->writes[1]), "supervisor: web: a process\n");
	assert_string_equal(text_of(s->writes[2]), "supervisor: no process\n");
	assert_string_equal(text_of(s->writes[3]), "web: the keeper's\n");
	assert_string_equal(text_of(s->writes[4]), "of nobody\n");
}

static void say_from_two_thresholds(void)
{
	log_init(NULL);
	log_debug("web", "not by default");
	log_info("web", "by default");
	log_set_level(LOG_WARNING);
	log_info("web", "not any more");
	log_line(LOG_NOTICE, "web", "neither");
	log_warning("web", "still");
	log_set_level(LOG_DEBUG);
	log_debug("web", "now");
}

static void what_is_less_important_than_the_level_is_not_written(void **state)
{
	struct said *s = hear(*state, say_from_two_thresholds);

	assert_int_equal(s->n, 3);
	assert_string_equal(text_of(s->writes[0]), "web: by default\n");
	assert_string_equal(text_of(s->writes[1]), "web: still\n");
	assert_string_equal(text_of(s->writes[2]), "web: now\n");
}

static void say_with_control_characters(void)
{
	log_init(NULL);
	log_info("web\nb", "one\ntwo\r\033[31mthree\177");
	log_info("web", "a \xc2\x9b"
			"31m caf\xc3\xa9 \xe2\x82\xac");
}

static void what_a_text_brings_along_makes_no_second_line(void **state)
{
	struct said *s = hear(*state, say_with_control_characters);

	assert_int_equal(s->n, 2);
	assert_ptr_equal(strchr(s->writes[0], '\n'), s->writes[0] + strlen(s->writes[0]) - 1);
	for (const char *c = s->writes[0]; c[1]; c++)
		assert_in_range(*c, ' ', '~');
	assert_string_equal(text_of(s->writes[1]), "web: a   31m caf\xc3\xa9 \xe2\x82\xac\n");
}

static char huge[3 * PIPE_BUF];

static void say_too_much(void)
{
	static const int lengths[] = { PIPE_BUF - 80, PIPE_BUF - 1, PIPE_BUF, 3 * PIPE_BUF - 1 };

	log_init("supervisor");
	memset(huge, 'x', sizeof huge);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		log_info("web", "%.*s", lengths[i], huge);
		huge[lengths[i]] = '\0';
		log_info(huge, "the subject is too long");
		huge[lengths[i]] = 'x';
	}
	log_info("web", "after it");
}

static void a_line_of_any_length_is_one_write_and_ends_with_its_only_newline(void **state)
{
	struct said *s = hear(*state, say_too_much);

	assert_int_equal(s->n, 9);
	for (unsigned i = 0; i < s->n; i++) {
		size_t len = strlen(s->writes[i]);

		assert_in_range(len, 1, PIPE_BUF);
		assert_ptr_equal(strchr(s->writes[i], '\n'), s->writes[i] + len - 1);
		if (i >= 2 && i < 8) /* as much of it as fits, or nearly */
			assert_in_range(len, PIPE_BUF - 2, PIPE_BUF);
	}
	assert_non_null(strstr(s->writes[1], "x: the subject is too long\n"));
	assert_string_equal(text_of(s->writes[8]), "supervisor: web: after it\n");
}

/* ---- the journal's stream ------------------------------------------------------------------ */

static void set_journal_stream(unsigned long device_off, unsigned long inode_off)
{
	struct stat st;
	char stream[64];

	CHECK(fstat(STDERR_FILENO, &st) == 0);
	(void)snprintf(stream, sizeof stream, "%lu:%lu", (unsigned long)st.st_dev + device_off,
		       (unsigned long)st.st_ino + inode_off);
	CHECK(setenv("JOURNAL_STREAM", stream, 1) == 0);
}

static void say_to_the_journal(void)
{
	set_journal_stream(0, 0);
	log_init("supervisor");
	log_error("web", "bad");
	log_info(NULL, "good");
}

static void the_journal_gets_a_priority_and_no_date(void **state)
{
	struct said *s = hear(*state, say_to_the_journal);

	assert_int_equal(s->n, 2);
	assert_string_equal(s->writes[0], "<3>supervisor: web: bad\n");
	assert_string_equal(s->writes[1], "<6>supervisor: good\n");
}

static void say_to_what_is_not_the_journal(void)
{
	set_journal_stream(1, 0);
	log_init(NULL);
	log_info("web", "another device");
	set_journal_stream(0, 1);
	log_init(NULL);
	log_info("web", "another inode");
	CHECK(setenv("JOURNAL_STREAM", "nonsense", 1) == 0);
	log_init(NULL);
	log_info("web", "nonsense");
	set_journal_stream(0, 0);
	log_init(NULL);
	CHECK(unsetenv("JOURNAL_STREAM") == 0);
	log_init(NULL);
	log_info("web", "none");
}

static void a_stderr_that_was_replaced_is_not_taken_for_the_journal(void **state)
{
	struct said *s = hear(*state, say_to_what_is_not_the_journal);

	assert_int_equal(s->n, 4);
	assert_string_equal(text_of(s->writes[0]), "web: another device\n");
	assert_string_equal(text_of(s->writes[1]), "web: another inode\n");
	assert_string_equal(text_of(s->writes[2]), "web: nonsense\n");
	assert_string_equal(text_of(s->writes[3]), "web: none\n");
}

/* ---- errno --------------------------------------------------------------------------------- */

static void say_why(void)
{
	CHECK(setenv("TZ", ":no/such/zone", 1) == 0); /* the first line looks for it */
	log_init("supervisor");
	errno = ENOSPC;
	log_error("web", "cannot write: %m");
	CHECK(errno == ENOSPC);
	errno = ELOOP;
	log_debug("web", "not written");
	CHECK(errno == ELOOP);
}

static void errno_can_be_printed_and_is_kept(void **state)
{
	struct said *s = hear(*state, say_why);

	assert_int_equal(s->n, 1);
	assert_string_equal(text_of(s->writes[0]),
			    "supervisor: web: cannot write: No space left on device\n");
}

static void fail_to_say(void)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	CHECK(dup2(full, STDERR_FILENO) == STDERR_FILENO);
	CHECK(write(STDERR_FILENO, "x", 1) < 0 && errno == ENOSPC);
	errno = ELOOP;
	log_init(NULL);
	log_info("web", "%m");
	CHECK(errno == ELOOP);
	log_error("web", "%m");
	CHECK(errno == ELOOP);
	log_gather();
	log_info("web", "%m");
	CHECK(errno == ELOOP);
	log_flush();
	CHECK(errno == ELOOP);
}

static void errno_is_kept_when_nothing_can_be_written(void **state)
{
	assert_int_equal(hear(*state, fail_to_say)->n, 0);
}

/* ---- a stderr that takes nothing ----------------------------------------------------------- */

static void flood(void)
{
	log_init(NULL);
	for (int i = 0; i < FLOOD; i++)
		log_info("web", "line %d", i);
}

static void flood_gathered(void)
{
	log_gather();
	flood();
	log_flush();
}

/* The child must come to its end though nobody reads. */
static void assert_not_held_up(void (*talk)(void), int fd)
{
	assert_ends_well(start(talk, fd));
}

static void a_pipe_that_nobody_reads_holds_nobody_up(void **state)
{
	int fds[2];

	(void)state;
	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	assert_not_held_up(flood, fds[1]);
	assert_not_held_up(flood_gathered, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

static void a_socket_that_nobody_reads_holds_nobody_up(void **state)
{
	int fds[2];

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
	assert_not_held_up(flood, fds[1]);
	assert_not_held_up(flood_gathered, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

/* Stopped with ^S, or its other end hangs. */
static void a_terminal_that_nobody_reads_holds_nobody_up(void **state)
{
	auto_close int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	(void)state;
	assert_return_code(master, errno);
	assert_return_code(grantpt(master), errno);
	assert_return_code(unlockpt(master), errno);
	auto_close int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_return_code(slave, errno);
	assert_not_held_up(flood, slave);
	assert_not_held_up(flood_gathered, slave);
}

static void a_reader_that_has_gone_is_survived(void **state)
{
	int fds[2];

	(void)state;
	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN); /* as every part of foster has it */
	assert_not_held_up(flood, fds[1]);
	assert_not_held_up(flood_gathered, fds[1]);
	signal(SIGPIPE, SIG_DFL);
	close(fds[1]);
}

static void close_and_flood(void)
{
	close(STDERR_FILENO);
	flood();
}

static void a_closed_stderr_is_survived(void **state)
{
	(void)state;
	assert_not_held_up(close_and_flood, STDERR_FILENO);
}

/* A pipe that the child can read itself, so that it is full and empty when a case says so. */
static int own_pipe[2];

static void make_own_pipe(void)
{
	CHECK(pipe2(own_pipe, O_CLOEXEC) == 0);
	CHECK(dup2(own_pipe[1], STDERR_FILENO) == STDERR_FILENO);
	CHECK(fcntl(own_pipe[0], F_SETFL, O_NONBLOCK) == 0);
}

/* What is in the pipe, which is empty then; how many lines it is. */
static unsigned drain(struct buf *b)
{
	char bytes[4096];
	unsigned lines = 0;
	ssize_t n;

	while ((n = read(own_pipe[0], bytes, sizeof bytes)) > 0)
		buf_add(b, bytes, (size_t)n);
	CHECK(n < 0 && errno == EAGAIN && b->len && b->data[b->len - 1] == '\n');
	for (const char *p = b->data; (p = strchr(p, '\n')); p++)
		lines++;
	return lines;
}

/* The lines of text must be these, each after its stamp and level. */
static bool says(const char *text, const char *level, const char *first, const char *second)
{
	char pattern[256];
	regex_t re;
	bool yes;

	(void)snprintf(pattern, sizeof pattern, "^" STAMP " %s %s\n" STAMP " %s %s\n$", level,
		       first, level, second);
	CHECK(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) == 0);
	yes = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return yes;
}

static void lose_and_tell(void)
{
	char first[64];

	make_own_pipe();
	for (int round = 0; round < 2; round++) { /* the count begins anew */
		auto_buf struct buf full = { 0 }, then = { 0 };

		flood();
		(void)snprintf(first, sizeof first, "log: %u lines were dropped",
			       FLOOD - drain(&full));
		CHECK(!strstr(full.data, "dropped"));
		log_warning("web", "there is room again");
		CHECK(drain(&then) == 2);
		CHECK(says(then.data, "WARN ", first, "web: there is room again"));
		buf_clear(&then);
		log_info("web", "not told twice");
		CHECK(drain(&then) == 1);
	}
}

static void how_many_lines_were_lost_is_said_before_the_next_that_fits(void **state)
{
	assert_int_equal(hear(*state, lose_and_tell)->n, 0);
}

static void lose_and_tell_gathered(void)
{
	auto_buf struct buf full = { 0 }, then = { 0 };
	char first[64];

	make_own_pipe();
	log_gather();
	flood();
	log_flush();
	(void)snprintf(first, sizeof first, "log: %u lines were dropped", FLOOD - drain(&full));
	log_info("web", "there is room again");
	log_flush();
	CHECK(drain(&then) == 2);
	CHECK(says(then.data, "INFO ", first, "web: there is room again"));
}

static void each_line_that_was_gathered_and_lost_counts(void **state)
{
	assert_int_equal(hear(*state, lose_and_tell_gathered)->n, 0);
}

/* ---- gathering ----------------------------------------------------------------------------- */

static void gather_and_flush(void)
{
	auto_buf struct buf b = { 0 };

	make_own_pipe();
	log_init(NULL);
	log_info("web", "at once");
	CHECK(drain(&b) == 1);
	log_gather();
	log_info("web", "one");
	log_warning("web", "two");
	log_debug("web", "below the level");
	CHECK(read(own_pipe[0], &(char){ 0 }, 1) < 0 && errno == EAGAIN);
	log_flush();
	buf_clear(&b);
	CHECK(drain(&b) == 2);
	CHECK(strstr(b.data, "web: one\n") && strstr(b.data, "web: two\n"));
	CHECK(strstr(b.data, "web: one\n") < strstr(b.data, "web: two\n"));
	log_flush();
	CHECK(read(own_pipe[0], &(char){ 0 }, 1) < 0 && errno == EAGAIN); /* not again */
}

static void gathered_lines_wait_for_the_flush(void **state)
{
	assert_int_equal(hear(*state, gather_and_flush)->n, 0);
}

static void gather_until_an_error(void)
{
	log_init(NULL);
	log_gather();
	log_info("web", "one");
	log_warning("web", "two");
	log_error("web", "three");
	log_info("web", "four");
	log_line(LOG_CRIT, "web", "five");
	log_info("web", "lost: nobody flushes it");
}

static void an_error_brings_out_what_was_gathered_and_itself_in_one_write(void **state)
{
	struct said *s = hear(*state, gather_until_an_error);

	assert_int_equal(s->n, 2);
	assert_matches(s->writes[0], "^" STAMP " INFO  web: one\n" STAMP " WARN  web: two\n" STAMP
				     " ERROR web: three\n$");
	assert_matches(s->writes[1], "^" STAMP " INFO  web: four\n" STAMP " CRIT  web: five\n$");
}

static void gather_a_lot(void)
{
	log_init(NULL);
	log_gather();
	for (int i = 0; i < 1000; i++)
		log_info("web", "line %d", i);
	memset(huge, 'x', PIPE_BUF);
	log_info("web", "%.*s", PIPE_BUF, huge);
	log_flush();
}

static void more_than_fits_comes_out_in_whole_lines_and_in_order(void **state)
{
	struct said *s = hear(*state, gather_a_lot);
	int next = 0;

	for (unsigned i = 0; i < s->n; i++) {
		size_t len = strlen(s->writes[i]);

		assert_int_equal(s->writes[i][len - 1], '\n');
		if (i + 2 < s->n) /* one more line would not have fitted */
			assert_in_range(len, PIPE_BUF - 50, PIPE_BUF);
		for (char *line = s->writes[i], *end; (end = strchr(line, '\n')); line = end + 1) {
			char expected[32];

			*end = '\0';
			(void)snprintf(expected, sizeof expected, "web: line %d", next);
			if (next++ < 1000)
				assert_string_equal(text_of(line), expected);
		}
	}
	assert_int_equal(next, 1001);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_line_has_date_time_level_subject_and_text),
		TEST(its_time_is_now_and_here),
		TEST(every_level_has_its_word),
		TEST(the_part_stands_before_the_subject_and_either_may_be_missing),
		TEST(what_is_less_important_than_the_level_is_not_written),
		TEST(a_line_of_any_length_is_one_write_and_ends_with_its_only_newline),
		TEST(the_journal_gets_a_priority_and_no_date),
		TEST(a_stderr_that_was_replaced_is_not_taken_for_the_journal),
		TEST(errno_can_be_printed_and_is_kept),
		TEST(errno_is_kept_when_nothing_can_be_written),
		TEST(a_pipe_that_nobody_reads_holds_nobody_up),
		TEST(a_socket_that_nobody_reads_holds_nobody_up),
		TEST(a_terminal_that_nobody_reads_holds_nobody_up),
		TEST(what_a_text_brings_along_makes_no_second_line),
		TEST(a_reader_that_has_gone_is_survived),
		TEST(a_closed_stderr_is_survived),
		TEST(how_many_lines_were_lost_is_said_before_the_next_that_fits),
		TEST(each_line_that_was_gathered_and_lost_counts),
		TEST(gathered_lines_wait_for_the_flush),
		TEST(an_error_brings_out_what_was_gathered_and_itself_in_one_write),
		TEST(more_than_fits_comes_out_in_whole_lines_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
