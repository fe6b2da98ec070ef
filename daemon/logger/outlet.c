#include "daemon/logger/outlet.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

static int open_anew(int fd)
{
	char self[64];

	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return open(self, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* A regular file is not opened anew: the new opening would have a position of its own. */
static void choose_way(struct outlet *o)
{
	struct stat st;
	int anew;

	if (o->sharing == OUTLET_OWN) {
		o->way = OUTLET_NONBLOCKING;
		return;
	}
	if (fstat(o->fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode))) {
		o->way = S_ISREG(st.st_mode) ? OUTLET_REGULAR : OUTLET_SOCKET;
		return;
	}
	anew = open_anew(o->fd);
	o->way = anew < 0 ? OUTLET_POLLED : OUTLET_NONBLOCKING;
	if (anew >= 0) {
		o->fd = anew;
		o->close_fd = true;
	}
}

struct outlet *outlet_new(struct ev_loop *loop, int fd, const char *name,
			  enum outlet_sharing sharing, outlet_on_writable *on_writable)
{
	struct outlet *o = calloc(1, sizeof *o);

	if (!o) {
		if (sharing == OUTLET_OWN)
			close(fd);
		return NULL;
	}
	o->loop = loop;
	o->name = name;
	o->fd = fd;
	o->sharing = sharing;
	o->close_fd = sharing == OUTLET_OWN;
	TAILQ_INIT(&o->waiters);
	choose_way(o);
	ev_io_init(&o->writable, on_writable, o->fd, EV_WRITE);
	return o;
}

void outlet_free(struct outlet *o)
{
	if (!o)
		return;
	ev_io_stop(o->loop, &o->writable);
	o->doomed = true;
	if (o->held)
		return;
	if (o->close_fd)
		close_fd(&o->fd);
	free(o->rest);
	free(o);
}

void outlet_hold(struct outlet *o)
{
	o->held = true;
}

void outlet_release(struct outlet *o)
{
	o->held = false;
	if (o->doomed)
		outlet_free(o);
}

void outlet_wake(struct outlet *o)
{
	if (!o->doomed)
		ev_io_start(o->loop, &o->writable);
}

/* ---- writing ------------------------------------------------------------------------------- */

static ssize_t write_piece(const struct outlet *o, const char *data, size_t len)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };

	if (o->way == OUTLET_SOCKET)
		return send(o->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (o->way == OUTLET_POLLED && poll(&p, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(o->fd, data, len);
}

/* Whether err says that whoever read fosterd's output is gone for good. */
static bool is_the_end(const struct outlet *o, int err)
{
	return o->sharing == OUTLET_SHARED && o->way != OUTLET_REGULAR && err != ENOSPC &&
	       err != ENOMEM && err != ENOBUFS;
}

/* Write what can be written; *done grows. 0 when all is out, -EBUSY, or -errno. */
static int write_some(struct outlet *o, const char *data, size_t len, size_t *done)
{
	while (*done < len && !o->dead) {
		size_t piece = len - *done < PIPE_BUF ? len - *done : PIPE_BUF;
		ssize_t n = write_piece(o, data + *done, piece);

		if (n >= 0) {
			*done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return -EBUSY;
		if (!is_the_end(o, errno))
			return -errno;
		log_warning(o->name, "%m, output for it is thrown away from now on");
		o->dead = true;
	}
	return 0;
}

static int keep_rest(struct outlet *o, const char *data, size_t len, struct stream *owner,
		     size_t owed)
{
	o->rest = malloc(len);
	if (!o->rest)
		return -ENOMEM;
	memcpy(o->rest, data, len);
	o->rest_len = len;
	o->owner = owner;
	o->owed = owed;
	return 0;
}

int outlet_put(struct outlet *o, const char *data, size_t len, struct stream *owner, size_t owed)
{
	size_t done = 0;
	int r = write_some(o, data, len, &done);

	if (r == 0 || (r != -EBUSY && !done))
		return r;
	if (keep_rest(o, data + done, len - done, owner, owed) < 0)
		return -ENOMEM;
	o->begun = done > 0;
	if (r == -EBUSY)
		outlet_wake(o);
	return r;
}

static void drop_rest(struct outlet *o)
{
	free(o->rest);
	o->rest = NULL;
	o->rest_len = 0;
	o->owner = NULL;
	o->owed = 0;
}

int outlet_resume(struct outlet *o)
{
	size_t done = 0;
	int r = write_some(o, o->rest, o->rest_len, &done);

	if (r == 0) {
		drop_rest(o);
		return 0;
	}
	memmove(o->rest, o->rest + done, o->rest_len - done);
	o->rest_len -= done;
	o->begun |= done > 0;
	if (r == -EBUSY)
		outlet_wake(o);
	else
		ev_io_stop(o->loop, &o->writable);
	return r;
}

void outlet_abandon(struct outlet *o)
{
	drop_rest(o);
	outlet_wake(o);
}
