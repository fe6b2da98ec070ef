#include "daemon/base/sig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REAL_TIME_MAX 32

static int number_of_digits(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);

	return *end == '\0' && n >= 1 && n < NSIG ? (int)n : -EINVAL;
}

static int real_time_number(const char *name)
{
	int base = strncasecmp(name, "RTMIN", 5) == 0 ? SIGRTMIN : SIGRTMAX;
	char *end;
	long offset;

	if (name[5] == '\0')
		return base;
	if (base == SIGRTMIN ? name[5] != '+' : name[5] != '-')
		return -EINVAL;
	offset = strtol(name + 5, &end, 10);
	if (*end != '\0' || base + offset < SIGRTMIN || base + offset > SIGRTMAX)
		return -EINVAL;
	return base + (int)offset;
}

int sig_number(const char *name)
{
	if (name[0] >= '0' && name[0] <= '9')
		return number_of_digits(name);
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	if (strncasecmp(name, "RTMIN", 5) == 0 || strncasecmp(name, "RTMAX", 5) == 0)
		return real_time_number(name);
	for (int n = 1; n < SIGRTMIN; n++) {
		const char *abbrev = sigabbrev_np(n);

		if (abbrev && strcasecmp(abbrev, name) == 0)
			return n;
	}
	return -EINVAL;
}

const char *sig_name(int number)
{
	static char names[REAL_TIME_MAX + 2][12];
	const char *abbrev = number > 0 ? sigabbrev_np(number) : NULL;
	char *name;

	if (abbrev)
		return abbrev;
	if (number >= SIGRTMIN && number <= SIGRTMAX) {
		name = names[number - SIGRTMIN];
		snprintf(name, sizeof names[0], "RTMIN+%d", number - SIGRTMIN);
		return name;
	}
	name = names[REAL_TIME_MAX + 1];
	snprintf(name, sizeof names[0], "%d", number);
	return name;
}
