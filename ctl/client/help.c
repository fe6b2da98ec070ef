#include "ctl/client/help.h"

#include <stdio.h>
#include <string.h>

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0 || (c->alias && strcmp(c->alias, name) == 0))
			return c;
	return NULL;
}

void help_all(void)
{
	puts("usage: fosterctl [-s SOCKET] [-o table|plain|json] [-q] COMMAND ...\n");
	for (const struct command *c = commands; c->name; c++)
		printf("  %-10s %s\n", c->name, c->help);
	puts("\nfosterctl help COMMAND says more; fosterctl(1) all.");
}

static const char define_help[] =
	"\noptions:\n"
	"  -e, --env NAME=VALUE      set a variable of its environment\n"
	"  -d, --directory DIR       where it runs\n"
	"  -u, --user USER           as whom it runs\n"
	"      --start-method METHOD fork, spawn, forkserver or forkserver:NAME\n"
	"      --daemon, --no-daemon whether it is terminated when its parent exits\n"
	"      --parent NAME|none    whose end that is\n"
	"      --set KEY=VALUE       any other setting, as in a file\n"
	"      --timeout S           start: give up waiting; run: stop it then\n";

static const char start_help[] = "      --same-env            carry over this environment\n"
				 "      --same-dir            run in this directory\n";

static const char run_help[] = "  -T, --no-tty              no terminal of its own\n"
			       "      --name NAME           instead of run-N\n";

void help_command(const struct command *c)
{
	const char *form = c->usage, *lead = "usage:";

	do {
		int len = (int)strcspn(form, "\n");

		printf("%s fosterctl %s%s%.*s\n", lead, c->name, len ? " " : "", len, form);
		form += len;
		form += *form == '\n';
		lead = "      ";
	} while (*form);
	printf("\n%s\n", c->help);
	if (strcmp(c->name, "start") == 0)
		printf("%s%s", define_help, start_help);
	if (strcmp(c->name, "run") == 0)
		printf("%s%s", define_help, run_help);
}
