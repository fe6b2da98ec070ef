/* fault_malloc.c - memory runs out in the keeper, the supervisor or the logger, at every call in turn
 *
 * What must hold: the keeper never dies of it, and loses and doubles no child. The others may answer with
 * an error, or exit with a word and be replaced; they do not crash. A command that succeeded has done what
 * it says, one that failed said why in a line, and the same command, with memory again, works.
 *
 * Of all calls, some are taken, other ones for each command; with FAULT_ALL=1 every one. FAULT_COMMAND= is a
 * pattern of the commands to carry out. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"
#include "tests/helpers/shared/failmalloc.h"

#define SAMPLES 4 /* calls of each command that fail, without FAULT_ALL */
#define CHILDREN_MAX 128

/* Who cannot be started for want of memory is tried again at once. */
#define HOLD "command = @child@ hold\n" AGAIN
#define AGAIN                                    \
	"startsecs = 0\nrestart_delay = 0.001\n" \
	"restart_delay_max = 0.001\nautorestart = true\n"

static const char config[] =
	"[program:keep]\n" HOLD "[program:x]\nautostart = false\n" AGAIN
	"command = @child@ say @dir@/up %%p hold\n"
	"[program:tied]\nparent = x\n" HOLD
	"[program:served]\nautostart = false\nstart_method = forkserver\n" HOLD;
static const char changed[] = "[program:more]\n" HOLD;

/* ---- the memory ---------------------------------------------------------------------------- */

static struct failmalloc *memory; /* shared with the program that is to fail */
static uint64_t n_failed, n_failed_in_all; /* calls, of this test and of all */

/* From here on until fixture_up() has returned, whoever is started can fail. */
static void preload(struct fixture *f, const char *program)
{
	const char *path = fixture_path(f, "malloc");
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_return_code(ftruncate(fd, sizeof *memory), errno);
	memory = mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	snprintf(memory->program, sizeof memory->program, "%s", program);
	setenv(FAILMALLOC_FILE, path, 1);
	fixture_preload(f, "failmalloc.so");
	n_failed = 0;
}

/* Let the calls first to last fail, counted from now. */
static void run_out(uint64_t first, uint64_t last)
{
	atomic_store(&memory->first, 0);
	atomic_store(&memory->calls, 0);
	atomic_store(&memory->failed, 0);
	atomic_store(&memory->last, last);
	atomic_store(&memory->first, first);
}

/* There is memory again. Returns how many calls have failed. */
static uint64_t come_back(void)
{
	uint64_t n;

	atomic_store(&memory->first, 0);
	n = atomic_load(&memory->failed);
	n_failed += n;
	n_failed_in_all += n;
	return n;
}

/* Something was tried: the program could fail, and did. */
static void expect_failures(void)
{
	assert_true(n_failed > 0 || getenv("FAULT_COMMAND"));
}

/* Of some n calls, every how many-th is to fail. */
static uint64_t stride_of(uint64_t n)
{
	return getenv("FAULT_ALL") || n < SAMPLES ? 1 : n / SAMPLES;
}

/* ---- what must hold ------------------------------------------------------------------------ */

static bool is_one_of(pid_t pid, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* All that foster says it has: the parts, and each process with its PID. */
static size_t list_known(struct fixture *f, pid_t *pids)
{
	json_t *list = json_object_get(fixture_call(f, "Status", NULL), "processes"), *p;
	size_t n = 0, i;

	pids[n++] = fixture_supervisor(f);
	pids[n++] = fixture_logger(f);
	json_array_foreach(list, i, p)
	{
		pid_t pid = (pid_t)json_integer_value(json_object_get(p, "pid"));

		assert_true(n < CHILDREN_MAX);
		if (pid)
			pids[n++] = pid;
	}
	return n;
}

static bool is_forkserver(pid_t pid)
{
	char name[32] = "";

	return run_name_of(pid, name, sizeof name) == 0 && strncmp(name, "foster-forks", 12) == 0;
}

/* Whether the keeper has these children and no others; forkservers come and go. */
static bool has_these(struct fixture *f, const pid_t *known, size_t n_known)
{
	pid_t pids[CHILDREN_MAX];
	size_t n = run_children_of(f->fosterd, pids, CHILDREN_MAX);

	for (size_t i = 0; i < n_known; i++)
		if (!run_alive(known[i]))
			return false;
	for (size_t i = 0; i < n; i++)
		if (!is_one_of(pids[i], known, n_known) && !is_forkserver(pids[i]))
			return false;
	return true;
}

/* Orphans are reaped, and starts carried out, a moment later. */
static void expect_no_child_lost_or_doubled(struct fixture *f)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	pid_t known[CHILDREN_MAX];

	do {
		if (has_these(f, known, list_known(f, known)))
			return;
		usleep(2000);
	} while (clock_boot_ns() < deadline);
	fixture_fail(f, "the keeper has other children than foster says");
}

/* What the log says is looked at once. */
static void expect_no_crash(struct fixture *f)
{
	const char *log = fixture_file(f, "log");

	assert_lacks(log, "killed by SIGSEGV");
	assert_lacks(log, "killed by SIGABRT");
	assert_lacks(log, "killed by SIGBUS");
	assert_lacks(log, "aborting");
	assert_lacks(log, "Sanitizer");
	assert_lacks(log, "runtime error");
	assert_return_code(truncate(fixture_path(f, "log"), 0), errno);
}

/* ---- the commands -------------------------------------------------------------------------- */

static struct fifo *up; /* x says its PID */
static pid_t victim; /* of a command that kills */

struct command {
	const char *name;
	const char *before[3][8], *args[8], *undo[2][8]; /* before and undo work: there is memory */
	int status; /* when it succeeds */
	const char *state; /* of x, when it has succeeded; NULL: as before */
	const char *from, *to; /* what the file says besides, before and then */
	int kill; /* this signal to x in place of args */
	bool forks; /* needs a new forkserver */
};

static const struct command commands[] = {
	{ .name = "status", .args = { "status", "keep" } },
	{ .name = "show", .args = { "show", "keep" } },
	{ .name = "tree", .args = { "tree" } },
	{ .name = "start",
	  .before = { { "stop", "x" } },
	  .args = { "start", "x" },
	  .state = "RUNNING" },
	{ .name = "stop",
	  .before = { { "start", "x" } },
	  .args = { "stop", "x" },
	  .state = "STOPPED" },
	{ .name = "restart", .args = { "restart", "x" }, .state = "RUNNING" },
	{ .name = "signal", .args = { "signal", "CONT", "keep" } },
	{ .name = "crash", .before = { { "start", "x" } }, .kill = SIGKILL, .state = "RUNNING" },
	{ .name = "start forkserver",
	  .forks = true,
	  .before = { { "stop", "served" } },
	  .args = { "start", "served" } },
	{ .name = "define",
	  .args = { "start", "job", "--", "@child@", "exit", "3" },
	  .undo = { { "stop", "job" }, { "forget", "job" } } },
	{ .name = "define with much",
	  .args = { "start", "job", "--", "@child@", "exit", "3", "@large@" },
	  .undo = { { "stop", "job" }, { "forget", "job" } } },
	{ .name = "wait",
	  .before = { { "start", "job", "--", "@child@", "exit", "3" } },
	  .args = { "wait", "job" },
	  .status = 3 },
	{ .name = "forget",
	  .before = { { "start", "job", "--", "@child@", "exit", "3" }, { "wait", "job" } },
	  .args = { "forget", "job" } },
	{ .name = "run", .args = { "run", "-T", "--", "@child@", "exit", "3" }, .status = 3 },
	{ .name = "tail", .args = { "tail", "x" } },
	{ .name = "reread", .args = { "reread" } },
	{ .name = "reload more", .from = "", .to = changed, .args = { "reload" } },
	{ .name = "reload less", .from = changed, .to = "", .args = { "reload" } },
};

/* What is large does not fit into a message between supervisor and keeper. */
static const char *fill_in(struct fixture *f, const char *arg)
{
	static char large[100 * 1024];

	if (strcmp(arg, "@large@") == 0)
		return memset(large, 'x', sizeof large - 1);
	return strcmp(arg, "@child@") == 0 ? fixture_child(f) : arg;
}

static struct result ctl(struct fixture *f, const char *const *args)
{
	const char *filled[9] = { NULL };

	for (int i = 0; i < 8 && args[i]; i++)
		filled[i] = fill_in(f, args[i]);
	return fixture_ctl_argv(f, filled);
}

static void forget_what_was_said(struct fifo *fifo)
{
	char block[4096];

	while (read(fifo->fd, block, sizeof block) > 0)
		;
	buf_clear(&fifo->in);
}

static void say_in_config(struct fixture *f, const char *more)
{
	fixture_write_config(f, fixture_format(f, "%s%s", config, more));
}

static void kill_forkservers(struct fixture *f)
{
	pid_t pid;

	while ((pid = run_child_named(f->fosterd, "foster-forkserv", 0))) {
		kill(pid, SIGKILL);
		fixture_until_dead(f, pid);
	}
}

static void prepare(struct fixture *f, const struct command *c)
{
	if (c->from) {
		say_in_config(f, c->from);
		fixture_ctl_is(f, 0, NULL, NULL, "reload");
		say_in_config(f, c->to);
	}
	for (size_t i = 0; i < ARRAY_SIZE(c->before) && c->before[i][0]; i++)
		(void)ctl(f, c->before[i]);
	if (c->forks)
		kill_forkservers(f);
	if (c->kill)
		victim = fixture_pid(f, "x");
	forget_what_was_said(up);
}

static void undo(struct fixture *f, const struct command *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->undo) && c->undo[i][0]; i++)
		(void)ctl(f, c->undo[i]);
}

static void until(struct fixture *f, const char *name, const char *state)
{
	while (strcmp(fixture_state(f, name), state) != 0)
		(void)fixture_event(f, name);
}

/* It is stopped first. */
static void until_forgotten(struct fixture *f, const char *name)
{
	for (;;) {
		struct result r = fixture_ctl(f, "status", name);

		if (r.status == 4)
			return;
		if (strstr(r.out, "RUNNING"))
			fixture_fail(f, "%s runs on", name);
	}
}

/* What the command promises is so; who is tied to x is where x is. */
static void expect_truth(struct fixture *f, const struct command *c)
{
	if (c->state)
		until(f, "x", c->state);
	until(f, "tied", fixture_state(f, "x"));
	if (c->to && c->to[0])
		until(f, "more", "RUNNING");
	else if (c->to)
		until_forgotten(f, "more");
}

/* It has said in a line what went wrong. */
static void expect_reason(struct fixture *f, const struct result *r)
{
	const char *end = strchr(r->err, '\n');

	if (r->err_len < 10 || !end || end[1])
		fixture_fail(f, "failed with other than a line: %s", r->err);
}

/* The command itself; returns whether it says that it worked. */
static bool carry_out(struct fixture *f, const struct command *c)
{
	if (c->kill) {
		fixture_kill(victim, c->kill);
		(void)fixture_line(f, up); /* asking for its state would need memory */
		return true;
	}
	struct result r = ctl(f, c->args);
	if (r.status == c->status)
		return true;
	expect_reason(f, &r);
	return false;
}

/* Though it failed it may have been done, and only the answer was lost. */
static void repeat(struct fixture *f, const struct command *c)
{
	undo(f, c);
	if (!carry_out(f, c) && strcmp(c->name, "forget") != 0)
		fixture_fail(f, "%s does not work with memory either", c->name);
}

/* Returns whether as many calls were made that one has failed. */
static bool fail_once(struct fixture *f, const struct command *c, uint64_t number)
{
	prepare(f, c);
	run_out(number, number);
	bool worked = carry_out(f, c);
	bool failed = come_back() > 0;

	printf("# %s without memory at call %" PRIu64 ": %s\n", c->name, number,
	       worked ? "worked" : "failed");
	fixture_reconnect(f); /* to whoever is the supervisor now */
	if (!worked)
		repeat(f, c);
	expect_truth(f, c);
	expect_no_child_lost_or_doubled(f);
	expect_no_crash(f);
	undo(f, c);
	return failed;
}

static uint64_t count_calls(struct fixture *f, const struct command *c)
{
	prepare(f, c);
	run_out(0, 0);
	assert_true(carry_out(f, c));
	fixture_supervisor(f); /* what follows of it was done, too */
	uint64_t n = atomic_load(&memory->calls);
	undo(f, c);
	return n;
}

static void run_out_at_each_call(struct fixture *f, const struct command *c)
{
	uint64_t n = count_calls(f, c), stride = stride_of(n), failed = 0;

	for (uint64_t i = 1 + (uint64_t)(c - commands) % stride; i <= n; i += stride)
		failed += fail_once(f, c, i);
	printf("# %s: %" PRIu64 " calls, %" PRIu64 " made fail\n", c->name, n, failed);
}

static bool is_chosen(const struct command *c)
{
	const char *pattern = getenv("FAULT_COMMAND");

	return !pattern || fnmatch(pattern, c->name, 0) == 0;
}

static void while_commands_are_carried_out(struct fixture *f, const char *program)
{
	up = fixture_fifo(f, "up");
	preload(f, program);
	fixture_up(f, config);
	fixture_preload(f, NULL);
	pid_t keep = fixture_settle(f, "keep", "RUNNING");

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (is_chosen(&commands[i]))
			run_out_at_each_call(f, &commands[i]);
	expect_failures();
	assert_int_equal(fixture_pid(f, "keep"), keep);
	fixture_down(f);
}

static void the_keeper_goes_on_whatever_call_fails(void **state)
{
	while_commands_are_carried_out(*state, "fosterd");
}

static void a_supervisor_fails_in_order_whatever_call_fails(void **state)
{
	while_commands_are_carried_out(*state, "foster-supervisor");
}

/* ---- the beginning, and the next ----------------------------------------------------------- */

/* Many enough that the loop of the keeper, too, wants more memory than it began with. */
#define MANY 80
static const char many[] =
	"[include]\nfiles = in*/*.ini\n[program:many]\nnumprocs = 80\nprocess_name = %(process_num)d\n" HOLD;

static void expect_all_running(struct fixture *f)
{
	for (int i = 0; i < MANY; i++)
		until(f, fixture_format(f, "many:%d", i), "RUNNING");
	until(f, "included", "RUNNING");
	expect_no_child_lost_or_doubled(f);
}

/* Either it comes up, and all runs, or it has said why it cannot, and leaves nothing. */
static void boot(struct fixture *f, uint64_t number)
{
	fixture_write_file(f, "log", "");
	run_out(number, number);
	fixture_spawn(f, (const char *const[]){ "-c", fixture_path(f, "foster.ini"), NULL });
	bool ready = fixture_comes_up(f);
	come_back();
	if (ready) {
		fixture_reconnect(f);
		expect_all_running(f);
		fixture_down(f);
	} else {
		assert_in_range(fixture_gone(f), 1, 2);
		assert_contains(fixture_file(f, "log"), "annot");
		assert_contains(fixture_file(f, "log"), "memory");
	}
	expect_no_crash(f);
}

static void while_it_begins(struct fixture *f, const char *program)
{
	uint64_t n, stride;

	preload(f, program);
	fixture_write_config(f, many);
	assert_return_code(mkdir(fixture_path(f, "in"), 0755), errno);
	fixture_write_file(f, "in/x.ini",
			   fixture_format(f,
					  "[program:included]\ncommand = %s hold\nstartsecs = 0\n"
					  "restart_delay = 0.001\n",
					  fixture_child(f)));
	boot(f, 0);
	n = atomic_load(&memory->calls);
	stride = stride_of(n);
	for (uint64_t i = 1; i <= n; i += stride) {
		printf("# boot without memory at call %" PRIu64 " of %" PRIu64 "\n", i, n);
		boot(f, i);
	}
	expect_failures();
}

static void a_keeper_begins_or_says_why_not(void **state)
{
	while_it_begins(*state, "fosterd");
}

static void a_supervisor_begins_or_says_why_not(void **state)
{
	while_it_begins(*state, "foster-supervisor");
}

/* The next supervisor takes over, or the one after it. */
static void replace_supervisor(struct fixture *f, uint64_t number)
{
	pid_t old = fixture_supervisor(f);

	run_out(number, number);
	fixture_kill(old, SIGKILL);
	(void)fixture_ctl(f, "status", "keep");
	come_back();
	fixture_reconnect(f);
	assert_int_not_equal(fixture_supervisor(f), old);
}

static void every_call_of_the_next_supervisor_may_fail(void **state)
{
	struct fixture *f = *state;
	uint64_t n, stride;
	pid_t keep, x;

	up = fixture_fifo(f, "up");
	preload(f, "foster-supervisor");
	fixture_up(f, config);
	fixture_preload(f, NULL);
	fixture_ctl_is(f, 0, NULL, "", "start", "x");
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--", fixture_child(f), "hold");
	keep = fixture_settle(f, "keep", "RUNNING");
	x = fixture_pid(f, "x");
	replace_supervisor(f, 0);
	n = atomic_load(&memory->calls);
	stride = stride_of(n);
	for (uint64_t i = 1; i <= n; i += stride) {
		printf("# without memory at call %" PRIu64 " of %" PRIu64 "\n", i, n);
		replace_supervisor(f, i);
		assert_int_equal(fixture_pid(f, "keep"), keep);
		assert_int_equal(fixture_pid(f, "x"), x);
		until(f, "tied", "RUNNING");
		until(f, "job", "RUNNING");
		expect_no_child_lost_or_doubled(f);
	}
	expect_failures();
	expect_no_crash(f);
	fixture_down(f);
}

/* ---- none at all --------------------------------------------------------------------------- */

static void begin_with(struct fixture *f, const char *program, const char *text)
{
	preload(f, program);
	fixture_up(f, text);
	fixture_preload(f, NULL);
}

static void a_keeper_with_no_memory_at_all_replaces_its_parts(void **state)
{
	struct fixture *f = *state;

	up = fixture_fifo(f, "up");
	begin_with(f, "fosterd", config);
	fixture_ctl_is(f, 0, NULL, "", "start", "x");
	pid_t x = fixture_pid(f, "x"), keep = fixture_settle(f, "keep", "RUNNING");
	pid_t logger = fixture_logger(f), supervisor = fixture_supervisor(f);

	run_out(1, UINT64_MAX);
	fixture_kill(logger, SIGKILL);
	fixture_new_logger(f, logger);
	fixture_kill(supervisor, SIGKILL);
	fixture_new_supervisor(f, supervisor);
	fixture_kill(x, SIGKILL);
	fixture_until(f, "x", "BACKOFF");
	fixture_until(f, "x", "BACKOFF"); /* for want of memory */
	come_back();
	fixture_until(f, "x", "RUNNING");
	assert_int_equal(fixture_pid(f, "keep"), keep);
	expect_truth(f, &(struct command){ 0 });
	expect_no_child_lost_or_doubled(f);
	expect_no_crash(f);
	fixture_down(f);
}

static void supervisors_with_no_memory_at_all_are_followed_by_one_that_has(void **state)
{
	struct fixture *f = *state;

	begin_with(f, "foster-supervisor", config);
	pid_t keep = fixture_settle(f, "keep", "RUNNING"), old = fixture_supervisor(f);

	run_out(1, UINT64_MAX);
	fixture_kill(old, SIGKILL);
	while (atomic_load(&memory->failed) < 5) /* each dies of its first */
		usleep(1000);
	come_back();
	fixture_new_supervisor(f, old);
	assert_int_equal(fixture_pid(f, "keep"), keep);
	expect_no_child_lost_or_doubled(f);
	expect_no_crash(f);
	fixture_down(f);
}

/* ---- the logger ---------------------------------------------------------------------------- */

#define LINES 200

static void print_lines(struct fixture *f, uint64_t number)
{
	run_out(number, number);
	fixture_ctl_is(f, 0, NULL, "", "start", "job", "--", fixture_child(f), "lines",
		       fixture_format(f, "%d", LINES));
	fixture_ctl_is(f, 0, "", "", "wait", "job");
	struct result r = fixture_ctl(f, "tail", "-n", "1000", "job"); /* waits for the logger */
	come_back();
	assert_int_equal(r.out_len, LINES * 64);
	fixture_ctl_is(f, 0, NULL, "", "forget", "job");
}

static void no_line_is_lost_when_memory_fails_in_the_logger(void **state)
{
	struct fixture *f = *state;
	uint64_t n;

	begin_with(f, "foster-logger", "");
	print_lines(f, 0);
	n = atomic_load(&memory->calls);
	for (uint64_t i = 1; i <= n; i++)
		print_lines(f, i);
	expect_failures();
	expect_no_crash(f);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(the_keeper_goes_on_whatever_call_fails),
		fixture_test(a_supervisor_fails_in_order_whatever_call_fails),
		fixture_test(a_keeper_begins_or_says_why_not),
		fixture_test(a_supervisor_begins_or_says_why_not),
		fixture_test(every_call_of_the_next_supervisor_may_fail),
		fixture_test(a_keeper_with_no_memory_at_all_replaces_its_parts),
		fixture_test(supervisors_with_no_memory_at_all_are_followed_by_one_that_has),
		fixture_test(no_line_is_lost_when_memory_fails_in_the_logger),
	};

	int r = fixture_run(tests);

	printf("# did: %" PRIu64 " calls failed\n", n_failed_in_all);
	return r;
}
