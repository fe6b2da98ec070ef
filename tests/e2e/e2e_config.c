/* e2e_config.c - fosterd's options and configuration: what it refuses, and how a new one is applied */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"

static struct result check(struct fixture *f, const char *text)
{
	fixture_write_file(f, "checked.ini", text);
	return fixture_program(f, "fosterd", "--check", "-c", fixture_path(f, "checked.ini"));
}

/* ---- --check, and files that are bad ------------------------------------------------------- */

static void check_of_a_good_file_is_0(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, "[program:web]\ncommand = sleep 1\n").status, 0);
	fixture_ctl_is(f, 0, NULL, "", "check", fixture_path(f, "checked.ini"));
}

static void every_problem_is_reported_with_file_and_line(void **state)
{
	struct fixture *f = *state;
	struct result r = check(f, "[foster]\nlogelvel = info\n"
				   "[program:web]\ncommand = sleep 1\nautorestrat = true\n"
				   "startsecs = soon\n"
				   "[program:db]\nnumprocs = 2\n");

	assert_int_equal(r.status, 2);
	assert_contains(r.err, fixture_format(f,
					      "%s:2: [foster] logelvel: unknown key (did you mean "
					      "'loglevel'?)\n",
					      fixture_path(f, "checked.ini")));
	assert_contains(r.err, ":5: [program:web] autorestrat: unknown key (did you mean "
			       "'autorestart'?)\n");
	assert_contains(r.err, ":6: [program:web] startsecs:");
	assert_contains(r.err, ": [program:db] ");
	struct result c = fixture_ctl(f, "check", fixture_path(f, "checked.ini"));
	assert_int_equal(c.status, 2);
	assert_string_equal(c.err, r.err);
}

static void nothing_starts_from_a_bad_file(void **state)
{
	struct fixture *f = *state;

	fixture_write_config(f, "[program:good]\ncommand = @child@ to @dir@/ran print ran\n"
				"[program:bad]\nnumprocs = many\n");
	struct result r = fixture_program(f, "fosterd", "-c", fixture_path(f, "foster.ini"));
	assert_int_equal(r.status, 2);
	assert_contains(r.err, "numprocs");
	assert_string_equal(fixture_file(f, "ran"), "");
	fixture_assert_no_child(f);
}

static void a_missing_file_is_named(void **state)
{
	struct fixture *f = *state;
	struct result r = fixture_program(f, "fosterd", "-c", "/no/such.ini");

	assert_int_equal(r.status, 2);
	assert_contains(r.err, "/no/such.ini");
	assert_contains(r.err, "No such file or directory");
	fixture_assert_no_child(f);
}

static void an_option_that_is_none_is_a_usage_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_program(f, "fosterd", "--fly").status, 2);
	assert_int_equal(fixture_program(f, "fosterd", "-c").status, 2);
	fixture_assert_no_child(f);
}

static void version_and_help_need_no_file(void **state)
{
	struct fixture *f = *state;
	struct result r = fixture_program(f, "fosterd", "--version");

	assert_int_equal(r.status, 0);
	assert_contains(r.out, FOSTER_VERSION);
	r = fixture_program(f, "fosterd", "--help");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "--check");
}

static void files_are_included(void **state)
{
	struct fixture *f = *state;

	fixture_write_file(
		f, "b.conf",
		fixture_format(f, "[program:b]\ncommand=%s hold\nstartsecs=0\n", fixture_child(f)));
	fixture_up(f, "[include]\nfiles = *.conf\n[program:a]\n" HOLD);
	fixture_settle(f, "a", "RUNNING");
	fixture_settle(f, "b", "RUNNING");
	fixture_down(f);
}

/* ---- one at a time, pidfile, background ---------------------------------------------------- */

static void a_second_fosterd_refuses_and_names_the_first(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:a]\n" HOLD);
	fixture_settle(f, "a", "RUNNING");
	struct result r = fixture_program(f, "fosterd", "-c", fixture_path(f, "foster.ini"));
	assert_int_not_equal(r.status, 0);
	assert_contains(r.err, fixture_format(f, "%d", (int)f->fosterd));
	fixture_settle(f, "a", "RUNNING");
	fixture_down(f);
}

static void the_option_s_chooses_the_socket(void **state)
{
	struct fixture *f = *state;

	fixture_write_config(f, "");
	strcpy(f->socket, fixture_path(f, "other.sock"));
	setenv("FOSTER_SOCKET", f->socket, 1);
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), "-s",
						f->socket, NULL });
	fixture_wait_ready(f);
	fixture_ctl_is(f, 0, "pong\n", "", "ping");
	fixture_down(f);
}

static void children_are_told_where_a_given_socket_listens(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct fifo *said = fixture_fifo(f, "said");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	fixture_write_config(f, "[program:a]\nstartsecs = 0\ncommand = sh -c 'echo $FOSTER_SOCKET "
				">@dir@/said; exec @child@ hold'\n");
	strcpy(f->socket, fixture_path(f, "given.sock"));
	strcpy(sa.sun_path, f->socket);
	setenv("FOSTER_SOCKET", f->socket, 1);
	assert_return_code(bind(fd, (struct sockaddr *)&sa, sizeof sa), errno);
	assert_return_code(listen(fd, 10), errno);
	assert_int_equal(fixture_open_notify(f), 0);
	fflush(stdout);
	f->fosterd = fork();
	if (f->fosterd == 0) {
		dup2(fd, 3);
		setenv("NOTIFY_SOCKET", fixture_path(f, "notify"), 1);
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_PID", fixture_format(f, "%d", (int)getpid()), 1);
		execl(fixture_format(f, "%s/fosterd", f->build), "fosterd", "-c",
		      fixture_path(f, "foster.ini"), (char *)NULL);
		_exit(127);
	}
	close(fd);
	fixture_wait_ready(f);
	fixture_expect_line(f, said, f->socket);
	fixture_down(f);
}

static void a_pidfile_names_the_keeper_and_goes_with_it(void **state)
{
	struct fixture *f = *state;

	fixture_write_config(f, "");
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), "--pidfile",
						fixture_path(f, "pid"), NULL });
	fixture_wait_ready(f);
	assert_int_equal(atoi(fixture_file(f, "pid")), f->fosterd);
	fixture_down(f);
	assert_int_equal(access(fixture_path(f, "pid"), F_OK), -1);
}

static void daemonize_returns_when_it_is_ready(void **state)
{
	struct fixture *f = *state;

	fixture_write_config(
		f, "[foster]\nlogfile = @dir@/log\npidfile = @dir@/pid\n[program:a]\n" HOLD);
	struct result r =
		fixture_program(f, "fosterd", "--daemonize", "-c", fixture_path(f, "foster.ini"));
	assert_int_equal(r.status, 0);
	/* Nobody waits here: when it has returned, the socket answers. */
	fixture_ctl_is(f, 0, "pong\n", "", "ping");
	f->fosterd = (pid_t)atoi(fixture_file(f, "pid"));
	assert_true(f->fosterd > 0);
	assert_int_equal(run_parent_of(f->fosterd), getpid()); /* an orphan: ours, as subreaper */
	fixture_down(f);
}

static void daemonize_reports_what_went_wrong(void **state)
{
	struct fixture *f = *state;

	fixture_write_config(f, "[program:a]\nnumprocs = many\n");
	struct result r =
		fixture_program(f, "fosterd", "--daemonize", "-c", fixture_path(f, "foster.ini"));
	assert_int_equal(r.status, 2);
	assert_contains(r.err, "numprocs");
	/* what went to the background is an orphan now; it has ended or is about to */
	pid_t orphan = waitpid(-1, NULL, 0);
	assert_true(orphan > 0 || errno == ECHILD);
	fixture_assert_no_child(f);
}

static void a_supervisord_file_stays_in_the_foreground_unless_told(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[supervisord]\nlogfile = @dir@/log\n[program:a]\n" HOLD);
	fixture_settle(f, "a", "RUNNING");
	fixture_down(f);
}

/* ---- signals ------------------------------------------------------------------------------- */

static void term_int_and_quit_shut_down(void **state)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGQUIT };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		fixture_up(f, "[program:a]\n" HOLD);
		fixture_kill(f->fosterd, numbers[i]);
		assert_int_equal(fixture_gone(f), 0);
	}
}

static void hup_reloads_and_tells_systemd(void **state)
{
	struct fixture *f = *state;

	f->keep_notify = true;
	fixture_up(f, "[program:a]\n" HOLD);
	fixture_settle(f, "a", "RUNNING");
	fixture_write_config(f, "[program:a]\n" HOLD "[program:b]\n" HOLD);
	fixture_kill(f->fosterd, SIGHUP);
	fixture_expect_notify(f, "RELOADING=1");
	fixture_expect_notify(f, "READY=1");
	fixture_until(f, "b", "RUNNING");
	fixture_expect_nothing(f, "a");
	fixture_down(f);
}

static void usr1_writes_the_table_to_the_log(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:in-the-table]\nautostart = false\n" HOLD);
	fixture_kill(f->fosterd, SIGUSR1);
	fixture_until_file(f, "log", "in-the-table");
	fixture_down(f);
}

/* ---- reread, update, reload ---------------------------------------------------------------- */

#define BEFORE "[program:same]\n" HOLD "[program:gone]\n" HOLD "[program:other]\n" HOLD
#define AFTER \
	"[program:same]\n" HOLD "[program:new]\n" HOLD "[program:other]\nenvironment = A=1\n" HOLD

static void up_before(struct fixture *f)
{
	fixture_up(f, BEFORE);
	fixture_settle(f, "same", "RUNNING");
	fixture_settle(f, "gone", "RUNNING");
	fixture_settle(f, "other", "RUNNING");
}

static void reread_tells_and_changes_nothing(void **state)
{
	struct fixture *f = *state;

	up_before(f);
	fixture_ctl_is(f, 0, "nothing changed\n", "", "reread");
	fixture_write_config(f, AFTER);
	struct result r = fixture_ctl(f, "reread");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "gone: removed\n");
	assert_contains(r.out, "new: added\n");
	assert_contains(r.out, "other: changed\n");
	assert_lacks(r.out, "same");
	assert_string_equal(fixture_state(f, "gone"), "RUNNING");
	fixture_ctl_is(f, 4, "", NULL, "status", "new");
	fixture_down(f);
}

static void update_applies_only_what_changed(void **state)
{
	struct fixture *f = *state;

	up_before(f);
	pid_t same = fixture_pid(f, "same"), other = fixture_pid(f, "other");
	pid_t gone = fixture_pid(f, "gone");
	fixture_write_config(f, AFTER);
	struct result r = fixture_ctl(f, "update");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "gone: removed\n");
	fixture_until(f, "gone", "STOPPED");
	fixture_until(f, "new", "RUNNING");
	fixture_until(f, "other", "RUNNING");
	assert_int_equal(fixture_pid(f, "same"), same);
	assert_int_not_equal(fixture_pid(f, "other"), other);
	assert_false(run_alive(gone));
	fixture_ctl_is(f, 4, "", NULL, "status", "gone");
	fixture_ctl_is(f, 0, "nothing changed\n", "", "update");
	fixture_down(f);
}

static void a_changed_childlogdir_is_a_change_of_who_logs_there(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	assert_return_code(mkdir(fixture_path(f, "one"), 0755), errno);
	assert_return_code(mkdir(fixture_path(f, "two"), 0755), errno);
#define IN(directory)                                                                                      \
	"[foster]\nchildlogdir = @dir@/" directory                                                         \
	"\n[program:a]\nstartsecs = 0\ncommand = @child@ print word say @dir@/said up hold\n[program:b]\n" \
	"stdout_logfile = NONE\nstderr_logfile = NONE\n" HOLD
	fixture_up(f, IN("one"));
	fixture_settle(f, "a", "RUNNING");
	pid_t b = fixture_settle(f, "b", "RUNNING");
	fixture_write_config(f, IN("two"));
	fixture_ctl_is(f, 0, NULL, "", "update");
	fixture_until(f, "a", "RUNNING");
	assert_int_equal(fixture_pid(f, "b"), b);
	fixture_expect_line(f, said, "up");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, "word\n", "", "tail", "a");
	assert_string_equal(fixture_file(f, "two/a-stdout.log"), "word\n");
	fixture_down(f);
}

static void update_of_groups_leaves_the_others(void **state)
{
	struct fixture *f = *state;

	up_before(f);
	fixture_write_config(f, AFTER);
	fixture_ctl_is(f, 0, "new: added\n", "", "update", "new");
	fixture_until(f, "new", "RUNNING");
	assert_string_equal(fixture_state(f, "gone"), "RUNNING");
	fixture_expect_nothing(f, "other");
	fixture_down(f);
}

static void a_bad_file_changes_nothing(void **state)
{
	static const char *const commands[] = { "reread", "update", "reload" };
	struct fixture *f = *state;

	f->keep_notify = true;
	up_before(f);
	fixture_write_config(f, AFTER "[program:bad]\nnumprocs = many\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct result r = fixture_ctl(f, commands[i]);

		assert_int_equal(r.status, 1);
		assert_contains(r.err, "[program:bad] numprocs");
	}
	fixture_kill(f->fosterd, SIGHUP);
	fixture_expect_notify(f, "READY=1");
	fixture_expect_nothing(f, "same");
	fixture_expect_nothing(f, "gone");
	fixture_expect_nothing(f, "other");
	fixture_ctl_is(f, 4, "", NULL, "status", "new");
	fixture_down(f);
}

static void a_changed_program_that_was_stopped_stays_stopped(void **state)
{
	struct fixture *f = *state;

	up_before(f);
	fixture_ctl_is(f, 0, NULL, "", "stop", "other");
	fixture_write_config(f, AFTER);
	fixture_ctl_is(f, 0, NULL, "", "update", "other");
	assert_string_equal(fixture_state(f, "other"), "STOPPED");
	fixture_down(f);
}

static void the_next_supervisor_goes_on_with_the_configuration_that_runs(void **state)
{
	struct fixture *f = *state;

	up_before(f);
	pid_t gone = fixture_pid(f, "gone");
	fixture_write_config(f, "[program:broken\n");
	fixture_replace_supervisor(f);
	assert_int_equal(fixture_pid(f, "gone"), gone);
	fixture_kill(gone, SIGKILL);
	fixture_until(f, "gone", "RUNNING");
	fixture_down(f);
}

/* ---- restarts ------------------------------------------------------------------------------ */

static void an_update_calls_off_no_stop(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	struct run stop = { 0 };

	fixture_up(f, "[program:web]\nstartsecs = 0\n"
		      "command = @child@ ignore 15 say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	pid_t pid = fixture_settle(f, "web", "RUNNING");
	fixture_ctl_start(f, &stop, "stop", "web");
	fixture_expect(f, "web", "STOPPING");
	fixture_write_config(f, "[program:web]\n" HOLD);
	fixture_ctl_is(f, 0, NULL, "", "update");
	fixture_kill(pid, SIGKILL);
	assert_int_equal(fixture_finish(f, &stop).status, 0);
	fixture_expect(f, "web", "STOPPED");
	fixture_expect_nothing(f, "web");
	fixture_down(f);
}

static void what_an_update_took_out_is_stopped_by_the_next_supervisor(void **state)
{
	static const char all[] = "[program:x]\n" HOLD "[program:y]\n" HOLD;
	struct fixture *f = *state;

	/* As if it had died between saving the configuration and stopping y. */
	fixture_up(f, "[program:x]\n" HOLD);
	assert_return_code(link(fixture_path(f, "run/config"), fixture_path(f, "without")), errno);
	fixture_write_config(f, all);
	fixture_ctl_is(f, 0, NULL, "", "reload");
	fixture_ctl_is(f, 0, NULL, "", "start", "mine", "--", fixture_child(f), "hold");
	pid_t y = fixture_settle(f, "y", "RUNNING"), mine = fixture_pid(f, "mine");
	pid_t supervisor = fixture_supervisor(f);
	assert_return_code(rename(fixture_path(f, "without"), fixture_path(f, "run/config")),
			   errno);
	assert_return_code(unlink(fixture_path(f, "run/spool/mine")), errno);

	fixture_kill(supervisor, SIGKILL);
	fixture_until_dead(f, y);
	fixture_new_supervisor(f, supervisor);
	fixture_until_logged(f, "y: STOPPED"); /* and is forgotten in the same turn */
	fixture_ctl_is(f, 4, NULL, NULL, "status", "y");
	assert_int_equal(fixture_pid(f, "mine"), mine); /* a client's, no update's */
	fixture_down(f);
}

static void startretries_end_in_fatal(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:x]\nautostart = false\nstartsecs = 10\nstartretries = 2\n"
		      "restart_delay = 0.01\ncommand = @child@ exit 1\n");
	struct result r = fixture_ctl(f, "start", "x");
	assert_int_equal(r.status, 1);
	for (int i = 0; i < 2; i++) {
		fixture_expect(f, "x", "STARTING");
		fixture_expect(f, "x", "BACKOFF");
	}
	fixture_expect(f, "x", "STARTING");
	fixture_expect(f, "x", "FATAL");
	fixture_expect_nothing(f, "x");
	fixture_down(f);
}

static void autorestart_unexpected_restarts_unexpected_ends_only(void **state)
{
	struct fixture *f = *state;

	fixture_start(f,
		      "[program:x]\nautorestart = unexpected\nexitcodes = 0,3\nstartsecs = 0\n"
		      "restart_delay = 0.01\n"
		      "command = @child@ first 2 @dir@/count 4 exit 3\n",
		      "x");
	fixture_expect(f, "x", "BACKOFF");
	fixture_expect(f, "x", "STARTING");
	fixture_until(f, "x", "BACKOFF");
	fixture_until(f, "x", "EXITED");
	fixture_expect_nothing(f, "x");
	assert_string_equal(fixture_file(f, "count"), "...");
	fixture_down(f);
}

static void give_up_counts_crashes_after_running_too(void **state)
{
	struct fixture *f = *state;

	fixture_start(f,
		      "[program:x]\nautorestart = true\nstartsecs = 0\nrestart_delay = 0.01\n"
		      "give_up = 3/60\ncommand = @child@ sleep 20 exit 1\n",
		      "x");
	fixture_until(f, "x", "FATAL");
	fixture_expect_nothing(f, "x");
	/* a person may try again */
	fixture_call(f, "Start", "{s:[s]}", "names", "x");
	fixture_until(f, "x", "RUNNING");
	fixture_down(f);
}

static void a_supervisord_file_restarts_without_limit_or_delay(void **state)
{
	struct fixture *f = *state;

	fixture_start(f,
		      "[supervisord]\n[program:x]\nautorestart = true\nstartsecs = 0\n"
		      "command = @child@ sleep 5 exit 1\n",
		      "x");
	for (int i = 0; i < 20; i++) {
		fixture_until(f, "x", "EXITED");
		fixture_expect(f, "x", "STARTING");
	}
	fixture_ctl_is(f, 0, NULL, "", "stop", "x");
	fixture_down(f);
}

static void exit_on_ends_with_that_status(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[foster]\nexit_on = main\n"
		      "[program:main]\nautorestart = false\nstartsecs = 0\n"
		      "command = @child@ on 10 7 say @dir@/said up hold\n[program:side]\n" HOLD);
	fixture_expect_line(f, said, "up");
	fixture_kill(fixture_settle(f, "main", "RUNNING"), SIGUSR1);
	assert_int_equal(fixture_gone(f), 7);
}

static void exit_on_tells_a_signal_as_shells_do(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[foster]\nexit_on = main\n[program:main]\nautorestart = false\n" HOLD);
	fixture_kill(fixture_settle(f, "main", "RUNNING"), SIGKILL);
	assert_int_equal(fixture_gone(f), 128 + 9);
}

static const char *origin_of(struct fixture *f, const char *name)
{
	return json_string_value(json_object_get(fixture_show(f, name), "origin"));
}

/* A program of that name waits until the client's process is forgotten. */
static void a_clients_process_stays_what_it_is(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\n" HOLD);
	fixture_ctl_is(f, 0, NULL, "", "start", "x", "--", fixture_child(f), "hold");
	pid_t pid = fixture_pid(f, "x");
	fixture_write_config(f, "[program:web]\n" HOLD "[program:x]\n" HOLD);
	fixture_ctl_is(f, 0, NULL, NULL, "update");
	assert_string_equal(origin_of(f, "x"), "client");
	fixture_replace_supervisor(f);
	assert_int_equal(fixture_pid(f, "x"), pid);
	assert_string_equal(origin_of(f, "x"), "client");
	fixture_ctl_is(f, 0, NULL, "", "kill", "x");
	fixture_ctl_is(f, 0, NULL, "", "forget", "x");
	fixture_ctl_is(f, 0, NULL, NULL, "update");
	fixture_until(f, "x", "RUNNING");
	assert_string_equal(origin_of(f, "x"), "file");
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(check_of_a_good_file_is_0),
		fixture_test(every_problem_is_reported_with_file_and_line),
		fixture_test(nothing_starts_from_a_bad_file),
		fixture_test(a_missing_file_is_named),
		fixture_test(an_option_that_is_none_is_a_usage_error),
		fixture_test(version_and_help_need_no_file),
		fixture_test(files_are_included),
		fixture_test(a_second_fosterd_refuses_and_names_the_first),
		fixture_test(the_option_s_chooses_the_socket),
		fixture_test(children_are_told_where_a_given_socket_listens),
		fixture_test(a_pidfile_names_the_keeper_and_goes_with_it),
		fixture_test(daemonize_returns_when_it_is_ready),
		fixture_test(daemonize_reports_what_went_wrong),
		fixture_test(a_supervisord_file_stays_in_the_foreground_unless_told),
		fixture_test(term_int_and_quit_shut_down),
		fixture_test(hup_reloads_and_tells_systemd),
		fixture_test(usr1_writes_the_table_to_the_log),
		fixture_test(reread_tells_and_changes_nothing),
		fixture_test(update_applies_only_what_changed),
		fixture_test(a_changed_childlogdir_is_a_change_of_who_logs_there),
		fixture_test(update_of_groups_leaves_the_others),
		fixture_test(a_bad_file_changes_nothing),
		fixture_test(a_changed_program_that_was_stopped_stays_stopped),
		fixture_test(the_next_supervisor_goes_on_with_the_configuration_that_runs),
		fixture_test(an_update_calls_off_no_stop),
		fixture_test(what_an_update_took_out_is_stopped_by_the_next_supervisor),
		fixture_test(startretries_end_in_fatal),
		fixture_test(autorestart_unexpected_restarts_unexpected_ends_only),
		fixture_test(give_up_counts_crashes_after_running_too),
		fixture_test(a_supervisord_file_restarts_without_limit_or_delay),
		fixture_test(exit_on_ends_with_that_status),
		fixture_test(exit_on_tells_a_signal_as_shells_do),
		fixture_test(a_clients_process_stays_what_it_is),
	};

	return fixture_run(tests);
}
