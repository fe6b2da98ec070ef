/* What a forkserver is told, while it does not listen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/loop.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/keeper.h"

#define SERVER 0
#define SLOT 1
#define BODY_BYTES 20000
#define TOO_MANY 1000 /* more than any socket takes */
#define MANY 10000

struct fixture {
	struct keeper k;
	struct link theirs;
	char dir[32];
	int dir_fd;
	unsigned received;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int ours, theirs;

	*state = f;
	if (!f || link_pair(&ours, &theirs) < 0)
		return -1;
	strcpy(f->dir, "/tmp/foster-server.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	link_init(&f->theirs, theirs);
	f->k.loop = loop_new();
	if (!f->k.loop || slots_init(&f->k) < 0 ||
	    table_create(&f->k.table, f->dir_fd, "table") < 0)
		return -1;
	f->k.slots[SERVER].server = server_of_link(&f->k, SERVER, ours, true, false);
	return f->k.slots[SERVER].server ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	server_free(&f->k, SERVER);
	ev_loop_destroy(f->k.loop);
	link_done(&f->theirs);
	close(f->k.table.fd);
	unlinkat(f->dir_fd, "table", 0);
	close(f->dir_fd);
	rmdir(f->dir);
	free(f->k.slots);
	free(f);
	return 0;
}

static int ask(struct fixture *f)
{
	static const unsigned char body[BODY_BYTES];
	const struct link_spawn plan = { .server = SERVER };
	const struct link_head h = { .slot = SLOT, .incarnation = 1 };
	const struct link_message m = { .head = &h, .body = body, .len = sizeof body };

	return server_spawn(&f->k, SLOT, &m, &plan, NULL, 0);
}

static void on_message(void *data, const struct link_message *m)
{
	struct fixture *f = data;

	assert_int_equal(m->len, m->head->type == LINK_SPAWN ? BODY_BYTES : 0);
	f->received++;
}

static void listen_now(struct fixture *f)
{
	for (unsigned before = ~0U; f->received != before;) {
		before = f->received;
		while (link_receive(&f->theirs, on_message, f) == 1)
			;
		ev_run(f->k.loop, EVRUN_NOWAIT);
	}
}

static void what_was_accepted_arrives_and_what_was_not_is_refused(void **state)
{
	struct fixture *f = *state;
	unsigned accepted = 0;
	int r = 0;

	for (unsigned i = 0; i < TOO_MANY; i++) {
		r = ask(f);
		accepted += r == 0;
	}
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(f->k.n_server_spawns, accepted);
	listen_now(f);
	assert_int_equal(f->received, accepted);
	assert_int_equal(ask(f), 0);
	listen_now(f);
	assert_int_equal(f->received, accepted + 1);
}

/* Each in a turn of its own, as its end is acknowledged; or all at once. */
static void reap(struct fixture *f, unsigned n, bool turns)
{
	struct link_slot child = { .state = LINK_SLOT_ENDED, .server = SERVER };

	table_write(&f->k.table, SLOT, 1, &child);
	while (n--) {
		server_reap(&f->k, SLOT, 1);
		if (turns)
			ev_run(f->k.loop, EVRUN_NOWAIT);
	}
}

static void ten_thousand_may_be_reaped_at_once(void **state)
{
	struct fixture *f = *state;

	reap(f, MANY, false);
	listen_now(f);
	assert_int_equal(f->received, MANY);
}

static void one_that_never_reads_who_is_to_be_reaped_is_killed(void **state)
{
	struct fixture *f = *state;
	struct link_slot server = { .state = LINK_SLOT_LIVE, .pid = fork() };
	int status;

	if (!server.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(1);
	}
	assert_int_equal(table_name_slot(&f->k.table, SERVER, "server"), 0);
	table_write(&f->k.table, SERVER, 1, &server);
	reap(f, TABLE_SLOTS, true);
	assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ten_thousand_may_be_reaped_at_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_never_reads_who_is_to_be_reaped_is_killed,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_accepted_arrives_and_what_was_not_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
