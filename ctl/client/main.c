/* fosterctl: one command, one or a few calls to fosterd, an exit status. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctl/client/commands.h"
#include "ctl/client/help.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "daemon/base/mem.h"

#define DEFINE_OPTIONS "[options] -- CMD [ARG...]"

const struct command commands[] = {
	{ "status", NULL, cmd_status, "[NAME...]", "state of processes, one a line" },
	{ "start", NULL, cmd_control, "NAME...\nNAME " DEFINE_OPTIONS,
	  "start configured processes, or define one and start it" },
	{ "run", NULL, cmd_run, DEFINE_OPTIONS, "run a command in the foreground" },
	{ "poll", NULL, cmd_poll, "NAME", "'running', or how the process ended" },
	{ "wait", NULL, cmd_wait, "[--timeout S] [--any] NAME...",
	  "wait for the end; exits as the last named did" },
	{ "stop", NULL, cmd_control, "NAME...", "stop signal, wait, SIGKILL; returns when gone" },
	{ "terminate", NULL, cmd_control, "NAME...", "stop signal, once; returns at once" },
	{ "kill", NULL, cmd_control, "NAME...", "SIGKILL; returns when gone" },
	{ "restart", NULL, cmd_control, "NAME...", "stop and start" },
	{ "signal", NULL, cmd_control, "SIGNAL NAME...", "send a signal" },
	{ "pid", NULL, cmd_pid, "[NAME | supervisor | logger]", "a PID; alone: fosterd's own" },
	{ "show", NULL, cmd_show, "NAME", "everything that is known of one process" },
	{ "tree", NULL, cmd_tree, "", "processes below their parents" },
	{ "why", NULL, cmd_why, "NAME", "what a process waits for" },
	{ "forget", NULL, cmd_control, "NAME...", "drop finished processes that clients defined" },
	{ "tail", NULL, cmd_tail, "[-f] [-n N] NAME [stdout | stderr]", "the end of a log" },
	{ "events", NULL, cmd_events, "[NAME...]", "follow changes of state" },
	{ "check", NULL, cmd_check, "[FILE]", "validate a configuration" },
	{ "reread", NULL, cmd_changes, "", "what an update would change" },
	{ "update", NULL, cmd_changes, "[GROUP...]", "apply what changed in the configuration" },
	{ "reload", NULL, cmd_changes, "", "the same for all of it, as SIGHUP does" },
	{ "ping", "pong", cmd_ping, "", "whether fosterd answers" },
	{ "version", NULL, cmd_version, "", "fosterd's version" },
	{ "shutdown", NULL, cmd_shutdown, "[--no-wait]",
	  "stop the daemon processes, then fosterd" },
	{ "upgrade", NULL, cmd_upgrade, "[--binary PATH]",
	  "let the installed version take over; processes run on" },
	{ "help", NULL, cmd_help, "[COMMAND]", "this" },
	{ 0 },
};

/* Descriptors 0-2 are open in any case: a socket that became descriptor 1 would be printed on. */
static void ensure_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	while (fd >= 0 && fd < 3)
		fd = dup(fd);
	if (fd >= 0)
		close(fd);
}

static bool has_color(void)
{
	const char *none = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return !(none && *none) && term && strcmp(term, "dumb") != 0;
}

/* Global options before the command. Returns the index of the command, or -1 with *ret_status. */
static int parse_globals(struct ctl *ctl, int argc, char **argv, int *ret_status)
{
	static const struct option longs[] = { { "version", no_argument, NULL, 'V' }, { 0 } };
	struct args a;
	int option;

	args_init(&a, ctl, argc, argv, OPTIONS_FIRST, "V", longs);
	while ((option = args_next(&a)) != OPTION_END) {
		if (option == 'V') {
			puts("fosterctl " FOSTER_VERSION);
			*ret_status = output_flush();
			return -1;
		}
		*ret_status = CTL_USAGE;
		return -1;
	}
	if (a.n_operands)
		return (int)(a.operands - argv);
	*ret_status = usage_error(ctl, "needs a command");
	return -1;
}

static int run_command(struct ctl *ctl, int argc, char **argv)
{
	int status, flushed;

	ctl->command = command_find(argv[0]);
	if (!ctl->command)
		return usage_error(ctl, "%s: no such command", argv[0]);
	status = ctl->command->run(ctl, argc, argv);
	flushed = output_flush();
	return flushed ? flushed : status; /* what could not be said counts for nothing */
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .output = CTL_PLAIN };
	int at, status = CTL_OK;

	ensure_stdio();
	if (isatty(STDOUT_FILENO)) {
		ctl.output = CTL_TABLE;
		ctl.color = has_color();
	}
	json_object_seed(1); /* no hostile keys here; saves reading /dev/urandom */
	client_init(&ctl.client, NULL);
	at = parse_globals(&ctl, argc, argv, &status);
	if (at < 0)
		return status;
	ctl.client.path = client_path(ctl.client.path);
	status = run_command(&ctl, argc - at, argv + at);
	client_done(&ctl.client);
	return status;
}
