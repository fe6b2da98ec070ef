/* The transport of the control socket, over real sockets, with a table of methods made for it. */
#include "daemon/supervisor/rpc.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "ctl/wire/call.h"
#include "ctl/wire/fds.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/rpc_interface.h"
#include "daemon/supervisor/rpc_peer.h"
#include "daemon/supervisor/rpc_server.h"

#define FOSTER "org.foster.Supervisor."

struct fixture {
	struct ev_loop *loop;
	struct rpc_server *server;
	struct sockaddr_un address;
	int listen_fd;
	unsigned rights;
	unsigned calls; /* how many handlers ran */
	struct rpc_call *kept;
	unsigned gone, drained;
	struct rpc_peer peer; /* as the last WhoAmI saw it */
	int peer_pidfd;
	uint64_t asked, left; /* of what a keeper is asked */
};

/* ---- methods ------------------------------------------------------------------------------- */

static void echo(void *data, struct rpc_call *call, json_t *parameters)
{
	struct fixture *f = data;

	f->calls++;
	rpc_reply(call, json_incref(parameters));
}

static void text(void *data, struct rpc_call *call, json_t *parameters)
{
	(void)parameters;
	((struct fixture *)data)->calls++;
	rpc_reply_text(call, "{\"a\":[1,2]}", 11);
}

static void on_gone(void *data)
{
	struct fixture *f = data;

	f->gone++;
	f->kept = NULL;
}

static void on_drained(void *data)
{
	((struct fixture *)data)->drained++;
}

static void keep(void *data, struct rpc_call *call, json_t *parameters)
{
	struct fixture *f = data;

	(void)parameters;
	f->calls++;
	f->kept = call;
	rpc_keep(call, on_gone, on_drained, f);
}

static void give_fd(void *data, struct rpc_call *call, json_t *parameters)
{
	auto_close int fd = -1;

	(void)data;
	(void)parameters;
	assert_int_equal(fd_sealed("given", "from the server", 15, &fd), 0);
	rpc_reply_fd(call, NULL, fd);
}

static void count_fds(void *data, struct rpc_call *call, json_t *parameters)
{
	struct stat st = { 0 };
	auto_close int fd = rpc_take_fd(call, 0);

	(void)data;
	(void)parameters;
	if (fd >= 0)
		assert_return_code(fstat(fd, &st), errno);
	rpc_reply(call, json_pack("{s:i,s:I,s:b}", "n", (int)rpc_fds(call), "inode",
				  (json_int_t)st.st_ino, "again", rpc_take_fd(call, 0) >= 0));
}

static void who_am_i(void *data, struct rpc_call *call, json_t *parameters)
{
	struct fixture *f = data;
	const struct rpc_peer *p = rpc_peer(call);

	(void)parameters;
	f->peer = *p;
	close_fd(&f->peer_pidfd);
	f->peer_pidfd = rpc_peer_open(call);
	rpc_reply(call, NULL);
}

static void refuse(void *data, struct rpc_call *call, json_t *parameters)
{
	(void)data;
	(void)parameters;
	rpc_error(call, FOSTER "NameInUse", json_pack("{s:s}", "name", "web"));
}

static const struct rpc_method methods[] = {
	{ FOSTER "Echo", 0, echo },
	{ FOSTER "Text", CONF_READ, text },
	{ FOSTER "Keep", CONF_CONTROL | CONF_ADMIN, keep },
	{ FOSTER "GiveFd", 0, give_fd },
	{ FOSTER "CountFds", 0, count_fds },
	{ FOSTER "WhoAmI", 0, who_am_i },
	{ FOSTER "Fail", 0, refuse },
};

static unsigned rights_of(void *data, const struct rpc_peer *peer)
{
	assert_int_equal(peer->pid, getpid());
	return ((struct fixture *)data)->rights;
}

/* ---- fixture ------------------------------------------------------------------------------- */

static uint64_t asked(void *data)
{
	return ((struct fixture *)data)->asked;
}

static uint64_t gone(void *data)
{
	return ((struct fixture *)data)->left;
}

static void serve(struct fixture *f)
{
	struct rpc_config config = {
		.loop = f->loop,
		.listen_fd = f->listen_fd,
		.methods = methods,
		.n_methods = ARRAY_SIZE(methods),
		.interface = rpc_interface_text,
		.rights = rights_of,
		.data = f,
		.asked = asked,
		.gone = gone,
	};

	assert_int_equal(rpc_server_new(&config, &f->server), 0);
}

static int setup(void **state)
{
	static unsigned number;
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->rights = CONF_READ | CONF_CONTROL;
	f->peer_pidfd = -1;
	f->loop = ev_loop_new(EVFLAG_AUTO);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	f->address.sun_family = AF_UNIX;
	snprintf(f->address.sun_path + 1, sizeof f->address.sun_path - 1, "foster-test-%d-%u",
		 (int)getpid(), number++);
	assert_return_code(bind(f->listen_fd, (struct sockaddr *)&f->address, sizeof f->address),
			   errno);
	assert_return_code(listen(f->listen_fd, 4096), errno);
	serve(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rpc_server_free(f->server);
	close(f->listen_fd);
	close_fd(&f->peer_pidfd);
	ev_loop_destroy(f->loop);
	free(f);
	return 0;
}

/* Let the server do all that it can do now. */
static void turn(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		ev_run(f->loop, EVRUN_NOWAIT);
}

static int dial(struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	assert_return_code(connect(fd, (struct sockaddr *)&f->address, sizeof f->address), errno);
	return fd;
}

static void say_bytes(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

/* A message: the string and its NUL. */
static void say(int fd, const char *message)
{
	say_bytes(fd, message, strlen(message) + 1);
}

static bool readable_within(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static bool readable(int fd)
{
	return readable_within(fd, 0);
}

/* The next reply, as text; its descriptors go to *fds. */
static void hear_with(struct fixture *f, int fd, struct fds *fds, char *reply, size_t size)
{
	static char scratch[65536];
	struct frame frame = { .limit = (size_t)64 << 20 };
	const char *message;
	size_t len;
	int r;

	do {
		while (!readable_within(fd, 1))
			ev_run(f->loop, EVRUN_NOWAIT);
		r = fds_read_message(fd, &frame, fds, scratch, sizeof scratch, &message, &len);
		assert_in_range(r, 1, 2);
	} while (r == 2);
	assert_true(len < size);
	memcpy(reply, message, len + 1);
	frame_done(&frame);
}

static void expect(struct fixture *f, int fd, const char *wanted)
{
	struct fds none = { 0 };
	char reply[8192];

	hear_with(f, fd, &none, reply, sizeof reply);
	assert_string_equal(reply, wanted);
	assert_int_equal(none.n, 0);
}

static void expect_closed(struct fixture *f, int fd)
{
	char c;

	turn(f);
	assert_true(readable(fd));
	assert_true(recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
}

#define ECHO(n) "{\"method\":\"" FOSTER "Echo\",\"parameters\":{\"n\":" #n "}}"
#define ECHOED(n) "{\"parameters\":{\"n\":" #n "}}"
#define KEEP "{\"method\":\"" FOSTER "Keep\",\"more\":true}"

/* ---- messages ------------------------------------------------------------------------------ */

static void a_call_that_comes_byte_by_byte_is_answered_once_whole(void **state)
{
	struct fixture *f = *state;
	const char *call = ECHO(1);
	int fd = dial(f);

	for (size_t i = 0; i < strlen(call); i++) {
		say_bytes(fd, call + i, 1);
		turn(f);
		assert_int_equal(f->calls, 0);
	}
	say_bytes(fd, "", 1);
	expect(f, fd, ECHOED(1));
	close(fd);
}

static void pipelined_calls_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	static const char both[] = ECHO(1) "\0" ECHO(2) "\0" ECHO(3);
	int fd = dial(f);

	say_bytes(fd, both, sizeof both);
	expect(f, fd, ECHOED(1));
	expect(f, fd, ECHOED(2));
	expect(f, fd, ECHOED(3));
	close(fd);
}

static void a_call_behind_a_kept_one_waits_for_its_end(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, KEEP);
	say(fd, ECHO(2));
	turn(f);
	assert_int_equal(f->calls, 1);
	assert_non_null(f->kept);
	rpc_reply(f->kept, NULL);
	expect(f, fd, "{\"parameters\":{}}");
	expect(f, fd, ECHOED(2));
	close(fd);
}

static void a_stream_goes_on_until_it_is_ended(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, KEEP);
	turn(f);
	assert_true(rpc_wants_more(f->kept));
	assert_true(rpc_continue(f->kept, json_pack("{s:i}", "n", 1), -1));
	assert_true(rpc_continue(f->kept, json_pack("{s:i}", "n", 2), -1));
	rpc_reply(f->kept, NULL);
	expect(f, fd, "{\"parameters\":{\"n\":1},\"continues\":true}");
	expect(f, fd, "{\"parameters\":{\"n\":2},\"continues\":true}");
	expect(f, fd, "{\"parameters\":{}}");
	close(fd);
}

static void a_oneway_call_runs_and_is_not_answered(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"method\":\"" FOSTER "Echo\",\"oneway\":true}");
	say(fd, "{\"method\":\"" FOSTER "Fail\",\"oneway\":true}");
	say(fd, ECHO(2));
	expect(f, fd, ECHOED(2));
	assert_int_equal(f->calls, 2);
	close(fd);
}

static void a_reply_may_be_given_as_text(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "{\"method\":\"" FOSTER "Text\"}");
	expect(f, fd, "{\"parameters\":{\"a\":[1,2]}}");
	close(fd);
}

static void a_peer_that_only_stopped_sending_gets_its_reply(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, KEEP);
	assert_return_code(shutdown(fd, SHUT_WR), errno);
	turn(f);
	assert_int_equal(f->gone, 0);
	rpc_reply(f->kept, NULL);
	expect(f, fd, "{\"parameters\":{}}");
	expect_closed(f, fd);
	assert_int_equal(rpc_server_connections(f->server), 0);
	close(fd);
}

/* ---- errors -------------------------------------------------------------------------------- */

static void the_standard_errors_say_what_is_wrong(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"method\":\"" FOSTER "Nope\"}",
		  "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":"
		  "\"org.foster.Supervisor.Nope\"}}" },
		{ "{\"method\":\"org.example.Other.Ping\"}",
		  "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		  "\"interface\":\"org.example.Other\"}}" },
		{ "{\"method\":\"Ping\"}",
		  "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		  "\"interface\":\"Ping\"}}" },
		{ "{\"method\":\"" FOSTER "Echo\",\"upgrade\":true}",
		  "{\"error\":\"org.varlink.service.MethodNotImplemented\",\"parameters\":{"
		  "\"method\":\"org.foster.Supervisor.Echo\"}}" },
		{ "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
		  "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{"
		  "\"parameter\":\"interface\"}}" },
		{ "{\"method\":\"" FOSTER "Fail\"}",
		  "{\"error\":\"org.foster.Supervisor.NameInUse\",\"parameters\":{\"name\":\"web\"}}" },
	};
	struct fixture *f = *state;
	int fd = dial(f);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		say(fd, cases[i][0]);
		expect(f, fd, cases[i][1]);
	}
	close(fd);
}

static void a_method_needs_one_of_its_rights(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	f->rights = CONF_READ;
	say(fd, KEEP);
	expect(f, fd,
	       "{\"error\":\"org.foster.Supervisor.NotPermitted\",\"parameters\":{\"right\":"
	       "\"control\"}}");
	assert_int_equal(f->calls, 0);
	f->rights = CONF_ADMIN;
	say(fd, KEEP);
	turn(f);
	assert_int_equal(f->calls, 1);
	close(fd);
}

static void the_service_describes_itself(void **state)
{
	struct fixture *f = *state;
	struct fds none = { 0 };
	struct reply reply;
	char message[65536];
	int fd = dial(f);

	say(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	hear_with(f, fd, &none, message, sizeof message);
	assert_int_equal(reply_parse(message, strlen(message), &reply), 0);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "product")),
			    "foster");
	assert_int_equal(json_array_size(json_object_get(reply.parameters, "interfaces")), 2);
	reply_done(&reply);

	say(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
		"\"interface\":\"org.foster.Supervisor\"}}");
	hear_with(f, fd, &none, message, sizeof message);
	assert_int_equal(reply_parse(message, strlen(message), &reply), 0);
	assert_string_equal(json_string_value(json_object_get(reply.parameters, "description")),
			    rpc_interface_text);
	assert_non_null(strstr(rpc_interface_text, "\nmethod Ping() ->"));
	reply_done(&reply);
	close(fd);
}

/* ---- descriptors --------------------------------------------------------------------------- */

#define COUNT_FDS "{\"method\":\"" FOSTER "CountFds\"}"

static void descriptors_belong_to_the_message_that_they_came_with(void **state)
{
	struct fixture *f = *state;
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int three[] = { null, null, null };
	struct fds none = { 0 };
	struct stat st;
	char wanted[256], reply[256];
	int fd = dial(f);

	assert_return_code(fstat(null, &st), errno);
	/* Plain, with three, plain: all in the socket before the server reads any. */
	say(fd, COUNT_FDS);
	assert_int_equal(fds_send(fd, COUNT_FDS, sizeof COUNT_FDS, three, 3), sizeof COUNT_FDS);
	say(fd, COUNT_FDS);
	expect(f, fd, "{\"parameters\":{\"n\":0,\"inode\":0,\"again\":false}}");
	snprintf(wanted, sizeof wanted, "{\"parameters\":{\"n\":3,\"inode\":%llu,\"again\":false}}",
		 (unsigned long long)st.st_ino);
	hear_with(f, fd, &none, reply, sizeof reply);
	assert_string_equal(reply, wanted);
	expect(f, fd, "{\"parameters\":{\"n\":0,\"inode\":0,\"again\":false}}");
	close(fd);
}

static void the_first_of_messages_sent_together_gets_the_descriptors(void **state)
{
	struct fixture *f = *state;
	static const char both[] = COUNT_FDS "\0" COUNT_FDS;
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct fds none = { 0 };
	char reply[256];
	int fd = dial(f);

	assert_int_equal(fds_send(fd, both, sizeof both, &null, 1), sizeof both);
	hear_with(f, fd, &none, reply, sizeof reply);
	assert_non_null(strstr(reply, "\"n\":1,"));
	expect(f, fd, "{\"parameters\":{\"n\":0,\"inode\":0,\"again\":false}}");
	close(fd);
}

static void descriptors_that_no_one_takes_are_closed(void **state)
{
	struct fixture *f = *state;
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int two[] = { null, null };
	int fd = dial(f), before;

	say(fd, ECHO(1));
	expect(f, fd, ECHOED(1));
	before = fd_count();
	for (int i = 0; i < 50; i++) {
		assert_int_equal(fds_send(fd, ECHO(1), sizeof ECHO(1), two, 2), sizeof ECHO(1));
		expect(f, fd, ECHOED(1));
	}
	assert_int_equal(fd_count(), before);
	close(fd);
}

static void too_many_descriptors_close_the_connection(void **state)
{
	struct fixture *f = *state;
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int many[FDS_MAX];
	int fd = dial(f), before;

	say(fd, ECHO(1));
	expect(f, fd, ECHOED(1));
	before = fd_count();
	for (size_t i = 0; i < FDS_MAX; i++)
		many[i] = null;
	/* Two parts of one message, each with as many as one may have. */
	assert_int_equal(fds_send(fd, "{", 1, many, FDS_MAX), 1);
	assert_int_equal(fds_send(fd, "}", 2, many, FDS_MAX), 2);
	expect_closed(f, fd);
	assert_int_equal(fd_count(), before - 1);
	close(fd);
}

static void a_reply_carries_a_descriptor(void **state)
{
	struct fixture *f = *state;
	char reply[128], content[32] = { 0 };
	int fd = dial(f);

	for (int i = 0; i < 3; i++) {
		struct fds fds = { 0 };

		say(fd, "{\"method\":\"" FOSTER "GiveFd\"}");
		hear_with(f, fd, &fds, reply, sizeof reply);
		assert_string_equal(reply, "{\"parameters\":{}}");
		assert_int_equal(fds.n, 1);
		assert_int_equal(pread(fds.fd[0], content, sizeof content, 0), 15);
		assert_string_equal(content, "from the server");
		fds_done(&fds);
	}
	close(fd);
}

static void descriptors_wait_in_order_behind_a_reader_that_is_slow(void **state)
{
	struct fixture *f = *state;
	auto_free char *pad = calloc(1, 300001);
	int fd = dial(f);

	memset(pad, 'x', 300000);
	say(fd, KEEP);
	turn(f);
	for (int i = 0; i < 4; i++) {
		auto_close int given = -1;

		assert_int_equal(fd_sealed("n", &(char){ (char)('0' + i) }, 1, &given), 0);
		assert_true(rpc_continue(f->kept, json_pack("{s:s}", "pad", pad), -1));
		assert_true(rpc_continue(f->kept, NULL, given));
	}
	assert_false(rpc_drained(f->kept));
	for (int i = 0; i < 4; i++) {
		auto_free char *reply = malloc(400000);
		struct fds fds = { 0 };
		char c;

		hear_with(f, fd, &fds, reply, 400000);
		assert_int_equal(fds.n, 0);
		hear_with(f, fd, &fds, reply, 400000);
		assert_int_equal(fds.n, 1);
		assert_int_equal(pread(fds.fd[0], &c, 1, 0), 1);
		assert_int_equal(c, '0' + i);
		fds_done(&fds);
	}
	turn(f);
	assert_true(rpc_drained(f->kept));
	assert_int_equal(f->drained, 1);
	close(fd);
}

/* Who is told "done" may kill us: it must be done all the same. */
static void a_reply_leaves_after_what_was_asked_of_the_keeper_before(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), other = dial(f);

	f->asked = 5;
	f->left = 4;
	say(fd, ECHO(1));
	turn(f);
	assert_int_equal(f->calls, 1);
	f->asked = 9; /* what is asked later is not waited for */
	say(fd, ECHO(2));
	turn(f);
	assert_false(readable(fd));
	assert_int_equal(f->calls, 1); /* nor is anything read behind it */
	say(other, ECHO(3));
	f->left = 5;
	expect(f, fd, ECHOED(1));
	turn(f);
	assert_int_equal(f->calls, 3);
	assert_false(readable(fd));
	assert_false(readable(other));
	f->left = 9;
	expect(f, fd, ECHOED(2));
	expect(f, other, ECHOED(3));
	close(fd);
	close(other);
}

static void who_leaves_before_his_reply_does_takes_nothing_with_him(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), other = dial(f);

	f->asked = 1;
	say(fd, ECHO(1));
	say(other, ECHO(2));
	turn(f);
	assert_int_equal(f->calls, 2);
	close(fd);
	turn(f);
	f->left = 1;
	expect(f, other, ECHOED(2));
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 1);
	close(other);
}

/* ---- who ----------------------------------------------------------------------------------- */

static void the_kernel_says_who_the_peer_is(void **state)
{
	struct fixture *f = *state;
	struct pollfd p = { .events = POLLIN };
	int pipe_fds[2], status;
	char message[] = "{\"method\":\"" FOSTER "WhoAmI\"}";
	pid_t child;

	assert_return_code(pipe2(pipe_fds, O_CLOEXEC), errno);
	child = fork();
	if (child == 0) {
		gid_t groups[] = { 7, 4242 };
		char c;
		int fd;

		if (geteuid() == 0 &&
		    (setgroups(2, groups) < 0 || setgid(7) < 0 || setuid(4321) < 0))
			_exit(1);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&f->address, sizeof f->address) < 0 ||
		    send(fd, message, sizeof message, 0) < 0 || recv(fd, &c, 1, 0) < 1)
			_exit(2);
		_exit(0);
	}
	while (!f->peer.pid)
		ev_run(f->loop, EVRUN_ONCE);
	turn(f);
	assert_int_equal(f->peer.pid, child);
	if (geteuid() == 0) {
		assert_int_equal(f->peer.uid, 4321);
		assert_int_equal(f->peer.gid, 7);
	}
	assert_true(f->peer_pidfd >= 0);
	p.fd = f->peer_pidfd;
	assert_int_equal(poll(&p, 1, 5000), 1); /* its end shows on the pidfd */
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void supplementary_groups_are_known(void **state)
{
	struct rpc_peer p;
	gid_t groups[64];
	int pair[2], n = getgroups(64, groups);

	(void)state;
	assert_return_code(n, errno);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), errno);
	assert_int_equal(rpc_peer_read(pair[0], &p), 0);
	assert_int_equal(p.n_groups, n);
	for (int i = 0; i < n; i++)
		assert_int_equal(p.groups[i], groups[i]);
	rpc_peer_done(&p);
	close(pair[0]);
	close(pair[1]);
}

static void without_peerpidfd_a_pid_counts_only_while_the_connection_lives(void **state)
{
	int pair[2], pidfd;

	(void)state;
	if (getenv("UNDER_VALGRIND")) /* it has no pidfd_open(2) */
		skip();
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), errno);
	pidfd = rpc_peer_pidfd_by_pid(pair[0], getpid());
	assert_return_code(pidfd, errno);
	close(pidfd);
	close(pair[1]);
	assert_int_equal(rpc_peer_pidfd_by_pid(pair[0], getpid()), -ESRCH);
	close(pair[0]);
}

/* ---- the hostile and the lost -------------------------------------------------------------- */

static void what_is_not_a_call_closes_its_connection_only(void **state)
{
	static const char *const bad[] = {
		"",
		"hello",
		"[]",
		"42",
		"null",
		"{}",
		"{\"method\":1}",
		"{\"method\":null}",
		"{\"method\":\"a.B\",\"parameters\":[]}",
		"{\"method\":\"a.B\",\"more\":1}",
		"{\"method\":\"a.B\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a.B\",\"unknown\":true}",
		"{\"method\":\"a.B\",\"method\":\"a.C\"}",
		"{\"method\":\"a.B\"} trailing",
		"{\"method\":\"\xff\"}",
		"{\"method\":\"a\\u0000b\"}",
		"{\"method\":\"a.B\"",
	};
	struct fixture *f = *state;
	int good = dial(f);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = dial(f);

		say(fd, bad[i]);
		expect_closed(f, fd);
		close(fd);
	}
	say(good, ECHO(1));
	expect(f, good, ECHOED(1));
	assert_int_equal(f->calls, 1);
	assert_int_equal(rpc_server_connections(f->server), 1);
	close(good);
}

static void deep_nesting_is_refused(void **state)
{
	struct fixture *f = *state;
	static char deep[1 << 20];
	int fd = dial(f);

	memset(deep, '[', sizeof deep - 1);
	for (size_t sent = 0; sent < sizeof deep;) {
		ssize_t n = send(fd, deep + sent, sizeof deep - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		turn(f);
	}
	expect_closed(f, fd);
	close(fd);
}

/* Send bytes without end; returns how many were taken before the connection was closed. */
static size_t flood(struct fixture *f, int fd, size_t most)
{
	static char block[65536];
	size_t sent = 0;

	memset(block, ' ', sizeof block);
	while (sent < most) {
		ssize_t n = send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0)
			sent += (size_t)n;
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	return sent;
}

static void a_message_without_end_closes_its_connection(void **state)
{
	struct fixture *f = *state;
	size_t taken;
	int fd = dial(f);

	taken = flood(f, fd, 4 * RPC_MESSAGE_BYTES_MAX);
	assert_in_range(taken, RPC_MESSAGE_BYTES_MAX, 2 * RPC_MESSAGE_BYTES_MAX);
	assert_int_equal(rpc_server_connections(f->server), 0);
	close(fd);
}

static void a_message_of_the_largest_size_is_served(void **state)
{
	struct fixture *f = *state;
	auto_free char *call = malloc(RPC_MESSAGE_BYTES_MAX + 1);
	size_t len = strlen(ECHO(1)), sent = 0;
	int fd = dial(f);

	memcpy(call, ECHO(1), len);
	memset(call + len, ' ', RPC_MESSAGE_BYTES_MAX - len);
	call[RPC_MESSAGE_BYTES_MAX] = '\0';
	while (sent < RPC_MESSAGE_BYTES_MAX + 1) {
		ssize_t n = send(fd, call + sent, RPC_MESSAGE_BYTES_MAX + 1 - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		assert_true(n > 0 || errno == EAGAIN);
		if (n > 0)
			sent += (size_t)n;
		turn(f);
	}
	expect(f, fd, ECHOED(1));
	assert_int_equal(f->server->conns->charged, 0);
	close(fd);
}

static void half_a_message_is_dropped_with_its_sender(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say_bytes(fd, "{\"method\":", 10);
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 1);
	close(fd);
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 0);
}

static void who_waits_and_goes_away_is_noticed_at_once(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, KEEP);
	say(fd, ECHO(2)); /* unread: it must not hide the hang-up */
	turn(f);
	assert_non_null(f->kept);
	close(fd);
	turn(f);
	assert_int_equal(f->gone, 1);
	assert_int_equal(rpc_server_connections(f->server), 0);
	assert_int_equal(f->calls, 1);
}

static void a_reader_that_never_reads_is_told_of_not_waited_for(void **state)
{
	struct fixture *f = *state;
	auto_free char *pad = calloc(1, 65537);
	int fd = dial(f), other = dial(f);
	unsigned n = 0;

	memset(pad, 'x', 65536);
	say(fd, KEEP);
	turn(f);
	while (rpc_continue(f->kept, json_pack("{s:s}", "pad", pad), -1))
		assert_in_range(++n, 1, 200);
	assert_true(rpc_out_pending(&f->server->conns->next->out) < RPC_OUT_BYTES_MAX + 2 * 65536);
	say(other, ECHO(1));
	expect(f, other, ECHOED(1));
	rpc_drop(f->kept);
	assert_int_equal(f->gone, 1);
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 1);
	close(fd);
	close(other);
}

static void who_does_not_take_his_replies_is_not_read(void **state)
{
	struct fixture *f = *state;
	auto_free char *pad = calloc(1, 65537);
	auto_free char *call = malloc(70000);
	int fd = dial(f), len;
	ssize_t n, at = 0;

	memset(pad, 'x', 65536);
	len = snprintf(call, 70000, "{\"method\":\"" FOSTER "Echo\",\"parameters\":{\"s\":\"%s\"}}",
		       pad);
	for (int idle = 0; idle < 20;) {
		n = send(fd, call + at, (size_t)(len + 1 - at), MSG_DONTWAIT | MSG_NOSIGNAL);
		idle = n < 0 ? idle + 1 : 0;
		at = n < 0 ? at : (at + n) % (len + 1);
		turn(f);
		assert_in_range(f->calls, 0, 100);
	}
	assert_true(rpc_out_pending(&f->server->conns->out) < 2 * 65536);
	close(fd);
}

static void a_handler_may_drop_the_connection_of_a_peer_that_is_gone(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, KEEP);
	turn(f);
	close(fd);
	/* Nobody has noticed yet: these write into the void, and on_gone comes from the loop. */
	assert_true(rpc_continue(f->kept, NULL, -1));
	assert_true(rpc_continue(f->kept, NULL, -1));
	assert_int_equal(f->gone, 0);
	turn(f);
	assert_int_equal(f->gone, 1);
	assert_int_equal(rpc_server_connections(f->server), 0);
}

/* ---- many ---------------------------------------------------------------------------------- */

static size_t heap_bytes(void)
{
	char text_[256];
	unsigned long pages = 0, resident = 0;

	assert_true(fd_read_file("/proc/self/statm", text_, sizeof text_) > 0);
	assert_int_equal(sscanf(text_, "%lu %lu", &pages, &resident), 2);
	return resident * 4096;
}

static void restart_with_limit(struct fixture *f, rlim_t soft, rlim_t *ret_old)
{
	struct rlimit limit;

	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	*ret_old = limit.rlim_cur;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
	rpc_server_free(f->server);
	serve(f);
}

static void a_thousand_idle_connections_cost_little(void **state)
{
	struct fixture *f = *state;
	static int idle[1000];
	size_t before;
	rlim_t old;
	int fd;

	restart_with_limit(f, 8192, &old);
	if (f->server->max_conns < 1100)
		skip();
	fd = dial(f);
	say(fd, ECHO(1));
	expect(f, fd, ECHOED(1));
	before = heap_bytes();
	for (size_t i = 0; i < 1000; i++) {
		idle[i] = dial(f);
		if (i % 100 == 99)
			turn(f);
	}
	turn(f);
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 1001);
	assert_true(sizeof(struct rpc_conn) < 500);
#ifndef __SANITIZE_ADDRESS__
	assert_true(heap_bytes() - before < 1000 * 800); /* libev's own table included */
#endif
	(void)before;
	say(fd, ECHO(2));
	expect(f, fd, ECHOED(2));
	for (size_t i = 0; i < 1000; i++)
		close(idle[i]);
	for (int i = 0; i < 200 && rpc_server_connections(f->server) > 1; i++)
		turn(f);
	assert_int_equal(rpc_server_connections(f->server), 1);
	close(fd);
	restart_with_limit(f, old, &old);
}

static int n_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void a_connection_costs_one_descriptor_whatever_it_asked_for(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), before;

	turn(f);
	before = n_open();
	say(fd, "{\"method\":\"" FOSTER "WhoAmI\"}");
	expect(f, fd, "{\"parameters\":{}}");
	close_fd(&f->peer_pidfd);
	assert_int_equal(n_open(), before);
	close(fd);
}

static void connections_leave_descriptors_to_sessions(void **state)
{
	struct fixture *f = *state;
	rlim_t old;

	restart_with_limit(f, 1024, &old);
	assert_int_equal(f->server->max_conns, 720); /* 3/4 of all but 64 */
	assert_int_equal(rpc_fds_left(), 240);
	restart_with_limit(f, old, &old);
}

static void out_of_descriptors_it_rests_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, low;
	int fd = dial(f), late;

	if (getenv("UNDER_VALGRIND")) /* its own limit of descriptors loses a connection */
		skip();
	say(fd, ECHO(1));
	expect(f, fd, ECHOED(1));
	late = dial(f);
	say(late, ECHO(2));
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	low = (struct rlimit){ .rlim_cur = 3, .rlim_max = limit.rlim_max };
	assert_return_code(setrlimit(RLIMIT_NOFILE, &low), errno);
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 1);
	assert_false(ev_is_active(&f->server->accept_io)); /* it does not spin */
	assert_true(ev_is_active(&f->server->accept_timer));
	say(fd, ECHO(3));
	expect(f, fd, ECHOED(3)); /* those who are in are served */
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
	expect(f, late, ECHOED(2));
	close(fd);
	close(late);
}

static void a_full_house_leaves_the_next_in_the_backlog(void **state)
{
	struct fixture *f = *state;
	int first = dial(f), second = dial(f);

	f->server->max_conns = 1;
	say(second, ECHO(2));
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 1);
	assert_false(readable(second));
	close(first);
	expect(f, second, ECHOED(2));
	close(second);
}

static void one_user_cannot_take_all_connections(void **state)
{
	struct fixture *f = *state;
	int fds[8], n_closed = 0;
	char c;

	if (geteuid() != 0)
		skip();
	f->server->max_conns = 8;
	/* The peer's uid is that of the moment of connect(2). */
	assert_return_code(syscall(SYS_setresuid, -1, 4321, -1), errno);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(f);
	assert_return_code(syscall(SYS_setresuid, -1, 0, -1), errno);
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 8 / RPC_USER_SHARE);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		n_closed += readable(fds[i]) && recv(fds[i], &c, 1, 0) == 0;
	assert_int_equal(n_closed, 6);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	turn(f);
	assert_null(f->server->users);
}

static void one_user_cannot_take_all_memory(void **state)
{
	struct fixture *f = *state;
	int fds[40];
	size_t n = ARRAY_SIZE(fds);

	if (geteuid() != 0)
		skip();
	f->server->max_conns = 1000;
	assert_return_code(syscall(SYS_setresuid, -1, 4321, -1), errno);
	for (size_t i = 0; i < n; i++)
		fds[i] = dial(f);
	assert_return_code(syscall(SYS_setresuid, -1, 0, -1), errno);
	for (size_t i = 0; i < n; i++)
		flood(f, fds[i], RPC_MESSAGE_BYTES_MAX - 65536);
	assert_true(rpc_server_connections(f->server) < n);
	assert_true(f->server->users->bytes <= RPC_USER_BYTES_MAX);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 0);
}

static void a_stopped_server_finishes_what_it_has(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), late;

	say(fd, ECHO(1));
	turn(f);
	rpc_server_stop(f->server);
	late = dial(f);
	say(fd, ECHO(2));
	turn(f);
	assert_int_equal(rpc_server_connections(f->server), 1);
	expect(f, fd, ECHOED(1));
	expect(f, fd, ECHOED(2));
	close(fd);
	close(late);
}

static void replies_are_flushed_before_an_exit(void **state)
{
	struct fixture *f = *state;
	static char pad[1000001], reply[1 << 20]; /* malloc'ed, the child would leak them */
	struct fds none = { 0 };
	int fd = dial(f), status;
	pid_t server;

	memset(pad, 'x', sizeof pad - 1);
	say(fd, KEEP);
	turn(f);
	server = fork();
	if (server == 0) {
		rpc_reply(f->kept, json_pack("{s:s}", "pad", pad));
		rpc_server_flush(f->server, 10000);
		_exit(0);
	}
	hear_with(f, fd, &none, reply, sizeof reply);
	assert_int_equal(strlen(reply), 1000000 + strlen("{\"parameters\":{\"pad\":\"\"}}"));
	assert_int_equal(waitpid(server, &status, 0), server);
	assert_int_equal(status, 0);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_call_that_comes_byte_by_byte_is_answered_once_whole),
		TEST(pipelined_calls_are_answered_in_order),
		TEST(a_call_behind_a_kept_one_waits_for_its_end),
		TEST(a_stream_goes_on_until_it_is_ended),
		TEST(a_oneway_call_runs_and_is_not_answered),
		TEST(a_reply_may_be_given_as_text),
		TEST(a_peer_that_only_stopped_sending_gets_its_reply),
		TEST(the_standard_errors_say_what_is_wrong),
		TEST(a_method_needs_one_of_its_rights),
		TEST(the_service_describes_itself),
		TEST(descriptors_belong_to_the_message_that_they_came_with),
		TEST(the_first_of_messages_sent_together_gets_the_descriptors),
		TEST(descriptors_that_no_one_takes_are_closed),
		TEST(too_many_descriptors_close_the_connection),
		TEST(a_reply_carries_a_descriptor),
		TEST(descriptors_wait_in_order_behind_a_reader_that_is_slow),
		TEST(a_reply_leaves_after_what_was_asked_of_the_keeper_before),
		TEST(who_leaves_before_his_reply_does_takes_nothing_with_him),
		TEST(the_kernel_says_who_the_peer_is),
		TEST(supplementary_groups_are_known),
		TEST(without_peerpidfd_a_pid_counts_only_while_the_connection_lives),
		TEST(what_is_not_a_call_closes_its_connection_only),
		TEST(deep_nesting_is_refused),
		TEST(a_message_without_end_closes_its_connection),
		TEST(a_message_of_the_largest_size_is_served),
		TEST(half_a_message_is_dropped_with_its_sender),
		TEST(who_waits_and_goes_away_is_noticed_at_once),
		TEST(a_reader_that_never_reads_is_told_of_not_waited_for),
		TEST(who_does_not_take_his_replies_is_not_read),
		TEST(a_handler_may_drop_the_connection_of_a_peer_that_is_gone),
		TEST(a_thousand_idle_connections_cost_little),
		TEST(a_connection_costs_one_descriptor_whatever_it_asked_for),
		TEST(connections_leave_descriptors_to_sessions),
		TEST(out_of_descriptors_it_rests_and_goes_on),
		TEST(a_full_house_leaves_the_next_in_the_backlog),
		TEST(one_user_cannot_take_all_connections),
		TEST(one_user_cannot_take_all_memory),
		TEST(a_stopped_server_finishes_what_it_has),
		TEST(replies_are_flushed_before_an_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
