/* handoff.h - all that a keeper has and the table has not, for the program that takes its place
 *
 * An upgrade is execve(2): PID, children, descriptors, session, signal mask and the claim to orphans stay;
 * memory goes. What is needed to go on is written into a sealed memfd: which descriptor is what, who the
 * parts are, a few numbers and texts. Facts of processes are in the table, whose descriptor is among
 * them.
 *
 *   head    magic, version, PID, sum of what follows
 *   items   kind, size, then that many bytes, padded to 8; HANDOFF_END is the last
 *
 * A program reads what its own and the previous version wrote, and refuses what a later one did, and
 * whatever is damaged. Raise HANDOFF_VERSION when the form of an item or its meaning changes; a new kind
 * that may be ignored needs no new version, and is ignored. */
#ifndef FOSTER_KEEPER_HANDOFF_H
#define FOSTER_KEEPER_HANDOFF_H

#include "daemon/keeper/keeper.h"

#ifndef HANDOFF_VERSION /* tests of upgrades build a next one */
#define HANDOFF_VERSION 1
#endif
#define HANDOFF_ENV "FOSTERD_STATE" /* number of the memfd */

enum handoff_kind {
	HANDOFF_END,
	HANDOFF_KEEPER, /* struct handoff_keeper; the first item */
	HANDOFF_TEXT, /* uint32_t enum handoff_text, uint32_t 0, string with its NUL */
	HANDOFF_INHERIT, /* int32_t: a descriptor for start method fork */
	HANDOFF_SLOT, /* struct handoff_slot */
	HANDOFF_HOLD, /* struct handoff_hold */
	HANDOFF_PART, /* struct handoff_part */
	HANDOFF_PARTING /* struct handoff_parting, body */
};

enum handoff_text {
	HANDOFF_RUNTIME_DIR,
	HANDOFF_SOCKET,
	HANDOFF_PIDFILE,
	HANDOFF_LOGFILE,
	HANDOFF_UPGRADE_ID, /* of the upgrade that this is */
	HANDOFF_TEXT_MAX
};

enum handoff_flag {
	HANDOFF_SOCKET_IS_OURS = 1,
	HANDOFF_LEAVING = 2
};

/* Descriptors are -1 where there is none. */
struct handoff_keeper {
	int32_t table_fd, runtime_fd, lock_fd, listen_fd, stdout_fd, stderr_fd, own_log_fd;
	uint32_t link_version; /* what forkservers speak */
	uint32_t flags; /* set of handoff_flag */
	int32_t exit_status;
	uint64_t nofile_soft, nofile_hard, nofile_now, started_ns, logfile_maxbytes;
	uint32_t logfile_backups, watchdog_ms;
	uint64_t signals; /* not yet told to a supervisor; bit N: signal N */
};

struct handoff_slot {
	uint32_t slot;
	int32_t pidfd, stdin_fd, log_fds[2];
	int32_t server_fd; /* link to the forkserver that it is */
	uint32_t stays_parent, loaded; /* that forkserver; 0, 1 */
	uint64_t stored;
};

struct handoff_hold {
	struct link_hold what;
	int32_t fd;
	uint32_t reserved;
};

struct handoff_part {
	uint32_t id; /* enum part_id */
	int32_t pid, abandoned, link_fd;
	uint64_t inode, start_ticks;
};

struct handoff_parting {
	int32_t fd;
	uint32_t slot, id, reserved;
};

struct handoff {
	void *map; /* owned; NULL: bytes are the caller's */
	const unsigned char *bytes;
	size_t len;
	uint32_t version;
	int32_t keeper_pid;
	uint64_t sum;
};

/* Everything of k in a new sealed memfd. 0 or -errno. */
int handoff_write(struct keeper *k, int *ret_fd);

/* Map and check it. 0; -EBADMSG when it is none, or damaged; -EPROTONOSUPPORT when it is of a later version
 * (ret->version says which); or another -errno. */
int handoff_open(int fd, struct handoff *ret);
/* The same of bytes in memory, aligned to 8. */
int handoff_parse(struct handoff *ret, const void *bytes, size_t len);
void handoff_close(struct handoff *h);

/* The next item at *at (0: the first), which is advanced. *ret_len is at least what its kind needs. False:
 * there is none. */
bool handoff_next(const struct handoff *h, size_t *at, enum handoff_kind *ret_kind,
		  const void **ret_body, size_t *ret_len);

/* Set close-on-exec, or clear it, for every descriptor that is named. 0 or -errno. */
int handoff_set_cloexec(const struct handoff *h, bool on);

#endif
