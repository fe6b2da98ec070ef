/* Any datagrams on the link, with descriptors, through a real socket pair: a datagram that is not well
 * formed delivers nothing, every message lies within its datagram and has its own descriptors, and
 * none of them is left open.
 *
 * The input is a row of datagrams. A byte says what rides along (how many descriptors; what the first
 * one is; whether the callback keeps one), two say how long the datagram is (little-endian), then come
 * its bytes; when there are less, it is shorter, or filled up with zeros (PADDED). What they should do
 * is decided here once more, from the description in link.h. */
#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/link.h"
#include "daemon/base/mem.h"

#define DATAGRAMS_MAX 16
#define FDS_MASK 0x07 /* how many ride along */
#define FIRST_SHIFT 3 /* what the first is: enum first */
#define FIRST_MASK 0x07
#define KEEPS 0x40 /* the callback keeps one of each message's */
#define MANY 0x80 /* more ride along than a datagram may have */
#define MANY_FDS (LINK_FDS_MAX + 8)
#define MEMFD_BYTES 5000 /* more than a page, and not a multiple */

enum first {
	FIRST_PLAIN, /* no memfd */
	FIRST_SEALED,
	FIRST_UNSEALED,
	FIRST_EMPTY, /* sealed, but without a byte */
	FIRST_HUGE, /* sealed, but more than a body may be */
	FIRST_MAX,
	PADDED = FIRST_MAX /* and no memfd */
};

struct datagram {
	const uint8_t *bytes;
	size_t len;
	unsigned n_fds;
	enum first first;
	bool keeps;
};

/* What the callback was given of one datagram. */
struct seen {
	const struct datagram *d;
	size_t at; /* where the next message begins */
	unsigned n_fds;
	unsigned n;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct link ends[2];
static int plain = -1, firsts[FIRST_MAX];
static unsigned char content[MEMFD_BYTES];

static int memfd(size_t len, int seals)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	assert(fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

static void set_up(void)
{
	int ours, theirs;

	if (plain >= 0)
		return;
	for (size_t i = 0; i < sizeof content; i++)
		content[i] = (unsigned char)(i % 7);
	plain = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert(plain >= 0);
	assert(fd_sealed("sealed", content, sizeof content, &firsts[FIRST_SEALED]) == 0);
	assert(fd_sealed("empty", NULL, 0, &firsts[FIRST_EMPTY]) == 0);
	firsts[FIRST_PLAIN] = plain;
	firsts[FIRST_UNSEALED] = memfd(sizeof content, F_SEAL_SHRINK | F_SEAL_GROW);
	firsts[FIRST_HUGE] =
		memfd(LINK_BODY_BYTES_MAX + 1, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	assert(link_pair(&ours, &theirs) == 0);
	link_init(&ends[0], ours);
	link_init(&ends[1], theirs);
}

/* ---- what link.h says of a datagram -------------------------------------------------------- */

static struct link_head head_at(const struct datagram *d, size_t at)
{
	struct link_head h;

	memcpy(&h, d->bytes + at, sizeof h);
	return h;
}

static size_t next_of(size_t at, const struct link_head *h)
{
	return (at + h->size + 7) / 8 * 8; /* at is a multiple of 8 */
}

/* Messages account for every byte and descriptor, and name the version; the memfd is one of theirs. */
static bool is_well_formed(const struct datagram *d)
{
	size_t at = 0, fds = 0;

	if (d->len > LINK_DATAGRAM_BYTES || d->n_fds > LINK_FDS_MAX)
		return false;
	while (at < d->len) {
		struct link_head h;

		if (d->len - at < sizeof h)
			return false;
		h = head_at(d, at);
		if (h.version != LINK_VERSION || h.size < sizeof h || h.size > d->len - at)
			return false;
		if (h.in_memfd > 1 || (h.in_memfd && !h.fds))
			return false;
		fds += h.fds;
		at = next_of(at, &h);
	}
	return at == d->len && fds == d->n_fds;
}

/* The i-th descriptor is a sealed memfd with something in it. */
static bool can_be_a_body(const struct datagram *d, size_t i)
{
	return i == 0 && d->first == FIRST_SEALED;
}

/* How many bytes of the datagram come before the first body that cannot be relied on: d->len when all
 * can. */
static size_t reliable(const struct datagram *d)
{
	size_t fds = 0, at = 0;

	while (at < d->len) {
		struct link_head h = head_at(d, at);

		if (h.in_memfd && !can_be_a_body(d, fds))
			return at;
		fds += h.fds;
		at = next_of(at, &h);
	}
	return at;
}

/* ---- what comes out ------------------------------------------------------------------------ */

/* Walk the body as the parts of foster do: a struct, then strings, then whatever is left. */
static void check_walk(const struct link_message *m)
{
	const size_t first = m->head->slot % 64;
	size_t offset = 0, before;
	const char *s;

	if (link_take(m, &offset, first))
		assert(offset == first && first <= m->len);
	else
		assert(offset == 0 && first > m->len);
	for (before = offset; (s = link_take_str(m, &offset)); before = offset) {
		assert(s == (const char *)m->body + before);
		assert(offset == before + strlen(s) + 1 && offset <= m->len);
	}
	assert(offset == before); /* not advanced */
	assert(!link_take(m, &offset, m->len - offset + 1) && offset == before);
	assert(!link_take(m, &offset, SIZE_MAX) && offset == before);
	assert(link_take(m, &offset, m->len - offset) == m->body + before && offset == m->len);
	assert(!link_take_str(m, &offset) && offset == m->len);
}

/* The body is that of the message at this place of the datagram, or all of the memfd. */
static void check_body(const struct link_message *m, const struct datagram *d, size_t at)
{
	if (m->head->in_memfd) {
		assert(m->len == sizeof content);
		assert(memcmp(m->body, content, sizeof content) == 0);
		return;
	}
	assert(m->body == (const unsigned char *)(m->head + 1));
	assert(m->len == m->head->size - sizeof *m->head);
	assert(memcmp(m->body, d->bytes + at + sizeof *m->head, m->len) == 0);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	assert(fstat(a, &x) == 0 && fstat(b, &y) == 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int sent_fd(const struct datagram *d, size_t i)
{
	return i ? plain : firsts[d->first];
}

/* Those of the message, without the memfd; before is how many the messages before it had. */
static void check_fds(const struct link_message *m, const struct datagram *d, unsigned before)
{
	before += m->head->in_memfd;
	assert(m->n_fds == (unsigned)m->head->fds - m->head->in_memfd);
	for (unsigned i = 0; i < m->n_fds; i++) {
		assert(fcntl(m->fds[i], F_GETFD) == FD_CLOEXEC);
		assert(same_file(m->fds[i], sent_fd(d, before + i)));
	}
}

static void on_message(void *data, const struct link_message *m)
{
	struct seen *s = data;

	assert(s->at + sizeof *m->head <= s->d->len && s->at + m->head->size <= s->d->len);
	assert((uintptr_t)m->head % 8 == 0);
	assert(memcmp(m->head, s->d->bytes + s->at, sizeof *m->head) == 0);
	check_body(m, s->d, s->at);
	check_walk(m);
	check_fds(m, s->d, s->n_fds);
	if (s->d->keeps && m->n_fds) { /* it is ours then */
		int fd = m->fds[0];

		m->fds[0] = -1;
		assert(close(fd) == 0);
	}
	s->at = next_of(s->at, m->head);
	s->n_fds += m->head->fds;
	s->n++;
}

/* ---- through the socket -------------------------------------------------------------------- */

/* Raw, as a peer that is not ours could. False when the kernel does not take it (too large). */
static bool send_raw(const struct datagram *d)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MANY_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)d->bytes, .iov_len = d->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (d->n_fds) {
		int fds[MANY_FDS] = { 0 };
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(d->n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		assert(c);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(d->n_fds * sizeof(int));
		for (unsigned i = 0; i < d->n_fds; i++)
			fds[i] = sent_fd(d, i);
		memcpy(CMSG_DATA(c), fds, d->n_fds * sizeof(int));
	}
	return sendmsg(ends[0].fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)d->len;
}

/* The lowest number that is free: what is left open takes it. */
static int lowest_free(void)
{
	int fd = fcntl(plain, F_DUPFD_CLOEXEC, 0);

	assert(fd >= 0 && close(fd) == 0);
	return fd;
}

static void check_datagram(const struct datagram *d)
{
	struct seen s = { .d = d };
	int free_before = lowest_free();
	int r;

	if (!send_raw(d))
		return;
	r = link_receive(&ends[1], on_message, &s);
	assert(lowest_free() == free_before);
	assert(link_receive(&ends[1], on_message, &s) == -EAGAIN); /* one datagram a time */
	if (!is_well_formed(d) || reliable(d) < d->len) {
		assert((r == -EPROTO || r == -EPROTONOSUPPORT) && s.n == 0);
		return;
	}
	assert(r == 1 && s.at == d->len && s.n_fds == d->n_fds);
}

/* Cut the next datagram off. An empty one is what the end of the file looks like: link.h has none. */
static bool next_datagram(const uint8_t **data, size_t *size, struct datagram *d)
{
	static uint8_t padded[UINT16_MAX];
	unsigned first;
	uint8_t flags;
	size_t n;

	if (*size <= 3)
		return false;
	flags = (*data)[0];
	first = flags >> FIRST_SHIFT & FIRST_MASK;
	d->n_fds = flags & MANY ? MANY_FDS : flags & FDS_MASK;
	d->first = first < FIRST_MAX ? (enum first)first : FIRST_PLAIN;
	d->keeps = flags & KEEPS;
	d->bytes = *data + 3;
	d->len = (*data)[1] | (size_t)(*data)[2] << 8;
	d->len = d->len ? d->len : 1;
	n = d->len < *size - 3 ? d->len : *size - 3;
	if (first >= PADDED) {
		memcpy(padded, d->bytes, n);
		memset(padded + n, 0, d->len - n);
		d->bytes = padded;
	} else {
		d->len = n;
	}
	*data += 3 + n;
	*size -= 3 + n;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct datagram d;

	set_up();
	for (int i = 0; i < DATAGRAMS_MAX && next_datagram(&data, &size, &d); i++)
		check_datagram(&d);
	return 0;
}
