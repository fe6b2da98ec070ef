/* fosterctl's connection against a server that dies, lies or is silent: a child process that follows
 * a script, one letter for each connection, while the listening socket is held here, as the keeper
 * holds it. */
#include "ctl/client/client.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define GOOD "{\"parameters\":{\"n\":1}}"

struct fixture {
	char dir[64], path[96];
	int listen_fd;
	pid_t server;
	struct client client;
};

/* ---- the server ---------------------------------------------------------------------------- */

/* Read one whole call; its method's first letter after the interface, 0 at end of file. */
static char read_call(int fd)
{
	static const char before[] = "{\"method\":\"org.foster.Supervisor.";
	char call[4096];
	size_t len = 0;

	do {
		ssize_t n = read(fd, call + len, 1);

		if (n <= 0)
			return 0;
	} while (call[len++]);
	return strncmp(call, before, sizeof before - 1) == 0 ? call[sizeof before - 1] : '?';
}

static void follow_script(int fd, char what)
{
	int null = 2;

	switch (what) {
	case 'd': /* dies without an answer */
		read_call(fd);
		break;
	case 'D': /* dies before it reads: unread bytes make it a reset */
		break;
	case 'h': /* dies in the middle of its answer */
		read_call(fd);
		assert(write(fd, GOOD, 5) > 0);
		break;
	case 'g':
		read_call(fd);
		assert(write(fd, "gibberish", 10) > 0);
		break;
	case 's':
		read_call(fd);
		pause();
		break;
	case 'f':
		read_call(fd);
		fds_send(fd, GOOD, sizeof GOOD, &null, 1);
		read_call(fd);
		break;
	default: /* answers, however often */
		while (read_call(fd))
			assert(write(fd, GOOD, sizeof GOOD) > 0);
	}
}

static void serve(struct fixture *f, const char *script)
{
	f->server = fork();
	assert_return_code(f->server, errno);
	if (f->server)
		return;
	for (; *script; script++) {
		int fd = accept(f->listen_fd, NULL, NULL);

		follow_script(fd, *script);
		close(fd);
	}
	_exit(0);
}

/* ---- fixture ------------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	assert_non_null(f);
	strcpy(f->dir, "/tmp/foster-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/socket", f->dir);
	strcpy(sa.sun_path, f->path);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(f->listen_fd, (struct sockaddr *)&sa, sizeof sa), errno);
	assert_return_code(listen(f->listen_fd, 16), errno);
	client_init(&f->client, f->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	client_done(&f->client);
	if (f->server > 0) {
		kill(f->server, SIGKILL);
		waitpid(f->server, NULL, 0);
	}
	close_fd(&f->listen_fd);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void expect_good(struct fixture *f, const struct request *q)
{
	struct reply reply;

	assert_int_equal(client_call(&f->client, q, &reply), 0);
	assert_null(reply.error);
	assert_int_equal(json_integer_value(json_object_get(reply.parameters, "n")), 1);
	reply_done(&reply);
}

static const struct request ping = { .method = "Ping" };

/* ---- promises ------------------------------------------------------------------------------ */

static void one_connection_serves_many_calls(void **state)
{
	struct fixture *f = *state;

	serve(f, "r");
	for (int i = 0; i < 10; i++)
		expect_good(f, &ping);
}

static void a_call_is_repeated_across_deaths_of_the_server(void **state)
{
	struct fixture *f = *state;

	serve(f, "dDhdr");
	expect_good(f, &ping);
}

static void a_call_that_may_be_done_once_is_not_repeated(void **state)
{
	static const struct request terminate = { .method = "Terminate", .once = true };
	struct fixture *f = *state;
	struct reply reply;

	serve(f, "dr");
	assert_int_equal(client_call(&f->client, &terminate, &reply), -EINPROGRESS);
}

static void descriptors_go_along_each_time(void **state)
{
	struct fixture *f = *state;
	const int fds[] = { 0, 1 };
	struct request q = { .method = "Define", .fds = fds, .n_fds = 2 };

	serve(f, "dr");
	expect_good(f, &q);
}

static void a_descriptor_comes_with_its_reply_only(void **state)
{
	struct fixture *f = *state;
	int fd;

	serve(f, "fr");
	expect_good(f, &ping);
	fd = fds_take(&f->client.fds, 0);
	assert_return_code(fd, errno);
	close(fd);
	expect_good(f, &ping); /* the first connection ends with its second call */
	assert_int_equal(f->client.fds.n, 0);
}

static void what_is_not_a_reply_is_said_to_be_none(void **state)
{
	struct fixture *f = *state;
	struct reply reply;

	serve(f, "g");
	assert_int_equal(client_call(&f->client, &ping, &reply), -EBADMSG);
}

static void a_silent_server_is_left_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct reply reply;

	serve(f, "s");
	f->client.deadline_ns = clock_boot_ns() + 50 * NS_PER_MS;
	assert_int_equal(client_call(&f->client, &ping, &reply), -ETIMEDOUT);
}

static void where_nobody_ever_listened_fails_at_once(void **state)
{
	struct fixture *f = *state;
	struct reply reply;
	uint64_t begun = clock_boot_ns();

	close_fd(&f->listen_fd);
	assert_int_equal(client_call(&f->client, &ping, &reply), -ECONNREFUSED);
	unlink(f->path);
	assert_int_equal(client_call(&f->client, &ping, &reply), -ENOENT);
	assert_true(clock_seconds(begun, clock_boot_ns()) < 1);
}

static void where_nobody_listens_any_more_is_given_up_after_a_while(void **state)
{
	struct fixture *f = *state;
	struct reply reply;
	int status;

	serve(f, "d");
	close_fd(&f->listen_fd);
	assert_int_equal(client_call(&f->client, &ping, &reply), -ECONNREFUSED);
	assert_int_equal(waitpid(f->server, &status, 0), f->server);
	f->server = 0;
}

static void a_path_too_long_fails_to_connect(void **state)
{
	struct fixture *f = *state;
	struct reply reply;
	char path[200];

	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	f->client.path = path;
	assert_int_equal(client_call(&f->client, &ping, &reply), -ENAMETOOLONG);
}

static void a_reply_may_be_left_as_text(void **state)
{
	struct request q = { .method = "Status", .unparsed = true };
	struct fixture *f = *state;
	struct reply reply;
	size_t len;

	serve(f, "dr");
	assert_int_equal(client_call(&f->client, &q, &reply), 0);
	assert_null(reply.root);
	assert_memory_equal(client_text(&f->client, &len), GOOD, sizeof GOOD);
	assert_int_equal(len, strlen(GOOD));
}

static void the_socket_is_the_option_then_the_environment_then_the_default(void **state)
{
	(void)state;
	setenv("FOSTER_SOCKET", "/from/environment", 1);
	assert_string_equal(client_path("/from/option"), "/from/option");
	assert_string_equal(client_path(NULL), "/from/environment");
	setenv("FOSTER_SOCKET", "", 1);
	if (geteuid() == 0) {
		assert_string_equal(client_path(NULL), FOSTER_RUNDIR "/foster/foster.sock");
	} else {
		setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
		assert_string_equal(client_path(NULL), "/run/user/1/foster/foster.sock");
	}
	unsetenv("FOSTER_SOCKET");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(one_connection_serves_many_calls),
		TEST(a_call_is_repeated_across_deaths_of_the_server),
		TEST(a_call_that_may_be_done_once_is_not_repeated),
		TEST(descriptors_go_along_each_time),
		TEST(a_descriptor_comes_with_its_reply_only),
		TEST(what_is_not_a_reply_is_said_to_be_none),
		TEST(a_silent_server_is_left_at_the_deadline),
		TEST(where_nobody_ever_listened_fails_at_once),
		TEST(where_nobody_listens_any_more_is_given_up_after_a_while),
		TEST(a_path_too_long_fails_to_connect),
		TEST(a_reply_may_be_left_as_text),
		TEST(the_socket_is_the_option_then_the_environment_then_the_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
