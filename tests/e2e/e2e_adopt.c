/* e2e_adopt.c - a later fosterd goes on with what an earlier one left (DESIGN section 4)
 *
 * The test is the subreaper that survivors fall to: as long as it does not wait for them they are
 * another's zombies, and when it does, reaped behind fosterd's back. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/base/proc.h"
#include "daemon/keeper/table.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define FREE "[program:free]\ndaemon = false\n"

/* ---- one fosterd after another ------------------------------------------------------------- */

static void kill_fosterd(struct fixture *f)
{
	fixture_kill(f->fosterd, SIGKILL);
	assert_int_equal(fixture_ended(f), -SIGKILL);
}

static void leave(struct fixture *f)
{
	fixture_kill(f->fosterd, SIGTERM);
	assert_int_equal(fixture_ended(f), 0);
}

static void start_again(struct fixture *f)
{
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), NULL });
	fixture_wait_ready(f);
}

/* One that exits with 7 on SIGUSR1. */
static pid_t start_obedient(struct fixture *f, const char *keys)
{
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, fixture_format(f,
				     FREE "%s\nstartsecs = 0\n"
					  "command = @child@ on 10 7 say @dir@/said up hold\n",
				     keys));
	fixture_expect_line(f, said, "up");
	return fixture_settle(f, "free", "RUNNING");
}

/* Survivors are the test's children: once stopped they wait for it. */
static void down(struct fixture *f)
{
	(void)fixture_ctl(f, "stop", "all");
	leave(f);
	fixture_reap_all_but(f, 0);
	fixture_assert_no_child(f);
}

static void reap(pid_t pid)
{
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Linux 6.15 tells how a process ended that another has reaped. */
static bool kernel_tells_of_reaped(void)
{
	struct utsname u;
	int major, minor;

	uname(&u);
	return sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 15));
}

/* ---- the table of one that is not running ---------------------------------------------------- */

struct table_map {
	struct table_header *header;
	struct table_record *records;
	size_t bytes;
};

static struct table_map map_table(struct fixture *f)
{
	auto_close int fd = open(fixture_path(f, "run/table"), O_RDWR | O_CLOEXEC);
	struct table_map t = { .bytes = sizeof(struct table_header) +
					TABLE_SLOTS * sizeof(struct table_record) };

	assert_true(fd >= 0);
	t.header = mmap(NULL, t.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(t.header != MAP_FAILED);
	t.records = (struct table_record *)(t.header + 1);
	return t;
}

static struct link_slot *facts_of(const struct table_map *t, const char *name)
{
	for (int i = 0; i < TABLE_SLOTS; i++)
		if (t->records[i].use && strcmp(t->records[i].name, name) == 0)
			return &t->records[i].entry.facts;
	fail_msg("%s is not in the table", name);
	return NULL;
}

/* What the table would have of pid. */
static void identify(pid_t pid, struct link_slot *facts, struct table_part *part)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct proc_stat stat;
	struct stat st;

	assert_int_equal(proc_stat(pid, &stat), 0);
	assert_return_code(fstat(pidfd, &st), errno);
	facts->pid = part->pid = pid;
	if (facts->pidfd_inode)
		facts->pidfd_inode = part->inode = st.st_ino;
	facts->start_ticks = part->start_ticks = stat.start_ticks;
}

static void unmap_table(struct table_map *t)
{
	munmap(t->header, t->bytes);
}

/* ---- survivors are like all others ----------------------------------------------------------- */

static void survivors_are_polled_waited_for_and_counted(void **state)
{
	struct fixture *f = *state;
	struct run waiting = { 0 };
	pid_t pid = start_obedient(f, "autorestart = true\n");

	for (int i = 0; i < 3; i++) {
		kill_fosterd(f);
		start_again(f);
		assert_int_equal(fixture_pid(f, "free"), pid);
		assert_contains(fixture_file(f, "log"),
				fixture_format(f, "free: adopted, PID %d", (int)pid));
		fixture_ctl_is(f, 0, "running\n", "", "poll", "free");
		assert_true(json_is_true(json_object_get(fixture_show(f, "free"), "adopted")));
	}
	fixture_ctl_start(f, &waiting, "wait", "--any", "free");
	fixture_kill(pid, SIGUSR1);
	pid_t next = fixture_until(f, "free", "RUNNING").pid;
	assert_int_not_equal(next, pid);
	json_t *shown = fixture_show(f, "free");
	assert_int_equal(json_integer_value(json_object_get(shown, "returncode")), 7);
	assert_int_equal(json_integer_value(json_object_get(shown, "restarts")), 1);
	assert_int_equal(json_integer_value(json_object_get(shown, "incarnation")), 2);
	assert_false(json_is_true(json_object_get(shown, "adopted")));
	assert_int_equal(run_parent_of(next), f->fosterd);
	fixture_ctl_is(f, 0, NULL, "", "stop", "free");
	(void)fixture_finish(f, &waiting);
	down(f);
}

static void a_survivor_is_stopped_with_its_whole_tree(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* A child in a session of its own, which outlives its parent; both ignore SIGTERM. */
	fixture_up(f, FREE "stopwaitsecs = 0.2\nstartsecs = 0\n"
			   "command = @child@ ignore 15 fork setsid say @dir@/said %%p hold end "
			   "say @dir@/said %%p hold\n");
	pid_t first = (pid_t)atoi(fixture_line(f, said));
	pid_t second = (pid_t)atoi(fixture_line(f, said));
	kill_fosterd(f);
	start_again(f);
	assert_true(run_alive(first) && run_alive(second));
	fixture_ctl_is(f, 0, NULL, "", "stop", "free");
	assert_false(run_alive(first));
	assert_false(run_alive(second));
	down(f);
}

static void a_signal_to_a_survivor_reaches_its_group(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, FREE "stopasgroup = true\nstartsecs = 0\n"
			   "command = @child@ fork tell 15 @dir@/said child say @dir@/said up hold "
			   "hold end tell 15 @dir@/said parent say @dir@/said up hold hold\n");
	fixture_expect_line(f, said, "up");
	fixture_expect_line(f, said, "up");
	kill_fosterd(f);
	start_again(f);
	fixture_ctl_is(f, 0, NULL, "", "terminate", "free");
	const char *one = fixture_line(f, said), *other = fixture_line(f, said);
	assert_true((strcmp(one, "child") == 0 && strcmp(other, "parent") == 0) ||
		    (strcmp(one, "parent") == 0 && strcmp(other, "child") == 0));
	fixture_ctl_is(f, 0, NULL, "", "kill", "free");
	down(f);
}

static void a_survivor_is_restarted(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, FREE HOLD, "free");

	kill_fosterd(f);
	start_again(f);
	fixture_ctl_is(f, 0, NULL, "", "restart", "free");
	assert_int_not_equal(fixture_pid(f, "free"), pid);
	assert_false(run_alive(pid));
	down(f);
}

/* What it printed while no fosterd was there has waited in the pipe. */
static void not_a_line_of_a_survivor_is_lost(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, FREE "startsecs = 0\nstdout_logfile = @dir@/out.log\n"
			   "stdout_logfile_maxbytes = 0\n"
			   "command = @child@ lines 200000 say @dir@/said done hold\n");
	for (int i = 0; i < 5; i++) {
		usleep(10000);
		kill_fosterd(f);
		start_again(f);
	}
	fixture_expect_line(f, said, "done");
	fixture_ctl_is(f, 0, NULL, "", "stop", "free");
	down(f);
	const char *text = fixture_file(f, "out.log");
	for (int i = 0; i < 200000; i++) {
		char number[24];

		snprintf(number, sizeof number, "%020d ", i);
		if (strncmp(text + 64 * (size_t)i, number, 21) != 0)
			fixture_fail(f, "not line %d but %.64s", i, text + 64 * (size_t)i);
	}
	assert_int_equal(strlen(text), 64 * 200000);
}

/* It is the last who has the pipe of a process that ended with its fosterd. */
static void a_logger_that_was_stopped_writes_before_it_ends(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:tied]\nautostart = false\nstartsecs = 0\nautorestart = false\n"
		      "stdout_logfile = @dir@/out.log\n"
		      "command = @child@ print words say @dir@/said up hold\n");
	fixture_kill(fixture_logger(f), SIGSTOP);
	fixture_ctl_is(f, 0, NULL, "", "start", "tied");
	fixture_expect_line(f, said, "up");
	kill_fosterd(f);
	start_again(f);
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, "words\nwords\n", "", "tail", "tied");
	down(f);
}

static void a_survivor_that_no_file_holds_any_more_can_still_be_tailed(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	/* The main process has turned its stdout elsewhere; its child still prints to the pipe. */
	fixture_up(
		f, FREE
		"startsecs = 0\n"
		"command = sh -c '(trap \"echo printed; echo printed >@dir@/said\" USR1; "
		"echo $(exec sh -c \"echo \\$PPID\") >@dir@/said; while :; do sleep 1000 & wait; done) & "
		"exec >/dev/null; wait'\n");
	pid_t child = (pid_t)atoi(fixture_line(f, said));
	kill_fosterd(f);
	start_again(f);
	fixture_kill(child, SIGUSR1);
	fixture_expect_line(f, said, "printed");
	fixture_ctl_is(f, 0, "printed\n", "", "tail", "free");
	fixture_ctl_is(f, 0, NULL, "", "stop", "free");
	down(f);
}

static void what_a_client_started_survives_with_its_definition(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "");
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--no-daemon", "-e", "KEY=value", "--",
		       fixture_child(f), "on", "10", "9", "env", "KEY", "say",
		       fixture_path(f, "said"), "up", "hold");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, NULL, "", "start", "done", "--", fixture_child(f), "exit", "3");
	fixture_ctl_is(f, 3, NULL, "", "wait", "done");
	pid_t pid = fixture_pid(f, "job");
	kill_fosterd(f);
	start_again(f);
	assert_int_equal(fixture_pid(f, "job"), pid);
	fixture_ctl_is(f, 1, "3\n", "", "poll", "done");
	fixture_kill(pid, SIGUSR1);
	fixture_ctl_is(f, 9, "", "", "wait", "job");
	fixture_ctl_is(f, 0, NULL, "", "start", "job");
	fixture_expect_line(f, said, "up");
	fixture_ctl_is(f, 0, "KEY=value\nKEY=value\n", "", "tail", "job");
	fixture_ctl_is(f, 0, NULL, "", "stop", "job");
	down(f);
}

/* ---- how it ended ---------------------------------------------------------------------------- */

static void the_status_of_a_zombie_is_read_while_nobody_reaps_it(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start_obedient(f, "autorestart = false\n");

	kill_fosterd(f);
	fixture_kill(pid, SIGUSR1); /* in between */
	fixture_until_dead(f, pid);
	start_again(f);
	fixture_ctl_is(f, 7, "", "", "wait", "free");
	fixture_ctl_is(f, 0, NULL, "", "start", "free");

	pid = fixture_pid(f, "free");
	kill_fosterd(f);
	start_again(f);
	fixture_kill(pid, SIGKILL); /* and while it is adopted */
	fixture_ctl_is(f, 137, "", "", "wait", "free");
	assert_int_equal(run_state_of(pid), 'Z');
	/* a zombie that stays makes no work */
	long before = run_status_kb(f->fosterd, "voluntary_ctxt_switches");
	usleep(50000);
	assert_in_range(run_status_kb(f->fosterd, "voluntary_ctxt_switches") - before, 0, 3);
	down(f);
}

static void the_status_of_one_that_another_has_reaped_is_true_or_lost(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start_obedient(f, "autorestart = false\n");

	kill_fosterd(f);
	start_again(f);
	fixture_kill(f->fosterd, SIGSTOP);
	fixture_kill(pid, SIGUSR1);
	reap(pid);
	fixture_kill(f->fosterd, SIGCONT);
	fixture_until(f, "free", "EXITED");
	fixture_ctl_is(f, 1, kernel_tells_of_reaped() ? "7\n" : "lost\n", "", "poll", "free");
	down(f);
}

static void one_that_ended_and_was_reaped_in_between_is_lost(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, FREE "autorestart = false\n" HOLD, "free");

	kill_fosterd(f);
	fixture_kill(pid, SIGKILL);
	reap(pid);
	start_again(f);
	assert_string_equal(fixture_state(f, "free"), "EXITED");
	fixture_ctl_is(f, 1, "lost\n", "", "poll", "free");
	assert_string_equal(json_string_value(json_object_get(fixture_show(f, "free"), "reason")),
			    "ended, and nobody could know how");
	down(f);
}

static void an_end_in_between_leads_to_a_restart_where_it_would_have(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, FREE "autorestart = unexpected\n" HOLD, "free");

	kill_fosterd(f);
	fixture_kill(pid, SIGKILL);
	reap(pid);
	start_again(f);
	assert_int_not_equal(fixture_settle(f, "free", "RUNNING"), pid);
	down(f);
}

static void show_says_what_is_known_of_the_end(void **state)
{
	struct fixture *f = *state;
	const char *how;

	fixture_start(f, FREE HOLD, "free");
	how = json_string_value(json_object_get(fixture_show(f, "free"), "exit_status"));
	assert_string_equal(how, "always: it is a child of fosterd");
	kill_fosterd(f);
	start_again(f);
	how = json_string_value(json_object_get(fixture_show(f, "free"), "exit_status"));
	assert_string_equal(how, kernel_tells_of_reaped()
					 ? "always: the kernel tells it through a pidfd"
					 : "unless another reaps it before it is seen");
	down(f);
}

/* ---- what was to end with the earlier fosterd -------------------------------------------------- */

static void daemons_come_back_and_leave_nothing_behind(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:tied]\nstartsecs = 0\nautorestart = false\n"
		      "command = @child@ fork setsid ignore 15 say @dir@/said %%p hold end "
		      "say @dir@/said %%p hold\n");
	pid_t old[2] = { (pid_t)atoi(fixture_line(f, said)), (pid_t)atoi(fixture_line(f, said)) };
	/* without the supervisor, which would kill what the kernel does not */
	pid_t supervisor = fixture_supervisor(f);
	fixture_kill(f->fosterd, SIGSTOP);
	fixture_kill(supervisor, SIGKILL);
	kill_fosterd(f);
	start_again(f);
	fixture_line(f, said);
	fixture_line(f, said);
	assert_false(run_alive(old[0]));
	assert_false(run_alive(old[1]));
	fixture_settle(f, "tied", "RUNNING");
	assert_string_equal(fixture_state(f, "tied"), "RUNNING");
	down(f);
}

static void a_clients_daemon_ends_with_its_fosterd(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--set", "autorestart=true", "--",
		       fixture_child(f), "hold");
	kill_fosterd(f);
	fixture_reap_all_but(f, 0);
	start_again(f);
	assert_string_equal(fixture_state(f, "job"), "EXITED");
	fixture_ctl_is(f, 1, "lost\n", "", "poll", "job");
	down(f);
}

static void a_clients_daemon_stays_down_under_the_next_supervisor(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 0, NULL, "", "start", "--parent", "none", "--set", "autorestart=true",
		       "job", "--", fixture_child(f), "hold");
	fixture_settle(f, "job", "RUNNING");
	kill_fosterd(f);
	start_again(f);
	fixture_settle(f, "job", "EXITED");
	fixture_replace_supervisor(f);
	assert_string_equal(fixture_state(f, "job"), "EXITED");
	down(f);
}

/* It had been asked for longer ago than it would take to be RUNNING. */
static void who_waited_for_a_forkserver_has_not_been_running(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[forkserver:fs]\ncommand = sleep 1000\n"
		      "[program:x]\nstart_method = forkserver:fs\nstartsecs = 0.001\n"
		      "stopwaitsecs = 0.1\ncommand = @child@ hold\n");
	fixture_until_logged(f, "forkserver fs: RUNNING"); /* and is asked in the same turn */
	fixture_until_asleep(f, fixture_supervisor(f));
	fixture_until_asleep(f, f->fosterd);
	kill_fosterd(f);
	start_again(f);
	down(f);
	assert_contains(fixture_file(f, "log"), "x: EXITED: fosterd was killed");
	assert_lacks(fixture_file(f, "log"), "x: RUNNING");
}

static void one_without_its_definition_is_forgotten(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--", fixture_child(f), "hold");
	assert_return_code(unlink(fixture_path(f, "run/spool/job")), errno);
	kill_fosterd(f);
	fixture_reap_all_but(f, 0);
	start_again(f);
	pid_t supervisor = fixture_supervisor(f);
	fixture_ctl_is(f, 4, NULL, NULL, "poll", "job");
	fixture_ctl_is(f, 0, NULL, "", "run", "-T", "--", "true");
	assert_int_equal(fixture_supervisor(f), supervisor);
	down(f);
}

static void what_was_begun_by_order_and_asked_for_by_nobody_is_killed(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, FREE "startsecs = 0\ncommand = @child@ say @dir@/said %%p hold\n");
	pid_t first = (pid_t)atoi(fixture_line(f, said));
	fixture_settle(f, "free", "RUNNING");
	pid_t supervisor = fixture_supervisor(f);
	fixture_kill(supervisor, SIGSTOP);
	fixture_kill(first, SIGKILL);
	pid_t second = (pid_t)atoi(fixture_line(f, said)); /* the keeper has begun it */
	fixture_kill(f->fosterd, SIGKILL);
	fixture_kill(supervisor, SIGKILL);
	assert_int_equal(fixture_ended(f), -SIGKILL);
	assert_true(run_alive(second));
	start_again(f);
	pid_t third = (pid_t)atoi(fixture_line(f, said));
	assert_false(run_alive(second));
	assert_int_equal(fixture_settle(f, "free", "RUNNING"), third);
	down(f);
}

/* Its PID was not in the table yet. */
static void one_that_was_just_being_started_is_found_by_its_environment(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, FREE HOLD, "free");
	struct table_map t;

	kill_fosterd(f);
	t = map_table(f);
	struct link_slot *facts = facts_of(&t, "free");
	facts->state = LINK_SLOT_SPAWNING;
	facts->pid = 0;
	unmap_table(&t);
	start_again(f);
	assert_int_equal(fixture_pid(f, "free"), pid);
	fixture_ctl_is(f, 0, NULL, "", "stop", "free");
	assert_false(run_alive(pid));
	down(f);
}

/* ---- as another user ------------------------------------------------------------------------------ */

/* Without a process of our own, which nobody's fosterd could not make. */
static pid_t until_pid(struct fixture *f, const char *name)
{
	pid_t pid = 0;

	for (int i = 0; i < FIXTURE_DEADLINE_MS && !pid; i++) {
		pid = fixture_pid(f, name);
		usleep(1000);
	}
	assert_true(pid > 0);
	return pid;
}

static void as_the_user_of_its_directory_too(void **state)
{
	struct fixture *f = *state;

	if (getuid() != 0)
		fixture_skip("needs root");
	fixture_up(f, "[foster]\nuser = nobody\n" FREE "command = sleep 1000\nstartsecs = 0\n");
	pid_t pid = until_pid(f, "free");
	for (int i = 0; i < 2; i++) {
		if (i)
			leave(f);
		else
			kill_fosterd(f);
		start_again(f);
		assert_int_equal(fixture_pid(f, "free"), pid);
	}
	fixture_ctl_is(f, 0, NULL, "", "stop", "free");
	down(f);
}

/* What he may have written there is looked at with his rights: root's fosterd kills nobody else's process. */
static void what_a_user_says_of_anothers_process_is_not_done(void **state)
{
	struct fixture *f = *state;
	struct run canary = { .argv = (const char *const[]){ fixture_child(f), "hold", NULL } };
	struct table_map t;

	if (getuid() != 0)
		fixture_skip("needs root");
	fixture_up(f, "[foster]\nuser = nobody\n" FREE "command = sleep 1000\nstartsecs = 0\n");
	pid_t pid = until_pid(f, "free");
	assert_int_equal(run_start(&canary), 0);
	kill_fosterd(f);
	fixture_reap(f, pid);
	t = map_table(f);
	struct table_part *logger = &t.header->parts[1]; /* it would be killed after five seconds */
	struct link_slot *facts = facts_of(&t, "free"); /* and one that was to end, at once */
	identify(canary.pid, facts, logger);
	facts->flags |= LINK_FLAG_DIES;
	unmap_table(&t);
	start_again(f);
	assert_true(run_alive(canary.pid));
	fixture_reap(f, canary.pid);
	down(f);
}

/* ---- after an end in order --------------------------------------------------------------------- */

static void after_a_shutdown_only_what_runs_is_there(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, FREE HOLD "[program:tied]\nautostart = false\n" HOLD);
	fixture_ctl_is(f, 0, NULL, "", "start", "tied");
	fixture_ctl_is(f, 0, NULL, "", "start", "done", "--", fixture_child(f), "print", "secret");
	fixture_ctl_is(f, 0, NULL, "", "wait", "done");
	fixture_ctl_is(f, 0, "secret\n", "", "tail", "done");
	pid_t pid = fixture_settle(f, "free", "RUNNING");
	leave(f);
	assert_contains(fixture_file(f, "log"),
			fixture_format(f, "free: runs on, PID %d", (int)pid));
	assert_lacks(fixture_file(f, "log"), "tied: runs on");
	start_again(f);
	assert_int_equal(fixture_pid(f, "free"), pid);
	assert_string_equal(fixture_state(f, "tied"), "STOPPED");
	fixture_ctl_is(f, 4, NULL, NULL, "poll", "done");
	assert_string_equal(fixture_file(f, "run/log/done-stdout.log"), "");
	assert_string_equal(fixture_file(f, "run/spool/done"), "");
	fixture_ctl_is(f, 0, NULL, "", "stop", "free");
	leave(f);
	start_again(f); /* nobody had wanted it stopped but for the shutdown */
	fixture_settle(f, "free", "RUNNING");
	down(f);
}

static void what_a_person_has_stopped_stays_so_after_a_kill(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:tied]\n" HOLD "[program:job]\nautorestart = false\nstartsecs = 0\n"
		      "command = @child@ exit 4\n");
	fixture_settle(f, "job", "EXITED");
	fixture_ctl_is(f, 0, NULL, "", "stop", "tied");
	kill_fosterd(f);
	start_again(f);
	assert_string_equal(fixture_state(f, "tied"), "STOPPED");
	assert_string_equal(fixture_state(f, "job"), "EXITED"); /* nor is its work done twice */
	fixture_ctl_is(f, 1, "4\n", "", "poll", "job");
	down(f);
}

static void a_shutdown_that_a_kill_cut_short_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f,
		   "[program:deaf]\nstopwaitsecs = 1000\npriority = 2\nstartsecs = 0\n"
		   "command = @child@ tell 15 @dir@/said asked say @dir@/said up hold hold hold\n"
		   "[program:gone]\npriority = 3\n" HOLD);
	fixture_expect_line(f, said, "up");
	fixture_settle(f, "gone", "RUNNING");
	fixture_kill(f->fosterd, SIGTERM);
	fixture_expect_line(f, said, "asked");
	kill_fosterd(f);
	start_again(f);
	fixture_expect_line(f, said, "up");
	fixture_settle(f, "gone", "RUNNING");
	fixture_settle(f, "deaf", "RUNNING");
	fixture_ctl_is(f, 0, NULL, "", "kill", "deaf");
	down(f);
}

/* ---- another configuration -------------------------------------------------------------------- */

static void what_changed_meanwhile_is_applied_as_by_update(void **state)
{
	struct fixture *f = *state;
	pid_t same, changed, removed;

	fixture_up(f, "[program:same]\ndaemon = false\n" HOLD
		      "[program:changed]\ndaemon = false\n" HOLD
		      "[program:removed]\ndaemon = false\n" HOLD);
	same = fixture_settle(f, "same", "RUNNING");
	changed = fixture_settle(f, "changed", "RUNNING");
	removed = fixture_settle(f, "removed", "RUNNING");
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			kill_fosterd(f);
		else
			leave(f);
		fixture_write_config(f, "[program:same]\ndaemon = false\n" HOLD
					"[program:changed]\ndaemon = false\n"
					"environment = NEW=1\n" HOLD
					"[program:added]\ndaemon = false\n" HOLD);
		start_again(f);
		assert_int_equal(fixture_settle(f, "same", "RUNNING"), same);
		if (i == 0)
			assert_int_not_equal(fixture_settle(f, "added", "RUNNING"), 0);
		fixture_until_dead(f, removed);
		fixture_ctl_is(f, 4, NULL, NULL, "poll", "removed");
		if (i == 0) {
			fixture_until_dead(f, changed);
			changed = fixture_settle(f, "changed", "RUNNING");
		}
		assert_int_equal(fixture_pid(f, "changed"), changed);
	}
	for (int i = 0; i < 3; i++)
		fixture_ctl_is(f, 0, NULL, "", "stop",
			       ((const char *const[]){ "same", "changed", "added" })[i]);
	down(f);
}

/* ---- nobody is taken for another -------------------------------------------------------------- */

static void a_number_that_means_another_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t pid = fixture_start(f, FREE "autorestart = false\n" HOLD, "free");
	struct run canary = { .argv = (const char *const[]){
				      fixture_child(f), "tell", "15", fixture_path(f, "said"),
				      "hit", "say", fixture_path(f, "said"), "up", "hold", NULL } };
	struct table_map t;

	assert_int_equal(run_start(&canary), 0);
	fixture_expect_line(f, said, "up");
	kill_fosterd(f);
	fixture_reap(f, pid);
	t = map_table(f);
	facts_of(&t, "free")->pid = canary.pid;
	unmap_table(&t);
	start_again(f);
	fixture_ctl_is(f, 1, "lost\n", "", "poll", "free");
	fixture_ctl_is(f, 0, NULL, NULL, "stop", "free");
	fixture_expect_silence(f, said);
	assert_true(run_alive(canary.pid));
	fixture_reap(f, canary.pid);
	down(f);
}

static void another_boot_is_another_world(void **state)
{
	struct fixture *f = *state;
	struct table_map t;

	fixture_up(f, FREE HOLD);
	pid_t pid = fixture_settle(f, "free", "RUNNING");
	kill_fosterd(f);
	t = map_table(f);
	t.header->boot_id[0] ^= 1;
	unmap_table(&t);
	start_again(f);
	assert_int_not_equal(fixture_settle(f, "free", "RUNNING"), pid);
	assert_true(run_alive(pid));
	fixture_reap(f, pid);
	down(f);
}

/* ---- tables that cannot be read ----------------------------------------------------------------- */

/* As systemd does, from its descriptor store. */
static void start_with_pidfd(struct fixture *f, pid_t pid, const char *fdname)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	assert_true(pidfd >= 0);
	assert_int_equal(fixture_open_notify(f), 0);
	fflush(stdout);
	f->fosterd = fork();
	if (f->fosterd == 0) {
		dup2(pidfd, 3);
		fcntl(3, F_SETFD, 0);
		setenv("NOTIFY_SOCKET", fixture_path(f, "notify"), 1);
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_FDNAMES", fdname, 1);
		setenv("LISTEN_PID", fixture_format(f, "%d", (int)getpid()), 1);
		execl(fixture_format(f, "%s/fosterd", f->build), "fosterd", "-c",
		      fixture_path(f, "foster.ini"), (char *)NULL);
		_exit(127);
	}
	close(pidfd);
	fixture_wait_ready(f);
}

static void one_that_systemd_alone_remembers_is_adopted_for_good(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, FREE HOLD);
	pid_t pid = fixture_settle(f, "free", "RUNNING");
	kill_fosterd(f);
	assert_int_equal(unlink(fixture_path(f, "run/table")), 0);
	start_with_pidfd(f, pid, "0.5.free");
	for (int i = 0; i < 2; i++) { /* known to the next supervisor, too */
		assert_int_equal(fixture_settle(f, "free", "RUNNING"), pid);
		if (i == 0) {
			fixture_replace_supervisor(f);
		}
	}
	down(f);
}

static void a_damaged_table_is_put_aside(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, FREE "autorestart = false\n" HOLD, "free");

	kill_fosterd(f);
	fixture_write_file(f, "run/table", "anything");
	start_again(f);
	assert_string_equal(fixture_file(f, "run/table.bad"), "anything");
	assert_contains(fixture_file(f, "log"), "run/table cannot be read (damaged)");
	fixture_reap(f, pid);
	down(f);
}

static void a_table_of_a_later_version_is_refused(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fixture_start(f, FREE HOLD, "free");
	struct table_map t;

	kill_fosterd(f);
	t = map_table(f);
	t.header->version = TABLE_VERSION + 1;
	unmap_table(&t);
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), NULL });
	assert_int_equal(fixture_ended(f), 1);
	assert_contains(fixture_file(f, "log"),
			fixture_format(f, "run/table is of version %d, and this fosterd knows",
				       TABLE_VERSION + 1));
	t = map_table(f);
	assert_int_equal(t.header->version, TABLE_VERSION + 1);
	t.header->version = TABLE_VERSION;
	unmap_table(&t);
	start_again(f); /* nothing was lost by it */
	assert_int_equal(fixture_pid(f, "free"), pid);
	fixture_ctl_is(f, 0, NULL, "", "stop", "free");
	down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(survivors_are_polled_waited_for_and_counted),
		fixture_test(a_survivor_is_stopped_with_its_whole_tree),
		fixture_test(a_signal_to_a_survivor_reaches_its_group),
		fixture_test(a_survivor_is_restarted),
		fixture_test(not_a_line_of_a_survivor_is_lost),
		fixture_test(a_logger_that_was_stopped_writes_before_it_ends),
		fixture_test(a_survivor_that_no_file_holds_any_more_can_still_be_tailed),
		fixture_test(what_a_client_started_survives_with_its_definition),
		fixture_test(the_status_of_a_zombie_is_read_while_nobody_reaps_it),
		fixture_test(the_status_of_one_that_another_has_reaped_is_true_or_lost),
		fixture_test(one_that_ended_and_was_reaped_in_between_is_lost),
		fixture_test(an_end_in_between_leads_to_a_restart_where_it_would_have),
		fixture_test(show_says_what_is_known_of_the_end),
		fixture_test(daemons_come_back_and_leave_nothing_behind),
		fixture_test(a_clients_daemon_ends_with_its_fosterd),
		fixture_test(a_clients_daemon_stays_down_under_the_next_supervisor),
		fixture_test(who_waited_for_a_forkserver_has_not_been_running),
		fixture_test(one_without_its_definition_is_forgotten),
		fixture_test(what_was_begun_by_order_and_asked_for_by_nobody_is_killed),
		fixture_test(one_that_was_just_being_started_is_found_by_its_environment),
		fixture_test(as_the_user_of_its_directory_too),
		fixture_test(what_a_user_says_of_anothers_process_is_not_done),
		fixture_test(after_a_shutdown_only_what_runs_is_there),
		fixture_test(what_a_person_has_stopped_stays_so_after_a_kill),
		fixture_test(a_shutdown_that_a_kill_cut_short_is_forgotten),
		fixture_test(what_changed_meanwhile_is_applied_as_by_update),
		fixture_test(a_number_that_means_another_is_left_alone),
		fixture_test(another_boot_is_another_world),
		fixture_test(one_that_systemd_alone_remembers_is_adopted_for_good),
		fixture_test(a_damaged_table_is_put_aside),
		fixture_test(a_table_of_a_later_version_is_refused),
	};

	return fixture_run(tests);
}
