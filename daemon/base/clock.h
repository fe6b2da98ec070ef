/* clock.h - the time, in nanoseconds
 *
 * CLOCK_BOOTTIME for everything that is measured or waited for: it never jumps, goes on in suspend,
 * and is the same for all parts, so a deadline may be handed to a successor. The calendar only where
 * people read it. */
#ifndef FOSTER_BASE_CLOCK_H
#define FOSTER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL

static inline uint64_t clock_read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_boot_ns(void)
{
	return clock_read_ns(CLOCK_BOOTTIME);
}

static inline uint64_t clock_real_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

/* The calendar time of a moment of CLOCK_BOOTTIME, as the calendar stands now. */
static inline uint64_t clock_real_of_boot_ns(uint64_t boot_ns)
{
	return clock_real_ns() - clock_boot_ns() + boot_ns;
}

static inline uint64_t clock_ns(double seconds)
{
	return (uint64_t)(seconds * (double)NS_PER_S);
}

/* Seconds from a moment of CLOCK_BOOTTIME until another; negative when it is past. */
static inline double clock_seconds(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns >= from_ns ? (double)(to_ns - from_ns) / 1e9
				: -((double)(from_ns - to_ns) / 1e9);
}

#endif
