/* failmalloc.h - memory that runs out in one program, at a call that a test chooses
 *
 * failmalloc.so, preloaded, counts what the program named in a shared file allocates, over all
 * processes of that name, and lets the calls first..last fail. The test and the program map the file;
 * the test sets first and last, and calls to 0, before it asks for what is to go wrong. */
#ifndef FOSTER_TESTS_FAILMALLOC_H
#define FOSTER_TESTS_FAILMALLOC_H

#include <stdatomic.h>
#include <stdint.h>

#define FAILMALLOC_FILE "FOSTER_TEST_MALLOC" /* in the environment: the path of the shared file */

struct failmalloc {
	char program[32]; /* as it was executed, without directory */
	_Atomic uint64_t calls; /* of malloc, calloc, realloc, mmap of a file; numbered from 1 */
	_Atomic uint64_t first, last; /* these fail; none when first is 0 */
	_Atomic uint64_t failed;
};

#endif
