#include "daemon/supervisor/rpc_out.h"

#include <fcntl.h>

#include "ctl/wire/fds.h"
#include "daemon/base/mem.h"

int rpc_out_attach(struct rpc_out *o, int fd)
{
	struct rpc_out_fd *fds = realloc(o->fds, (o->n_fds + 1) * sizeof *fds);
	int copy;

	if (!fds)
		return -ENOMEM;
	o->fds = fds;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	fds[o->n_fds++] = (struct rpc_out_fd){ .at = o->bytes.len, .fd = copy };
	return 0;
}

size_t rpc_out_pending(const struct rpc_out *o)
{
	return o->bytes.len - o->sent;
}

bool rpc_out_is_empty(const struct rpc_out *o)
{
	return !rpc_out_pending(o) && !buf_error(&o->bytes);
}

static void drop_first_fd(struct rpc_out *o)
{
	close(o->fds[0].fd);
	o->n_fds--;
	memmove(o->fds, o->fds + 1, o->n_fds * sizeof *o->fds);
}

/* Send once: up to the next message that has a descriptor, so that each starts its own sendmsg(). */
static ssize_t send_some(struct rpc_out *o, int socket)
{
	bool has_fd = o->n_fds && o->fds[0].at == o->sent;
	size_t end = o->bytes.len;
	ssize_t n;

	if (o->n_fds > has_fd)
		end = o->fds[has_fd].at;
	n = fds_send(socket, o->bytes.data + o->sent, end - o->sent, has_fd ? &o->fds[0].fd : NULL,
		     has_fd);
	if (n > 0 && has_fd)
		drop_first_fd(o);
	return n;
}

int rpc_out_flush(struct rpc_out *o, int socket)
{
	if (buf_error(&o->bytes))
		return buf_error(&o->bytes);
	while (rpc_out_pending(o)) {
		ssize_t n = send_some(o, socket);

		if (n < 0)
			return (int)n;
		o->sent += (size_t)n;
	}
	rpc_out_done(o);
	return 0;
}

void rpc_out_done(struct rpc_out *o)
{
	while (o->n_fds)
		drop_first_fd(o);
	free(o->fds);
	buf_done(&o->bytes);
	*o = (struct rpc_out){ 0 };
}
