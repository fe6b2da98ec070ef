/* e2e_hostile.c - bad input to the control socket costs its sender alone */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define CONNECTIONS 1000
#define GROWTH_KB_MAX (64 * 1024) /* what one bad client may cost, with room to breathe */

static struct varlink connect_to(struct fixture *f)
{
	struct varlink v;

	assert_int_equal(varlink_open(&v, f->socket), 0);
	return v;
}

/* Whether the other end has closed v, or answers with an error; never silence, never success. */
static void expect_refused(struct fixture *f, struct varlink *v, const char *what)
{
	json_t *reply = NULL;
	int err = varlink_receive(v, FIXTURE_DEADLINE_MS, &reply);

	if (err == 0 && !varlink_error(reply))
		fixture_fail(f, "%s: accepted", what);
	if (err != 0 && err != -EPIPE)
		fixture_fail(f, "%s: %s", what, strerror(-err));
	json_decref(reply);
}

/* Everybody else is served as before: the same process, the same supervisor, at once. */
static void expect_unharmed(struct fixture *f, pid_t web, pid_t supervisor)
{
	uint64_t began = clock_boot_ns();

	assert_int_equal(fixture_pid(f, "web"), web);
	assert_int_equal(fixture_supervisor(f), supervisor);
	fixture_ctl_is(f, 0, "running\n", "", "poll", "web");
	assert_true(clock_boot_ns() - began < 2 * NS_PER_S);
}

static void what_is_not_varlink_is_refused(void **state)
{
	static const struct {
		const char *what, *bytes;
	} inputs[] = {
		{ "not JSON", "hello" },
		{ "HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" },
		{ "an array", "[]" },
		{ "a number", "1" },
		{ "nothing", "" },
		{ "no method", "{\"parameters\":{}}" },
		{ "a method that is a number", "{\"method\":7}" },
		{ "a method that is null", "{\"method\":null}" },
		{ "a method without interface", "{\"method\":\"Ping\"}" },
		{ "an unknown method", "{\"method\":\"org.foster.Supervisor.Fly\"}" },
		{ "an unknown interface", "{\"method\":\"org.example.Ping\"}" },
		{ "parameters that are a list",
		  "{\"method\":\"org.foster.Supervisor.Status\",\"parameters\":[]}" },
		{ "names that are a string",
		  "{\"method\":\"org.foster.Supervisor.Stop\",\"parameters\":{\"names\":\"web\"}}" },
		{ "names that are numbers",
		  "{\"method\":\"org.foster.Supervisor.Stop\",\"parameters\":{\"names\":[1]}}" },
		{ "no names", "{\"method\":\"org.foster.Supervisor.Stop\"}" },
		{ "the same key twice",
		  "{\"method\":\"org.foster.Supervisor.Ping\",\"method\":\"org.foster.Supervisor.Ping\"}" },
		{ "bad UTF-8", "{\"method\":\"org.foster.\xff\"}" },
		{ "a NUL in a string", "{\"method\":\"org.foster.Supervisor.Ping\\u0000\"}" },
		{ "more that is a number",
		  "{\"method\":\"org.foster.Supervisor.Events\",\"more\":1}" },
		{ "a define without argv",
		  "{\"method\":\"org.foster.Supervisor.Define\",\"parameters\":{\"id\":\"x\"}}" },
		{ "a define with an empty argv",
		  "{\"method\":\"org.foster.Supervisor.Define\",\"parameters\":{\"id\":\"x\",\"argv\":[]}}" },
		{ "stdio without descriptors",
		  "{\"method\":\"org.foster.Supervisor.Define\",\"parameters\":{\"id\":\"x\",\"name\":\"x\","
		  "\"argv\":[\"true\"],\"stdio\":true}}" },
		{ "bad base64",
		  "{\"method\":\"org.foster.Supervisor.Define\",\"parameters\":{\"id\":\"x\",\"name\":\"x\","
		  "\"argv\":[{\"base64\":\"*\"}]}}" },
	};
	struct fixture *f = *state;
	pid_t web = fixture_start(f, "[program:web]\n" HOLD, "web");
	pid_t supervisor = fixture_supervisor(f);

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		struct varlink v = connect_to(f);

		assert_int_equal(varlink_send_raw(&v, inputs[i].bytes, strlen(inputs[i].bytes) + 1),
				 0);
		expect_refused(f, &v, inputs[i].what);
		varlink_close(&v);
	}
	expect_unharmed(f, web, supervisor);
	fixture_down(f);
}

static void a_deep_nest_is_refused(void **state)
{
	struct fixture *f = *state;
	pid_t web = fixture_start(f, "[program:web]\n" HOLD, "web");
	pid_t supervisor = fixture_supervisor(f);
	auto_buf struct buf b = { 0 };

	buf_add_str(&b, "{\"method\":\"org.foster.Supervisor.Ping\",\"parameters\":{\"a\":");
	for (int i = 0; i < 1000000; i++)
		buf_add_char(&b, '[');
	buf_add_char(&b, '\0');
	struct varlink v = connect_to(f);
	assert_int_equal(varlink_send_raw(&v, b.data, b.len), 0);
	expect_refused(f, &v, "a million brackets");
	varlink_close(&v);
	expect_unharmed(f, web, supervisor);
	fixture_down(f);
}

static void a_message_without_end_is_cut_off(void **state)
{
	struct fixture *f = *state;
	pid_t web = fixture_start(f, "[program:web]\n" HOLD, "web");
	pid_t supervisor = fixture_supervisor(f);
	long before = run_status_kb(supervisor, "VmRSS");
	auto_free char *block = malloc(1 << 20);
	struct varlink v = connect_to(f);
	int sent = 0;

	assert_non_null(block);
	memset(block, 'x', 1 << 20);
	while (sent < 64 && varlink_send_raw(&v, block, 1 << 20) == 0)
		sent++;
	assert_true(sent < 64);
	varlink_close(&v);
	assert_true(run_status_kb(supervisor, "VmRSS") - before < GROWTH_KB_MAX);
	expect_unharmed(f, web, supervisor);
	fixture_down(f);
}

static void half_a_message_waits_without_harm(void **state)
{
	static const char call[] = "{\"method\":\"org.foster.Supervisor.Ping\"}";
	struct fixture *f = *state;
	pid_t web = fixture_start(f, "[program:web]\n" HOLD, "web");
	pid_t supervisor = fixture_supervisor(f);
	struct varlink v = connect_to(f);
	json_t *reply = NULL;

	for (size_t i = 0; i < sizeof call / 2; i++)
		assert_int_equal(varlink_send_raw(&v, call + i, 1), 0);
	expect_unharmed(f, web, supervisor);
	for (size_t i = sizeof call / 2; i < sizeof call; i++)
		assert_int_equal(varlink_send_raw(&v, call + i, 1), 0);
	assert_int_equal(varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply), 0);
	assert_null(varlink_error(reply));
	json_decref(reply);
	varlink_close(&v);
	fixture_down(f);
}

static void calls_in_one_packet_are_answered_in_order(void **state)
{
	static const char calls[] = "{\"method\":\"org.varlink.service.GetInfo\"}\0"
				    "{\"method\":\"org.foster.Supervisor.Ping\",\"oneway\":true}\0"
				    "{\"method\":\"org.foster.Supervisor.Ping\"}";
	struct fixture *f = *state;
	struct varlink v;
	json_t *reply = NULL;

	fixture_up(f, "");
	v = connect_to(f);
	assert_int_equal(varlink_send_raw(&v, calls, sizeof calls), 0);
	assert_int_equal(varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply), 0);
	assert_non_null(json_object_get(json_object_get(reply, "parameters"), "interfaces"));
	json_decref(reply);
	assert_int_equal(varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply), 0);
	assert_non_null(json_object_get(json_object_get(reply, "parameters"), "keeper"));
	json_decref(reply);
	/* the oneway call had no reply: nothing else is there */
	assert_int_equal(varlink_receive(&v, 50, &reply), -ETIMEDOUT);
	varlink_close(&v);
	fixture_down(f);
}

static void a_thousand_idle_connections_harm_nobody(void **state)
{
	struct fixture *f = *state;
	pid_t web = fixture_start(f, "[program:web]\n" HOLD, "web");
	pid_t supervisor = fixture_supervisor(f);
	struct rlimit limit;
	static struct varlink idle[CONNECTIONS];

	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	limit.rlim_cur = limit.rlim_max;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
	int before = run_count_fds(supervisor);
	for (int i = 0; i < CONNECTIONS; i++)
		idle[i] = connect_to(f);
	expect_unharmed(f, web, supervisor);
	for (int i = 0; i < CONNECTIONS; i++)
		varlink_close(&idle[i]);
	expect_unharmed(f, web, supervisor);
	/* what they cost is given back; our own connections come and go meanwhile */
	for (int i = 0; i < 500 && run_count_fds(supervisor) > before; i++)
		usleep(10000);
	assert_true(run_count_fds(supervisor) <= before);
	fixture_down(f);
}

static void a_reader_that_never_reads_costs_a_bounded_amount(void **state)
{
	static const char call[] = "{\"method\":\"org.foster.Supervisor.Show\",\"parameters\":"
				   "{\"name\":\"web\"}}";
	struct fixture *f = *state;
	pid_t web = fixture_start(f, "[program:web]\n" HOLD, "web");
	pid_t supervisor = fixture_supervisor(f);
	long before = run_status_kb(supervisor, "VmRSS");
	struct varlink v = connect_to(f);

	/* Requests until the other side takes no more: it must not gather replies for ever. */
	struct timeval patience = { .tv_usec = 300000 };
	assert_return_code(setsockopt(v.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience),
			   errno);
	int sent = 0;
	while (sent < 500000 && varlink_send_raw(&v, call, sizeof call) == 0)
		sent++;
	assert_true(run_status_kb(supervisor, "VmRSS") - before < GROWTH_KB_MAX);
	expect_unharmed(f, web, supervisor);
	varlink_close(&v);
	fixture_down(f);
}

static void an_event_stream_that_is_not_read_is_closed_or_bounded(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "[program:web]\n" HOLD, "web");
	pid_t supervisor = fixture_supervisor(f);
	long before = run_status_kb(supervisor, "VmRSS");
	struct varlink v = connect_to(f);
	assert_int_equal(varlink_send(&v, "Events", NULL, true, NULL, 0), 0);
	for (int i = 0; i < 300; i++)
		fixture_call(f, "Restart", "{s:[{s:s}]}", "targets", "name", "web");
	assert_true(run_status_kb(supervisor, "VmRSS") - before < GROWTH_KB_MAX);
	assert_int_equal(fixture_supervisor(f), supervisor);
	varlink_close(&v);
	fixture_down(f);
}

static void descriptors_that_nobody_asked_for_are_closed(void **state)
{
	struct fixture *f = *state;
	int fds[3] = { 0, 1, 2 };

	fixture_up(f, "");
	pid_t supervisor = fixture_supervisor(f);
	int before = run_count_fds(supervisor);
	for (int i = 0; i < 100; i++) {
		json_t *reply = NULL;

		assert_int_equal(varlink_send(&f->calls, "Ping", NULL, false, fds, 3), 0);
		assert_int_equal(varlink_receive(&f->calls, FIXTURE_DEADLINE_MS, &reply), 0);
		json_decref(reply);
	}
	assert_int_equal(run_count_fds(supervisor), before);
	fixture_down(f);
}

static void a_client_that_vanishes_in_the_middle_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "[program:web]\n" HOLD, "web");
	pid_t supervisor = fixture_supervisor(f);
	int before = run_count_fds(supervisor);
	for (int i = 0; i < 200; i++) {
		struct varlink v = connect_to(f);

		varlink_send(&v, "Wait", json_pack("{s:[s]}", "names", "web"), false, NULL, 0);
		varlink_close(&v);
	}
	for (int i = 0; i < 500 && run_count_fds(supervisor) > before; i++)
		usleep(10000);
	assert_true(run_count_fds(supervisor) <= before);
	assert_int_equal(fixture_supervisor(f), supervisor);
	fixture_down(f);
}

static void the_interface_describes_itself(void **state)
{
	struct fixture *f = *state;

	fixture_up(f, "");
	json_t *d = fixture_call(f, "org.varlink.service.GetInterfaceDescription", "{s:s}",
				 "interface", "org.foster.Supervisor");
	const char *text = json_string_value(json_object_get(d, "description"));
	assert_contains(text, "interface org.foster.Supervisor");
	assert_contains(text, "method Ping()");
	json_t *e = fixture_call_error(f, "org.varlink.service.GetInterfaceDescription", "{s:s}",
				       "interface", "org.example");
	assert_string_equal(varlink_error(e), "InterfaceNotFound");
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(what_is_not_varlink_is_refused),
		fixture_test(a_deep_nest_is_refused),
		fixture_test(a_message_without_end_is_cut_off),
		fixture_test(half_a_message_waits_without_harm),
		fixture_test(calls_in_one_packet_are_answered_in_order),
		fixture_test(a_thousand_idle_connections_harm_nobody),
		fixture_test(a_reader_that_never_reads_costs_a_bounded_amount),
		fixture_test(an_event_stream_that_is_not_read_is_closed_or_bounded),
		fixture_test(descriptors_that_nobody_asked_for_are_closed),
		fixture_test(a_client_that_vanishes_in_the_middle_leaves_nothing),
		fixture_test(the_interface_describes_itself),
	};

	return fixture_run(tests);
}
