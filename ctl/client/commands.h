/* commands.h - fosterctl's commands; main.c has their table */
#ifndef FOSTER_CLIENT_COMMANDS_H
#define FOSTER_CLIENT_COMMANDS_H

#include "ctl/client/ctl.h"

/* cmd_status.c */
int cmd_status(struct ctl *ctl, int argc, char **argv);
int cmd_poll(struct ctl *ctl, int argc, char **argv);
int cmd_pid(struct ctl *ctl, int argc, char **argv);

/* cmd_control.c: start, stop, terminate, kill, restart, signal, forget */
int cmd_control(struct ctl *ctl, int argc, char **argv);

/* cmd_define.c: start NAME -- CMD; argc and argv as of start */
int cmd_define(struct ctl *ctl, int argc, char **argv);
int cmd_run(struct ctl *ctl, int argc, char **argv);

int cmd_wait(struct ctl *ctl, int argc, char **argv);

/* cmd_show.c */
int cmd_show(struct ctl *ctl, int argc, char **argv);
int cmd_tree(struct ctl *ctl, int argc, char **argv);
int cmd_why(struct ctl *ctl, int argc, char **argv);

/* cmd_logs.c */
int cmd_tail(struct ctl *ctl, int argc, char **argv);
int cmd_events(struct ctl *ctl, int argc, char **argv);

/* cmd_config.c */
int cmd_check(struct ctl *ctl, int argc, char **argv);
int cmd_changes(struct ctl *ctl, int argc, char **argv); /* reread, update, reload */

/* cmd_daemon.c */
int cmd_ping(struct ctl *ctl, int argc, char **argv);
int cmd_version(struct ctl *ctl, int argc, char **argv);
int cmd_shutdown(struct ctl *ctl, int argc, char **argv);
int cmd_upgrade(struct ctl *ctl, int argc, char **argv);
int cmd_help(struct ctl *ctl, int argc, char **argv);

/* The exit status of a child that ended with this returncode. */
static inline int status_of_returncode(json_int_t returncode)
{
	return (int)(returncode >= 0 ? returncode & 255 : (CTL_SIGNAL - returncode) & 255);
}

#endif
