#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/link.h"
#include "daemon/base/mem.h"
#include "tests/unit/under_valgrind.h"

struct ends {
	struct link ours, theirs;
};

struct seen {
	unsigned n;
	uint16_t types[64];
	uint32_t last_slot;
	size_t last_len;
	unsigned last_fds;
	int kept_fd;
	char text[64];
};

static int set_up(void **state)
{
	static struct ends e;
	int ours, theirs;

	if (link_pair(&ours, &theirs) < 0)
		return -1;
	link_init(&e.ours, ours);
	link_init(&e.theirs, theirs);
	*state = &e;
	return 0;
}

static int tear_down(void **state)
{
	struct ends *e = *state;

	link_done(&e->ours);
	link_done(&e->theirs);
	return 0;
}

static void on_message(void *data, const struct link_message *m)
{
	struct seen *s = data;

	if (s->n < 64)
		s->types[s->n] = m->head->type;
	s->n++;
	s->last_slot = m->head->slot;
	s->last_len = m->len;
	s->last_fds = m->n_fds;
	snprintf(s->text, sizeof s->text, "%.*s", (int)(m->len < 60 ? m->len : 60),
		 (const char *)m->body);
	if (m->n_fds && s->kept_fd < 0) {
		s->kept_fd = m->fds[0];
		m->fds[0] = -1;
	}
}

static int send_text(struct link *l, enum link_type type, const char *text, const int *fds,
		     unsigned n_fds)
{
	struct link_head h = { .type = type, .slot = 7 };
	struct link_part part = { text, strlen(text) };

	return link_send(l, &h, &part, 1, fds, n_fds);
}

static void a_batch_arrives_in_order_as_one_datagram(void **state)
{
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;

	assert_int_equal(send_text(&e->ours, LINK_ACK, "a", NULL, 0), 0);
	assert_int_equal(send_text(&e->ours, LINK_NOTE, "bcd", NULL, 0), 0);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), -EAGAIN);
	assert_int_equal(link_flush(&e->ours), 0);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), 1);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.types[0], LINK_ACK);
	assert_int_equal(s.types[1], LINK_NOTE);
	assert_string_equal(s.text, "bcd");
	assert_int_equal(s.last_slot, 7);
}

static void those_that_can_wait_leave_room_for_others(void **state)
{
	struct ends *e = *state;
	unsigned n = 0;

	while (link_leave_room(&e->ours) == 0)
		assert_int_equal(send_text(&e->ours, LINK_SLOT, "one of many", NULL, 0), 0);
	assert_true(e->ours.blocked);
	while (send_text(&e->ours, LINK_SIGNALLED, "said but once", NULL, 0) == 0)
		n++;
	assert_in_range(n, 250, 1000);
}

static void what_came_in_a_memfd_can_be_passed_on_without(void **state)
{
	struct link_head h = { .type = LINK_SYNC, .in_memfd = 1 };
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;

	assert_int_equal(link_send(&e->ours, &h, NULL, 0, NULL, 0), 0);
	assert_int_equal(link_flush(&e->ours), 0);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), 1);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.last_len, 0);
}

static void descriptors_go_with_their_message_and_the_rest_are_closed(void **state)
{
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;
	int before = fd_count(), pair[2];

	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(send_text(&e->ours, LINK_HOLD, "x", pair, 2), 0);
	assert_int_equal(link_flush(&e->ours), 0);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), 1);
	assert_int_equal(s.last_fds, 2);
	assert_int_equal(fcntl(s.kept_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(s.kept_fd);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(fd_count(), before);
}

static void a_body_that_is_too_large_travels_as_sealed_memory(void **state)
{
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;
	size_t len = 300000;
	auto_free char *large = malloc(len + 1);
	int before = fd_count();

	memset(large, 'x', len);
	large[len] = '\0';
	assert_int_equal(send_text(&e->ours, LINK_SPAWN, large, NULL, 0), 0);
	assert_int_equal(link_flush(&e->ours), 0);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), 1);
	assert_int_equal(s.last_len, len);
	assert_int_equal(s.last_fds, 0);
	assert_int_equal(fd_count(), before);
}

static void a_full_socket_says_so_and_loses_nothing(void **state)
{
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;
	char text[1024];
	unsigned sent = 0;

	memset(text, 'y', sizeof text);
	text[sizeof text - 1] = '\0';
	while (send_text(&e->ours, LINK_NOTE, text, NULL, 0) == 0)
		sent++;
	assert_true(e->ours.blocked);
	while (link_receive(&e->theirs, on_message, &s) == 1 || link_pending(&e->ours))
		(void)link_flush(&e->ours);
	assert_int_equal(s.n, sent);
}

static void bytes_that_are_no_message_are_refused_whole(void **state)
{
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;
	struct link_head h = { .size = sizeof h + 100, .version = LINK_VERSION };

	assert_int_equal(send(e->ours.fd, "short", 5, 0), 5);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), -EPROTO);
	assert_int_equal(send(e->ours.fd, &h, sizeof h, 0), sizeof h); /* longer than it is */
	assert_int_equal(link_receive(&e->theirs, on_message, &s), -EPROTO);
	h.size = sizeof h;
	h.version = LINK_VERSION + 1;
	assert_int_equal(send(e->ours.fd, &h, sizeof h, 0), sizeof h);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), -EPROTONOSUPPORT);
	h.version = LINK_VERSION;
	h.fds = 1; /* which did not come */
	assert_int_equal(send(e->ours.fd, &h, sizeof h, 0), sizeof h);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), -EPROTO);
	assert_int_equal(s.n, 0);
}

static void descriptors_that_cannot_be_had_are_told_from_nonsense(void **state)
{
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;
	struct link_head h = { .type = LINK_HOLD };
	struct rlimit before, none;

	skip_under_valgrind();
	assert_int_equal(link_send(&e->ours, &h, NULL, 0, &e->ours.fd, 1), 0);
	assert_int_equal(link_flush(&e->ours), 0);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), -EMFILE);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
	assert_int_equal(s.n, 0);
}

static void what_was_sent_before_the_end_is_still_received(void **state)
{
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;

	assert_int_equal(send_text(&e->ours, LINK_FINISH, "z", NULL, 0), 0);
	assert_int_equal(link_flush(&e->ours), 0);
	close_fd(&e->ours.fd);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), 1);
	assert_int_equal(link_receive(&e->theirs, on_message, &s), 0);
	assert_int_equal(s.n, 1);
}

static void what_was_said_before_a_reset_is_still_received(void **state)
{
	struct seen s = { .kept_fd = -1 };
	struct ends *e = *state;

	assert_int_equal(send_text(&e->theirs, LINK_SPAWN, "unread", NULL, 0), 0);
	assert_int_equal(link_flush(&e->theirs), 0);
	assert_int_equal(send_text(&e->ours, LINK_FAILED, "why", NULL, 0), 0);
	assert_int_equal(link_flush(&e->ours), 0);
	close_fd(&e->ours.fd); /* with a message in it */
	assert_int_equal(link_receive(&e->theirs, on_message, &s), 1);
	assert_string_equal(s.text, "why");
	assert_int_equal(link_receive(&e->theirs, on_message, &s), 0);
}

static void strings_must_end_within_the_body(void **state)
{
	static const unsigned char body[] = { 'a', 0, 'b', 'c' };
	struct link_message m = { .body = body, .len = sizeof body };
	size_t at = 0;

	(void)state;
	assert_string_equal(link_take_str(&m, &at), "a");
	assert_null(link_take_str(&m, &at));
	assert_int_equal(at, 2);
	assert_null(link_take(&m, &at, 3));
	assert_non_null(link_take(&m, &at, 2));
}

static void every_step_has_a_word(void **state)
{
	(void)state;
	for (int s = 0; s < LINK_STEP_MAX; s++)
		assert_string_not_equal(link_step_name((enum link_step)s), "unknown");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_batch_arrives_in_order_as_one_datagram),
		TEST(descriptors_go_with_their_message_and_the_rest_are_closed),
		TEST(a_body_that_is_too_large_travels_as_sealed_memory),
		TEST(a_full_socket_says_so_and_loses_nothing),
		TEST(those_that_can_wait_leave_room_for_others),
		TEST(what_came_in_a_memfd_can_be_passed_on_without),
		TEST(bytes_that_are_no_message_are_refused_whole),
		TEST(descriptors_that_cannot_be_had_are_told_from_nonsense),
		TEST(what_was_sent_before_the_end_is_still_received),
		TEST(what_was_said_before_a_reset_is_still_received),
		TEST(strings_must_end_within_the_body),
		TEST(every_step_has_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
