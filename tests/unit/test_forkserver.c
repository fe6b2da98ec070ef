/* The three forkservers against their page: native, Python, and one in Perl that was written from it.
 * What one test shows of all three is told by its state, the kind. */
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/unit/forkserver_rig.h"
#include "tests/unit/under_valgrind.h"

#define NOBODY 65534
#define STOPPED 64998 /* of no other process */

static const char *const sh_paths[] = { "/no/such/directory/sh", "/bin/sh", NULL };
static const char *const sleep_paths[] = { "/bin/sleep", NULL };
static const char *const sleep_argv[] = { "sleep", "1000", NULL };

static enum rig_kind kind_of(void **state)
{
	return *(const enum rig_kind *)*state;
}

/* sh -c SCRIPT NAME */
static struct rig_plan script(uint32_t slot, const char *const *argv)
{
	return (struct rig_plan){ .slot = slot, .paths = sh_paths, .argv = argv };
}

static struct rig_plan sleeper(uint32_t slot)
{
	return (struct rig_plan){ .slot = slot, .paths = sleep_paths, .argv = sleep_argv };
}

static uint64_t mask_of(pid_t pid, const char *which)
{
	return strtoull(rig_status(pid, which), NULL, 16);
}

static char *link_of(pid_t pid, const char *name)
{
	static char to[4096];
	char path[128];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	ssize_t n = readlink(path, to, sizeof to - 1);
	to[n > 0 ? n : 0] = '\0';
	return to;
}

static int fds_of(pid_t pid)
{
	char path[64];
	int n = 0;

	for (int fd = 0; fd < 200; fd++) {
		(void)snprintf(path, sizeof path, "fd/%d", fd);
		n += link_of(pid, path)[0] != '\0';
	}
	return n;
}

/* Right after FORKED there may be one more: execve(2) closes the report pipe before others. Later the
 * program may open one for a moment. */
static void assert_three_fds(pid_t pid)
{
	uint64_t deadline = clock_boot_ns() + 10 * NS_PER_S;
	int n;

	while ((n = fds_of(pid)) != 3 && clock_boot_ns() < deadline)
		usleep(1000);
	assert_int_equal(n, 3);
}

/* Of a zombie too; 0 when there is no such process. */
static char state_of(pid_t pid)
{
	return rig_status(pid, "State")[0];
}

/* ---- every forkserver: programs ------------------------------------------------------------ */

static void a_program_gets_its_arguments_and_environment(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	const char *const argv[] = {
		"sh",	"-c",	   "echo $0 $1 $OF_SERVER $OF_BOTH $OF_PLAN; exit 7",
		"zero", "one two", NULL
	};
	const char *const env[] = { "OF_BOTH=the plan's", "OF_PLAN=also", NULL };
	struct rig_plan p = script(1, argv);
	auto_buf struct buf out = { 0 };

	p.env = env;
	int status = rig_run(r, &p, &out);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_string_equal(out.data, "zero one two its own the plan's also\n");
	rig_end(r);
}

static void a_plan_too_large_for_a_datagram_is_carried_out(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	const char *const argv[] = { "sh", "-c", "echo ${#LARGE}", NULL };
	char *large = malloc(100001);
	const char *const env[] = { large, NULL };
	struct rig_plan p = script(1, argv);
	auto_buf struct buf out = { 0 };

	assert_non_null(large);
	memset(large, 'x', 100000);
	memcpy(large, "LARGE=", 6);
	large[100000] = '\0';
	p.env = env;
	assert_int_equal(rig_run(r, &p, &out), 0);
	assert_string_equal(out.data, "99994\n");
	free(large);
	rig_end(r);
}

/* Whether fd is a pidfd of pid: waitid(2) takes no other. */
static void assert_pidfd_of(int fd, pid_t pid)
{
	char path[64], text[512];
	int named = 0;

	(void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	assert_true(fd_read_file(path, text, sizeof text) > 0);
	const char *at = strstr(text, "\nPid:");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "\nPid: %d", &named), 1);
	assert_int_equal(named, pid);
}

static void assert_clean(struct rig *r, const struct rig_answer *child)
{
	pid_t pid = child->pid;

	assert_pidfd_of(child->pidfd, pid);
	assert_three_fds(pid);
	assert_string_equal(link_of(pid, "fd/0"), "/dev/null");
	assert_int_equal(getsid(pid), pid);
	assert_int_equal(getpgid(pid), pid);
	assert_true(mask_of(pid, "SigBlk") == 0);
	assert_string_equal(rig_status(pid, "Umask"), "0027");
	assert_int_equal(atoi(rig_status(pid, "PPid")), r->stays_parent ? r->pid : getpid());
}

static void an_executed_child_has_what_was_promised_and_nothing_else(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(1);
	struct rlimit limit;

	p.directory = "/usr";
	p.nofile = 77;
	const struct rig_answer *child = rig_start(r, &p);
	assert_clean(r, child);
	assert_true(mask_of(child->pid, "SigIgn") == 0);
	assert_true(mask_of(child->pid, "SigCgt") == 0);
	assert_string_equal(link_of(child->pid, "exe"), realpath("/bin/sleep", (char[4096]){ 0 }));
	assert_string_equal(link_of(child->pid, "cwd"), "/usr");
	assert_int_equal(prlimit(child->pid, RLIMIT_NOFILE, NULL, &limit), 0);
	assert_int_equal(limit.rlim_cur, 77);
	assert_int_equal(WTERMSIG(rig_kill(r, child)), SIGKILL);
	rig_end(r);
}

static void a_directory_may_be_passed_as_a_descriptor(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(1);
	auto_close int fd = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	p.directory_fd = fd;
	const struct rig_answer *child = rig_start(r, &p);
	assert_string_equal(link_of(child->pid, "cwd"), "/usr");
	assert_three_fds(child->pid);
	(void)rig_kill(r, child);
	rig_end(r);
}

/* So that the keeper can end it, should its server die before it has answered. */
static void what_executes_says_first_that_it_is_there(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(1);
	const struct rig_answer *child = rig_start(r, &p);

	assert_int_equal(r->n_begun, 1);
	assert_int_equal(r->begun, child->pid);
	(void)rig_kill(r, child);
	rig_end(r);
}

static void a_child_drops_to_its_user(void **state)
{
	if (getuid() != 0)
		skip();
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(1);

	p.flags = LINK_SPAWN_IDS | LINK_SPAWN_NO_NEW_PRIVS;
	p.uid = NOBODY;
	p.gid = 4;
	const struct rig_answer *child = rig_start(r, &p);
	assert_string_equal(rig_status(child->pid, "Uid"), "65534\t65534\t65534\t65534");
	assert_string_equal(rig_status(child->pid, "Gid"), "4\t4\t4\t4");
	assert_string_equal(rig_status(child->pid, "Groups"), "4 65534 ");
	assert_string_equal(rig_status(child->pid, "NoNewPrivs"), "1");
	(void)rig_kill(r, child);
	rig_end(r);
}

/* Once it has answered that, it has done with all before. */
static int fds_at_rest(struct rig *r)
{
	static const char *const paths[] = { "/no/such/program", NULL };
	struct rig_plan p = { .slot = 99, .paths = paths, .flags = LINK_SPAWN_LOCAL };

	(void)rig_fail(r, &p);
	return fds_of(r->pid);
}

/* Each would be copied to every later child, and closed there. */
static void a_child_costs_a_native_server_no_descriptor(void **state)
{
	static const unsigned flags[] = { LINK_SPAWN_LOCAL, 0 }; /* borrowed memory, a copy */
	struct rig *r = rig_begin(RIG_NATIVE);
	int before = fds_at_rest(r);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		struct rig_plan p = sleeper(i);

		p.flags = flags[i];
		const struct rig_answer *child = rig_start(r, &p);
		assert_int_equal(fds_at_rest(r), before);
		(void)rig_kill(r, child);
	}
	rig_end(r);
}

/* Each child of its own costs it one. */
static void a_python_server_takes_all_descriptors_that_it_may_have(void **state)
{
	struct rlimit ours, few, its;

	(void)state;
	skip_under_valgrind();
	assert_return_code(getrlimit(RLIMIT_NOFILE, &ours), errno);
	few = (struct rlimit){ ours.rlim_max / 2, ours.rlim_max };
	assert_return_code(setrlimit(RLIMIT_NOFILE, &few), errno);
	struct rig *r = rig_begin(RIG_PYTHON);
	struct rig_plan p = sleeper(1);
	p.nofile = 77; /* which is not for its children */
	const struct rig_answer *child = rig_start(r, &p);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &ours), errno);
	assert_return_code(prlimit(r->pid, RLIMIT_NOFILE, NULL, &its), errno);
	assert_int_equal(its.rlim_cur, ours.rlim_max);
	assert_return_code(prlimit(child->pid, RLIMIT_NOFILE, NULL, &its), errno);
	assert_int_equal(its.rlim_cur, 77);
	(void)rig_kill(r, child);
	rig_end(r);
}

/* Send number to all that is of this user, as he can: again and again, or what kills once. */
static pid_t start_signaller(uid_t uid, int number)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (setresuid(uid, uid, uid) < 0)
		_exit(1);
	if (number == SIGSTOP)
		for (;;)
			(void)kill(-1, SIGSTOP);
	_exit(kill(-1, number) < 0 && errno != ESRCH);
}

/* Whose child it becomes may stop it at any time; one that ran on the forkserver's memory until it
 * executes would stop the forkserver with it. */
static void no_child_that_becomes_another_borrows_memory(void **unused)
{
	static const char *nowhere[20000];
	struct rig_plan p = { .slot = 1,
			      .flags = LINK_SPAWN_IDS | LINK_SPAWN_LOCAL,
			      .paths = nowhere,
			      .uid = STOPPED,
			      .gid = STOPPED };

	(void)unused;
	if (getuid() != 0)
		skip();
	struct rig *r = rig_begin(RIG_NATIVE);
	for (size_t i = 0; i < ARRAY_SIZE(nowhere) - 1; i++)
		nowhere[i] = "/no/such/program";
	pid_t stopper = start_signaller(STOPPED, SIGSTOP);
	rig_ask(r, &p);
	p = sleeper(2);
	const struct rig_answer *child = rig_start(r, &p); /* the next is served all the same */
	kill(stopper, SIGKILL);
	assert_int_equal(waitpid(stopper, NULL, 0), stopper);
	assert_int_equal(rig_wait_pid(start_signaller(STOPPED, SIGKILL)), 0);
	(void)rig_kill(r, child);
	rig_end(r);
}

static void a_terminal_becomes_the_controlling_one(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(1);
	auto_close int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	pid_t session = 0;

	assert_int_equal(grantpt(terminal), 0);
	assert_int_equal(unlockpt(terminal), 0);
	auto_close int end = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(end >= 0);
	p.flags = LINK_SPAWN_TTY;
	p.in = end;
	const struct rig_answer *child = rig_start(r, &p);
	assert_int_equal(ioctl(terminal, TIOCGSID, &session), 0);
	assert_int_equal(session, child->pid);
	(void)rig_kill(r, child);
	rig_end(r);
}

/* ---- every forkserver: failures ------------------------------------------------------------ */

/* After a failed start no process is left, neither with us nor with the server. */
static void assert_nothing_left(struct rig *r)
{
	char path[64], text[256] = "";
	uint64_t end = clock_boot_ns() + 10 * NS_PER_S;

	if (!r->stays_parent) { /* it is ours, and it ends */
		int status;
		pid_t pid = waitpid(-1, &status, 0);

		assert_true(pid > 0 && pid != r->pid);
		assert_int_equal(WEXITSTATUS(status), 127);
		assert_int_equal(waitpid(-1, &status, WNOHANG), 0); /* the server runs */
		return;
	}
	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", r->pid, r->pid);
	do { /* the server's spare, if it has one, is no zombie */
		ssize_t len = fd_read_file(path, text, sizeof text);
		assert_true(len >= 0);
		if (len == 0 || state_of(atoi(text)) != 'Z')
			return;
	} while (clock_boot_ns() < end);
	fail_msg("zombies are left: %s", text);
}

static void a_missing_program_is_told_with_step_and_errno(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	const char *const paths[] = { "/no/such/program", "/etc/passwd/program", NULL };
	struct rig_plan p = { .slot = 5, .incarnation = 9, .paths = paths };

	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->incarnation, 9);
	assert_int_equal(failed->step, LINK_STEP_EXEC);
	assert_int_equal(failed->err, ENOENT);
	assert_nothing_left(r);
	rig_end(r);
}

static void a_program_that_may_not_be_executed_is_remembered(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	const char *const paths[] = { "/no/such/program", "/etc/passwd", "/no/such/either", NULL };
	struct rig_plan p = { .slot = 5, .paths = paths };

	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_EXEC);
	assert_int_equal(failed->err, EACCES);
	rig_end(r);
}

static void a_missing_directory_is_told_with_step_and_errno(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(5);

	p.directory = "/no/such/directory";
	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_CHDIR);
	assert_int_equal(failed->err, ENOENT);
	assert_nothing_left(r);
	rig_end(r);
}

static void a_program_on_local_files_fails_in_the_same_words(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	const char *const paths[] = { "/no/such/program", NULL };
	struct rig_plan p = { .slot = 5, .paths = paths, .flags = LINK_SPAWN_LOCAL };

	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_EXEC);
	assert_int_equal(failed->err, ENOENT);
	assert_nothing_left(r);
	p = sleeper(6);
	p.flags = LINK_SPAWN_LOCAL;
	const struct rig_answer *child = rig_start(r, &p);
	assert_clean(r, child);
	(void)rig_kill(r, child);
	rig_end(r);
}

static void a_limit_that_cannot_be_set_is_told(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(5);

	p.nofile = UINT64_C(1) << 40; /* beyond fs.nr_open */
	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_LIMITS);
	assert_int_equal(failed->err, EPERM);
	rig_end(r);
}

/* ---- every forkserver: the protocol -------------------------------------------------------- */

static void many_requests_in_one_burst_are_all_carried_out(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	static struct rig_answer *children[200];

	for (uint32_t i = 0; i < ARRAY_SIZE(children); i++) {
		const char *const argv[] = { "sh", "-c", "exit $CODE", NULL };
		char code[16];
		const char *const env[] = { code, NULL };
		struct rig_plan p = script(i, argv);

		(void)snprintf(code, sizeof code, "CODE=%u", i);
		p.env = env;
		p.flags = i % 2 ? LINK_SPAWN_LOCAL : 0;
		rig_ask_later(r, &p);
		while (i % 8 == 7 && link_flush(&r->link) == -EAGAIN)
			rig_receive(r, "the server does not read");
	}
	while (link_flush(&r->link) == -EAGAIN)
		rig_receive(r, "the server does not read");
	for (uint32_t i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = rig_await(r, LINK_FORKED, i);
	for (uint32_t i = 0; i < ARRAY_SIZE(children); i++)
		assert_int_equal(WEXITSTATUS(rig_wait(r, children[i])), i);
	rig_end(r);
}

/* More than one datagram holds. */
static void many_ends_at_once_are_all_told(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	static struct rig_answer *children[600];

	for (uint32_t i = 0; i < ARRAY_SIZE(children); i++) {
		struct rig_plan p = sleeper(i);

		children[i] = rig_start(r, &p);
	}
	assert_int_equal(kill(r->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(r->pid, NULL, WUNTRACED), r->pid);
	for (uint32_t i = 0; i < ARRAY_SIZE(children); i++)
		assert_int_equal(kill(children[i]->pid, SIGKILL), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(children); i++)
		assert_int_equal(
			poll(&(struct pollfd){ children[i]->pidfd, POLLIN, 0 }, 1, RIG_DEADLINE_MS),
			1);
	assert_int_equal(kill(r->pid, SIGCONT), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(children); i++)
		assert_int_equal(WTERMSIG(rig_wait(r, children[i])), SIGKILL);
	rig_end(r);
}

static void an_end_is_told_before_it_is_reaped(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(1);
	const struct rig_answer *child = rig_start(r, &p);
	uint64_t deadline = clock_boot_ns() + 10 * NS_PER_S;

	assert_int_equal(kill(child->pid, SIGTERM), 0);
	const struct rig_answer *end = rig_await(r, LINK_ENDED, 1);
	assert_int_equal(end->ended.status, SIGTERM);
	assert_int_equal(state_of(child->pid), 'Z');
	/* Requests in between do not reap it either. */
	p = sleeper(2);
	(void)rig_kill(r, rig_start(r, &p));
	assert_int_equal(state_of(child->pid), 'Z');
	rig_send(r, LINK_REAP, 1, 7); /* another incarnation: nothing to it */
	p = sleeper(3);
	(void)rig_kill(r, rig_start(r, &p));
	assert_int_equal(state_of(child->pid), 'Z');
	rig_send(r, LINK_REAP, 1, 1);
	while (state_of(child->pid) && clock_boot_ns() < deadline)
		usleep(1000);
	assert_int_equal(state_of(child->pid), 0);
	rig_end(r);
}

static void children_outlive_a_killed_server_and_keep_their_statuses(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	const char *const argv[] = { "sh", "-c", "read line; exit 9", NULL };
	struct rig_plan p = sleeper(1);
	int ends[2];

	const struct rig_answer *running = rig_start(r, &p);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p = script(2, argv);
	p.in = ends[0];
	const struct rig_answer *ending = rig_start(r, &p);
	p = sleeper(3);
	p.flags = LINK_SPAWN_DIES;
	const struct rig_answer *daemon = rig_start(r, &p);
	close(ends[0]);
	assert_int_equal(kill(r->pid, SIGSTOP), 0); /* it cannot take notice of the end */
	close(ends[1]);
	struct pollfd end = { .fd = ending->pidfd, .events = POLLIN };
	assert_int_equal(poll(&end, 1, RIG_DEADLINE_MS), 1);
	rig_kill_server(r);
	assert_int_equal(WEXITSTATUS(rig_wait_pid(ending->pid)), 9);
	assert_int_equal(kill(running->pid, 0), 0);
	assert_int_equal(kill(daemon->pid, SIGUSR1), 0);
	assert_int_equal(kill(running->pid, SIGUSR2), 0);
	assert_int_equal(WTERMSIG(rig_wait_pid(daemon->pid)), SIGUSR1);
	assert_int_equal(WTERMSIG(rig_wait_pid(running->pid)), SIGUSR2);
	rig_end(r);
}

static void without_its_keeper_a_server_kills_its_daemons_only(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(1);
	pid_t others = rig_start(r, &p)->pid;

	p = sleeper(2);
	p.flags = LINK_SPAWN_DIES;
	pid_t daemon = rig_start(r, &p)->pid;
	link_done(&r->link);
	assert_int_equal(rig_wait_pid(r->pid), 0);
	r->pid = -1;
	assert_int_equal(WTERMSIG(rig_wait_pid(daemon)), SIGKILL);
	assert_int_equal(kill(others, SIGUSR1), 0);
	assert_int_equal(WTERMSIG(rig_wait_pid(others)), SIGUSR1);
	rig_end(r);
}

static void a_terminated_server_ends_by_the_signal_and_leaves_nothing(void **state)
{
	struct rig *r = rig_begin(kind_of(state));
	struct rig_plan p = sleeper(1);

	(void)rig_kill(r, rig_start(r, &p));
	assert_int_equal(kill(r->pid, SIGTERM), 0);
	assert_int_equal(WTERMSIG(rig_wait_pid(r->pid)), SIGTERM);
	r->pid = -1;
	rig_end(r);
}

/* ---- native -------------------------------------------------------------------------------- */

/* The parent-death signal of a native child is the keeper's: a keeper of our own dies. */
static void a_native_daemon_dies_with_the_keeper(void **state)
{
	int pids[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe2(pids, O_CLOEXEC), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	pid_t keeper = fork();
	if (keeper == 0) {
		struct rig *r = rig_begin(RIG_NATIVE);
		struct rig_plan p = sleeper(1);

		p.flags = LINK_SPAWN_DIES;
		child = rig_start(r, &p)->pid;
		(void)!write(pids[1], &child, sizeof child);
		char command[128];
		(void)snprintf(command, sizeof command, "rm -rf %s", r->dir);
		(void)!system(command); /* NOLINT(cert-env33-c,bugprone-command-processor) */
		(void)raise(SIGKILL);
	}
	assert_int_equal(read(pids[0], &child, sizeof child), sizeof child);
	assert_int_equal(WTERMSIG(rig_wait_pid(keeper)), SIGKILL);
	assert_int_equal(WTERMSIG(rig_wait_pid(child)), SIGKILL); /* it fell to us */
	while (waitpid(-1, NULL, 0) > 0) /* the server, by the end of its link */
		;
	close(pids[0]);
	close(pids[1]);
}

static const char *shared(const struct rig *r, const char *name)
{
	static char path[4200];

	(void)snprintf(path, sizeof path, "%s/tests/helpers/shared/%s", r->build, name);
	return path;
}

static void a_native_entry_runs_in_a_copy_of_the_preloaded_object(void **state)
{
	struct rig *r = rig_new(RIG_NATIVE);
	const char *const preload[] = { shared(r, "entry.so"), NULL };
	char entry[4300];
	const char *const argv[] = { "name", rig_path(r, "said"), "23", NULL };
	struct rig_plan p = { .slot = 1, .entry = entry, .argv = argv };
	int loader, pid, argc;
	char name[16];

	(void)state;
	(void)snprintf(entry, sizeof entry, "%s:entered", preload[0]);
	rig_go(r, preload);
	(void)rig_await(r, LINK_HELLO, LINK_NO_SLOT);
	const struct rig_answer *child = rig_start(r, &p);
	assert_int_equal(WEXITSTATUS(rig_wait(r, child)), 23);
	auto_free char *said = rig_read(rig_path(r, "said"));
	assert_int_equal(sscanf(said, "%d %d %15s %d", &loader, &pid, name, &argc), 4);
	assert_int_equal(loader, r->pid);
	assert_int_equal(pid, child->pid);
	assert_string_equal(name, "name");
	assert_int_equal(argc, 3);
	rig_end(r);
}

static void a_native_server_ends_when_it_cannot_answer_and_its_entry_does_not_run(void **state)
{
	static const struct rlimit few = { 64, 64 }; /* no copy for the link: base/link.c */
	struct rig *r = rig_new(RIG_NATIVE);
	const char *const preload[] = { shared(r, "entry.so"), NULL };
	char entry[4300];
	const char *const argv[] = { "name", rig_path(r, "said"), "23", NULL };
	struct rig_plan p = { .slot = 1, .entry = entry, .argv = argv };
	int status;

	(void)state;
	skip_under_valgrind();
	(void)snprintf(entry, sizeof entry, "%s:entered", preload[0]);
	rig_go(r, preload);
	(void)rig_await(r, LINK_HELLO, LINK_NO_SLOT);
	assert_return_code(prlimit(r->pid, RLIMIT_NOFILE, &few, NULL), errno);
	rig_ask(r, &p);
	status = rig_wait_pid(r->pid);
	r->pid = -1;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_int_equal(WEXITSTATUS(status), 127);
	assert_int_equal(access(rig_path(r, "said"), F_OK), -1);
	rig_end(r);
}

/* However its plan came. */
static void the_arguments_of_a_native_entry_are_its_own_to_write_to(void **state)
{
	struct rig *r = rig_begin(RIG_NATIVE);
	static char large[30000] = "LARGE=";
	char entry[4300];
	const char *const argv[] = { "name", "40", NULL }, *const env[] = { large, NULL };
	struct rig_plan p = { .slot = 1, .entry = entry, .argv = argv };

	(void)state;
	(void)snprintf(entry, sizeof entry, "%s:renamed", shared(r, "entry.so"));
	assert_int_equal(WEXITSTATUS(rig_wait(r, rig_start(r, &p))), 52);
	memset(large + 6, 'x', sizeof large - 7);
	p.slot = 2;
	p.env = env;
	assert_int_equal(WEXITSTATUS(rig_wait(r, rig_start(r, &p))), 52);
	rig_end(r);
}

static void a_native_entry_has_what_was_promised_and_nothing_else(void **state)
{
	struct rig *r = rig_begin(RIG_NATIVE);
	char entry[4300];
	const char *const argv[] = { "name", rig_path(r, "said"), NULL };
	struct rig_plan p = { .slot = 1, .entry = entry, .argv = argv };

	(void)state;
	(void)snprintf(entry, sizeof entry, "%s:entered", shared(r, "entry.so"));
	const struct rig_answer *child = rig_start(r, &p);
	while (access(rig_path(r, "said"), F_OK) < 0)
		usleep(1000);
	assert_three_fds(child->pid);
	assert_int_equal(getsid(child->pid), child->pid);
	assert_int_equal(atoi(rig_status(child->pid, "PPid")), getpid());
	assert_true(mask_of(child->pid, "SigBlk") == 0);
	(void)rig_kill(r, child);
	rig_end(r);
}

static void handlers_of_pthread_atfork_are_called(void **state)
{
	struct rig *r = rig_new(RIG_NATIVE);
	const char *const preload[] = { shared(r, "atfork.so"), NULL };
	char entry[4300];
	struct rig_plan p = { .slot = 1, .entry = entry };

	(void)state;
	(void)snprintf(entry, sizeof entry, "%s:count_handlers", preload[0]);
	rig_go(r, preload);
	(void)rig_await(r, LINK_HELLO, LINK_NO_SLOT);
	assert_int_equal(WEXITSTATUS(rig_wait(r, rig_start(r, &p))), 111);
	p.slot = 2;
	assert_int_equal(WEXITSTATUS(rig_wait(r, rig_start(r, &p))), 121);
	rig_end(r);
}

static void a_native_entry_that_is_not_there_is_told(void **state)
{
	struct rig *r = rig_begin(RIG_NATIVE);
	char entry[4300];
	struct rig_plan p = { .slot = 1, .entry = "/no/such.so:entered" };

	(void)state;
	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_ENTRY);
	assert_int_equal(failed->err, 0);
	assert_non_null(strstr(failed->text, "/no/such.so"));
	(void)snprintf(entry, sizeof entry, "%s:no_such_symbol", shared(r, "entry.so"));
	p = (struct rig_plan){ .slot = 2, .entry = entry };
	assert_non_null(strstr(rig_fail(r, &p)->text, "no_such_symbol"));
	p = (struct rig_plan){ .slot = 3, .entry = "no-colon.so" };
	assert_non_null(strstr(rig_fail(r, &p)->text, "PATH.so:SYMBOL"));
	rig_end(r);
}

/* The server says why, and exits 1. */
static const struct rig_answer *preload_failure(struct rig *r, const char *const *preload)
{
	rig_go(r, preload);
	while (!rig_find(r, LINK_FAILED, LINK_NO_SLOT))
		rig_receive(r, "no FAILED came");
	const struct rig_answer *failed = rig_await(r, LINK_FAILED, LINK_NO_SLOT);
	assert_int_equal(failed->step, LINK_STEP_ENTRY);
	assert_null(rig_find(r, LINK_HELLO, LINK_NO_SLOT));
	assert_int_equal(WEXITSTATUS(rig_wait_pid(r->pid)), 1);
	r->pid = -1;
	return failed;
}

static void a_shared_object_that_cannot_be_preloaded_is_told(void **state)
{
	struct rig *r = rig_new(RIG_NATIVE);
	const char *const preload[] = { "/no/such.so", NULL };

	(void)state;
	assert_non_null(strstr(preload_failure(r, preload)->text, "preload /no/such.so: "));
	rig_end(r);
}

static void a_shared_object_that_starts_a_thread_is_refused_by_name(void **state)
{
	struct rig *r = rig_new(RIG_NATIVE);
	const char *const preload[] = { shared(r, "thread.so"), NULL };
	struct rig_plan p = sleeper(1);

	(void)state;
	rig_go(r, preload);
	(void)rig_await(r, LINK_HELLO, LINK_NO_SLOT);
	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_SERVER);
	assert_non_null(strstr(failed->text, "thread.so started a thread: busy-bee"));
	rig_end(r);
}

/* ---- Python -------------------------------------------------------------------------------- */

/* A rig with `service.py` preloaded. */
static struct rig *python_with(const char *service)
{
	static const char *const preload[] = { "service", NULL };
	struct rig *r = rig_new(RIG_PYTHON);

	rig_write(r, "service.py", service);
	rig_go(r, preload);
	(void)rig_await(r, LINK_HELLO, LINK_NO_SLOT);
	return r;
}

static int run_entry(struct rig *r, uint32_t slot, const char *entry, struct buf *out)
{
	struct rig_plan p = { .slot = slot, .entry = entry };

	buf_clear(out);
	return rig_run(r, &p, out);
}

static void what_a_python_entry_returns_is_what_sys_exit_makes_of_it(void **state)
{
	struct rig *r = python_with("import sys, os\n"
				    "def nothing(): pass\n"
				    "def three(): return 3\n"
				    "def text(): return 'it went wrong'\n"
				    "def raises(): raise KeyError('the key')\n"
				    "def leaves(): sys.exit(5)\n"
				    "class Command:\n"
				    "    def run(): return 6\n");
	auto_buf struct buf out = { 0 };

	(void)state;
	assert_int_equal(run_entry(r, 1, "service:nothing", &out), 0);
	assert_int_equal(out.len, 0);
	assert_int_equal(WEXITSTATUS(run_entry(r, 2, "service:three", &out)), 3);
	assert_int_equal(WEXITSTATUS(run_entry(r, 3, "service:text", &out)), 1);
	assert_string_equal(out.data, "it went wrong\n");
	assert_int_equal(WEXITSTATUS(run_entry(r, 4, "service:raises", &out)), 1);
	assert_non_null(strstr(out.data, "Traceback"));
	assert_non_null(strstr(out.data, "KeyError: 'the key'"));
	assert_int_equal(WEXITSTATUS(run_entry(r, 5, "service:leaves", &out)), 5);
	assert_int_equal(WEXITSTATUS(run_entry(r, 6, "service:Command.run", &out)), 6);
	rig_end(r);
}

static void a_python_entry_finds_arguments_and_environment(void **state)
{
	struct rig *r = python_with("import os, sys\n"
				    "server = os.getpid()\n"
				    "def show():\n"
				    "    e = os.environ\n"
				    "    print(server == os.getppid(), sys.argv, e['OF_SERVER'],\n"
				    "          e['OF_BOTH'], e['OF_PLAN'], sys.path[0])\n"
				    "    os.system('echo $OF_SERVER $OF_BOTH $OF_PLAN')\n");
	const char *const argv[] = { "name", "one two", "\xff", NULL };
	const char *const env[] = { "OF_BOTH=the plan's", "OF_PLAN=also", NULL };
	struct rig_plan p = {
		.slot = 1, .entry = "service:show", .argv = argv, .env = env, .directory = "/usr"
	};
	auto_buf struct buf out = { 0 };

	(void)state;
	assert_int_equal(rig_run(r, &p, &out), 0);
	assert_non_null(strstr(out.data, "True ['name', 'one two', '\\udcff'] its own the plan's "
					 "also /usr\n"));
	assert_non_null(strstr(out.data, "\nits own the plan's also\n") ||
			strncmp(out.data, "its own the plan's also\n", 24) == 0);
	p = (struct rig_plan){ .slot = 2, .entry = "service:show" };
	buf_clear(&out);
	assert_int_equal(WEXITSTATUS(rig_run(r, &p, &out)), 1); /* the next has nothing of it */
	assert_non_null(strstr(out.data, "KeyError: 'OF_PLAN'"));
	rig_end(r);
}

static void a_python_entry_has_what_was_promised_and_nothing_else(void **state)
{
	struct rig *r = python_with("import os, signal\n"
				    "kept = open('/etc/passwd')\n"
				    "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
				    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])\n"
				    "def wait():\n"
				    "    os.write(1, b'up')\n"
				    "    signal.pause()\n");
	struct rig_plan p = { .slot = 1, .entry = "service:wait", .directory = "/usr" };
	uint64_t python = UINT64_C(1) << (SIGPIPE - 1) | UINT64_C(1) << (SIGXFSZ - 1);
	int ends[2];
	char up[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p.out = ends[1];
	const struct rig_answer *child = rig_start(r, &p);
	assert_int_equal(read(ends[0], up, sizeof up), 2);
	assert_clean(r, child);
	/* As in any Python: it ignores two signals, and makes one a KeyboardInterrupt. */
	assert_true(mask_of(child->pid, "SigIgn") == python);
	assert_true(mask_of(child->pid, "SigCgt") == UINT64_C(1) << (SIGINT - 1));
	assert_string_equal(link_of(child->pid, "cwd"), "/usr");
	assert_int_equal(WTERMSIG(rig_kill(r, child)), SIGKILL);
	close(ends[0]);
	close(ends[1]);
	rig_end(r);
}

static void output_is_flushed_before_a_fork_and_at_the_end(void **state)
{
	struct rig *r = python_with("import atexit\n"
				    "print('loaded', end='')\n"
				    "def say():\n"
				    "    print('said', end='')\n"
				    "    atexit.register(lambda: print(' farewell', end=''))\n");
	auto_buf struct buf out = { 0 };

	(void)state;
	assert_int_equal(run_entry(r, 1, "service:say", &out), 0);
	assert_string_equal(out.data, "said farewell");
	assert_int_equal(run_entry(r, 2, "service:say", &out), 0);
	assert_string_equal(out.data, "said farewell");
	auto_free char *loaded = rig_read(rig_path(r, "out"));
	assert_string_equal(loaded, "loaded");
	rig_end(r);
}

static void a_module_that_is_not_preloaded_is_imported_in_the_child(void **state)
{
	struct rig *r = rig_begin(RIG_PYTHON);
	struct rig_plan p = { .slot = 1, .entry = "late:main" };
	auto_buf struct buf out = { 0 };

	(void)state;
	rig_write(r, "late.py",
		  "import os, sys\n"
		  "loaded_by = os.getpid(), os.getuid()\n"
		  "def main(): print(loaded_by == (os.getpid(), os.getuid()),\n"
		  "                  os.getuid(), sorted(os.listdir('/proc/self/fd')))\n");
	if (getuid() == 0) {
		p.flags = LINK_SPAWN_IDS;
		p.uid = p.gid = NOBODY;
	}
	assert_int_equal(rig_run(r, &p, &out), 0);
	assert_int_equal(strncmp(out.data, "True ", 5), 0);
	if (getuid() == 0) /* imported as the program's user; 3 lists the directory */
		assert_string_equal(out.data, "True 65534 ['0', '1', '2', '3']\n");
	rig_end(r);
}

static void an_entry_that_cannot_be_loaded_is_told_with_its_traceback(void **state)
{
	struct rig *r = rig_begin(RIG_PYTHON);
	struct rig_plan p = { .slot = 1, .entry = "broken:main" };
	auto_buf struct buf out = { 0 };
	int ends[2];

	(void)state;
	rig_write(r, "broken.py", "import no_such_module_at_all\n");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p.out = ends[1];
	const struct rig_answer *failed = rig_fail(r, &p);
	close(ends[1]);
	assert_int_equal(failed->step, LINK_STEP_ENTRY);
	assert_int_equal(failed->err, 0);
	assert_string_equal(failed->text, "broken:main: ModuleNotFoundError: No module named "
					  "'no_such_module_at_all'");
	assert_int_equal(fd_read_all(ends[0], &out, 1 << 20), 0);
	assert_non_null(strstr(out.data, "Traceback"));
	assert_non_null(strstr(out.data, "broken.py"));
	close(ends[0]);
	assert_nothing_left(r);
	p = (struct rig_plan){ .slot = 2, .entry = "os:no_such_function" };
	assert_non_null(strstr(rig_fail(r, &p)->text, "no_such_function"));
	p = (struct rig_plan){ .slot = 3, .entry = "os:sep" };
	assert_non_null(strstr(rig_fail(r, &p)->text, "not callable"));
	rig_end(r);
}

static void a_process_that_ends_while_it_is_loaded_is_told(void **state)
{
	struct rig *r = rig_begin(RIG_PYTHON);
	struct rig_plan p = { .slot = 1, .entry = "leaves:main" };

	(void)state;
	rig_write(r, "leaves.py", "import os\nos._exit(3)\n");
	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_ENTRY);
	assert_non_null(strstr(failed->text, "exited with 3"));
	assert_nothing_left(r);
	rig_end(r);
}

static void a_module_that_cannot_be_preloaded_is_told_with_its_traceback(void **state)
{
	static const char *const preload[] = { "json", "broken", NULL };
	struct rig *r = rig_new(RIG_PYTHON);

	(void)state;
	rig_write(r, "broken.py", "def f():\n    raise SystemExit('out of order')\nf()\n");
	const struct rig_answer *failed = preload_failure(r, preload);
	assert_non_null(strstr(failed->text, "preload broken: Traceback"));
	assert_non_null(strstr(failed->text, "broken.py\", line 2, in f"));
	assert_non_null(strstr(failed->text, "SystemExit: out of order"));
	rig_end(r);
}

static void a_module_that_starts_a_thread_is_refused_by_name(void **state)
{
	struct rig *r =
		python_with("import threading\n"
			    "threading.Thread(target=threading.Event().wait, name='busy-bee',\n"
			    "                 daemon=True).start()\n");
	struct rig_plan p = sleeper(1);

	(void)state;
	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_SERVER);
	assert_string_equal(failed->text, "preload service started a thread: busy-bee");
	rig_end(r);
}

/* The child imports a module that waits for us; the server dies meanwhile; the entry must not run. */
static void no_entry_runs_that_the_keeper_has_not_heard_of(void **state)
{
	struct rig *r = rig_begin(RIG_PYTHON);
	struct rig_plan p = { .slot = 1, .entry = "slow:main" };
	int pid = 0, status;

	(void)state;
	assert_int_equal(mkfifo(rig_path(r, "told"), 0600), 0);
	assert_int_equal(mkfifo(rig_path(r, "go"), 0600), 0);
	rig_write(r, "slow.py",
		  "import os\n"
		  "d = os.environ['DIR']\n"
		  "open(d + '/told', 'w').write(str(os.getpid()))\n"
		  "open(d + '/go').read()\n"
		  "def main(): open(d + '/ran', 'w')\n");
	rig_ask(r, &p);
	auto_free char *told = rig_read(rig_path(r, "told"));
	assert_int_equal(sscanf(told, "%d", &pid), 1);
	rig_kill_server(r);
	rig_write(r, "go", "");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 127);
	assert_int_equal(access(rig_path(r, "ran"), F_OK), -1);
	assert_null(rig_find(r, LINK_FORKED, 1));
	rig_end(r);
}

static bool was_told_of(const struct rig *r, int pid)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->answers[i].type == LINK_FORKED && r->answers[i].pid == pid)
			return true;
	return false;
}

/* Of modules that were preloaded, and of one that is imported in the child: each entry that ran had
 * been told of, whenever the server was killed. */
static void a_server_killed_at_any_moment_has_run_nothing_untold(void **state)
{
	unsigned ran = 0;

	(void)state;
	for (useconds_t round = 0; round < 40; round++) {
		const char *const module =
			"import os\n"
			"def main():\n"
			"    fd = os.open(os.environ['DIR'] + '/ran', os.O_WRONLY |\n"
			"                 os.O_CREAT | os.O_APPEND)\n"
			"    os.write(fd, b'%d\\n' % os.getpid())\n";
		struct rig *r = python_with(module);
		int n;

		rig_write(r, "late.py", module);
		for (uint32_t i = 0; i < 8; i++)
			rig_ask_later(r, &(struct rig_plan){ .slot = i,
							     .entry = i % 2 ? "late:main"
									    : "service:main" });
		assert_int_equal(link_flush(&r->link), 0);
		usleep(round * 400);
		rig_kill_server(r);
		do { /* until nobody is left who could tell */
			struct pollfd p = { .fd = r->link.fd, .events = POLLIN };

			assert_int_equal(poll(&p, 1, RIG_DEADLINE_MS), 1);
			n = link_receive(&r->link, rig_on_message, r);
		} while (n == 1);
		while (waitpid(-1, NULL, 0) > 0)
			;
		auto_free char *pids = rig_read(rig_path(r, "ran"));
		for (const char *at = pids; *at; at = strchr(at, '\n') + 1, ran++)
			assert_true(was_told_of(r, (int)strtol(at, NULL, 10)));
		rig_end(r);
	}
	assert_true(ran > 0);
}

/* Wait for the spare and kill it; another is made when something has been asked for. */
static void kill_spare(struct rig *r)
{
	char path[64], text[64] = "";
	uint64_t deadline = clock_boot_ns() + 10 * NS_PER_S;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", r->pid, r->pid);
	while (!atoi(text) && clock_boot_ns() < deadline)
		assert_true(fd_read_file(path, text, sizeof text) >= 0);
	assert_true(atoi(text) > 0);
	assert_int_equal(kill(atoi(text), SIGKILL), 0);
	while (state_of(atoi(text)) && clock_boot_ns() < deadline)
		usleep(1000);
}

static void a_killed_spare_is_no_loss(void **state)
{
	struct rig *r = python_with("def main(): return 4\n");
	auto_buf struct buf out = { 0 };

	(void)state;
	kill_spare(r);
	assert_int_equal(WEXITSTATUS(run_entry(r, 1, "service:main", &out)), 4);
	assert_int_equal(WEXITSTATUS(run_entry(r, 2, "service:main", &out)), 4);
	rig_end(r);
}

static void a_python_server_that_cannot_fork_says_why(void **state)
{
	struct rig *r = rig_begin(RIG_PYTHON);
	struct rig_plan p = sleeper(1);
	struct rlimit its;

	(void)state;
	kill_spare(r);
	assert_return_code(prlimit(r->pid, RLIMIT_NOFILE, NULL, &its), errno);
	its.rlim_cur = (rlim_t)fds_of(r->pid) + 3; /* those of the plan have room, no others */
	assert_return_code(prlimit(r->pid, RLIMIT_NOFILE, &its, NULL), errno);
	const struct rig_answer *failed = rig_fail(r, &p);
	assert_int_equal(failed->step, LINK_STEP_FORK);
	assert_int_equal(failed->err, EMFILE);
	rig_end(r);
}

/* It makes its spare, and then nothing: some fifth of a second passes without a switch. */
static void an_idle_python_server_sleeps(void **state)
{
	struct rig *r = python_with("def main(): return 4\n");
	auto_buf struct buf out = { 0 };
	char before[256];
	int tries = 0;

	(void)state;
	assert_int_equal(WEXITSTATUS(run_entry(r, 1, "service:main", &out)), 4);
	do {
		const char *now = rig_status(r->pid, "voluntary_ctxt_switches");

		(void)snprintf(before, sizeof before, "%s", now);
		usleep(200000);
		assert_true(++tries < 25);
	} while (strcmp(before, rig_status(r->pid, "voluntary_ctxt_switches")) != 0);
	rig_end(r);
}

static enum rig_kind native = RIG_NATIVE, python = RIG_PYTHON, perl = RIG_PERL;

#define ONE(test, kind)                                                 \
	{                                                               \
#test " (" #kind ")", test, NULL, rig_teardown, &(kind) \
	}
#define OWN(test) cmocka_unit_test_teardown(test, rig_teardown)
#define ALL(test) ONE(test, native), ONE(test, python), ONE(test, perl)

/* As fosterd does at its start: whoever runs the tests may ignore signals, also those that the C
 * library keeps for itself. */
static void reset_signals(void)
{
	unsigned long by_default[4] = { 0 }; /* the kernel's struct sigaction */

	for (int n = 1; n < NSIG; n++)
		(void)syscall(SYS_rt_sigaction, n, by_default, NULL, sizeof(unsigned long));
}

int main(void)
{
	reset_signals();

	const struct CMUnitTest tests[] = {
		ALL(a_program_gets_its_arguments_and_environment),
		ALL(a_plan_too_large_for_a_datagram_is_carried_out),
		ALL(an_executed_child_has_what_was_promised_and_nothing_else),
		ALL(a_directory_may_be_passed_as_a_descriptor),
		ONE(what_executes_says_first_that_it_is_there, native),
		ONE(what_executes_says_first_that_it_is_there, python), /* perl need not */
		ALL(a_child_drops_to_its_user),
		OWN(a_child_costs_a_native_server_no_descriptor),
		OWN(a_python_server_takes_all_descriptors_that_it_may_have),
		OWN(no_child_that_becomes_another_borrows_memory),
		ALL(a_terminal_becomes_the_controlling_one),
		ALL(a_missing_program_is_told_with_step_and_errno),
		ALL(a_program_that_may_not_be_executed_is_remembered),
		ALL(a_missing_directory_is_told_with_step_and_errno),
		ALL(a_program_on_local_files_fails_in_the_same_words),
		ALL(a_limit_that_cannot_be_set_is_told),
		ALL(many_requests_in_one_burst_are_all_carried_out),
		ONE(many_ends_at_once_are_all_told, python),
		ONE(many_ends_at_once_are_all_told, perl),
		ONE(an_end_is_told_before_it_is_reaped, python),
		ONE(an_end_is_told_before_it_is_reaped, perl),
		ALL(children_outlive_a_killed_server_and_keep_their_statuses),
		ONE(without_its_keeper_a_server_kills_its_daemons_only, python),
		ONE(without_its_keeper_a_server_kills_its_daemons_only, perl),
		ALL(a_terminated_server_ends_by_the_signal_and_leaves_nothing),
		OWN(a_native_daemon_dies_with_the_keeper),
		OWN(a_native_entry_runs_in_a_copy_of_the_preloaded_object),
		OWN(a_native_server_ends_when_it_cannot_answer_and_its_entry_does_not_run),
		OWN(the_arguments_of_a_native_entry_are_its_own_to_write_to),
		OWN(a_native_entry_has_what_was_promised_and_nothing_else),
		OWN(handlers_of_pthread_atfork_are_called),
		OWN(a_native_entry_that_is_not_there_is_told),
		OWN(a_shared_object_that_cannot_be_preloaded_is_told),
		OWN(a_shared_object_that_starts_a_thread_is_refused_by_name),
		OWN(what_a_python_entry_returns_is_what_sys_exit_makes_of_it),
		OWN(a_python_entry_finds_arguments_and_environment),
		OWN(a_python_entry_has_what_was_promised_and_nothing_else),
		OWN(output_is_flushed_before_a_fork_and_at_the_end),
		OWN(a_module_that_is_not_preloaded_is_imported_in_the_child),
		OWN(an_entry_that_cannot_be_loaded_is_told_with_its_traceback),
		OWN(a_process_that_ends_while_it_is_loaded_is_told),
		OWN(a_module_that_cannot_be_preloaded_is_told_with_its_traceback),
		OWN(a_module_that_starts_a_thread_is_refused_by_name),
		OWN(no_entry_runs_that_the_keeper_has_not_heard_of),
		OWN(a_server_killed_at_any_moment_has_run_nothing_untold),
		OWN(a_killed_spare_is_no_loss),
		OWN(a_python_server_that_cannot_fork_says_why),
		OWN(an_idle_python_server_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
