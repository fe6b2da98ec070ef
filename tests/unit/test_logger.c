#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "tests/unit/logger_rig.h"

#define KEEPER_PATIENCE_NS \
	(5 * NS_PER_S) /* LAST_WORDS_S of keeper/parts.c, LAST_WORDS_MS of adopt.c */

/* ---- files --------------------------------------------------------------------------------- */

static void every_byte_arrives_unchanged(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	char sent[60000];
	size_t len = 0;

	for (size_t i = 0; i < sizeof sent; i++)
		sent[i] = (char)(i * 7 + i / 256);
	rig_send_file(r, &p, "web.log", 0, 0);
	for (int n = 0; n < 5; n++)
		assert_int_equal(fd_write_all(p.in, sent, sizeof sent), 0);
	rig_finish(r);
	auto_free char *got = rig_read(rig_path(r, "web.log"), &len);
	assert_int_equal(len, 5 * sizeof sent);
	for (int n = 0; n < 5; n++)
		assert_memory_equal(got + n * sizeof sent, sent, sizeof sent);
	rig_pipe_done(&p);
}

static void a_stream_that_prints_nothing_makes_no_file(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "web.log", 0, 0);
	rig_sync(r);
	assert_int_equal(access(rig_path(r, "web.log"), F_OK), -1);
	rig_pipe_done(&p);
}

static void a_new_logger_goes_on_at_the_end(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "web.log", 0, 0);
	rig_write(p.in, "first\n");
	rig_finish(r);
	rig_write(p.in, "second\n"); /* while there is none */
	rig_start(r);
	rig_send_file(r, &p, "web.log", 0, 0);
	rig_expect(r, "web.log", "first\nsecond\n");
	rig_pipe_done(&p);
}

/* As the keeper does when another logger is to follow this one. */
static void dismiss(struct rig *r)
{
	struct link_head h = { .type = LINK_FINISH, .incarnation = 1 };

	assert_int_equal(link_send(&r->link, &h, NULL, 0, NULL, 0), 0);
	assert_int_equal(link_flush(&r->link), 0);
	link_done(&r->link);
}

static void a_line_is_whole_that_was_begun_before_a_successor_and_ended_after(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	struct link_log log = { .stream = 1, .mode = 0644 };

	rig_send_log(r, 1, p.both, &log, rig_path(r, "web.log"), "web | ", "web");
	rig_write(p.in, "first\nbegun ");
	rig_expect(r, "web.log", "web | first\n");
	dismiss(r);
	rig_finish(r);
	rig_assert_file(r, "web.log", "web | first\n");
	rig_start(r);
	rig_send_log(r, 1, p.both, &log, rig_path(r, "web.log"), "web | ", "web");
	rig_write(p.in, "and ended\n");
	rig_expect(r, "web.log", "web | first\nweb | begun and ended\n");
	rig_pipe_done(&p);
}

/* Lines "0\n" … in one write each, as long as width says. */
static void write_numbered(int fd, unsigned from, unsigned to, int width)
{
	char line[300000];

	for (unsigned i = from; i < to; i++) {
		int n = snprintf(line, sizeof line, "%0*u\n", width, i);

		assert_int_equal(fd_write_all(fd, line, (size_t)n), 0);
	}
}

static void rotation_keeps_lines_whole_and_as_many_files_as_asked(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	unsigned next = 1000;

	rig_send_file(r, &p, "web.log", 1005, 3);
	write_numbered(p.in, 0, 1000, 9); /* 100 lines of 10 bytes fit into a file */
	rig_finish(r);
	assert_int_equal(access(rig_path(r, "web.log.4"), F_OK), -1);
	for (const char *const *name = (const char *const[]){ "web.log", "web.log.1", "web.log.2",
							      "web.log.3", NULL };
	     *name; name++) {
		auto_free char *text = rig_read(rig_path(r, *name), NULL);

		assert_int_equal(strlen(text), 1000);
		next -= 100;
		for (unsigned i = 0; i < 100; i++)
			assert_int_equal(atoi(text + 10 * i), next + i);
	}
	rig_pipe_done(&p);
}

static void a_line_that_came_in_pieces_is_not_split_by_rotation(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "web.log", 20, 2);
	rig_write(p.in, "first\nsecond is ");
	rig_expect(r, "web.log", "first\nsecond is ");
	rig_write(p.in, "longer\nthird\n");
	rig_expect(r, "web.log", "third\n");
	rig_assert_file(r, "web.log.1", "first\nsecond is longer\n");
	rig_pipe_done(&p);
}

static void without_backups_the_file_is_emptied(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "web.log", 20, 0);
	rig_write(p.in, "0123456789\nabcdefghij\n");
	rig_expect(r, "web.log", "abcdefghij\n");
	assert_int_equal(access(rig_path(r, "web.log.1"), F_OK), -1);
	rig_pipe_done(&p);
}

static void what_somebody_else_has_moved_away_is_not_emptied(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "web.log", 20, 0);
	rig_write(p.in, "kept for ever\n");
	rig_expect(r, "web.log", "kept for ever\n");
	assert_return_code(rename(rig_path(r, "web.log"), rig_path(r, "moved")), errno);
	rig_write(p.in, "does not fit\n");
	rig_expect(r, "web.log", "does not fit\n");
	rig_assert_file(r, "moved", "kept for ever\n");
	rig_pipe_done(&p);
}

static void lines_of_200_kib_are_whole_in_small_files(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "web.log", 65536, 10);
	write_numbered(p.in, 0, 8, 200 << 10);
	rig_finish(r);
	for (unsigned i = 0; i < 8; i++) {
		char name[32];
		size_t len = 0;

		(void)snprintf(name, sizeof name, i ? "web.log.%u" : "web.log", i);
		auto_free char *text = rig_read(rig_path(r, name), &len);
		assert_int_equal(len, (200 << 10) + 1);
		assert_int_equal(atoi(text + len - 11), 7 - i);
		assert_int_equal(text[len - 1], '\n');
	}
	rig_pipe_done(&p);
}

static void an_interrupted_rotation_is_finished_with_the_next_bytes(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	static const char *const left[] = { "web.log", "web.log.1", "web.log.3" };

	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		auto_close int fd =
			open(rig_path(r, left[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		rig_write(fd, left[i]);
		rig_write(fd, "\n");
	}
	rig_write(p.in, "what did not fit\n"); /* as the killed one left it: in the pipe */
	rig_send_file(r, &p, "web.log", 20, 3);
	rig_expect(r, "web.log", "what did not fit\n");
	rig_assert_file(r, "web.log.1", "web.log\n");
	rig_assert_file(r, "web.log.2", "web.log.1\n");
	rig_assert_file(r, "web.log.3", "web.log.3\n");
	rig_pipe_done(&p);
}

static void a_file_moved_away_is_reopened_when_asked(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "web.log", 0, 0);
	rig_write(p.in, "old\n");
	rig_expect(r, "web.log", "old\n");
	assert_return_code(rename(rig_path(r, "web.log"), rig_path(r, "moved")), errno);
	rig_send(r, LINK_REOPEN, LINK_NO_SLOT, 0);
	rig_sync(r);
	rig_assert_file(r, "web.log", ""); /* made at once */
	assert_return_code(access(rig_path(r, "web.log"), F_OK), errno);
	rig_write(p.in, "new\n");
	rig_expect(r, "web.log", "new\n");
	rig_assert_file(r, "moved", "old\n");
	rig_pipe_done(&p);
}

static void a_file_emptied_or_removed_by_somebody_else_goes_on(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "web.log", 0, 0);
	rig_write(p.in, "some bytes\n");
	rig_expect(r, "web.log", "some bytes\n");
	assert_return_code(truncate(rig_path(r, "web.log"), 0), errno);
	rig_write(p.in, "emptied\n");
	rig_expect(r, "web.log", "emptied\n");
	assert_return_code(unlink(rig_path(r, "web.log")), errno);
	rig_write(p.in, "removed\n");
	rig_expect(r, "web.log", "removed\n");
	rig_pipe_done(&p);
}

static void two_streams_of_one_file_do_not_cut_each_others_lines(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe a = rig_pipe(), b = rig_pipe();
	struct link_log log = { .stream = 1, .mode = 0644 };

	rig_send_log(r, 1, a.both, &log, rig_path(r, "log"), "", "a");
	log.stream = 2;
	rig_send_log(r, 1, b.both, &log, rig_path(r, "log"), "", "a");
	rig_write(a.in, "first ");
	rig_write(b.in, "a line\n");
	rig_expect(r, "log", "a line\n");
	rig_write(a.in, "half\n");
	rig_expect(r, "log", "a line\nfirst half\n");
	rig_pipe_done(&a);
	rig_pipe_done(&b);
}

static void formats_are_written_into_files_and_rotated(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	struct link_log log = {
		.stream = 2, .maxbytes = 100, .backups = 5, .mode = 0644, .format = 2
	};

	rig_send_log(r, 3, p.both, &log, rig_path(r, "log"), "not in json | ", "web:1");
	rig_write(p.in, "one\ntwo\n");
	rig_finish(r);
	auto_free char *one = rig_read(rig_path(r, "log.1"), NULL);
	auto_free char *two = rig_read(rig_path(r, "log"), NULL);
	assert_non_null(
		strstr(one, ",\"name\":\"web:1\",\"stream\":\"stderr\",\"line\":\"one\"}\n"));
	assert_non_null(
		strstr(two, ",\"name\":\"web:1\",\"stream\":\"stderr\",\"line\":\"two\"}\n"));
	assert_int_equal(strncmp(one, "{\"time\":\"20", 11), 0);
	rig_pipe_done(&p);
}

static void more_streams_than_descriptors_for_files_all_arrive(void **state)
{
	enum {
		STREAMS = 60
	};
	struct rig_pipe p[STREAMS];
	struct rig *r = *state;
	char name[32];

	r->nofile = 140; /* 64 kept free, 60 pipes: 16 files at a time */
	r = rig_begin(state, -1, -1);
	for (unsigned i = 0; i < STREAMS; i++) {
		struct link_log log = { .stream = 1, .mode = 0644 };

		p[i] = rig_pipe();
		(void)snprintf(name, sizeof name, "%u.log", i);
		rig_send_log(r, i, p[i].both, &log, rig_path(r, name), "", "web");
	}
	for (int round = 0; round < 5; round++)
		for (unsigned i = 0; i < STREAMS; i++)
			rig_write(p[i].in, "a line\n");
	rig_sync(r);
	rig_finish(r);
	for (unsigned i = 0; i < STREAMS; i++) {
		(void)snprintf(name, sizeof name, "%u.log", i);
		rig_assert_file(r, name, "a line\na line\na line\na line\na line\n");
		rig_pipe_done(&p[i]);
	}
	assert_int_equal(rig_said(r, "cannot"), 0);
}

/* ---- messages ------------------------------------------------------------------------------ */

static int count_fds(pid_t pid)
{
	char path[64];
	int n = 0;
	DIR *d;

	(void)snprintf(path, sizeof path, "/proc/%d/fd", pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void unlog_drains_the_pipe_and_closes_pipe_and_file(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	int before;

	rig_sync(r);
	before = count_fds(r->pid);
	rig_send_file(r, &p, "web.log", 0, 0);
	rig_write(p.in, "complete\nnot complete");
	rig_send(r, LINK_UNLOG, 1, 1);
	rig_sync(r);
	rig_assert_file(r, "web.log", "complete\nnot complete");
	assert_int_equal(count_fds(r->pid), before);
	rig_pipe_done(&p);
}

static void other_settings_for_the_same_pipe_lose_nothing(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_send_file(r, &p, "old.log", 0, 0);
	rig_write(p.in, "one\n");
	rig_expect(r, "old.log", "one\n");
	rig_send_file(r, &p, "new.log", 0, 0);
	rig_sync(r);
	rig_write(p.in, "two\n");
	rig_expect(r, "new.log", "two\n");
	rig_assert_file(r, "old.log", "one\n");
	rig_pipe_done(&p);
}

static void a_new_pipe_for_a_stream_does_not_drop_what_the_old_one_holds(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe a = rig_pipe(), b = rig_pipe();

	kill(r->pid, SIGSTOP); /* so that both messages wait for it, and the bytes too */
	rig_send_file(r, &a, "web.log", 0, 0);
	rig_write(a.in, "of the old\n");
	rig_send_file(r, &b, "web.log", 0, 0);
	rig_write(b.in, "of the new\n");
	kill(r->pid, SIGCONT);
	rig_expect(r, "web.log", "of the old\nof the new\n");
	rig_pipe_done(&a);
	rig_pipe_done(&b);
}

static void messages_without_sense_are_said_and_change_nothing(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	struct link_log log = { .stream = 3, .mode = 0644 };

	rig_send(r, LINK_SPAWN, 1, 0);
	rig_send(r, LINK_LOG, 1, 0); /* no body */
	rig_send(r, LINK_LOG, 1, 1); /* no strings, no pipe */
	rig_send(r, LINK_UNLOG, 9, 1); /* who is new may not know it: not even that */
	rig_send(r, LINK_UNLOG, 9, 3);
	rig_send_log(r, 1, p.both, &log, rig_path(r, "x"), "", "");
	log.stream = 1;
	rig_send_log(r, 1, p.both, &log, "", "", ""); /* no path */
	rig_send_log(r, 1, -1, &log, rig_path(r, "x"), "", ""); /* no pipe */
	rig_send_log(r, 1, r->out, &log, rig_path(r, "x"), "", ""); /* not a pipe */
	rig_send_log(r, 1u << 31, p.both, &log, rig_path(r, "x"), "", "");
	log.kind = 7;
	rig_send_log(r, 1, p.both, &log, rig_path(r, "x"), "", "");
	assert_int_equal(send(r->link.fd, "rubbish", 7, 0), 7);
	rig_sync(r);
	assert_int_equal(rig_said(r, "link: "), 11);
	rig_send_file(r, &p, "web.log", 0, 0);
	rig_write(p.in, "still here\n");
	rig_expect(r, "web.log", "still here\n");
	rig_pipe_done(&p);
}

static void signals_of_a_terminal_do_not_end_it(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);

	rig_sync(r); /* it has come to ignore them */
	for (const int *s = (const int[]){ SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR2, SIGPIPE, 0 };
	     *s; s++)
		assert_return_code(kill(r->pid, *s), errno);
	rig_sync(r);
	rig_finish(r);
}

static bool has_begun(const struct rig *r, const void *name)
{
	return rig_size(rig_path(r, name)) > 0;
}

static void a_writer_that_never_stops_does_not_keep_it_alive(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	pid_t writer;

	rig_send_file(r, &p, "web.log", 1 << 20, 1);
	writer = rig_fork(r);
	if (!writer)
		for (;;)
			if (write(p.in, "again and again\n", 16) < 0)
				_exit(1);
	rig_wait(r, has_begun, "web.log");
	rig_finish(r);
	assert_return_code(kill(writer, SIGKILL), errno);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	rig_pipe_done(&p);
}

/* ---- fosterd's stdout and stderr ----------------------------------------------------------- */

static void a_line_goes_out_when_it_is_complete(void **state)
{
	int out[2];
	char line[100];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe a = rig_pipe(), b = rig_pipe();

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	rig_send_log(r, 1, a.both, &log, "", "a | ", "a");
	rig_send_log(r, 2, b.both, &log, "", "b | ", "b");
	rig_write(a.in, "begun ");
	rig_write(b.in, "between\n");
	rig_read_line(out[0], line, sizeof line);
	assert_string_equal(line, "b | between");
	rig_write(a.in, "and ended\n");
	rig_read_line(out[0], line, sizeof line);
	assert_string_equal(line, "a | begun and ended");
	rig_write(a.in, "the end");
	rig_send(r, LINK_UNLOG, 1, 1);
	rig_read_line(out[0], line, sizeof line);
	assert_string_equal(line, "a | the end");
	close(out[0]);
	rig_pipe_done(&a);
	rig_pipe_done(&b);
}

static void stderr_has_an_output_of_its_own(void **state)
{
	int err[2];
	char line[100];
	struct link_log log = { .stream = 2, .kind = LINK_LOG_STDERR };
	struct rig_pipe p = rig_pipe();

	assert_return_code(pipe2(err, O_CLOEXEC), errno);
	struct rig *r = rig_begin(state, -1, err[1]);
	rig_send_log(r, 1, p.both, &log, "", "", "web");
	rig_write(p.in, "to stderr\n");
	rig_read_line(err[0], line, sizeof line);
	assert_string_equal(line, "to stderr");
	close(err[0]);
	rig_pipe_done(&p);
}

static _Noreturn void print_lines(int fd, unsigned who, unsigned lines)
{
	static char line[20000];
	unsigned state = who + 1;

	for (unsigned i = 0; i < lines; i++) {
		size_t len;

		state = state * 1103515245 + 12345;
		len = i % 50 ? state / 65536 % 200 : state / 65536 % (sizeof line - 1);
		memset(line, 'a' + (int)who, len);
		line[len] = '\n';
		/* In two pieces: the writer's own interleaving is not ours to mend. */
		if (fd_write_all(fd, line, len / 2) < 0 ||
		    fd_write_all(fd, line + len / 2, len - len / 2 + 1) < 0)
			_exit(1);
	}
	_exit(0);
}

/* The prefix says whose line it is, and every byte of it is his letter. */
static void check_lines(int fd, unsigned writers, unsigned lines)
{
	unsigned count[8] = { 0 };
	auto_file FILE *f = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	assert_non_null(f);
	while ((len = getline(&line, &size, f)) > 0) {
		unsigned who = (unsigned)(line[0] - '0');

		assert_true(who < writers && line[1] == ' ' && line[len - 1] == '\n');
		for (ssize_t i = 2; i < len - 1; i++)
			assert_int_equal(line[i], 'a' + (int)who);
		count[who]++;
	}
	free(line);
	for (unsigned i = 0; i < writers; i++)
		assert_int_equal(count[i], lines);
}

static void many_streams_share_stdout_without_mixing_lines(void **state)
{
	enum {
		WRITERS = 5,
		LINES = 2000
	};
	int out[2];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe p[WRITERS];
	pid_t pids[WRITERS], reader;
	int status = -1;

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	reader = fork();
	if (!reader) {
		close(out[1]);
		check_lines(out[0], WRITERS, LINES);
		_exit(0);
	}
	close(out[0]);
	struct rig *r = rig_begin(state, out[1], -1);
	for (unsigned i = 0; i < WRITERS; i++) {
		char prefix[] = { (char)('0' + i), ' ', '\0' };

		p[i] = rig_pipe();
		rig_send_log(r, i, p[i].both, &log, "", prefix, "web");
		pids[i] = rig_fork(r);
		if (!pids[i])
			print_lines(p[i].in, i, LINES);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
		rig_pipe_done(&p[i]);
	}
	rig_finish(r);
	close_fd(&r->out);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
}

static void a_line_of_200_kib_goes_to_stdout_in_one(void **state)
{
	int out[2];
	static char line[300000];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe p = rig_pipe();
	pid_t writer;

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	rig_send_log(r, 1, p.both, &log, "", "> ", "web");
	writer = rig_fork(r);
	if (!writer) {
		write_numbered(p.in, 5, 6, 200 << 10);
		_exit(0);
	}
	rig_read_line(out[0], line, sizeof line);
	assert_int_equal(strlen(line), 2 + (200 << 10));
	assert_string_equal(line + strlen(line) - 2, "05");
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	close(out[0]);
	rig_pipe_done(&p);
}

static void a_stdout_that_nobody_reads_stops_no_other_stream(void **state)
{
	int out[2];
	char line[64], text[400];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe a = rig_pipe(), b = rig_pipe();

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	assert_return_code(fcntl(out[1], F_SETPIPE_SZ, 4096), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	rig_send_log(r, 1, a.both, &log, "", "", "a");
	write_numbered(a.in, 0, 1000, 39); /* 40,000 bytes, ten times what it holds */
	(void)snprintf(text, sizeof text, "%s", rig_path(r, "b.log"));
	log.kind = LINK_LOG_FILE;
	log.mode = 0644;
	rig_send_log(r, 2, b.both, &log, text, "", "b");
	rig_write(b.in, "not held up\n");
	rig_expect(r, "b.log", "not held up\n");
	assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0); /* others share it */
	for (int i = 0; i < 1000; i++) {
		rig_read_line(out[0], line, sizeof line);
		assert_int_equal(atoi(line), i);
	}
	close(out[0]);
	rig_pipe_done(&a);
	rig_pipe_done(&b);
}

static void the_end_does_not_wait_for_a_stdout_that_nobody_reads(void **state)
{
	int out[2];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe p = rig_pipe();

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	assert_return_code(fcntl(out[1], F_SETPIPE_SZ, 4096), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	rig_send_log(r, 1, p.both, &log, "", "", "a");
	write_numbered(p.in, 0, 1000, 39);
	rig_finish(r);
	assert_int_equal(rig_said(r, "could not be written to fosterd's stdout"), 1);
	close(out[0]);
	rig_pipe_done(&p);
}

/* Much longer than the keeper would wait. */
static pid_t start_slow_reader(const struct rig *r, int fd)
{
	pid_t pid = rig_fork(r);
	char some[100];

	if (pid)
		return pid;
	while (read(fd, some, sizeof some) > 0)
		usleep(100000);
	_exit(0);
}

static void what_the_end_cannot_wait_for_is_said_before_the_keeper_loses_patience(void **state)
{
	int out[2];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe p = rig_pipe();
	uint64_t began_ns;

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	assert_return_code(fcntl(out[1], F_SETPIPE_SZ, 4096), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	rig_send_log(r, 1, p.both, &log, "", "", "a");
	write_numbered(p.in, 0, 1000, 39);
	pid_t reader = start_slow_reader(r, out[0]);
	began_ns = clock_boot_ns();
	rig_finish(r);
	assert_true(clock_boot_ns() - began_ns < KEEPER_PATIENCE_NS);
	assert_int_equal(rig_said(r, "could not be written to fosterd's stdout"), 1);
	assert_return_code(kill(reader, SIGKILL), errno);
	assert_int_equal(waitpid(reader, NULL, 0), reader);
	close(out[0]);
	rig_pipe_done(&p);
}

/* Takes what comes out, whoever wrote it; ends with 0 when it was these lines. */
static pid_t start_line_reader(const struct rig *r, int fd, int n, size_t width)
{
	pid_t pid = rig_fork(r);
	char line[8192];
	FILE *from;

	if (pid)
		return pid;
	from = fdopen(fd, "r");
	for (int i = 0; from && i < n; i++)
		if (!fgets(line, sizeof line, from) || strlen(line) != width + 1 ||
		    atoi(line + strspn(line, "a ")) != i)
			_exit(1);
	_exit(!from);
}

static void a_line_on_stdout_is_ended_before_a_successor_goes_on(void **state)
{
	int out[2], status;
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe p = rig_pipe();

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	assert_return_code(fcntl(out[1], F_SETPIPE_SZ, 4096), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	struct pollfd begun = { .fd = out[0], .events = POLLIN };
	rig_send_log(r, 1, p.both, &log, "", "a ", "a");
	write_numbered(p.in, 0, 3, 6000); /* more than there is room for */
	assert_int_equal(poll(&begun, 1, RIG_DEADLINE_MS), 1);
	dismiss(r);
	pid_t reader = start_line_reader(r, out[0], 3, 2 + 6000);
	rig_finish(r);
	assert_int_equal(rig_said(r, "could not be written"), 0);
	rig_start(r);
	rig_send_log(r, 1, p.both, &log, "", "a ", "a");
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	close(out[0]);
	rig_pipe_done(&p);
}

/* Its end of the pipe can be read, too. */
static void a_process_that_takes_back_what_it_printed_harms_nobody(void **state)
{
	int out[2];
	char line[8192];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe a = rig_pipe(), b = rig_pipe();

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	assert_return_code(fcntl(out[1], F_SETPIPE_SZ, 4096), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	struct pollfd begun = { .fd = out[0], .events = POLLIN };
	rig_send_log(r, 1, a.both, &log, "", "", "a");
	write_numbered(a.in, 0, 1, 6000); /* more than there is room for */
	assert_int_equal(poll(&begun, 1, RIG_DEADLINE_MS), 1);
	rig_sync(r);
	assert_int_equal(read(a.both, line, sizeof line), 6001);
	rig_send(r, LINK_UNLOG, 1, 1);
	rig_send_log(r, 2, b.both, &log, "", "", "b");
	rig_write(b.in, "b goes on\n");
	do
		rig_read_line(out[0], line, sizeof line);
	while (!strstr(line, "b goes on"));
	rig_finish(r);
	close(out[0]);
	rig_pipe_done(&a);
	rig_pipe_done(&b);
}

static void a_stdout_whose_reader_went_does_not_hold_up_who_prints(void **state)
{
	int out[2];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe p = rig_pipe();

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	close(out[0]);
	struct rig *r = rig_begin(state, out[1], -1);
	rig_send_log(r, 1, p.both, &log, "", "", "a");
	write_numbered(p.in, 0, 10000, 39); /* would block for ever */
	rig_finish(r);
	assert_int_equal(rig_said(r, "thrown away from now on"), 1);
	rig_pipe_done(&p);
}

static void a_socket_serves_as_stdout(void **state)
{
	int out[2];
	char line[100];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe p = rig_pipe();

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	rig_send_log(r, 1, p.both, &log, "", "", "a");
	write_numbered(p.in, 0, 20000, 39);
	for (int i = 0; i < 20000; i++) {
		rig_read_line(out[0], line, sizeof line);
		assert_int_equal(atoi(line), i);
	}
	close(out[0]);
	rig_pipe_done(&p);
}

static void a_path_may_name_a_fifo(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();
	char line[100];
	const char *path = rig_path(r, "fifo");

	assert_return_code(mkfifo(path, 0600), errno);
	auto_close int fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fifo >= 0);
	rig_send_file(r, &p, "fifo", 0, 0);
	rig_write(p.in, "a prompt? ");
	rig_write(p.in, "yes\n");
	rig_read_line(fifo, line, sizeof line);
	assert_string_equal(line, "a prompt? yes");
	rig_pipe_done(&p);
}

/* ---- files that take nothing --------------------------------------------------------------- */

static bool log_has(const struct rig *r, const void *text)
{
	return rig_said(r, text) > 0;
}

/* The logger's log is beside the directory: wait for it there. */
static void wait_for_log(struct rig *r, const char *text)
{
	char path[128];
	int wd;

	(void)snprintf(path, sizeof path, "%s.own", r->dir);
	wd = inotify_add_watch(r->events, path, IN_MODIFY);
	assert_return_code(wd, errno);
	rig_wait(r, log_has, text);
	assert_return_code(inotify_rm_watch(r->events, wd), errno);
}

static void a_path_that_cannot_be_opened_is_said_once_and_tried_again(void **state)
{
	struct rig *r = rig_begin(state, -1, -1);
	struct rig_pipe p = rig_pipe();

	rig_sync(r);
	rig_send_file(r, &p, "missing/web.log", 0, 0);
	rig_write(p.in, "patient\n");
	wait_for_log(r, "web: stdout: cannot write to ");
	assert_int_equal(rig_said(r, "missing/web.log: No such file or directory, output waits"),
			 1);
	assert_return_code(mkdir(rig_path(r, "missing"), 0755), errno);
	wait_for_log(r, "can be written again");
	rig_assert_file(r, "missing/web.log", "patient\n");
	assert_int_equal(rig_said(r, "cannot write"), 1);
	rig_pipe_done(&p);
}

/* Make the rig's directory a file system of size, in a mount namespace of our own. */
static void make_small_disk(struct rig *r, const char *size)
{
	if (geteuid() || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("foster-test", r->dir, "tmpfs", 0, size) < 0) {
		print_message("cannot mount a small file system: %s\n",
			      geteuid() ? "not root" : strerror(errno));
		skip();
	}
	r->disk = true;
}

static void make_disk_larger(struct rig *r, const char *size)
{
	assert_return_code(mount(NULL, r->dir, NULL, MS_REMOUNT, size), errno);
}

static struct rig *begin_on_small_disk(void **state)
{
	struct rig *r = *state;

	if (*r->dir)
		make_small_disk(r, "size=64k");
	return rig_begin(state, -1, -1);
}

static pid_t write_in_background(const struct rig *r, int fd, unsigned lines)
{
	pid_t pid = rig_fork(r);

	if (!pid) {
		write_numbered(fd, 0, lines, 99);
		_exit(0);
	}
	return pid;
}

static bool is_of_size(const struct rig *r, const void *size)
{
	return rig_size(rig_path(r, "web.log")) == *(const size_t *)size;
}

static void a_full_disk_blocks_and_loses_nothing(void **state)
{
	struct rig *r = begin_on_small_disk(state);
	struct rig_pipe p = rig_pipe();
	size_t all = 300000;
	pid_t writer;

	rig_sync(r);
	rig_send_file(r, &p, "web.log", 0, 0);
	writer = write_in_background(r, p.in, 3000);
	wait_for_log(r, "No space left on device, output waits");
	make_disk_larger(r, "size=1m");
	rig_wait(r, is_of_size, &all);
	auto_free char *text = rig_read(rig_path(r, "web.log"), NULL);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(atoi(text + 100 * i + 60), i);
	wait_for_log(r, "can be written again");
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	rig_pipe_done(&p);
}

static void a_full_disk_drops_what_may_be_dropped_and_counts_it(void **state)
{
	struct rig *r = begin_on_small_disk(state);
	struct rig_pipe p = rig_pipe();
	struct link_log log = { .stream = 1, .mode = 0644, .drop = 1 };
	char count[64];
	size_t kept = 0;
	int status = -1;

	rig_sync(r);
	rig_send_log(r, 1, p.both, &log, rig_path(r, "web.log"), "", "web");
	pid_t writer = write_in_background(r, p.in, 3000);
	assert_int_equal(waitpid(writer, &status, 0), writer); /* never blocked */
	wait_for_log(r, "No space left on device, output is dropped");
	make_disk_larger(r, "size=1m");
	/* It is tried again with what comes after the delay, half a second. */
	for (size_t sent = 300000;; sent += 100) {
		struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

		write_numbered(p.in, 0, 1, 99);
		rig_sync(r);
		if (rig_said(r, "can be written again")) {
			kept = sent + 100;
			break;
		}
		assert_true(sent < 600000);
		(void)nanosleep(&pause, NULL);
	}
	rig_finish(r);
	(void)snprintf(count, sizeof count, " %zu bytes were dropped",
		       kept - rig_size(rig_path(r, "web.log")));
	assert_int_equal(rig_said(r, count), 1);
	rig_pipe_done(&p);
}

static void formatted_lines_survive_a_full_disk_whole(void **state)
{
	struct rig *r = begin_on_small_disk(state);
	struct rig_pipe p = rig_pipe();
	struct link_log log = { .stream = 1, .mode = 0644 };
	size_t all = 3000 * 106;
	pid_t writer;

	rig_sync(r);
	rig_send_log(r, 1, p.both, &log, rig_path(r, "web.log"), "web | ", "web");
	writer = write_in_background(r, p.in, 3000);
	wait_for_log(r, "No space left on device, output waits");
	make_disk_larger(r, "size=1m");
	rig_wait(r, is_of_size, &all);
	auto_free char *text = rig_read(rig_path(r, "web.log"), NULL);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(atoi(text + 106 * i + 66), i);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	rig_pipe_done(&p);
}

/* ---- rest ---------------------------------------------------------------------------------- */

static long switches(pid_t pid)
{
	char path[64], text[4096];
	const char *at;

	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	assert_true(fd_read_file(path, text, sizeof text - 1) > 0);
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	assert_non_null(at);
	return strtol(at + 25, NULL, 10);
}

static void a_line_that_waits_for_its_end_wakes_nobody(void **state)
{
	int out[2];
	struct link_log log = { .stream = 1, .kind = LINK_LOG_STDOUT };
	struct rig_pipe p = rig_pipe();
	struct timespec while_idle = { .tv_nsec = 200 * 1000 * 1000 };
	char line[64];
	long before;

	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	struct rig *r = rig_begin(state, out[1], -1);
	rig_send_log(r, 1, p.both, &log, "", "", "a");
	rig_write(p.in, "complete\nnot ");
	rig_read_line(out[0], line, sizeof line);
	rig_sync(r);
	rig_sync(r); /* a turn of the loop later */
	(void)nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
	before = switches(r->pid);
	(void)nanosleep(&while_idle, NULL);
	assert_int_equal(switches(r->pid), before);
	rig_write(p.in, "yet\n");
	rig_read_line(out[0], line, sizeof line);
	assert_string_equal(line, "not yet");
	close(out[0]);
	rig_pipe_done(&p);
}

#define WITH_RIG(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(every_byte_arrives_unchanged),
		WITH_RIG(a_stream_that_prints_nothing_makes_no_file),
		WITH_RIG(a_new_logger_goes_on_at_the_end),
		WITH_RIG(a_line_is_whole_that_was_begun_before_a_successor_and_ended_after),
		WITH_RIG(rotation_keeps_lines_whole_and_as_many_files_as_asked),
		WITH_RIG(a_line_that_came_in_pieces_is_not_split_by_rotation),
		WITH_RIG(without_backups_the_file_is_emptied),
		WITH_RIG(what_somebody_else_has_moved_away_is_not_emptied),
		WITH_RIG(lines_of_200_kib_are_whole_in_small_files),
		WITH_RIG(an_interrupted_rotation_is_finished_with_the_next_bytes),
		WITH_RIG(a_file_moved_away_is_reopened_when_asked),
		WITH_RIG(a_file_emptied_or_removed_by_somebody_else_goes_on),
		WITH_RIG(two_streams_of_one_file_do_not_cut_each_others_lines),
		WITH_RIG(formats_are_written_into_files_and_rotated),
		WITH_RIG(more_streams_than_descriptors_for_files_all_arrive),
		WITH_RIG(unlog_drains_the_pipe_and_closes_pipe_and_file),
		WITH_RIG(other_settings_for_the_same_pipe_lose_nothing),
		WITH_RIG(a_new_pipe_for_a_stream_does_not_drop_what_the_old_one_holds),
		WITH_RIG(messages_without_sense_are_said_and_change_nothing),
		WITH_RIG(signals_of_a_terminal_do_not_end_it),
		WITH_RIG(a_writer_that_never_stops_does_not_keep_it_alive),
		WITH_RIG(a_line_goes_out_when_it_is_complete),
		WITH_RIG(stderr_has_an_output_of_its_own),
		WITH_RIG(many_streams_share_stdout_without_mixing_lines),
		WITH_RIG(a_line_of_200_kib_goes_to_stdout_in_one),
		WITH_RIG(a_stdout_that_nobody_reads_stops_no_other_stream),
		WITH_RIG(the_end_does_not_wait_for_a_stdout_that_nobody_reads),
		WITH_RIG(what_the_end_cannot_wait_for_is_said_before_the_keeper_loses_patience),
		WITH_RIG(a_line_on_stdout_is_ended_before_a_successor_goes_on),
		WITH_RIG(a_process_that_takes_back_what_it_printed_harms_nobody),
		WITH_RIG(a_stdout_whose_reader_went_does_not_hold_up_who_prints),
		WITH_RIG(a_socket_serves_as_stdout),
		WITH_RIG(a_path_may_name_a_fifo),
		WITH_RIG(a_path_that_cannot_be_opened_is_said_once_and_tried_again),
		WITH_RIG(a_full_disk_blocks_and_loses_nothing),
		WITH_RIG(a_full_disk_drops_what_may_be_dropped_and_counts_it),
		WITH_RIG(formatted_lines_survive_a_full_disk_whole),
		WITH_RIG(a_line_that_waits_for_its_end_wakes_nobody),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("logger", tests, NULL, NULL);
}
