/* fault_pid_reuse.c - PIDs are used again at once, and no signal reaches a process that is not foster's
 *
 * In a PID namespace with room for 100 processes (pid_max 400, of which the kernel leaves out the first 300
 * once it comes round), programs start and end all the time, and are stopped, signalled, killed and restarted
 * meanwhile. Canaries, which are nobody's business, come and go just as quickly, each at a PID that was a
 * child's a moment ago, some of them as leaders of groups: they tell of every signal that can be caught, and
 * their parent of SIGKILL.
 *
 * STARTS=N makes N starts; 2,500 unless told, 100,000 with FAULT_ALL=1. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define INSIDE "FAULT_PID_NAMESPACE" /* in the environment: yes or no */
#define PID_MAX "/proc/sys/kernel/pid_max"
#define CANARIES 45
#define OLD_CANARIES 25 /* live to the end: the fewer PIDs are free, the sooner they come round */
#define LIFE_US 15000
#define PROGRAMS 20
#define CALLS 8 /* at a time */
#define HELD_US 20000

/* ---- canaries ------------------------------------------------------------------------------ */

static struct {
	_Atomic bool over;
	_Atomic uint64_t born, hit;
	_Atomic int signal, sender, canary; /* of the last that was hit */
} * cage; /* shared with all of them */

static void tell_hit(int number, pid_t sender, pid_t canary)
{
	atomic_store(&cage->signal, number);
	atomic_store(&cage->sender, sender);
	atomic_store(&cage->canary, canary);
	atomic_fetch_add(&cage->hit, 1);
}

static void on_any_signal(int number, siginfo_t *si, void *context)
{
	(void)context;
	tell_hit(number, si->si_pid, getpid());
}

/* Until its time, or the test, is over. Every other one leads a session, and so a group, of its PID. */
_Noreturn static void live_as_canary(uint64_t number)
{
	struct sigaction tell = { .sa_sigaction = on_any_signal, .sa_flags = SA_SIGINFO };
	unsigned life_us = (unsigned)(number * 2654435761U >> 7) % LIFE_US;

	for (int n = 1; n < NSIG; n++)
		(void)sigaction(n, &tell, NULL);
	if (number % 2)
		setsid();
	usleep(life_us);
	while (number < OLD_CANARIES && !atomic_load(&cage->over))
		usleep(20000);
	_exit(0);
}

static void look_at_dead(pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		tell_hit(WTERMSIG(status), 0, pid);
}

_Noreturn static void keep_canaries(void)
{
	int alive = 0, status;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(&cage->over)) {
		for (; alive < CANARIES; alive++) {
			pid = fork();
			if (pid < 0)
				break;
			if (pid == 0)
				live_as_canary(atomic_fetch_add(&cage->born, 1));
		}
		while ((pid = waitpid(-1, &status, alive == CANARIES ? 0 : WNOHANG)) > 0) {
			look_at_dead(pid, status);
			alive--;
		}
	}
	while ((pid = waitpid(-1, &status, 0)) > 0)
		look_at_dead(pid, status);
	_exit(0);
}

static pid_t open_cage(void)
{
	cage = mmap(NULL, sizeof *cage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(cage, MAP_FAILED);
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		keep_canaries();
	return pid;
}

static void expect_no_canary_hit(struct fixture *f)
{
	if (atomic_load(&cage->hit) > 0)
		fixture_fail(f, "%" PRIu64 " canaries were hit: signal %d by PID %d for PID %d",
			     atomic_load(&cage->hit), atomic_load(&cage->signal),
			     atomic_load(&cage->sender), atomic_load(&cage->canary));
}

/* ---- churn --------------------------------------------------------------------------------- */

/* Random, the same in every run. */
static unsigned next_random(void)
{
	static unsigned state = 20260101;

	state = state * 1103515245 + 12345;
	return state >> 16;
}

/* Short lives of all kinds; what some leave behind has to be found and killed when they stop. */
static void add_program(struct fixture *f, struct buf *b, int i)
{
	static const char *const lives[] = { "sleep 2",
					     "sleep 5 exit 1",
					     "die 9",
					     "hold",
					     "fork sleep 20 end sleep 4",
					     "fork setsid sleep 20 end sleep 6" };

	buf_addf(b,
		 "[program:p%d]\ncommand = %s %s\nstartsecs = 0\nautorestart = true\n"
		 "restart_delay = 0.001\nrestart_delay_max = 0.002\n%s"
		 "stdout_logfile = NONE\nstderr_logfile = NONE\n",
		 i, fixture_child(f), lives[(size_t)i % ARRAY_SIZE(lives)],
		 i % 4 == 0 ? "stopasgroup = true\nkillasgroup = true\n" : "");
}

static void send_call(struct fixture *f)
{
	static const char *const calls[] = { "Stop",	  "Start",   "Kill",
					     "Terminate", "Restart", "Signal" };
	unsigned what = next_random() % ARRAY_SIZE(calls);
	char name[8];
	json_t *p;

	snprintf(name, sizeof name, "p%u", next_random() % PROGRAMS);
	if (strcmp(calls[what], "Signal") == 0)
		p = json_pack("{s:[{s:s}],s:s}", "targets", "name", name, "signal", "USR1");
	else if (strcmp(calls[what], "Restart") == 0)
		p = json_pack("{s:[{s:s}]}", "targets", "name", name);
	else
		p = json_pack("{s:[s]}", "names", name);
	assert_int_equal(varlink_send(&f->calls, calls[what], p, false, NULL, 0), 0);
}

/* The supervisor is held for a moment: what it then does, it does to what has ended meanwhile, and whose
 * PID would be another's by now if nobody kept it. */
static void disturb(struct fixture *f, pid_t supervisor)
{
	json_t *reply = NULL;

	fixture_kill(supervisor, SIGSTOP);
	for (int i = 0; i < CALLS; i++)
		send_call(f);
	usleep(HELD_US / 2 + next_random() % HELD_US);
	fixture_kill(supervisor, SIGCONT);
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(varlink_receive(&f->calls, FIXTURE_DEADLINE_MS, &reply), 0);
		json_decref(reply);
	}
}

/* By incarnations: each start has one. */
static int64_t starts_up_to_now(struct fixture *f)
{
	int64_t starts = 0;

	for (int i = 0; i < PROGRAMS; i++)
		starts += json_integer_value(json_object_get(
			fixture_show(f, fixture_format(f, "p%d", i)), "incarnation"));
	return starts;
}

static int64_t wanted_starts(void)
{
	const char *starts = getenv("STARTS");

	return starts ? atoll(starts) : getenv("FAULT_ALL") ? 100000 : 2500;
}

/* Of this namespace alone since Linux 6.14; before, it would be everybody's. */
static void make_pids_scarce(void)
{
	const char *inside = getenv(INSIDE);
	struct utsname kernel;
	int major = 0, minor = 0;

	if (!inside || strcmp(inside, "yes") != 0)
		fixture_skip("cannot make a PID namespace");
	uname(&kernel);
	sscanf(kernel.release, "%d.%d", &major, &minor);
	if (major < 6 || (major == 6 && minor < 14))
		fixture_skip("pid_max is the whole machine's before Linux 6.14");
	auto_close int fd = open(PID_MAX, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, "400\n", 4) < 0)
		fixture_skip("cannot set " PID_MAX);
}

static void no_signal_reaches_a_process_that_is_not_ours(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf text = { 0 };
	int64_t wanted = wanted_starts(), starts;
	pid_t canaries;

	make_pids_scarce();
	canaries = open_cage();
	buf_add_str(&text, "[foster]\nloglevel = warn\n");
	for (int i = 0; i < PROGRAMS; i++)
		add_program(f, &text, i);
	fixture_up(f, text.data);
	varlink_close(&f->events); /* nobody reads them */
	pid_t supervisor = fixture_supervisor(f);
	do {
		for (int i = 0; i < 10; i++)
			disturb(f, supervisor);
		expect_no_canary_hit(f);
		starts = starts_up_to_now(f);
		json_array_clear(f->kept);
		for (int i = 0; starts < wanted && i < PROGRAMS; i++) /* who was stopped */
			fixture_call(f, "Start", "{s:[s]}", "names", fixture_format(f, "p%d", i));
	} while (starts < wanted);
	assert_return_code(kill(f->fosterd, SIGTERM), errno);
	assert_int_equal(fixture_ended(f), 0);
	atomic_store(&cage->over, true);
	assert_int_equal(waitpid(canaries, NULL, 0), canaries);
	expect_no_canary_hit(f);
	printf("# did: %" PRId64 " starts, %" PRIu64 " canaries\n", starts,
	       atomic_load(&cage->born));
	assert_true(atomic_load(&cage->born) > (uint64_t)wanted / 4);
	fixture_assert_no_child(f);
}

/* Into a PID namespace with its own /proc, where there may be one. */
static void enter_namespace(char **argv)
{
	bool possible = system("unshare --pid --fork --mount-proc true 2>/dev/null") == 0;

	setenv(INSIDE, possible ? "yes" : "no", 1);
	if (possible)
		execlp("unshare", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
		       argv[0], (char *)NULL);
	else
		execv(argv[0], argv);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		fixture_test(no_signal_reaches_a_process_that_is_not_ours),
	};

	(void)argc;
	if (!getenv(INSIDE))
		enter_namespace(argv);
	return fixture_run(tests);
}
