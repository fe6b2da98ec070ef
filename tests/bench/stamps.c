#include "tests/bench/stamps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_MS 2
#define LOOKS_MAX (60000 / LOOK_EVERY_MS)

int stamps_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : fd;
}

size_t stamps_count(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (size_t)st.st_size / sizeof(struct stamp);
}

int stamps_wait(int fd, size_t n)
{
	const struct timespec pause = { 0, LOOK_EVERY_MS * 1000000L };

	for (int i = 0; i < LOOKS_MAX; i++) {
		if (stamps_count(fd) >= n)
			return 0;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

struct stamp stamps_at(int fd, size_t i)
{
	struct stamp stamp;

	if (pread(fd, &stamp, sizeof stamp, (off_t)(i * sizeof stamp)) != sizeof stamp)
		abort();
	return stamp;
}

uint64_t stamps_latest_ns(int fd, size_t from, size_t n)
{
	uint64_t latest = 0;

	for (size_t i = from; i < n; i++) {
		uint64_t ns = stamps_at(fd, i).ns;

		if (ns > latest)
			latest = ns;
	}
	return latest;
}
