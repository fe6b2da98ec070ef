/* Anything that two forkservers may say to the keeper, whose processes they are asked for, with pidfds of
 * children of their own making, of others, and with other files: only slots that were asked of them change,
 * none of them becomes a process that is somebody else's, nobody but who says what is no message is signalled,
 * what the supervisor hears is well formed, and in the end nothing is left. A whole keeper (keeper_rig.h).
 *
 * Slots 0 and 1 are the forkservers, 2 to 5 are asked of the first and 6 to 9 of the second, 10 runs by
 * itself. The input is a row of records, each a struct record and len bytes, which follow the fixed part of
 * a message's body. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/mem.h"
#include "tests/fuzz/keeper_rig.h"

#define FIRST_ASKED 2
#define LAST_ASKED 9
#define ALONE 10
#define SLOTS 11
#define OWN_CHILDREN 4
#define FDS_SENT_MAX 3

enum event {
	EVENT_HELLO,
	EVENT_FORKED,
	EVENT_FAILED,
	EVENT_ENDED,
	EVENT_OTHER, /* a message of another type: the first byte */
	EVENT_BYTES, /* a datagram, of whatever form */
	EVENT_ASK, /* the supervisor wants the slot's next life */
	EVENT_ACK, /* it has seen its end */
	EVENT_KILL, /* the process ends: that of the slot */
	EVENT_END_CHILD, /* one that is not known yet does */
	EVENT_MAX
};

enum how {
	HOW_SECOND = 1, /* the second forkserver says it */
	HOW_STALE = 2, /* of another incarnation */
	HOW_MORE = 4, /* the next goes into the same datagram */
	HOW_MEMFD = 8,
	HOW_CUT = 16, /* the body is nothing but the record's bytes */
	HOW_WHOSE_SHIFT = 5 /* enum whose */
};

/* Of which process the number and the first descriptor are. */
enum whose {
	WHOSE_OWN, /* a child of its own making: which one, says the number of descriptors */
	WHOSE_NEXT_DOOR, /* of another slot */
	WHOSE_LOGGER,
	WHOSE_OURS, /* the keeper itself */
	WHOSE_MISMATCH, /* the number of one, the pidfd of another */
	WHOSE_NO_PIDFD, /* another file */
	WHOSE_NONE, /* a number that there cannot be */
	WHOSE_INIT /* the pidfd of a process that is nobody's here */
};

struct record {
	uint8_t event, slot, how, fds, len;
};

static struct {
	struct rig_records input;
	unsigned n_steps;
	pid_t own[OWN_CHILDREN];
	struct table_entry before[SLOTS];
	bool may_change[SLOTS]; /* since before */
} f;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- asked by the supervisor ------------------------------------------------------------------- */

static uint32_t server_of(uint32_t slot)
{
	if (slot < FIRST_ASKED || slot > LAST_ASKED)
		return LINK_NO_SLOT;
	return slot <= (FIRST_ASKED + LAST_ASKED) / 2 ? 0 : 1;
}

static void say(enum link_type type, uint32_t slot, uint64_t incarnation, const void *body,
		size_t len)
{
	struct link_head h = { .type = (uint16_t)type, .slot = slot, .incarnation = incarnation };
	struct link_part part = { body, len };

	if (rig_supervisor()->fd < 0)
		return;
	(void)link_send(rig_supervisor(), &h, &part, 1, NULL, 0);
	(void)link_flush(rig_supervisor());
	if (slot < SLOTS)
		f.may_change[slot] = true;
}

static void name_slot(uint32_t slot)
{
	struct {
		struct link_note note;
		char name[8];
	} body = { .name = "slot:a" };

	body.name[5] = (char)('a' + slot);
	say(LINK_NAME, slot, 0, &body, sizeof body);
}

static void ask(uint32_t slot)
{
	const struct {
		struct link_spawn l;
		char strings[2]; /* directory, entry */
	} body = { .l = { .flags = slot < FIRST_ASKED ? LINK_SPAWN_SERVER : 0,
			  .server = server_of(slot),
			  .umask = -1 } };

	say(LINK_SPAWN, slot, table_incarnation(&rig_keeper()->table, slot) + 1, &body,
	    sizeof body);
}

/* One a turn: slots get names, servers run, the others are asked for. False: all is prepared. */
static bool prepare(void)
{
	unsigned step = f.n_steps++;

	if (step < SLOTS)
		name_slot(step);
	else if (step < 2 * SLOTS)
		ask(step - SLOTS);
	else if (step == 2 * SLOTS)
		for (int i = 0; i < OWN_CHILDREN; i++)
			f.own[i] = rig_child();
	return step <= 2 * SLOTS;
}

/* ---- said by a forkserver ------------------------------------------------------------------------ */

static pid_t pid_of(const struct record *r, enum whose whose)
{
	const struct table *t = &rig_keeper()->table;

	switch (whose) {
	case WHOSE_NEXT_DOOR:
		return table_facts(t, (r->slot + 1U) % SLOTS)->pid;
	case WHOSE_LOGGER:
		return rig_keeper()->parts[PART_LOGGER].pid;
	case WHOSE_OURS:
		return getpid();
	case WHOSE_NONE:
		return -(pid_t)r->fds;
	case WHOSE_INIT:
		return 1;
	default:
		return f.own[(r->fds >> 2) % OWN_CHILDREN];
	}
}

static int fd_of(const struct record *r, unsigned i, enum whose whose)
{
	pid_t pid = pid_of(r, whose);
	int fd = -1;

	if (whose == WHOSE_MISMATCH)
		pid = f.own[((r->fds >> 2) + 1) % OWN_CHILDREN];
	if (i == 0 && whose != WHOSE_NO_PIDFD && pid > 0)
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd >= 0 ? fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void add_body(struct buf *b, const struct record *r, const uint8_t *data)
{
	const struct link_hello hello = { LINK_VERSION, data && r->len ? data[0] & 1 : 0 };
	const struct link_forked forked = { pid_of(r, (enum whose)(r->how >> HOW_WHOSE_SHIFT)) };
	const struct link_failed failed = { LINK_STEP_ENTRY, 0 };
	struct link_ended ended = { 0 };

	if (r->len)
		memcpy(&ended, data, r->len < sizeof ended ? r->len : sizeof ended);
	if (r->event == EVENT_HELLO)
		buf_add(b, &hello, sizeof hello);
	if (r->event == EVENT_FORKED)
		buf_add(b, &forked, sizeof forked);
	if (r->event == EVENT_FAILED)
		buf_add(b, &failed, sizeof failed);
	if (r->event == EVENT_ENDED)
		buf_add(b, &ended, sizeof ended);
}

static void make_body(struct buf *b, const struct record *r, const uint8_t *data)
{
	static const char zeros[LINK_INLINE_BYTES];

	if (!(r->how & HOW_CUT))
		add_body(b, r, data);
	if (r->how & HOW_CUT || r->event != EVENT_ENDED)
		buf_add(b, data, r->len);
	if (r->how & HOW_MEMFD)
		buf_add(b, zeros, sizeof zeros);
	assert(!buf_error(b));
}

static uint16_t type_of(const struct record *r, const uint8_t *data)
{
	static const uint16_t types[] = { LINK_HELLO, LINK_FORKED, LINK_FAILED, LINK_ENDED };

	if (r->event < ARRAY_SIZE(types))
		return types[r->event];
	return r->len ? data[0] : 0;
}

/* Whether what the forkserver says may make a difference to the slot. */
static bool is_asked(uint32_t slot, uint32_t server, uint64_t incarnation)
{
	const struct link_slot *facts = table_facts(&rig_keeper()->table, slot);

	return server_of(slot) == server &&
	       table_incarnation(&rig_keeper()->table, slot) == incarnation &&
	       (facts->state == LINK_SLOT_SPAWNING || facts->state == LINK_SLOT_LIVE);
}

static void speak(const struct record *r, const uint8_t *data)
{
	uint32_t server = r->how & HOW_SECOND;
	uint32_t slot = r->slot == UINT8_MAX ? LINK_NO_SLOT : r->slot % (SLOTS + 2);
	struct link_head h = { .type = type_of(r, data), .slot = slot };
	unsigned n_fds = r->fds % (FDS_SENT_MAX + 1);
	struct link *l = rig_server(server);
	auto_buf struct buf b = { 0 };
	struct link_part part;
	int fds[FDS_SENT_MAX];

	if (l->fd < 0)
		return;
	h.incarnation = slot < SLOTS ? table_incarnation(&rig_keeper()->table, slot) : 0;
	h.incarnation += !!(r->how & HOW_STALE);
	if (slot < SLOTS && is_asked(slot, server, h.incarnation))
		f.may_change[slot] = true;
	make_body(&b, r, data);
	part = (struct link_part){ b.data, b.len };
	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = fd_of(r, i, (enum whose)(r->how >> HOW_WHOSE_SHIFT));
	if (link_send(l, &h, &part, 1, fds, n_fds) == 0 && !(r->how & HOW_MORE))
		(void)link_flush(l);
	while (n_fds)
		close(fds[--n_fds]);
}

/* ---- what changes -------------------------------------------------------------------------------- */

static void remember(void)
{
	if (link_pending(rig_server(0)) || link_pending(rig_server(1)))
		return; /* what was said is still to have its effect */
	for (uint32_t i = 0; i < SLOTS; i++)
		f.before[i] = rig_keeper()->table.records[i].entry;
	memset(f.may_change, 0, sizeof f.may_change);
}

static void check_changes(void)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		assert(f.may_change[i] ||
		       memcmp(&f.before[i], &rig_keeper()->table.records[i].entry,
			      sizeof f.before[i]) == 0);
}

/* The end of a process is its own slot's affair; that of a forkserver, all that were asked of it, too. */
static void expect_end(uint32_t slot)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		if (i == slot || server_of(i) == slot)
			f.may_change[i] = true;
}

static void end_process(uint32_t slot)
{
	rig_kill(table_facts(&rig_keeper()->table, slot)->pid);
	expect_end(slot);
}

/* Who says what is no message is killed. */
static void speak_otherwise(const struct record *r, const uint8_t *data)
{
	uint32_t server = r->how & HOW_SECOND;

	if (rig_server(server)->fd < 0 || !r->len)
		return;
	expect_end(server);
	(void)!write(rig_server(server)->fd, data, r->len);
}

/* It may be a slot's by now. */
static void end_child(unsigned which)
{
	rig_kill(f.own[which]);
	for (uint32_t i = FIRST_ASKED; i <= LAST_ASKED; i++)
		f.may_change[i] = true;
	f.own[which] = rig_child();
}

static void do_record(struct record *r, const uint8_t *data)
{
	uint32_t slot = r->slot % SLOTS;

	r->event %= EVENT_MAX;
	switch ((enum event)r->event) {
	case EVENT_BYTES:
		speak_otherwise(r, data);
		break;
	case EVENT_ASK:
		ask(slot);
		break;
	case EVENT_ACK:
		say(LINK_ACK, slot, table_incarnation(&rig_keeper()->table, slot), NULL, 0);
		break;
	case EVENT_KILL:
		end_process(slot);
		break;
	case EVENT_END_CHILD:
		end_child(slot % OWN_CHILDREN);
		break;
	default:
		speak(r, data);
	}
}

static bool on_idle(void *data)
{
	const uint8_t *body;
	struct record r;

	(void)data;
	if (prepare())
		return true;
	rig_check();
	if (f.input.n)
		check_changes();
	remember();
	body = rig_next_record(&f.input, &r, sizeof r);
	if (body)
		do_record(&r, body);
	return body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rig_script script = { .on_idle = on_idle };

	f.input = (struct rig_records){ data, size, 0 };
	f.n_steps = 0;
	rig_run(&script);
	return 0;
}
