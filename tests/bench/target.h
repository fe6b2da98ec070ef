/* target.h - the fosterd that is measured
 *
 * Runs on a configuration in a directory in memory, is asked over its socket, and looked at through
 * /proc. Whatever goes wrong ends the bench with a message: a figure from a broken run is worse than
 * none. */
#ifndef FOSTER_BENCH_TARGET_H
#define FOSTER_BENCH_TARGET_H

#include <stdarg.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/e2e/varlink.h"

struct target {
	const char *build; /* directory of the programs */
	char dir[64]; /* of this run, below /dev/shm */
	char socket[96];
	pid_t keeper; /* 0: does not run */
	pid_t parts[3]; /* keeper, supervisor, logger */
	uint64_t began_ns; /* CLOCK_MONOTONIC just before fosterd was started */
	int notify; /* READY=1 comes here */
	struct varlink calls;
};

_Noreturn void target_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void target_init(struct target *t, const char *build);
void target_done(struct target *t);

/* Start fosterd on [foster] and text; returns once it is ready. */
void target_up(struct target *t, const char *text);
void target_down(struct target *t); /* SIGTERM, and wait */

/* A call with parameters as by json_pack(); returns when the reply is there. It must not be an error. */
void target_call(struct target *t, const char *method, const char *format, ...);
pid_t target_pid(struct target *t, const char *name); /* PID of a process of fosterd */

/* Sums over keeper, supervisor and logger. */
long target_pss_kb(const struct target *t);
unsigned long long target_switches(const struct target *t); /* voluntary ones */
unsigned long long target_cpu_ns(const struct target *t);

#endif
