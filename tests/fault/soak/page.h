/* page.h - what a process of the soak says of itself, in memory that outlives it
 *
 * A file for each name, mapped by the process (tests/helpers/soaker.c) and by the soak. The process
 * holds a lock on it while it lives: a second one of the same name at the same time finds it taken. */
#ifndef FOSTER_TESTS_SOAK_PAGE_H
#define FOSTER_TESTS_SOAK_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define PAGE_LIVES 65536
#define PAGE_STATUS_ON_TERM 43

struct page {
	_Atomic int32_t pid; /* of the last that has the lock, or had it */
	_Atomic uint32_t life; /* how many had it */
	_Atomic uint32_t intruders; /* how many found it taken */
	_Atomic uint32_t version; /* argument of the last: which definition made it */
	_Atomic uint32_t status; /* written by the soak: exit with it on SIGUSR1 */
	_Atomic uint32_t usr2; /* how many SIGUSR2 came */
	_Atomic uint32_t lines[PAGE_LIVES]; /* how many lines each life has printed for certain */
};

#endif
