/* options.h - the command line: options before and after the command's name, operands, a command
 *
 * Every command takes the global options as well. A wrong option is complained about here. */
#ifndef FOSTER_CLIENT_OPTIONS_H
#define FOSTER_CLIENT_OPTIONS_H

#include <getopt.h>

#include "ctl/client/ctl.h"

#define OPTIONS_MAX 32
#define OPTION_ERROR '?'
#define OPTION_END (-1)
#define OPTION_LONG 256 /* first value of options that have no letter */

/* How far options reach. */
enum options_mode {
	OPTIONS_ALL, /* anywhere; everything else is an operand */
	OPTIONS_FIRST, /* up to the first operand, as in `run CMD -x` */
	OPTIONS_DASHES /* anywhere before "--"; what follows it is the command */
};

struct args {
	struct ctl *ctl;
	int argc;
	char **argv;
	char letters[64];
	struct option longs[OPTIONS_MAX];
	char **operands; /* points into argv, which is reordered */
	int n_operands;
	char **command; /* after "--"; NULL when there was none */
	int n_command;
	bool first;
};

/* letters as for getopt(3); longs end with a zeroed one, NULL: none. */
void args_init(struct args *a, struct ctl *ctl, int argc, char **argv, enum options_mode mode,
	       const char *letters, const struct option *longs);

/* The next of the command's own options: its letter or value, its argument in optarg. OPTION_END
 * after the last: operands and command are then filled in. OPTION_ERROR was complained about. */
int args_next(struct args *a);

/* For a command without own options: OPTION_END or OPTION_ERROR. */
int args_plain(struct args *a, struct ctl *ctl, int argc, char **argv);

/* A number of seconds, 0 or more. 0 or -EINVAL. */
int option_seconds(const char *text, double *ret_seconds);

/* A whole number, 0 or more. 0 or -EINVAL. */
int option_count(const char *text, long *ret_count);

#endif
