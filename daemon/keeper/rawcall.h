/* rawcall.h - a system call and nothing else: no errno, no other word of the C library
 *
 * For code that runs on memory which it shares with a process that runs, too: errno is one variable
 * for both.
 *
 * Source: syscall(2), "Architecture calling conventions". */
#ifndef FOSTER_KEEPER_RAWCALL_H
#define FOSTER_KEEPER_RAWCALL_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* At most five arguments; those that are missing are 0. Returns the result or -errno. */
#define rawcall(number, ...) rawcall_array((number), (const long[5]){ __VA_ARGS__ })

/* A pointer as an argument. */
#define RAW(pointer) ((long)(uintptr_t)(pointer))

#if defined(__x86_64__) || defined(__aarch64__)
#define RAWCALL_IS_RAW 1
#else
#define RAWCALL_IS_RAW 0 /* it is the C library's, which writes to errno */
#endif

static inline long rawcall_array(long number, const long args[5])
{
#if defined(__x86_64__)
	register long d __asm__("r10") = args[3];
	register long e __asm__("r8") = args[4];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(d), "r"(e)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = args[0];
	register long x1 __asm__("x1") = args[1];
	register long x2 __asm__("x2") = args[2];
	register long x3 __asm__("x3") = args[3];
	register long x4 __asm__("x4") = args[4];

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
#else
	long result = syscall(number, args[0], args[1], args[2], args[3], args[4]);

	return result < 0 ? -errno : result;
#endif
}

#endif
