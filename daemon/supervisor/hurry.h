/* hurry.h - closing what a client has sent, without waiting for his peer
 *
 * The last close(2) of a connection with SO_LINGER waits until the other side has taken what was written:
 * as long as a client likes who sends us one and keeps the other side. It may come to us in ways that we do
 * not see: as a descriptor that the kernel drops for want of room, in what we have not read of his
 * connection, in the queue of a Unix socket that he has sent. A signal ends such a wait, so a timer sends
 * some while we close.
 *
 * Source: socket(7), SO_LINGER; the kernel's inet_release() and sk_stream_wait_close(). */
#ifndef FOSTER_SUPERVISOR_HURRY_H
#define FOSTER_SUPERVISOR_HURRY_H

/* Between the two nothing waits for longer than a millisecond. */
void hurry_begin(void);
void hurry_end(void);

/* close_fd() of one that a client has sent. */
void hurry_close(int *fd);

#endif
