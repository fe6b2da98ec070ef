/* link.h - messages between the parts of foster
 *
 * Keeper and supervisor, keeper and logger, keeper and forkservers talk over SOCK_SEQPACKET socket
 * pairs. One datagram carries one or more messages: a fixed header, then a body of fixed structs and
 * NUL-separated bytes, padded to 8. Descriptors ride along (SCM_RIGHTS); each message says how many
 * of them are its own. A body too large for a datagram travels as a sealed memfd, the first of the
 * message's descriptors. All numbers are in host byte order: both ends are on one machine.
 *
 *   supervisor -> keeper     requests: BOOT NAME SPAWN ORDER SIGNAL NOTE ACK FREE HOLD DROP LOG UNLOG …
 *   keeper -> supervisor     facts: SLOT (all that is known of one slot; also the reply to every
 *                            request about it), HELD, WELCOME, SIGNALLED, LOGGER, PING
 *   keeper -> logger         LOG UNLOG SYNC REOPEN PING FINISH
 *   logger -> keeper         SYNCED PONG
 *   keeper -> forkserver     SPAWN REAP
 *   forkserver -> keeper     HELLO BEGUN FORKED FAILED ENDED (see daemon/forkserver/README.md)
 *
 * Facts are state, not events: a SLOT message may be sent again, merged with a later one, or rebuilt
 * from the table, and means the same. Requests name slot and incarnation and may be repeated.
 *
 * The sending side batches: link_send() appends, link_flush() sends what has gathered. Buffers are
 * fixed; nothing allocates but the memfd of a large body. */
#ifndef FOSTER_BASE_LINK_H
#define FOSTER_BASE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef LINK_VERSION /* tests of upgrades build a next one */
#define LINK_VERSION 1
#endif
#define LINK_DATAGRAM_BYTES 32768 /* small: its buffers, once used, stay in memory */
#define LINK_INLINE_BYTES 24576 /* larger bodies travel as a memfd */
#define LINK_BODY_BYTES_MAX (8 << 20) /* more than the kernel takes as arguments and environment */
#define LINK_FDS_MAX 32 /* in one datagram */

enum link_type {
	/* supervisor -> keeper */
	LINK_BOOT = 1, /* struct link_boot, strings: what the keeper must set up; first message */
	LINK_READY, /* the supervisor has taken over; deaths before this count against it */
	LINK_NAME, /* slot: struct link_note, name: the slot is now this process' */
	LINK_SPAWN, /* slot, incarnation: struct link_spawn, groups, strings; fds */
	LINK_ORDER, /* slot, incarnation: struct link_order, then as SPAWN: the one that will be sent
		     * once the present child has ended. Empty: none any more */
	LINK_SIGNAL, /* slot, incarnation: struct link_signal */
	LINK_NOTE, /* slot: struct link_note */
	LINK_ACK, /* slot, incarnation: the end was seen; the slot may be used again */
	LINK_FREE, /* slot: forget it, its name and its pipes */
	LINK_HOLD, /* struct link_hold, fd: keep it across my death */
	LINK_DROP, /* struct link_hold: no longer */
	LINK_LOG, /* slot: struct link_log, path, prefix, name. Forwarded to the logger with the pipe */
	LINK_UNLOG, /* slot; as LOG, where what is in the pipe belongs: drain and close it. To the logger with
		     * an incarnation, and struct link_log alone */
	LINK_SYNC, /* slot, incarnation: a token; struct link_log (stream): write what it has printed */
	LINK_NOTIFY, /* text for sd_notify(3) */
	LINK_REOPEN, /* reopen log files; forwarded to the logger */
	LINK_FINISH, /* struct link_finish: everything is stopped, exit. Keeper to logger: without a body,
		      * before the link is closed; incarnation 1: another logger follows */
	LINK_PONG,
	LINK_ADOPT, /* slot, incarnation: struct link_forked, fd: the process, found by its environment,
		     * of a slot that an earlier keeper left SPAWNING */
	LINK_UPGRADE, /* id, path ("": the installed one): let that program take the keeper's place */
	LINK_LEAVE, /* struct link_finish: a shutdown has begun, and a successor is to go on with it */

	/* keeper -> supervisor */
	LINK_WELCOME = 64, /* struct link_welcome: the snapshot is complete */
	LINK_SLOT, /* slot, incarnation: struct link_slot; name when the snapshot is sent */
	LINK_HELD, /* struct link_hold, fd: part of the snapshot */
	LINK_SIGNALLED, /* struct link_signal: fosterd got this signal */
	LINK_LOGGER, /* incarnation: PID of a new logger that knows nothing: send every LOG again */
	LINK_REFUSED, /* slot, incarnation: struct link_refused: a request that cannot be done */
	LINK_UPGRADED, /* id, words: the outcome of an UPGRADE; no words: it was done */
	LINK_SYNCED, /* incarnation: the token of a SYNC; from the logger, forwarded */
	LINK_PING,
	LINK_UNLOGGED, /* logger to keeper; incarnation: of the UNLOG that has been carried out */

	/* keeper -> forkserver, which also gets LINK_SPAWN */
	LINK_REAP = 128, /* slot, incarnation: its end was recorded, reap it now */

	/* forkserver -> keeper */
	LINK_HELLO, /* struct link_hello: sent once, before anything is read */
	LINK_FORKED, /* slot, incarnation: struct link_forked; fd: its pidfd */
	LINK_FAILED, /* slot, incarnation: struct link_failed, text */
	LINK_ENDED, /* slot, incarnation: struct link_ended; not yet reaped */
	LINK_BEGUN, /* slot, incarnation: struct link_forked; fd: its pidfd. From a child that is to
		     * execute a program: if its forkserver dies before the answer, end it */
};

/* 32 bytes before every body. */
struct link_head {
	uint32_t size; /* bytes of header and body; the next header follows at a multiple of 8 */
	uint16_t type; /* enum link_type */
	uint16_t version; /* LINK_VERSION */
	uint16_t fds; /* descriptors of this message, the memfd included */
	uint16_t in_memfd; /* 1: the body is in the first descriptor, size counts the header only */
	uint32_t slot;
	uint64_t incarnation;
	uint64_t acks; /* SLOT: of this link, ACKs that the keeper has carried out; else 0 */
};

#define LINK_NOTE_BYTES 128

/* Opaque to all but the supervisor: its own state of the slot's process. */
struct link_note {
	uint8_t bytes[LINK_NOTE_BYTES];
};

/* What the keeper must set up before the first WELCOME. Strings follow, each with its NUL, "" when
 * not given: runtime_dir, socket, pidfile, logfile, directory, user. */
struct link_boot {
	uint32_t socket_mode, socket_uid, socket_gid; /* (uint32_t)-1: unchanged */
	uint32_t uid, gid; /* user= of fosterd; (uint32_t)-1: unchanged */
	int32_t umask; /* -1: unchanged */
	uint32_t daemonize; /* 1: go to the background */
	uint32_t socket_given; /* 0: socket is RUNTIME's default */
	uint64_t minfds; /* RLIMIT_NOFILE wanted; 0: unchanged */
	uint64_t logfile_maxbytes;
	uint32_t logfile_backups;
	uint32_t watchdog_ms; /* an answer that takes longer is a hang */
};

enum link_slot_state {
	LINK_SLOT_EMPTY, /* may have a name and a note; no process */
	LINK_SLOT_SPAWNING, /* asked for; not yet known to have executed */
	LINK_SLOT_LIVE,
	LINK_SLOT_ENDED, /* not yet acknowledged; the PID is kept from reuse where we are its parent */
	LINK_SLOT_FAILED, /* could not be spawned: step, err */
	LINK_SLOT_STATE_MAX
};

/* Where a spawn failed; link_step_name() has the words. */
enum link_step {
	LINK_STEP_NONE,
	LINK_STEP_PIPE, /* log pipe or report pipe */
	LINK_STEP_FORK,
	LINK_STEP_SERVER, /* the forkserver: gone, not answering, or its preload failed */
	LINK_STEP_SETSID,
	LINK_STEP_TTY,
	LINK_STEP_STDIO,
	LINK_STEP_CGROUP,
	LINK_STEP_LIMITS,
	LINK_STEP_GROUPS,
	LINK_STEP_GID,
	LINK_STEP_UID,
	LINK_STEP_CHDIR,
	LINK_STEP_PARENT, /* the keeper was gone before the child could tie itself to it */
	LINK_STEP_ENTRY, /* loading or resolving entry= in a forkserver */
	LINK_STEP_EXEC,
	LINK_STEP_MAX
};

enum link_slot_flag {
	LINK_FLAG_DIES = 1, /* has a parent-death signal: ends with the keeper */
	LINK_FLAG_SERVER = 2, /* is a forkserver */
	LINK_FLAG_SERVED = 4, /* was made by a forkserver that is its parent */
	LINK_FLAG_LOST = 8, /* ended, and nobody could know how */
	LINK_FLAG_ADOPTED = 16, /* was made by an earlier keeper */
	LINK_FLAG_CGROUP = 32, /* is in the cgroup of its SPAWN */
	/* In reports only: the logger had no room for a LOG, send it again. */
	LINK_FLAG_UNLOGGED = 64
};

/* All facts of one slot. Times: nanoseconds of CLOCK_BOOTTIME. */
struct link_slot {
	uint32_t state; /* enum link_slot_state */
	uint32_t flags; /* set of link_slot_flag */
	int32_t pid; /* 0 when none */
	int32_t status; /* ENDED: as wait(2) gives it */
	uint32_t step; /* FAILED: enum link_step */
	int32_t err; /* FAILED: errno */
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: with pid and boot id an identity */
	uint64_t pidfd_inode; /* unique per boot where the kernel has pidfs, else 0 */
	uint64_t spawned_ns, ended_ns;
	uint64_t utime_us, stime_us, maxrss_kb;
	uint32_t server; /* slot of the forkserver that made it; LINK_NO_SLOT: none */
	uint32_t reserved;
	struct link_note note;
};

#define LINK_NO_SLOT UINT32_MAX

enum link_stdio {
	LINK_STDIO_NULL, /* /dev/null */
	LINK_STDIO_FD, /* the next of the message's descriptors */
	LINK_STDIO_LOG, /* the slot's own log pipe of that stream (stdout and stderr only) */
	LINK_STDIO_STDOUT, /* stderr only: the same as stdout */
	LINK_STDIO_PIPE, /* stdin only: a pipe whose other end the keeper holds open */
	LINK_STDIO_OWN, /* stdout and stderr only: fosterd's own log; for what foster runs for itself */
	LINK_STDIO_MAX
};

enum link_spawn_flag {
	LINK_SPAWN_SESSION = 1, /* setsid() */
	LINK_SPAWN_GROUP = 2, /* setpgid(0, 0) */
	LINK_SPAWN_DIES = 4, /* parent-death signal SIGKILL */
	LINK_SPAWN_NO_NEW_PRIVS = 8,
	LINK_SPAWN_LOCAL = 16, /* no file it needs is on a remote file system: vfork is safe */
	LINK_SPAWN_INHERIT = 32, /* passes on what fosterd was given (start method fork) */
	LINK_SPAWN_TTY = 64, /* descriptor 0 becomes the controlling terminal */
	LINK_SPAWN_DIRECTORY_FD = 128, /* after those of stdio, one for the directory */
	LINK_SPAWN_SERVER = 256, /* is a forkserver: gets a link as descriptor 3 */
	LINK_SPAWN_IDS = 512, /* set groups, gid and uid */
	LINK_SPAWN_CGROUP = 1024, /* the very last of the descriptors is its cgroup's directory */
};

/* A plan. After it: groups (uint32_t each), then strings, each with its NUL: directory ("" = stay),
 * entry ("" = none), then n_path candidates for execve(2) tried in turn, n_argv, n_env. */
struct link_spawn {
	uint32_t flags; /* set of link_spawn_flag */
	uint32_t
		server; /* slot of the forkserver to ask; LINK_NO_SLOT: the keeper makes the child */
	uint32_t uid, gid, n_groups;
	int32_t umask; /* -1: fosterd's */
	uint8_t stdio[3]; /* enum link_stdio; for a forkserver all are descriptors 0, 1, 2 */
	uint8_t reserved;
	uint32_t n_path, n_argv, n_env;
	uint32_t reserved2;
	uint64_t nofile_soft, nofile_hard; /* RLIMIT_NOFILE; filled in by the keeper */
	struct link_note note;
};

/* Before a SPAWN that is left with the keeper (daemon/keeper/order.c). */
struct link_order {
	uint8_t settled[32]; /* bit set of the exit statuses that lead to no start */
};

enum link_scope {
	LINK_SCOPE_PROCESS,
	LINK_SCOPE_GROUP
};

struct link_signal {
	int32_t number;
	uint32_t scope; /* enum link_scope */
};

enum link_hold_kind {
	LINK_HOLD_LISTEN = 1,
	LINK_HOLD_SESSION,
	LINK_HOLD_FIFO
};

/* A thing that the keeper holds for the supervisor, found again by kind and id. */
struct link_hold {
	uint32_t kind; /* enum link_hold_kind */
	uint32_t reserved;
	uint64_t id;
	char name[64]; /* NUL-terminated */
};

enum link_log_kind {
	LINK_LOG_FILE,
	LINK_LOG_STDOUT,
	LINK_LOG_STDERR,
	LINK_LOG_NOWHERE /* of an UNLOG: what is in the pipe is for nobody */
};

/* Where one stream of a slot goes. Strings follow, each with its NUL: path ("" unless FILE), prefix
 * ("" = none), name of the process (for json and our own log; "" = the file's base name). As the
 * keeper forwards it, its descriptor is the pipe, open for reading and writing. */
struct link_log {
	uint32_t stream; /* 1 stdout, 2 stderr; slot LINK_NO_SLOT: fosterd's own log */
	uint32_t kind; /* enum link_log_kind */
	uint64_t maxbytes;
	uint32_t backups;
	uint32_t mode; /* of a new file */
	uint32_t drop; /* 1: log_full=drop */
	uint32_t format; /* 0 raw, 1 timestamp, 2 json */
};

struct link_welcome {
	uint32_t keeper_version;
	uint32_t resumed; /* 1: a successor; the running configuration is in RUNTIME/config */
	uint32_t slots; /* how many the table has */
	int32_t keeper_pid;
	int32_t logger_pid;
	uint32_t reserved;
	uint64_t nofile; /* descriptors that the keeper may have open */
	uint64_t boot_ns; /* CLOCK_BOOTTIME when fosterd started */
	uint32_t
		adopted; /* 1: slots are of an earlier keeper; its configuration is in RUNTIME/config */
	uint32_t leaving; /* 1: a predecessor has begun to shut down… */
	int32_t leaving_status; /* … with this exit status */
	uint32_t reserved2;
};

struct link_refused {
	uint32_t type; /* enum link_type of the request */
	int32_t err; /* errno */
};

struct link_finish {
	int32_t status; /* exit status of fosterd */
};

struct link_hello {
	uint32_t version; /* LINK_VERSION */
	uint32_t parent; /* 1: I stay the parent of what I fork; 0: the keeper becomes it */
};

struct link_forked {
	int32_t pid;
};

struct link_failed {
	uint32_t step; /* enum link_step */
	int32_t err; /* errno, or 0 when text says it all */
};

struct link_ended {
	int32_t status; /* as wait(2) gives it */
	uint32_t reserved;
	uint64_t utime_us, stime_us, maxrss_kb;
};

/* ---- transport ----------------------------------------------------------------------------- */

/* One end. A zeroed struct with fd = -1 is closed. */
struct link {
	int fd;
	size_t out_len;
	unsigned n_out; /* messages in out */
	uint64_t n_sent; /* messages that the socket has taken */
	unsigned n_out_fds;
	int out_fds[LINK_FDS_MAX]; /* duplicates, owned until sent */
	bool blocked; /* the last flush found the socket full: wait for it to be writable */
	unsigned char out[LINK_DATAGRAM_BYTES];
};

/* One message as received; everything in it is valid during the callback only. */
struct link_message {
	const struct link_head *head;
	const unsigned char *body;
	size_t len;
	int *fds; /* without the memfd; a callback that keeps one sets its place to -1 */
	unsigned n_fds;
	bool more; /* others follow in the same datagram */
};

/* Make a pair, both ends non-blocking and close-on-exec, with large buffers. 0 or -errno. */
int link_pair(int *ret_ours, int *ret_theirs);

void link_init(struct link *l, int fd); /* takes fd */
void link_done(struct link *l); /* closes; unsent messages are lost */

/* Append one message; the descriptors are duplicated, the caller keeps his. parts are joined to one
 * body. Flushes first when the batch is full. Returns 0; -EAGAIN when the socket is full and the
 * batch, too (nothing was appended: try again when writable); or -errno (EMSGSIZE, EMFILE, …). */
struct link_part {
	const void *data;
	size_t len;
};
int link_send(struct link *l, const struct link_head *head, const struct link_part *parts,
	      unsigned n_parts, const int *fds, unsigned n_fds);

/* Send the batch. 0 when nothing is left to send, -EAGAIN when the socket is full (blocked is set),
 * -errno (EPIPE: the other end is gone). */
int link_flush(struct link *l);

/* Before a message of which there are many and which can be sent later: half of the batch is for those that
 * cannot. 0, or as link_flush(). */
int link_leave_room(struct link *l);

/* Bytes that wait to be flushed. */
size_t link_pending(const struct link *l);

/* Receive one datagram and call on_message for each message in it. Returns 1, 0 at end of file,
 * -EAGAIN when there is none, -EPROTONOSUPPORT when its first message is of another version than
 * LINK_VERSION, -EPROTO when a datagram is not well formed otherwise, -EMFILE when its descriptors could not
 * be had (of these nothing was delivered), or -errno. Descriptors that the callback did not take are
 * closed. */
int link_receive(struct link *l, void (*on_message)(void *data, const struct link_message *m),
		 void *data);

/* Where len bytes stand in body at *offset, or NULL when the body is too short; advances *offset. */
const void *link_take(const struct link_message *m, size_t *offset, size_t len);

/* The NUL-terminated string at *offset, or NULL when there is none; advances *offset. */
const char *link_take_str(const struct link_message *m, size_t *offset);

const char *link_type_name(enum link_type t); /* "SPAWN", for the log */
const char *link_step_name(enum link_step s); /* "chdir", "exec", … */

#endif
