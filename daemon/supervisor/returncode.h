/* returncode.h - how a process ended, in Python's terms, and what follows from it
 *
 * Pure: no allocation, no clock, no logging.
 * Source: Python library, subprocess.Popen.returncode; wait(2); supervisord's subprocess.rst. */
#ifndef FOSTER_SUPERVISOR_RETURNCODE_H
#define FOSTER_SUPERVISOR_RETURNCODE_H

#include <stdbool.h>
#include <stdint.h>

/* The returncode of a status as wait(2) gives it: 0..255 as it exited, -N when signal N killed it. */
int returncode_of(int status);

/* Whether a status is one of the expected exit statuses (bit set of 256). A death by signal never
 * is. */
bool returncode_is_expected(int status, const uint8_t exitcodes[32]);

/* The exit status that a shell would show: the returncode, or 128 + N. */
int returncode_for_shell(int returncode);

/* "exited with status 3", "killed by SEGV (core dumped)" in text. */
void returncode_describe(int status, char *text, int size);

#endif
