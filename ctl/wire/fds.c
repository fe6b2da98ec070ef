#include "ctl/wire/fds.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/mem.h"

void fds_done(struct fds *f)
{
	for (unsigned i = 0; i < f->n; i++)
		close_fd(&f->fd[i]);
	f->n = 0;
}

int fds_take(struct fds *f, size_t i)
{
	return i < f->n ? take_fd(f->fd[i]) : -1;
}

ssize_t fds_send(int socket, const void *data, size_t len, const int *fds, unsigned n)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n > FDS_MAX)
		return -EMSGSIZE;
	if (n) {
		struct cmsghdr *c;

		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&m);
		assert(c); /* there is room for it */
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	do
		sent = sendmsg(socket, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static void keep(struct fds *f, const struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	assert(n <= FDS_MAX - f->n); /* there was no room for more */
	memcpy(f->fd + f->n, CMSG_DATA(c), n * sizeof(int));
	f->n += (unsigned)n;
}

ssize_t fds_receive(int socket, void *data, size_t len, struct fds *f)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	size_t room = f->refuse ? 0 : FDS_MAX - f->n;
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room ? control.space : NULL,
		.msg_controllen = room ? CMSG_LEN(sizeof(int) * room) : 0,
	};
	ssize_t n;

	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			keep(f, c);
	return m.msg_flags & MSG_CTRUNC ? -EMSGSIZE : n; /* too many, or no number is free */
}

int fds_read_message(int socket, struct frame *frame, struct fds *f, char *scratch, size_t size,
		     const char **ret_text, size_t *ret_len)
{
	ssize_t n;
	int r;

	do
		n = recv(socket, scratch, size, MSG_PEEK);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	n = fds_receive(socket, scratch, frame_span(scratch, (size_t)n), f);
	if (n <= 0)
		return (int)n;
	r = frame_add(frame, scratch, (size_t)n, ret_text, ret_len);
	return r == 0 ? 2 : r;
}
