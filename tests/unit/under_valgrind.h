/* under_valgrind.h - its own descriptors are among ours, and its limit of them is not the kernel's */
#ifndef FOSTER_TESTS_UNDER_VALGRIND_H
#define FOSTER_TESTS_UNDER_VALGRIND_H

#include <stdlib.h>

/* Where that is in the way. After cmocka.h. */
static inline void skip_under_valgrind(void)
{
	if (getenv("UNDER_VALGRIND")) {
		print_message("# skip: valgrind's descriptors are in the way\n");
		skip();
	}
}

#endif
