/* Descriptors that come with bytes: what there is no room for is never ours. */
#include "ctl/wire/fds.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

struct ends {
	int ours, theirs;
	int before; /* descriptors open */
};

static struct ends begin(void)
{
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), errno);
	return (struct ends){ pair[0], pair[1], fd_count() };
}

/* One byte, with n descriptors. */
static void send_some(const struct ends *e, unsigned n)
{
	int fds[FDS_MAX] = { 0 };

	assert_int_equal(fds_send(e->theirs, "x", 1, fds, n), 1);
}

static void end(const struct ends *e, struct fds *f)
{
	fds_done(f);
	assert_int_equal(fd_count(), e->before);
	close(e->ours);
	close(e->theirs);
}

static void as_many_as_fit_are_kept(void **unused)
{
	struct ends e = begin();
	struct fds f = { 0 };
	char byte;

	(void)unused;
	send_some(&e, FDS_MAX - 1);
	assert_int_equal(fds_receive(e.ours, &byte, 1, &f), 1);
	send_some(&e, 1);
	assert_int_equal(fds_receive(e.ours, &byte, 1, &f), 1);
	assert_int_equal(f.n, FDS_MAX);
	assert_int_equal(fd_count(), e.before + FDS_MAX);
	end(&e, &f);
}

static void more_than_fit_are_an_error_and_not_opened(void **unused)
{
	struct ends e = begin();
	struct fds f = { 0 };
	char byte;

	(void)unused;
	send_some(&e, FDS_MAX - 1);
	assert_int_equal(fds_receive(e.ours, &byte, 1, &f), 1);
	send_some(&e, 3);
	assert_int_equal(fds_receive(e.ours, &byte, 1, &f), -EMSGSIZE);
	assert_int_equal(f.n, FDS_MAX);
	send_some(&e, 1);
	assert_int_equal(fds_receive(e.ours, &byte, 1, &f), -EMSGSIZE);
	assert_int_equal(fd_count(), e.before + FDS_MAX);
	end(&e, &f);
}

static void who_refuses_gets_none(void **unused)
{
	struct ends e = begin();
	struct fds f = { .refuse = true };
	char byte;

	(void)unused;
	send_some(&e, 2);
	assert_int_equal(fds_receive(e.ours, &byte, 1, &f), -EMSGSIZE);
	assert_int_equal(f.n, 0);
	assert_int_equal(fd_count(), e.before);
	send_some(&e, 0);
	assert_int_equal(fds_receive(e.ours, &byte, 1, &f), 1); /* bytes alone are welcome */
	end(&e, &f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_fit_are_kept),
		cmocka_unit_test(more_than_fit_are_an_error_and_not_opened),
		cmocka_unit_test(who_refuses_gets_none),
	};

	return cmocka_run_group_tests_name("wire_fds", tests, NULL, NULL);
}
