/* follow.h - clients that follow a log file
 *
 * A follower is a call with "more": its first reply brings the file, later ones say that there is
 * more to read (grown) or bring the file that took its place (rotated). inotify tells; one
 * descriptor of it serves all and is open only while somebody follows.
 *
 * What a process prints must not be what the supervisor's work depends on: after a reply a follower
 * rests for REST_SECONDS, then looks whether there was more, and only then is the file watched
 * again, for one event. At most one reply of each follower is unread; what happens meanwhile is
 * looked at when it was taken. */
#ifndef FOSTER_SUPERVISOR_FOLLOW_H
#define FOSTER_SUPERVISOR_FOLLOW_H

#include <ev.h>

#include "daemon/supervisor/process.h"
#include "daemon/supervisor/rpc.h"

struct follower;

struct follow {
	struct supervisor *supervisor;
	struct follower *followers;
	int inotify; /* -1: nobody follows */
	ev_io io;
	ev_timer rest; /* runs while somebody rests */
};

void follow_init(struct follow *f, struct supervisor *s);
void follow_done(struct follow *f); /* after the connections were closed */

/* Keep the call and send its first reply. A file that is not there yet is waited for: the first
 * reply is without a descriptor then. Returns 0, or -errno and the call is still the caller's. */
int follow_start(struct follow *f, struct rpc_call *call, struct process *p, int stream,
		 const char *path);

/* p starts: its definition, and with it the path, may be another one. */
void follow_started(struct follow *f, const struct process *p);

/* p is about to be forgotten: the streams of its followers end. */
void follow_forgotten(struct follow *f, const struct process *p);

#endif
