/* failmalloc.c - see failmalloc.h: preloaded, it lets a chosen allocation fail
 *
 * The allocator itself stays what it was (with a sanitizer, the sanitizer's). */
#include "failmalloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct failmalloc *shared; /* NULL: nothing fails here */

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
} real;

/* What dlsym() itself wants, before there is anybody to ask. Never given back. */
static void *from_reserve(size_t size)
{
	static _Alignas(max_align_t) char reserve[4096];
	static size_t used;
	void *p = reserve + used;

	used += (size + 15) & ~(size_t)15;
	if (used > sizeof reserve)
		abort();
	return p;
}

static bool find_real(void)
{
	static bool busy;

	if (real.realloc)
		return true;
	if (busy)
		return false;
	busy = true;
	*(void **)&real.malloc = dlsym(RTLD_NEXT, "malloc");
	*(void **)&real.calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&real.realloc = dlsym(RTLD_NEXT, "realloc");
	busy = false;
	return real.realloc;
}

__attribute__((constructor)) static void look_who_we_are(void)
{
	const char *path = getenv(FAILMALLOC_FILE);
	struct failmalloc *map;
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof *map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED && strcmp(map->program, program_invocation_short_name) == 0)
		shared = map;
}

static bool fails(void)
{
	uint64_t number, first;

	if (!shared)
		return false;
	number = atomic_fetch_add(&shared->calls, 1) + 1;
	first = atomic_load(&shared->first);
	if (!first || number < first || number > atomic_load(&shared->last))
		return false;
	atomic_fetch_add(&shared->failed, 1);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	if (!find_real())
		return from_reserve(size);
	return fails() ? NULL : real.malloc(size);
}

void *calloc(size_t n, size_t size)
{
	if (!find_real())
		return from_reserve(n * size); /* static: zero */
	return fails() ? NULL : real.calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	if (!find_real())
		return from_reserve(size);
	return size && fails() ? NULL : real.realloc(p, size);
}

/* Of files only: the allocator's own is no call that anybody sees. */
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (fd >= 0 && fails())
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}
