/* names.h - which processes a client means by a NAME
 *
 * A NAME is a process's full name; "all": every configured process; "group:*"; "group:name", also of
 * a process whose full name is shorter; or a shell pattern over full names. A process appears once,
 * where it was named first; those of one pattern in the order of the configuration, then those that
 * clients defined, oldest first. Forkservers are not processes in this sense.
 *
 * What a peer may not see does not exist: a name of his that means it is unknown. Pure. */
#ifndef FOSTER_SUPERVISOR_NAMES_H
#define FOSTER_SUPERVISOR_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/supervisor/rpc.h"
#include "daemon/supervisor/supervisor.h"

/* NAMEs in one request: more than there can be processes. */
#define NAMES_MAX 32768

/* Those of them that are not plain names; each is compared with every process. */
#define NAMES_PATTERNS_MAX 64

/* What a match may cost at worst is the length of the pattern times that of the name; this is for all of
 * one request, and a tenth of a second. 10,000 names of 10 bytes have room for 64 patterns of 10. */
#define NAMES_WORK_MAX ((uint64_t)1 << 26)

struct names_item {
	const char *name; /* the process's full name; or the NAME that means nothing */
	struct process *process; /* NULL: unknown */
};

struct names {
	struct names_item *items; /* owned; the names are the processes' and the request's */
	size_t n, n_unknown, capacity;
};

/* What the n names, an array of strings, mean for the peer. names NULL: all that he sees. Returns 0;
 * -E2BIG when there are more than NAMES_MAX, or NAMES_PATTERNS_MAX patterns, or these are too long; or
 * -ENOMEM. */
int names_resolve(const struct supervisor *s, const struct rpc_peer *peer, const json_t *names,
		  struct names *ret_names);
void names_done(struct names *names);

/* The process of a plain name, or "group:name"; NULL when there is none that the peer sees. */
struct process *names_find(const struct supervisor *s, const struct rpc_peer *peer,
			   const char *name);

/* Whether p is one of those that NAME means: for streams, in which processes appear later. */
bool names_match(const struct process *p, const char *name);

#define auto_names __attribute__((cleanup(names_done)))

#endif
