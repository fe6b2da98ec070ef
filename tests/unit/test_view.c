/* What clients are told of a process. */
#include "daemon/supervisor/view.h"

#include <jansson.h>
#include <signal.h>

#include "daemon/base/clock.h"
#include "tests/unit/front.h"

#define EXITED(code) ((code) << 8)

static const char text[] = "[program:web]\ncommand = /bin/sleep 1000\n"
			   "environment = SECRET=\"x\"\ndirectory = /\nredirect_stderr = true\n"
			   "[program:kid]\ncommand = sleep 1\nparent = web\n"
			   "stdout_logfile = NONE\nstderr_logfile = /var/log/kid.err\n";

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

static void end_with(struct process *p, enum process_end_kind kind, int status)
{
	p->end = (struct process_end){ .kind = kind, .status = status };
}

/* What a writer of text has written, read back as any client would. */
static json_t *parsed(struct buf *b)
{
	json_t *json;

	assert_int_equal(buf_error(b), 0);
	json = json_loadb(b->data, b->len, 0, NULL);
	buf_done(b);
	assert_non_null(json);
	return json;
}

static json_t *status_of(const struct process *p)
{
	const struct view_now now = { .boot_ns = 100 * NS_PER_S, .real_ns = 5000 * NS_PER_S };
	struct buf b = { 0 };

	view_status(&b, p, &now);
	return parsed(&b);
}

static void assert_json(json_t *json, const char *expected)
{
	json_t *want = json_loads(expected, 0, NULL);

	assert_non_null(want);
	if (!json_equal(json, want)) {
		char *got = json_dumps(json, 0);

		print_error("got %s, expected %s\n", got, expected);
		free(got);
		fail();
	}
	json_decref(want);
	json_decref(json);
}

/* ---- status -------------------------------------------------------------------------------- */

static void what_was_never_started_has_name_and_state_alone(void **state)
{
	const struct process *p = process_find(*state, "web");

	assert_json(status_of(p), "{\"name\": \"web\", \"state\": \"STOPPED\"}");
}

static void what_runs_has_pid_and_uptime_and_no_reason(void **state)
{
	struct process *p = process_find(*state, "web");

	front_state(p, PROCESS_RUNNING, 77);
	p->started_ns = 90 * NS_PER_S;
	p->stopped_ns = 80 * NS_PER_S;
	p->reason = strdup("killed by KILL");
	assert_json(status_of(p), "{\"name\": \"web\", \"state\": \"RUNNING\", \"pid\": 77,"
				  " \"uptime\": 10.0}");
}

static void what_has_ended_says_when_and_why(void **state)
{
	struct process *p = process_find(*state, "web");

	front_state(p, PROCESS_FATAL, 0);
	p->stopped_ns = 99 * NS_PER_S;
	p->reason = strdup("exec /opt/\"web\": No such file or directory");
	assert_json(status_of(p), "{\"name\": \"web\", \"state\": \"FATAL\", \"stopped\": 4999.0,"
				  " \"reason\": \"exec /opt/\\\"web\\\": No such file or"
				  " directory\"}");
}

static void bytes_that_are_not_utf8_are_base64(void **state)
{
	struct process *p = process_find(*state, "web");
	json_t *status;

	p->reason = strdup("exec \xff");
	status = status_of(p);
	assert_json(json_incref(json_object_get(status, "reason")), "{\"base64\": \"ZXhlYyD/\"}");
	json_decref(status);
}

/* ---- ends ---------------------------------------------------------------------------------- */

static json_t *end_text(const struct process_end *end)
{
	struct buf b = { 0 };

	view_end_text(&b, "web", end);
	return parsed(&b);
}

static void an_end_has_a_returncode_or_is_lost_or_was_none(void **state)
{
	const struct process_end exited = { .kind = PROCESS_ENDED, .status = EXITED(3) };
	const struct process_end killed = { .kind = PROCESS_ENDED, .status = SIGKILL };
	const struct process_end lost = { .kind = PROCESS_LOST };
	const struct process_end failed = { .kind = PROCESS_NOT_SPAWNED, .status = ENOENT };
	json_t *json;

	(void)state;
	assert_json(end_text(&exited), "{\"name\": \"web\", \"returncode\": 3}");
	assert_json(view_end("web", &killed), "{\"name\": \"web\", \"returncode\": -9}");
	assert_json(end_text(&failed), "{\"name\": \"web\"}");
	json = end_text(&lost);
	assert_null(json_object_get(json, "returncode"));
	assert_true(json_is_string(json_object_get(json, "lost")));
	json_decref(json);
}

/* ---- show ---------------------------------------------------------------------------------- */

static const char *string_in(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "(none)";
}

static void show_has_the_definition_and_the_last_end_in_full(void **state)
{
	struct process *p = process_find(*state, "web");
	json_t *o;

	front_state(p, PROCESS_RUNNING, 77);
	p->want_up = true;
	p->incarnation = 4;
	p->asker = (struct process_asker){ .kind = ASKED_CLIENT, .uid = 10, .pid = 17 };
	end_with(p, PROCESS_ENDED, SIGSEGV | 0x80);
	p->end.utime_us = 1500000;
	o = view_process(p, true);
	assert_string_equal(string_in(o, "state"), "RUNNING");
	assert_string_equal(string_in(o, "wanted"), "up");
	assert_int_equal(json_integer_value(json_object_get(o, "returncode")), -SIGSEGV);
	assert_string_equal(string_in(o, "signal"), "SEGV");
	assert_true(json_is_true(json_object_get(o, "core")));
	assert_string_equal(string_in(o, "asked_by"), "uid 10 pid 17");
	assert_string_equal(string_in(o, "defined_at"), "test.ini:1");
	assert_string_equal(string_in(o, "stderr"), "stdout");
	assert_string_equal(string_in(o, "stdout"), "/run/test/log/web-stdout.log");
	assert_json(json_incref(json_object_get(o, "command")), "[\"/bin/sleep\", \"1000\"]");
	assert_json(json_incref(json_object_get(o, "environment")), "[\"SECRET=x\"]");
	json_decref(o);
}

static void show_keeps_the_environment_from_those_who_may_only_read(void **state)
{
	json_t *o = view_process(process_find(*state, "web"), false);

	assert_json(json_incref(json_object_get(o, "environment")), "[\"SECRET=…\"]");
	json_decref(o);
}

static void show_says_where_output_goes(void **state)
{
	json_t *o = view_process(process_find(*state, "kid"), false);

	assert_string_equal(string_in(o, "stdout"), "none");
	assert_string_equal(string_in(o, "stderr"), "/var/log/kid.err");
	json_decref(o);
}

static void show_tells_who_defined_it(void **state)
{
	const struct process *p = front_define(*state, "job", 1234);
	json_t *o = view_process(p, true);

	assert_string_equal(string_in(o, "origin"), "client");
	assert_string_equal(string_in(o, "user"), "uid 1234");
	assert_non_null(strstr(string_in(o, "defined_at"), " by uid 1234"));
	assert_string_equal(string_in(o, "autorestart"), "false");
	json_decref(o);
}

/* ---- tree, events ---------------------------------------------------------------------------- */

static void a_node_names_its_parent(void **state)
{
	struct process *p = process_find(*state, "kid");
	struct buf b = { 0 };

	p->parent_name = strdup("web");
	p->daemon = true;
	view_node(&b, p);
	assert_json(parsed(&b), "{\"name\": \"kid\", \"parent\": \"web\", \"state\": \"STOPPED\","
				" \"daemon\": true}");
}

static json_t *event_of(const struct process *p, enum process_state from, enum process_state to)
{
	json_t *o = view_event(p, from, to);

	assert_true(json_is_real(json_object_get(o, "time")));
	json_object_del(o, "time");
	return o;
}

static void only_an_end_has_a_returncode(void **state)
{
	struct process *p = process_find(*state, "web");

	end_with(p, PROCESS_ENDED, EXITED(1));
	p->incarnation = 2;
	p->changed_ns = 77;
	p->executed = true;
	p->pid = 9;
	assert_json(event_of(p, PROCESS_STARTING, PROCESS_RUNNING),
		    "{\"name\": \"web\", \"from\": \"STARTING\", \"to\": \"RUNNING\", \"pid\": 9,"
		    " \"incarnation\": 2, \"number\": 77}");
	p->pid = 0;
	assert_json(event_of(p, PROCESS_RUNNING, PROCESS_EXITED),
		    "{\"name\": \"web\", \"from\": \"RUNNING\", \"to\": \"EXITED\","
		    " \"returncode\": 1, \"incarnation\": 2, \"number\": 77}");
	assert_json(event_of(p, PROCESS_BACKOFF, PROCESS_STOPPED),
		    "{\"name\": \"web\", \"from\": \"BACKOFF\", \"to\": \"STOPPED\","
		    " \"incarnation\": 2, \"number\": 77}");
}

static void a_life_that_never_executed_has_not_the_end_of_the_one_before(void **state)
{
	struct process *p = process_find(*state, "web");

	end_with(p, PROCESS_ENDED, EXITED(1));
	p->incarnation = 2;
	assert_json(event_of(p, PROCESS_STOPPING, PROCESS_STOPPED),
		    "{\"name\": \"web\", \"from\": \"STOPPING\", \"to\": \"STOPPED\","
		    " \"incarnation\": 2, \"number\": 0}");
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_was_never_started_has_name_and_state_alone),
		test(what_runs_has_pid_and_uptime_and_no_reason),
		test(what_has_ended_says_when_and_why),
		test(bytes_that_are_not_utf8_are_base64),
		test(an_end_has_a_returncode_or_is_lost_or_was_none),
		test(show_has_the_definition_and_the_last_end_in_full),
		test(show_keeps_the_environment_from_those_who_may_only_read),
		test(show_says_where_output_goes),
		test(show_tells_who_defined_it),
		test(a_node_names_its_parent),
		test(only_an_end_has_a_returncode),
		test(a_life_that_never_executed_has_not_the_end_of_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
