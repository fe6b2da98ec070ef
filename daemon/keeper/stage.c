#include "daemon/keeper/stage.h"

#include <assert.h>
#include <fcntl.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define STDIO_NUMBERS 3
/* Room for the numbers themselves, descriptors, a directory, what was inherited, a report pipe. */
#define STAGE_NUMBERS (SPAWN_FDS_MAX + SPAWN_FDS_MAX + 1 + SPAWN_INHERIT_MAX + 1)

static_assert(STAGE_BAYS * STAGE_BAY_NUMBERS < STAGE_NUMBERS, "the bays lie within the range");

static int first; /* of the range */
static int null_fd = -1; /* what an unused number of the range refers to */

static bool is_clear(int from)
{
	for (int fd = from; fd < from + STAGE_NUMBERS; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return false;
	return true;
}

int stage_init(void)
{
	int from = STDIO_NUMBERS; /* what lies below is copied and closed for each child */

	while (!is_clear(from))
		from++;
	auto_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd_move_above(&fd, from + STAGE_NUMBERS) < 0 || dup2(fd, STDIN_FILENO) < 0)
		return -errno;
	for (int i = 0; i < STAGE_NUMBERS; i++)
		if (dup3(fd, from + i, O_CLOEXEC) < 0)
			return -errno;
	first = from;
	null_fd = take_fd(fd);
	return 0;
}

int stage_null_fd(void)
{
	return null_fd;
}

static int begin_of(unsigned bay)
{
	return first + (int)bay * STAGE_BAY_NUMBERS;
}

bool stage_fits_bay(const struct spawn_plan *p)
{
	int n = p->flags & LINK_SPAWN_DIRECTORY_FD ? 1 : 0;

	for (unsigned i = 0; i < p->n_fds; i++)
		n += p->fds[i] != null_fd;
	for (int i = 0; p->flags & LINK_SPAWN_INHERIT && p->inherit[i] >= 0; i++)
		n++;
	return n <= STAGE_BAY_NUMBERS && p->n_fds <= STDIO_NUMBERS;
}

/* Stage fd at the next number. */
static int put(int fd, int *next)
{
	if (dup3(fd, *next, O_CLOEXEC) < 0)
		return -errno;
	return (*next)++;
}

static int put_all(const struct spawn_plan *p, struct spawn_child *child, int *next)
{
	if (p->n_fds > STDIO_NUMBERS) /* 3, 4, … are to be something else: stage above them */
		*next += SPAWN_FDS_MAX;
	for (unsigned i = 0; i < p->n_fds; i++) {
		child->sources[i] = p->fds[i] == null_fd ? 0 : put(p->fds[i], next);
		if (child->sources[i] < 0)
			return child->sources[i];
	}
	if (p->flags & LINK_SPAWN_DIRECTORY_FD) {
		child->stage_directory = put(p->directory_fd, next);
		if (child->stage_directory < 0)
			return child->stage_directory;
	}
	for (int i = 0; p->flags & LINK_SPAWN_INHERIT && p->inherit[i] >= 0; i++) {
		child->inherited[i] = put(p->inherit[i], next);
		if (child->inherited[i] < 0)
			return child->inherited[i];
	}
	return 0;
}

int stage_put(unsigned bay, const struct spawn_plan *p, struct spawn_child *child)
{
	int next = begin_of(bay), r = put_all(p, child, &next);

	if (r < 0) {
		stage_clear(bay, next);
		return r;
	}
	child->unshare_from = next > begin_of(bay) ? next : first;
	return next;
}

void stage_clear(unsigned bay, int end)
{
	for (int fd = begin_of(bay); fd < end; fd++)
		(void)dup3(null_fd, fd, O_CLOEXEC);
}

static int report_number(void)
{
	return first + STAGE_NUMBERS - 1;
}

int stage_put_report(int fd)
{
	int r = dup3(fd, report_number(), O_CLOEXEC);

	return r < 0 ? -errno : r;
}

void stage_clear_report(void)
{
	(void)dup3(null_fd, report_number(), O_CLOEXEC);
}
