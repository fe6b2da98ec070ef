/* supervisor.h - policy: what should run, and what to do when it does not
 *
 * The supervisor reads the configuration, moves processes from state to state, and serves the control
 * socket. It never forks: it asks the keeper (keeper_link.c). It may die at any moment; its successor
 * starts from the keeper's snapshot, the notes in the slots, and the files in RUNTIME:
 *
 *   config      the sources of the running configuration
 *   config.next those of an update, from before it is applied until the keeper has all that follows from
 *               it: a successor that finds it applies it again
 *   spool/NAME  the definition of a process that a client made, complete before the reply
 *
 * States: LOADING (configuration) -> BOOTING (waits for WELCOME) -> UP -> LEAVING (shutdown: what is
 * a daemon is stopped in reverse order; then FINISH) .
 *
 * One turn of the loop: events are handled; then the queue of process events is drained, trees that
 * must go are looked at, spawns are sent as far as the link takes them, and everything said is
 * flushed. */
#ifndef FOSTER_SUPERVISOR_SUPERVISOR_H
#define FOSTER_SUPERVISOR_SUPERVISOR_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "daemon/base/buf.h"
#include "daemon/base/link.h"
#include "daemon/supervisor/process.h"

struct rpc_server;
struct front;
struct subscriber;

enum supervisor_phase {
	SUPERVISOR_BOOTING,
	SUPERVISOR_UP,
	SUPERVISOR_LEAVING,
	SUPERVISOR_GONE
};

struct supervisor_options {
	const char *config; /* absolute */
	const char *socket, *pidfile; /* NULL: as configured */
	bool daemonize, nodaemon, check, help_config;
	const char *resume; /* runtime directory of a predecessor; NULL: the first */
};

struct process_queue {
	struct process *first, **end; /* linked by next_spawn: nobody is in two */
};

struct supervisor {
	struct ev_loop *loop;
	struct supervisor_options options;
	enum supervisor_phase phase;
	struct conf *conf; /* what runs */
	struct conf_sources *first_sources; /* until they are saved */
	struct conf *next_conf; /* what a predecessor was about to change to; until WELCOME */
	bool config_due; /* RUNTIME/config.next is in force: it becomes RUNTIME/config */
	char *runtime_dir, *socket_path;
	char **fork_environ; /* fosterd's own, less what is not for children; NULL-terminated */

	struct link link; /* to the keeper */
	ev_io on_link, on_link_writable;
	struct keeper_backlog *backlog; /* messages that the link did not take */
	struct link_welcome keeper; /* its facts */
	pid_t logger_pid; /* 0: unknown */
	int listen_fd;

	struct process *processes; /* uthash by name, in order of creation */
	struct process **slots; /* by slot; NULL: free */
	uint32_t n_slots, slots_used;
	struct process *events, **events_end;
	struct process_queue spawns; /* that are to be asked for */
	struct process_queue waiting; /* for a place at their forkservers */
	struct process *cleans;
	uint64_t acks_sent, acks_done; /* ends that were acknowledged; that the keeper let go */
	ev_prepare before_wait;
	ev_timer clean_again, tell_status;
	unsigned told_running; /* what STATUS= said last; UINT_MAX: nothing */
	struct snapshot_entry *snapshot; /* while BOOTING */
	size_t n_snapshot;
	bool resumed;
	bool any_parents; /* some process has, or had, another as its parent */
	bool leaving_due; /* a shutdown may have come a step further */
	unsigned n_running; /* for STATUS= */
	unsigned n_orders; /* standing orders that the keeper has */
	bool status_due;

	struct rpc_server *rpc;
	struct session *sessions;
	struct subscriber *subscribers;
	struct sync *syncs; /* calls that wait for the logger */
	struct front *front; /* of rpc_methods.c */
	struct {
		char id[129], words[512]; /* the last; why it was refused */
		bool under_way;
		struct upgrade_call *calls; /* that wait for its outcome */
	} upgrade;

	int exit_status;
	bool reload_due;
	uint64_t next_number; /* of run-N */
};

/* main.c's whole work after options were read. Returns the exit status. */
int supervisor_run(const struct supervisor_options *options);

/* ---- leave.c ----------------------------------------------------------------------------------- */

/* Begin to leave: stop daemon processes, then FINISH with this exit status. */
void supervisor_leave(struct supervisor *s, int exit_status);

/* Once a turn when leaving_due: somebody has gone. */
void supervisor_leave_further(struct supervisor *s);

/* ---- supervisor.c ------------------------------------------------------------------------------ */

/* From the keeper: the end of the snapshot, a signal, its death. */
void supervisor_welcome(struct supervisor *s);
void supervisor_signalled(struct supervisor *s, int number);
void supervisor_orphaned(struct supervisor *s);

/* Whoever has deleted the control socket is told so, when there is an occasion. */
void supervisor_look_for_socket(const struct supervisor *s);

/* Make a process of the configuration known, and start it if that is what it says. */
void supervisor_add(struct supervisor *s, const struct conf_process *def);

/* A process has changed its state: parents, exit_on, the waves of a shutdown, subscribers. */
void supervisor_noticed(struct supervisor *s, struct process *p, enum process_state from);

/* ---- take_over.c: what others leave ----------------------------------------------------------------- */

/* One slot of the keeper's snapshot. Facts that come later replace it. */
void snapshot_slot(struct supervisor *s, uint32_t slot, uint64_t incarnation,
		   const struct link_slot *facts, const char *name);

/* Make processes of the snapshot's slots, by s->conf, the spool and their notes, and go on with them:
 * after another supervisor, or after another fosterd. */
void take_over(struct supervisor *s);

/* ---- keeper_link.c ----------------------------------------------------------------------------- */

/* Send, or keep in order until the link takes it. 0, or -errno: it was not sent, and will not be. */
int keeper_try_send(struct supervisor *s, const struct link_head *head,
		    const struct link_part *parts, unsigned n_parts, const int *fds,
		    unsigned n_fds);

/* The same for what must not be missing: or we exit, and our successor says it. */
void keeper_send(struct supervisor *s, const struct link_head *head, const struct link_part *parts,
		 unsigned n_parts, const int *fds, unsigned n_fds);
bool keeper_is_congested(const struct supervisor *s);
void keeper_flush(struct supervisor *s);
uint64_t keeper_asked(const struct supervisor *s); /* messages, so far */
uint64_t keeper_gone(
	const struct supervisor *s); /* of these, on their way: our death stops them no more */
int keeper_open(struct supervisor *s, int fd);
void keeper_send_all_logs(struct supervisor *s); /* a new logger, or one we know nothing of */
void keeper_notify(struct supervisor *s, const char *text); /* sd_notify(3) */

/* ---- reload.c ---------------------------------------------------------------------------------- */

/* The configuration to begin with: the files, or what a predecessor ran (RUNTIME/config; the files when
 * that is damaged). Problems are printed. 0, -EINVAL or another -errno. */
int reload_first(struct supervisor *s);

/* After another fosterd: s->conf becomes what that one ran (RUNTIME/config), for take_over(). Returns the
 * configuration to change to then; NULL when it is the same, or the other cannot be read. */
struct conf *reload_step_back(struct supervisor *s);
void reload_step_forward(struct supervisor *s, struct conf *conf); /* takes conf */

/* Save the sources of a configuration that is about to be applied, for a successor. 0 or -errno. */
int reload_save(struct supervisor *s, const struct conf_sources *sources);

/* The keeper has everything that follows from it: it is what runs. Once a turn. */
void reload_commit(struct supervisor *s);

/* Read the files again. 0 with a new conf and its sources, or -EINVAL with the reasons in diag. */
int reload_read(struct supervisor *s, struct conf **ret_conf, struct conf_sources **ret_sources,
		struct conf_diag *diag);

/* Make conf the running configuration: save its sources, start what is new, stop what is gone,
 * restart what changed. names: only these groups (NULL: all). 0 or -errno, and then nothing
 * changed. */
int reload_apply(struct supervisor *s, struct conf *conf, const struct conf_sources *sources,
		 const char *const *names);

/* What an update would do: each configured process that runs by another definition than conf's, or by
 * none, or is not configured any more. */
void reload_changes(struct supervisor *s, const struct conf *conf,
		    void (*on_change)(void *data, enum conf_change change, const char *full_name),
		    void *data);

/* SIGHUP: both, with the outcome in the log. */
void reload_all(struct supervisor *s);

/* ---- session.c --------------------------------------------------------------------------------- */

/* The session of a client process; made on first use. pidfd, which says that the PID is its own, stays
 * the caller's; less than 0: the client is gone. NULL: errno. */
struct session *session_of(struct supervisor *s, pid_t pid, int pidfd);
struct session *session_of_client(const struct supervisor *s, pid_t pid); /* NULL: none yet */
size_t session_count(const struct supervisor *s);
void session_attach(struct session *session, struct process *p);
void session_detach(struct process *p);
/* Takes pidfd. */
struct session *session_resume(struct supervisor *s, uint64_t id, pid_t pid, int pidfd);
struct session *session_find(const struct supervisor *s, uint64_t id);
uint64_t session_id(const struct session *session);
pid_t session_pid(const struct session *session);

/* ---- spool.c ----------------------------------------------------------------------------------- */

/* A client's definition as a file; complete when it returns 0. */
int spool_save(const struct supervisor *s, const struct process *p,
	       const struct conf_definition *d);
void spool_remove(const struct supervisor *s, const char *full_name);
/* Forget those that have no slot, with their logs: who was to do so was killed before, or they had ended
 * when an earlier fosterd did. */
void spool_sweep(struct supervisor *s);
/* Build the process of a slot again from its file. NULL: not there or not readable (logged). */
struct process *spool_load(struct supervisor *s, const char *full_name, uint32_t slot);

/* ---- tree.c ------------------------------------------------------------------------------------ */

/* Kill what the ended main process left behind; GONE is posted when nothing is left. */
void tree_clean(struct process *p);
void tree_turn(struct supervisor *s); /* once a turn */
/* Its end is being acknowledged: its zombie, which the keeper may still have, is no orphan. */
void tree_released(const struct process *p);
/* The keeper is gone: kill the trees of all that die with it. Waits for nothing. */
void tree_kill_all(struct supervisor *s);
/* Kill everybody whose FOSTER_INSTANCE was doomed before; again until nobody is left, at most half a
 * second and fifty looks at all processes. Empties *d, which is zeroed to begin with. */
struct doomed {
	uint64_t *instances; /* owned */
	size_t n, room;
	unsigned found;
};
void tree_doom(struct doomed *d, uint64_t instance); /* 0 is nobody's */
void tree_kill_doomed(struct doomed *d);

/* ---- front: rpc_methods.c, waiters.c, events.c --------------------------------------------------- */

int methods_start(struct supervisor *s); /* serve the control socket; 0 or -errno */
void methods_stop(struct supervisor *s); /* close every connection, free the front */

/* State changes go to subscribers and to calls that wait. */
void events_publish(struct supervisor *s, const struct process *p, enum process_state from,
		    enum process_state to);
void waiters_check(struct process *p); /* after each change of state */
void waiters_gone(struct process *p); /* the process is about to be forgotten */
void upgrade_outcome(struct supervisor *s, const char *id, const char *words); /* "": done */
void waiters_shutdown(struct supervisor *s); /* answer all that wait for ends: we leave */

#endif
