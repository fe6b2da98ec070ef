/* fault_load.c - ten thousand children, ten thousand connections, a hundred thousand requests
 *
 * What is too many is refused in words, and what was there runs on. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define MANY 10000
#define SPARE_FDS 500 /* of any process, beside many children or connections */
#define MANY_DEADLINE_MS 60000 /* of a request for all of them */
#define CHURNING 50
#define IDLE_BYTES_MAX 1024 /* of the supervisor's memory for a connection that waits */
#define CLIENTS 100
#define REQUESTS 1000
#define FEW_FDS 600 /* the limit where descriptors run out */
#define KEPT_FDS 128 /* that the keeper does not give to processes: supervisor/budget.c */

/* ---- one request after another, by hand ----------------------------------------------------- */

static json_t *receive_on(struct fixture *f, struct varlink *v, int timeout_ms)
{
	json_t *reply = NULL;
	int r = varlink_receive(v, timeout_ms, &reply);

	if (r < 0)
		fixture_fail(f, "no answer: %s", strerror(-r));
	json_array_append_new(f->kept, reply);
	if (varlink_error(reply))
		fixture_fail(f, "answered with %s", varlink_error(reply));
	return json_object_get(reply, "parameters");
}

/* A request about many takes its time. */
static json_t *call_slow(struct fixture *f, const char *method, json_t *parameters)
{
	assert_int_equal(varlink_send(&f->calls, method, parameters, false, NULL, 0), 0);
	return receive_on(f, &f->calls, MANY_DEADLINE_MS);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void need_fds(rlim_t wanted)
{
	struct rlimit limit;

	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	if (limit.rlim_max < wanted)
		fixture_skip("the hard limit of RLIMIT_NOFILE is too low");
	limit.rlim_cur = limit.rlim_max;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
}

static long number_in(const char *path)
{
	char text[64];

	return fd_read_file(path, text, sizeof text) < 0 ? 0 : atol(text);
}

/* ---- ten thousand children ------------------------------------------------------------------ */

static void need_processes(long wanted)
{
	struct rlimit limit;

	if (number_in("/proc/sys/kernel/pid_max") < wanted)
		fixture_skip("kernel.pid_max is too low");
	if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur < (rlim_t)wanted)
		fixture_skip("RLIMIT_NPROC is too low");
}

/* All are in this state, none is missing; pids, if not NULL, gets theirs, in the order of the names. */
static void expect_all(struct fixture *f, const char *state, pid_t *pids)
{
	json_t *processes = json_object_get(call_slow(f, "Status", NULL), "processes");
	char name[16];

	assert_int_equal(json_array_size(processes), MANY);
	for (size_t i = 0; i < MANY; i++) {
		const json_t *p = json_array_get(processes, i);

		snprintf(name, sizeof name, "x:x%04zu", i);
		if (strcmp(text_of(p, "name"), name) != 0 ||
		    strcmp(text_of(p, "state"), state) != 0)
			fixture_fail(f, "%s is %s, not %s %s", text_of(p, "name"),
				     text_of(p, "state"), name, state);
		if (pids)
			pids[i] = (pid_t)number_of(p, "pid");
	}
	json_array_clear(f->kept);
}

static void ask_of_all(struct fixture *f, const char *method)
{
	json_t *outcomes = json_object_get(
		call_slow(f, method, json_pack("{s:[s]}", "names", "all")), "outcomes");

	assert_int_equal(json_array_size(outcomes), MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_string_equal(text_of(json_array_get(outcomes, i), "error"), "");
	json_array_clear(f->kept);
}

static int by_pid(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

static void expect_alive_and_distinct(struct fixture *f, const pid_t *pids)
{
	static pid_t sorted[MANY];

	memcpy(sorted, pids, sizeof sorted);
	qsort(sorted, MANY, sizeof *sorted, by_pid);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(run_parent_of(sorted[i]), f->fosterd);
		assert_true(run_alive(sorted[i]));
		assert_true(i == 0 || sorted[i] != sorted[i - 1]);
	}
}

/* Only these two have another PID than before. */
static void expect_two_changed(struct fixture *f, const pid_t *before, size_t one, size_t other)
{
	static pid_t now[MANY];

	expect_all(f, "RUNNING", now);
	for (size_t i = 0; i < MANY; i++)
		if ((now[i] != before[i]) != (i == one || i == other))
			fixture_fail(f, "x%04zu: pid %d, before %d", i, (int)now[i],
				     (int)before[i]);
}

static void ten_thousand_children_are_kept_each_for_itself(void **state)
{
	static pid_t pids[MANY];
	struct fixture *f = *state;

	need_fds(MANY + SPARE_FDS);
	need_processes(MANY + 2000);
	fixture_up(f, "[program:x]\nnumprocs = 10000\nprocess_name = x%(process_num)04d\n"
		      "autostart = false\nstartsecs = 0\nrestart_delay = 0\n"
		      "stdout_logfile = NONE\nstderr_logfile = NONE\ncommand = @child@ hold\n");
	int fds = run_count_fds(f->fosterd);

	ask_of_all(f, "Start");
	expect_all(f, "RUNNING", pids);
	expect_alive_and_distinct(f, pids);
	assert_true(run_count_fds(f->fosterd) <= fds + MANY + 16);

	fixture_reconnect(f); /* forgets twenty thousand events */
	fixture_call(f, "Restart", "{s:[{s:s}]}", "targets", "name", "x:x0042");
	fixture_kill(pids[4711], SIGKILL);
	fixture_until(f, "x:x4711", "RUNNING");
	expect_two_changed(f, pids, 42, 4711);

	ask_of_all(f, "Stop");
	expect_all(f, "STOPPED", NULL);
	assert_true(run_count_fds(f->fosterd) <= fds + 16);
	fixture_down(f);
}

/* Their ends are too many for the link to the supervisor, which reads nothing. */
static void a_signal_that_comes_with_the_ends_of_many_is_heard(void **state)
{
	struct fixture *f = *state;
	static pid_t children[3600];
	size_t n;

	need_fds(3500 + SPARE_FDS);
	need_processes(4000);
	fixture_up(f, "[foster]\nwatchdog = 0\n"
		      "[program:x]\nnumprocs = 3500\nprocess_name = %(process_num)d\n"
		      "autostart = false\nstartsecs = 0\nautorestart = false\n"
		      "stdout_logfile = NONE\nstderr_logfile = NONE\ncommand = @child@ hold\n");
	fixture_ctl_is(f, 0, NULL, "", "start", "x:*");
	pid_t supervisor = fixture_supervisor(f), logger = fixture_logger(f);
	fixture_kill(supervisor, SIGSTOP);
	n = run_children_of(f->fosterd, children, ARRAY_SIZE(children));
	for (size_t i = 0; i < n; i++)
		if (children[i] != supervisor && children[i] != logger)
			fixture_kill(children[i], SIGKILL);
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(f->fosterd, SIGTERM);
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(supervisor, SIGCONT);
	assert_int_equal(fixture_ended(f), 0);
	assert_lacks(fixture_file(f, "log"), "cannot send");
}

/* ---- ten thousand connections --------------------------------------------------------------- */

static int connections[MANY];

static void connect_all(struct fixture *f)
{
	for (size_t i = 0; i < MANY; i++) {
		struct varlink v;
		int r = varlink_open(&v, f->socket);

		if (r < 0)
			fixture_fail(f, "connection %zu: %s", i, strerror(-r));
		connections[i] = v.fd;
	}
}

static void close_all(void)
{
	for (size_t i = 0; i < MANY; i++)
		close(connections[i]);
}

/* A third asks for the parts, a third for one that stays, a third for one of those that churn. */
static const char *asked_about(struct fixture *f, size_t i)
{
	if (i % 3 == 0)
		return NULL;
	return i % 3 == 1 ? "stays" : fixture_format(f, "churn:churn%02zu", i % CHURNING);
}

static void ask_on_all(struct fixture *f)
{
	for (size_t i = 0; i < MANY; i++) {
		struct varlink v = { .fd = connections[i] };
		const char *name = asked_about(f, i);
		json_t *parameters = name ? json_pack("{s:[s]}", "names", name) : NULL;
		int r = varlink_send(&v, name ? "Status" : "Ping", parameters, false, NULL, 0);

		if (r < 0)
			fixture_fail(f, "request %zu: %s", i, strerror(-r));
	}
}

static void expect_answer(struct fixture *f, size_t i, const json_t *answer, pid_t stays)
{
	const json_t *p = json_array_get(json_object_get(answer, "processes"), 0);
	const char *name = asked_about(f, i);

	if (!name) {
		assert_int_equal(number_of(answer, "keeper"), f->fosterd);
		return;
	}
	assert_string_equal(text_of(p, "name"), name);
	if (i % 3 == 1) {
		assert_string_equal(text_of(p, "state"), "RUNNING");
		assert_int_equal(number_of(p, "pid"), stays);
	}
}

static void expect_all_answered(struct fixture *f, pid_t stays)
{
	for (size_t i = 0; i < MANY; i++) {
		struct varlink v = { .fd = connections[i] };

		expect_answer(f, i, receive_on(f, &v, FIXTURE_DEADLINE_MS), stays);
		buf_done(&v.in);
		json_array_clear(f->kept);
	}
}

static long long churned(struct fixture *f)
{
	long long n = 0;

	for (int i = 0; i < CHURNING; i++)
		n += number_of(fixture_show(f, fixture_format(f, "churn:churn%02d", i)),
			       "restarts");
	return n;
}

static void ten_thousand_connections_are_answered_while_children_churn(void **state)
{
	struct fixture *f = *state;

	need_fds(MANY + SPARE_FDS);
	fixture_up(f, "[program:stays]\nstartsecs = 0\ncommand = @child@ hold\n"
		      "[program:churn]\nnumprocs = 50\nprocess_name = churn%(process_num)02d\n"
		      "autostart = false\nautorestart = true\nstartsecs = 0\n"
		      "restart_delay = 0.01\nrestart_delay_max = 0.01\n"
		      "stdout_logfile = NONE\nstderr_logfile = NONE\n"
		      "command = @child@ sleep 50\n");
	pid_t stays = fixture_settle(f, "stays", "RUNNING");
	pid_t supervisor = fixture_supervisor(f);
	varlink_close(&f->events);

	long before_kb = run_status_kb(supervisor, "RssAnon");
	connect_all(f);
	ask_on_all(f);
	expect_all_answered(f, stays);
	long after_kb = run_status_kb(supervisor, "RssAnon");
	printf("# %ld bytes a connection\n", (after_kb - before_kb) * 1024 / MANY);
#ifndef __SANITIZE_ADDRESS__
	assert_true((after_kb - before_kb) * 1024 / MANY <= IDLE_BYTES_MAX);
#endif
	fixture_until_asleep(f, supervisor); /* no connection has a timer */

	fixture_call(f, "Start", "{s:[s]}", "names", "churn:*");
	long long restarts = churned(f);
	for (int round = 0; round < 3; round++) {
		ask_on_all(f);
		expect_all_answered(f, stays);
	}
	assert_true(churned(f) > restarts);
	fixture_call(f, "Stop", "{s:[s]}", "names", "churn:*");
	assert_int_equal(fixture_supervisor(f), supervisor); /* nobody had to replace it */
	close_all();
	fixture_down(f);
}

#define UNWATCHED "[foster]\nwatchdog = 0\n"

/* Of each process two pipes are let go, which is more than the logger's link holds. */
static void what_thousands_print_at_their_end_is_written_by_a_logger_that_was_stopped(void **state)
{
	struct fixture *f = *state;
	const int n = 4000;

	need_fds(3 * n + SPARE_FDS);
	fixture_up(f, UNWATCHED);
	varlink_close(&f->events);
	pid_t logger = fixture_logger(f);
	fixture_until_asleep(f, logger);
	fixture_until_asleep(f, f->fosterd);
	int keeper_fds = run_count_fds(f->fosterd), logger_fds = run_count_fds(logger);

	fixture_write_config(
		f, UNWATCHED
		"[program:x]\nnumprocs = 4000\nprocess_name = %(process_num)d\n"
		"startsecs = 0\ncommand = @child@ bye 15 /dev/stdout bye print up hold\n");
	assert_int_equal(fixture_ctl(f, "update").status, 0);
	for (int i = 0; i < n; i++)
		fixture_until_file(f, fixture_format(f, "run/log/x:%d-stdout.log", i), "up");
	fixture_kill(logger, SIGSTOP);
	fixture_write_config(f, UNWATCHED);
	assert_int_equal(fixture_ctl(f, "update").status, 0);
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(logger, SIGCONT);
	fixture_until_asleep(f, logger);
	fixture_until_asleep(f, f->fosterd);
	for (int i = 0; i < n; i++)
		assert_contains(fixture_file(f, fixture_format(f, "run/log/x:%d-stdout.log", i)),
				"bye");
	assert_int_equal(run_count_fds(logger), logger_fds);
	assert_int_equal(run_count_fds(f->fosterd), keeper_fds);
	fixture_down(f);
}

/* The logger is asked to write, first, what was printed; its link holds fewer such requests. */
static void ten_thousand_readers_are_answered_by_a_logger_that_was_stopped(void **state)
{
	struct fixture *f = *state;

	need_fds(MANY + SPARE_FDS);
	fixture_up(f, UNWATCHED "[program:says]\nstartsecs = 0\ncommand = @child@ print hello\n");
	fixture_settle(f, "says", "EXITED");
	varlink_close(&f->events);
	connect_all(f);
	pid_t logger = fixture_logger(f);
	fixture_kill(logger, SIGSTOP);
	for (size_t i = 0; i < MANY; i++) {
		struct varlink v = { .fd = connections[i] };

		assert_int_equal(varlink_send(&v, "ReadLog",
					      json_pack("{s:s,s:i,s:i}", "name", "says", "offset",
							0, "length", 5),
					      false, NULL, 0),
				 0);
	}
	fixture_until_asleep(f, fixture_supervisor(f));
	fixture_until_asleep(f, f->fosterd);
	fixture_kill(logger, SIGCONT);
	for (size_t i = 0; i < MANY; i++) {
		struct varlink v = { .fd = connections[i] };

		assert_string_equal(text_of(receive_on(f, &v, FIXTURE_DEADLINE_MS), "data"),
				    "hello");
		buf_done(&v.in);
		json_array_clear(f->kept);
	}
	close_all();
	fixture_down(f);
}

/* ---- a hundred clients ---------------------------------------------------------------------- */

/* What a client, a process of its own, knows of its own process. */
struct owner {
	struct varlink calls;
	char name[32];
	pid_t pid;
	long long incarnation;
};

/* In the client: one call. NULL when there is no answer, or an error. */
static json_t *call_of(struct owner *o, const char *method, json_t *parameters)
{
	json_t *reply = NULL;

	if (varlink_send(&o->calls, method, parameters, false, NULL, 0) < 0 ||
	    varlink_receive(&o->calls, FIXTURE_DEADLINE_MS, &reply) < 0)
		return NULL;
	if (!varlink_error(reply))
		return reply;
	printf("# %s: %s %s\n", o->name, method, varlink_error(reply));
	json_decref(reply);
	return NULL;
}

static json_t *first_of(const json_t *reply, const char *key)
{
	return json_array_get(json_object_get(json_object_get(reply, "parameters"), key), 0);
}

static bool restarts(struct owner *o)
{
	json_t *reply = call_of(o, "Restart", json_pack("{s:[{s:s}]}", "targets", "name", o->name));
	const json_t *outcome = first_of(reply, "outcomes");
	pid_t pid = (pid_t)number_of(outcome, "pid");
	bool good =
		pid > 0 && pid != o->pid && number_of(outcome, "incarnation") == ++o->incarnation;

	o->pid = pid;
	json_decref(reply);
	return good;
}

static bool has_status(struct owner *o)
{
	json_t *reply = call_of(o, "Status", json_pack("{s:[s]}", "names", o->name));
	const json_t *p = first_of(reply, "processes");
	bool good = strcmp(text_of(p, "name"), o->name) == 0 &&
		    strcmp(text_of(p, "state"), "RUNNING") == 0 && number_of(p, "pid") == o->pid;

	json_decref(reply);
	return good;
}

static bool is_shown(struct owner *o)
{
	json_t *reply = call_of(o, "Show", json_pack("{s:s}", "name", o->name));
	const json_t *p = json_object_get(json_object_get(reply, "parameters"), "process");
	bool good = number_of(p, "incarnation") == o->incarnation && number_of(p, "pid") == o->pid;

	json_decref(reply);
	return good;
}

static bool is_polled(struct owner *o)
{
	json_t *reply = call_of(o, "Poll", json_pack("{s:s}", "name", o->name));
	bool good = json_is_true(json_object_get(json_object_get(reply, "parameters"), "alive"));

	json_decref(reply);
	return good;
}

static bool request(struct owner *o, int number)
{
	if (number % 100 == 0)
		return restarts(o);
	switch (number % 3) {
	case 0:
		return has_status(o);
	case 1:
		return is_shown(o);
	default:
		return is_polled(o);
	}
}

_Noreturn static void become_client(struct fixture *f, int number)
{
	struct owner o = { .calls = { .fd = -1 } };

	snprintf(o.name, sizeof o.name, "x:x%02d", number);
	if (varlink_open(&o.calls, f->socket) < 0)
		_exit(1);
	for (int i = 0; i < REQUESTS; i++)
		if (!request(&o, i)) {
			printf("# %s: request %d was answered badly\n", o.name, i);
			fflush(stdout);
			_exit(2);
		}
	_exit(0);
}

static void a_hundred_clients_get_a_thousand_right_answers_each(void **state)
{
	struct fixture *f = *state;
	pid_t clients[CLIENTS];
	int status;

	fixture_up(f, "[program:x]\nnumprocs = 100\nprocess_name = x%(process_num)02d\n"
		      "autostart = false\nstartsecs = 0\nstdout_logfile = NONE\n"
		      "stderr_logfile = NONE\ncommand = @child@ hold\n");
	fflush(stdout);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = fork();
		assert_return_code(clients[i], errno);
		if (clients[i] == 0)
			become_client(f, i);
	}
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(run_wait(clients[i], MANY_DEADLINE_MS, &status), 0);
		assert_int_equal(status, 0);
	}
	fixture_down(f);
}

/* ---- descriptors run out -------------------------------------------------------------------- */

/* How many of outcomes are without an error; the others are refused for want of descriptors. */
static int n_started(const json_t *outcomes)
{
	int n = 0;

	for (size_t i = 0; i < json_array_size(outcomes); i++) {
		const json_t *o = json_array_get(outcomes, i);

		n += !*text_of(o, "error");
		if (*text_of(o, "error"))
			assert_contains(text_of(o, "reason"), "are in use and it needs 3");
	}
	return n;
}

static void as_many_processes_start_as_descriptors_allow(void **state)
{
	struct fixture *f = *state;

	f->nofile = FEW_FDS;
	fixture_up(f, "[program:x]\nnumprocs = 200\nprocess_name = x%(process_num)03d\n"
		      "autostart = false\nstartsecs = 0\nstartretries = 0\n"
		      "command = @child@ hold\n");
	json_t *reply = fixture_call(f, "Start", "{s:[s]}", "names", "all");
	/* a pidfd and two log pipes each */
	assert_int_equal(n_started(json_object_get(reply, "outcomes")), (FEW_FDS - KEPT_FDS) / 3);
	assert_true(run_count_fds(f->fosterd) <= FEW_FDS);

	/* One that ends, or is stopped, makes room for itself and for no more than that. */
	fixture_reconnect(f);
	fixture_kill(fixture_pid(f, "x:x000"), SIGKILL);
	fixture_until(f, "x:x000", "RUNNING");
	fixture_call(f, "Restart", "{s:[{s:s}]}", "targets", "name", "x:x001");
	assert_string_equal(fixture_state(f, "x:x001"), "RUNNING");
	assert_lacks(fixture_file(f, "log"), "Too many open files");
	fixture_down(f);
}

#define FEW                                                                                    \
	"process_name = %(process_num)d\nautostart = false\nstartsecs = 0\nstartretries = 0\n" \
	"command = @child@ hold\n"

/* What there was room for when they began to wait is gone when they are let in. */
static void who_waits_for_a_forkserver_is_told_when_descriptors_run_out(void **state)
{
	struct fixture *f = *state;
	json_t *reply = NULL;

	f->nofile = FEW_FDS;
	assert_return_code(mkfifo(fixture_path(f, "go"), 0600), errno);
	fixture_up(f, "[forkserver:slow]\n"
		      "command = sh -c 'read go <@dir@/go; exec @build@/foster-forkserver'\n"
		      "[program:x]\nnumprocs = 100\nstart_method = forkserver:slow\n" FEW
		      "[program:y]\nnumprocs = 100\n" FEW);
	assert_return_code(varlink_send(&f->calls, "Start", json_pack("{s:[s]}", "names", "x:*"),
					false, NULL, 0),
			   errno);
	fixture_until(f, "x:99", "STARTING");
	assert_int_equal(fixture_ctl(f, "start", "y:*").status, 0);
	auto_close int go = open(fixture_path(f, "go"), O_WRONLY | O_CLOEXEC);
	assert_return_code(go, errno);
	close_fd(&go);
	assert_int_equal(varlink_receive(&f->calls, FIXTURE_DEADLINE_MS, &reply), 0);
	json_t *outcomes = json_object_get(json_object_get(reply, "parameters"), "outcomes");
	assert_int_equal(json_array_size(outcomes), 100);
	assert_int_equal(n_started(outcomes), (FEW_FDS - KEPT_FDS - 2) / 3 - 100);
	json_decref(reply);
	fixture_down(f);
}

/* In the client: a process of its own session; then wait to be killed. */
_Noreturn static void become_session(struct fixture *f, int number, int said)
{
	struct varlink v;
	json_t *reply = NULL;
	char id[32], line[256];

	snprintf(id, sizeof id, "few-%d", number);
	if (varlink_open(&v, f->socket) < 0 ||
	    varlink_send(&v, "Define",
			 json_pack("{s:s, s:s, s:b, s:[s,s], s:{s:s,s:s}}", "id", id, "prefix", "s",
				   "transient", 1, "argv", fixture_child(f), "hold", "settings",
				   "stdout_logfile", "NONE", "stderr_logfile", "NONE"),
			 false, NULL, 0) < 0 ||
	    varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply) < 0)
		_exit(1);
	const char *error = varlink_error(reply);
	snprintf(line, sizeof line, "%s %s\n", error ? error : "defined",
		 text_of(json_object_get(reply, "parameters"), error ? "reason" : "name"));
	if (fd_write_all(said, line, strlen(line)) < 0)
		_exit(1);
	for (;;)
		pause();
}

static pid_t start_session(struct fixture *f, int number, int said)
{
	fflush(stdout);
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid == 0)
		become_session(f, number, said);
	return pid;
}

static void as_many_sessions_begin_as_descriptors_allow(void **state)
{
	const int allowed = (FEW_FDS - 64) / 4; /* of the supervisor: RPC_FDS_SHARE */
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");
	pid_t clients[FEW_FDS];

	f->nofile = FEW_FDS;
	fixture_up(f, "");
	for (int i = 0; i < allowed; i++) {
		clients[i] = start_session(f, i, said->fd);
		assert_contains(fixture_line(f, said), "defined s-");
	}
	clients[allowed] = start_session(f, allowed, said->fd);
	fixture_expect_line(f, said,
			    "LimitReached descriptors: 134 of 134 are in use and a session needs 1"
			    " (RLIMIT_NOFILE)");

	/* One that ends makes room for another. */
	fixture_reap(f, clients[0]);
	fixture_until(f, "s-1", "STOPPED");
	clients[0] = start_session(f, allowed + 1, said->fd);
	assert_contains(fixture_line(f, said), "defined s-");
	for (int i = 0; i <= allowed; i++)
		fixture_reap(f, clients[i]);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(ten_thousand_children_are_kept_each_for_itself),
		fixture_test(a_signal_that_comes_with_the_ends_of_many_is_heard),
		fixture_test(ten_thousand_connections_are_answered_while_children_churn),
		fixture_test(
			what_thousands_print_at_their_end_is_written_by_a_logger_that_was_stopped),
		fixture_test(ten_thousand_readers_are_answered_by_a_logger_that_was_stopped),
		fixture_test(a_hundred_clients_get_a_thousand_right_answers_each),
		fixture_test(as_many_processes_start_as_descriptors_allow),
		fixture_test(who_waits_for_a_forkserver_is_told_when_descriptors_run_out),
		fixture_test(as_many_sessions_begin_as_descriptors_allow),
	};

	return fixture_run(tests);
}
