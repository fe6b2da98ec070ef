/* run: a command in the foreground, as a shell would run it, but as a child of foster.
 *
 * One loop waits for the reply that is due, for signals, for the terminal and for the time. Before
 * the child exists a signal ends us as it would end anybody, and our session's end takes along what
 * fosterd may have begun; from then on signals are the child's. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/signalfd.h>

#include "ctl/client/commands.h"
#include "ctl/client/define.h"
#include "ctl/client/output.h"
#include "ctl/client/tty.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "daemon/base/sig.h"

enum {
	RUN_NAME = DEFINE_END
};

static const struct option longs[] = {
	DEFINE_LONGS,
	{ "no-tty", no_argument, NULL, 'T' },
	{ "name", required_argument, NULL, RUN_NAME },
	{ 0 },
};

static const int forwarded[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

/* A call under way on a connection of its own. */
struct pending {
	struct client client;
	struct request request;
	bool waiting;
};

enum {
	POLL_CALL,
	POLL_STOP,
	POLL_SIGNAL,
	POLL_TTY,
	POLL_MAX = POLL_TTY + TTY_POLLS
};

struct run {
	struct ctl *ctl;
	struct define define;
	const char *wanted_name;
	bool no_tty, with_tty;
	struct tty tty;
	int signal_fd;
	char *name; /* owned; NULL: the child does not exist yet */
	json_int_t incarnation;
	struct pending call; /* Define, then Wait */
	struct pending stop; /* after the timeout */
	uint64_t deadline_ns; /* 0: none, or over */
	bool timed_out;
};

/* ---- calls --------------------------------------------------------------------------------- */

static int pending_send(struct pending *p)
{
	int r = client_connect(&p->client);

	while (r == 0) {
		r = client_send(&p->client, &p->request);
		if (r != -EPIPE && r != -ECONNRESET)
			break;
		r = client_reconnect(&p->client);
	}
	p->waiting = r == 0;
	return r;
}

/* Its connection can be read. Returns 1 with the reply, 0 to go on waiting, or -errno. */
static int pending_read(struct pending *p, struct reply *ret_reply)
{
	int r = client_read(&p->client, ret_reply);

	if (r == 2)
		return 0;
	if (r != 0) {
		p->waiting = false;
		return r;
	}
	r = client_reconnect(&p->client);
	return r < 0 ? r : pending_send(p);
}

/* ---- signals ------------------------------------------------------------------------------- */

static int watch_signals(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigaddset(&set, SIGWINCH);
	if (r->with_tty)
		sigaddset(&set, SIGTSTP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? -errno : 0;
}

/* Die of it, as if it had never been blocked. */
_Noreturn static void die_of(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(CTL_SIGNAL + number);
}

/* To the child's group, over a connection for this alone: the other one waits for the end. */
static void forward(struct run *r, int number)
{
	struct request q = { .method = "Signal" };
	struct client c;
	struct reply reply = { 0 };

	q.parameters = json_pack("{s:[{s:s,s:I}],s:s}", "targets", "name", r->name, "incarnation",
				 r->incarnation, "signal", sig_name(number));
	client_init(&c, r->ctl->client.path);
	/* If fosterd is gone, the call that waits will say so. */
	if (q.parameters && client_call(&c, &q, &reply) == 0)
		reply_done(&reply);
	client_done(&c);
	json_decref(q.parameters);
}

static void take_signal(struct run *r)
{
	struct signalfd_siginfo si;

	if (read(r->signal_fd, &si, sizeof si) != (ssize_t)sizeof si)
		return;
	if (si.ssi_signo == SIGWINCH)
		tty_resize(&r->tty);
	else if (si.ssi_signo == SIGTSTP)
		tty_stop(&r->tty);
	else if (r->name)
		forward(r, (int)si.ssi_signo);
	else
		die_of((int)si.ssi_signo);
}

/* ---- time ---------------------------------------------------------------------------------- */

static int poll_timeout(const struct run *r)
{
	uint64_t now = clock_boot_ns();

	if (!r->deadline_ns)
		return -1;
	if (now >= r->deadline_ns)
		return 0;
	return (int)MIN((r->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS, (uint64_t)1 << 30);
}

/* Stop it: its stop signal, its grace, SIGKILL. The Wait under way tells when that is done. */
static int time_out(struct run *r)
{
	r->deadline_ns = 0;
	r->timed_out = true;
	r->stop.request = (struct request){
		.method = "Stop",
		.parameters = json_pack("{s:[s]}", "names", r->name),
	};
	return pending_send(&r->stop);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void fill_polls(const struct run *r, struct pollfd *polls)
{
	polls[POLL_CALL] = (struct pollfd){ .fd = r->call.client.fd, .events = POLLIN };
	polls[POLL_STOP] = (struct pollfd){
		.fd = r->stop.waiting ? r->stop.client.fd : -1,
		.events = POLLIN,
	};
	polls[POLL_SIGNAL] = (struct pollfd){ .fd = r->signal_fd, .events = POLLIN };
	tty_polls(&r->tty, polls + POLL_TTY);
}

/* Send the request of r->call and live until its reply. 0 with a reply, or -errno. */
static int run_until_reply(struct run *r, struct reply *ret_reply)
{
	struct pollfd polls[POLL_MAX];
	struct reply stopped;
	int n, result = pending_send(&r->call);

	while (result == 0) {
		fill_polls(r, polls);
		n = poll(polls, POLL_MAX, poll_timeout(r));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		if (r->deadline_ns && clock_boot_ns() >= r->deadline_ns)
			result = time_out(r);
		if (polls[POLL_SIGNAL].revents)
			take_signal(r);
		tty_act(&r->tty, polls + POLL_TTY);
		if (polls[POLL_STOP].revents && pending_read(&r->stop, &stopped) == 1)
			reply_done(&stopped);
		if (result == 0 && polls[POLL_CALL].revents)
			result = pending_read(&r->call, ret_reply);
	}
	return result < 0 ? result : 0;
}

/* ---- the child ----------------------------------------------------------------------------- */

/* 126 and 127 as shells have it; anything but the exec itself is foster's failure. */
static int status_of_failure(const struct reply *reply)
{
	const char *step = get_str(reply->parameters, "step");

	if (!step || strcmp(step, "exec") != 0 || !strstr(reply->error, ".CannotStart"))
		return CTL_OURS;
	return get_int(reply->parameters, "errno", 0) == ENOENT ? CTL_NOT_FOUND
								: CTL_NOT_EXECUTABLE;
}

static int create(struct run *r)
{
	struct reply reply = { 0 };
	const char *name;
	int result;

	r->call.request = (struct request){
		.method = "Define",
		.parameters = r->define.parameters,
		.fds = r->define.fds,
		.n_fds = r->define.n_fds,
	};
	result = run_until_reply(r, &reply);
	if (result < 0)
		return ctl_lost(r->ctl, result, "run"), CTL_OURS;
	name = get_str(reply.parameters, "name");
	if (reply.error) {
		ctl_error(r->wanted_name ? r->wanted_name : "run", &reply);
		result = status_of_failure(&reply);
	} else if (!name) {
		ctl_bad_reply();
		result = CTL_OURS;
	} else {
		r->name = strdup(name);
		r->incarnation = get_int(reply.parameters, "incarnation", 0);
		result = r->name ? 0 : CTL_OURS;
	}
	reply_done(&reply);
	return result;
}

static int status_of_end(const struct run *r, const json_t *parameters)
{
	const json_t *end = json_array_get(json_object_get(parameters, "ends"), 0);
	const json_t *code = json_object_get(end, "returncode");
	const char *lost = get_str(end, "lost");

	if (r->timed_out)
		return CTL_TIMED_OUT;
	if (json_is_integer(code))
		return status_of_returncode(json_integer_value(code));
	complain("%s: exit status lost%s%s", r->name, lost ? ": " : "", lost ? lost : "");
	return CTL_OURS;
}

static int wait_end(struct run *r)
{
	struct reply reply = { 0 };
	json_t *parameters = json_pack("{s:[s]}", "names", r->name);
	int result;

	r->call.request = (struct request){ .method = "Wait", .parameters = parameters };
	if (r->define.timeout >= 0)
		r->deadline_ns = clock_boot_ns() + (uint64_t)(r->define.timeout * 1e9) + 1;
	result = run_until_reply(r, &reply);
	json_decref(parameters);
	tty_done(&r->tty);
	if (result < 0)
		return ctl_lost(r->ctl, result, r->name), CTL_OURS;
	if (reply.error) {
		/* Its end was told to a connection that died before we heard it. */
		if (strstr(reply.error, ".NoSuchProcess"))
			complain("%s: connection lost, outcome unknown", r->name);
		else
			ctl_error(r->name, &reply);
		result = CTL_OURS;
	} else {
		result = status_of_end(r, reply.parameters);
	}
	reply_done(&reply);
	return result;
}

/* ---- setting up ---------------------------------------------------------------------------- */

static int open_tty(struct run *r)
{
	int err = tty_open(&r->tty);
	int stdio[] = { r->tty.slave, r->tty.slave, r->tty.slave };

	if (err < 0) {
		complain("cannot make a terminal: %s", strerror(-err));
		return CTL_OURS;
	}
	if (!isatty(STDERR_FILENO))
		stdio[STDERR_FILENO] = STDERR_FILENO; /* `2>file` means what it says */
	define_stdio(&r->define, stdio);
	json_object_set_new(r->define.parameters, "terminal", json_true());
	return 0;
}

static int prepare(struct run *r, char **argv, int argc)
{
	static const int own[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	json_t *p = r->define.parameters;

	r->with_tty = !r->no_tty && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (r->wanted_name)
		json_object_set_new(p, "name", json_string(r->wanted_name));
	else
		json_object_set_new(p, "prefix", json_string("run"));
	json_object_set_new(p, "transient", json_true());
	define_umask(&r->define);
	if (define_environment(&r->define) < 0)
		return complain("out of memory"), CTL_OURS;
	if (!r->with_tty)
		define_stdio(&r->define, own);
	else if (open_tty(r))
		return CTL_OURS;
	return define_finish(&r->define, true, argv, argc) ? CTL_OURS : 0;
}

static int run(struct run *r, char **argv, int argc)
{
	int result = prepare(r, argv, argc);

	if (result)
		return result;
	result = watch_signals(r);
	if (result < 0)
		return complain("cannot watch signals: %s", strerror(-result)), CTL_OURS;
	result = create(r);
	if (result)
		return result;
	if (r->with_tty)
		tty_begin(&r->tty);
	return wait_end(r);
}

static int parse(struct run *r, struct args *a)
{
	int option;

	while ((option = args_next(a)) != OPTION_END) {
		if (option == 'T')
			r->no_tty = true;
		else if (option == RUN_NAME)
			r->wanted_name = optarg;
		else if (define_option(&r->define, a->ctl, option))
			return CTL_USAGE;
	}
	if (!a->n_operands)
		return usage_error(a->ctl, "needs a command");
	return 0;
}

int cmd_run(struct ctl *ctl, int argc, char **argv)
{
	struct run r = { .ctl = ctl, .signal_fd = -1, .tty = { .master = -1, .slave = -1 } };
	struct args a;
	int result;

	args_init(&a, ctl, argc, argv, OPTIONS_FIRST, DEFINE_LETTERS "T", longs);
	if (define_init(&r.define) < 0)
		return complain("out of memory"), CTL_OURS;
	result = parse(&r, &a);
	client_init(&r.call.client, ctl->client.path);
	client_init(&r.stop.client, ctl->client.path);
	if (result == 0)
		result = run(&r, a.operands, a.n_operands);
	tty_done(&r.tty);
	client_done(&r.call.client);
	client_done(&r.stop.client);
	json_decref(r.stop.request.parameters);
	close_fd(&r.signal_fd);
	define_done(&r.define);
	free(r.name);
	return result;
}
