#include "daemon/keeper/adopt.h"

#include <poll.h>
#include <signal.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/pidinfo.h"
#include "daemon/keeper/pipes.h"
#include "daemon/keeper/store.h"

#define LAST_WORDS_MS 5000 /* the logger's time to drain the pipes */
#define LAST_BREATH_MS 5000 /* a process that was killed is gone by then, or hangs in the kernel */

/* ---- the earlier keeper's parts ------------------------------------------------------------------ */

static void wait_for_end(int pidfd, int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	while (poll(&p, 1, timeout_ms) < 0 && errno == EINTR)
		;
}

static void outlast(const char *what, pid_t pid, const struct pidinfo_identity *who)
{
	auto_close int pidfd = pidinfo_open(pid, who);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	/* It may be stopped, and have much to write. */
	(void)pidinfo_signal(pidfd, pid, SIGCONT, false);
	wait_for_end(pidfd, LAST_WORDS_MS);
	if (poll(&p, 1, 0) == 1)
		return;
	log_warning("fosterd", "the earlier %s, PID %d, does not end, and is killed", what, pid);
	(void)pidinfo_signal(pidfd, pid, SIGKILL, false);
	wait_for_end(pidfd, LAST_BREATH_MS);
}

static struct pidinfo_identity identity_of(const struct link_slot *f)
{
	return (struct pidinfo_identity){ f->pidfd_inode, f->start_ticks };
}

/* Its start time is for the supervisor, who has no pidfd: read first, then it is seen to be still there. */
static void add_start(struct link_slot *f, int pidfd)
{
	struct proc_stat facts;

	if (!f->start_ticks && proc_stat(f->pid, &facts) == 0 && pidinfo_pid(pidfd) == f->pid)
		f->start_ticks = facts.start_ticks;
}

static void identify(struct link_slot *f, int pidfd)
{
	struct pidinfo_identity who;

	pidinfo_identify(pidfd, f->pid, &who);
	f->pidfd_inode = who.inode;
	f->start_ticks = who.start_ticks;
	add_start(f, pidfd);
}

static void outlast_parts(const struct table_left *left)
{
	static const char *const names[TABLE_PARTS] = { "supervisor", "logger" };
	struct table_left_slot l;
	uint32_t at = 0;

	for (int i = 0; i < TABLE_PARTS; i++) {
		const struct table_part *p = &left->header.parts[i];
		struct pidinfo_identity who = { p->inode, p->start_ticks };

		if (p->pid > 1)
			outlast(names[i], p->pid, &who);
	}
	while (table_left_next(left, &at, &l)) {
		struct pidinfo_identity who = identity_of(&l.entry.facts);

		if (l.entry.facts.state == LINK_SLOT_LIVE && l.entry.facts.flags & LINK_FLAG_SERVER)
			outlast(l.name, l.entry.facts.pid, &who);
	}
}

/* ---- slots --------------------------------------------------------------------------------------- */

static void lost(struct link_slot *f)
{
	f->state = LINK_SLOT_ENDED;
	f->flags |= LINK_FLAG_LOST;
	f->ended_ns = clock_boot_ns();
}

/* Its pidfd: from the store, where it may have ended and been reaped meanwhile, or by its number. */
static int find_process(struct keeper *k, uint32_t slot, uint64_t incarnation,
			const struct link_slot *f)
{
	struct pidinfo_identity who = identity_of(f);
	int pidfd = store_take(k, slot, incarnation);

	if (pidfd >= 0 && (pidinfo_pid(pidfd) == 0 || pidinfo_is(pidfd, f->pid, &who)))
		return pidfd;
	close_fd(&pidfd);
	return pidinfo_open(f->pid, &who);
}

static void watch(struct keeper *k, uint32_t slot, int pidfd)
{
	const struct link_slot *f = table_facts(&k->table, slot);

	slot_watch_adopted(k, slot, pidfd);
	pipes_reopen(k, slot, f->pid);
	store_update(k, slot);
	if (f->flags & LINK_FLAG_DIES) /* a set-id program escapes its parent-death signal */
		(void)pidinfo_signal(pidfd, f->pid, SIGKILL, false);
}

static int adopt_slot(struct keeper *k, const struct table_left_slot *l)
{
	struct link_slot f = l->entry.facts;
	int pidfd = -1, r = table_name_slot(&k->table, l->slot, l->name);

	if (r < 0)
		return r;
	slot_prepare(k, l->slot);
	for (int stream = 0; stream < 3; stream++)
		table_note_pipe(&k->table, l->slot, stream, l->pipes[stream]);
	if (f.state == LINK_SLOT_LIVE) {
		pidfd = find_process(k, l->slot, l->entry.incarnation, &f);
		if (pidfd < 0)
			lost(&f);
		else
			add_start(&f, pidfd);
	} else if (f.state == LINK_SLOT_SPAWNING) {
		f.pid = 0;
		lost(&f);
	}
	f.flags |= LINK_FLAG_ADOPTED;
	f.flags &= ~(uint32_t)(LINK_FLAG_SERVER | LINK_FLAG_SERVED);
	f.server = LINK_NO_SLOT;
	table_write(&k->table, l->slot, l->entry.incarnation, &f);
	k->adopted = true;
	if (pidfd >= 0)
		watch(k, l->slot, pidfd);
	return 0;
}

int adopt(struct keeper *k, const struct table_left *left)
{
	bool in_order = left->header.finished;
	struct table_left_slot l;
	uint32_t at = 0;
	int r = 0;

	outlast_parts(left);
	while (r == 0 && table_left_next(left, &at, &l))
		if (!in_order || l.entry.facts.state == LINK_SLOT_LIVE)
			r = adopt_slot(k, &l);
	pipes_look_for_missing(k);
	return r;
}

/* ---- without a table ------------------------------------------------------------------------------- */

static uint32_t free_slot(const struct keeper *k, uint32_t from)
{
	for (uint32_t i = from; i < TABLE_SLOTS; i++)
		if (!table_name(&k->table, i)[0])
			return i;
	return LINK_NO_SLOT;
}

/* Its definition's name, and that it lives, is all that is known of it. It stays in the store until it has its
 * place. */
static int adopt_rest(struct keeper *k, uint32_t slot, const char *name)
{
	struct link_slot f = { .state = LINK_SLOT_LIVE,
			       .flags = LINK_FLAG_ADOPTED,
			       .server = LINK_NO_SLOT,
			       .spawned_ns = clock_boot_ns() };
	int pidfd, r = table_name_slot(&k->table, slot, name);
	uint64_t incarnation;

	if (r < 0)
		return r;
	pidfd = store_take_rest(&incarnation);
	f.pid = pidinfo_pid(pidfd);
	if (f.pid <= 1) {
		close(pidfd);
		table_free_slot(&k->table, slot);
		return 0;
	}
	identify(&f, pidfd);
	slot_prepare(k, slot);
	table_write(&k->table, slot, incarnation, &f);
	k->adopted = true;
	watch(k, slot, pidfd);
	return 0;
}

int adopt_stored(struct keeper *k)
{
	char name[TABLE_NAME_BYTES];
	uint32_t slot = 0;
	int r = 0;

	while (r == 0 && store_has_rest(name) && (slot = free_slot(k, slot)) != LINK_NO_SLOT)
		r = adopt_rest(k, slot, name);
	if (r == 0)
		store_forget_rest();
	return r;
}

void adopt_found(struct keeper *k, uint32_t slot, uint64_t incarnation, pid_t pid, int pidfd)
{
	struct link_slot f = *table_facts(&k->table, slot);

	if (incarnation != table_incarnation(&k->table, slot) || f.state != LINK_SLOT_ENDED ||
	    !(f.flags & LINK_FLAG_ADOPTED) || f.pid || pid <= 1 || pidinfo_pid(pidfd) != pid) {
		close(pidfd);
		return;
	}
	f.state = LINK_SLOT_LIVE;
	f.flags &= ~(uint32_t)LINK_FLAG_LOST;
	f.pid = pid;
	identify(&f, pidfd);
	table_write(&k->table, slot, incarnation, &f);
	watch(k, slot, pidfd);
}
