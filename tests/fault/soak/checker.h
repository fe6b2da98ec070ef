/* checker.h - whether what must be true is true */
#ifndef FOSTER_TESTS_SOAK_CHECKER_H
#define FOSTER_TESTS_SOAK_CHECKER_H

#include "tests/fault/soak/soak.h"

/* What the keeper has, at rest. */
struct holdings {
	int fds;
	long kb; /* anonymous memory of its own */
};

/* Wait until s is as the model says: state, returncode, incarnation, PID, definition, signals. */
void check_settled(struct soak *k, struct subject *s);

/* All of them, now, but those that are busy: as the model says, with the PIDs that they had. */
void check_all(struct soak *k);

/* After another fosterd has taken over: what is no daemon runs on as it did; of the others, and of what
 * was down, the model takes what it finds. */
void check_inheritance(struct soak *k);

/* Wait until the logger has written what every process had printed, and so is there. */
void check_logger(struct soak *k);

/* No name was ever there twice. */
void check_alone(struct soak *k, const struct subject *s);

/* The log of s has each line once, in order, and all that each life is known to have printed. */
void check_log(struct soak *k, const struct subject *s);

/* Everything is stopped, what clients defined is forgotten: the keeper has no child but its parts, and
 * no zombie, and the runtime directory has nothing that is not named in fosterd(8). */
void check_rest(struct soak *k);

/* For comparison with a rest before, of the same keeper. */
struct holdings check_holdings(struct soak *k);
void check_no_growth(struct soak *k, struct holdings before);

#endif
