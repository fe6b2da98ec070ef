/* process_internal.h - between the files of process.h; for nobody else */
#ifndef FOSTER_SUPERVISOR_PROCESS_INTERNAL_H
#define FOSTER_SUPERVISOR_PROCESS_INTERNAL_H

#include "daemon/supervisor/process.h"

/* process.c */
int process_free_slot(const struct supervisor *s, uint32_t *ret_slot); /* 0 or -ENOSPC */
int process_take_slot(struct supervisor *s, uint32_t slot, struct process *p);
struct process *process_new_in_slot(struct supervisor *s, struct conf *conf,
				    const struct conf_process *def, enum process_origin origin,
				    uint32_t slot);
void process_discard(struct process *p); /* free its memory, at exit: the keeper keeps its slot */
void process_close_given(struct process *p); /* descriptors of `run` that are not needed any more */
void process_take_next(struct process *p); /* the definition of an update, now that it is down */

/* process_event.c */
/* Now, not when the queue is drained. */
void process_handle(struct process *p, enum process_event ev);
void process_set_reason(struct process *p, char *reason); /* takes reason */
/* The one timer, for what the state waits for; at once if the deadline is past. */
void process_start_timer(struct process *p, uint64_t deadline_ns);
void process_unlink_spawn(struct process *p); /* out of the queue of spawns that it is in, if any */
void process_init_timer(struct process *p);
void process_unqueue(struct process *p); /* out of every list, timer stopped */

void process_queue_spawn(struct process *p);
void process_await_server(struct process *p); /* forkserver.c queues it again */
void process_cancel_spawn(struct process *p); /* it was queued, never asked for */
void process_cannot_spawn(struct process *p, enum link_step step, int err, const char *words);

/* process_act.c */
/* Send as many as the link takes and descriptors allow. Whether there is more that can be sent now. */
bool process_drain_spawns(struct supervisor *s);

/* process_plan.c */
void process_forget_logs(struct process *p); /* the logger drains and closes its pipes */
void process_leave_order(struct process *p); /* with the keeper: what to start at its next end */
void process_take_order_back(struct process *p);
void process_order_is_over(struct process *p); /* the keeper knows */

#endif
