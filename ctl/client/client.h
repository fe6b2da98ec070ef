/* client.h - calls to fosterd, across the death of its supervisor
 *
 * A supervisor that crashes takes its connections along; the keeper holds the listening socket, so
 * connecting again succeeds at once and waits for the next supervisor. A call that may be repeated
 * is then sent again by itself; of one that may not, the outcome is unknown, and that is said.
 *
 * Nothing here prints. */
#ifndef FOSTER_CLIENT_CLIENT_H
#define FOSTER_CLIENT_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/wire/call.h"
#include "ctl/wire/fds.h"

#define CLIENT_INTERFACE "org.foster.Supervisor."

struct client {
	const char *path; /* of the socket; not owned */
	int fd; /* -1: not connected */
	struct frame frame;
	struct fds fds; /* that came with the last reply */
	char *scratch;
	const char *text; /* the last reply, in scratch or frame */
	size_t text_len;
	uint64_t connected_ns;
	unsigned losses; /* connections lost soon after they were made, in a row */
	uint64_t deadline_ns; /* CLOCK_BOOTTIME; no reply is waited for beyond it; 0: none */
};

struct request {
	const char *method; /* "Status" */
	json_t *parameters; /* borrowed; NULL: {} */
	const int *fds; /* that go with it */
	unsigned n_fds;
	bool more;
	bool once; /* must not be repeated when its outcome is unknown */
	bool unparsed; /* leave the reply as text, see client_text() */
};

void client_init(struct client *c, const char *path);
void client_done(struct client *c);

/* Connect unless connected. 0 or -errno of connect(2). */
int client_connect(struct client *c);

/* Connect again after a loss: waits a little more each time, tries for two seconds where nobody
 * listens. 0 or -errno; -ECONNABORTED when connections are lost over and over. */
int client_reconnect(struct client *c);

/* Send one request over the connection. 0 or -errno (-EPIPE: lost). */
int client_send(struct client *c, const struct request *q);

/* Read once. Returns 1 with a reply (the caller ends it with reply_done()), 2 when more is needed,
 * 0 when the connection was lost, -EBADMSG for what is not a reply, or -errno. */
int client_read(struct client *c, struct reply *ret_reply);

/* Send and wait for the first reply, connecting and repeating as needed. Returns 0 with a reply,
 * which may be an error; -EINPROGRESS when the outcome of a call that is done once is unknown;
 * -ETIMEDOUT; -EBADMSG; or -errno as client_reconnect(). */
int client_call(struct client *c, const struct request *q, struct reply *ret_reply);

/* Wait for the next reply of a stream. As client_read(), without 2; -ETIMEDOUT at the deadline. */
int client_next(struct client *c, struct reply *ret_reply);

/* The text of the last reply of a request with unparsed; *ret_reply of its client_call() is zeroed.
 * Valid until the next call here. */
const char *client_text(const struct client *c, size_t *ret_len);

/* Where fosterd listens: option (-s) unless NULL, else $FOSTER_SOCKET, else the default of this user.
 * The result lives as long as what it was taken from, or in a static buffer. */
const char *client_path(const char *option);

#endif
