/* e2e_secrecy.c - what is hidden from whom: environments, fosterd's own descriptors, and what root trusts */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "tests/e2e/other.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define SECRET "sesame"

/* ---- environments -------------------------------------------------------------------------- */

#define TOLD                                                    \
	"[foster]\nsocket_mode = 0666\nloglevel = debug\n"      \
	"[access:look]\nusers = nobody\nallow = read,control\n" \
	"[access:run]\nusers = daemon\nallow = read,run\n"      \
	"[program:web]\nenvironment = TOKEN=\"" SECRET "\",EMPTY=\"\"\n" HOLD

static void start_both(struct fixture *f)
{
	other_publish(f);
	fixture_up(f, TOLD);
	fixture_settle(f, "web", "RUNNING");
	const char *token = "TOKEN=" SECRET;
	struct result r = other_ctl(f, OTHER_DAEMON, "start", "mine", "-e", token, "--",
				    fixture_path(f, "child"), "hold");
	assert_int_equal(r.status, 0);
}

static void values_are_for_admin_and_owner(void **state)
{
	static const struct {
		uid_t uid;
		const char *name, *is;
	} views[] = {
		{ 0, "web", "TOKEN=" SECRET },
		{ 0, "mine", "TOKEN=" SECRET },
		{ OTHER_DAEMON, "mine", "TOKEN=" SECRET },
		{ OTHER_DAEMON, "web", "TOKEN=…" },
		{ OTHER_NOBODY, "web", "TOKEN=…" },
		{ OTHER_NOBODY, "mine", "TOKEN=…" },
	};
	struct fixture *f = *state;

	start_both(f);
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		struct result r = other_ctl(f, views[i].uid, "show", views[i].name);

		assert_int_equal(r.status, 0);
		assert_contains(r.out, fixture_format(f, "environment       %s\n", views[i].is));
	}
	fixture_down(f);
}

static void no_answer_to_a_reader_has_values(void **state)
{
	static const char *const commands[][4] = {
		{ "-o", "json", "status" },
		{ "-o", "json", "tree" },
		{ "-o", "json", "show", "web" },
		{ "-o", "json", "why", "web" },
		{ "-o", "json", "show", "mine" },
		{ "-o", "json", "why", "mine" },
		{ "restart", "web" },
		{ "start", "web" },
	};
	struct fixture *f = *state;
	struct varlink v = { .fd = -1 };

	start_both(f);
	other_begin(OTHER_NOBODY);
	int r = varlink_open(&v, f->socket);
	other_end();
	assert_int_equal(r, 0);
	assert_int_equal(varlink_send(&v, "Events", NULL, true, NULL, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const char *args[] = { commands[i][0], commands[i][1], commands[i][2],
				       commands[i][3], NULL };
		struct result said = other_ctl_argv(f, OTHER_NOBODY, args);

		assert_true(said.out_len + said.err_len > 0);
		assert_lacks(said.out, SECRET);
		assert_lacks(said.err, SECRET);
	}
	for (int i = 0; i < 4; i++) { /* of the restart */
		json_t *event = NULL;

		assert_int_equal(varlink_receive(&v, FIXTURE_DEADLINE_MS, &event), 0);
		auto_free char *text = json_dumps(event, 0);
		assert_lacks(text, SECRET);
		json_decref(event);
	}
	varlink_close(&v);
	fixture_down(f);
}

/* What the configuration gives to all programs is for those that it has, and for its own user's: also after
 * the definition was read again. */
static void what_others_define_has_nothing_of_the_configurations_environment(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, "[foster]\nsocket_mode = 0666\nenvironment = TOKEN=\"" SECRET "\"\n"
		      "[access:run]\nusers = daemon\nallow = read,run\n");
	fixture_ctl_is(f, 0, SECRET "\n", "", "run", "--", "sh", "-c", "echo $TOKEN");
	struct result r = other_ctl(f, OTHER_DAEMON, "start", "mine", "--", "env");
	assert_int_equal(r.status, 0);
	fixture_until(f, "mine", "EXITED");
	fixture_new_logger(f, 0);
	for (int i = 0; i < 2; i++) {
		assert_contains(fixture_ctl(f, "tail", "-n", "100", "mine").out,
				"FOSTER_NAME=mine");
		assert_lacks(fixture_ctl(f, "tail", "-n", "100", "mine").out, SECRET);
		assert_lacks(other_ctl(f, OTHER_DAEMON, "show", "mine").out, SECRET);
		fixture_replace_supervisor(f);
		fixture_ctl_is(f, 0, NULL, "", "start", "mine");
		fixture_until(f, "mine", "EXITED");
	}
	fixture_down(f);
}

/* At level debug, through a bad reload, a supervisor's death, and the table that SIGUSR1 asks for. */
static void no_line_of_the_log_has_values(void **state)
{
	static const char *const bad[] = {
		"TOKEN=ab$" SECRET ",B=2",
		"TOKEN=\"" SECRET,
		"TOKEN=ab$" SECRET "=",
		"TOKEN=\"a\" \"" SECRET "\"",
	};
	struct fixture *f = *state;

	start_both(f);
	assert_int_equal(varlink_send_raw(&f->calls, SECRET, sizeof SECRET), 0);
	/* For a line of that level: what was no call is not quoted, too. */
	varlink_close(&f->calls);
	assert_int_equal(varlink_open(&f->calls, f->socket), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fixture_write_config(f,
				     fixture_format(f, "%s[program:bad]\nenvironment = %s\n" HOLD,
						    TOLD, bad[i]));
		struct result r = fixture_ctl(f, "reload");
		assert_int_equal(r.status, 1);
		assert_contains(r.err, "environment: ");
		assert_lacks(r.err, SECRET);
		fixture_kill(f->fosterd, SIGHUP);
	}
	fixture_replace_supervisor(f);
	fixture_kill(f->fosterd, SIGUSR1);
	fixture_ctl_is(f, 0, NULL, NULL, "restart", "web");
	fixture_down(f);
	assert_contains(fixture_file(f, "log"), "DEBUG");
	assert_contains(fixture_file(f, "log"), "environment: ");
	assert_lacks(fixture_file(f, "log"), SECRET);
}

/* ---- descriptors of fosterd's ---------------------------------------------------------------- */

#define FDS "startsecs = 0\nautorestart = false\nautostart = false\ncommand = @dir@/child fds\n"
#define EACH                                                                                      \
	"[program:fork]\nstart_method = fork\n" FDS "[program:spawn]\nstart_method = spawn\n" FDS \
	"[program:native]\nstart_method = forkserver\n" FDS                                       \
	"[program:python]\nstart_method = forkserver:py\n" FDS "[forkserver:py]\ntype = python\n"

static void expect_only_their_own(struct fixture *f, const char *text)
{
	static const char *const names[] = { "fork", "spawn", "native", "python" };

	fixture_up(f, text);
	fixture_new_logger(f, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int out = 0, err = 0, end = 0;

		fixture_ctl_is(f, 0, NULL, "", "start", names[i]);
		fixture_until(f, names[i], "EXITED");
		struct result r = fixture_ctl(f, "tail", names[i]);
		if (sscanf(r.out, "0 /dev/null\n1 pipe:[%d]\n2 pipe:[%d]\n%n", &out, &err, &end) !=
			    2 ||
		    end != (int)r.out_len || out == err)
			fixture_fail(f, "%s: %s", names[i], r.out);
	}
	fixture_down(f);
}

static void a_child_has_its_own_descriptors_and_none_of_fosterds(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	expect_only_their_own(f, EACH);
}

static void nor_has_one_of_fosterds_own_user(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	expect_only_their_own(f, "[foster]\nuser = nobody\n" EACH);
}

/* What nobody can do to a process, as bits. */
enum {
	LOOK_FDS = 1,
	LOOK_MEMORY = 2,
	LOOK_ENVIRON = 4,
	GET_FD = 8,
	READ_MEMORY = 16,
	TRACE = 32,
	SIGNAL = 64,
	ALL = 127
};

static bool can_open(pid_t pid, const char *file, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	auto_close int fd = open(path, flags | O_CLOEXEC);
	return fd >= 0;
}

static bool can_get_fd(pid_t pid)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	auto_close int fd = (int)syscall(SYS_pidfd_getfd, pidfd, 1, 0);

	return fd >= 0;
}

/* Of this program's own data at an address that need not be there: EFAULT is not EPERM. */
static bool can_read_memory(pid_t pid)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)4096, 1 };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == 1 || errno == EFAULT;
}

static int what_one_can(pid_t pid)
{
	int can = 0;

	can |= can_open(pid, "fd/0", O_RDONLY) ? LOOK_FDS : 0;
	can |= can_open(pid, "mem", O_RDWR) ? LOOK_MEMORY : 0;
	can |= can_open(pid, "environ", O_RDONLY) ? LOOK_ENVIRON : 0;
	can |= can_get_fd(pid) ? GET_FD : 0;
	can |= can_read_memory(pid) ? READ_MEMORY : 0;
	can |= ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? TRACE : 0;
	can |= kill(pid, 0) == 0 ? SIGNAL : 0;
	return can;
}

static int what_nobody_can(pid_t pid)
{
	int can = -1;
	pid_t thief = fork();

	if (thief == 0) {
		if (setresgid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0 ||
		    setresuid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0)
			_exit(255);
		_exit(what_one_can(pid));
	}
	assert_int_equal(run_wait(thief, FIXTURE_DEADLINE_MS, &can), 0);
	return can;
}

static void another_user_cannot_reach_them(void **state)
{
	struct fixture *f = *state;
	struct fifo *fifo = fixture_fifo(f, "said");

	other_publish(f);
	assert_return_code(chmod(fifo->path, 0666), errno);
	fixture_up(f, "[program:mine]\nuser = nobody\nstartsecs = 0\n"
		      "command = @dir@/child say @dir@/said here hold\n"
		      "[program:served]\nstart_method = forkserver\nuser = nobody\nstartsecs = 0\n"
		      "command = @dir@/child hold\n");
	fixture_expect_line(f, fifo, "here"); /* it has executed */
	pid_t mine = fixture_settle(f, "mine", "RUNNING");
	fixture_settle(f, "served", "RUNNING");
	int own = what_nobody_can(mine);
	if (own != ALL) /* Yama, or a container's filter */
		printf("# of one's own process: %d\n", own);
	assert_true(own & SIGNAL && own & LOOK_FDS);
	pid_t parts[8], keeper = f->fosterd;
	size_t n = run_children_of(keeper, parts, ARRAY_SIZE(parts));
	assert_true(n >= 5); /* supervisor, logger, forkserver, and the two */
	assert_int_equal(what_nobody_can(keeper), 0);
	for (size_t i = 0; i < n; i++) {
		char name[32];

		assert_return_code(run_name_of(parts[i], name, sizeof name), errno);
		if (strncmp(name, "foster-", 7) == 0)
			assert_int_equal(what_nobody_can(parts[i]), 0);
	}
	fixture_down(f);
}

/* ---- configurations that root does not trust ------------------------------------------------ */

static void expect_distrust(struct fixture *f, const char *words)
{
	struct result r =
		fixture_program(f, "fosterd", "--check", "-c", fixture_path(f, "foster.ini"));
	int status;

	assert_int_equal(r.status, 2);
	assert_contains(r.err, words);
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), NULL });
	status = fixture_gone(f);
	assert_int_equal(status, 2);
	assert_contains(fixture_file(f, "log"), words);
}

static void what_others_can_change_is_neither_checked_nor_started(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	assert_return_code(mkdir(fixture_path(f, "conf.d"), 0755), errno);
	fixture_write_file(f, "conf.d/web.ini", "[program:web]\ncommand = true\n");
	fixture_write_config(f, "[include]\nfiles = conf.d/*.ini\n");
	assert_return_code(chmod(fixture_path(f, "foster.ini"), 0666), errno);
	expect_distrust(f, "foster.ini: refused: others than root can write to it (chmod go-w)");
	assert_return_code(chmod(fixture_path(f, "foster.ini"), 0644), errno);
	assert_return_code(chown(fixture_path(f, "conf.d/web.ini"), OTHER_NOBODY, 0), errno);
	expect_distrust(f, "conf.d/web.ini: refused: it does not belong to root");
	assert_return_code(chown(fixture_path(f, "conf.d/web.ini"), 0, 0), errno);
	assert_return_code(chmod(fixture_path(f, "conf.d"), 0775), errno);
	expect_distrust(f, fixture_format(f,
					  "refused: others than root can replace it in %s/conf.d "
					  "(chmod go-w)",
					  f->dir));
}

static void a_reload_of_it_changes_nothing(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	assert_return_code(mkdir(fixture_path(f, "conf.d"), 0755), errno);
	fixture_write_file(f, "conf.d/web.ini",
			   fixture_format(f,
					  "[program:web]\ncommand = %s "
					  "hold\nstartsecs = 0\n",
					  fixture_child(f)));
	fixture_up(f, "[include]\nfiles = conf.d/*.ini\n");
	pid_t web = fixture_settle(f, "web", "RUNNING");
	fixture_write_file(f, "conf.d/evil.ini", "[program:evil]\ncommand = true\n");
	assert_return_code(chown(fixture_path(f, "conf.d/evil.ini"), OTHER_NOBODY, 0), errno);
	struct result r = fixture_ctl(f, "reload");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "evil.ini: refused: it does not belong to root");
	fixture_ctl_is(f, 4, "", NULL, "status", "evil");
	assert_int_equal(fixture_pid(f, "web"), web);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(values_are_for_admin_and_owner),
		fixture_test(no_answer_to_a_reader_has_values),
		fixture_test(what_others_define_has_nothing_of_the_configurations_environment),
		fixture_test(no_line_of_the_log_has_values),
		fixture_test(a_child_has_its_own_descriptors_and_none_of_fosterds),
		fixture_test(nor_has_one_of_fosterds_own_user),
		fixture_test(another_user_cannot_reach_them),
		fixture_test(what_others_can_change_is_neither_checked_nor_started),
		fixture_test(a_reload_of_it_changes_nothing),
	};

	for (int fd = 3; fd < 1024; fd++) /* whatever we were given would be a child's, too */
		(void)fd_set_cloexec(fd, true);
	return fixture_run(tests);
}
