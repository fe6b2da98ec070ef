/* e2e_access.c - who may do what: real users, the kernel's word for who they are (DESIGN section 6) */
#include <errno.h>

#include "daemon/base/mem.h"
#include "tests/e2e/other.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define OPEN "[foster]\nsocket_mode = 0666\n"

static void the_sockets_mode_keeps_others_out(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, "[access:all]\nusers = nobody\nallow = admin\n");
	struct result r = other_ctl(f, OTHER_NOBODY, "ping");
	assert_int_equal(r.status, 5);
	assert_contains(r.err, "Permission denied");
	fixture_down(f);
}

static void an_open_socket_alone_allows_nothing(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, OPEN "[program:web]\n" HOLD);
	static const char *const commands[][4] = {
		{ "status" },
		{ "stop", "web" },
		{ "tail", "web" },
		{ "show", "web" },
		{ "shutdown" },
		{ "run", "--", "true" },
		{ "signal", "TERM", "web" },
		{ "update" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct result r =
			other_ctl_argv(f, OTHER_NOBODY,
				       (const char *const[]){ commands[i][0], commands[i][1],
							      commands[i][2], NULL });
		assert_int_not_equal(r.status, 0);
		assert_contains(r.err, "not permitted");
	}
	fixture_settle(f, "web", "RUNNING");
	fixture_down(f);
}

static void read_sees_and_does_not_touch(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, OPEN "[access:look]\nusers = nobody\nallow = read\n"
			   "[program:web]\nstartsecs = 0\ncommand = @child@ print words hold\n");
	fixture_settle(f, "web", "RUNNING");
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "status").status, 0);
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "tail", "web").status, 0);
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "poll", "web").status, 0);
	struct result r = other_ctl(f, OTHER_NOBODY, "stop", "web");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "fosterctl: web: not permitted");
	assert_contains(r.err, "control");
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "start", "x", "--", "true").status, 1);
	assert_int_equal(other_ctl(f, OTHER_NAMELESS, "status").status, 1);
	fixture_settle(f, "web", "RUNNING");
	fixture_down(f);
}

static void control_is_limited_to_its_programs(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, OPEN "[access:web]\nusers = nobody\nprograms = web*\nallow = read,control\n"
			   "[program:web1]\n" HOLD "[program:db]\n" HOLD);
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "restart", "web1").status, 0);
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "stop", "web1").status, 0);
	struct result r = other_ctl(f, OTHER_NOBODY, "stop", "db");
	assert_int_not_equal(r.status, 0);
	fixture_settle(f, "db", "RUNNING");
	/* all: what the caller can see */
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "stop", "all").status, 0);
	fixture_settle(f, "db", "RUNNING");
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "start", "x", "--", "true").status, 1);
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "shutdown").status, 1);
	fixture_down(f);
}

static void groups_are_taken_from_the_kernel(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	/* 65533 has that group only; nogroup is nobody's */
	fixture_up(f, OPEN "[access:g]\ngroups = nogroup\nallow = read\n[program:web]\n" HOLD);
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "status").status, 0);
	assert_int_equal(other_ctl(f, OTHER_NAMELESS, "status").status, 1);
	fixture_down(f);
}

#define MAY_RUN OPEN "[access:run]\nusers = nobody\nallow = read,run\n"

static void who_may_run_runs_as_oneself(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, MAY_RUN);
	struct result r = other_ctl(f, OTHER_NOBODY, "run", "--", fixture_path(f, "child"), "ids");
	fixture_check(f, r, 0, "65534 65534 65534 65534\n", "");
	r = other_ctl(f, OTHER_NOBODY, "run", "--", "grep", "NoNewPrivs", "/proc/self/status");
	fixture_check(f, r, 0, "NoNewPrivs:\t1\n", "");
	r = other_ctl(f, OTHER_NOBODY, "start", "mine", "--", fixture_path(f, "child"), "ids");
	assert_int_equal(r.status, 0);
	fixture_until(f, "mine", "EXITED");
	r = other_ctl(f, OTHER_NOBODY, "tail", "mine");
	fixture_check(f, r, 0, "65534 65534 65534 65534\n", "");
	fixture_down(f);
}

static void who_may_run_may_not_become_another(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, MAY_RUN);
	static const char *const settings[] = {
		"user=root",
		"stdout_logfile=/etc/passwd",
		"stderr_logfile=/tmp/x",
		"stdin=/etc/shadow",
		"stop_command=/bin/sh",
		"autostart=true",
		"stdout_logfile_maxbytes=0",
		"priority=1",
	};
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		struct result r = other_ctl(f, OTHER_NOBODY, "start", "x", "--set", settings[i],
					    "--", "true");

		assert_int_equal(r.status, 1);
		assert_contains(r.err, "fosterctl: x: ");
	}
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "run", "-u", "root", "--", "true").status, 125);
	fixture_ctl_is(f, 4, "", NULL, "status", "x");
	fixture_down(f);
}

static void a_directory_is_opened_with_the_clients_rights(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	assert_return_code(mkdir(fixture_path(f, "private"), 0700), errno);
	fixture_up(f, MAY_RUN);
	struct result r = other_ctl(f, OTHER_NOBODY, "start", "x", "-d", fixture_path(f, "private"),
				    "--", "true");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "Permission denied");
	fixture_down(f);
}

static void processes_of_others_are_out_of_reach(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, OPEN
		   "[access:run]\nusers = nobody,daemon\nallow = read,run\n[program:web]\n" HOLD);
	assert_int_equal(
		other_ctl(f, OTHER_NOBODY, "start", "mine", "--", fixture_path(f, "child"), "hold")
			.status,
		0);
	assert_int_not_equal(other_ctl(f, OTHER_DAEMON, "stop", "mine").status, 0);
	assert_int_not_equal(other_ctl(f, OTHER_DAEMON, "forget", "mine").status, 0);
	assert_int_not_equal(other_ctl(f, OTHER_NOBODY, "stop", "web").status, 0);
	assert_string_equal(fixture_state(f, "mine"), "RUNNING");
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "stop", "mine").status, 0);
	fixture_down(f);
}

static void nobody_reaches_the_runtime_directory(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	other_publish(f);
	fixture_up(f, OPEN "[program:web]\n" HOLD);
	assert_return_code(stat(fixture_path(f, "run"), &st), errno);
	assert_int_equal(st.st_mode & 0777, 0711);
	assert_return_code(stat(fixture_path(f, "run/log"), &st), errno);
	assert_int_equal(st.st_mode & 0077, 0);
	assert_return_code(stat(f->socket, &st), errno);
	assert_int_equal(st.st_mode & 0777, 0666);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(the_sockets_mode_keeps_others_out),
		fixture_test(an_open_socket_alone_allows_nothing),
		fixture_test(read_sees_and_does_not_touch),
		fixture_test(control_is_limited_to_its_programs),
		fixture_test(groups_are_taken_from_the_kernel),
		fixture_test(who_may_run_runs_as_oneself),
		fixture_test(who_may_run_may_not_become_another),
		fixture_test(a_directory_is_opened_with_the_clients_rights),
		fixture_test(processes_of_others_are_out_of_reach),
		fixture_test(nobody_reaches_the_runtime_directory),
	};

	return fixture_run(tests);
}
