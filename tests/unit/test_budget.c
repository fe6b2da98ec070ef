/* Descriptors are counted before they are needed. */
#include "daemon/supervisor/budget.h"

#include <ev.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/front.h"

#define RESERVED 128 /* what the keeper keeps for itself */

/* One of each cost; all output of [foster] goes to log pipes unless told otherwise. */
static const char text[] =
	"[program:both]\ncommand = x\n"
	"[program:one]\ncommand = x\nredirect_stderr = true\nstderr_logfile = /err\n"
	"[program:none]\ncommand = x\nstdout_logfile = NONE\nstderr_logfile = NONE\n"
	"[program:journal]\ncommand = x\nstdout_logfile = journal\nstderr_logfile = journal\n"
	"[program:own]\ncommand = x\nstdout_logfile = /dev/stdout\nstderr_logfile = /dev/stderr\n"
	"[program:files]\ncommand = x\nstdout_logfile = /out\nstderr_logfile = /err\n"
	"[program:quiet]\ncommand = x\nstdout_logfile = NONE\nstderr_logfile = NONE\n"
	"redirect_stderr = true\n";

static int setup(void **state)
{
	*state = front_new(text);
	return 0;
}

static int teardown(void **state)
{
	front_free(*state);
	return 0;
}

/* p runs, with its pipes. */
static void run(struct process *p)
{
	front_state(p, PROCESS_RUNNING, 77);
	p->logs_sent = p->executed = true;
}

/* p's main process has ended; its pipes stay with its slot. */
static void end(struct process *p)
{
	front_state(p, PROCESS_EXITED, 0);
}

/* Whether name may start where the keeper may have nofile descriptors. */
static bool may_start(struct supervisor *s, const char *name, uint64_t nofile)
{
	auto_free char *reason = NULL;
	struct budget b = { 0 };
	int r;

	s->keeper.nofile = nofile;
	r = budget_take(&b, process_find(s, name), &reason);
	assert_true(r == 0 || r == -EMFILE);
	assert_true((r == 0) == (reason == NULL));
	return r == 0;
}

/* The fewest descriptors with which name may start. */
static uint64_t needed(struct supervisor *s, const char *name)
{
	uint64_t n = 0;

	while (!may_start(s, name, n))
		assert_true(++n < 1000);
	return n;
}

/* ---- cost ---------------------------------------------------------------------------------- */

static void a_process_costs_a_pidfd_and_its_pipes(void **state)
{
	static const struct {
		const char *name;
		unsigned cost;
	} all[] = { { "both", 3 }, { "one", 2 },   { "none", 1 }, { "journal", 1 },
		    { "own", 3 },  { "files", 3 }, { "quiet", 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(budget_cost(process_find(*state, all[i].name)), all[i].cost);
}

static void a_stdin_that_stays_open_costs_one_more(void **unused)
{
	struct supervisor *s = front_new("[supervisord]\n[program:x]\ncommand = x\n");

	(void)unused;
	assert_int_equal(budget_cost(process_find(s, "x")), 4);
	front_free(s);
}

static void what_brings_its_own_descriptors_costs_a_pidfd_alone(void **state)
{
	struct process *p = front_define(*state, "run-1", 0);

	assert_int_equal(budget_cost(p), 3);
	p->client->stdio[0] = 5; /* a number; nothing is done with it */
	assert_int_equal(budget_cost(p), 1);
}

static void a_forkserver_costs_its_socket_too(void **state)
{
	struct process *p = process_find(*state, "none");

	p->origin = PROCESS_SERVER;
	assert_int_equal(budget_cost(p), 2);
}

/* ---- sessions ------------------------------------------------------------------------------ */

static bool may_have_session(struct supervisor *s, uint64_t nofile)
{
	auto_free char *reason = NULL;
	int r;

	s->keeper.nofile = nofile;
	r = budget_check_session(s, &reason);
	assert_true(r == 0 || r == -EMFILE);
	assert_true((r == 0) == (reason == NULL));
	return r == 0;
}

static void a_session_costs_one(void **state)
{
	struct supervisor *s = *state;

	assert_true(may_have_session(s, RESERVED + 1));
	assert_false(may_have_session(s, RESERVED));
	run(process_find(s, "both"));
	assert_true(may_have_session(s, RESERVED + 4));
	assert_false(may_have_session(s, RESERVED + 3));
	end(process_find(s, "both"));
	assert_true(may_have_session(s, RESERVED + 3));
}

static void sessions_count(void **state)
{
	struct supervisor *s = *state;
	struct process *p = front_define(s, "run-1", 0);
	auto_free char *reason = NULL;
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	auto_close int keeper = -1;
	int ours;

	if (pidfd < 0) /* under valgrind */
		skip();
	assert_int_equal(link_pair(&ours, &keeper), 0);
	s->loop = ev_loop_new(EVFLAG_AUTO);
	assert_int_equal(keeper_open(s, ours), 0);
	session_attach(session_of(s, getpid(), pidfd), p);
	assert_int_equal(needed(s, "none"), RESERVED + 1 + 1);
	assert_false(may_have_session(s, RESERVED + 1));
	s->keeper.nofile = RESERVED + 1;
	assert_int_equal(budget_check_session(s, &reason), -EMFILE);
	assert_string_equal(reason, "descriptors: 129 of 129 are in use and a session needs 1"
				    " (RLIMIT_NOFILE)");
	session_detach(p);
	assert_int_equal(needed(s, "none"), RESERVED + 1);
	ev_io_stop(s->loop, &s->on_link);
	link_done(&s->link);
	free(s->backlog);
	ev_loop_destroy(s->loop);
}

/* ---- refusal ------------------------------------------------------------------------------- */

static void a_start_is_refused_from_one_too_few_on(void **state)
{
	struct supervisor *s = *state;

	assert_false(may_start(s, "both", 0));
	assert_false(may_start(s, "both", RESERVED + 2));
	assert_true(may_start(s, "both", RESERVED + 3));
	assert_true(may_start(s, "none", RESERVED + 1));
	assert_true(may_start(s, "both", UINT64_MAX));
}

static void a_refusal_names_what_is_used_what_there_is_and_what_it_needs(void **state)
{
	struct supervisor *s = *state;
	struct budget b = { 0 };
	char *reason = NULL;

	run(process_find(s, "one"));
	s->keeper.nofile = RESERVED + 4;
	assert_int_equal(budget_take(&b, process_find(s, "both"), &reason), -EMFILE);
	assert_string_equal(reason, "descriptors: 130 of 132 are in use and it needs 3"
				    " (RLIMIT_NOFILE)");
	free(reason);
}

static void what_runs_counts(void **state)
{
	struct supervisor *s = *state;

	assert_int_equal(needed(s, "none"), RESERVED + 1);
	run(process_find(s, "both"));
	assert_int_equal(needed(s, "none"), RESERVED + 1 + 3);
	run(process_find(s, "journal"));
	assert_int_equal(needed(s, "none"), RESERVED + 1 + 3 + 1);
}

static void what_is_alive_counts_whatever_it_does(void **state)
{
	static const enum process_state alive[] = { PROCESS_STARTING, PROCESS_RUNNING,
						    PROCESS_STOPPING };
	struct supervisor *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(alive); i++) {
		front_state(process_find(s, "both"), alive[i], 77);
		process_find(s, "both")->executed = true;
		assert_int_equal(needed(s, "none"), RESERVED + 1 + 3);
	}
}

/* ---- a row of starts ----------------------------------------------------------------------- */

static void ask_to_start(struct process *p)
{
	front_state(p, PROCESS_STARTING, 0);
	p->spawn_queued = true;
}

static void what_is_taken_counts_at_once(void **state)
{
	struct supervisor *s = *state;
	struct budget b = { 0 };
	auto_free char *reason = NULL;
	struct process *both = process_find(s, "both"), *files = process_find(s, "files");

	s->keeper.nofile = RESERVED + 6;
	ask_to_start(both);
	ask_to_start(files);
	assert_int_equal(budget_take(&b, both, &reason), 0);
	assert_int_equal(b.used, RESERVED + 3);
	both->spawn_queued = false;
	both->executed = true;
	assert_int_equal(budget_take(&(struct budget){ 0 }, files, &reason), 0);
	s->keeper.nofile--;
	assert_int_equal(budget_take(&b, files, &reason), -EMFILE);
}

/* A careful spawn has a report pipe until it has executed; many of them at once ate what is counted. */
static void the_last_waits_until_the_others_have_executed(void **state)
{
	struct supervisor *s = *state;
	struct process *both = process_find(s, "both"), *files = process_find(s, "files");
	auto_free char *reason = NULL;
	struct budget b = { 0 };

	s->keeper.nofile = RESERVED + 6;
	ask_to_start(both);
	ask_to_start(files);
	assert_int_equal(budget_take(&b, both, &reason), 0);
	both->spawn_queued = false;
	assert_int_equal(budget_take(&b, files, &reason), -EAGAIN);
	assert_int_equal(budget_take(&(struct budget){ 0 }, files, &reason), -EAGAIN);
	both->executed = true;
	assert_int_equal(budget_take(&(struct budget){ 0 }, files, &reason), 0);
	assert_null(reason);
}

/* ---- given back ---------------------------------------------------------------------------- */

static void an_end_gives_the_pidfd_back_and_keeps_the_pipes(void **state)
{
	struct supervisor *s = *state;

	run(process_find(s, "both"));
	end(process_find(s, "both"));
	assert_int_equal(needed(s, "none"), RESERVED + 1 + 2);
	run(process_find(s, "journal"));
	end(process_find(s, "journal")); /* it has none to keep */
	assert_int_equal(needed(s, "none"), RESERVED + 1 + 2);
}

static void what_was_never_started_costs_nothing(void **state)
{
	struct supervisor *s = *state;

	end(process_find(s, "both"));
	front_state(process_find(s, "files"), PROCESS_BACKOFF, 0);
	front_state(process_find(s, "own"), PROCESS_FATAL, 0);
	assert_int_equal(needed(s, "none"), RESERVED + 1);
}

static void what_waits_for_its_spawn_costs_nothing_yet(void **state)
{
	struct supervisor *s = *state;
	struct process *p = process_find(s, "both");

	front_state(p, PROCESS_STARTING, 0);
	p->spawn_queued = true;
	assert_int_equal(needed(s, "none"), RESERVED + 1);
	p->spawn_queued = false;
	p->wait_server = true;
	assert_int_equal(needed(s, "none"), RESERVED + 1);
	p->wait_server = false;
	p->executed = true;
	assert_int_equal(needed(s, "none"), RESERVED + 1 + 3);
}

/* Else a process that fills the limit could never be restarted. */
static void a_restart_needs_no_more_than_the_start_did(void **state)
{
	struct supervisor *s = *state;
	struct process *p = process_find(s, "both");
	uint64_t first = needed(s, "both");

	run(p);
	end(p);
	assert_int_equal(needed(s, "both"), first);
	front_state(p, PROCESS_STARTING, 0); /* as it is when the check is made */
	assert_int_equal(needed(s, "both"), first);
}

/* Far from the limit nothing is counted; that shortcut may let nothing pass that counting would not. */
static void not_counting_allows_no_more_than_counting(void **unused)
{
	char many[16384] = "[supervisord]\n";
	size_t len = strlen(many);
	struct supervisor *s;

	(void)unused;
	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(many + len, sizeof many - len,
					"[program:p%d]\ncommand = x\n", i);
	assert_true(len < sizeof many);
	s = front_new(many);
	for (struct process *p = s->processes; p; p = p->by_name.next) {
		p->origin = PROCESS_SERVER; /* the dearest there is: five */
		run(p);
	}
	assert_int_equal(budget_cost(process_find(s, "p0")), 5);
	assert_true(may_start(s, "p0", RESERVED + 100 * 5));
	assert_false(may_start(s, "p0", RESERVED + 100 * 5 - 1));
	front_free(s);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_process_costs_a_pidfd_and_its_pipes),
		cmocka_unit_test(a_stdin_that_stays_open_costs_one_more),
		test(what_brings_its_own_descriptors_costs_a_pidfd_alone),
		test(a_forkserver_costs_its_socket_too),
		test(a_session_costs_one),
		test(sessions_count),
		test(a_start_is_refused_from_one_too_few_on),
		test(a_refusal_names_what_is_used_what_there_is_and_what_it_needs),
		test(what_runs_counts),
		test(what_is_alive_counts_whatever_it_does),
		test(what_is_taken_counts_at_once),
		test(the_last_waits_until_the_others_have_executed),
		test(an_end_gives_the_pidfd_back_and_keeps_the_pipes),
		test(what_was_never_started_costs_nothing),
		test(what_waits_for_its_spawn_costs_nothing_yet),
		test(a_restart_needs_no_more_than_the_start_did),
		cmocka_unit_test(not_counting_allows_no_more_than_counting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
