/* define.h - options that describe a process, and the call that creates it (start --, run) */
#ifndef FOSTER_CLIENT_DEFINE_H
#define FOSTER_CLIENT_DEFINE_H

#include "ctl/client/options.h"

#define DEFINE_LETTERS "e:d:u:"
enum {
	DEFINE_METHOD = OPTION_LONG,
	DEFINE_DAEMON,
	DEFINE_NO_DAEMON,
	DEFINE_PARENT,
	DEFINE_TIMEOUT,
	DEFINE_SET,
	DEFINE_END /* first value free for the command's own */
};
// clang-format off
#define DEFINE_LONGS \
	{ "env", required_argument, NULL, 'e' }, \
	{ "directory", required_argument, NULL, 'd' }, \
	{ "user", required_argument, NULL, 'u' }, \
	{ "start-method", required_argument, NULL, DEFINE_METHOD }, \
	{ "daemon", no_argument, NULL, DEFINE_DAEMON }, \
	{ "no-daemon", no_argument, NULL, DEFINE_NO_DAEMON }, \
	{ "parent", required_argument, NULL, DEFINE_PARENT }, \
	{ "timeout", required_argument, NULL, DEFINE_TIMEOUT }, \
	{ "set", required_argument, NULL, DEFINE_SET }
// clang-format on

/* What a process shall be. Parameters of Define gather in parameters. */
struct define {
	/* Owned; the latter two until define_finish(). */
	json_t *parameters, *settings, *environment;
	const char *directory; /* as given; NULL: none */
	double timeout; /* seconds; negative: none */
	int fds[4]; /* that go with the call: stdio first, the directory last */
	unsigned n_fds;
	int directory_fd; /* owned; -1: none */
};

/* 0, or -ENOMEM. */
int define_init(struct define *d);
void define_done(struct define *d);

/* Take one option (its argument in optarg). Returns 0, or CTL_USAGE after a complaint; anything
 * that is not one of ours is OPTION_ERROR. */
int define_option(struct define *d, const struct ctl *ctl, int option);

/* Carry over the caller's environment, below what -e says. 0 or -ENOMEM. */
int define_environment(struct define *d);

/* Carry over the caller's umask. */
void define_umask(struct define *d);

/* Descriptors 0-2 of the process. They stay the caller's. */
void define_stdio(struct define *d, const int stdio[3]);

/* Open the directory (here: the caller's own where none was given), put all into parameters with a
 * fresh id. Returns 0, or CTL_FAILED after a complaint. */
int define_finish(struct define *d, bool here, char *const *argv, int argc);

#endif
