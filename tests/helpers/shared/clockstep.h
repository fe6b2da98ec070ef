/* clockstep.h - somebody sets the calendar
 *
 * clockstep.so, preloaded, adds to what programs read of CLOCK_REALTIME the seconds that stand in a shared
 * file: the machine's own clock is others', too. */
#ifndef FOSTER_TESTS_CLOCKSTEP_H
#define FOSTER_TESTS_CLOCKSTEP_H

#include <stdatomic.h>
#include <stdint.h>

#define CLOCKSTEP_FILE "FOSTER_TEST_CLOCK" /* in the environment: the path of the shared file */

struct clockstep {
	_Atomic int64_t seconds;
};

#endif
