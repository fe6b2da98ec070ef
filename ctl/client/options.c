#include "ctl/client/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/client/help.h"
#include "daemon/base/mem.h"

#define OPTION_SECONDS_MAX 1e9 /* 30 years; its nanoseconds fit */

static const struct option global_longs[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "output", required_argument, NULL, 'o' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
};

static const char global_letters[] = "s:o:qh";

void args_init(struct args *a, struct ctl *ctl, int argc, char **argv, enum options_mode mode,
	       const char *letters, const struct option *longs)
{
	size_t n = ARRAY_SIZE(global_longs);

	*a = (struct args){ .ctl = ctl, .argc = argc, .argv = argv };
	/* "-": operands come as option 1, in order, whatever POSIXLY_CORRECT says. */
	a->first = mode == OPTIONS_FIRST;
	snprintf(a->letters, sizeof a->letters, "%s%s%s", a->first ? "+" : "-", global_letters,
		 letters);
	memcpy(a->longs, global_longs, sizeof global_longs);
	for (size_t i = 0; longs && longs[i].name && n < OPTIONS_MAX - 1; i++)
		a->longs[n++] = longs[i];
	for (int i = 1; mode == OPTIONS_DASHES && i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			a->command = argv + i + 1;
			a->n_command = argc - i - 1;
			a->argc = i;
			break;
		}
	}
	a->operands = argv + 1;
	optind = 0; /* glibc: begin anew */
}

static int set_output(struct ctl *ctl, const char *name)
{
	static const char *const names[] = { "table", "plain", "json" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0) {
			ctl->output = (enum ctl_output)i;
			ctl->color &= ctl->output == CTL_TABLE;
			return 0;
		}
	}
	complain("-o %s: not an output form (table, plain or json)", name);
	return OPTION_ERROR;
}

/* Returns 0 for a global option, now done; else what the command must look at. */
static int take_global(struct args *a, int option)
{
	switch (option) {
	case 's':
		a->ctl->client.path = optarg;
		return 0;
	case 'o':
		return set_output(a->ctl, optarg);
	case 'q':
		a->ctl->quiet = true;
		return 0;
	case 'h':
		if (a->ctl->command)
			help_command(a->ctl->command);
		else
			help_all();
		exit(help_finish());
	case 1:
		a->operands[a->n_operands++] = optarg;
		return 0;
	default:
		return option;
	}
}

static int end(struct args *a)
{
	if (a->first) {
		a->operands = a->argv + optind;
		a->n_operands = a->argc - optind;
		return OPTION_END;
	}
	while (optind < a->argc) /* after "--" in a command that has no command part */
		a->operands[a->n_operands++] = a->argv[optind++];
	return OPTION_END;
}

int args_next(struct args *a)
{
	int option;

	do {
		/* getopt's complaints begin with argv[0]. */
		char *name = a->argv[0];

		a->argv[0] = (char[]){ "fosterctl" };
		option = getopt_long(a->argc, a->argv, a->letters, a->longs, NULL);
		a->argv[0] = name;
		if (option == -1)
			return end(a);
		option = take_global(a, option);
	} while (option == 0);
	return option;
}

int args_plain(struct args *a, struct ctl *ctl, int argc, char **argv)
{
	args_init(a, ctl, argc, argv, OPTIONS_ALL, "", NULL);
	return args_next(a);
}

int option_seconds(const char *text, double *ret_seconds)
{
	char *rest;
	double v = strtod(text, &rest);

	if (rest == text || *rest || !(v >= 0 && v <= OPTION_SECONDS_MAX))
		return -EINVAL;
	*ret_seconds = v;
	return 0;
}

int option_count(const char *text, long *ret_count)
{
	char *rest;
	long v;

	errno = 0;
	v = strtol(text, &rest, 10);
	if (rest == text || *rest || errno || v < 0)
		return -EINVAL;
	*ret_count = v;
	return 0;
}
