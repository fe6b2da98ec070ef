#include "daemon/base/link.h"

#include <assert.h>
#include <fcntl.h>
#include <stdalign.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define BUFFER_BYTES (8 * LINK_DATAGRAM_BYTES)
#define ALIGN8(n) (((n) + 7) & ~(size_t)7)

static_assert(sizeof(struct link_head) == 32, "the header is part of the protocol");
static_assert(sizeof(struct link_spawn) == 192, "the plan is part of the protocol");
static_assert(sizeof(struct link_slot) == 216, "the facts of a slot are part of the protocol");

int link_pair(int *ret_ours, int *ret_theirs)
{
	int size = BUFFER_BYTES;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) /* the limit of the system may be lower: then that is it */
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

void link_init(struct link *l, int fd)
{
	l->fd = fd;
	l->out_len = 0;
	l->n_out = 0;
	l->n_sent = 0;
	l->n_out_fds = 0;
	l->blocked = false;
}

static void drop_out_fds(struct link *l)
{
	while (l->n_out_fds)
		close(l->out_fds[--l->n_out_fds]);
}

void link_done(struct link *l)
{
	drop_out_fds(l);
	close_fd(&l->fd);
	l->out_len = 0;
}

size_t link_pending(const struct link *l)
{
	return l->out_len;
}

/* ---- sending ------------------------------------------------------------------------------- */

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(LINK_FDS_MAX * sizeof(int))];
};

int link_flush(struct link *l)
{
	struct iovec iov = { .iov_base = l->out, .iov_len = l->out_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { 0 };

	if (!l->out_len)
		return 0;
	if (l->n_out_fds) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(l->n_out_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		assert(c); /* there is room for it */
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(l->n_out_fds * sizeof(int));
		memcpy(CMSG_DATA(c), l->out_fds, l->n_out_fds * sizeof(int));
	}
	while (sendmsg(l->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		l->blocked = errno == EAGAIN;
		return -errno;
	}
	l->blocked = false;
	l->out_len = 0;
	l->n_sent += l->n_out;
	l->n_out = 0;
	drop_out_fds(l);
	return 0;
}

int link_leave_room(struct link *l)
{
	return l->out_len > sizeof l->out / 2 ? link_flush(l) : 0;
}

/* Make room for a message of size bytes and n_fds descriptors in the batch. */
static int make_room(struct link *l, size_t size, unsigned n_fds)
{
	if (l->out_len + size <= sizeof l->out && l->n_out_fds + n_fds <= LINK_FDS_MAX)
		return 0;
	return link_flush(l);
}

static int add_fds(struct link *l, const int *fds, unsigned n_fds)
{
	unsigned before = l->n_out_fds;

	for (unsigned i = 0; i < n_fds; i++) {
		/* Below is the staging range, keeper/stage.h. */
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);

		if (fd < 0) {
			int err = -errno;

			while (l->n_out_fds > before)
				close(l->out_fds[--l->n_out_fds]);
			return err;
		}
		l->out_fds[l->n_out_fds++] = fd;
	}
	return 0;
}

static void join_parts(unsigned char *to, const struct link_part *parts, unsigned n_parts)
{
	for (unsigned i = 0; i < n_parts; i++) {
		if (parts[i].len)
			memcpy(to, parts[i].data, parts[i].len);
		to += parts[i].len;
	}
}

static int append(struct link *l, const struct link_head *head, const struct link_part *parts,
		  unsigned n_parts, size_t body, const int *fds, unsigned n_fds)
{
	struct link_head h = *head;
	size_t size = sizeof h + body;
	int r = make_room(l, ALIGN8(size), n_fds);

	if (r == 0)
		r = add_fds(l, fds, n_fds);
	if (r < 0)
		return r;
	h.size = (uint32_t)size;
	h.version = LINK_VERSION;
	h.fds = (uint16_t)n_fds;
	memcpy(l->out + l->out_len, &h, sizeof h);
	join_parts(l->out + l->out_len + sizeof h, parts, n_parts);
	memset(l->out + l->out_len + size, 0, ALIGN8(size) - size);
	l->out_len += ALIGN8(size);
	l->n_out++;
	return 0;
}

static int append_in_memfd(struct link *l, const struct link_head *head,
			   const struct link_part *parts, unsigned n_parts, size_t body,
			   const int *fds, unsigned n_fds)
{
	auto_free unsigned char *bytes = malloc(body);
	struct link_head h = *head;
	int all[LINK_FDS_MAX];
	auto_close int memfd = -1;
	int r;

	if (!bytes)
		return -ENOMEM;
	join_parts(bytes, parts, n_parts);
	r = fd_sealed("link", bytes, body, &memfd);
	if (r < 0)
		return r;
	all[0] = memfd;
	if (n_fds)
		memcpy(all + 1, fds, n_fds * sizeof *fds);
	h.in_memfd = 1;
	return append(l, &h, NULL, 0, 0, all, n_fds + 1);
}

int link_send(struct link *l, const struct link_head *head, const struct link_part *parts,
	      unsigned n_parts, const int *fds, unsigned n_fds)
{
	struct link_head h = *head;
	size_t body = 0;

	h.in_memfd = 0; /* one that is passed on may have come in a memfd */
	for (unsigned i = 0; i < n_parts; i++)
		body += parts[i].len;
	if (body > LINK_BODY_BYTES_MAX || n_fds >= LINK_FDS_MAX)
		return -EMSGSIZE;
	if (body > LINK_INLINE_BYTES)
		return append_in_memfd(l, &h, parts, n_parts, body, fds, n_fds);
	return append(l, &h, parts, n_parts, body, fds, n_fds);
}

/* ---- receiving ----------------------------------------------------------------------------- */

struct datagram {
	size_t len;
	unsigned n_fds;
	int fds[LINK_FDS_MAX];
};

static void take_fds(struct datagram *d, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		d->n_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(d->fds, CMSG_DATA(c), d->n_fds * sizeof(int));
	}
}

static void close_fds(int *fds, unsigned n_fds)
{
	for (unsigned i = 0; i < n_fds; i++)
		close_fd(&fds[i]);
}

/* A memfd that nobody can change while we read it, of a size that a body may have. */
static bool is_body(int fd)
{
	ssize_t size = fd_sealed_size(fd);

	return size > 0 && size <= LINK_BODY_BYTES_MAX;
}

/* That of the first message; 0 when there is none. Who sends one of another has no other. */
static unsigned version_of(const unsigned char *bytes, const struct datagram *d)
{
	const struct link_head *h = (const void *)bytes;

	return d->len < sizeof *h ? LINK_VERSION : h->version;
}

/* Whether bytes is a row of whole messages that account for every byte and descriptor. */
static bool well_formed(const unsigned char *bytes, const struct datagram *d)
{
	size_t at = 0, fds = 0;

	while (at < d->len) {
		const struct link_head *h = (const void *)(bytes + at);

		if (d->len - at < sizeof *h || h->version != LINK_VERSION || h->size < sizeof *h ||
		    h->size > d->len - at || h->in_memfd > 1 || h->fds < h->in_memfd)
			return false;
		if (h->in_memfd && (fds >= d->n_fds || !is_body(d->fds[fds])))
			return false;
		fds += h->fds;
		at += ALIGN8((size_t)h->size);
	}
	return at == d->len && fds == d->n_fds;
}

static int deliver_memfd(struct link_message *m,
			 void (*on_message)(void *, const struct link_message *), void *data)
{
	ssize_t size = fd_sealed_size(m->fds[0]);
	void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, m->fds[0], 0);

	if (map == MAP_FAILED)
		return -errno;
	m->body = map;
	m->len = (size_t)size;
	m->fds++;
	m->n_fds--;
	on_message(data, m);
	munmap(map, (size_t)size);
	return 0;
}

static int deliver(const unsigned char *bytes, struct datagram *d,
		   void (*on_message)(void *, const struct link_message *), void *data)
{
	int *fds = d->fds;
	int r = 0;

	for (size_t at = 0; at < d->len && r == 0;) {
		const struct link_head *h = (const void *)(bytes + at);
		size_t end = at + ALIGN8((size_t)h->size);
		struct link_message m = {
			.head = h,
			.body = bytes + at + sizeof *h,
			.len = h->size - sizeof *h,
			.fds = fds,
			.n_fds = h->fds,
			.more = end < d->len,
		};

		if (h->in_memfd)
			r = deliver_memfd(&m, on_message, data);
		else
			on_message(data, &m);
		fds += h->fds;
		at = end;
	}
	return r;
}

int link_receive(struct link *l, void (*on_message)(void *data, const struct link_message *m),
		 void *data)
{
	alignas(8) unsigned char bytes[LINK_DATAGRAM_BYTES];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof bytes };
	union control control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof control.bytes };
	struct datagram d = { 0 };
	int r, reset = 0;
	ssize_t n;

	/* A peer that has gone with messages of ours unread resets the connection; that is told once, and
	 * what it had said before can still be read. */
	do
		n = recvmsg(l->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset++)));
	if (n < 0)
		return -errno;
	d.len = (size_t)n;
	take_fds(&d, &msg);
	if (n == 0) {
		close_fds(d.fds, d.n_fds); /* of an empty datagram, which no end sends */
		return 0;
	}
	if (version_of(bytes, &d) != LINK_VERSION)
		r = -EPROTONOSUPPORT;
	else if (msg.msg_flags & MSG_CTRUNC && d.n_fds < LINK_FDS_MAX)
		r = -EMFILE; /* there is room for as many as may be sent */
	else if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || !well_formed(bytes, &d))
		r = -EPROTO;
	else
		r = deliver(bytes, &d, on_message, data);
	close_fds(d.fds, d.n_fds);
	return r < 0 ? r : 1;
}

/* ---- reading bodies ------------------------------------------------------------------------ */

const void *link_take(const struct link_message *m, size_t *offset, size_t len)
{
	const void *at = m->body + *offset;

	if (m->len - *offset < len)
		return NULL;
	*offset += len;
	return at;
}

const char *link_take_str(const struct link_message *m, size_t *offset)
{
	const char *at = (const char *)m->body + *offset;
	const char *end = memchr(at, '\0', m->len - *offset);

	if (!end)
		return NULL;
	*offset += (size_t)(end - at) + 1;
	return at;
}

/* ---- names --------------------------------------------------------------------------------- */

const char *link_type_name(enum link_type t)
{
	switch (t) {
#define NAME(n)        \
	case LINK_##n: \
		return #n;
		NAME(BOOT)
		NAME(READY)
		NAME(NAME)
		NAME(SPAWN)
		NAME(ORDER)
		NAME(SIGNAL)
		NAME(NOTE)
		NAME(ACK)
		NAME(FREE)
		NAME(HOLD)
		NAME(DROP)
		NAME(LOG)
		NAME(UNLOG)
		NAME(SYNC)
		NAME(NOTIFY)
		NAME(REOPEN)
		NAME(FINISH)
		NAME(PONG)
		NAME(ADOPT)
		NAME(UPGRADE)
		NAME(LEAVE)
		NAME(WELCOME)
		NAME(SLOT)
		NAME(HELD)
		NAME(SIGNALLED)
		NAME(LOGGER)
		NAME(REFUSED)
		NAME(UPGRADED)
		NAME(SYNCED)
		NAME(UNLOGGED)
		NAME(PING)
		NAME(REAP)
		NAME(HELLO)
		NAME(FORKED)
		NAME(FAILED)
		NAME(ENDED)
		NAME(BEGUN)
#undef NAME
	}
	return "unknown";
}

const char *link_step_name(enum link_step s)
{
	static const char *const names[LINK_STEP_MAX] = {
		[LINK_STEP_NONE] = "nothing",	   [LINK_STEP_PIPE] = "pipe",
		[LINK_STEP_FORK] = "fork",	   [LINK_STEP_SERVER] = "forkserver",
		[LINK_STEP_SETSID] = "setsid",	   [LINK_STEP_TTY] = "terminal",
		[LINK_STEP_STDIO] = "descriptors", [LINK_STEP_CGROUP] = "cgroup",
		[LINK_STEP_LIMITS] = "limits",	   [LINK_STEP_GROUPS] = "setgroups",
		[LINK_STEP_GID] = "setgid",	   [LINK_STEP_UID] = "setuid",
		[LINK_STEP_CHDIR] = "chdir",	   [LINK_STEP_PARENT] = "parent",
		[LINK_STEP_ENTRY] = "entry",	   [LINK_STEP_EXEC] = "exec",
	};

	return s < LINK_STEP_MAX && names[s] ? names[s] : "unknown";
}
