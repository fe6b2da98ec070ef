#include "daemon/keeper/handoff.h"

#include <sys/mman.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/hash.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/parting.h"

#define MAGIC 0x464f535453544154ULL
#define ALIGN8(n) (((n) + 7) & ~(size_t)7)

struct head {
	uint64_t magic;
	uint32_t version;
	int32_t keeper_pid;
	uint64_t body_bytes, sum;
};

struct item {
	uint32_t kind, size;
};

/* ---- write --------------------------------------------------------------------------------------- */

/* In two parts, the second of which may be empty. */
static void add_both(struct buf *b, enum handoff_kind kind, const void *head, size_t head_len,
		     const void *rest, size_t rest_len)
{
	static const char zeros[8];
	size_t len = head_len + rest_len;
	struct item item = { .kind = kind, .size = (uint32_t)len };

	buf_add(b, &item, sizeof item);
	buf_add(b, head, head_len);
	buf_add(b, rest, rest_len);
	buf_add(b, zeros, ALIGN8(len) - len);
}

static void add(struct buf *b, enum handoff_kind kind, const void *body, size_t len)
{
	add_both(b, kind, body, len, NULL, 0);
}

static void add_text(struct buf *b, enum handoff_text which, const char *text)
{
	uint32_t head[2] = { which };

	if (text)
		add_both(b, HANDOFF_TEXT, head, sizeof head, text, strlen(text) + 1);
}

static void add_keeper(struct buf *b, const struct keeper *k)
{
	struct handoff_keeper h = {
		.table_fd = k->table.fd,
		.runtime_fd = k->runtime_fd,
		.lock_fd = k->lock_fd,
		.listen_fd = k->listen_fd,
		.stdout_fd = k->stdout_fd,
		.stderr_fd = k->stderr_fd,
		.own_log_fd = k->own_log_fd,
		.link_version = LINK_VERSION,
		.flags = (k->socket_is_ours ? HANDOFF_SOCKET_IS_OURS : 0) |
			 (k->leaving ? HANDOFF_LEAVING : 0),
		.exit_status = k->exit_status,
		.nofile_soft = k->nofile.rlim_cur,
		.nofile_hard = k->nofile.rlim_max,
		.nofile_now = k->nofile_now,
		.started_ns = k->started_ns,
		.logfile_maxbytes = k->logfile_maxbytes,
		.logfile_backups = k->logfile_backups,
		.watchdog_ms = k->watchdog_ms,
	};

	for (int number = 1; number < 64; number++)
		if (sigismember(&k->pending_signals, number) == 1)
			h.signals |= UINT64_C(1) << number;
	add(b, HANDOFF_KEEPER, &h, sizeof h);
}

static void add_slot(struct buf *b, const struct keeper *k, uint32_t slot)
{
	const struct slot *s = &k->slots[slot];
	struct handoff_slot h = { .slot = slot,
				  .pidfd = s->on_pidfd.fd,
				  .stdin_fd = s->stdin_fd,
				  .log_fds = { s->log_fds[0], s->log_fds[1] },
				  .server_fd = -1,
				  .stored = s->stored };

	if (s->server)
		h.server_fd = server_link_fd(s->server, &h.loaded, &h.stays_parent);
	add(b, HANDOFF_SLOT, &h, sizeof h);
}

static void add_part(struct buf *b, const struct part *p, enum part_id id)
{
	struct handoff_part h = { .id = id,
				  .pid = p->pid,
				  .abandoned = p->abandoned,
				  .link_fd = p->link->fd,
				  .inode = p->who.inode,
				  .start_ticks = p->who.start_ticks };

	add(b, HANDOFF_PART, &h, sizeof h);
}

static void add_held(void *data, const struct link_hold *what, int fd)
{
	struct handoff_hold h = { .what = *what, .fd = fd };

	add(data, HANDOFF_HOLD, &h, sizeof h);
}

static void add_parting(void *data, uint32_t id, uint32_t slot, int fd, const void *body,
			size_t len)
{
	struct handoff_parting h = { .fd = fd, .slot = slot, .id = id };

	add_both(data, HANDOFF_PARTING, &h, sizeof h, body, len);
}

static void add_everything(struct buf *b, struct keeper *k)
{
	add_keeper(b, k);
	add_text(b, HANDOFF_RUNTIME_DIR, k->runtime_dir);
	add_text(b, HANDOFF_SOCKET, k->socket_path);
	add_text(b, HANDOFF_PIDFILE, k->pidfile);
	add_text(b, HANDOFF_LOGFILE, k->logfile);
	add_text(b, HANDOFF_UPGRADE_ID, upgrade_id(k));
	for (const int *fd = k->inherit; *fd >= 0; fd++)
		add(b, HANDOFF_INHERIT, fd, sizeof(int32_t));
	for (uint32_t i = 0; i < k->table.used_max; i++)
		if (k->slots[i].keeper && table_name(&k->table, i)[0])
			add_slot(b, k, i);
	hold_each(k, add_held, b);
	partings_each(k, add_parting, b);
	for (int i = 0; i < PART_MAX; i++)
		add_part(b, &k->parts[i], (enum part_id)i);
	add(b, HANDOFF_END, NULL, 0);
}

int handoff_write(struct keeper *k, int *ret_fd)
{
	auto_buf struct buf b = { 0 };
	struct head head = { .magic = MAGIC, .version = HANDOFF_VERSION, .keeper_pid = getpid() };

	buf_add(&b, &head, sizeof head);
	add_everything(&b, k);
	if (buf_error(&b))
		return -ENOMEM;
	head.body_bytes = b.len - sizeof head;
	head.sum = hash_bytes(b.data + sizeof head, b.len - sizeof head);
	memcpy(b.data, &head, sizeof head);
	return fd_sealed("fosterd-state", b.data, b.len, ret_fd);
}

/* ---- read ---------------------------------------------------------------------------------------- */

static size_t least_size(uint32_t kind)
{
	switch (kind) {
	case HANDOFF_KEEPER:
		return sizeof(struct handoff_keeper);
	case HANDOFF_TEXT:
		return 2 * sizeof(uint32_t) + 1;
	case HANDOFF_INHERIT:
		return sizeof(int32_t);
	case HANDOFF_SLOT:
		return sizeof(struct handoff_slot);
	case HANDOFF_HOLD:
		return sizeof(struct handoff_hold);
	case HANDOFF_PART:
		return sizeof(struct handoff_part);
	case HANDOFF_PARTING:
		return sizeof(struct handoff_parting) + sizeof(struct link_log);
	}
	return 0;
}

bool handoff_next(const struct handoff *h, size_t *at, enum handoff_kind *ret_kind,
		  const void **ret_body, size_t *ret_len)
{
	size_t offset = *at ? *at : sizeof(struct head);
	struct item item;

	if (offset > h->len || h->len - offset < sizeof item)
		return false;
	memcpy(&item, h->bytes + offset, sizeof item);
	offset += sizeof item;
	if (item.kind == HANDOFF_END || ALIGN8((size_t)item.size) > h->len - offset ||
	    item.size < least_size(item.kind))
		return false;
	*ret_kind = (enum handoff_kind)item.kind;
	*ret_body = h->bytes + offset;
	*ret_len = item.size;
	*at = offset + ALIGN8((size_t)item.size);
	return true;
}

static bool is_sensible(enum handoff_kind kind, const void *body, size_t len)
{
	const uint32_t *word = body; /* the first of most */

	switch (kind) {
	case HANDOFF_TEXT:
		return word[0] < HANDOFF_TEXT_MAX && !((const char *)body)[len - 1];
	case HANDOFF_SLOT:
		return word[0] < TABLE_SLOTS;
	case HANDOFF_PART:
		return word[0] < PART_MAX;
	case HANDOFF_PARTING:
		return word[1] < TABLE_SLOTS;
	case HANDOFF_HOLD:
		return memchr(((const struct handoff_hold *)body)->what.name, '\0',
			      sizeof(((struct link_hold *)0)->name));
	default:
		return true;
	}
}

/* The items are whole, the first is the keeper's and the last the end. */
static bool is_whole(const struct handoff *h)
{
	enum handoff_kind kind = HANDOFF_END;
	const void *body;
	size_t at = 0, len;
	bool first = true;

	while (handoff_next(h, &at, &kind, &body, &len)) {
		if (first != (kind == HANDOFF_KEEPER) || !is_sensible(kind, body, len))
			return false;
		first = false;
	}
	return !first && h->len - at == sizeof(struct item) &&
	       memcmp(h->bytes + at, &(struct item){ HANDOFF_END, 0 }, sizeof(struct item)) == 0;
}

int handoff_parse(struct handoff *ret, const void *bytes, size_t len)
{
	struct handoff h = { .bytes = bytes, .len = len };
	struct head head;

	if (len < sizeof head)
		return -EBADMSG;
	memcpy(&head, bytes, sizeof head);
	h.version = head.version;
	h.keeper_pid = head.keeper_pid;
	h.sum = head.sum;
	ret->version = head.version;
	if (head.magic == MAGIC && head.version > HANDOFF_VERSION)
		return -EPROTONOSUPPORT;
	if (head.magic != MAGIC || !head.version || head.body_bytes != len - sizeof head ||
	    head.sum != hash_bytes(h.bytes + sizeof head, len - sizeof head) || !is_whole(&h))
		return -EBADMSG;
	*ret = h;
	return 0;
}

int handoff_open(int fd, struct handoff *ret)
{
	ssize_t size = fd_sealed_size(fd);
	void *map;
	int r;

	if (size <= 0)
		return -EBADMSG;
	map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r = handoff_parse(ret, map, (size_t)size);
	if (r < 0)
		munmap(map, (size_t)size);
	else
		ret->map = map;
	return r;
}

void handoff_close(struct handoff *h)
{
	if (h->map)
		munmap(h->map, h->len);
	*h = (struct handoff){ 0 };
}

/* ---- descriptors --------------------------------------------------------------------------------- */

static int set_all(const int32_t *fds, size_t n, bool on)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		if (fds[i] >= 0)
			r = fd_set_cloexec(fds[i], on);
	return r;
}

static int set_keeper(const struct handoff_keeper *k, bool on)
{
	const int32_t fds[] = { k->table_fd,  k->runtime_fd, k->lock_fd,   k->listen_fd,
				k->stdout_fd, k->stderr_fd,  k->own_log_fd };

	return set_all(fds, ARRAY_SIZE(fds), on);
}

static int set_slot(const struct handoff_slot *s, bool on)
{
	const int32_t fds[] = { s->pidfd, s->stdin_fd, s->log_fds[0], s->log_fds[1], s->server_fd };

	return set_all(fds, ARRAY_SIZE(fds), on);
}

static int set_item(enum handoff_kind kind, const void *body, bool on)
{
	switch (kind) {
	case HANDOFF_KEEPER:
		return set_keeper(body, on);
	case HANDOFF_INHERIT:
		return set_all(body, 1, on);
	case HANDOFF_SLOT:
		return set_slot(body, on);
	case HANDOFF_HOLD:
		return set_all(&((const struct handoff_hold *)body)->fd, 1, on);
	case HANDOFF_PART:
		return set_all(&((const struct handoff_part *)body)->link_fd, 1, on);
	case HANDOFF_PARTING:
		return set_all(&((const struct handoff_parting *)body)->fd, 1, on);
	default:
		return 0;
	}
}

int handoff_set_cloexec(const struct handoff *h, bool on)
{
	enum handoff_kind kind;
	const void *body;
	size_t at = 0, len;
	int r = 0;

	while (r == 0 && handoff_next(h, &at, &kind, &body, &len))
		r = set_item(kind, body, on);
	return r;
}
