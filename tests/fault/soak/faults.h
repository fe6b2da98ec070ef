/* faults.h - what befalls foster's own parts, at any moment
 *
 * None of it has a consequence for the model, but for the end of the keeper. */
#ifndef FOSTER_TESTS_SOAK_FAULTS_H
#define FOSTER_TESTS_SOAK_FAULTS_H

#include "tests/fault/soak/soak.h"

/* Let something happen to a part, at a random moment of the next milliseconds. */
void fault_strike(struct soak *k);

/* Parts that died of what we do not do, or more often than we did it, have a bug: fosterd's log tells. */
void fault_check_deaths(struct soak *k, const char *log);

#endif
