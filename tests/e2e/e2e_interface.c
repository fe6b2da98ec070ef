/* e2e_interface.c - promises of org.foster.Supervisor that no command of fosterctl shows */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define WEB "[program:web]\n" HOLD

static struct varlink connect_to(struct fixture *f)
{
	struct varlink v;

	assert_int_equal(varlink_open(&v, f->socket), 0);
	return v;
}

/* The next reply, which must be no error; the caller owns it. */
static json_t *reply_of(struct fixture *f, struct varlink *v)
{
	json_t *reply = NULL;
	int r = varlink_receive(v, FIXTURE_DEADLINE_MS, &reply);

	if (r < 0)
		fixture_fail(f, "no reply: %s", strerror(-r));
	if (varlink_error(reply))
		fixture_fail(f, "error: %s", varlink_error(reply));
	return reply;
}

static json_t *member(const json_t *reply, const char *key)
{
	return json_object_get(json_object_get(reply, "parameters"), key);
}

static json_int_t int_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *outcome_error(const json_t *parameters)
{
	const json_t *outcome = json_array_get(json_object_get(parameters, "outcomes"), 0);

	return json_string_value(json_object_get(outcome, "error"));
}

/* ---- what may be repeated -------------------------------------------------------------------- */

static void a_repeated_define_returns_the_same_process(void **state)
{
	struct fixture *f = *state;
	const char *child = fixture_child(f);

	fixture_up(f, "");
	json_t *first =
		fixture_call(f, "Define", "{s:s,s:[s,s]}", "id", "one", "argv", child, "hold");
	json_t *again =
		fixture_call(f, "Define", "{s:s,s:[s,s]}", "id", "one", "argv", child, "hold");
	json_t *other =
		fixture_call(f, "Define", "{s:s,s:[s,s]}", "id", "two", "argv", child, "hold");
	assert_true(json_equal(first, again));
	assert_int_not_equal(int_of(first, "pid"), int_of(other, "pid"));
	fixture_down(f);
}

static void so_it_does_after_the_supervisor_has_died(void **state)
{
	struct fixture *f = *state;
	const char *child = fixture_child(f);

	fixture_up(f, "");
	json_t *first = fixture_call(f, "Define", "{s:s,s:s,s:[s,s]}", "id", "one", "name", "job",
				     "argv", child, "hold");
	pid_t supervisor = fixture_supervisor(f);
	assert_return_code(kill(supervisor, SIGKILL), errno);
	fixture_new_supervisor(f, supervisor);
	json_t *again = fixture_call(f, "Define", "{s:s,s:s,s:[s,s]}", "id", "one", "name", "job",
				     "argv", child, "hold");
	assert_true(json_equal(first, again));
	fixture_down(f);
}

static json_t *call_target(struct fixture *f, const char *method, json_int_t incarnation,
			   const char *signal)
{
	return fixture_call(f, method, "{s:[{s:s,s:I}],s:s*}", "targets", "name", "web",
			    "incarnation", incarnation, "signal", signal);
}

static void a_repeated_restart_restarts_once(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, WEB, "web");
	(void)call_target(f, "Restart", 1, NULL);
	pid_t pid = fixture_pid(f, "web");
	assert_null(outcome_error(call_target(f, "Restart", 1, NULL)));
	assert_int_equal(fixture_pid(f, "web"), pid);
	assert_null(outcome_error(call_target(f, "Restart", 2, NULL)));
	assert_int_not_equal(fixture_pid(f, "web"), pid);
	fixture_down(f);
}

static void a_signal_for_an_earlier_life_hits_nobody(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, WEB, "web");
	(void)call_target(f, "Restart", 1, NULL);
	pid_t pid = fixture_pid(f, "web");
	fixture_until(f, "web", "RUNNING");
	assert_null(outcome_error(call_target(f, "Signal", 1, "KILL")));
	fixture_expect_nothing(f, "web");
	assert_int_equal(fixture_pid(f, "web"), pid);
	fixture_down(f);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static void a_wait_for_any_ends_with_the_first(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, WEB "[program:db]\nautorestart = false\n" HOLD);
	fixture_settle(f, "db", "RUNNING");
	struct varlink v = connect_to(f);
	assert_int_equal(varlink_send(&v, "Wait",
				      json_pack("{s:[s,s],s:b}", "names", "web", "db", "any", 1),
				      false, NULL, 0),
			 0);
	kill(fixture_pid(f, "db"), SIGKILL);
	json_t *reply = reply_of(f, &v);
	json_t *end = json_array_get(member(reply, "ends"), 0);
	assert_string_equal(json_string_value(json_object_get(end, "name")), "db");
	assert_int_equal(int_of(end, "returncode"), -SIGKILL);
	assert_int_equal(json_array_size(member(reply, "ends")), 1);
	json_decref(reply);
	varlink_close(&v);
	fixture_down(f);
}

static void a_wait_that_times_out_tells_those_that_have_ended(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, WEB "[program:db]\nautostart = false\n" HOLD);
	json_t *r = fixture_call(f, "Wait", "{s:[s,s],s:f}", "names", "web", "db", "timeout", 0.01);
	assert_true(json_is_true(json_object_get(r, "timed_out")));
	assert_int_equal(json_array_size(json_object_get(r, "ends")), 1);
	fixture_down(f);
}

static void what_is_started_together_waits_for_its_parents(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\nautostart = false\nstartsecs = 0.1\ncommand = @child@ hold\n"
		      "[program:a]\nautostart = false\nparent = b\n" HOLD
		      "[program:b]\nautostart = false\nparent = web\n" HOLD);
	json_t *r = fixture_call(f, "Start", "{s:[s]}", "names", "a");
	assert_string_equal(outcome_error(r), "CannotStart");
	r = fixture_call(f, "Start", "{s:[s,s,s]}", "names", "a", "b", "web");
	assert_int_equal(json_array_size(json_object_get(r, "outcomes")), 3);
	assert_string_equal(fixture_state(f, "a"), "RUNNING");
	fixture_down(f);
}

static void who_waits_for_a_parent_that_fails_is_told(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:web]\nautostart = false\nstartretries = 0\ncommand = /no/such\n"
		      "[program:a]\nautostart = false\nparent = web\n" HOLD);
	json_t *r = fixture_call(f, "Start", "{s:[s,s]}", "names", "a", "web");
	json_t *outcomes = json_object_get(r, "outcomes");
	assert_int_equal(json_array_size(outcomes), 2);
	for (size_t i = 0; i < 2; i++)
		assert_non_null(json_object_get(json_array_get(outcomes, i), "error"));
	fixture_down(f);
}

static void the_end_of_a_transient_process_is_told_once(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_call(f, "Define", "{s:s,s:s,s:b,s:[s,s,s]}", "id", "1", "name", "job", "transient",
		     1, "argv", fixture_child(f), "exit", "3");
	json_t *r = fixture_call(f, "Wait", "{s:[s]}", "names", "job");
	assert_int_equal(int_of(json_array_get(json_object_get(r, "ends"), 0), "returncode"), 3);
	r = fixture_call_error(f, "Wait", "{s:[s]}", "names", "job");
	assert_string_equal(varlink_error(r), "NoSuchProcess");
	fixture_down(f);
}

static void what_was_asked_for_happens_without_the_client(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, WEB, "web");
	struct varlink v = connect_to(f);
	assert_int_equal(
		varlink_send(&v, "Stop", json_pack("{s:[s]}", "names", "web"), false, NULL, 0), 0);
	varlink_close(&v);
	fixture_until(f, "web", "STOPPED");
	fixture_down(f);
}

static void a_shutdown_tells_the_ends_that_it_brings(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, WEB, "web");
	struct varlink v = connect_to(f);
	assert_int_equal(
		varlink_send(&v, "Wait", json_pack("{s:[s]}", "names", "web"), false, NULL, 0), 0);
	fixture_call(f, "Shutdown", NULL);
	json_t *reply = reply_of(f, &v);
	json_t *end = json_array_get(member(reply, "ends"), 0);
	assert_int_equal(int_of(end, "returncode"), -SIGTERM);
	json_decref(reply);
	varlink_close(&v);
	assert_int_equal(fixture_gone(f), 0);
}

/* ---- descriptors ------------------------------------------------------------------------------ */

static void a_process_is_a_descriptor_that_tells_its_end(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, WEB, "web");
	struct varlink v = connect_to(f);
	assert_int_equal(
		varlink_send(&v, "OpenProcess", json_pack("{s:s}", "name", "web"), false, NULL, 0),
		0);
	json_t *reply = reply_of(f, &v);
	assert_int_equal(json_integer_value(member(reply, "pid")), fixture_pid(f, "web"));
	json_decref(reply);
	auto_close int pidfd = varlink_take_fd(&v);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	fixture_call(f, "Stop", "{s:[s]}", "names", "web");
	assert_int_equal(poll(&p, 1, FIXTURE_DEADLINE_MS), 1);
	varlink_close(&v);
	fixture_down(f);
}

static const char *log_data(struct fixture *f, json_int_t offset, json_int_t length)
{
	json_t *r = fixture_call(f, "ReadLog", "{s:s,s:I,s:I}", "name", "web", "offset", offset,
				 "length", length);

	return json_string_value(json_object_get(r, "data"));
}

static void a_log_is_read_from_either_end(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(f, "[program:web]\nstartsecs = 0\n"
		      "command = @child@ print 0123456789 say @dir@/said up hold\n");
	fixture_expect_line(f, said, "up");
	struct varlink v = connect_to(f);
	assert_int_equal(varlink_send(&v, "OpenLog",
				      json_pack("{s:s,s:b}", "name", "web", "follow", 1), true,
				      NULL, 0),
			 0);
	json_t *reply = reply_of(f, &v);
	while (json_integer_value(member(reply, "size")) < 11) { /* on its way through the logger */
		json_decref(reply);
		reply = reply_of(f, &v);
	}
	json_decref(reply);
	assert_string_equal(log_data(f, 0, 4), "0123");
	assert_string_equal(log_data(f, -4, 100), "789\n");
	assert_string_equal(log_data(f, -100, 2), "01");
	assert_string_equal(log_data(f, 100, 2), "");
	varlink_close(&v);
	fixture_down(f);
}

static void a_log_is_followed_before_it_exists(void **state)
{
	struct fixture *f = *state;
	char text[16] = "";

	fixture_up(f, "[program:web]\nstartsecs = 0\nautostart = false\n"
		      "command = @child@ print hello hold\n");
	struct varlink v = connect_to(f);
	assert_int_equal(varlink_send(&v, "OpenLog",
				      json_pack("{s:s,s:b}", "name", "web", "follow", 1), true,
				      NULL, 0),
			 0);
	json_decref(reply_of(f, &v));
	assert_int_equal(varlink_take_fd(&v), -1);
	fixture_call(f, "Start", "{s:[s]}", "names", "web");
	auto_close int fd = -1;
	while (fd < 0 || pread(fd, text, sizeof text - 1, 0) < 6) {
		json_decref(reply_of(f, &v));
		if (fd < 0)
			fd = varlink_take_fd(&v);
	}
	assert_string_equal(text, "hello\n");
	varlink_close(&v);
	fixture_down(f);
}

/* ---- streams ---------------------------------------------------------------------------------- */

static void events_are_of_the_names_that_were_given_also_of_later_ones(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, WEB, "web");
	struct varlink v = connect_to(f);
	assert_int_equal(
		varlink_send(&v, "Events", json_pack("{s:[s]}", "names", "job-*"), true, NULL, 0),
		0);
	json_decref(reply_of(f, &v));
	fixture_call(f, "Stop", "{s:[s]}", "names", "web");
	fixture_call(f, "Define", "{s:s,s:s,s:[s,s]}", "id", "1", "name", "job-1", "argv",
		     fixture_child(f), "hold");
	json_t *reply = reply_of(f, &v);
	const json_t *event = member(reply, "event");
	assert_string_equal(json_string_value(json_object_get(event, "name")), "job-1");
	assert_string_equal(json_string_value(json_object_get(event, "to")), "STARTING");
	assert_int_equal(int_of(event, "incarnation"), 1);
	json_decref(reply);
	varlink_close(&v);
	fixture_down(f);
}

/* The next event of a stream; where it has a number, it goes on after that. */
static const json_t *next_event(struct fixture *f, struct varlink *v)
{
	json_t *reply = reply_of(f, v);

	json_array_append_new(f->kept, reply);
	return member(reply, "event");
}

static struct varlink stream_after(struct fixture *f, json_int_t after)
{
	struct varlink v = connect_to(f);

	assert_int_equal(
		varlink_send(&v, "Events", json_pack("{s:I}", "after", after), true, NULL, 0), 0);
	json_t *reply = reply_of(f, &v);
	assert_int_equal(json_integer_value(member(reply, "number")), after);
	json_decref(reply);
	return v;
}

static void who_comes_back_to_the_events_is_told_what_has_changed_since(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "[program:a]\n" HOLD "[program:b]\n" HOLD
		      "[program:never]\nautostart = false\n" HOLD);
	fixture_settle(f, "a", "RUNNING");
	fixture_settle(f, "b", "RUNNING");
	struct varlink v = stream_after(f, 0);
	const json_t *first = next_event(f, &v), *second = next_event(f, &v);
	assert_string_equal(json_string_value(json_object_get(first, "from")), "UNKNOWN");
	assert_string_equal(json_string_value(json_object_get(second, "to")), "RUNNING");
	assert_true(int_of(second, "number") > int_of(first, "number"));
	varlink_close(&v);

	const char *later = json_string_value(json_object_get(second, "name"));
	v = stream_after(f, int_of(first, "number"));
	assert_string_equal(json_string_value(json_object_get(next_event(f, &v), "name")), later);
	varlink_close(&v);

	v = stream_after(f, int_of(second, "number"));
	fixture_call(f, "Signal", "{s:[{s:s}],s:s}", "targets", "name", later, "signal", "KILL");
	const json_t *third = next_event(f, &v);
	assert_string_equal(json_string_value(json_object_get(third, "from")), "RUNNING");
	assert_true(int_of(third, "number") > int_of(second, "number"));
	varlink_close(&v);
	fixture_down(f);
}

static void a_stream_must_be_asked_for(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, WEB);
	json_t *r = fixture_call_error(f, "Events", NULL);
	assert_string_equal(varlink_error(r), "ExpectedMore");
	fixture_down(f);
}

static void the_secrets_of_a_forgotten_process_go_with_it(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_call(f, "Define", "{s:s,s:s,s:[s,s,s]}", "id", "1", "name", "job", "argv",
		     fixture_child(f), "print", "secret");
	fixture_until(f, "job", "EXITED");
	struct varlink v = connect_to(f);
	assert_int_equal(varlink_send(&v, "OpenLog",
				      json_pack("{s:s,s:b}", "name", "job", "follow", 1), true,
				      NULL, 0),
			 0);
	json_t *reply = reply_of(f, &v);
	while (json_integer_value(member(reply, "size")) < 7) {
		json_decref(reply);
		reply = reply_of(f, &v);
	}
	json_decref(reply);
	varlink_close(&v);
	fixture_call(f, "Forget", "{s:[s]}", "names", "job");
	fixture_call(f, "Define", "{s:s,s:s,s:[s,s]}", "id", "2", "name", "job", "argv",
		     fixture_child(f), "hold");
	json_t *r = fixture_call(f, "ReadLog", "{s:s,s:i,s:i}", "name", "job", "offset", 0,
				 "length", 100);
	assert_string_equal(json_string_value(json_object_get(r, "data")), "");
	fixture_down(f);
}

/* Its successor has done what it was told first when it has written what it was told later. */
static void what_was_in_the_pipe_of_a_forgotten_process_is_written_by_no_logger(void **state)
{
	struct fixture *f = *state;

	fixture_up(
		f,
		"[foster]\nwatchdog = 0\n[program:later]\nautostart = false\n"
		"stdout_logfile = @dir@/later.log\nstartsecs = 0\ncommand = @child@ print text\n");
	pid_t logger = fixture_logger(f);
	fixture_kill(logger, SIGSTOP);
	fixture_call(f, "Define", "{s:s,s:s,s:[s,s,s]}", "id", "1", "name", "job", "argv",
		     fixture_child(f), "print", "secret");
	fixture_until(f, "job", "EXITED");
	fixture_call(f, "Forget", "{s:[s]}", "names", "job");
	fixture_kill(logger, SIGKILL);
	fixture_call(f, "Start", "{s:[s]}", "names", "later");
	fixture_until_file(f, "later.log", "text\n");
	assert_int_equal(access(fixture_path(f, "run/log/job-stdout.log"), F_OK), -1);
	fixture_down(f);
}

/* More than the logger is asked for at a time: the rest is asked for when there is no such slot any more. */
static void who_waits_for_the_log_of_a_forgotten_process_is_told(void **state)
{
	struct fixture *f = *state;
	struct varlink readers[100];

	fixture_up(f, "[foster]\nwatchdog = 0\n");
	fixture_call(f, "Define", "{s:s,s:s,s:[s,s,s]}", "id", "1", "name", "job", "argv",
		     fixture_child(f), "print", "text");
	fixture_until(f, "job", "EXITED");
	pid_t logger = fixture_logger(f);
	fixture_kill(logger, SIGSTOP);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i] = connect_to(f);
		assert_int_equal(varlink_send(&readers[i], "ReadLog",
					      json_pack("{s:s,s:i,s:i}", "name", "job", "offset", 0,
							"length", 5),
					      false, NULL, 0),
				 0);
	}
	fixture_until_asleep(f, fixture_supervisor(f));
	fixture_call(f, "Forget", "{s:[s]}", "names", "job");
	fixture_kill(logger, SIGCONT);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		json_t *reply = NULL;

		assert_int_equal(varlink_receive(&readers[i], FIXTURE_DEADLINE_MS, &reply), 0);
		assert_string_equal(varlink_error(reply), "NoSuchProcess");
		json_decref(reply);
		varlink_close(&readers[i]);
	}
	fixture_down(f);
	assert_lacks(fixture_file(f, "log"), "refused");
}

static void who_takes_a_name_gets_no_log_that_was_left_of_another(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	fixture_write_file(f, "run/log/job-stdout.log", "secret\n");
	fixture_write_file(f, "run/log/job-stderr.log.1", "secret\n");
	fixture_call(f, "Define", "{s:s,s:s,s:[s,s]}", "id", "1", "name", "job", "argv",
		     fixture_child(f), "hold");
	assert_int_equal(access(fixture_path(f, "run/log/job-stdout.log"), F_OK), -1);
	assert_int_equal(access(fixture_path(f, "run/log/job-stderr.log.1"), F_OK), -1);
	fixture_down(f);
}

/* ---- what the description says --------------------------------------------------------------- */

/* Every member of object is one of that type in text. */
static void expect_described(struct fixture *f, const char *text, const char *type, json_t *object)
{
	const char *begin = strstr(text, fixture_format(f, "\ntype %s (\n", type));
	const char *end = begin ? strstr(begin, "\n)\n") : NULL;
	const char *key;
	json_t *value;

	if (!end)
		fixture_fail(f, "there is no type %s", type);
	json_object_foreach(object, key, value)
	{
		const char *found = strstr(begin, fixture_format(f, "\n  %s: ", key));

		if (!found || found > end)
			fixture_fail(f, "type %s has no %s", type, key);
	}
	assert_true(json_object_size(object) > 0);
}

static void a_process_has_no_member_that_is_not_described(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, WEB "[program:kid]\nparent = web\n" HOLD, "web");
	json_t *d = fixture_call(f, "org.varlink.service.GetInterfaceDescription", "{s:s}",
				 "interface", "org.foster.Supervisor");
	const char *text = json_string_value(json_object_get(d, "description"));
	for (int lives = 0; lives < 2; lives++) { /* the first has no end before it */
		json_t *status = fixture_call(f, "Status", NULL),
		       *tree = fixture_call(f, "Tree", NULL);

		expect_described(f, text, "Process", fixture_show(f, "web"));
		expect_described(f, text, "Process", fixture_show(f, "kid"));
		expect_described(f, text, "Status",
				 json_array_get(json_object_get(status, "processes"), 0));
		expect_described(f, text, "Node",
				 json_array_get(json_object_get(tree, "nodes"), 0));
		fixture_call(f, "Restart", "{s:[{s:s}]}", "targets", "name", "web");
	}
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_repeated_define_returns_the_same_process),
		fixture_test(so_it_does_after_the_supervisor_has_died),
		fixture_test(a_repeated_restart_restarts_once),
		fixture_test(a_signal_for_an_earlier_life_hits_nobody),
		fixture_test(a_wait_for_any_ends_with_the_first),
		fixture_test(a_wait_that_times_out_tells_those_that_have_ended),
		fixture_test(what_is_started_together_waits_for_its_parents),
		fixture_test(who_waits_for_a_parent_that_fails_is_told),
		fixture_test(the_end_of_a_transient_process_is_told_once),
		fixture_test(what_was_asked_for_happens_without_the_client),
		fixture_test(a_shutdown_tells_the_ends_that_it_brings),
		fixture_test(a_process_is_a_descriptor_that_tells_its_end),
		fixture_test(a_log_is_read_from_either_end),
		fixture_test(a_log_is_followed_before_it_exists),
		fixture_test(events_are_of_the_names_that_were_given_also_of_later_ones),
		fixture_test(who_comes_back_to_the_events_is_told_what_has_changed_since),
		fixture_test(a_stream_must_be_asked_for),
		fixture_test(the_secrets_of_a_forgotten_process_go_with_it),
		fixture_test(what_was_in_the_pipe_of_a_forgotten_process_is_written_by_no_logger),
		fixture_test(who_waits_for_the_log_of_a_forgotten_process_is_told),
		fixture_test(who_takes_a_name_gets_no_log_that_was_left_of_another),
		fixture_test(a_process_has_no_member_that_is_not_described),
	};

	return fixture_run(tests);
}
