#include "ctl/client/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

#define REPLY_BYTES_MAX ((size_t)256 << 20) /* of 12,000 processes shown in full, and more */
#define SCRATCH_BYTES ((size_t)128 << 10)
#define SHORT_LIFE_NS NS_PER_S /* a connection that lived longer was a good one */
#define LOSSES_MAX 60
#define FIRST_DELAY_MS 5
#define DELAY_MS_MAX 500
#define REFUSED_TRIES 20
#define REFUSED_DELAY_MS 100

void client_init(struct client *c, const char *path)
{
	*c = (struct client){ .path = path, .fd = -1, .frame.limit = REPLY_BYTES_MAX };
}

static void disconnect(struct client *c)
{
	close_fd(&c->fd);
	frame_done(&c->frame);
	fds_done(&c->fds);
}

void client_done(struct client *c)
{
	disconnect(c);
	free(c->scratch);
	c->scratch = NULL;
}

int client_connect(struct client *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(c->path);

	if (c->fd >= 0)
		return 0;
	if (len >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, c->path, len + 1);
	if (!c->scratch)
		c->scratch = malloc(SCRATCH_BYTES);
	if (!c->scratch)
		return -ENOMEM;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		if (errno != EINTR)
			return -errno;
	c->fd = take_fd(fd);
	c->connected_ns = clock_boot_ns();
	return 0;
}

static void sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		continue;
}

/* The first loss after a good connection costs no time. */
static int count_loss(struct client *c)
{
	if (clock_boot_ns() - c->connected_ns > SHORT_LIFE_NS)
		c->losses = 0;
	if (c->losses >= LOSSES_MAX)
		return -ECONNABORTED;
	if (c->losses)
		sleep_ms(c->losses > 6 ? DELAY_MS_MAX
				       : MIN(FIRST_DELAY_MS << c->losses, DELAY_MS_MAX));
	c->losses++;
	return 0;
}

int client_reconnect(struct client *c)
{
	int r = count_loss(c);

	disconnect(c);
	for (int i = 0; r == 0; i++) {
		r = client_connect(c);
		if (r == 0)
			return 0;
		if ((r != -ECONNREFUSED && r != -ENOENT) || i >= REFUSED_TRIES)
			return r;
		sleep_ms(REFUSED_DELAY_MS);
		r = 0;
	}
	return r;
}

int client_send(struct client *c, const struct request *q)
{
	char method[128];
	struct buf b = { 0 };
	size_t sent = 0;
	unsigned n_fds = q->n_fds;
	int r;

	snprintf(method, sizeof method, CLIENT_INTERFACE "%s", q->method);
	call_add(&b, method, q->parameters, q->more);
	r = buf_error(&b);
	while (r == 0 && sent < b.len) {
		ssize_t n = fds_send(c->fd, b.data + sent, b.len - sent, q->fds, n_fds);

		if (n < 0)
			r = (int)n;
		else
			sent += (size_t)n;
		n_fds = 0;
	}
	buf_done(&b);
	return r;
}

/* As client_read(), without parsing. */
static int read_text(struct client *c)
{
	int r;

	fds_done(&c->fds);
	r = fds_read_message(c->fd, &c->frame, &c->fds, c->scratch, SCRATCH_BYTES, &c->text,
			     &c->text_len);
	return r == -ECONNRESET || r == -EPIPE ? 0 : r;
}

static int parse_text(const struct client *c, struct reply *ret_reply)
{
	int r = reply_parse(c->text, c->text_len, ret_reply);

	return r < 0 ? r : 1;
}

int client_read(struct client *c, struct reply *ret_reply)
{
	int r = read_text(c);

	return r == 1 ? parse_text(c, ret_reply) : r;
}

/* 0 when there is something to read, -ETIMEDOUT at the deadline. */
static int wait_readable(const struct client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	uint64_t now;
	int n;

	do {
		now = clock_boot_ns();
		if (now >= c->deadline_ns)
			return -ETIMEDOUT;
		n = poll(&p, 1,
			 (int)MIN((c->deadline_ns - now) / NS_PER_MS + 1, (uint64_t)1 << 30));
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static int next_text(struct client *c)
{
	int r;

	do {
		r = c->deadline_ns ? wait_readable(c) : 0;
		if (r == 0)
			r = read_text(c);
	} while (r == 2);
	return r;
}

int client_next(struct client *c, struct reply *ret_reply)
{
	int r = next_text(c);

	return r == 1 ? parse_text(c, ret_reply) : r;
}

const char *client_text(const struct client *c, size_t *ret_len)
{
	*ret_len = c->text_len;
	return c->text;
}

int client_call(struct client *c, const struct request *q, struct reply *ret_reply)
{
	int r = client_connect(c);
	bool repeated = false;

	while (r == 0) {
		bool sent;

		r = client_send(c, q);
		if (r < 0 && r != -EPIPE && r != -ECONNRESET)
			return r;
		sent = r == 0;
		if (sent) {
			r = next_text(c);
			if (r == 1 && q->unparsed)
				*ret_reply = (struct reply){ 0 };
			else if (r == 1)
				r = parse_text(c, ret_reply);
			if (r == 1)
				ret_reply->repeated = repeated;
			if (r != 0)
				return r < 0 ? r : 0;
		}
		/* What was not sent whole was not executed. */
		if (sent && q->once)
			return -EINPROGRESS;
		repeated |= sent;
		r = client_reconnect(c);
	}
	return r;
}

const char *client_path(const char *option)
{
	static char path[PATH_MAX];
	const char *given = option ? option : getenv("FOSTER_SOCKET");
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (given && *given)
		return given;
	if (geteuid() == 0 || !runtime || !*runtime)
		return FOSTER_RUNDIR "/foster/foster.sock";
	snprintf(path, sizeof path, "%s/foster/foster.sock", runtime);
	return path;
}
