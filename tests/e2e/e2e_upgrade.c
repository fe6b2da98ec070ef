/* e2e_upgrade.c - another program takes fosterd's place, and nothing else notices
 *
 * build/next has the same programs with every format's version raised by one (see the Makefile): what is
 * handed over to it is of the previous version, what it would hand back of a later one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/hangfs.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"

static const char *next(struct fixture *f)
{
	return fixture_format(f, "%s/next/fosterd", f->build);
}

static void upgrade(struct fixture *f)
{
	fixture_ctl_is(f, 0, NULL, "", "upgrade");
	fixture_reconnect(f);
}

/* The file that pid executes. */
static const char *program_of(struct fixture *f, pid_t pid)
{
	char path[512];
	ssize_t n = readlink(fixture_format(f, "/proc/%d/exe", (int)pid), path, sizeof path - 1);

	path[n > 0 ? n : 0] = '\0';
	return fixture_format(f, "%s", path);
}

static void until_fds(struct fixture *f, int wanted)
{
	for (int i = 0; i < FIXTURE_DEADLINE_MS && run_count_fds(f->fosterd) != wanted; i++)
		usleep(1000);
	assert_int_equal(run_count_fds(f->fosterd), wanted);
}

/* ---- what survives --------------------------------------------------------------------------- */

static void every_part_is_new_and_every_process_the_same(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:tied]\n" HOLD "[program:free]\ndaemon = false\n" HOLD
		      "[program:served]\nstart_method = forkserver\n" HOLD);
	pid_t tied = fixture_settle(f, "tied", "RUNNING");
	pid_t free_pid = fixture_settle(f, "free", "RUNNING");
	pid_t served = fixture_settle(f, "served", "RUNNING");
	pid_t logger = fixture_logger(f), supervisor = fixture_supervisor(f);
	int fds = 0;

	for (int i = 0; i < 10; i++) {
		upgrade(f);
		(void)fixture_show(f, "tied"); /* the logger has been told of all pipes */
		if (i == 4) /* and what came before is forgotten long since */
			fds = run_count_fds(f->fosterd);
		assert_int_equal(fixture_pid(f, "tied"), tied);
		assert_int_equal(fixture_pid(f, "free"), free_pid);
		assert_int_equal(fixture_pid(f, "served"), served);
		assert_int_not_equal(fixture_supervisor(f), supervisor);
		logger = fixture_new_logger(f, logger);
		supervisor = fixture_supervisor(f);
	}
	assert_true(run_alive(f->fosterd));
	until_fds(f, fds);
	fixture_kill(tied, SIGKILL);
	pid_t again = fixture_until(f, "tied", "RUNNING").pid;
	assert_int_equal(run_parent_of(again), f->fosterd); /* and still its child */
	fixture_ctl_is(f, 0, NULL, "", "restart", "served");
	assert_int_not_equal(fixture_pid(f, "served"), served);
	fixture_ctl_is(f, 0, NULL, "", "stop", "all");
	fixture_down(f);
}

static void commands_that_wait_go_on_waiting(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	struct run waiting = { 0 }, running = { 0 }, following = { 0 }, watching = { 0 };

	fixture_up(f, "[program:x]\nautorestart = false\nstartsecs = 0\n"
		      "command = @child@ on 10 9 say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	pid_t x = fixture_settle(f, "x", "RUNNING");
	fixture_ctl_start(f, &waiting, "wait", "x");
	fixture_ctl_start(f, &following, "tail", "-f", "x");
	fixture_watch(f, &watching);
	fixture_ctl_start(f, &running, "run", "--name", "r", "--", fixture_child(f), "on", "10",
			  "7", "say", fixture_path(f, "said"), "%p", "hold");
	pid_t r = (pid_t)atoi(fixture_line(f, said));
	for (int i = 0; i < 3; i++)
		upgrade(f);
	assert_true(run_alive(r));
	fixture_kill(r, SIGUSR1);
	fixture_check(f, fixture_finish(f, &running), 7, "", "");
	fixture_kill(x, SIGUSR1);
	fixture_check(f, fixture_finish(f, &waiting), 9, "", "");
	fixture_until_printed(f, &watching, " EXITED - 9\n"); /* connected again or not */
	fixture_kill(watching.pid, SIGTERM);
	(void)fixture_finish(f, &watching);
	fixture_kill(following.pid, SIGTERM);
	(void)fixture_finish(f, &following);
	fixture_down(f);
}

static void a_session_lives_on(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	struct run running = { 0 };

	fixture_up(f, "");
	fixture_ctl_start(f, &running, "run", "--", fixture_child(f), "say",
			  fixture_path(f, "said"), "%p", "hold");
	pid_t pid = (pid_t)atoi(fixture_line(f, said));
	upgrade(f);
	assert_true(run_alive(pid));
	fixture_kill(running.pid, SIGKILL); /* and its end is seen */
	(void)fixture_finish(f, &running);
	fixture_until_dead(f, pid);
	fixture_down(f);
}

static void no_line_and_no_status_is_lost(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:x]\nautorestart = false\nstartsecs = 0\n"
		      "stdout_logfile = @dir@/out.log\nstdout_logfile_maxbytes = 0\n"
		      "command = @child@ lines 300000 say @dir@/said done hold\n");
	for (int i = 0; i < 50; i++) {
		const char *name = fixture_format(f, "job%d", i);
		struct run start = { 0 };

		fixture_ctl_start(f, &start, "start", name, "--", fixture_child(f), "sleep", "2",
				  "exit", fixture_format(f, "%d", i));
		fixture_ctl_is(f, 0, NULL, "", "upgrade");
		fixture_check(f, fixture_finish(f, &start), 0, NULL, "");
		fixture_ctl_is(f, i, "", "", "wait", name);
	}
	fixture_reconnect(f);
	fixture_expect_line(f, said, "done");
	fixture_down(f);
	const char *text = fixture_file(f, "out.log");
	for (int i = 0; i < 300000; i++) {
		char number[24];

		snprintf(number, sizeof number, "%020d ", i);
		if (strncmp(text + 64 * (size_t)i, number, 21) != 0)
			fixture_fail(f, "not line %d but %.64s", i, text + 64 * (size_t)i);
	}
	assert_int_equal(strlen(text), 64 * 300000);
}

static void a_line_of_which_a_part_was_printed_before_is_whole(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said"), *go = fixture_fifo(f, "go");

	fixture_up(f, "[program:x]\nstartsecs = 0\nlog_format = timestamp\n"
		      "stdout_logfile = @dir@/out.log\n"
		      "command = sh -c \"printf 'begun '; echo up > @dir@/said; read x < @dir@/go; "
		      "echo and ended; exec sleep 1000\"\n");
	fixture_expect_line(f, said, "up");
	upgrade(f);
	assert_int_equal(write(go->fd, "\n", 1), 1);
	fixture_until_file(f, "out.log", " begun and ended\n");
	fixture_down(f);
}

static void a_supervisor_that_is_killed_meanwhile_changes_nothing(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, "[program:x]\n" HOLD, "x");

	for (int i = 0; i < 20; i++) {
		struct run r = { 0 };
		pid_t supervisor = fixture_supervisor(f);

		fixture_ctl_start(f, &r, "upgrade");
		usleep(500U * (unsigned)i);
		(void)kill(supervisor, SIGKILL);
		fixture_check(f, fixture_finish(f, &r), 0, NULL, "");
		fixture_reconnect(f);
		assert_int_equal(fixture_pid(f, "x"), pid);
	}
	fixture_down(f);
}

/* ---- another version -------------------------------------------------------------------------- */

static void the_next_version_goes_on_and_the_one_before_it_refuses(void **state)
{
	struct fixture *f = *state;
	const char *here = fixture_format(f, "%s/fosterd", f->build);

	fixture_up(f, "[program:tied]\n" HOLD "[program:served]\nstart_method = forkserver\n" HOLD);
	pid_t tied = fixture_settle(f, "tied", "RUNNING");
	pid_t served = fixture_settle(f, "served", "RUNNING");
	struct result r = fixture_ctl(f, "upgrade", "--binary", next(f));
	fixture_check(f, r, 0, NULL, "");
	assert_contains(r.out, "-next\n");
	assert_string_equal(program_of(f, f->fosterd), next(f));
	fixture_reconnect(f);
	assert_int_equal(fixture_pid(f, "tied"), tied);
	assert_int_equal(fixture_pid(f, "served"), served);
	fixture_ctl_is(f, 0, NULL, "", "restart", "all");
	assert_contains(fixture_ctl(f, "version").out, "-next\n");

	tied = fixture_pid(f, "tied");
	r = fixture_ctl(f, "upgrade", "--binary", here);
	fixture_check(f, r, 1, "", NULL);
	assert_contains(r.err, "it cannot go on with this state: the state is of version 2, "
			       "this program knows those up to 1");
	assert_string_equal(program_of(f, f->fosterd), next(f));
	assert_int_equal(fixture_pid(f, "tied"), tied);
	fixture_down(f);
}

static void copy_programs(struct fixture *f, const char *from, const char *to)
{
	struct run copy = {
		.argv =
			(const char *const[]){
				"sh", "-c",
				fixture_format(
					f,
					"mkdir -p %s && for p in fosterd fosterctl foster-*; do "
					"cp $p %s/$p.new && mv %s/$p.new %s/$p; done",
					to, to, to, to),
				NULL },
		.directory = from,
	};
	struct result r = { 0 };

	assert_int_equal(run_start(&copy), 0);
	assert_int_equal(run_finish(&copy, FIXTURE_DEADLINE_MS, &f->arena, &r), 0);
	fixture_check(f, r, 0, "", "");
}

/* fosterd is started from there from now on; the helper programs stay where they are. */
static void install(struct fixture *f, const char *to)
{
	copy_programs(f, f->build, to);
	assert_return_code(
		symlink(fixture_format(f, "%s/tests", f->build), fixture_format(f, "%s/tests", to)),
		errno);
	snprintf(f->build, sizeof f->build, "%s", to);
}

/* As a package does it. */
static void programs_are_replaced_where_they_lie(void **state)
{
	struct fixture *f = *state;
	const char *build = fixture_format(f, "%s", f->build);
	const char *installed = fixture_path(f, "installed");

	install(f, installed);
	pid_t x = fixture_start(f, "[program:x]\n" HOLD, "x");
	copy_programs(f, fixture_format(f, "%s/next", build), installed);
	struct result r = fixture_ctl(f, "upgrade");
	fixture_check(f, r, 0, NULL, "");
	assert_contains(r.out, "-next\n");
	fixture_reconnect(f);
	assert_int_equal(fixture_pid(f, "x"), x);
	fixture_down(f);
}

/* Nobody has told fosterd, but the next part that it starts is of the other version. */
static void follow(struct fixture *f, pid_t part_of(struct fixture *f))
{
	const char *build = fixture_format(f, "%s", f->build);
	const char *installed = fixture_path(f, "installed");

	install(f, installed);
	f->keep_notify = true;
	pid_t x = fixture_start(f, "[program:x]\n" HOLD, "x");
	copy_programs(f, fixture_format(f, "%s/next", build), installed);
	fixture_kill(part_of(f), SIGKILL);
	fixture_expect_notify(f, "READY=1"); /* of the supervisor after the upgrade */
	fixture_reconnect(f);
	assert_contains(fixture_ctl(f, "version").out, "-next\n");
	assert_int_equal(fixture_pid(f, "x"), x);
	fixture_down(f);
}

static void a_supervisor_of_another_version_makes_fosterd_follow(void **state)
{
	follow(*state, fixture_supervisor);
}

static void a_logger_of_another_version_makes_fosterd_follow(void **state)
{
	follow(*state, fixture_logger);
}

/* ---- refused ------------------------------------------------------------------------------------ */

static void script(struct fixture *f, const char *name, const char *text)
{
	fixture_write_file(f, name, text);
	assert_return_code(chmod(fixture_path(f, "%s", name), 0755), errno);
}

static void what_cannot_take_over_changes_nothing(void **state)
{
	static const struct {
		const char *text, *why; /* text NULL: not there */
	} programs[] = {
		{ "#!/bin/sh\nexit 0\n", "it cannot go on with this state: it says nothing" },
		{ "#!/bin/sh\necho state 0123456789abcdef\n",
		  "it cannot go on with this state: state 0123456789abcdef" },
		{ "#!/bin/sh\necho too old >&2; exit 1\n",
		  "it cannot go on with this state: too old" },
		{ "#!/bin/sh\nkill -9 $$\n", "it cannot go on with this state: it says nothing" },
		{ "#!/no/such/interpreter\n", "No such file or directory" },
		{ "\x7f"
		  "ELF nonsense",
		  "Exec format error" },
	};
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, "[program:x]\n" HOLD, "x");
	pid_t supervisor = fixture_supervisor(f), logger = fixture_logger(f);
	const char *before = program_of(f, f->fosterd);

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		const char *path = fixture_path(f, "bad%zu", i);

		script(f, fixture_format(f, "bad%zu", i), programs[i].text);
		fixture_ctl_is(f, 1, "",
			       fixture_format(f, "fosterctl: not upgraded: %s: %s\n", path,
					      programs[i].why),
			       "upgrade", "--binary", path);
	}
	fixture_ctl_is(f, 1, "", NULL, "upgrade", "--binary", fixture_path(f, "none"));
	fixture_write_file(f, "plain", "text");
	assert_contains(fixture_ctl(f, "upgrade", "--binary", fixture_path(f, "plain")).err,
			"Permission denied");
	assert_string_equal(program_of(f, f->fosterd), before);
	assert_int_equal(fixture_supervisor(f), supervisor);
	assert_int_equal(fixture_logger(f), logger);
	assert_int_equal(fixture_pid(f, "x"), pid);
	fixture_down(f);
}

static void one_that_says_nothing_is_given_ten_seconds(void **state)
{
	struct fixture *f = *state;
	struct run r = { 0 };

	fixture_start(f, "[program:x]\n" HOLD, "x");
	script(f, "mute", "#!/bin/sh\nexec sleep 1000\n");
	fixture_ctl_start(f, &r, "upgrade", "--binary", fixture_path(f, "mute"));
	fixture_until_file(f, "log", "is about to be upgraded");
	fixture_ctl_is(f, 1, "", "fosterctl: not upgraded: another upgrade is under way\n",
		       "upgrade");
	fixture_ctl_is(f, 0, NULL, "", "restart", "x"); /* all goes on meanwhile */
	assert_contains(fixture_finish(f, &r).err, "it has said nothing for 10 s");
	fixture_down(f);
}

/* It passes the check and is then no program any more: what was taken back is as before. */
static void a_failed_execve_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const char *child = fixture_child(f);

	copy_programs(f, f->build, fixture_path(f, "other"));
	pid_t pid = fixture_start(
		f, fixture_format(f, "[program:x]\nstartsecs = 0\ncommand = %s hold\n", child),
		"x");
	fixture_until_asleep(f, f->fosterd); /* none is on its way to the logger */
	int fds = run_count_fds(f->fosterd);
	script(f, "turncoat",
	       fixture_format(f,
			      "#!/bin/sh\n%s/other/fosterd \"$@\" || exit\n"
			      "chmod a-x %s/turncoat\n",
			      f->dir, f->dir));
	struct result r = fixture_ctl(f, "upgrade", "--binary", fixture_path(f, "turncoat"));
	fixture_check(f, r, 1, "", NULL);
	assert_contains(r.err, "turncoat: Permission denied");
	fixture_reconnect(f);
	assert_int_equal(fixture_pid(f, "x"), pid);
	until_fds(f, fds);
	fixture_ctl_is(f, 0, NULL, "", "restart", "x");
	upgrade(f);
	fixture_down(f);
}

static void the_same_id_is_the_same_upgrade(void **state)
{
	struct fixture *f = *state;
	json_t *reply;

	fixture_up(f, "");
	for (int i = 0; i < 3; i++) { /* the first breaks the connection: ask again */
		varlink_send(&f->calls, "Upgrade", json_pack("{s:s}", "id", "mine"), false, NULL,
			     0);
		if (varlink_receive(&f->calls, FIXTURE_DEADLINE_MS, &reply) == 0) {
			assert_null(varlink_error(reply));
			json_decref(reply);
		} else {
			assert_int_equal(i, 0);
		}
		fixture_reconnect(f);
	}
	const char *log = fixture_file(f, "log");
	const char *first = strstr(log, "fosterd: upgraded to");
	assert_non_null(first);
	assert_null(strstr(first + 1, "fosterd: upgraded to"));
	fixture_down(f);
}

static bool has_open(struct fixture *f, pid_t pid, const char *path)
{
	for (int fd = 0; fd < 64; fd++) {
		char target[512] = "";

		(void)!readlink(fixture_format(f, "/proc/%d/fd/%d", (int)pid, fd), target,
				sizeof target - 1);
		if (strcmp(target, path) == 0)
			return true;
	}
	return false;
}

/* A killed process stays in the kernel as long as the file that it has open cannot be closed. Its
 * successor comes after it, also when it was waited for in vain for as long as at a shutdown. The last
 * test: this process stays in another mount namespace. */
static void a_logger_that_cannot_end_gets_its_successor_when_it_has_ended(void **state)
{
	struct fixture *f = *state;
	pid_t server, logger;

	assert_return_code(mkdir(fixture_path(f, "fs"), 0755), errno);
	server = hangfs_start(fixture_path(f, "fs"));
	if (server < 0)
		fixture_skip("FUSE cannot be had here");
	fixture_up(f, "[program:x]\nstartsecs = 0\nstdout_logfile = @dir@/fs/" HANGFS_FILE
		      "\nstdout_logfile_maxbytes = 0\ncommand = @child@ print text hold\n");
	fixture_settle(f, "x", "RUNNING");
	logger = fixture_logger(f);
	while (!has_open(f, logger, fixture_path(f, "fs/" HANGFS_FILE)))
		usleep(1000);
	upgrade(f);
	fixture_until_file(f, "log", "logger: does not end, killing it");
	sleep(3); /* at a shutdown it would be left behind by now */
	assert_int_equal(fixture_logger(f), logger);
	fixture_reap(f, server);
	fixture_new_logger(f, logger);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(every_part_is_new_and_every_process_the_same),
		fixture_test(commands_that_wait_go_on_waiting),
		fixture_test(a_session_lives_on),
		fixture_test(no_line_and_no_status_is_lost),
		fixture_test(a_line_of_which_a_part_was_printed_before_is_whole),
		fixture_test(a_supervisor_that_is_killed_meanwhile_changes_nothing),
		fixture_test(the_next_version_goes_on_and_the_one_before_it_refuses),
		fixture_test(programs_are_replaced_where_they_lie),
		fixture_test(a_supervisor_of_another_version_makes_fosterd_follow),
		fixture_test(a_logger_of_another_version_makes_fosterd_follow),
		fixture_test(what_cannot_take_over_changes_nothing),
		fixture_test(one_that_says_nothing_is_given_ten_seconds),
		fixture_test(a_failed_execve_changes_nothing),
		fixture_test(the_same_id_is_the_same_upgrade),
		fixture_test(a_logger_that_cannot_end_gets_its_successor_when_it_has_ended),
	};

	return fixture_run(tests);
}
