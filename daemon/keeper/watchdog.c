/* watchdog.c - a part that hangs
 *
 * A part is expected to answer while something of it is due: a message was sent to it, a client
 * waits to be accepted. Half a watchdog interval later it is pinged; when that stays unanswered for
 * the other half it hangs: it gets SIGABRT (for the core), SIGCONT (it may be stopped), SIGKILL two
 * seconds later; its link is closed, and its successor starts at once. A logger gets SIGKILL, and its
 * successor waits for its end: two may never read from one pipe. Without anything due, no timer runs.
 *
 * One that is stopped (SIGSTOP, a debugger) is expected to answer from then on, whatever is due: its timers
 * stand still, and what waits in the log pipes is not seen by the keeper. */
#include <signal.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "daemon/base/log.h"
#include "daemon/keeper/keeper.h"

#define ABORT_TO_KILL_S 2.

static bool is_logger(const struct part *p)
{
	return p == &p->keeper->parts[PART_LOGGER];
}

void part_expect(struct part *p)
{
	if (p->pid > 0 && p->link->fd >= 0 && p->keeper->watchdog_ms && !ev_is_active(&p->watch)) {
		ev_timer_set(&p->watch, p->keeper->watchdog_ms / 2000., 0.);
		ev_timer_start(p->keeper->loop, &p->watch);
	}
}

/* SIGCHLD tells of a stop, too. */
void part_look_if_stopped(struct part *p)
{
	siginfo_t si = { 0 };

	if (p->pid > 0 && waitid(P_PID, (id_t)p->pid, &si, WSTOPPED | WNOHANG) == 0 && si.si_pid)
		part_expect(p);
}

void part_answered(struct part *p)
{
	p->pinged = false;
	if (is_logger(p))
		part_took_over(p);
	ev_timer_stop(p->keeper->loop, &p->watch);
	if (!is_logger(p) && ev_is_active(&p->keeper->beat))
		notify("WATCHDOG=1");
}

static void send_ping(struct part *p)
{
	struct link_head h = { .type = LINK_PING };

	p->pinged = true;
	(void)link_send(p->link, &h, NULL, 0, NULL, 0);
	(void)link_flush(p->link);
}

static void on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct part *p = &((struct keeper *)w->data)->parts[PART_SUPERVISOR];

	(void)loop;
	(void)revents;
	if (p->pid > 0 && p->link->fd >= 0 && !p->pinged) {
		part_expect(p);
		send_ping(p);
	}
}

/* Fed at each half of WatchdogSec=, and only by an answer of the supervisor. */
void parts_start_beat(struct keeper *k)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	ev_timer_init(&k->beat, on_beat, (double)usec / 2e6, (double)usec / 2e6);
	k->beat.data = k;
	ev_timer_start(k->loop, &k->beat);
}

static void replace_hung(struct part *p)
{
	log_error(p->name, "has not answered for %u ms, replacing it", p->keeper->watchdog_ms);
	kill(p->pid, is_logger(p) ? SIGKILL : SIGABRT);
	part_let_go(p); /* after the signal: its end of file would mean that we are gone */
	if (is_logger(p))
		return;
	kill(p->pid, SIGCONT);
	if (p->abandoned) /* the one before it has had its two seconds */
		kill(p->abandoned, SIGKILL);
	p->abandoned = p->pid;
	ev_timer_stop(p->keeper->loop, &p->kill);
	ev_timer_set(&p->kill, ABORT_TO_KILL_S, 0.);
	ev_timer_start(p->keeper->loop, &p->kill);
	p->pid = 0;
	p->early_deaths = p->ready ? 0 : p->early_deaths + 1;
	part_start_successor(p);
}

static void on_kill(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct part *p = w->data;

	(void)loop;
	(void)revents;
	if (p->abandoned)
		kill(p->abandoned, SIGKILL);
}

static void on_watch(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct part *p = w->data;

	(void)revents;
	if (p->pinged) {
		replace_hung(p);
		return;
	}
	send_ping(p);
	ev_timer_set(w, p->keeper->watchdog_ms / 2000., 0.);
	ev_timer_start(loop, w);
}

void watchdog_init(struct part *p)
{
	ev_timer_init(&p->watch, on_watch, 0., 0.);
	ev_timer_init(&p->kill, on_kill, 0., 0.);
	p->watch.data = p->kill.data = p;
}
