/* reap.c - the one place that waits for children
 *
 * Three kinds end here. A slot's main process: its pidfd becomes readable, its status is read with
 * WNOWAIT and it stays a zombie until the supervisor has acknowledged it, so that its PID and process
 * group cannot mean another. A part: told by SIGCHLD. An orphan, which fell to us as subreaper: told
 * by SIGCHLD as well, found in our list of children a little later, in one go for many. The end of an
 * adopted process, which is another's child, is looked at (pidinfo.h).
 *
 * Source: waitid(2), pidfd_open(2); the raw system call has a fifth argument, the rusage. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/pidset.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/pidinfo.h"

#define ORPHAN_DELAY_S 0.05
#define LAST_WAIT_MS 100 /* less than a second */

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* As wait(2) would give it. */
static int status_of(const siginfo_t *si)
{
	if (si->si_code == CLD_EXITED)
		return (si->si_status & 0xff) << 8;
	return si->si_status | (si->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* Returns 1 when it has ended, 0 when not yet, -ECHILD when it is not our child. */
static int look(idtype_t type, id_t id, siginfo_t *si, struct rusage *usage)
{
	si->si_pid = 0;
	if (syscall(SYS_waitid, type, id, si, WEXITED | WNOHANG | WNOWAIT, usage) < 0)
		return -errno;
	return si->si_pid != 0;
}

/* Its parent is another: that one reaps it, we look. */
static void reap_adopted(struct keeper *k, uint32_t slot)
{
	const struct link_slot *f = table_facts(&k->table, slot);
	struct proc_end end;
	int r = pidinfo_end(k->slots[slot].on_pidfd.fd, f->pid, &end);

	if (r == 0)
		slot_ended(k, slot, end.status,
			   &(struct rusage){
				   .ru_utime.tv_sec = (time_t)(end.utime_us / 1000000),
				   .ru_utime.tv_usec = (suseconds_t)(end.utime_us % 1000000),
				   .ru_stime.tv_sec = (time_t)(end.stime_us / 1000000),
				   .ru_stime.tv_usec = (suseconds_t)(end.stime_us % 1000000) });
	else if (r != -EAGAIN)
		slot_lost(k, slot);
}

void reap_slot(struct keeper *k, uint32_t slot)
{
	const struct link_slot *f = table_facts(&k->table, slot);
	int pidfd = k->slots[slot].on_pidfd.fd;
	struct rusage usage;
	siginfo_t si;
	int r;

	if (f->state != LINK_SLOT_LIVE)
		return;
	r = pidfd >= 0 ? look(P_PIDFD, (id_t)pidfd, &si, &usage)
		       : look(P_PID, (id_t)f->pid, &si, &usage);
	if (r == 1) {
		slot_ended(k, slot, status_of(&si), &usage);
	} else if (r == -ECHILD && f->flags & LINK_FLAG_ADOPTED) {
		reap_adopted(k, slot);
	} else if (r == -ECHILD && f->flags & LINK_FLAG_SERVED && k->slots[f->server].server) {
		server_expect_end(k, slot); /* its forkserver is about to tell, or to die */
	} else if (r == -ECHILD) {
		slot_lost(k, slot);
	}
}

void reap_release(struct keeper *k, pid_t pid)
{
	(void)k;
	if (pid > 0)
		(void)waitpid(pid, NULL, WNOHANG);
}

/* ---- orphans ----------------------------------------------------------------------------------- */

static struct pidset known; /* our own processes; empty between uses */

static void mark(struct keeper *k, void (*change)(struct pidset *set, pid_t pid))
{
	for (uint32_t i = 0; i < k->table.used_max; i++) {
		const struct link_slot *f = table_facts(&k->table, i);

		if (table_name(&k->table, i)[0] && !(f->flags & LINK_FLAG_ADOPTED))
			change(&known, f->pid);
		if (k->slots[i].order)
			change(&known, order_pid(k, i));
	}
}

static bool is_part(const struct keeper *k, pid_t pid)
{
	for (int i = 0; i < PART_MAX; i++)
		if (k->parts[i].pid == pid || k->parts[i].abandoned == pid)
			return true;
	return upgrade_is_checker(k, pid);
}

static bool is_ours(const struct keeper *k, pid_t pid)
{
	return is_part(k, pid) || pidset_has(&known, pid);
}

bool reap_knows(const struct keeper *k, pid_t pid)
{
	for (uint32_t i = 0; i < k->table.used_max; i++) {
		const struct link_slot *f = table_facts(&k->table, i);

		if (f->pid == pid && table_name(&k->table, i)[0] && !(f->flags & LINK_FLAG_ADOPTED))
			return true;
		if (k->slots[i].order && order_pid(k, i) == pid)
			return true;
	}
	return is_part(k, pid);
}

static bool reap_orphan(struct keeper *k, pid_t pid)
{
	int status;

	if (pid <= 0 || is_ours(k, pid) || waitpid(pid, &status, WNOHANG) != pid)
		return false;
	log_debug("keeper", "reaped orphan %d", pid);
	return true;
}

/* /proc/self/task/TID/children: PIDs with a blank after each. A long list is told in pieces, and the kernel
 * finds the place of the next by counting: once some were reaped, as many are passed over, or all the rest.
 * So it is looked at until nobody was reaped. */
static int reap_listed_orphans(struct keeper *k)
{
	bool reaped = false;
	char text[4096];
	pid_t pid = 0;
	ssize_t n;

	snprintf(text, sizeof text, "/proc/self/task/%d/children", getpid());
	auto_close int fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, text, sizeof text)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
			} else {
				reaped |= reap_orphan(k, pid);
				pid = 0;
			}
		}
	}
	if (reaped)
		reap_orphans_soon(k);
	return 0;
}

/* Without that file (CONFIG_PROC_CHILDREN): as far as the first zombie that is not an orphan. */
static void reap_first_orphans(struct keeper *k)
{
	siginfo_t si;

	while (look(P_ALL, 0, &si, NULL) == 1 && !is_ours(k, si.si_pid))
		reap_orphan(k, si.si_pid);
}

void on_look_for_orphans(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct keeper *k = w->data;

	(void)revents;
	(void)loop;
	if (k->n_server_spawns) { /* an unknown child may be one whose FORKED is on its way */
		reap_orphans_soon(k);
		return;
	}
	mark(k, pidset_add);
	if (reap_listed_orphans(k) < 0)
		reap_first_orphans(k);
	mark(k, pidset_remove);
}

void reap_orphans_soon(struct keeper *k)
{
	if (ev_is_active(&k->look_for_orphans))
		return;
	ev_timer_set(&k->look_for_orphans, ORPHAN_DELAY_S, 0.);
	ev_timer_start(k->loop, &k->look_for_orphans);
}

void reap_children(struct keeper *k)
{
	int status;

	for (int i = 0; i < PART_MAX; i++) {
		struct part *p = &k->parts[i];

		if (p->pid > 0 && waitpid(p->pid, &status, WNOHANG) == p->pid)
			part_ended(k, p, status);
		part_look_if_stopped(p);
		if (p->abandoned > 0 && waitpid(p->abandoned, NULL, WNOHANG) == p->abandoned)
			p->abandoned = 0;
	}
	for (uint32_t i = 0; i < k->table.used_max; i++)
		if (table_name(&k->table, i)[0] && k->slots[i].on_pidfd.fd < 0 &&
		    table_facts(&k->table, i)->state == LINK_SLOT_LIVE)
			reap_slot(k, i);
	reap_orphans_soon(k);
}

void reap_everything(void)
{
	uint64_t until_ns = clock_boot_ns() + LAST_WAIT_MS * NS_PER_MS, now_ns;
	sigset_t set;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid > 0)
			continue;
		now_ns = clock_boot_ns();
		if (now_ns >= until_ns)
			break;
		const struct timespec left = { .tv_nsec = (long)(until_ns - now_ns) };
		(void)sigtimedwait(&set, NULL, &left);
	}
}
