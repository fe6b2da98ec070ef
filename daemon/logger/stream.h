/* stream.h - one output of one process, on its way from pipe to file
 *
 * What a stream is doing is how its pipe is watched:
 *
 *   LEVEL    bytes in the pipe wake us
 *   EDGE     the pipe holds the beginning of a line: only more of it wakes us
 *   NONE     nothing wakes us: the stream waits for an outlet with room (it stands in the outlet's
 *            waiters), for a time, as its file takes nothing (in the logger's retries), or for a
 *            moment, to find more than a line (in its naps)
 *
 * A nap is for who prints line by line, quickly: each of his writes would wake us, and wait for the
 * pipe while we splice; a pipe that nobody watches costs him nothing (a third of the time, measured).
 * One that finds nothing in its pipe after a nap is watched again: nothing naps when nothing comes.
 *
 * All pipes are in one epoll instance of the logger's own, which the loop watches: a loop's watcher
 * for each would cost twice the memory and knows no edges. There is no end of file: the pipe is open
 * for writing, too.
 *
 * A stream that is ending takes what was in its pipe at that moment, no more, and is freed. */
#ifndef FOSTER_LOGGER_STREAM_H
#define FOSTER_LOGGER_STREAM_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/link.h"
#include "daemon/logger/logfile.h"
#include "daemon/logger/outlet.h"

struct logger;

#define STREAM_NAP_S 0.001

enum stream_watch {
	STREAM_LEVEL,
	STREAM_EDGE,
	STREAM_NONE
};

struct stream {
	TAILQ_ENTRY(stream) all;
	TAILQ_ENTRY(stream) wait; /* in waiters, retries or naps, as `waits` says */
	struct stream_list *waits; /* NULL: in none */
	struct logfile *file; /* NULL: fosterd's stdout or stderr */
	char *text; /* owned: name, NUL, prefix, NUL */
	uint64_t retry_at_ns; /* of CLOCK_BOOTTIME; while failing */
	uint64_t dropped; /* bytes thrown away since the file failed */
	uint32_t seen; /* see sink_lines.h */
	uint32_t turn_ms; /* of CLOCK_BOOTTIME: when bytes were last taken */
	uint32_t left; /* ending: bytes still to be taken */
	uint32_t unlog; /* ending: of the UNLOG that is to be answered then; 0: none */
	int pipe; /* owned */
	uint8_t number; /* 1 stdout, 2 stderr */
	uint8_t kind; /* enum link_log_kind */
	uint8_t form; /* enum linefmt_form */
	uint8_t watch; /* enum stream_watch */
	uint8_t failures; /* in a row; 0: the file takes what comes */
	bool drop; /* throw bytes away rather than wait for a file */
	bool enlarged; /* its pipe counts against the limit of large ones */
	bool ending;
};

/* What a LOG message says. */
struct stream_settings {
	struct link_log log;
	const char *path, *prefix, *name;
};

/* A stream for pipe (taken, on failure closed). Returns 0 or -errno (ENOMEM, that of
 * epoll_ctl(2)); *ret is untouched then. */
int stream_new(struct logger *l, int pipe, const struct stream_settings *set, struct stream **ret);

/* Other settings; what is in the pipe goes where they say. 0 or -ENOMEM (nothing changed). */
int stream_change(struct logger *l, struct stream *s, const struct stream_settings *set);

/* Take what is in the pipe now, then free s; it may be freed when this returns. */
void stream_end(struct logger *l, struct stream *s);

/* The same for what of it has been written in part; the rest of what is in the pipe stays there. */
void stream_leave(struct logger *l, struct stream *s);

/* What is in the pipe is for nobody: free. */
void stream_forget(struct logger *l, struct stream *s);

/* Give up whatever is left, log how much, free. */
void stream_abandon(struct logger *l, struct stream *s);

/* Take bytes until there are no more, nothing takes them, or others must have their turn. s may be
 * freed when this returns, but only s. */
void stream_drive(struct logger *l, struct stream *s);

const char *stream_name(const struct stream *s); /* of the process */
const char *stream_prefix(const struct stream *s);
const char *stream_which(const struct stream *s); /* "stdout", "stderr" */
const char *stream_target(const struct stream *s); /* where it goes, for the log */

/* The outlet that s writes to, NULL when it has none, or none yet. */
struct outlet *stream_outlet(struct logger *l, const struct stream *s);

/* An outlet has room: its owner's rest goes out, then the others in their order. */
void stream_on_writable(struct ev_loop *loop, struct ev_io *writable, int events);

#endif
