/* actions.h - what is done to the processes of the soak
 *
 * A job is one action on one subject. It is begun (a fosterctl is started, or the process itself is hit),
 * runs beside others while parts of foster are killed, and is ended: fosterctl must have answered as the
 * model expects, and the consequence is the model's. */
#ifndef FOSTER_TESTS_SOAK_ACTIONS_H
#define FOSTER_TESTS_SOAK_ACTIONS_H

#include "tests/fault/soak/soak.h"

struct action;

struct job {
	const struct action *action;
	struct subject *subject; /* NULL: a process that is nobody's */
	struct run ctl;
	const char *argv[16];
	int returncode; /* that something is to end with */
	uint32_t life, lines; /* printed before it was begun */
};

/* Choose an action and a subject that is not busy, and begin it. first: no other was begun in this step.
 * false: none is possible. */
bool job_begin(struct soak *k, struct job *j, bool first);
bool job_is_alone(const struct job *j); /* nothing else may be done meanwhile */
void job_end(struct soak *k, struct job *j);

/* Down, and there, all that the file has; forgotten what clients defined. All of it was started once. */
void actions_rest(struct soak *k);

#endif
