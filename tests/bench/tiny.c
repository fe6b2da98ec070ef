/* tiny.c - the child that is measured: its first instructions read the clock
 *
 * tiny FILE appends one struct stamp to FILE and waits for a signal. No libc, no loader, no relocation:
 * exec costs what the kernel charges. See stamps.h for the record. x86-64 and arm64 Linux. */
#include <fcntl.h>
#include <time.h>

#include "daemon/keeper/rawcall.h"
#include "tests/bench/stamps.h"

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl begin\n");
#else
#error "tiny.c knows x86-64 and arm64"
#endif

void begin(const long *stack);

/* stack: argc, argv…, NULL, as the kernel left it. */
void begin(const long *stack)
{
	struct timespec now = { 0 };

	rawcall(SYS_clock_gettime, CLOCK_MONOTONIC, RAW(&now));
	struct stamp stamp = {
		.ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		.pid = (uint64_t)rawcall(SYS_getpid),
	};
	if (stack[0] > 1) {
		long fd = rawcall(SYS_openat, AT_FDCWD, stack[2], O_WRONLY | O_APPEND | O_CLOEXEC);
		if (fd >= 0)
			rawcall(SYS_write, fd, RAW(&stamp), sizeof stamp);
		rawcall(SYS_close, fd);
	}
	for (;;)
		rawcall(SYS_ppoll);
}
