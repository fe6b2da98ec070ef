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
	const long d = args[3], e = args[4];
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	const long a = args[0], b = args[1], c = args[2], d = args[3], e = args[4];
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

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
