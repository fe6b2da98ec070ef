/* fixture.h - a real fosterd in a fresh directory, watched through its event stream
 *
 * A test is a client like any other, and a child subreaper: whatever fosterd leaves behind becomes the
 * test's own child, and is found. It waits for events, never for time; each wait has a deadline, and
 * when that passes the test fails. fosterd's log stands in the output of every test, which the runner
 * shows when one fails.
 *
 *   static void a_killed_process_comes_back_as_a_new_one(void **state)
 *   {
 *           struct fixture *f = *state;
 *
 *           pid_t old = fixture_start(f, "[program:web]\ncommand = sleep 1000\n", "web");
 *           assert_return_code(kill(old, SIGKILL), errno);
 *           fixture_expect(f, "web", "STARTING");
 *           fixture_expect(f, "web", "RUNNING");
 *           assert_int_not_equal(fixture_pid(f, "web"), old);
 *   }
 *
 * In configurations, @dir@ stands for the test's directory, @child@ for the path of the helper
 * program (tests/helpers/child.c), @build@ for the directory of foster's programs. Everything that is
 * returned as a string or JSON lives until the teardown. */
#ifndef FOSTER_TESTS_FIXTURE_H
#define FOSTER_TESTS_FIXTURE_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cmocka.h>

#include "daemon/base/arena.h"
#include "tests/e2e/run.h"
#include "tests/e2e/varlink.h"

#define FIXTURE_DEADLINE_MS 20000

struct event {
	char name[256], from[16], to[16];
	pid_t pid; /* 0: none */
	bool has_returncode;
	int returncode;
	long long incarnation;
};

/* A FIFO in which helper programs say how far they are. */
struct fifo {
	char path[96];
	int fd; /* ours, open for reading and writing: no writer waits, no end is seen */
	struct buf in;
};

struct fixture {
	char dir[64]; /* mktemp -d, removed at the end */
	char socket[96];
	char build[256]; /* where fosterd and fosterctl are */
	pid_t fosterd; /* 0: not running. In the foreground it is the keeper */
	int notify; /* what fosterd sends to systemd comes here, until it is ready */
	bool keep_notify; /* set by the test: and after that, too */
	unsigned nofile; /* set by the test: fosterd's RLIMIT_NOFILE; 0: ours */
	struct varlink calls, events;
	json_t *pending; /* events received and not yet asked for */
	json_t *kept; /* replies, owned for the test */
	struct fifo fifos[4];
	struct arena arena;
	char *asan_options; /* of the environment, before the test */
};

/* cmocka's setup and teardown. The teardown ends fosterd if it still runs (fixture_down()), says its
 * log, kills what the test left running, and removes the directory. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

#define fixture_test(function) \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* Run a table of tests; FILTER= in the environment names those to run (a pattern). */
#define fixture_run(tests) \
	(cmocka_set_test_filter(getenv("FILTER")), cmocka_run_group_tests(tests, NULL, NULL))

/* Run the test no further: it counts as skipped. */
_Noreturn void fixture_skip(const char *why);

/* ---- fosterd ------------------------------------------------------------------------------- */

/* Write foster.ini from text; socket and runtime_dir are added. A section [foster] is added in front
 * unless text has [foster] or [supervisord]. */
void fixture_write_config(struct fixture *f, const char *text);

/* Start fosterd on text, wait for READY=1, open the event stream. */
void fixture_up(struct fixture *f, const char *text);

/* The same for a text whose programs do not start by themselves (autostart = false is added to each),
 * then start name and wait until it is RUNNING. Returns its PID. */
pid_t fixture_start(struct fixture *f, const char *text, const char *name);

/* Start fosterd with arguments of the test's own (argv without the program) and do not wait. */
void fixture_spawn(struct fixture *f, const char *const *args);

/* The socket that stands in for systemd's, DIR/notify: for tests that start fosterd in their own way.
 * 0 or -errno. */
int fixture_open_notify(struct fixture *f);

/* Wait for READY=1 of fosterd and open the event stream. */
void fixture_wait_ready(struct fixture *f);

/* Wait for READY=1 of one that may fail, and open nothing: false when it ended before. */
bool fixture_comes_up(struct fixture *f);

/* Whether the next message to systemd that holds text comes within the deadline; others are dropped. */
void fixture_expect_notify(struct fixture *f, const char *text);

/* End fosterd with SIGTERM and check: exit status 0, no process left. */
void fixture_down(struct fixture *f);

/* Wait for fosterd to end by itself; returns its status as Python would. With gone, no process may be
 * left. */
int fixture_ended(struct fixture *f);
int fixture_gone(struct fixture *f);

/* Nothing that fosterd started may be left to this test. */
void fixture_assert_no_child(struct fixture *f);

/* PIDs of the parts. */
pid_t fixture_supervisor(struct fixture *f);
pid_t fixture_logger(struct fixture *f);

/* The supervisor that answers: as the one before may be just being replaced. */
pid_t fixture_supervisor_now(struct fixture *f);

/* Wait until the supervisor, or the logger, is another process than old; returns the new one. Of a supervisor:
 * connection and event stream are opened again. */
pid_t fixture_new_supervisor(struct fixture *f, pid_t old);
pid_t fixture_new_logger(struct fixture *f, pid_t old);

/* Kill the supervisor, and wait for the next one: its PID. */
pid_t fixture_replace_supervisor(struct fixture *f);

/* Open connection and event stream again, after the supervisor was replaced. */
void fixture_reconnect(struct fixture *f);

/* ---- events -------------------------------------------------------------------------------- */

/* The next event of name that was not yet returned. */
struct event fixture_event(struct fixture *f, const char *name);

/* Fails unless the next event of name has this new state. */
struct event fixture_expect(struct fixture *f, const char *name, const char *to);

/* Take events of name until one has this new state. */
struct event fixture_until(struct fixture *f, const char *name, const char *to);

/* Wait until name is in this state, whatever was before, and forget its events up to now. For
 * processes that start with fosterd. Returns its PID. */
pid_t fixture_settle(struct fixture *f, const char *name, const char *state);

/* Nothing has happened to name up to now that was not asked for: shown by an event of another
 * process that is made to happen now. */
void fixture_expect_nothing(struct fixture *f, const char *name);

/* ---- calls --------------------------------------------------------------------------------- */

/* Call a method; parameters as by json_pack(), NULL for none. Fails the test on an error reply. */
json_t *fixture_call(struct fixture *f, const char *method, const char *format, ...);

/* Call a method that must fail; returns the reply (varlink_error() has the name). */
json_t *fixture_call_error(struct fixture *f, const char *method, const char *format, ...);

pid_t fixture_pid(struct fixture *f, const char *name); /* 0: it has none */
const char *fixture_state(struct fixture *f, const char *name);
json_t *fixture_show(struct fixture *f, const char *name);

/* fosterctl with these arguments (FOSTER_SOCKET is set), to its end. */
#define fixture_ctl(f, ...) fixture_ctl_argv(f, (const char *const[]){ __VA_ARGS__, NULL })
struct result fixture_ctl_argv(struct fixture *f, const char *const *args);

/* The same, without waiting. More can be set in *r before: stdio, uid, environ, directory, input. */
#define fixture_ctl_start(f, r, ...) \
	fixture_ctl_start_argv(f, r, (const char *const[]){ __VA_ARGS__, NULL })
void fixture_ctl_start_argv(struct fixture *f, struct run *r, const char *const *args);
struct result fixture_finish(struct fixture *f, struct run *r);

/* What a program that still runs has printed up to now, or until this is in it. */
const char *fixture_printed(struct fixture *f, const struct run *r);
void fixture_until_printed(struct fixture *f, const struct run *r, const char *text);

/* Start fosterctl events, and go on when it has shown what happens ("watched" came and went). */
void fixture_watch(struct fixture *f, struct run *r);

/* Any program of the build directory, to its end. */
#define fixture_program(f, ...) fixture_program_argv(f, (const char *const[]){ __VA_ARGS__, NULL })
struct result fixture_program_argv(struct fixture *f, const char *const *argv);

/* Run fosterctl and check status, and whole output where it is not NULL. */
#define fixture_ctl_is(f, status, out, err, ...) \
	fixture_check(f, fixture_ctl(f, __VA_ARGS__), status, out, err)
void fixture_check(struct fixture *f, struct result r, int status, const char *out,
		   const char *err);

/* ---- helper programs and files ------------------------------------------------------------- */

const char *fixture_child(struct fixture *f); /* path of tests/helpers/child */

/* Let whatever is started from here on load an object of tests/helpers/shared first; NULL, or the
 * teardown: no more. */
void fixture_preload(struct fixture *f, const char *object);

/* An option of the address sanitizer's, for whatever is started from here on to the teardown. */
void fixture_asan_option(struct fixture *f, const char *option);

/* Into a mount namespace of the test program's own, to stay; skips the test where that may not be. */
void fixture_own_mounts(void);

/* DIR/ and the formatted name. */
const char *fixture_path(struct fixture *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
const char *fixture_format(struct fixture *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Make FIFOs DIR/NAME for helper programs to speak into. */
struct fifo *fixture_fifo(struct fixture *f, const char *name);
const char *fixture_line(struct fixture *f, struct fifo *fifo); /* the next line, without newline */
void fixture_expect_line(struct fixture *f, struct fifo *fifo, const char *line);
void fixture_expect_silence(struct fixture *f, struct fifo *fifo); /* nothing is in it now */

/* The content of DIR/NAME, "" when there is none. */
const char *fixture_file(struct fixture *f, const char *name);
void fixture_until_file(struct fixture *f, const char *name, const char *text); /* text is in it */
void fixture_write_file(struct fixture *f, const char *name, const char *text);

/* Wait until fosterd's log has these words. */
void fixture_until_logged(struct fixture *f, const char *words);

/* Send a signal; pid must be one process. */
void fixture_kill(pid_t pid, int number);

/* Wait until pid, which may be anybody's child, does not exist or is a zombie. */
void fixture_until_dead(struct fixture *f, pid_t pid);

/* Wait until pid waits for events, and no timer of its own will wake it before a day is over. */
void fixture_until_asleep(struct fixture *f, pid_t pid);

/* Kill pid, which the test has inherited or will inherit, and reap it. */
void fixture_reap(struct fixture *f, pid_t pid);

/* Wait until every process that the test has inherited, and those that these leave to it, has ended;
 * keep (0: none) excepted. */
void fixture_reap_all_but(struct fixture *f, pid_t keep);

/* Print "# …" and fail. */
_Noreturn void fixture_fail(struct fixture *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define assert_contains(text, part) fixture_assert_contains(text, part, true, __FILE__, __LINE__)
#define assert_lacks(text, part) fixture_assert_contains(text, part, false, __FILE__, __LINE__)
void fixture_assert_contains(const char *text, const char *part, bool wanted, const char *file,
			     int line);

#endif
