/* resume.c - going on with what the program before us, in this very process, has handed over
 *
 * In two steps: first the numbers that are taken are known, and marked close-on-exec, before anything is
 * opened; then, with a loop, everything is made of them again. A check does the first part of both, and
 * changes nothing. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/handoff.h"
#include "daemon/keeper/parting.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table_left.h"

#define CHECK_STATE_FD 3
#define CHECK_TABLE_FD 4

static struct handoff state;

static int explain(int r, const char *what, unsigned version, unsigned known)
{
	if (r == -EPROTONOSUPPORT)
		fprintf(stderr, "the %s is of version %u, this program knows those up to %u\n",
			what, version, known);
	else
		fprintf(stderr, "the %s cannot be read: %s\n", what,
			r == -EBADMSG ? "damaged" : strerror(-r));
	return 1;
}

/* ---- the table ----------------------------------------------------------------------------------- */

/* One of an earlier version is written anew in the form of ours. */
static int convert_table(struct keeper *k, const struct table_left *left)
{
	struct table_left_slot l;
	uint32_t at = 0;
	int r = table_create(&k->table, k->runtime_fd, "table.new");

	if (r < 0)
		return r;
	while (table_left_next(left, &at, &l)) {
		r = table_name_slot(&k->table, l.slot, l.name);
		if (r < 0)
			return r;
		table_write(&k->table, l.slot, l.entry.incarnation, &l.entry.facts);
		for (int stream = 0; stream < 3; stream++)
			table_note_pipe(&k->table, l.slot, stream, l.pipes[stream]);
	}
	return renameat(k->runtime_fd, "table.new", k->runtime_fd, "table") < 0 ? -errno : 0;
}

static int take_table(struct keeper *k, int fd)
{
	struct table_left left = { 0 };
	int r = table_left_read(&left, fd);

	if (r < 0)
		return r;
	if (left.header.version == TABLE_VERSION)
		r = table_map(&k->table, fd);
	else
		r = convert_table(k, &left);
	table_left_close(&left);
	return r;
}

/* ---- check ------------------------------------------------------------------------------------------ */

/* One of an earlier version will be written anew beside it, when there is no way back. */
static bool may_be_written(const struct table_left *left)
{
	struct statvfs fs;
	struct stat st;

	if (left->header.version == TABLE_VERSION || fstat(CHECK_TABLE_FD, &st) < 0 ||
	    fstatvfs(CHECK_TABLE_FD, &fs) < 0 || !fs.f_blocks) /* a tmpfs without a limit */
		return true;
	return fs.f_bavail * fs.f_frsize >= 2 * (uint64_t)st.st_blocks * 512;
}

int resume_check(void)
{
	struct table_left left = { 0 };
	struct handoff h = { 0 };
	int r = handoff_open(CHECK_STATE_FD, &h);

	if (r < 0)
		return explain(r, "state", h.version, HANDOFF_VERSION);
	r = table_left_read(&left, CHECK_TABLE_FD);
	if (r < 0)
		return explain(r, "process table", left.header.version, TABLE_VERSION);
	if (!may_be_written(&left)) {
		fputs("there is no room to write the process table anew\n", stderr);
		return 1;
	}
	printf("state %016llx\n", (unsigned long long)h.sum);
	return 0;
}

/* ---- first: what is taken ----------------------------------------------------------------------------- */

static int *inherit;

static void take_keeper(struct keeper *k, const struct handoff_keeper *h)
{
	k->runtime_fd = h->runtime_fd;
	k->lock_fd = h->lock_fd;
	k->listen_fd = h->listen_fd;
	k->stdout_fd = h->stdout_fd;
	k->stderr_fd = h->stderr_fd;
	k->own_log_fd = h->own_log_fd;
	k->socket_is_ours = h->flags & HANDOFF_SOCKET_IS_OURS;
	k->leaving = h->flags & HANDOFF_LEAVING;
	k->exit_status = h->exit_status;
	k->nofile = (struct rlimit){ h->nofile_soft, h->nofile_hard };
	k->nofile_now = h->nofile_now;
	k->started_ns = h->started_ns;
	k->logfile_maxbytes = h->logfile_maxbytes;
	k->logfile_backups = h->logfile_backups;
	k->watchdog_ms = h->watchdog_ms;
}

static int take_inherited(int32_t fd)
{
	static int fds[SPAWN_INHERIT_MAX + 1];
	static size_t n;

	if (n == SPAWN_INHERIT_MAX)
		return -E2BIG;
	fds[n++] = fd;
	fds[n] = -1;
	inherit = fds;
	return 0;
}

int resume_prepare(struct keeper *k, int state_fd)
{
	static int none[] = { -1 };
	enum handoff_kind kind;
	const void *body;
	size_t at = 0, len;
	int r = handoff_open(state_fd, &state);

	close(state_fd);
	if (r == 0 && state.keeper_pid != getpid())
		r = -ESRCH;
	if (r == 0)
		r = handoff_set_cloexec(&state, true);
	inherit = none;
	while (r == 0 && handoff_next(&state, &at, &kind, &body, &len)) {
		if (kind == HANDOFF_KEEPER)
			take_keeper(k, body);
		else if (kind == HANDOFF_INHERIT)
			r = take_inherited(*(const int32_t *)body);
	}
	k->inherit = inherit;
	k->configured = k->booted = true;
	return r;
}

/* ---- second: everything ------------------------------------------------------------------------------- */

static int take_text(struct keeper *k, const void *body)
{
	const uint32_t *which = body;
	char **places[HANDOFF_TEXT_MAX] = {
		[HANDOFF_RUNTIME_DIR] = &k->runtime_dir,
		[HANDOFF_SOCKET] = &k->socket_path,
		[HANDOFF_PIDFILE] = &k->pidfile,
		[HANDOFF_LOGFILE] = &k->logfile,
	};
	const char *text = (const char *)body + 2 * sizeof *which;

	if (*which == HANDOFF_UPGRADE_ID)
		return upgrade_done(k, text);
	*places[*which] = strdup(text);
	return *places[*which] ? 0 : -ENOMEM;
}

static void take_signals(struct keeper *k, uint64_t signals)
{
	for (int number = 1; number < 64; number++)
		if (signals & UINT64_C(1) << number)
			sigaddset(&k->pending_signals, number);
}

static int take_slot(struct keeper *k, const struct handoff_slot *h)
{
	struct slot *s = &k->slots[h->slot];

	slot_prepare(k, h->slot);
	s->stdin_fd = h->stdin_fd;
	s->log_fds[0] = h->log_fds[0];
	s->log_fds[1] = h->log_fds[1];
	s->stored = h->stored;
	if (h->pidfd >= 0)
		slot_watch_again(k, h->slot, h->pidfd);
	if (h->server_fd < 0)
		return 0;
	s->server = server_of_link(k, h->slot, h->server_fd, h->loaded, h->stays_parent);
	return s->server ? 0 : -ENOMEM;
}

static void take_part(struct keeper *k, const struct handoff_part *h)
{
	struct part *p = &k->parts[h->id];

	p->abandoned = h->abandoned;
	if (h->pid > 0 && h->id == PART_LOGGER) {
		p->who = (struct pidinfo_identity){ h->inode, h->start_ticks };
		part_resume(p, h->pid, h->link_fd);
	}
}

static int take_item(struct keeper *k, enum handoff_kind kind, const void *body, size_t len)
{
	const struct handoff_keeper *h = body;
	const struct handoff_hold *held = body;
	const struct handoff_parting *q = body;

	switch (kind) {
	case HANDOFF_KEEPER:
		take_signals(k, h->signals);
		return take_table(k, h->table_fd);
	case HANDOFF_TEXT:
		return take_text(k, body);
	case HANDOFF_SLOT:
		return take_slot(k, body);
	case HANDOFF_HOLD:
		return hold_add(k, &held->what, held->fd);
	case HANDOFF_PART:
		take_part(k, body);
		return 0;
	case HANDOFF_PARTING:
		return parting_add(k, q->id, q->slot, q->fd, q + 1, len - sizeof *q);
	default:
		return 0;
	}
}

/* Those that speak another version end; what they have made runs on. */
static void end_servers(struct keeper *k)
{
	for (uint32_t i = 0; i < k->table.used_max; i++)
		if (k->slots[i].server)
			kill(table_facts(&k->table, i)->pid, SIGKILL);
}

int resume(struct keeper *k)
{
	uint32_t link_version = LINK_VERSION;
	enum handoff_kind kind;
	const void *body;
	size_t at = 0, len;
	int r = 0;

	while (r == 0 && handoff_next(&state, &at, &kind, &body, &len)) {
		if (kind == HANDOFF_KEEPER)
			link_version = ((const struct handoff_keeper *)body)->link_version;
		r = take_item(k, kind, body, len);
	}
	handoff_close(&state);
	if (r < 0) {
		log_error("fosterd", "cannot go on after the upgrade: %s", strerror(-r));
		return -1;
	}
	if (link_version != LINK_VERSION)
		end_servers(k);
	log_info("fosterd", "upgraded to %s", FOSTER_VERSION);
	return keeper_resumed(k);
}
