/* notify.c - telling systemd, without ever waiting for it
 *
 * sd_notify(3) blocks when the service manager does not read; the keeper may not. So the datagram is
 * sent by hand, non-blocking. A STATUS= that finds no room is dropped, another follows; what must not
 * be lost (READY=1, STOPPING=1, …) is kept, in order, and tried again a little later; who has a
 * descriptor to send (store.c) is told to try again himself.
 *
 * Source: sd_notify(3), "Notes": the protocol is a public interface. */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/keeper.h"

#define AGAIN_S 0.1
#define KEPT_MAX 1024

static struct {
	int fd; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_len;
	char *kept[KEPT_MAX]; /* first come first served */
	size_t n_kept;
	ev_timer again;
	struct ev_loop *loop;
} state = { .fd = -1 };

/* fd: -1, or one to go with it. */
static int send_now(const char *text, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr msg = {
		.msg_name = &state.to, .msg_namelen = state.to_len, .msg_iov = &iov, .msg_iovlen = 1
	};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
		msg.msg_control = &control;
		msg.msg_controllen = sizeof control.bytes;
	}
	return sendmsg(state.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void try_again_soon(void)
{
	ev_timer_set(&state.again, AGAIN_S, 0.);
	ev_timer_start(state.loop, &state.again);
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	while (state.n_kept) {
		if (send_now(state.kept[0], -1) == -EAGAIN) {
			try_again_soon();
			return;
		}
		free(state.kept[0]);
		memmove(state.kept, state.kept + 1, --state.n_kept * sizeof state.kept[0]);
	}
}

void notify_init(struct keeper *k)
{
	const char *path = getenv("NOTIFY_SOCKET");

	state.loop = k->loop;
	ev_timer_init(&state.again, on_again, AGAIN_S, 0.);
	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof state.to.sun_path)
		return;
	state.to.sun_family = AF_UNIX;
	memcpy(state.to.sun_path, path, strlen(path));
	state.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		state.to.sun_path[0] = '\0'; /* a name without a file */
	state.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void keep(const char *text)
{
	char *copy = strdup(text);

	if (!copy) {
		log_error("keeper", "cannot notify the service manager: %s", strerror(ENOMEM));
		return;
	}
	state.kept[state.n_kept++] = copy;
	try_again_soon();
}

void notify(const char *text)
{
	int r;

	if (state.fd < 0)
		return;
	r = state.n_kept ? -EAGAIN : send_now(text, -1);
	if (r == -EAGAIN && strncmp(text, "STATUS=", 7) != 0 && state.n_kept < KEPT_MAX)
		keep(text);
	else if (r < 0 && r != -EAGAIN)
		log_debug("keeper", "cannot notify the service manager: %s", strerror(-r));
}

int notify_store(const char *name, int fd)
{
	char text[320];

	if (state.fd < 0)
		return -ENOTCONN;
	snprintf(text, sizeof text, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	return state.n_kept ? -EAGAIN : send_now(text, fd);
}

void notify_remove(const char *name)
{
	char text[320];

	snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notify(text);
}

bool notify_is_idle(void)
{
	return !state.n_kept;
}
