/* fault_runtime.c - the runtime directory cannot be written, or is gone
 *
 * What must hold: what runs, runs on, is shown and can be stopped; a part that dies is replaced; what needs a
 * file there is refused in a line with its reason; fosterd ends in order. A control socket whose file is gone
 * is gone for new clients: fosterd has to be restarted, as with others of its kind; SIGTERM and SIGHUP work. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define TWO "[program:keep]\n" HOLD "[program:x]\nautostart = false\n" HOLD

static const char *log_of(struct fixture *f)
{
	return fixture_file(f, "log");
}

/* Through another mount, for the first one has the table's mapping as its writer. */
static void make_read_only(struct fixture *f)
{
	const char *run = fixture_path(f, "run");

	if (mount(run, run, NULL, MS_BIND, NULL) < 0)
		fixture_skip("cannot mount");
	assert_return_code(mount(NULL, run, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), errno);
}

static void make_writable(struct fixture *f)
{
	assert_return_code(umount2(fixture_path(f, "run"), MNT_DETACH), errno);
}

/* What runs is served as ever, by one supervisor after the other. */
static void expect_service(struct fixture *f, pid_t keep)
{
	pid_t supervisor = fixture_supervisor(f), logger = fixture_logger(f);

	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_call(f, "Start", "{s:[s]}", "names", "x");
	fixture_until(f, "x", "RUNNING");
	fixture_call(f, "Stop", "{s:[s]}", "names", "x");
	fixture_until(f, "x", "STOPPED");
	fixture_kill(logger, SIGKILL);
	fixture_new_logger(f, logger);
	assert_int_equal(fixture_supervisor(f), supervisor);
}

static void a_read_only_runtime_directory_stops_nothing_that_runs(void **state)
{
	struct fixture *f = *state;
	struct result r;

	fixture_own_mounts();
	fixture_up(f, TWO);
	pid_t keep = fixture_settle(f, "keep", "RUNNING");
	make_read_only(f);
	expect_service(f, keep);
	r = fixture_ctl(f, "start", "job", "--", "true");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "Read-only file system");
	fixture_write_config(f, TWO "[program:more]\n" HOLD);
	r = fixture_ctl(f, "reload");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "Read-only file system");

	fixture_replace_supervisor(f);
	expect_service(f, keep);
	make_writable(f);
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--", "true");
	fixture_ctl_is(f, 0, NULL, "", "reload");
	fixture_settle(f, "more", "RUNNING");
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
}

/* ---- a runtime directory without room ----------------------------------------------------------- */

#define NO_ROOM "there is no room for it in the process table"

/* So many that the table has no room for as many again. */
#define MANY "[program:web]\nnumprocs = 200\nprocess_name = %(process_num)d\n" HOLD
#define HELPED MANY "stopwaitsecs = 0.2\nstop_command = sh -c 'kill -KILL $FOSTER_PID'\n"

static void make_small(struct fixture *f, const char *size)
{
	const char *run = fixture_path(f, "run");

	fixture_own_mounts();
	assert_return_code(mkdir(run, 0711), errno);
	if (mount("small", run, "tmpfs", 0, fixture_format(f, "size=%s,mode=0711", size)) < 0)
		fixture_skip("cannot mount a tmpfs");
}

static void make_larger(struct fixture *f)
{
	assert_return_code(mount("small", fixture_path(f, "run"), NULL, MS_REMOUNT, "size=1m"),
			   errno);
}

static void fill(struct fixture *f)
{
	static const char block[4096];
	auto_close int fd =
		open(fixture_path(f, "run/ballast"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	while (write(fd, block, sizeof block) > 0)
		;
	assert_int_equal(errno, ENOSPC);
}

/* Each stop command is a process, too, and needs a place in the table. */
static void a_full_runtime_directory_stops_nothing_that_runs(void **state)
{
	struct fixture *f = *state;
	struct result r;

	make_small(f, "1m");
	fixture_up(f, "[program:keep]\n" HOLD HELPED);
	pid_t keep = fixture_settle(f, "keep", "RUNNING");
	fixture_settle(f, "web:199", "RUNNING");
	fill(f);
	fixture_ctl_is(f, 0, NULL, "", "stop", "web:*");
	fixture_until_logged(f, "stop-command: cannot start: " NO_ROOM);
	assert_lacks(log_of(f), "the keeper refused");
	r = fixture_ctl(f, "upgrade", "--binary", fixture_format(f, "%s/next/fosterd", f->build));
	fixture_check(f, r, 1, "", NULL);
	assert_contains(r.err, "there is no room to write the process table anew");
	fixture_ctl_is(f, 0, NULL, "", "upgrade");
	fixture_reconnect(f);
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_call(f, "Start", "{s:[s]}", "names", "web:0");
	fixture_until(f, "web:0", "RUNNING");
	assert_return_code(unlink(fixture_path(f, "run/ballast")), errno);
	fixture_down(f);
}

/* There is for the configuration and the first 128. */
static void who_has_no_room_in_the_table_starts_when_there_is_some(void **state)
{
	struct fixture *f = *state;
	struct result r;

	make_small(f, "80k");
	pid_t keep = fixture_start(f, "[program:keep]\n" HOLD MANY "startretries = 0\n", "keep");
	r = fixture_ctl(f, "start", "web:199");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, NO_ROOM);
	assert_string_equal(fixture_state(f, "web:199"), "FATAL");
	assert_lacks(log_of(f), "the keeper refused");
	make_larger(f);
	fixture_ctl_is(f, 0, NULL, "", "start", "web:*");
	assert_string_equal(fixture_state(f, "web:199"), "RUNNING");
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
}

static void on_a_full_runtime_directory_fosterd_says_why_it_does_not_start(void **state)
{
	struct fixture *f = *state;

	make_small(f, "1m");
	fixture_up(f, "");
	fixture_down(f); /* what is small is there */
	fill(f);
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), NULL });
	assert_int_equal(fixture_ended(f), 1);
	assert_contains(log_of(f), "cannot make the process table in ");
	assert_contains(log_of(f), "run: No space left on device");
}

/* The connections of the fixture were made before; nobody can make another. */
static void a_runtime_directory_that_is_gone_stops_nothing_that_runs(void **state)
{
	struct fixture *f = *state;
	fixture_up(f, TWO);
	pid_t keep = fixture_settle(f, "keep", "RUNNING"), job;

	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--", fixture_child(f), "hold");
	job = fixture_pid(f, "job");
	assert_int_equal(fixture_ctl(f, "ping").status, 0);
	assert_return_code(rename(fixture_path(f, "run"), fixture_path(f, "away")), errno);
	expect_service(f, keep);
	json_t *e = fixture_call_error(f, "Define", "{s:s,s:s,s:[s]}", "id", "1", "name", "late",
				       "argv", "true");
	auto_free char *text = json_dumps(e, JSON_COMPACT);
	assert_contains(text, "No such file or directory");
	assert_int_equal(fixture_ctl(f, "ping").status, 5);
	fixture_kill(f->fosterd, SIGHUP); /* is refused, in the log */
	assert_int_equal(fixture_pid(f, "keep"), keep);

	/* the next supervisor has the socket, the snapshot and the file of the configuration */
	fixture_kill(fixture_supervisor(f), SIGKILL);
	fixture_until_logged(f, "has taken over");
	assert_true(run_alive(keep) && run_alive(job));
	fixture_down(f);
	assert_contains(log_of(f),
			"the configuration was not reloaded, nothing has changed: No such");
	assert_contains(log_of(f), "run/config No such file or directory, it reads ");
	assert_contains(log_of(f), "keep: STOPPED");
	assert_false(run_alive(keep) || run_alive(job));
}

static void a_control_socket_that_was_deleted_is_made_by_a_restart(void **state)
{
	struct fixture *f = *state;
	fixture_up(f, TWO);
	pid_t keep = fixture_settle(f, "keep", "RUNNING");

	assert_return_code(unlink(f->socket), errno);
	assert_int_equal(fixture_pid(f, "keep"), keep); /* who is connected stays so */
	struct result r = fixture_ctl(f, "ping");
	assert_int_equal(r.status, 5);
	assert_contains(r.err, f->socket);
	fixture_kill(f->fosterd, SIGHUP);
	fixture_until_logged(
		f, "run/foster.sock: No such file or directory; nobody else can connect until");
	fixture_down(f);
	fixture_up(f, TWO);
	fixture_ctl_is(f, 0, "pong\n", "", "ping");
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_read_only_runtime_directory_stops_nothing_that_runs),
		fixture_test(a_full_runtime_directory_stops_nothing_that_runs),
		fixture_test(who_has_no_room_in_the_table_starts_when_there_is_some),
		fixture_test(on_a_full_runtime_directory_fosterd_says_why_it_does_not_start),
		fixture_test(a_runtime_directory_that_is_gone_stops_nothing_that_runs),
		fixture_test(a_control_socket_that_was_deleted_is_made_by_a_restart),
	};

	return fixture_run(tests);
}
