/* soak.h - what all of the soak shares: chance, the last things done, questions to fosterd
 *
 *   model.h     what must be true of each process
 *   actions.h   what is done to them, each with its consequence for the model
 *   faults.h    what is done to foster's own parts meanwhile
 *   checker.h   whether what must be true is true; logs, leaks
 *   canary.h    processes that nobody may signal
 *
 * Every choice comes from the seed: the same seed does the same things in the same order. When they meet
 * each other is up to the machine: a run cannot be repeated exactly, but its kind of run can. */
#ifndef FOSTER_TESTS_SOAK_SOAK_H
#define FOSTER_TESTS_SOAK_SOAK_H

#include "tests/e2e/fixture.h"
#include "tests/fault/soak/canary.h"
#include "tests/fault/soak/model.h"

#define SOAK_REMEMBERED 50 /* things done, for who reads of a failure */

struct soak {
	struct fixture *f;
	struct model model;
	struct canaries canaries;
	struct varlink calls;
	struct arena arena; /* of this step */
	uint64_t seed, random;
	uint64_t began_ns;
	unsigned steps, commands;
	unsigned faults, crashes; /* of these, by SIGSEGV */
	bool reloading; /* in this step: there is one configuration */
	bool keeper_lives; /* from here on: what it holds is measured */
	bool finished;
	char done[SOAK_REMEMBERED][160];
	unsigned n_done;
};

/* A whole number less than n. */
unsigned soak_random(struct soak *k, unsigned n);

/* Remember what is done. */
void soak_note(struct soak *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print the seed, what was done last, and the end of fosterd's log; fail. */
_Noreturn void soak_fail(struct soak *k, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void soak_report(struct soak *k);

/* Ask until a supervisor answers: they come and go. The reply lives for this step; it may be an error. */
json_t *soak_ask(struct soak *k, const char *method, json_t *parameters);

/* The configuration as the model has it, for the next start or reload. */
char *soak_config(struct soak *k);

/* Text for this step; a path in the test's directory. */
const char *soak_format(struct soak *k, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
const char *soak_path(struct soak *k, const char *name);

#endif
