/* keeper.c - the loop: signals, the order of work in one turn
 *
 * One turn: events are handled, each becoming a change of a slot or a message; before the loop waits
 * again, the changed slots are reported and everything that was said is sent, in one datagram for
 * each part where it fits. All signals are blocked for good and read from a signalfd, so no handler
 * exists that a child could inherit, and nothing interrupts. */
#include "daemon/keeper/keeper.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/sig.h"
#include "daemon/keeper/parting.h"
#include "daemon/keeper/store.h"

#define CHILD_FIRST_S 0.001

static const int told_to_supervisor[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 };

void keeper_exit(struct keeper *k, int status)
{
	k->finishing = true;
	k->exit_status = status;
	parts_finish(k);
}

void keeper_tell_outcome(struct keeper *k, int status)
{
	unsigned char byte = (unsigned char)status;

	if (k->options->ready_fd < 0)
		return;
	if (write(k->options->ready_fd, &byte, 1) < 0)
		log_debug("keeper", "nobody waits for the background to be set up");
	close_fd(&k->options->ready_fd);
}

/* ---- signals ------------------------------------------------------------------------------------ */

/* Those that nobody has heard yet; a signal that comes while the supervisor is replaced waits. */
static void tell_signals(struct keeper *k)
{
	struct part *p = &k->parts[PART_SUPERVISOR];

	if (!p->ready || p->link->fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(told_to_supervisor); i++) {
		struct link_head h = { .type = LINK_SIGNALLED };
		struct link_signal s = { .number = told_to_supervisor[i] };
		struct link_part part = { &s, sizeof s };

		if (!sigismember(&k->pending_signals, s.number))
			continue;
		if (part_try_send(p, &h, &part, 1, NULL, 0) < 0)
			return; /* it is told when there is room */
		sigdelset(&k->pending_signals, s.number);
	}
}

static void on_signal(struct ev_loop *loop, ev_io *w, int revents)
{
	struct keeper *k = w->data;
	struct signalfd_siginfo si;
	bool child = false;

	(void)loop;
	(void)revents;
	while (read(k->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGCHLD)
			child = true;
		else if (!k->finishing)
			sigaddset(&k->pending_signals, (int)si.ssi_signo);
	}
	if (child)
		reap_children(k);
}

static int watch_signals(struct keeper *k)
{
	sigset_t set;

	sigemptyset(&set);
	sigemptyset(&k->pending_signals);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(told_to_supervisor); i++)
		sigaddset(&set, told_to_supervisor[i]);
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		return -errno;
	ev_io_init(&k->on_signal, on_signal, k->signal_fd, EV_READ);
	k->on_signal.data = k;
	ev_set_priority(&k->on_signal, EV_MINPRI); /* the pidfd of who has ended comes first */
	ev_io_start(k->loop, &k->on_signal);
	return 0;
}

/* ---- the snapshot ------------------------------------------------------------------------------- */

void keeper_welcome(struct keeper *k)
{
	k->snapshot_next = 0;
}

static int send_welcome(struct keeper *k)
{
	struct link_head h = { .type = LINK_WELCOME };
	struct link_welcome w = { .keeper_version = LINK_VERSION,
				  .resumed = k->configured,
				  .slots = TABLE_SLOTS,
				  .keeper_pid = getpid(),
				  .logger_pid = k->parts[PART_LOGGER].pid,
				  .nofile = k->nofile_now,
				  .boot_ns = k->started_ns,
				  .adopted = k->adopted,
				  .leaving = k->leaving,
				  .leaving_status = k->exit_status };
	struct link_part part = { &w, sizeof w };

	return link_send(k->parts[PART_SUPERVISOR].link, &h, &part, 1, NULL, 0);
}

/* As much of it as fits; goes on in later turns. Slots, then what is held, then WELCOME. */
static void send_snapshot(struct keeper *k)
{
	struct link *l = k->parts[PART_SUPERVISOR].link;

	if (k->snapshot_next == LINK_NO_SLOT || l->fd < 0)
		return;
	for (; k->snapshot_next < k->table.used_max; k->snapshot_next++)
		if (table_name(&k->table, k->snapshot_next)[0] &&
		    slot_send(k, k->snapshot_next, true) < 0)
			return;
	if (hold_send_all(k) < 0 || upgrade_send_outcome(k) < 0 || send_welcome(k) < 0)
		return; /* things held may be told twice */
	k->snapshot_next = LINK_NO_SLOT;
}

/* ---- one turn ----------------------------------------------------------------------------------- */

static void before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct keeper *k = w->data;

	(void)loop;
	(void)revents;
	send_snapshot(k);
	(void)partings_tell(k);
	slots_report_unlogged(k);
	if (k->snapshot_next == LINK_NO_SLOT) {
		if (!ev_is_active(&k->child_first))
			slots_send_reports(k);
		tell_signals(k);
	}
	parts_flush(k);
	upgrade_turn(k);
}

/* Nothing to do: before_wait() does it. */
static void on_child_first(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

void keeper_let_child_run(struct keeper *k)
{
	sched_yield();
	if (ev_is_active(&k->child_first))
		return;
	ev_timer_set(&k->child_first, CHILD_FIRST_S, 0.);
	ev_timer_start(k->loop, &k->child_first);
}

/* A client connects: the supervisor should accept it. Edge-triggered, in an epoll of its own, so
 * that a connection that waits is heard of once. */
static void on_connection(struct ev_loop *loop, ev_io *w, int revents)
{
	struct keeper *k = w->data;
	struct epoll_event e;

	(void)loop;
	(void)revents;
	while (epoll_wait(k->listen_epoll, &e, 1, 0) == 1)
		;
	part_expect(&k->parts[PART_SUPERVISOR]);
}

static int watch_connections(struct keeper *k)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };

	k->listen_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->listen_epoll < 0 || epoll_ctl(k->listen_epoll, EPOLL_CTL_ADD, k->listen_fd, &e) < 0)
		return -errno;
	ev_io_init(&k->on_connection, on_connection, k->listen_epoll, EV_READ);
	k->on_connection.data = k;
	ev_io_start(k->loop, &k->on_connection);
	return 0;
}

int keeper_booted(struct keeper *k)
{
	int r = watch_connections(k);

	if (r < 0) {
		log_error("keeper", "cannot watch the control socket: %s", strerror(-r));
		return -1;
	}
	k->booted = true;
	parts_start_beat(k);
	return part_start(k, PART_LOGGER);
}

int keeper_resumed(struct keeper *k)
{
	int r = watch_connections(k);

	if (r < 0) {
		log_error("keeper", "cannot watch the control socket: %s", strerror(-r));
		return -1;
	}
	parts_start_beat(k);
	parts_note(k);
	reap_children(k); /* who has ended meanwhile, and whose SIGCHLD nobody has read */
	if (!k->parts[PART_LOGGER].pid)
		return part_start(k, PART_LOGGER);
	part_replace(&k->parts[PART_LOGGER]);
	return 0;
}

int keeper_run(struct keeper *k)
{
	int r;

	ev_prepare_init(&k->before_wait, before_wait);
	k->before_wait.data = k;
	ev_prepare_start(k->loop, &k->before_wait);
	ev_init(&k->child_first, on_child_first);
	ev_init(&k->look_for_orphans, on_look_for_orphans);
	k->look_for_orphans.data = k;
	k->snapshot_next = LINK_NO_SLOT;
	parts_init(k);
	notify_init(k);
	store_init(k);
	r = slots_init(k);
	if (r == 0)
		r = watch_signals(k);
	if (r < 0)
		log_error("fosterd", "cannot start: %s", strerror(-r));
	if (r < 0 || (k->options->resume && resume(k) < 0))
		return 1;
	if (part_start(k, PART_SUPERVISOR) < 0 && !k->options->resume)
		return 1;
	ev_run(k->loop, 0);
	keeper_tell_outcome(k, k->exit_status);
	setup_done(k);
	reap_everything();
	return k->exit_status;
}
