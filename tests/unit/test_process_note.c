/* A slot's note: what a supervisor leaves to its successor. */
#include <fcntl.h>
#include <sys/socket.h>

#include "tests/unit/front.h"

static const char text[] = "[program:x]\ncommand = sleep 1\n[program:y]\ncommand = sleep 1\n";

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

/* Numbers that differ from each other, so that none can stand in another's place. */
static void fill(struct process *p)
{
	front_state(p, PROCESS_BACKOFF, 0);
	p->end = (struct process_end){ .kind = PROCESS_NOT_SPAWNED,
				       .status = 2,
				       .step = LINK_STEP_CHDIR,
				       .utime_us = 3000,
				       .stime_us = 4000,
				       .maxrss_kb = 5 };
	p->asker = (struct process_asker){ .kind = ASKED_CLIENT, .uid = 6, .pid = 7 };
	p->backoff = (struct backoff){
		.start_failures = 8, .failures = 9, .crashes = 10, .window_ns = 11
	};
	p->restarts = 12;
	p->deadline_ns = 13;
	p->started_ns = 14;
	p->stopped_ns = 15;
	p->changed_ns = 16;
	p->start_id = 18;
	p->instance = 17;
}

static void assert_same_end(const struct process_end *a, const struct process_end *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->step, b->step);
	assert_int_equal(a->utime_us, b->utime_us);
	assert_int_equal(a->stime_us, b->stime_us);
	assert_int_equal(a->maxrss_kb, b->maxrss_kb);
}

static void assert_same_flags(const struct process *a, const struct process *b)
{
	assert_int_equal(a->want_up, b->want_up);
	assert_int_equal(a->wait_parent, b->wait_parent);
	assert_int_equal(a->told, b->told);
	assert_int_equal(a->escalate, b->escalate);
	assert_int_equal(a->removed, b->removed);
	assert_int_equal(a->session_is_parent, b->session_is_parent);
	assert_int_equal(a->transient, b->transient);
	assert_int_equal(a->clients, b->clients);
	assert_int_equal(a->signal_due, b->signal_due);
	assert_int_equal(a->kill_due, b->kill_due);
}

static void assert_same(const struct process *a, const struct process *b)
{
	assert_int_equal(a->state, b->state);
	assert_same_flags(a, b);
	assert_same_end(&a->end, &b->end);
	assert_int_equal(a->asker.kind, b->asker.kind);
	assert_int_equal(a->asker.uid, b->asker.uid);
	assert_int_equal(a->asker.pid, b->asker.pid);
	assert_int_equal(a->backoff.start_failures, b->backoff.start_failures);
	assert_int_equal(a->backoff.failures, b->backoff.failures);
	assert_int_equal(a->backoff.crashes, b->backoff.crashes);
	assert_int_equal(a->backoff.window_ns, b->backoff.window_ns);
	assert_int_equal(a->restarts, b->restarts);
	assert_int_equal(a->deadline_ns, b->deadline_ns);
	assert_int_equal(a->started_ns, b->started_ns);
	assert_int_equal(a->stopped_ns, b->stopped_ns);
	assert_int_equal(a->changed_ns, b->changed_ns);
	assert_int_equal(a->start_id, b->start_id);
	assert_int_equal(a->instance, b->instance);
	assert_int_equal(a->next_instance, b->next_instance);
	assert_ptr_equal(a->session, b->session);
}

/* y must be what x was: the successor's process knows nothing but the note. */
static struct process *handed_over(struct supervisor *s)
{
	const struct process *x = process_find(s, "x");
	struct process *y = process_find(s, "y");
	struct link_note note;

	memset(&note, 0xa5, sizeof note);
	process_note_write(x, &note);
	assert_true(process_note_read(y, &note));
	assert_same(x, y);
	return y;
}

static void what_was_never_started_stays_so(void **state)
{
	struct process *y = process_find(*state, "y");

	fill(y); /* all of it must go */
	handed_over(*state);
	assert_int_equal(y->end.kind, PROCESS_NEVER);
	assert_int_equal(y->restarts, 0);
}

static void every_number_comes_back_in_its_place(void **state)
{
	fill(process_find(*state, "x"));
	handed_over(*state);
}

static void every_state_comes_back(void **state)
{
	for (int i = 0; i < PROCESS_STATE_MAX; i++) {
		front_state(process_find(*state, "x"), (enum process_state)i, 0);
		handed_over(*state);
	}
}

static void every_kind_of_end_and_asker_comes_back(void **state)
{
	struct process *x = process_find(*state, "x");

	for (int kind = PROCESS_NEVER; kind <= PROCESS_NOT_SPAWNED; kind++) {
		x->end.kind = (enum process_end_kind)kind;
		handed_over(*state);
	}
	for (int step = LINK_STEP_NONE; step < LINK_STEP_MAX; step++) {
		x->end.step = (enum link_step)step;
		handed_over(*state);
	}
	for (int kind = ASKED_NOBODY; kind <= ASKED_CLIENT; kind++) {
		x->asker.kind = kind;
		handed_over(*state);
	}
}

static void each_flag_comes_back_alone(void **state)
{
	struct process *x = process_find(*state, "x");
	bool *const flags[] = { &x->want_up,	&x->wait_parent,       &x->told,      &x->escalate,
				&x->removed,	&x->session_is_parent, &x->transient, &x->clients,
				&x->signal_due, &x->kill_due };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		*flags[i] = true;
		handed_over(*state);
		*flags[i] = false;
	}
	handed_over(*state);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		*flags[i] = true;
	handed_over(*state);
}

/* CPU times are told to the millisecond: what is less is lost, and no more. */
static void cpu_times_are_told_to_the_millisecond(void **state)
{
	struct process *x = process_find(*state, "x"), *y = process_find(*state, "y");
	struct link_note note;

	x->end.utime_us = 1234567;
	x->end.stime_us = 999;
	process_note_write(x, &note);
	assert_true(process_note_read(y, &note));
	assert_int_equal(y->end.utime_us, 1234000);
	assert_int_equal(y->end.stime_us, 0);
}

static void extremes_come_back(void **state)
{
	struct process *x = process_find(*state, "x");

	x->end = (struct process_end){ .kind = PROCESS_ENDED,
				       .status = INT32_MIN,
				       .utime_us = UINT32_MAX * 1000ULL, /* 49 days */
				       .stime_us = UINT32_MAX * 1000ULL,
				       .maxrss_kb = UINT32_MAX }; /* 4 TiB */
	x->asker =
		(struct process_asker){ .kind = ASKED_CLIENT, .uid = (uid_t)-1, .pid = INT32_MAX };
	x->backoff = (struct backoff){ .start_failures = UINT16_MAX,
				       .failures = UINT32_MAX,
				       .crashes = UINT32_MAX,
				       .window_ns = UINT64_MAX };
	x->restarts = UINT32_MAX;
	x->deadline_ns = x->started_ns = x->stopped_ns = x->changed_ns = UINT64_MAX;
	x->instance = UINT64_MAX;
	handed_over(*state);
	x->end.status = INT32_MAX;
	handed_over(*state);
}

static void what_has_no_room_becomes_the_most_there_is(void **state)
{
	struct process *x = process_find(*state, "x"), *y = process_find(*state, "y");
	struct link_note note;

	x->end.utime_us = x->end.stime_us = UINT64_MAX;
	x->backoff.start_failures = UINT16_MAX + 1;
	process_note_write(x, &note);
	assert_true(process_note_read(y, &note));
	assert_int_equal(y->end.utime_us, UINT32_MAX * 1000ULL);
	assert_int_equal(y->end.stime_us, UINT32_MAX * 1000ULL);
	assert_int_equal(y->backoff.start_failures, UINT16_MAX);
}

static void a_standing_order_is_counted_by_who_takes_over(void **state)
{
	struct supervisor *s = *state;
	struct process *x = process_find(s, "x");

	handed_over(s);
	assert_int_equal(s->n_orders, 0);
	x->instance = 1;
	x->next_instance = UINT64_MAX;
	assert_int_equal(handed_over(s)->next_instance, UINT64_MAX);
	assert_int_equal(s->n_orders, 1);
}

/* ---- sessions ------------------------------------------------------------------------------ */

/* A supervisor that can hold sessions: a loop, and a keeper that hears and says nothing. */
static int session_setup(void **state)
{
	struct supervisor *s;
	int pair[2];

	setup(state);
	s = *state;
	s->loop = ev_loop_new(EVFLAG_AUTO);
	if (!s->loop || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    keeper_open(s, pair[0]) < 0)
		return -1;
	s->listen_fd = pair[1]; /* closed at the end; nobody listens here */
	return 0;
}

static int session_teardown(void **state)
{
	struct supervisor *s = *state;

	session_detach(process_find(s, "x"));
	session_detach(process_find(s, "y"));
	assert_null(s->sessions); /* one that nobody belongs to is gone */
	ev_io_stop(s->loop, &s->on_link);
	link_done(&s->link);
	free(s->backlog);
	close(s->listen_fd);
	ev_loop_destroy(s->loop);
	return teardown(state);
}

static void a_process_comes_back_to_its_session(void **state)
{
	struct supervisor *s = *state;
	struct process *x = process_find(s, "x"), *y;
	int end[2];

	assert_return_code(pipe2(end, O_CLOEXEC), errno);
	session_attach(session_resume(s, 7, 1234, end[0]), x);
	y = handed_over(s);
	assert_non_null(y->session);
	assert_int_equal(session_id(y->session), 7);
	session_detach(x);
	assert_non_null(session_find(s, 7)); /* y counts, too */
	close(end[1]);
}

static void a_session_that_is_not_there_any_more_is_none(void **state)
{
	struct supervisor *s = *state;
	struct process *x = process_find(s, "x"), *y = process_find(s, "y");
	struct link_note note;
	int end[2];

	assert_return_code(pipe2(end, O_CLOEXEC), errno);
	session_attach(session_resume(s, 7, 1234, end[0]), x);
	x->session_is_parent = true;
	process_note_write(x, &note);
	session_detach(x);
	assert_true(process_note_read(y, &note));
	assert_null(y->session);
	assert_true(y->session_is_parent);
	close(end[1]);
}

/* ---- what is no note ----------------------------------------------------------------------- */

static void assert_refused(struct supervisor *s, const struct link_note *note)
{
	struct process *y = process_find(s, "y");
	unsigned char before[sizeof *y];

	fill(y);
	y->next_instance = 17;
	memcpy(before, y, sizeof before);
	assert_false(process_note_read(y, note));
	assert_memory_equal(y, before, sizeof before);
	assert_int_equal(s->n_orders, 0);
}

/* Version and state are the first two bytes; the others of this note would be taken. */
static struct link_note note_with(struct supervisor *s, uint8_t version, uint8_t process_state)
{
	struct process *x = process_find(s, "x");
	struct link_note note;

	x->next_instance = 1;
	process_note_write(x, &note);
	assert_int_equal(note.bytes[0], 1);
	assert_int_equal(note.bytes[1], x->state);
	note.bytes[0] = version;
	note.bytes[1] = process_state;
	return note;
}

static void a_note_of_another_version_changes_nothing(void **state)
{
	static const uint8_t others[] = { 0, 2, 255 };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct link_note note = note_with(*state, others[i], PROCESS_RUNNING);

		assert_refused(*state, &note);
	}
}

static void a_state_that_there_is_not_changes_nothing(void **state)
{
	static const uint8_t others[] = { PROCESS_STATE_MAX, 255 };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct link_note note = note_with(*state, 1, others[i]);

		assert_refused(*state, &note);
	}
}

/* Bytes 3, 4 and 5: kind of end, kind of asker, step. */
static void an_end_or_an_asker_that_there_is_not_changes_nothing(void **state)
{
	static const uint8_t first_bad[] = { PROCESS_NOT_SPAWNED + 1, ASKED_CLIENT + 1,
					     LINK_STEP_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(first_bad); i++) {
		struct link_note note = note_with(*state, 1, PROCESS_RUNNING);

		note.bytes[3 + i] = first_bad[i];
		assert_refused(*state, &note);
		note.bytes[3 + i] = 255;
		assert_refused(*state, &note);
	}
}

static void a_slot_that_has_no_note_yet_changes_nothing(void **state)
{
	const struct link_note none = { 0 };

	assert_refused(*state, &none);
}

/* A note is copied whole into a file: nothing of our memory may get there. */
static void a_note_is_the_same_bytes_each_time(void **state)
{
	struct link_note a, b;

	memset(&a, 0x55, sizeof a);
	memset(&b, 0xaa, sizeof b);
	fill(process_find(*state, "x"));
	process_note_write(process_find(*state, "x"), &a);
	process_note_write(process_find(*state, "x"), &b);
	assert_memory_equal(&a, &b, sizeof a);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define session_test(f) cmocka_unit_test_setup_teardown(f, session_setup, session_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_was_never_started_stays_so),
		test(every_number_comes_back_in_its_place),
		test(every_state_comes_back),
		test(every_kind_of_end_and_asker_comes_back),
		test(each_flag_comes_back_alone),
		test(cpu_times_are_told_to_the_millisecond),
		test(extremes_come_back),
		test(what_has_no_room_becomes_the_most_there_is),
		test(a_standing_order_is_counted_by_who_takes_over),
		session_test(a_process_comes_back_to_its_session),
		session_test(a_session_that_is_not_there_any_more_is_none),
		test(a_note_of_another_version_changes_nothing),
		test(a_state_that_there_is_not_changes_nothing),
		test(an_end_or_an_asker_that_there_is_not_changes_nothing),
		test(a_slot_that_has_no_note_yet_changes_nothing),
		test(a_note_is_the_same_bytes_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
