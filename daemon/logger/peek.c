#include "daemon/logger/peek.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "daemon/base/mem.h"

#define ENLARGED_MAX 32

int peek_init(struct peek *p)
{
	auto_close int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int fds[2];

	if (null_fd < 0 || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* Where this is refused fewer bytes are seen at a time. */
	(void)fcntl(fds[1], F_SETPIPE_SZ, PEEK_BYTES_MAX);
	p->out_fd = fds[0];
	p->in_fd = fds[1];
	p->null_fd = take_fd(null_fd);
	p->enlarged = 0;
	return 0;
}

void peek_done(struct peek *p)
{
	close_fd(&p->out_fd);
	close_fd(&p->in_fd);
	close_fd(&p->null_fd);
}

ssize_t peek_discard(struct peek *p, int pipe, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = splice(pipe, NULL, p->null_fd, NULL, len - done, SPLICE_F_NONBLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Everything in the scratch pipe, up to len bytes. */
static ssize_t read_scratch(struct peek *p, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(p->out_fd, p->bytes + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t peek_at(struct peek *p, int pipe, size_t skip, size_t len)
{
	ssize_t seen, skipped, r;

	do
		seen = tee(pipe, p->in_fd, skip + len, SPLICE_F_NONBLOCK);
	while (seen < 0 && errno == EINTR);
	if (seen < 0)
		return errno == EAGAIN ? 0 : -errno;
	skipped = peek_discard(p, p->out_fd, skip < (size_t)seen ? skip : (size_t)seen);
	r = skipped < 0 ? skipped : read_scratch(p, (size_t)(seen - skipped));
	if (r < 0) /* cannot be, but what is left there would be taken for the next stream's */
		(void)peek_discard(p, p->out_fd, PEEK_BYTES_MAX);
	return r;
}

size_t pipe_available(int pipe)
{
	int n = 0;

	return ioctl(pipe, FIONREAD, &n) < 0 || n < 0 ? 0 : (size_t)n;
}

bool pipe_is_full(int pipe)
{
	struct pollfd p = { .fd = pipe, .events = POLLOUT };

	return poll(&p, 1, 0) == 0;
}

bool pipe_enlarge(struct peek *p, int pipe)
{
	int size = fcntl(pipe, F_GETPIPE_SZ);

	if (size < 0)
		return false;
	if (size < PEEK_BYTES_MAX &&
	    (p->enlarged >= ENLARGED_MAX || fcntl(pipe, F_SETPIPE_SZ, PEEK_BYTES_MAX) < 0))
		return false;
	p->enlarged++;
	return true;
}
