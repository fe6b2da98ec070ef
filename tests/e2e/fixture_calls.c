#include "tests/e2e/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

/* ---- events -------------------------------------------------------------------------------- */

static struct event event_of(const json_t *e)
{
	struct event event = { 0 };
	const json_t *returncode = json_object_get(e, "returncode");

	snprintf(event.name, sizeof event.name, "%s",
		 json_string_value(json_object_get(e, "name")));
	snprintf(event.from, sizeof event.from, "%s",
		 json_string_value(json_object_get(e, "from")));
	snprintf(event.to, sizeof event.to, "%s", json_string_value(json_object_get(e, "to")));
	event.pid = (pid_t)json_integer_value(json_object_get(e, "pid"));
	event.has_returncode = json_is_integer(returncode);
	event.returncode = (int)json_integer_value(returncode);
	event.incarnation = json_integer_value(json_object_get(e, "incarnation"));
	return event;
}

/* Take the first pending event of name. */
static bool take_pending(struct fixture *f, const char *name, struct event *ret_event)
{
	size_t i;
	json_t *e;

	json_array_foreach(f->pending, i, e)
	{
		const char *of = json_string_value(json_object_get(e, "name"));

		if (!of || strcmp(of, name) != 0)
			continue;
		*ret_event = event_of(e);
		json_array_remove(f->pending, i);
		return true;
	}
	return false;
}

struct event fixture_event(struct fixture *f, const char *name)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	struct event event;

	while (!take_pending(f, name, &event)) {
		json_t *reply = NULL;
		int left = (int)((int64_t)(deadline - clock_boot_ns()) / (int64_t)NS_PER_MS);
		int err = varlink_receive(&f->events, left > 0 ? left : 0, &reply);

		if (err < 0)
			fixture_fail(f, "no event of %s: %s", name, strerror(-err));
		json_t *e = json_object_get(json_object_get(reply, "parameters"), "event");
		if (!json_is_object(e)) {
			json_decref(reply);
			fixture_fail(f, "an event without event");
		}
		json_array_append(f->pending, e);
		json_decref(reply);
	}
	printf("# event: %s %s -> %s pid %d incarnation %lld\n", event.name, event.from, event.to,
	       (int)event.pid, event.incarnation);
	return event;
}

struct event fixture_expect(struct fixture *f, const char *name, const char *to)
{
	struct event event = fixture_event(f, name);

	if (strcmp(event.to, to) != 0)
		fixture_fail(f, "%s became %s, not %s", name, event.to, to);
	return event;
}

struct event fixture_until(struct fixture *f, const char *name, const char *to)
{
	for (;;) {
		struct event event = fixture_event(f, name);

		if (strcmp(event.to, to) == 0)
			return event;
	}
}

/* An event of the process "fence-N", made now: all that happened before is pending afterwards. */
static void fence(struct fixture *f)
{
	static unsigned number;
	char name[32], id[32];

	snprintf(name, sizeof name, "fence-%u", ++number);
	snprintf(id, sizeof id, "%d-%u", (int)getpid(), number);
	fixture_call(f, "Define", "{s:s, s:s, s:[s,s,s]}", "id", id, "name", name, "argv",
		     fixture_child(f), "exit", "0");
	fixture_until(f, name, "EXITED");
	fixture_call(f, "Forget", "{s:[s]}", "names", name);
}

pid_t fixture_settle(struct fixture *f, const char *name, const char *state)
{
	struct event event;

	while (strcmp(fixture_state(f, name), state) != 0)
		fixture_event(f, name);
	fence(f);
	while (take_pending(f, name, &event))
		;
	return fixture_pid(f, name);
}

void fixture_expect_nothing(struct fixture *f, const char *name)
{
	struct event event;

	fence(f);
	if (take_pending(f, name, &event))
		fixture_fail(f, "%s became %s", name, event.to);
}

/* ---- calls --------------------------------------------------------------------------------- */

static json_t *call(struct fixture *f, const char *method, const char *format, va_list ap)
{
	json_t *parameters = NULL, *reply = NULL;
	json_error_t error;

	if (format && !(parameters = json_vpack_ex(&error, 0, format, ap)))
		fixture_fail(f, "%s: bad parameters: %s", method, error.text);
	int err = varlink_send(&f->calls, method, parameters, false, NULL, 0);
	if (err == 0)
		err = varlink_receive(&f->calls, FIXTURE_DEADLINE_MS, &reply);
	if (err < 0)
		fixture_fail(f, "%s: %s", method, strerror(-err));
	json_array_append_new(f->kept, reply);
	return reply;
}

json_t *fixture_call(struct fixture *f, const char *method, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	json_t *reply = call(f, method, format, ap);
	va_end(ap);
	if (varlink_error(reply)) {
		auto_free char *text = json_dumps(reply, JSON_COMPACT);
		fixture_fail(f, "%s: %s", method, text);
	}
	return json_object_get(reply, "parameters");
}

json_t *fixture_call_error(struct fixture *f, const char *method, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	json_t *reply = call(f, method, format, ap);
	va_end(ap);
	if (!varlink_error(reply))
		fixture_fail(f, "%s: succeeded", method);
	return reply;
}

static json_t *status_of(struct fixture *f, const char *name)
{
	json_t *reply = fixture_call(f, "Status", "{s:[s]}", "names", name);
	json_t *status = json_array_get(json_object_get(reply, "processes"), 0);

	if (!status)
		fixture_fail(f, "%s: no such process", name);
	return status;
}

pid_t fixture_pid(struct fixture *f, const char *name)
{
	return (pid_t)json_integer_value(json_object_get(status_of(f, name), "pid"));
}

const char *fixture_state(struct fixture *f, const char *name)
{
	return json_string_value(json_object_get(status_of(f, name), "state"));
}

json_t *fixture_show(struct fixture *f, const char *name)
{
	return json_object_get(fixture_call(f, "Show", "{s:s}", "name", name), "process");
}

void fixture_ctl_start_argv(struct fixture *f, struct run *r, const char *const *args)
{
	const char **argv = arena_alloc(&f->arena, 64 * sizeof *argv);

	assert_non_null(argv);
	argv[0] = fixture_format(f, "%s/fosterctl", f->build);
	for (int i = 0; args[i]; i++) {
		assert_true(i < 62);
		argv[i + 1] = args[i];
	}
	r->argv = argv;
	fflush(stdout);
	assert_int_equal(run_start(r), 0);
}

struct result fixture_finish(struct fixture *f, struct run *r)
{
	struct result result = { 0 };
	int err = run_finish(r, FIXTURE_DEADLINE_MS, &f->arena, &result);

	printf("# ran:");
	for (int i = 0; r->argv[i]; i++)
		printf(" %.200s", i == 0 ? strrchr(r->argv[i], '/') + 1 : r->argv[i]);
	printf(": %d\n", result.status);
	if (result.err_len > 0)
		printf("# stderr: %s%s", result.err,
		       result.err[result.err_len - 1] == '\n' ? "" : "\n");
	if (err < 0)
		fixture_fail(f, "%s: %s", r->argv[1], strerror(-err));
	return result;
}

pid_t fixture_supervisor_now(struct fixture *f)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;

	while (clock_boot_ns() < deadline) {
		struct result r = { 0 };
		struct run run = { 0 };

		fixture_ctl_start(f, &run, "pid", "supervisor");
		if (run_finish(&run, FIXTURE_DEADLINE_MS, &f->arena, &r) == 0 && r.status == 0)
			return (pid_t)atoi(r.out);
	}
	fixture_fail(f, "no supervisor answers");
}

const char *fixture_printed(struct fixture *f, const struct run *r)
{
	/* opened anew: with an offset of its own */
	const char *out =
		run_slurp(fixture_format(f, "/proc/self/fd/%d", r->out_fd), &f->arena, NULL);

	assert_non_null(out);
	return out;
}

void fixture_until_printed(struct fixture *f, const struct run *r, const char *text)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;

	while (!strstr(fixture_printed(f, r), text)) {
		if (clock_boot_ns() > deadline)
			fixture_fail(f, "%s has not printed: %s", r->argv[1], text);
		usleep(1000);
	}
}

void fixture_watch(struct fixture *f, struct run *r)
{
	fixture_ctl_start(f, r, "events");
	do
		fixture_ctl_is(f, 0, "", "", "run", "--name", "watched", "--", "true");
	while (!strstr(fixture_printed(f, r), "watched"));
}

struct result fixture_ctl_argv(struct fixture *f, const char *const *args)
{
	struct run r = { 0 };

	fixture_ctl_start_argv(f, &r, args);
	return fixture_finish(f, &r);
}

struct result fixture_program_argv(struct fixture *f, const char *const *argv)
{
	const char *all[64] = { fixture_format(f, "%s/%s", f->build, argv[0]) };
	struct run r = { .argv = all, .directory = f->dir };

	for (int i = 1; i < 63 && argv[i]; i++)
		all[i] = argv[i];
	fflush(stdout);
	assert_int_equal(run_start(&r), 0);
	return fixture_finish(f, &r);
}

void fixture_check(struct fixture *f, struct result r, int status, const char *out, const char *err)
{
	if (r.status != status)
		fixture_fail(f, "exit status %d, not %d; stdout: %s", r.status, status, r.out);
	if (out)
		assert_string_equal(r.out, out);
	if (err)
		assert_string_equal(r.err, err);
}
