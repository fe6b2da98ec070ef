/* keeper.h - the process that everything hangs on
 *
 * The keeper forks, executes, reaps, and holds what must outlive the supervisor and the logger: the
 * process table, the listening socket, one descriptor for each log pipe and client session. It reads
 * no configuration, parses nothing, and takes requests from the supervisor alone. It never waits
 * for anybody: what is slow (a careful fork, a forkserver, a part that hangs) is an event later.
 *
 *   main.c       command line, background, what was inherited
 *   keeper.c     the loop: signals, the order of work in one turn
 *   setup.c      LINK_BOOT: runtime directory, lock, table, control socket, limits, user
 *   parts.c      supervisor and logger: start, replace
 *   watchdog.c   the same when they hang
 *   request.c    one function a request
 *   slot.c       a slot's life: spawn, end, acknowledge, report
 *   order.c      standing orders: what to start when the present child of a slot ends
 *   plan.c       from a SPAWN message to what spawn() wants
 *   server.c     forkservers; birth.c: their children in the making
 *   pipes.c      the pipes of a slot; parting.c: those that it had
 *   hold.c       descriptors held for the supervisor
 *   notify.c     what systemd is told
 *   store.c      what systemd keeps for us: its descriptor store
 *   adopt.c      what an earlier keeper left
 *   pidinfo.c    processes that are not our children
 *   upgrade.c, handoff.c, resume.c   another program takes our place
 *   reap.c       the one place that waits for children
 *   spawn.c, stage.c, spawn_child.c, clone3.c, table.c, loopmem.c   see their headers
 *
 * States of a slot (enum link_slot_state), and what moves it:
 *
 *              SPAWN ok                 end of main process        ACK, SPAWN of the next
 *     EMPTY ------------> LIVE ------------------------> ENDED -------------------------> EMPTY
 *       |  \ careful, served   ^ executed                  (zombie kept: its PID and process
 *       |   `----> SPAWNING ---'                            group cannot be used again)
 *       |             | failed
 *       `----------> FAILED -- ACK, SPAWN of the next --> EMPTY
 *
 * Every change is written to the table first and reported (LINK_SLOT) at the end of the turn. */
#ifndef FOSTER_KEEPER_KEEPER_H
#define FOSTER_KEEPER_KEEPER_H

#include <ev.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "daemon/base/link.h"
#include "daemon/keeper/pidinfo.h"
#include "daemon/keeper/table.h"

struct keeper;
struct server;
struct held;
struct report;
struct parting;
struct upgrade;

/* What the keeper knows of a slot and the table does not hold. */
struct spawn_plan;
struct spawn_result;
struct slot {
	struct keeper *keeper;
	ev_io on_pidfd; /* fd -1 when none: its end is found by SIGCHLD or told by the forkserver */
	struct report *report; /* a careful spawn that has not reported; NULL */
	int log_fds[2]; /* pipes of stdout and stderr, open read-write; -1 */
	int stdin_fd; /* LINK_STDIO_PIPE: kept open for reading and writing; -1 */
	struct server *server; /* the slot is a running forkserver */
	struct order *order; /* what follows its present child; NULL */
	bool report_due; /* is in the list of slots to report */
	uint8_t unlogged; /* set of 1 << stream whose LOG the logger had no room for */
	uint32_t next_report;
	uint64_t stored; /* the incarnation whose pidfd is in the descriptor store; 0: none */
};

enum part_id {
	PART_SUPERVISOR,
	PART_LOGGER,
	PART_MAX
};

struct part {
	struct keeper *keeper;
	const char *name, *program;
	pid_t pid; /* 0: not running */
	struct pidinfo_identity who; /* of pid */
	pid_t abandoned; /* hung, replaced, and not yet dead; 0: none */
	struct link *link;
	ev_io on_readable, on_writable;
	ev_timer watch; /* nothing: off; first half: has it answered; second half: it hangs */
	ev_timer kill; /* of the abandoned one */
	ev_timer restart; /* a delayed start */
	ev_timer last_words; /* its time to finish */
	bool killed; /* it did not finish in time */
	bool pinged; /* a PING is unanswered */
	bool faulty; /* it was killed for what it has sent */
	bool ready; /* has taken over since it was started… */
	uint64_t ready_ns; /* … then; CLOCK_BOOTTIME */
	unsigned early_deaths; /* in a row, that speak against it */
};

struct options {
	char *const *argv; /* of fosterd: passed on to the supervisor */
	bool daemonize;
	int ready_fd; /* of the background: who waits there learns the outcome; -1 */
	bool resume; /* an earlier program has handed everything over */
};

struct keeper {
	struct ev_loop *loop;
	struct options *options;
	struct table table;
	struct slot *slots; /* TABLE_SLOTS */
	uint32_t first_report, last_report; /* list of slots to report; LINK_NO_SLOT: empty */
	struct part parts[PART_MAX];
	uint32_t snapshot_next; /* next slot of the snapshot; LINK_NO_SLOT: complete */
	struct held *held;
	struct upgrade *upgrade; /* the last, perhaps still under way; NULL: none */
	unsigned n_server_spawns; /* asked of forkservers, not yet answered */
	uint64_t acks; /* of this supervisor, carried out */
	bool any_unlogged; /* slots */
	struct parting *partings; /* parting.h */
	unsigned n_held; /* that have a descriptor */
	uint32_t last_parting; /* id */
	bool any_untold; /* partings, perhaps */

	int signal_fd;
	ev_io on_signal;
	ev_prepare before_wait;
	ev_timer look_for_orphans;
	ev_timer child_first; /* reports wait */
	ev_timer beat; /* systemd's watchdog */
	sigset_t pending_signals; /* not yet told to a supervisor */

	int null_fd, listen_fd, listen_epoll, runtime_fd, lock_fd;
	ev_io on_connection; /* somebody connects: the supervisor should accept */
	int stdout_fd, stderr_fd; /* as fosterd was given them */
	int own_log_fd; /* logfile=PATH: the pipe that is our stderr; -1 */
	int *inherit; /* numbers passed on to start method fork, ended by -1 */
	struct rlimit nofile; /* as it was given to us, for children */
	uint64_t nofile_now; /* descriptors that we may have open */
	uint64_t started_ns;
	unsigned watchdog_ms;
	bool booted; /* LINK_BOOT was carried out */
	bool configured; /* a supervisor has taken over once: successors resume */
	bool replace_supervisor; /* the one that booted us has what we have given up */
	bool finishing;
	bool adopted; /* some slots are of an earlier keeper */
	bool leaving; /* the supervisor has begun to shut down: its successor goes on with it */
	int exit_status; /* with which we end, once finishing or leaving */
	char *runtime_dir;
	char *socket_path, *pidfile, *logfile; /* removed at the end; NULL */
	bool socket_is_ours; /* not handed to us by systemd */
	uint64_t logfile_maxbytes;
	unsigned logfile_backups;
};

/* keeper.c: run until LINK_FINISH. Returns the exit status. */
int keeper_run(struct keeper *k);

/* Everything of LINK_BOOT is set up: watch connections, start the logger. 0 or -1 (logged). */
int keeper_booted(struct keeper *k);

/* Everything of an earlier program is ours again: the same; the logger is replaced. 0 or -1 (logged). */
int keeper_resumed(struct keeper *k);

/* A supervisor has taken over for the first time, or we end: whoever waits for the background to be
 * set up learns the outcome. */
void keeper_tell_outcome(struct keeper *k, int status);

/* A child was begun by order: it shall run before we go on, who have interrupted it when its exec woke
 * us, and before the supervisor is woken to hear of it; each would take 50 us of its time. Reports wait
 * 1 ms. */
void keeper_let_child_run(struct keeper *k);

/* Begin to send a new supervisor all that is known; WELCOME ends it. */
void keeper_welcome(struct keeper *k);

/* End the loop with this exit status; a fatal error has been logged. */
void keeper_exit(struct keeper *k, int status);

/* setup.c: carry out LINK_BOOT. 0 or -1 (logged). */
int setup(struct keeper *k, const struct link_message *m);
void setup_done(struct keeper *k); /* remove socket, pidfile; at the end */

/* parts.c */
void parts_init(struct keeper *k);
void parts_note(struct keeper *k); /* in the table: there is one now */
int part_start(struct keeper *k, enum part_id id); /* 0 or -1 (logged; tried again later) */
void part_ended(struct keeper *k, struct part *p, int status);
void part_took_over(struct part *p);
void part_send(struct part *p, const struct link_head *h, const struct link_part *parts, unsigned n,
	       const int *fds, unsigned n_fds);
int part_try_send(struct part *p, const struct link_head *h, const struct link_part *parts,
		  unsigned n, const int *fds, unsigned n_fds); /* the same: 0 or -errno */
void part_let_go(struct part *p); /* close its link: it exits by itself */
void part_replace(struct part *p); /* the same; it is killed after a while; then comes another */
void part_resume(struct part *p, pid_t pid, int link_fd); /* it was an earlier program's */
void part_start_successor(struct part *p);
void parts_flush(struct keeper *k);
void parts_finish(struct keeper *k); /* let both end; the loop ends with them */

/* watchdog.c */
void watchdog_init(struct part *p);
void part_expect(struct part *p); /* something was sent or waits: it should answer in time */
void part_look_if_stopped(struct part *p); /* SIGCHLD has come */
void part_answered(struct part *p); /* PONG */
void parts_start_beat(struct keeper *k); /* systemd's watchdog, if it is enabled */

/* request.c: one message of the supervisor. */
void on_request(void *data, const struct link_message *m);

/* slot.c */
int slots_init(struct keeper *k);
void slot_prepare(struct keeper *k, uint32_t slot); /* before its first use: when it is named */
void slot_spawn(struct keeper *k, const struct link_message *m);
void slot_signal(struct keeper *k, uint32_t slot, uint64_t incarnation,
		 const struct link_signal *s);
void slot_note(struct keeper *k, uint32_t slot, const struct link_note *note);
void slot_acknowledge(struct keeper *k, uint32_t slot, uint64_t incarnation);
void slot_free(struct keeper *k, uint32_t slot);
void slot_executed(struct keeper *k, uint32_t slot, pid_t pid, int pidfd, uint32_t flags);
void slot_failed(struct keeper *k, uint32_t slot, enum link_step step, int err);
void slot_ended(struct keeper *k, uint32_t slot, int status, const struct rusage *usage);
void slot_lost(struct keeper *k, uint32_t slot);
void slot_watch(struct keeper *k, uint32_t slot, bool on); /* its pidfd */
void slot_watch_adopted(struct keeper *k, uint32_t slot, int pidfd); /* takes pidfd */
void slot_watch_again(struct keeper *k, uint32_t slot, int pidfd); /* the same after an upgrade */
void slot_report(struct keeper *k, uint32_t slot); /* at the end of the turn */
void slots_send_reports(struct keeper *k);
void slots_report_unlogged(struct keeper *k); /* once the logger has room */
int slot_send(struct keeper *k, uint32_t slot, bool with_name);
uint32_t slot_index(const struct keeper *k, const struct slot *s);

/* plan.c */

/* What will be descriptors 0, 1 and 2 of the child, then, if it came with the message, its directory:
 * at most 4, which stay their owners'. 0 or -errno. */
int plan_fds(struct keeper *k, const struct link_message *m, const struct link_spawn *l,
	     int *ret_fds, unsigned *ret_n_fds);

/* The plan of a child of ours, one block to free(); of the message nothing but descriptors is needed
 * any more. 0, -EPROTO when the message is too short, or -ENOMEM. */
int plan_make(const struct keeper *k, const struct link_message *m, const struct link_spawn *l,
	      const int *fds, unsigned n_fds, struct spawn_plan **ret);

/* order.c */
/* LINK_ORDER: replaces the last. */
void order_leave(struct keeper *k, const struct link_message *m);
void order_begin(struct keeper *k, uint32_t slot, int status); /* the present child has ended */
/* SPAWN: whether its child was begun; then it and its report_fd are the caller's. */
bool order_claim(struct keeper *k, const struct link_message *m, struct spawn_result *ret_life,
		 uint64_t *ret_spawned_ns);
void order_drop(struct keeper *k, uint32_t slot); /* what was begun is killed */
pid_t order_pid(const struct keeper *k, uint32_t slot); /* begun and not claimed; 0: none */

/* server.c */
struct server *server_new(struct keeper *k, uint32_t slot, int *ret_child_end); /* NULL: errno */
/* One whose link we have; takes fd unless it returns NULL. */
struct server *server_of_link(struct keeper *k, uint32_t slot, int fd, bool loaded,
			      bool stays_parent);
int server_link_fd(const struct server *s, uint32_t *ret_loaded, uint32_t *ret_stays_parent);
bool server_is_quiet(const struct server *s); /* nothing waits to be sent */
void server_free(struct keeper *k, uint32_t slot); /* its forkserver has ended */
int server_spawn(struct keeper *k, uint32_t slot, const struct link_message *m,
		 const struct link_spawn *plan, const int *fds, unsigned n_fds);
void server_expect_end(struct keeper *k, uint32_t slot); /* of a child of its own */
int server_give_up(struct keeper *k, uint32_t slot); /* its plan; 0 or -ESRCH */
void server_reap(struct keeper *k, uint32_t slot, uint64_t incarnation);

/* upgrade.c: another program takes our place, see there. path "": the one that is installed */
void upgrade_begin(struct keeper *k, const char *id, const char *path);
bool upgrade_lets_go(const struct keeper *k); /* the supervisor that ends gets no successor */
void upgrade_turn(struct keeper *k); /* at the end of each turn */
bool upgrade_is_checker(const struct keeper *k, pid_t pid);
const char *upgrade_id(const struct keeper *k); /* of the last; NULL: none */
int upgrade_send_outcome(struct keeper *k); /* of the last; part of the snapshot */
int upgrade_done(struct keeper *k, const char *id); /* we are the new program. 0 or -ENOMEM */

/* resume.c: the new program's side. 0 or -1 (logged) */
int resume_prepare(struct keeper *k, int state_fd); /* before anything else is opened */
int resume(struct keeper *k);
int resume_check(void); /* --check-state: exit status */

/* hold.c */
int hold_add(struct keeper *k, const struct link_hold *what,
	     int fd); /* takes fd; 0 or -ENOMEM (logged) */
void hold_drop(struct keeper *k, const struct link_hold *what);
int hold_send_all(struct keeper *k);
void hold_each(const struct keeper *k,
	       void (*on_held)(void *data, const struct link_hold *what, int fd), void *data);
void hold_done(struct keeper *k);

/* notify.c: as sd_notify(3), never waiting */
void notify_init(struct keeper *k);
void notify(const char *text);
/* Leave a copy of fd in the descriptor store. 0, -EAGAIN: try again later, or another -errno. */
int notify_store(const char *name, int fd);
void notify_remove(const char *name);
bool notify_is_idle(void); /* nothing is kept */

/* reap.c */
void reap_slot(struct keeper *k, uint32_t slot); /* its pidfd is readable: record its end */
void reap_release(struct keeper *k, pid_t pid); /* acknowledged: let the zombie go */
bool reap_knows(const struct keeper *k, pid_t pid); /* it is a slot's, or a part's */
void reap_children(struct keeper *k); /* after SIGCHLD: parts, and soon orphans */
void reap_orphans_soon(struct keeper *k); /* a child of ours has become one */
/* At the very end: whatever is a zombie, and what is about to become one: a child that was begun in vain
 * was killed a moment ago. What lives on is waited for 100 ms. */
void reap_everything(void);
void on_look_for_orphans(struct ev_loop *loop, ev_timer *w, int revents);

#endif
