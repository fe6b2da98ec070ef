/* notify.c - telling systemd, without ever waiting for it
 *
 * sd_notify(3) blocks when the service manager does not read; the keeper may not. So the datagram is
 * sent by hand, non-blocking. A STATUS= that finds no room is dropped, another follows; what must not
 * be lost (READY=1, STOPPING=1, …) is kept, in order, and tried again a little later.
 *
 * Source: sd_notify(3), "Notes": the protocol is a public interface. */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/keeper.h"

#define AGAIN_S 0.1
#define KEPT_MAX 8

static struct {
	int fd; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_len;
	char *kept[KEPT_MAX]; /* first come first served */
	size_t n_kept;
	ev_timer again;
	struct ev_loop *loop;
} state = { .fd = -1 };

static int send_now(const char *text)
{
	ssize_t n = sendto(state.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
			   (struct sockaddr *)&state.to, state.to_len);

	return n < 0 ? -errno : 0;
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
		if (send_now(state.kept[0]) == -EAGAIN) {
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

void notify(const char *text)
{
	int r;

	if (state.fd < 0)
		return;
	r = state.n_kept ? -EAGAIN : send_now(text);
	if (r == -EAGAIN && strncmp(text, "STATUS=", 7) != 0 && state.n_kept < KEPT_MAX) {
		state.kept[state.n_kept++] = strdup(text);
		try_again_soon();
	} else if (r < 0 && r != -EAGAIN) {
		log_debug("keeper", "cannot notify the service manager: %s", strerror(-r));
	}
}
