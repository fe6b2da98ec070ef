/* foster-forkserver [PRELOAD.so...]: the native forkserver
 *
 * Started by fosterd with a link as descriptor 3. It loads the shared objects, says hello, and then
 * makes children for the keeper, as copies of itself, until the link ends. README.md has the
 * protocol. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/forkserver/entry.h"
#include "daemon/forkserver/serve.h"

/* Take the link, and find out whose it is. 0, or -1 (told on stderr). */
static int take_link(struct server *s)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(SERVE_LINK_FD, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		fprintf(stderr, "foster-forkserver: descriptor 3 is no link: fosterd starts me\n");
		return -1;
	}
	if (peer.pid != getppid()) { /* children would be that one's, and nobody would reap them */
		fprintf(stderr, "foster-forkserver: process %d started me, but the link is of %d\n",
			getppid(), peer.pid);
		return -1;
	}
	(void)fd_set_cloexec(SERVE_LINK_FD, true);
	link_init(&s->link, SERVE_LINK_FD);
	s->keeper = peer.pid;
	return 0;
}

/* A child's descriptors are put in these places; none may be free for another use. */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", O_RDWR | O_NOCTTY); /* the lowest: fd itself */
}

/* 0 or -1 (the keeper and stderr were told). */
static int preload(struct server *s, char *const *paths)
{
	for (; *paths; paths++) {
		const char *why = entry_preload(*paths);

		if (why) {
			log_error("forkserver", "preload %s: %s", *paths, why);
			(void)serve_preload_failed(s, *paths, why);
			return -1;
		}
		if (!s->threaded && serve_threads() > 1)
			s->threaded = *paths;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct server server; /* with its buffers too large for a stack */
	int r = 1;

	fill_standard_descriptors();
	log_init(NULL);
	if (take_link(&server) < 0)
		return 2;
	if (argc > 0 && preload(&server, argv + 1) == 0 && serve_hello(&server) == 0)
		r = serve(&server) < 0;
	serve_done(&server);
	return r;
}
