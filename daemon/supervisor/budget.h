/* budget.h - descriptors are counted before they are needed
 *
 * A process costs the keeper a pidfd and one descriptor for each pipe it holds (stdin, stdout,
 * stderr), a client's session one: the pidfd of the client. What would exceed what the keeper may have
 * is refused with that reason, instead of failing half way. A session costs the supervisor one, too;
 * they share its descriptors with the connections (rpc_fds_left()), and the same is done there. The logger
 * opens two for each stream, but closes files that it has not used for long; its share is bounded by the
 * pipes. */
#ifndef FOSTER_SUPERVISOR_BUDGET_H
#define FOSTER_SUPERVISOR_BUDGET_H

#include "daemon/supervisor/process.h"

/* What p costs the keeper while it runs. */
unsigned budget_cost(const struct process *p);

/* What is in use; for a row of starts it is counted once. A zeroed struct is to be counted. */
struct budget {
	bool counted;
	uint64_t used;
	uint64_t beginning; /* processes that have not executed yet: each may have a report pipe */
};

/* Whether p, which is not asked for yet, may start: 0, and what it takes is taken; -EMFILE with the
 * reason in words in *ret_reason (free()); or -EAGAIN: as soon as another one has executed. */
int budget_take(struct budget *b, const struct process *p, char **ret_reason);

/* Whether one session more may be: 0, or -EMFILE with the reason, as above. */
int budget_check_session(const struct supervisor *s, char **ret_reason);

#endif
