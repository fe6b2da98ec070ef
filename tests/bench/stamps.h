/* stamps.h - when each child ran its first instruction
 *
 * Children append a record to a file in memory (tmpfs); nobody is woken by it. A bench sleeps a few
 * milliseconds at a time until as many records as it expects are there, and then reads the times. */
#ifndef FOSTER_BENCH_STAMPS_H
#define FOSTER_BENCH_STAMPS_H

#include <stddef.h>
#include <stdint.h>

/* One start. tiny.c and stamp.py write exactly this. */
struct stamp {
	uint64_t ns; /* CLOCK_MONOTONIC */
	uint64_t pid;
};

/* Make the empty file at path. Returns its descriptor or -errno. */
int stamps_open(const char *path);

/* Wait until there are at least n records. 0, or -ETIMEDOUT after 60 s. */
int stamps_wait(int fd, size_t n);

size_t stamps_count(int fd);

/* The i-th record, which must be there. */
struct stamp stamps_at(int fd, size_t i);

/* The latest time among records from..n-1. */
uint64_t stamps_latest_ns(int fd, size_t from, size_t n);

#endif
