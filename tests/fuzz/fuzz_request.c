/* Any requests of a supervisor, and what happens meanwhile to the children that it has asked for, to a
 * whole keeper (keeper_rig.h): slots, table and descriptors stay consistent, what another program of the
 * keeper would be handed can be read, every request that is refused is answered, and in the end nothing is
 * left.
 *
 * The input is a row of records, each a struct record and len bytes. LINK_FINISH and the first LINK_BOOT
 * are the rig's; that one could move files of this machine. */
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

#define FDS_SENT_MAX 7

enum event {
	EVENT_NONE,
	EVENT_KILL, /* the slot's process is killed */
	EVENT_BYTES, /* the body is a datagram, of whatever form */
	EVENT_LOGGER, /* the logger sends it */
	EVENT_HANG_UP, /* the supervisor closes its link */
	EVENT_MAX
};

enum how {
	HOW_INCARNATION = 3, /* the present one, the next, 0, one that never was */
	HOW_MORE = 4, /* the next record goes into the same datagram */
	HOW_MEMFD = 8, /* the body is so large that it needs one: zeros follow */
	HOW_SHAPED = 16, /* the body of a SPAWN or ORDER is made of a struct shape */
	HOW_FATE_SHIFT = 5
};

struct record {
	uint8_t what; /* of types[], then an event */
	uint8_t slot;
	uint8_t how; /* set of enum how; the fate of children */
	uint8_t fds; /* how many; what the first of them is */
	uint8_t len;
};

/* A plan, in few bytes. The rest of the record are its strings. */
struct shape {
	uint16_t flags;
	uint8_t server, stdio[3];
	uint8_t n_groups, n_path, n_argv, n_env;
};

static const uint16_t types[] = {
	LINK_NAME,    LINK_SPAWN,  LINK_ORDER,	 LINK_SIGNAL, LINK_NOTE,   LINK_ACK,
	LINK_FREE,    LINK_HOLD,   LINK_DROP,	 LINK_LOG,    LINK_UNLOG,  LINK_SYNC,
	LINK_READY,   LINK_NOTIFY, LINK_PONG,	 LINK_REOPEN, LINK_ADOPT,  LINK_LEAVE,
	LINK_UPGRADE, LINK_BOOT,   LINK_WELCOME, 0,	      LINK_SYNCED, 999,
};
#define N_TYPES ARRAY_SIZE(types)

static struct {
	struct rig_records input;
	pid_t child; /* what pidfds that ride along are of */
	bool alone; /* the last datagram was a single request, and it arrived… */
	bool refused_due; /* … which cannot be carried out */
	unsigned n_refused; /* since then */
} f;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- one record -------------------------------------------------------------------------------- */

static uint32_t slot_of(uint8_t byte)
{
	if (byte < 0xf0)
		return byte % 16;
	return byte == 0xff ? LINK_NO_SLOT : TABLE_SLOTS - 8U + (byte & 0xf);
}

static uint64_t incarnation_of(const struct record *r, uint32_t slot)
{
	uint64_t now = slot < TABLE_SLOTS ? table_incarnation(&rig_keeper()->table, slot) : 0;
	const uint64_t all[] = { now, now + 1, 0, 4711 };

	return all[r->how & HOW_INCARNATION];
}

static void add_shaped(struct buf *b, enum link_type type, const uint8_t *data, size_t len)
{
	struct link_order order = { .settled = { 1 } };
	struct link_spawn l = { .umask = -1, .server = LINK_NO_SLOT };
	struct shape s = { 0 };

	memcpy(&s, data, len < sizeof s ? len : sizeof s);
	l.flags = s.flags;
	if (s.server)
		l.server = slot_of(s.server - 1);
	for (int i = 0; i < 3; i++)
		l.stdio[i] = s.stdio[i] % (LINK_STDIO_MAX + 1);
	l.n_groups = s.n_groups;
	l.n_path = s.n_path;
	l.n_argv = s.n_argv;
	l.n_env = s.n_env;
	if (type == LINK_ORDER)
		buf_add(b, &order, sizeof order);
	buf_add(b, &l, sizeof l);
	if (len > sizeof s)
		buf_add(b, data + sizeof s, len - sizeof s);
}

static void make_body(struct buf *b, const struct record *r, enum link_type type,
		      const uint8_t *data)
{
	static const char zeros[LINK_INLINE_BYTES];

	if ((type == LINK_SPAWN || type == LINK_ORDER) && r->how & HOW_SHAPED)
		add_shaped(b, type, data, r->len);
	else
		buf_add(b, data, r->len);
	if (r->how & HOW_MEMFD)
		buf_add(b, zeros, sizeof zeros);
	assert(!buf_error(b));
}

/* Made by us, who close them: a pipe's end, or what the record says. */
static int make_fd(const struct record *r, unsigned i)
{
	int kind = i ? 0 : r->fds >> 4;
	int ends[2];

	if (kind == 1)
		return (int)syscall(SYS_pidfd_open, f.child, 0);
	if (kind == 2)
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(pipe2(ends, O_CLOEXEC) == 0);
	close(ends[1]);
	return ends[0];
}

/* ---- what it should lead to -------------------------------------------------------------------- */

static bool is_spawn_refused(const struct link_head *h, size_t len)
{
	const struct table *t = &rig_keeper()->table;
	uint64_t now = table_incarnation(t, h->slot);
	uint32_t state = table_facts(t, h->slot)->state;

	if (len < sizeof(struct link_spawn))
		return true;
	if (h->incarnation == now && state != LINK_SLOT_EMPTY)
		return false; /* asked again */
	return h->incarnation != now + 1 || state == LINK_SLOT_LIVE || state == LINK_SLOT_SPAWNING;
}

static bool is_free_refused(uint32_t slot)
{
	uint32_t state = table_facts(&rig_keeper()->table, slot)->state;

	return state == LINK_SLOT_LIVE || state == LINK_SLOT_SPAWNING;
}

static bool is_signal_refused(const struct link_head *h, const struct buf *b)
{
	const struct link_slot *facts = table_facts(&rig_keeper()->table, h->slot);
	int32_t number;

	if (b->len < sizeof(struct link_signal))
		return true;
	memcpy(&number, b->data, sizeof number);
	return h->incarnation != table_incarnation(&rig_keeper()->table, h->slot) || !facts->pid ||
	       number < 0 || number > 64;
}

static size_t least_size(uint16_t type)
{
	switch (type) {
	case LINK_NAME:
		return sizeof(struct link_note) + 2;
	case LINK_NOTE:
		return sizeof(struct link_note);
	case LINK_LOG:
	case LINK_UNLOG:
		return sizeof(struct link_log);
	case LINK_HOLD:
	case LINK_DROP:
		return sizeof(struct link_hold);
	case LINK_ADOPT:
		return sizeof(struct link_forked);
	case LINK_NOTIFY:
		return 1;
	case LINK_UPGRADE:
		return 2;
	}
	return 0;
}

static bool is_of_slot(uint16_t type)
{
	return (type && type <= LINK_FREE && type > LINK_READY) || type == LINK_LOG ||
	       type == LINK_UNLOG || type == LINK_SYNC || type == LINK_ADOPT;
}

/* Of those that are, not all: what the other numbers in a body may be is not told here. */
static bool is_refused(const struct link_head *h, const struct buf *b, unsigned n_fds)
{
	if (b->len < least_size(h->type) || h->type == 0 || h->type == 999 ||
	    h->type == LINK_WELCOME || h->type == LINK_SYNCED)
		return true;
	if (h->type == LINK_HOLD && n_fds != 1)
		return true;
	if (!is_of_slot(h->type))
		return false;
	if (h->slot >= TABLE_SLOTS)
		return true;
	if (h->type == LINK_NAME)
		return false;
	if (!table_name(&rig_keeper()->table, h->slot)[0])
		return h->type != LINK_FREE;
	if (table_facts(&rig_keeper()->table, h->slot)->flags & LINK_FLAG_ADOPTED)
		return false; /* when a signal to it arrives the rig does not know */
	if (h->type == LINK_SPAWN)
		return is_spawn_refused(h, b->len);
	if (h->type == LINK_FREE)
		return is_free_refused(h->slot);
	return h->type == LINK_SIGNAL && is_signal_refused(h, b);
}

static void on_fact(void *data, const struct link_message *m)
{
	(void)data;
	f.n_refused += m->head->type == LINK_REFUSED;
}

/* ---- through the link ---------------------------------------------------------------------------- */

static void send_request(struct link *l, const struct record *r, enum link_type type,
			 const struct buf *b)
{
	unsigned n_fds = r->fds & FDS_SENT_MAX;
	struct link_head h = { .type = (uint16_t)type, .slot = slot_of(r->slot) };
	struct link_part part = { b->data, b->len };
	bool first = !link_pending(l);
	int fds[FDS_SENT_MAX];

	h.incarnation = incarnation_of(r, h.slot);
	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = make_fd(r, i);
	if (link_send(l, &h, &part, 1, fds, n_fds) == 0 && !(r->how & HOW_MORE))
		f.alone = link_flush(l) == 0 && first && l == rig_supervisor();
	f.refused_due = f.alone && is_refused(&h, b, n_fds);
	while (n_fds)
		close(fds[--n_fds]);
}

static void kill_process(uint32_t slot)
{
	if (slot < TABLE_SLOTS && table_name(&rig_keeper()->table, slot)[0])
		rig_kill(table_facts(&rig_keeper()->table, slot)->pid);
}

static void do_event(const struct record *r, enum event event, const uint8_t *body)
{
	struct link *l = rig_supervisor();

	switch (event) {
	case EVENT_KILL:
		kill_process(slot_of(r->slot));
		break;
	case EVENT_BYTES:
		if (l->fd >= 0 && r->len)
			(void)!write(l->fd, body, r->len);
		break;
	case EVENT_HANG_UP:
		link_done(l);
		break;
	default:
		break;
	}
}

static void do_record(const struct record *r, const uint8_t *body)
{
	enum event event = r->what % (N_TYPES + EVENT_MAX) < N_TYPES
				   ? EVENT_NONE
				   : (enum event)(r->what % (N_TYPES + EVENT_MAX) - N_TYPES);
	enum link_type type = types[r->what % (N_TYPES + EVENT_MAX) % N_TYPES];
	auto_buf struct buf b = { 0 };

	rig_set_fate((enum rig_fate)(r->how >> HOW_FATE_SHIFT));
	if (event == EVENT_LOGGER) {
		type = body && r->len && body[0] & 1 ? LINK_SYNCED : LINK_PONG;
		make_body(&b, r, type, body);
		if (rig_logger()->fd >= 0)
			send_request(rig_logger(), r, type, &b);
		return;
	}
	if (event != EVENT_NONE) {
		do_event(r, event, body);
		return;
	}
	make_body(&b, r, type, body);
	if (rig_supervisor()->fd >= 0)
		send_request(rig_supervisor(), r, type, &b);
}

/* A request of its own is answered by now. */
static void check_answer(void)
{
	if (f.alone && f.refused_due && rig_supervisor()->fd >= 0)
		assert(f.n_refused);
	f.alone = f.refused_due = false;
	f.n_refused = 0;
}

static bool on_idle(void *data)
{
	const uint8_t *body;
	struct record r;

	(void)data;
	check_answer();
	rig_check();
	if (!f.child)
		f.child = rig_child();
	body = rig_next_record(&f.input, &r, sizeof r);
	if (body)
		do_record(&r, body);
	return body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rig_script script = { .on_idle = on_idle, .on_fact = on_fact };

	f.input = (struct rig_records){ data, size, 0 };
	f.child = 0;
	f.alone = f.refused_due = false;
	rig_run(&script);
	return 0;
}
