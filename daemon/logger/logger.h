/* logger.h - everything that foster-logger has, and what the keeper tells it
 *
 * Descriptors at its start: 1 fosterd's stdout, 2 fosterd's log, 3 the link to the keeper, 4 fosterd's
 * stderr. The messages are LOG, UNLOG, SYNC, REOPEN, PING and FINISH (daemon/base/link.h). End of file on
 * the link is the order to finish: what is in the pipes at that moment is written, then the logger exits.
 * Without a FINISH before it the keeper was killed, and the moment is a little later. With one that says
 * that another logger follows, what is in the pipes is left to that, or a line without its end would go out.
 * Nothing that comes over the link ends it otherwise. */
#ifndef FOSTER_LOGGER_LOGGER_H
#define FOSTER_LOGGER_LOGGER_H

#include <ev.h>
#include <stdbool.h>

#include "daemon/base/buf.h"
#include "daemon/base/link.h"
#include "daemon/logger/logfile.h"
#include "daemon/logger/outlet.h"
#include "daemon/logger/peek.h"
#include "daemon/logger/stream.h"

#define LOGGER_LINK_FD 3
#define LOGGER_STDERR_FD 4

struct logger {
	struct ev_loop *loop;
	struct ev_io on_link, on_link_writable, on_pipes;
	struct ev_timer on_retry; /* runs while retries is not empty */
	struct ev_timer on_nap; /* runs while naps is not empty */
	struct ev_timer on_grace; /* runs before that when the keeper was killed */
	struct ev_timer on_deadline; /* runs while finishing */
	int epoll_fd; /* all pipes */
	struct logfiles files;
	struct outlet *outlets[2]; /* fosterd's stdout and stderr; made when needed */
	struct buf unit; /* scratch of sink_lines */
	struct stream_list streams; /* all, the ending ones too */
	struct stream_list retries; /* those whose file failed, and that wait */
	struct stream_list naps; /* those that print line by line, quickly */
	size_t n_streams;
	struct stream **index; /* [2 * slot + stream - 1]; NULL: none */
	size_t n_index;
	struct stream *own; /* fosterd's own log */
	size_t max_fds; /* RLIMIT_NOFILE */
	bool dismissed; /* FINISH has come: the keeper lives, and lets us go */
	bool followed; /* which said that another logger comes after us */
	bool finishing;
	bool progress; /* since the deadline was set */
	unsigned deadlines; /* that passed with progress */
	struct link link;
	struct peek peek;
};

/* 0 or -errno; l must not move afterwards. link_fd is taken. */
int logger_init(struct logger *l, int link_fd);
void logger_run(struct logger *l); /* until the keeper is gone and the pipes are empty */
void logger_done(struct logger *l);

/* For stream.c: the books of streams and descriptors. */
void logger_stream_added(struct logger *l, struct stream *s);
void logger_stream_removed(struct logger *l, struct stream *s);

/* For inbox.c. */
void logger_on_message(void *data, const struct link_message *m);

#endif
