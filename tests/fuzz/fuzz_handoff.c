/* Any items as what one program of a keeper hands to the next, with a head that is right about them, so
 * that they are looked at: refused, or each is whole, makes sense, and is told once. And a byte that is
 * changed on the way is noticed.
 *
 * The input is a byte that says how the head is (enum flag) and one that says which of the bytes is
 * changed and then the first that is missing, then a row of items, each a byte for its kind, one for its length, and that many bytes. RAW:
 * the items are as they come. What should be accepted is decided here once more, from handoff.h. */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/handoff.h"

#define MAGIC 0x464f535453544154ULL
#define ALIGN8(n) (((n) + 7) & ~(size_t)7)

enum flag {
	RAW = 1,
	LATER = 2, /* of a later version */
	ENDLESS = 4, /* no item that ends them */
	LONGER = 8, /* there are more bytes than the head says */
	TRUSTED = 16 /* KEEPER comes first without being asked for */
};

struct head {
	uint64_t magic;
	uint32_t version;
	int32_t keeper_pid;
	uint64_t body_bytes, sum;
};

struct item {
	uint32_t kind, size;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- make one ------------------------------------------------------------------------------ */

static uint64_t sum_of(const unsigned char *bytes, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ULL;
	return sum;
}

static void add_item(struct buf *b, uint32_t kind, const void *body, size_t len)
{
	static const char zeros[8];
	struct item item = { kind, (uint32_t)len };

	buf_add(b, &item, sizeof item);
	buf_add(b, body, len);
	buf_add(b, zeros, ALIGN8(len) - len);
}

static void add_items(struct buf *b, uint8_t flags, const uint8_t *data, size_t size)
{
	static const struct handoff_keeper keeper = { .table_fd = -1 };

	if (flags & TRUSTED)
		add_item(b, HANDOFF_KEEPER, &keeper, sizeof keeper);
	while (size >= 2) {
		uint8_t kind = data[0];
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		add_item(b, kind, data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	if (!(flags & ENDLESS))
		add_item(b, HANDOFF_END, NULL, 0);
}

static void make(struct buf *b, uint8_t flags, const uint8_t *data, size_t size)
{
	struct head head = { .magic = MAGIC,
			     .version = flags & LATER ? HANDOFF_VERSION + 1 : HANDOFF_VERSION,
			     .keeper_pid = 42 };

	buf_add(b, &head, sizeof head);
	if (flags & RAW)
		buf_add(b, data, size);
	else
		add_items(b, flags, data, size);
	assert(!buf_error(b));
	head.body_bytes = b->len - sizeof head - (flags & LONGER && b->len > sizeof head);
	head.sum = sum_of((unsigned char *)b->data + sizeof head, b->len - sizeof head);
	memcpy(b->data, &head, sizeof head);
}

/* ---- what handoff.h says of it ------------------------------------------------------------- */

static bool is_sensible(uint32_t kind, const unsigned char *body, size_t len)
{
	static const size_t least[] = {
		[HANDOFF_KEEPER] = sizeof(struct handoff_keeper),
		[HANDOFF_TEXT] = 9,
		[HANDOFF_INHERIT] = sizeof(int32_t),
		[HANDOFF_SLOT] = sizeof(struct handoff_slot),
		[HANDOFF_HOLD] = sizeof(struct handoff_hold),
		[HANDOFF_PART] = sizeof(struct handoff_part),
		[HANDOFF_PARTING] = sizeof(struct handoff_parting) + sizeof(struct link_log),
	};
	struct handoff_parting parting;
	uint32_t first;

	if (kind >= ARRAY_SIZE(least)) /* one that may be ignored */
		return true;
	if (len < least[kind])
		return false;
	memcpy(&first, body, sizeof first);
	if (kind == HANDOFF_TEXT)
		return first < HANDOFF_TEXT_MAX && !body[len - 1];
	if (kind == HANDOFF_SLOT)
		return first < TABLE_SLOTS;
	if (kind == HANDOFF_HOLD)
		return memchr(body + offsetof(struct link_hold, name), 0,
			      sizeof(((struct link_hold *)0)->name));
	if (kind == HANDOFF_PARTING) {
		memcpy(&parting, body, sizeof parting);
		return parting.slot < TABLE_SLOTS;
	}
	return kind != HANDOFF_PART || first < PART_MAX;
}

/* How many items there are before the end; -1 when they are not to be accepted. */
static int count_items(const unsigned char *bytes, size_t len)
{
	struct item item = { 0 };
	size_t at = sizeof(struct head);

	for (int n = 0; len - at >= sizeof item; n++) {
		memcpy(&item, bytes + at, sizeof item);
		at += sizeof item;
		if (item.kind == HANDOFF_END)
			return n && !item.size && at == len ? n : -1;
		if ((n == 0) != (item.kind == HANDOFF_KEEPER) ||
		    ALIGN8((size_t)item.size) > len - at ||
		    !is_sensible(item.kind, bytes + at, item.size))
			return -1;
		at += ALIGN8((size_t)item.size);
	}
	return -1;
}

/* ---- what comes out ------------------------------------------------------------------------ */

static void check_items(const struct handoff *h, int n)
{
	size_t at = 0, len, before = sizeof(struct head);
	enum handoff_kind kind;
	const void *body;

	for (; handoff_next(h, &at, &kind, &body, &len); n--) {
		assert((const unsigned char *)body == h->bytes + before + sizeof(struct item));
		assert((uintptr_t)body % 8 == 0 && at <= h->len);
		assert(at == before + sizeof(struct item) + ALIGN8(len));
		assert(is_sensible(kind, body, len));
		before = at;
	}
	assert(n == 0 && h->len - at == sizeof(struct item));
	(void)handoff_set_cloexec(h, true);
}

static void check(const struct buf *b, int n)
{
	auto_close int fd = -1;
	struct handoff h = { 0 };

	assert(fd_sealed("fuzz", b->data, b->len, &fd) == 0);
	assert(handoff_open(fd, &h) == 0);
	assert(h.keeper_pid == 42 && h.version == HANDOFF_VERSION && h.len == b->len);
	check_items(&h, n);
	handoff_close(&h);
	assert(!h.map);
}

/* A copy of exactly as many bytes, so that reading beyond them is noticed. */
static int parse_copy(const struct buf *b)
{
	auto_free void *copy = malloc(b->len);
	struct handoff h = { .len = 4711 };
	int r;

	assert(copy);
	memcpy(copy, b->data, b->len);
	r = handoff_parse(&h, copy, b->len);
	assert(r == 0 ? h.bytes == copy : h.len == 4711 && !h.bytes);
	return r;
}

static void check_damage(struct buf *b, uint8_t where)
{
	size_t at = where % b->len;
	int r;

	b->data[at] = (char)(b->data[at] ^ 0x10);
	r = parse_copy(b);
	if (at < offsetof(struct head, version) || at >= offsetof(struct head, body_bytes))
		assert(r == -EBADMSG);
	b->data[at] = (char)(b->data[at] ^ 0x10);
	b->len = at;
	r = parse_copy(b);
	assert(r == -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf b = { 0 };
	int n, r;

	if (size < 2)
		return 0;
	make(&b, data[0], data + 2, size - 2);
	n = count_items((unsigned char *)b.data, b.len);
	r = parse_copy(&b);
	if (data[0] & LATER) {
		assert(r == -EPROTONOSUPPORT);
		return 0;
	}
	if (n < 0 || data[0] & LONGER) {
		assert(r == -EBADMSG);
		return 0;
	}
	assert(r == 0);
	check(&b, n);
	check_damage(&b, data[1]);
	return 0;
}
