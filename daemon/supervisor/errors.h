/* errors.h - errors of org.foster.Supervisor as replies
 *
 * The one place that knows which members each error has. name is the last part of an error's name. */
#ifndef FOSTER_SUPERVISOR_ERRORS_H
#define FOSTER_SUPERVISOR_ERRORS_H

#include "conf/conf.h"
#include "daemon/base/buf.h"
#include "daemon/supervisor/process.h"
#include "daemon/supervisor/rpc.h"

#define ERRORS_PREFIX "org.foster.Supervisor."

/* Answer with an error that has no more members than a name and a reason; each may be NULL. */
void errors_reply(struct rpc_call *call, const char *error, const char *name, const char *reason);

void errors_cannot_start(struct rpc_call *call, const char *name, const struct process_end *end,
			 const char *reason);
void errors_not_permitted(struct rpc_call *call, const char *name, unsigned right);

/* BadDefinition or BadConfiguration with the problems of diag that are fatal. */
void errors_problems(struct rpc_call *call, const char *error, const struct conf_diag *diag);
void errors_problem(struct rpc_call *call, const char *error, const char *problem);

void errors_memory(struct rpc_call *call); /* LimitReached: out of memory */
void errors_errno(struct rpc_call *call, int err); /* LimitReached, in words of errno */
void errors_expected_more(struct rpc_call *call); /* org.varlink.service.ExpectedMore */

/* Answer with the text in b, or errors_memory() when writing it failed. */
void errors_reply_text(struct rpc_call *call, const struct buf *b);

#endif
