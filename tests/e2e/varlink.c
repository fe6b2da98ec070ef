#include "tests/e2e/varlink.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

#define RECEIVE_BYTES 65536

int varlink_open(struct varlink *v, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		return -errno;
	*v = (struct varlink){ .fd = take_fd(fd) };
	return 0;
}

void varlink_close(struct varlink *v)
{
	close_fd(&v->fd);
	for (size_t i = 0; i < v->n_fds; i++)
		close(v->fds[i]);
	v->n_fds = 0;
	buf_done(&v->in);
}

/* All of data; the descriptors go with its first byte. */
static int send_with_fds(int fd, const char *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VARLINK_FDS_MAX)];
	} control = { 0 };

	while (len > 0) {
		struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (n_fds > 0) {
			m.msg_control = control.bytes;
			m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
			struct cmsghdr *c = CMSG_FIRSTHDR(&m);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
			memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
		}
		ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
		n_fds = 0;
	}
	return 0;
}

int varlink_send_raw(struct varlink *v, const void *data, size_t len)
{
	return send_with_fds(v->fd, data, len, NULL, 0);
}

int varlink_send(struct varlink *v, const char *method, json_t *parameters, bool more,
		 const int *fds, size_t n_fds)
{
	const char *prefix = strchr(method, '.') ? "" : "org.foster.Supervisor.";
	json_t *call =
		json_pack("{s:s++, s:o*}", "method", prefix, method, "", "parameters", parameters);

	if (!call)
		return -ENOMEM;
	if (more)
		json_object_set_new(call, "more", json_true());
	auto_free char *text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	if (!text)
		return -ENOMEM;
	return send_with_fds(v->fd, text, strlen(text) + 1, fds, n_fds);
}

static void keep_fds(struct varlink *v, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (v->n_fds < VARLINK_FDS_MAX)
				v->fds[v->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

/* Receive what there is: 1, 0 at the end, or -errno. */
static int receive_some(struct varlink *v)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VARLINK_FDS_MAX)];
	} control;

	if (buf_reserve(&v->in, RECEIVE_BYTES) < 0)
		return -ENOMEM;
	struct iovec iov = { .iov_base = v->in.data + v->in.len, .iov_len = RECEIVE_BYTES };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	ssize_t n = recvmsg(v->fd, &m, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	keep_fds(v, &m);
	v->in.len += (size_t)n;
	return n > 0;
}

/* Take the first message of what was received: 1, 0 when it is not whole yet, or -EBADMSG. */
static int take_message(struct varlink *v, json_t **ret_message)
{
	char *end = v->in.len ? memchr(v->in.data, '\0', v->in.len) : NULL;

	if (!end)
		return 0;
	json_t *message = json_loads(v->in.data, 0, NULL);
	buf_consume(&v->in, (size_t)(end - v->in.data) + 1);
	if (!message)
		return -EBADMSG;
	*ret_message = message;
	return 1;
}

int varlink_receive(struct varlink *v, int timeout_ms, json_t **ret_message)
{
	uint64_t deadline = clock_boot_ns() + (uint64_t)timeout_ms * NS_PER_MS;

	for (;;) {
		int r = take_message(v, ret_message);
		if (r != 0)
			return r < 0 ? r : 0;
		uint64_t now = clock_boot_ns();
		if (now > deadline)
			return -ETIMEDOUT;
		struct pollfd p = { .fd = v->fd, .events = POLLIN };
		r = poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		r = receive_some(v);
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
	}
}

int varlink_take_fd(struct varlink *v)
{
	if (v->n_fds == 0)
		return -1;
	int fd = v->fds[0];
	memmove(v->fds, v->fds + 1, --v->n_fds * sizeof *v->fds);
	return fd;
}

const char *varlink_error(const json_t *reply)
{
	const char *error = json_string_value(json_object_get(reply, "error"));
	const char *dot = error ? strrchr(error, '.') : NULL;

	return dot ? dot + 1 : error;
}
