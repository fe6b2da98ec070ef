/* fault_twice.c - a forkserver dies while it makes a child: the next makes it, and no other is left behind
 * that nobody knows */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/fixture.h"
#include "tests/fault/soak/page.h"

#define ROUNDS 40
#define WITHIN_US 4000

static struct page *map_page(struct fixture *f)
{
	auto_close int fd = open(fixture_path(f, "page"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_return_code(fd, errno);
	assert_return_code(ftruncate(fd, sizeof(struct page)), errno);
	struct page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	return page;
}

static void kill_forkserver(struct fixture *f, const char *name)
{
	pid_t pid = run_child_named(f->fosterd, name, 0);

	if (pid) /* none: the next is just to be started */
		kill(pid, SIGKILL);
}

/* One starts it, the other kills who is to make it: at any moment of the making. The lock of its page
 * tells whether a first one was still there. */
static void restart_while_it_dies(struct fixture *f, const char *config, const char *server)
{
	struct page *page = map_page(f);

	fixture_start(f, config, "x");
	for (int i = 0; i < ROUNDS; i++) {
		struct run restart = { 0 };

		fixture_ctl_start(f, &restart, "restart", "x");
		usleep((useconds_t)(i * 7919 % WITHIN_US));
		kill_forkserver(f, server);
		fixture_finish(f, &restart);
		fixture_settle(f, "x", "RUNNING");
		if (page->intruders)
			fixture_fail(f, "round %d: there were two", i);
	}
	munmap(page, sizeof *page);
	fixture_down(f);
}

#define PROGRAM                                                                             \
	"startsecs = 0\nstartretries = 1000\nrestart_delay = 0.01\nstdout_logfile = NONE\n" \
	"command = @build@/tests/helpers/soaker @dir@/page 1\n"

static void a_native_forkserver_that_dies_leaves_no_child_that_nobody_knows(void **state)
{
	restart_while_it_dies(*state, "[program:x]\nstart_method = forkserver\n" PROGRAM,
			      "foster-forkserv");
}

static void a_python_forkserver_that_dies_leaves_no_child_that_nobody_knows(void **state)
{
	if (access("/usr/bin/python3", X_OK) < 0)
		fixture_skip("no /usr/bin/python3");
	restart_while_it_dies(*state,
			      "[forkserver:py]\ntype = python\n"
			      "[program:x]\nstart_method = forkserver:py\n" PROGRAM,
			      "python3");
}

#define MADE "start_method = forkserver\nstartsecs = 0\ncommand = @child@ hold\n"

static void a_start_that_was_asked_of_it_is_made_by_the_next(void **state)
{
	struct fixture *f = *state;
	struct run start = { 0 };

	fixture_start(f,
		      "[program:x]\n" MADE "[program:y]\n" MADE
		      "[program:later]\ncommand = @child@ hold\nstartsecs = 0\n",
		      "y");
	pid_t server = run_child_named(f->fosterd, "foster-forkserv", 0);
	fixture_kill(server, SIGSTOP);
	fixture_ctl_start(f, &start, "start", "x");
	fixture_expect(f, "x", "STARTING");
	fixture_ctl_is(f, 0, NULL, "", "start", "later"); /* the keeper has read both */
	fixture_kill(server, SIGKILL);
	fixture_check(f, fixture_finish(f, &start), 0, "x: started\n", "");
	fixture_down(f);
}

static void a_start_that_forkservers_die_of_is_told_by_the_second(void **state)
{
	struct fixture *f = *state;
	struct fifo *said = fixture_fifo(f, "said");

	fixture_up(
		f,
		"[forkserver:mortal]\ncommand = perl -e 'vec($r, 3, 1) = 1; select $r, undef, undef, undef; "
		"open $o, q(>), q(@dir@/said); print $o qq(asked\\n)'\n"
		"[program:x]\nautostart = false\nautorestart = false\nrestart_delay = 1000\n"
		"start_method = forkserver:mortal\ncommand = @child@ hold\n");
	fixture_ctl_is(f, 1, "", "fosterctl: x: cannot start: its forkserver has ended\n", "start",
		       "x");
	fixture_expect_line(f, said, "asked");
	fixture_expect_line(f, said, "asked");
	fixture_expect_silence(f, said);
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_native_forkserver_that_dies_leaves_no_child_that_nobody_knows),
		fixture_test(a_python_forkserver_that_dies_leaves_no_child_that_nobody_knows),
		fixture_test(a_start_that_was_asked_of_it_is_made_by_the_next),
		fixture_test(a_start_that_forkservers_die_of_is_told_by_the_second),
	};

	return fixture_run(tests);
}
