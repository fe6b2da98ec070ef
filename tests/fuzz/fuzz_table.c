/* A table that an earlier keeper left, as the real writer writes it, torn in the middle of a write, with
 * bytes changed, cut off, or nothing but bytes: whatever it is, what is told lies within it and makes
 * sense, and a table of version 1 tells the same as one of version 2. What was written, and what was being
 * written, is told.
 *
 * The input is how to make it: a byte of flags, then a row of steps, each a byte and its operands (enum
 * step). With RAW, all that follows the flags is the table. */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/base/mem.h"
#include "daemon/keeper/table_left.h"

#define SLOTS 4
#define RAW 1
#define HEADER_BYTES_1 304
#define RECORD_BYTES_1 288

enum step {
	STEP_NAME, /* slot, length, that many bytes */
	STEP_WRITE, /* slot, a struct change */
	STEP_TEAR, /* slot, a struct change, how many bytes of it have reached the record */
	STEP_PIPE, /* slot, stream, inode */
	STEP_FREE, /* slot */
	STEP_FINISH,
	STEP_POKE, /* where (2), what: from here on nothing is known of what is to be told */
	STEP_CUT, /* how much is left (2) */
	STEP_MAX
};

/* Of the facts of a slot, those that are looked at. */
struct change {
	uint8_t incarnation, state, step, server;
	int8_t pid;
};

/* A whole table of few slots, which the real writer writes to. */
static struct file {
	struct table_header header;
	struct table_record records[SLOTS];
	char long_names[SLOTS][TABLE_NAME_BYTES];
} file;

/* What is to be told. */
static struct model {
	bool known;
	char names[SLOTS][TABLE_NAME_BYTES]; /* "": the slot is free */
	struct table_entry entries[SLOTS];
	uint32_t pipes[SLOTS][3];
} model;

static size_t file_len;

struct input {
	const uint8_t *data;
	size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- make one ------------------------------------------------------------------------------ */

static struct table writer(void)
{
	static int room = -1; /* where its long names would be */

	if (room < 0)
		room = memfd_create("table", MFD_CLOEXEC);
	return (struct table){ .header = &file.header,
			       .records = file.records,
			       .long_names = file.long_names,
			       .n_with_room = SLOTS,
			       .fd = room };
}

static void begin(void)
{
	file = (struct file){ .header = { .magic = TABLE_MAGIC,
					  .version = TABLE_VERSION,
					  .record_bytes = sizeof(struct table_record),
					  .slots = SLOTS,
					  .keeper_pid = 42 } };
	file_len = sizeof file;
	model = (struct model){ .known = true };
}

/* The next n bytes; zeros when there are less. */
static void take(struct input *in, void *to, size_t n)
{
	size_t some = n < in->len ? n : in->len;

	memset(to, 0, n);
	memcpy(to, in->data, some);
	in->data += some;
	in->len -= some;
}

static uint8_t take_byte(struct input *in)
{
	uint8_t byte;

	take(in, &byte, 1);
	return byte;
}

static void step_name(struct input *in, uint32_t slot)
{
	struct table t = writer();
	char name[TABLE_NAME_BYTES] = "";

	take(in, name, take_byte(in));
	if (!name[0]) /* a name has a letter */
		name[0] = 'n';
	assert(table_name_slot(&t, slot, name) == 0);
	strcpy(model.names[slot], name);
	model.entries[slot] = (struct table_entry){ .facts.server = LINK_NO_SLOT };
	memset(model.pipes[slot], 0, sizeof model.pipes[slot]);
}

static struct table_entry take_entry(struct input *in)
{
	struct change c;

	take(in, &c, sizeof c);
	return (struct table_entry){
		.incarnation = c.incarnation,
		.facts = { .state = c.state,
			   .step = c.step,
			   .pid = c.pid,
			   .server = c.server == UINT8_MAX ? LINK_NO_SLOT : c.server * 100U },
	};
}

static void step_write(struct input *in, uint32_t slot)
{
	struct table_entry e = take_entry(in);
	struct table t = writer();

	table_write(&t, slot, e.incarnation, &e.facts);
	model.entries[slot] = e;
}

/* The keeper is killed in table_write(). */
static void step_tear(struct input *in, uint32_t slot)
{
	struct table_entry e = take_entry(in);

	file.header.pending = (struct table_pending){ .valid = 1, .slot = slot, .entry = e };
	memcpy(&file.records[slot].entry, &e, take_byte(in) % sizeof e);
	model.entries[slot] = e;
}

static void step_pipe(struct input *in, uint32_t slot)
{
	struct table t = writer();
	int stream = take_byte(in) % 3;
	uint32_t inode = take_byte(in);

	table_note_pipe(&t, slot, stream, inode);
	model.pipes[slot][stream] = inode;
}

static void step_free(uint32_t slot)
{
	struct table t = writer();

	table_free_slot(&t, slot);
	model.names[slot][0] = '\0';
}

static uint16_t take_two(struct input *in)
{
	uint16_t two;

	take(in, &two, sizeof two);
	return two;
}

static void step_poke(struct input *in)
{
	size_t at = take_two(in) % sizeof file;

	((unsigned char *)&file)[at] = take_byte(in);
	model.known = false;
}

static void make_step(struct input *in)
{
	uint8_t byte = take_byte(in);
	enum step step = (enum step)(byte % STEP_MAX);
	uint32_t slot = byte / STEP_MAX % SLOTS;
	struct table t = writer();

	if (file.header.pending.valid && step < STEP_POKE) /* who was killed does nothing more */
		return;
	switch (step) {
	case STEP_NAME:
		step_name(in, slot);
		break;
	case STEP_WRITE:
		step_write(in, slot);
		break;
	case STEP_TEAR:
		step_tear(in, slot);
		break;
	case STEP_PIPE:
		step_pipe(in, slot);
		break;
	case STEP_FREE:
		step_free(slot);
		break;
	case STEP_FINISH:
		table_finish(&t);
		break;
	case STEP_POKE:
		step_poke(in);
		break;
	case STEP_CUT:
		file_len = take_two(in) % (sizeof file + 1);
		model.known = false;
		break;
	case STEP_MAX:
		break;
	}
}

/* ---- what is told -------------------------------------------------------------------------- */

static bool is_sensible(const struct link_slot *f)
{
	return f->state < LINK_SLOT_STATE_MAX && f->step < LINK_STEP_MAX && f->pid >= 0 &&
	       (f->state != LINK_SLOT_LIVE || f->pid > 1) &&
	       (f->server < TABLE_SLOTS || f->server == LINK_NO_SLOT);
}

static void check_slot(const struct table_left *t, const struct table_left_slot *l)
{
	const char *begin = (const char *)t->bytes, *end = begin + t->len;

	assert(l->slot < t->header.slots);
	assert(l->name > begin && l->name < end);
	assert(strnlen(l->name, (size_t)(end - l->name)) < (size_t)(end - l->name));
	assert(l->name[0] && strlen(l->name) < TABLE_NAME_BYTES);
	if (l->name < begin + t->header_bytes + t->header.slots * (size_t)t->header.record_bytes)
		assert(strlen(l->name) < TABLE_SHORT_BYTES); /* it is in its record */
	assert(is_sensible(&l->entry.facts));
}

static bool is_same(const struct table_left_slot *a, const struct table_left_slot *b)
{
	return a->slot == b->slot && strcmp(a->name, b->name) == 0 &&
	       memcmp(&a->entry, &b->entry, sizeof a->entry) == 0;
}

/* Each slot in use once, in order; then nothing. */
static uint32_t told(const struct table_left *t, struct table_left_slot *ret_slots, uint32_t max)
{
	struct table_left_slot l;
	uint32_t at = 0, n = 0;

	for (uint32_t before = 0; table_left_next(t, &at, &l); before = at) {
		check_slot(t, &l);
		assert(l.slot >= before && at == l.slot + 1);
		if (ret_slots && n < max)
			ret_slots[n] = l;
		n++;
	}
	assert(at == t->header.slots && !table_left_next(t, &at, &l));
	return n;
}

static void check_model(const struct table_left *t)
{
	struct table_left_slot slots[SLOTS];
	uint32_t n = told(t, slots, SLOTS), i = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		struct table_left_slot wanted = {
			slot, model.names[slot], model.entries[slot], { 0 }
		};

		if (!wanted.name[0] || !is_sensible(&wanted.entry.facts))
			continue;
		assert(i < n && is_same(&slots[i], &wanted));
		assert(memcmp(slots[i].pipes, model.pipes[slot], sizeof slots[i].pipes) == 0);
		i++;
	}
	assert(i == n);
}

/* The same bytes as the version before wrote them. Of slots there are at most SLOTS. */
static size_t to_version_1(const struct table_left *t, unsigned char *to)
{
	struct table_header h = t->header;
	const unsigned char *from = t->bytes + sizeof h;
	unsigned char *begin = to;

	h.version = 1;
	h.record_bytes = RECORD_BYTES_1;
	memcpy(to, &h, HEADER_BYTES_1);
	to += HEADER_BYTES_1;
	for (uint32_t i = 0; i < h.slots; i++, from += sizeof(struct table_record))
		to = mempcpy(to, from, RECORD_BYTES_1);
	to = mempcpy(to, from, (size_t)h.slots * TABLE_NAME_BYTES);
	return (size_t)(to - begin);
}

static void check_version_1(const struct table_left *t)
{
	unsigned char bytes[sizeof file] __attribute__((aligned(8)));
	struct table_left_slot slots[SLOTS], olds[SLOTS];
	struct table_left old;
	uint32_t n;
	size_t len;

	if (t->header.version != 2 || t->header.slots > SLOTS)
		return;
	n = told(t, slots, SLOTS);
	len = to_version_1(t, bytes);
	assert(table_left_parse(&old, bytes, len) == 0);
	assert(told(&old, olds, SLOTS) == n);
	for (uint32_t i = 0; i < n; i++) {
		assert(is_same(&slots[i], &olds[i]));
		assert(!olds[i].pipes[0] && !olds[i].pipes[1] && !olds[i].pipes[2]);
	}
	assert(!old.header.finished && !old.header.parts[0].pid && !old.header.pid_namespace);
}

/* A copy of exactly len bytes, so that reading beyond them is noticed. */
static void check(const void *bytes, size_t len)
{
	auto_free void *copy = malloc(len ? len : 1);
	struct table_left t = { .len = 4711 };
	int r;

	assert(copy);
	memcpy(copy, bytes, len);
	r = table_left_parse(&t, copy, len);
	if (r < 0) {
		assert(!model.known && t.len == 4711 && !t.bytes);
		assert(r == -EBADMSG ||
		       (r == -EPROTONOSUPPORT && t.header.version > TABLE_VERSION));
		return;
	}
	(void)told(&t, NULL, 0);
	(void)table_left_is_of_here(&t);
	check_version_1(&t);
	if (model.known)
		check_model(&t);
	table_left_close(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (take_byte(&in) & RAW) {
		model.known = false;
		check(in.data, in.len);
		return 0;
	}
	begin();
	while (in.len)
		make_step(&in);
	check(&file, file_len);
	return 0;
}
