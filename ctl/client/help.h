/* help.h - what fosterctl says about itself */
#ifndef FOSTER_CLIENT_HELP_H
#define FOSTER_CLIENT_HELP_H

#include "ctl/client/ctl.h"

/* All commands, ended by one without a name. */
extern const struct command commands[];

/* The command of that name or alias, or NULL. */
const struct command *command_find(const char *name);

void help_all(void); /* the table of commands */
void help_command(const struct command *c);

/* Write out what was printed. Returns 0, or CTL_FAILED with a complaint when it could not be. */
int help_finish(void);

#endif
