#include "ctl/wire/fds.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/mem.h"

/* One message may carry as many as the kernel passes at all (SCM_MAX_FD); with room for all of them
 * nothing is cut off, and what is too much can be closed here. */
#define CONTROL_FDS 253

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

/* Move the n descriptors at data to *f; those that do not fit are closed. */
static int keep(struct fds *f, const unsigned char *data, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, data + i * sizeof fd, sizeof fd);
		if (f->n < FDS_MAX) {
			f->fd[f->n++] = fd;
		} else {
			close(fd);
			r = -EMSGSIZE;
		}
	}
	return r;
}

ssize_t fds_receive(int socket, void *data, size_t len, struct fds *f)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof control.space,
	};
	ssize_t n;
	int r = 0;

	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    keep(f, CMSG_DATA(c), (c->cmsg_len - CMSG_LEN(0)) / sizeof(int)) < 0)
			r = -EMSGSIZE;
	/* The kernel could not give us all of them: out of descriptors. */
	if (m.msg_flags & MSG_CTRUNC)
		r = -EMFILE;
	return r < 0 ? r : n;
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
