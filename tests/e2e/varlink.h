/* varlink.h - the tests' own Varlink client
 *
 * Written from the protocol's description and not from foster's wire code, so that a mistake of that
 * code cannot hide in both ends. Raw bytes can be sent as well: most of them to be refused.
 * Source: https://varlink.org/Method-Call. */
#ifndef FOSTER_TESTS_VARLINK_H
#define FOSTER_TESTS_VARLINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/buf.h"

#define VARLINK_FDS_MAX 8

struct varlink {
	int fd; /* -1: closed */
	struct buf in; /* received, not yet taken */
	int fds[VARLINK_FDS_MAX]; /* received, not yet taken; owned */
	size_t n_fds;
};

/* Connect to the socket at path. 0 or -errno. */
int varlink_open(struct varlink *v, const char *path);
void varlink_close(struct varlink *v); /* a closed one is allowed */

/* Send a call of method ("org.varlink.service.GetInfo"; without a dot, one of foster's own).
 * parameters: a reference is taken; NULL: {}. n_fds descriptors ride along. 0 or -errno. */
int varlink_send(struct varlink *v, const char *method, json_t *parameters, bool more,
		 const int *fds, size_t n_fds);

/* Send bytes as they are. 0 or -errno. */
int varlink_send_raw(struct varlink *v, const void *data, size_t len);

/* The next whole message, within timeout_ms. The caller owns *ret_message. 0; -ETIMEDOUT; -EPIPE when
 * the other end has closed; -EBADMSG when it is not JSON; or -errno. */
int varlink_receive(struct varlink *v, int timeout_ms, json_t **ret_message);

/* The first descriptor that came and was not taken, then the caller's; or -1. */
int varlink_take_fd(struct varlink *v);

/* The last part of a reply's error ("NoSuchProcess"), or NULL when it is none. Lives with reply. */
const char *varlink_error(const json_t *reply);

#endif
