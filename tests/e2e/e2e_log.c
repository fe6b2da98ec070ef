/* e2e_log.c - where output goes: files, rotation, fosterd's own stdout, tail -f */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define ONCE "[program:x]\nstartsecs = 0\nautorestart = false\n"
#define LINE_BYTES 64 /* of the helper's "lines" */

/* Check that text is lines FIRST... of the helper, whole and in order; returns the next number. */
static long check_lines(struct fixture *f, const char *text, long first)
{
	for (; *text; text += LINE_BYTES, first++) {
		char number[24];

		snprintf(number, sizeof number, "%020ld ", first);
		if (strncmp(text, number, 21) != 0 || strlen(text) < LINE_BYTES ||
		    text[LINE_BYTES - 1] != '\n')
			fixture_fail(f, "line %ld is not where it should be: %.64s", first, text);
	}
	return first;
}

/* ---- files --------------------------------------------------------------------------------- */

static void each_stream_has_its_file(void **state)
{
	struct fixture *f = *state;

	fixture_start(f,
		      ONCE "stdout_logfile = @dir@/out.log\nstderr_logfile = @dir@/err.log\n"
			   "command = @child@ print words complain complaints\n",
		      "x");
	fixture_until(f, "x", "EXITED");
	fixture_down(f); /* what was printed before is in the file when fosterd has ended */
	assert_string_equal(fixture_file(f, "out.log"), "words\n");
	assert_string_equal(fixture_file(f, "err.log"), "complaints\n");
}

static void redirect_stderr_puts_both_into_one(void **state)
{
	struct fixture *f = *state;

	fixture_start(f,
		      ONCE "stdout_logfile = @dir@/out.log\nredirect_stderr = true\n"
			   "command = @child@ print one complain two print three\n",
		      "x");
	fixture_until(f, "x", "EXITED");
	fixture_down(f);
	assert_string_equal(fixture_file(f, "out.log"), "one\ntwo\nthree\n");
}

static void auto_is_a_file_below_the_runtime_directory(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, ONCE "command = @child@ print words\n", "x");
	fixture_until(f, "x", "EXITED");
	json_t *show = fixture_show(f, "x");
	const char *path = json_string_value(json_object_get(show, "stdout"));
	assert_contains(path, fixture_path(f, "run/log/"));
	fixture_ctl_is(f, 0, "words\n", "", "tail", "x");
	fixture_down(f);
}

static void output_of_the_next_incarnation_is_appended(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, ONCE "stdout_logfile = @dir@/out.log\ncommand = @child@ print words\n",
		      "x");
	for (int i = 0; i < 2; i++) {
		fixture_until(f, "x", "EXITED");
		fixture_call(f, "Start", "{s:[s]}", "names", "x");
	}
	fixture_until(f, "x", "EXITED");
	fixture_down(f);
	assert_string_equal(fixture_file(f, "out.log"), "words\nwords\nwords\n");
}

static void binary_output_is_kept_as_it_is(void **state)
{
	struct fixture *f = *state;
	size_t len = 0;

	fixture_start(f,
		      ONCE "stdout_logfile = @dir@/out.log\n"
			   "command = sh -c 'printf \"a\\\\000b\\\\377c\"'\n",
		      "x");
	fixture_until(f, "x", "EXITED");
	fixture_down(f);
	const char *text = run_slurp(fixture_path(f, "out.log"), &f->arena, &len);
	assert_int_equal(len, 5);
	assert_memory_equal(text, "a\0b\377c", 5);
}

/* ---- rotation ------------------------------------------------------------------------------ */

static void files_are_rotated_between_lines_and_nothing_is_lost(void **state)
{
	struct fixture *f = *state;
	long lines = 20000, next = 0;

	fixture_start(f,
		      ONCE "stdout_logfile = @dir@/out.log\nstdout_logfile_maxbytes = 100KB\n"
			   "stdout_logfile_backups = 50\ncommand = @child@ lines 20000\n",
		      "x");
	fixture_until(f, "x", "EXITED");
	fixture_down(f);
	for (int i = 50; i >= 1; i--) {
		const char *text = fixture_file(f, fixture_format(f, "out.log.%d", i));

		if (*text)
			assert_true(strlen(text) <= 110 * 1024);
		next = check_lines(f, text, next);
	}
	next = check_lines(f, fixture_file(f, "out.log"), next);
	assert_int_equal(next, lines);
	assert_true(*fixture_file(f, "out.log.10") != '\0');
}

static void no_more_backups_are_kept_than_asked_for(void **state)
{
	struct fixture *f = *state;

	fixture_start(f,
		      ONCE "stdout_logfile = @dir@/out.log\nstdout_logfile_maxbytes = 50KB\n"
			   "stdout_logfile_backups = 2\ncommand = @child@ lines 10000\n",
		      "x");
	fixture_until(f, "x", "EXITED");
	fixture_down(f);
	assert_true(*fixture_file(f, "out.log.1") != '\0');
	assert_true(*fixture_file(f, "out.log.2") != '\0');
	assert_string_equal(fixture_file(f, "out.log.3"), "");
	/* the end is what is kept */
	const char *last = fixture_file(f, "out.log");
	if (!*last)
		last = fixture_file(f, "out.log.1");
	assert_contains(last, fixture_format(f, "%020d ", 9999));
}

static void usr2_reopens_a_moved_file(void **state)
{
	struct fixture *f = *state;

	struct fifo *go = fixture_fifo(f, "go");
	fixture_start(f,
		      ONCE "stdout_logfile = @dir@/out.log\n"
			   "command = sh -c 'echo one; while read line; do echo $line; done' \n"
			   "stdin = @dir@/go\n",
		      "x");
	fixture_until_file(f, "out.log", "one\n");
	assert_return_code(rename(fixture_path(f, "out.log"), fixture_path(f, "moved.log")), errno);
	fixture_kill(f->fosterd, SIGUSR2);
	for (int i = 0; i < 2000 && access(fixture_path(f, "out.log"), F_OK) < 0; i++)
		usleep(5000);
	assert_return_code(write(go->fd, "two\n", 4), errno);
	fixture_until_file(f, "out.log", "two\n");
	assert_string_equal(fixture_file(f, "out.log"), "two\n");
	assert_string_equal(fixture_file(f, "moved.log"), "one\n");
	fixture_ctl_is(f, 0, NULL, "", "kill", "x");
	fixture_down(f);
}

/* ---- fosterd's own stdout ------------------------------------------------------------------ */

static void output_to_stdout_is_never_mixed_within_a_line(void **state)
{
	struct fixture *f = *state;
	long next[2] = { 0, 0 };

	fixture_up(f,
		   "[program:a]\nstartsecs = 0\nautorestart = false\nstdout_logfile = -\n"
		   "command = @child@ lines 3000\n"
		   "[program:b]\nstartsecs = 0\nautorestart = false\nstdout_logfile = /dev/stdout\n"
		   "command = @child@ lines 3000\n");
	fixture_call(f, "Wait", "{s:[s,s]}", "names", "a", "b");
	fixture_down(f);
	auto_free char *copy = strdup(fixture_file(f, "out"));
	char *rest = copy;
	for (char *line; (line = strsep(&rest, "\n")) && *line;) {
		/* with or without "name | " in front */
		char *text = strstr(line, " | ");
		text = text ? text + 3 : line;
		assert_int_equal(strlen(text), LINE_BYTES - 1);
		long number = atol(text);
		int who = text != line ? line[0] == 'b' : number != next[0];
		assert_int_equal(number, next[who]);
		next[who]++;
	}
	assert_int_equal(next[0] + next[1], 6000);
}

static void lines_without_end_are_ended(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, ONCE "stdout_logfile = -\ncommand = sh -c 'printf unfinished'\n", "x");
	fixture_until(f, "x", "EXITED");
	fixture_down(f);
	assert_contains(fixture_file(f, "out"), "unfinished\n");
}

static void timestamps_and_json_wrap_each_line(void **state)
{
	struct fixture *f = *state;
	int year, month, day;

	fixture_up(f, "[program:t]\nstartsecs = 0\nautorestart = false\nlog_format = timestamp\n"
		      "stdout_logfile = @dir@/t.log\ncommand = @child@ print one print two\n"
		      "[program:j]\nstartsecs = 0\nautorestart = false\nlog_format = json\n"
		      "stdout_logfile = @dir@/j.log\ncommand = @child@ print 'a \"b\"'\n");
	fixture_call(f, "Wait", "{s:[s,s]}", "names", "t", "j");
	fixture_down(f);
	const char *t = fixture_file(f, "t.log");
	assert_int_equal(sscanf(t, "%d-%d-%d", &year, &month, &day), 3);
	assert_contains(t, " one\n");
	assert_contains(t, " two\n");
	json_t *j = json_loads(fixture_file(f, "j.log"), 0, NULL);
	assert_non_null(j);
	json_array_append_new(f->kept, j);
	bool found = false;
	const char *key;
	json_t *value;
	json_object_foreach(j, key, value)
	{
		const char *text = json_string_value(value);

		found |= text && strcmp(text, "a \"b\"") == 0;
	}
	assert_true(found);
}

/* ---- tail -f ------------------------------------------------------------------------------- */

static void all_that_an_ended_process_printed_is_there(void **state)
{
	struct fixture *f = *state;
	char name[16];

	fixture_up(f, "");
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "job%d", i);
		fixture_call(f, "Define", "{s:s,s:s,s:[s,s,s]}", "id", name, "name", name, "argv",
			     fixture_child(f), "print", "word");
		fixture_call(f, "Wait", "{s:[s]}", "names", name);
		const json_t *log = fixture_call(f, "ReadLog", "{s:s,s:i,s:i}", "name", name,
						 "offset", 0, "length", 100);
		assert_string_equal(json_string_value(json_object_get(log, "data")), "word\n");
	}
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "more%d", i);
		fixture_call(f, "Define", "{s:s,s:s,s:[s,s,s]}", "id", name, "name", name, "argv",
			     fixture_child(f), "complain", "words");
		fixture_call(f, "Wait", "{s:[s]}", "names", name);
		const json_t *lines = json_object_get(fixture_show(f, name), "last_lines");
		assert_string_equal(json_string_value(json_array_get(lines, 0)), "words");
	}
	fixture_down(f);
}

static void a_log_that_is_asked_for_waits_for_a_new_logger(void **state)
{
	struct fixture *f = *state;
	struct run r = { 0 };

	fixture_up(f, "");
	pid_t logger = fixture_logger(f);
	fixture_kill(logger, SIGSTOP);
	fixture_call(f, "Define", "{s:s,s:s,s:[s,s,s]}", "id", "1", "name", "job", "argv",
		     fixture_child(f), "print", "word");
	fixture_call(f, "Wait", "{s:[s]}", "names", "job");
	fixture_ctl_start(f, &r, "tail", "job");
	fixture_kill(logger, SIGKILL);
	fixture_check(f, fixture_finish(f, &r), 0, "word\n", "");
	fixture_down(f);
}

static void tail_f_follows_across_rotation(void **state)
{
	struct fixture *f = *state;
	struct fifo *go = fixture_fifo(f, "go");
	int fds[2];

	fixture_start(f,
		      ONCE "stdout_logfile = @dir@/out.log\nstdout_logfile_maxbytes = 4KB\n"
			   "stdout_logfile_backups = 3\nstdin = @dir@/go\n"
			   "command = sh -c 'echo begin; read x; exec @child@ lines 1000 cat'\n",
		      "x");
	fixture_until_file(f, "out.log", "begin\n");
	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	int stdio[3] = { 0, fds[1], 2 };
	struct run r = { .stdio = stdio };
	fixture_ctl_start(f, &r, "tail", "-f", "-n", "1", "x");
	close(fds[1]);
	char begin[6];
	assert_int_equal(read(fds[0], begin, sizeof begin), sizeof begin); /* it is there */
	assert_memory_equal(begin, "begin\n", sizeof begin);
	assert_return_code(write(go->fd, "go\n", 3), errno);
	/* The last line comes whatever was rotated meanwhile; none is doubled or out of order. */
	auto_buf struct buf b = { 0 };
	char last[32];
	snprintf(last, sizeof last, "%020d ", 999);
	for (;;) {
		struct pollfd p = { .fd = fds[0], .events = POLLIN };

		if (b.len && strstr(b.data, last) && b.data[b.len - 1] == '\n')
			break;
		if (poll(&p, 1, FIXTURE_DEADLINE_MS) == 0)
			fixture_fail(f, "tail -f has stopped after %zu bytes", b.len);
		assert_int_equal(buf_reserve(&b, 65536), 0);
		ssize_t n = read(fds[0], b.data + b.len, 65536);
		assert_true(n > 0);
		b.len += (size_t)n;
		b.data[b.len] = '\0';
	}
	long before = -1;
	for (const char *line = b.data; *line; line += LINE_BYTES) {
		assert_true(strlen(line) >= LINE_BYTES);
		assert_true(atol(line) > before);
		before = atol(line);
	}
	kill(r.pid, SIGTERM);
	fixture_finish(f, &r);
	close(fds[0]);
	fixture_ctl_is(f, 0, NULL, "", "kill", "x");
	fixture_down(f);
}

/* ---- fosterd's own log --------------------------------------------------------------------- */

static void a_line_of_the_log_is_one_event_name_first(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f,
				  "[program:x]\nstartsecs = 0\nautorestart = false\n"
				  "command = @child@ hold\n",
				  "x");

	fixture_kill(pid, SIGKILL);
	fixture_until(f, "x", "EXITED");
	fixture_down(f);
	const char *log = fixture_file(f, "log");
	assert_contains(log, "x: ");
	assert_contains(log, "KILL");
	assert_contains(log, fixture_format(f, "%d", (int)pid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(each_stream_has_its_file),
		fixture_test(redirect_stderr_puts_both_into_one),
		fixture_test(auto_is_a_file_below_the_runtime_directory),
		fixture_test(output_of_the_next_incarnation_is_appended),
		fixture_test(binary_output_is_kept_as_it_is),
		fixture_test(files_are_rotated_between_lines_and_nothing_is_lost),
		fixture_test(no_more_backups_are_kept_than_asked_for),
		fixture_test(usr2_reopens_a_moved_file),
		fixture_test(output_to_stdout_is_never_mixed_within_a_line),
		fixture_test(lines_without_end_are_ended),
		fixture_test(timestamps_and_json_wrap_each_line),
		fixture_test(all_that_an_ended_process_printed_is_there),
		fixture_test(a_log_that_is_asked_for_waits_for_a_new_logger),
		fixture_test(tail_f_follows_across_rotation),
		fixture_test(a_line_of_the_log_is_one_event_name_first),
	};

	return fixture_run(tests);
}
