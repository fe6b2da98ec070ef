/* ctl.h - what all of fosterctl's commands share: the global options, exit statuses, complaints */
#ifndef FOSTER_CLIENT_CTL_H
#define FOSTER_CLIENT_CTL_H

#include <stdbool.h>

#include "ctl/client/client.h"

/* Exit statuses (DESIGN section 6). Those above 123 are of commands that pass a child's status. */
enum ctl_status {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NOT_RUNNING = 3, /* status: something asked about is not running */
	CTL_NO_PROCESS = 4,
	CTL_NO_DAEMON = 5,
	CTL_TIMED_OUT = 124,
	CTL_OURS = 125, /* foster's own failure */
	CTL_NOT_EXECUTABLE = 126,
	CTL_NOT_FOUND = 127,
	CTL_SIGNAL = 128 /* + N: ended by signal N */
};

enum ctl_output {
	CTL_TABLE,
	CTL_PLAIN,
	CTL_JSON
};

struct command;

struct ctl {
	const struct command *command;
	enum ctl_output output;
	bool quiet; /* say nothing but errors */
	bool color; /* stdout is a terminal that has it, and output is a table */
	struct client client;
};

/* One command of the table. argv[0] is its name. Returns the exit status. */
struct command {
	const char *name;
	const char *alias; /* NULL: none */
	int (*run)(struct ctl *ctl, int argc, char **argv);
	const char *usage; /* what follows the name, one line for each form */
	const char *help; /* one line */
};

/* One line on stderr: "fosterctl: …", control characters made visible. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say that the command was called wrongly and how it is called. Returns CTL_USAGE. */
int usage_error(const struct ctl *ctl, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
