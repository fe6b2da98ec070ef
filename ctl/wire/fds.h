/* fds.h - bytes with descriptors over a stream socket
 *
 * The kernel ties descriptors (SCM_RIGHTS) to the bytes of one sendmsg(2), not to a message, and a
 * plain read may glue the bytes of earlier sends in front of them. Who reads more than one message
 * at once can therefore not say whose they are. fds_read_message() looks first (MSG_PEEK), then
 * takes exactly the rest of the message under way: what comes along with those bytes is that
 * message's, and what follows stays in the socket. The price is one more system call a message.
 *
 * The rule for senders: descriptors travel with the first byte of their message, in a sendmsg() that
 * begins with it. fds_send() leaves it to its caller to start there.
 *
 * Source: unix(7), SCM_RIGHTS; the kernel's unix_stream_read_generic() ends a read after a part that
 * carried descriptors, and delivers them with that part's first byte. */
#ifndef FOSTER_WIRE_FDS_H
#define FOSTER_WIRE_FDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "ctl/wire/frame.h"

#define FDS_MAX 8 /* of one message */

/* Received descriptors, owned, close-on-exec; a taken one is -1. A zeroed struct is empty. */
struct fds {
	int fd[FDS_MAX];
	unsigned n;
	bool refuse; /* set by the owner: take none */
};

void fds_done(struct fds *f); /* closes what was not taken */

/* Take the i-th (then the caller's), or -1 when there is none. */
int fds_take(struct fds *f, size_t i);

/* Send some of len bytes (>= 1) with n descriptors (0..FDS_MAX, they stay the caller's): when the
 * result is 1 or more, that many bytes and all the descriptors went. Else -errno; no SIGPIPE. */
ssize_t fds_send(int socket, const void *data, size_t len, const int *fds, unsigned n);

/* Receive at most len bytes, appending to *f what came along. Returns their number, 0 at end of
 * file, -EMSGSIZE when not all descriptors were taken, or -errno. Those the kernel drops, without a
 * word to their file systems; close(2) would wait for these. (A connection that lingers it waits for, too.) */
ssize_t fds_receive(int socket, void *data, size_t len, struct fds *f);

/* Read once towards the message under way in frame. scratch (size bytes) holds what is looked at.
 * Returns 1 with the message (*ret_text, *ret_len: as frame_add() says, or in scratch), its
 * descriptors in *f; 2 when some bytes came and more are needed; 0 at end of file; -EAGAIN;
 * -EMSGSIZE (too many bytes or descriptors); or another -errno. */
int fds_read_message(int socket, struct frame *frame, struct fds *f, char *scratch, size_t size,
		     const char **ret_text, size_t *ret_len);

#endif
