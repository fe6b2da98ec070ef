/* fault_tree.c - stopped means gone: programs that fork faster than they can be listed, and those that do all
 * they can to get away, without a cgroup of their own and in one
 *
 * What must hold: stop returns in bounded time, and nothing of the program is left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

/* ---- who is there -------------------------------------------------------------------------- */

/* A user whom nobody else has. */
static uid_t own_user(void)
{
	return 70000 + (uid_t)getpid() % 100000;
}

static int processes_of(uid_t uid)
{
	DIR *proc = opendir("/proc");
	int n = 0;

	assert_non_null(proc);
	for (struct dirent *e; (e = readdir(proc));) {
		struct stat st;

		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		    fstatat(dirfd(proc), e->d_name, &st, 0) == 0 && st.st_uid == uid &&
		    run_alive((pid_t)atoi(e->d_name)))
			n++;
	}
	closedir(proc);
	return n;
}

/* ---- bombs --------------------------------------------------------------------------------- */

static void defuse(struct fixture *f, const char *verb, const char *how)
{
	uid_t uid = own_user();

	if (geteuid() != 0)
		fixture_skip("needs root, to bound a bomb by its user");
	fixture_up(f, fixture_format(f,
				     "[program:bomb]\nstartsecs = 0\nautorestart = false\n"
				     "command = @build@/tests/helpers/bomb %u %s\n",
				     uid, how));
	fixture_settle(f, "bomb", "RUNNING");
	while (processes_of(uid) < 2)
		usleep(1000);
	uint64_t began = clock_boot_ns();
	fixture_ctl_is(f, 0, NULL, "", verb, "bomb");
	for (int i = 0; i < 20; i++) /* one that moves on is not seen each time */
		assert_int_equal(processes_of(uid), 0);
	printf("# %s: gone after %llu ms\n", how,
	       (unsigned long long)((clock_boot_ns() - began) / NS_PER_MS));
	fixture_down(f);
}

static void one_that_fills_the_machine_is_gone(void **state)
{
	defuse(*state, "stop", "grow");
}

static void one_that_fills_it_with_sessions_is_gone(void **state)
{
	defuse(*state, "stop", "grow setsid");
}

static void one_that_is_ever_another_process_is_gone(void **state)
{
	defuse(*state, "kill", "run");
}

static void one_that_is_ever_another_process_and_session_is_gone(void **state)
{
	defuse(*state, "stop", "run setsid");
}

/* ---- those that try to get away ------------------------------------------------------------- */

/* Each has one process, besides the first, that says its PID, ignores SIGTERM and stays. */
#define STAYS "ignore 15 say @dir@/said %%p hold"
static const struct {
	const char *who, *does;
} deserters[] = {
	{ "a child", "fork " STAYS " end" },
	{ "an orphan", "fork fork " STAYS " end end" },
	{ "one in a group of its own", "fork setpgid " STAYS " end" },
	{ "an orphan in a group of its own", "fork setpgid fork " STAYS " end end" },
	{ "one in a session of its own", "fork setsid " STAYS " end" },
	{ "a daemon", "fork setsid fork " STAYS " end end" },
	{ "a daemon in a group of its own", "fork setsid fork setpgid " STAYS " end end" },
	{ "the child of an orphan", "fork fork setsid fork " STAYS " end hold end end" },
};

static void expect_gone_when_stopped(struct fixture *f, struct fifo *said, size_t i,
				     const char *first)
{
	const char *verb = i % 2 ? "kill" : "stop", *name = fixture_format(f, "p%zu", i);

	fixture_write_config(f, fixture_format(f,
					       "[program:%s]\nautostart = false\nstartsecs = 0\n"
					       "stopwaitsecs = 0.1\n"
					       "command = @child@ %s %s hold\n",
					       name, deserters[i].does, first));
	fixture_ctl_is(f, 0, NULL, "", "reload");
	fixture_ctl_is(f, 0, NULL, "", "start", name);
	pid_t pid = (pid_t)atoi(fixture_line(f, said));
	fixture_ctl_is(f, 0, NULL, "", verb, name);
	if (run_alive(pid))
		fixture_fail(f, "%s has survived a %s", deserters[i].who, verb);
}

static void stop_all_deserters(struct fixture *f)
{
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "");
	for (size_t i = 0; i < 2 * ARRAY_SIZE(deserters);
	     i++) /* then, if the first ignores it, too */
		expect_gone_when_stopped(f, said, i / 2, i % 2 ? "ignore 15" : "");
	fixture_down(f);
}

static void whoever_tries_to_get_away_is_gone(void **state)
{
	stop_all_deserters(*state);
}

/* ---- in a cgroup --------------------------------------------------------------------------- */

static char cgroup[600], home[512]; /* ours, and where we came from */

static bool move_to(const char *directory)
{
	char path[600], text[16];
	int n = snprintf(text, sizeof text, "%d", (int)getpid());

	snprintf(path, sizeof path, "%s/cgroup.procs", directory);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, (size_t)n) == n;
}

/* Where cgroup2 is mounted, and where we are in it. */
static bool find_home(struct fixture *f)
{
	const char *mounts = run_slurp("/proc/mounts", &f->arena, NULL);
	const char *places = run_slurp("/proc/self/cgroup", &f->arena, NULL);
	char point[256] = "", place[256] = "";

	for (const char *line = mounts; line && *line && !point[0];) {
		char type[64];

		if (sscanf(line, "%*s %255s %63s", point, type) != 2 ||
		    strcmp(type, "cgroup2") != 0)
			point[0] = '\0';
		line = strchrnul(line, '\n');
		line += *line == '\n';
	}
	const char *own = places ? strstr(places, "0::/") : NULL;
	return point[0] && own && sscanf(own, "0::%255s", place) == 1 &&
	       snprintf(home, sizeof home, "%s%s", point, strcmp(place, "/") == 0 ? "" : place) > 0;
}

/* fosterd, whom we start, is born where we are, and may make cgroups there. */
static void enter_delegated_cgroup(struct fixture *f)
{
	if (!find_home(f))
		fixture_skip("no cgroup2 is mounted");
	snprintf(cgroup, sizeof cgroup, "%s/foster-fault-%d", home, (int)getpid());
	if (mkdir(cgroup, 0755) < 0 || setxattr(cgroup, "trusted.delegate", "1", 1, 0) < 0 ||
	    !move_to(cgroup)) {
		rmdir(cgroup);
		fixture_skip("cannot make a delegated cgroup");
	}
}

static int leave_cgroup(void **state)
{
	int r = fixture_teardown(state);

	if (cgroup[0] && move_to(home))
		r |= rmdir(cgroup); /* nothing may be left in it, no cgroup either */
	cgroup[0] = '\0';
	return r;
}

static void in_a_cgroup_whoever_tries_to_get_away_is_gone(void **state)
{
	enter_delegated_cgroup(*state);
	stop_all_deserters(*state);
}

/* Neither group, session, environment nor parent says whose it was. */
static void in_a_cgroup_even_who_has_left_everything_behind_is_gone(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	enter_delegated_cgroup(f);
	pid_t first = fixture_start(f,
				    "[program:x]\nstartsecs = 0\ncommand = sh -c 'env -i setsid -f "
				    "@child@ " STAYS "; exec @child@ hold'\n",
				    "x");
	pid_t pid = (pid_t)atoi(fixture_line(f, said));
	assert_true(run_alive(first) && run_alive(pid));
	assert_contains(fixture_ctl(f, "show", "x").out, "its cgroup");
	fixture_ctl_is(f, 0, NULL, "", "stop", "x");
	assert_false(run_alive(pid));
	fixture_down(f);
}

static void in_a_cgroup_a_bomb_is_gone(void **state)
{
	enter_delegated_cgroup(*state);
	defuse(*state, "stop", "grow setsid");
}

static void in_a_cgroup_one_that_is_ever_another_is_gone(void **state)
{
	enter_delegated_cgroup(*state);
	defuse(*state, "kill", "run setsid");
}

#define cgroup_test(function) cmocka_unit_test_setup_teardown(function, fixture_setup, leave_cgroup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(one_that_fills_the_machine_is_gone),
		fixture_test(one_that_fills_it_with_sessions_is_gone),
		fixture_test(one_that_is_ever_another_process_is_gone),
		fixture_test(one_that_is_ever_another_process_and_session_is_gone),
		fixture_test(whoever_tries_to_get_away_is_gone),
		cgroup_test(in_a_cgroup_whoever_tries_to_get_away_is_gone),
		cgroup_test(in_a_cgroup_even_who_has_left_everything_behind_is_gone),
		cgroup_test(in_a_cgroup_a_bomb_is_gone),
		cgroup_test(in_a_cgroup_one_that_is_ever_another_is_gone),
	};

	return fixture_run(tests);
}
