/* mem.h - releasing by scope, handing out, allocation that says no
 *
 * A local declared auto_x is released when its scope ends. take_ptr() and take_fd() hand its
 * value out and disarm it: `*ret_fd = take_fd(fd); return 0;`. Header only; used by every part. */
#ifndef FOSTER_BASE_MEM_H
#define FOSTER_BASE_MEM_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define auto_free __attribute__((cleanup(mem_free_ptr)))
#define auto_close __attribute__((cleanup(mem_close_fd)))
#define auto_file __attribute__((cleanup(mem_close_file)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that holds *ptr as its member: how a watcher's callback finds what it serves. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void mem_free_ptr(void *pp)
{
	free(*(void **)pp);
}

/* errno survives, so `return -errno` may stand anywhere before the scope's end. */
static inline void mem_close_fd(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void mem_close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void *mem_take(void *pp)
{
	void *p = *(void **)pp;

	*(void **)pp = NULL;
	return p;
}

#define take_ptr(p) ((__typeof__(p))mem_take(&(p)))

static inline int mem_take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#define take_fd(fd) mem_take_fd(&(fd))

/* Close *fd if it is open and mark it closed. */
static inline void close_fd(int *fd)
{
	mem_close_fd(fd);
	*fd = -1;
}

#endif
