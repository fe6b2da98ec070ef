/* fault_boot.c - two fosterds, a socket path too long, a configuration that changes while it is read */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define RACERS 20
#define RELOADS 100

/* ---- two of them --------------------------------------------------------------------------- */

static void start_one(struct fixture *f, struct run *r)
{
	const char **argv = arena_alloc(&f->arena, 5 * sizeof *argv);

	assert_non_null(argv);
	argv[0] = fixture_format(f, "%s/fosterd", f->build);
	argv[1] = "-n";
	argv[2] = "-c";
	argv[3] = fixture_path(f, "foster.ini");
	r->argv = argv;
	r->directory = f->dir;
	assert_int_equal(run_start(r), 0);
}

/* The losers end by themselves; the winner answers. */
static void of_many_that_start_at_once_one_wins(void **state)
{
	struct fixture *f = *state;
	struct run racers[RACERS] = { 0 };
	int lost = 0;

	fixture_write_config(f, "[program:x]\n" HOLD);
	for (int i = 0; i < RACERS; i++)
		start_one(f, &racers[i]);
	while (fixture_ctl(f, "ping").status != 0)
		usleep(10000);
	pid_t winner = (pid_t)atoi(fixture_ctl(f, "pid").out);
	for (int i = 0; i < RACERS; i++) {
		if (racers[i].pid == winner) {
			f->fosterd = winner;
			continue;
		}
		struct result r = fixture_finish(f, &racers[i]);
		assert_int_equal(r.status, 1);
		assert_contains(r.err,
				fixture_format(f, "another fosterd runs on %s/run: PID ", f->dir));
		lost++;
	}
	assert_int_equal(lost, RACERS - 1);
	fixture_reconnect(f);
	fixture_settle(f, "x", "RUNNING");
	fixture_down(f);
}

static void a_socket_that_another_fosterd_listens_on_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct run second = { 0 };
	pid_t first = (fixture_up(f, ""), f->fosterd);

	fixture_write_file(f, "foster.ini",
			   fixture_format(f, "[foster]\nsocket = %s\nruntime_dir = %s/other\n",
					  f->socket, f->dir));
	start_one(f, &second);
	struct result r = fixture_finish(f, &second);
	assert_int_equal(r.status, 1);
	assert_contains(
		r.err, fixture_format(f, "cannot listen on %s: Address already in use", f->socket));
	assert_int_equal(atoi(fixture_ctl(f, "pid").out), first);
	fixture_down(f);
}

/* What the kernel has no room for in an address is told by its name, and nothing is begun. */
static void a_socket_path_that_is_too_long_is_named(void **state)
{
	struct fixture *f = *state;
	struct run r = { 0 };
	char longest[120];

	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	fixture_write_file(f, "foster.ini",
			   fixture_format(f,
					  "[foster]\nsocket = %s/%s\nruntime_dir = %s/run\n"
					  "[program:x]\ncommand = touch %s/begun\n",
					  f->dir, longest, f->dir, f->dir));
	start_one(f, &r);
	struct result result = fixture_finish(f, &r);
	assert_int_equal(result.status, 1);
	assert_contains(result.err, longest);
	assert_string_equal(strchr(result.err, '\n'), "\n"); /* one line */
	assert_int_equal(access(fixture_path(f, "begun"), F_OK), -1);
	fixture_assert_no_child(f);
}

/* ---- a configuration that is being written ------------------------------------------------- */

/* Two programs that only go together: a-N and b-N. */
static void replace_by_rename(struct fixture *f, int n)
{
	fixture_write_config(f, fixture_format(f,
					       "[program:keep]\n" HOLD "[program:a-%d]\n" HOLD
					       "[program:b-%d]\n" HOLD,
					       n % 2, n % 2));
}

/* A child that goes on writing until it is killed. */
static pid_t start_writer(struct fixture *f, void (*write_it)(struct fixture *, int))
{
	fflush(stdout);
	pid_t writer = fork();
	assert_true(writer >= 0);
	if (writer > 0)
		return writer;
	for (int n = 0;; n++)
		write_it(f, n);
}

static bool is_wanted(struct fixture *f, const char *name)
{
	json_t *reply = NULL;

	assert_int_equal(
		varlink_send(&f->calls, "Show", json_pack("{s:s}", "name", name), false, NULL, 0),
		0);
	assert_int_equal(varlink_receive(&f->calls, FIXTURE_DEADLINE_MS, &reply), 0);
	json_array_append_new(f->kept, reply);
	json_t *process = json_object_get(json_object_get(reply, "parameters"), "process");
	const char *wanted = json_string_value(json_object_get(process, "wanted"));
	return wanted && strcmp(wanted, "up") == 0; /* it may have gone since it was listed */
}

/* The whole of one version; the other may be on its way down, and this one's last life, too. Returns which:
 * 1 or 2. */
static int expect_a_pair(struct fixture *f)
{
	json_t *list = json_object_get(fixture_call(f, "Status", NULL), "processes"), *p;
	int wanted[2] = { 0, 0 };
	size_t i;

	json_array_foreach(list, i, p)
	{
		const char *name = json_string_value(json_object_get(p, "name"));

		if (name[1] == '-' && is_wanted(f, name))
			wanted[name[0] - 'a'] += 1 + (name[2] - '0');
	}
	assert_in_range(wanted[0], 1, 2);
	assert_int_equal(wanted[0], wanted[1]);
	return wanted[0];
}

static void a_reload_while_a_file_is_replaced_sees_one_version(void **state)
{
	struct fixture *f = *state;
	int seen = 0;

	replace_by_rename(f, 0);
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), NULL });
	fixture_wait_ready(f);
	pid_t keep = fixture_settle(f, "keep", "RUNNING");
	pid_t writer = start_writer(f, replace_by_rename);
	for (int i = 0; i < RELOADS || seen != (1 | 2); i++) {
		fixture_call(f, "Update", NULL);
		fixture_reconnect(f); /* forget the events */
		seen |= expect_a_pair(f);
	}
	fixture_reap(f, writer);
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
}

/* In place: truncated, then written. No reader can tell a file that is half there from one that is meant
 * so; what holds is that one that is half there and bad changes nothing, and the next reload is right. */
static void rewrite_in_place(struct fixture *f, int n)
{
	const char *half = "[program:keep]\ncommand = ", *path = fixture_path(f, "in.ini");
	auto_close int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0644);

	(void)n;
	if (fd < 0 || fd_write_all(fd, half, strlen(half)) < 0)
		_exit(1);
	usleep(500);
	const char *rest = fixture_format(f, "%s hold\nstartsecs = 0\n", fixture_child(f));
	if (fd_write_all(fd, rest, strlen(rest)) < 0)
		_exit(1);
	usleep(500);
}

static void a_reload_of_a_file_that_is_half_written_changes_nothing_or_is_right(void **state)
{
	struct fixture *f = *state;
	int refused = 0;

	rewrite_in_place(f, 0);
	fixture_up(f, "[program:other]\n" HOLD "[include]\nfiles = in.ini\n");
	pid_t other = fixture_settle(f, "other", "RUNNING");
	pid_t writer = start_writer(f, rewrite_in_place);
	for (int i = 0; i < RELOADS || (!refused && i < 100 * RELOADS); i++)
		refused += fixture_ctl(f, "reload").status != 0;
	fixture_reap(f, writer);
	assert_true(refused > 0);
	rewrite_in_place(f, 0);
	fixture_ctl_is(f, 0, NULL, "", "reload");
	fixture_reconnect(f);
	fixture_settle(f, "keep", "RUNNING");
	assert_int_equal(fixture_pid(f, "other"), other);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(of_many_that_start_at_once_one_wins),
		fixture_test(a_socket_that_another_fosterd_listens_on_is_left_alone),
		fixture_test(a_socket_path_that_is_too_long_is_named),
		fixture_test(a_reload_while_a_file_is_replaced_sees_one_version),
		fixture_test(a_reload_of_a_file_that_is_half_written_changes_nothing_or_is_right),
	};

	return fixture_run(tests);
}
