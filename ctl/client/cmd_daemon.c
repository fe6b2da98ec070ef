/* The daemon itself: ping, version, shutdown, upgrade; and help. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "ctl/client/commands.h"
#include "ctl/client/help.h"
#include "ctl/client/id.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

static int ask_ping(struct ctl *ctl, struct reply *ret_reply)
{
	struct request q = { .method = "Ping" };

	return ctl_ask(ctl, &q, NULL, ret_reply);
}

int cmd_ping(struct ctl *ctl, int argc, char **argv)
{
	struct reply reply;
	struct args a;
	int status;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands)
		return usage_error(ctl, "takes no operand");
	status = ask_ping(ctl, &reply);
	if (status)
		return status;
	if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(reply.parameters);
	else
		say(ctl, "pong");
	reply_done(&reply);
	return CTL_OK;
}

int cmd_version(struct ctl *ctl, int argc, char **argv)
{
	struct reply reply;
	struct args a;
	const char *version;
	int status;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands)
		return usage_error(ctl, "takes no operand");
	status = ask_ping(ctl, &reply);
	if (status)
		return status;
	version = get_str(reply.parameters, "version");
	if (!version)
		status = ctl_bad_reply();
	else if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(reply.parameters);
	else
		say(ctl, "%s", version);
	reply_done(&reply);
	return status;
}

/* ---- shutdown ------------------------------------------------------------------------------ */

/* A pidfd of the keeper, or -1: it may be in another PID namespace, where its number means another
 * process here; so its name is checked. */
static int open_keeper(pid_t pid)
{
	char path[64], comm[64];

	if (pid <= 0)
		return -1;
	auto_close int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	if (fd_read_file(path, comm, sizeof comm) < 0 || strcmp(comm, "fosterd\n") != 0)
		return -1;
	return take_fd(fd);
}

static void wait_gone(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		continue;
}

/* fosterd that is gone before it could answer was shut down, by us or by somebody else. */
static int ask_shutdown(struct ctl *ctl)
{
	struct request q = { .method = "Shutdown" };
	struct reply reply;
	int r = client_call(&ctl->client, &q, &reply), status = CTL_OK;

	if (r == -ECONNREFUSED || r == -ENOENT)
		return CTL_OK;
	if (r < 0)
		return ctl_lost(ctl, r, "shutdown");
	if (reply.error && !strstr(reply.error, ".ShuttingDown"))
		status = ctl_error(NULL, &reply);
	reply_done(&reply);
	return status;
}

int cmd_shutdown(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = { { "no-wait", no_argument, NULL, 'W' }, { 0 } };
	bool wait = true;
	struct reply reply;
	struct args a;
	int option, status;

	args_init(&a, ctl, argc, argv, OPTIONS_ALL, "", longs);
	while ((option = args_next(&a)) != OPTION_END) {
		if (option != 'W')
			return CTL_USAGE;
		wait = false;
	}
	if (a.n_operands)
		return usage_error(ctl, "takes no operand");
	status = ask_ping(ctl, &reply);
	if (status)
		return status;
	auto_close int keeper = open_keeper((pid_t)get_int(reply.parameters, "keeper", 0));
	reply_done(&reply);
	status = ask_shutdown(ctl);
	if (status)
		return status;
	if (wait && keeper >= 0)
		wait_gone(keeper);
	say(ctl, wait && keeper >= 0 ? "fosterd: shut down" : "fosterd: shutting down");
	return CTL_OK;
}

/* ---- upgrade ------------------------------------------------------------------------------- */

/* As seen from here; fosterd may be elsewhere. */
static json_t *upgrade_parameters(const char *binary)
{
	char id[ID_TEXT_BYTES], path[PATH_MAX];

	if (id_new(id) < 0)
		return NULL;
	if (!binary)
		return json_pack("{s:s}", "id", id);
	if (!realpath(binary, path)) {
		complain("%s: %s", binary, strerror(errno));
		return NULL;
	}
	return json_pack("{s:s,s:s}", "id", id, "binary", path);
}

int cmd_upgrade(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = { { "binary", required_argument, NULL, 'b' }, { 0 } };
	struct request q = { .method = "Upgrade" };
	const char *binary = NULL;
	struct reply reply;
	struct args a;
	int option, status;

	args_init(&a, ctl, argc, argv, OPTIONS_ALL, "", longs);
	while ((option = args_next(&a)) != OPTION_END) {
		if (option != 'b')
			return CTL_USAGE;
		binary = optarg;
	}
	if (a.n_operands)
		return usage_error(ctl, "takes no operand");
	q.parameters = upgrade_parameters(binary);
	if (!q.parameters)
		return CTL_FAILED;
	status = ctl_ask(ctl, &q, NULL, &reply);
	json_decref(q.parameters);
	if (status)
		return status;
	if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(reply.parameters);
	else
		say(ctl, "fosterd: upgraded to %s", get_str(reply.parameters, "version"));
	reply_done(&reply);
	return CTL_OK;
}

/* ---- help ---------------------------------------------------------------------------------- */

int cmd_help(struct ctl *ctl, int argc, char **argv)
{
	const struct command *c;
	struct args a;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (!a.n_operands) {
		help_all();
		return CTL_OK;
	}
	c = command_find(a.operands[0]);
	if (!c)
		return usage_error(ctl, "%s: no such command", a.operands[0]);
	help_command(c);
	return CTL_OK;
}
