#include "daemon/keeper/table_left.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/base/mem.h"

#define HEADER_BYTES_1 offsetof(struct table_header, pid_namespace)
#define RECORD_BYTES_1 offsetof(struct table_record, pipes)

static_assert(HEADER_BYTES_1 == 304 && RECORD_BYTES_1 == 288, "version 1 stays what it was");

/* ---- open ---------------------------------------------------------------------------------- */

static size_t header_bytes_of(uint32_t version)
{
	return version == 1 ? HEADER_BYTES_1 : sizeof(struct table_header);
}

static size_t record_bytes_of(uint32_t version)
{
	return version == 1 ? RECORD_BYTES_1 : sizeof(struct table_record);
}

int table_left_parse(struct table_left *ret, const void *bytes, size_t len)
{
	struct table_left t = { .bytes = bytes, .len = len };
	const struct table_header *h = &t.header;
	size_t slot_bytes;

	if (len < HEADER_BYTES_1)
		return -EBADMSG;
	memcpy(&t.header, bytes, HEADER_BYTES_1);
	if (h->magic != TABLE_MAGIC || h->version == 0)
		return -EBADMSG;
	if (h->version > TABLE_VERSION) {
		ret->header.version = h->version;
		return -EPROTONOSUPPORT;
	}
	t.header_bytes = header_bytes_of(h->version);
	slot_bytes = record_bytes_of(h->version) + TABLE_NAME_BYTES;
	if (h->record_bytes != record_bytes_of(h->version) || h->slots > TABLE_SLOTS ||
	    len < t.header_bytes + h->slots * slot_bytes)
		return -EBADMSG;
	memcpy(&t.header, bytes, t.header_bytes);
	t.header.boot_id[TABLE_BOOT_ID_BYTES - 1] = '\0';
	*ret = t;
	return 0;
}

/* Holes are left out, and cost nothing here either. */
static int read_data(int fd, unsigned char *to, off_t len)
{
	off_t at = 0, end;

	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && at < len) {
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0)
			break;
		end = end < len ? end : len;
		while (at < end) {
			ssize_t n = pread(fd, to + at, (size_t)(end - at), at);

			if (n <= 0)
				return n < 0 ? -errno : -EBADMSG; /* it was cut short */
			at += n;
		}
	}
	return at < 0 && errno != ENXIO ? -errno : 0;
}

int table_left_read(struct table_left *ret, int fd)
{
	struct stat st;
	size_t len;
	void *map;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -EBADMSG;
	len = st.st_size < (off_t)TABLE_BYTES ? (size_t)st.st_size : TABLE_BYTES;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	r = read_data(fd, map, (off_t)len);
	if (r == 0)
		r = table_left_parse(ret, map, len);
	if (r < 0)
		munmap(map, len);
	else
		ret->map = map;
	return r;
}

int table_left_open(struct table_left *ret, int directory_fd, const char *name)
{
	auto_close int fd =
		openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : table_left_read(ret, fd);
}

void table_left_close(struct table_left *t)
{
	if (t->map)
		munmap(t->map, t->len);
	*t = (struct table_left){ 0 };
}

/* ---- slots --------------------------------------------------------------------------------- */

static const char *name_of(const struct table_left *t, uint32_t slot, const struct table_record *r)
{
	size_t records = t->header.slots * (size_t)t->header.record_bytes;
	const char *name = (const char *)t->bytes + t->header_bytes + records +
			   slot * (size_t)TABLE_NAME_BYTES;

	if (r->use == TABLE_SHORT_NAME)
		name = (const char *)t->bytes + t->header_bytes +
		       slot * (size_t)t->header.record_bytes + offsetof(struct table_record, name);
	return name;
}

static bool is_name(const char *name, enum table_use use)
{
	return name[0] &&
	       memchr(name, '\0', use == TABLE_SHORT_NAME ? TABLE_SHORT_BYTES : TABLE_NAME_BYTES);
}

static bool is_sensible(const struct link_slot *f)
{
	bool has_process = f->state == LINK_SLOT_LIVE;

	return f->state < LINK_SLOT_STATE_MAX && f->step < LINK_STEP_MAX && f->pid >= 0 &&
	       (!has_process || f->pid > 1) &&
	       (f->server < TABLE_SLOTS || f->server == LINK_NO_SLOT);
}

bool table_left_next(const struct table_left *t, uint32_t *at, struct table_left_slot *ret)
{
	const struct table_pending *pending = &t->header.pending;
	size_t record_bytes = t->header.record_bytes;

	while (*at < t->header.slots) {
		struct table_record r = { 0 };
		uint32_t slot = (*at)++;

		memcpy(&r, t->bytes + t->header_bytes + slot * record_bytes, record_bytes);
		if (r.use != TABLE_SHORT_NAME && r.use != TABLE_LONG_NAME)
			continue;
		if (pending->valid == 1 && pending->slot == slot)
			r.entry = pending->entry;
		ret->name = name_of(t, slot, &r);
		if (!is_name(ret->name, r.use) || !is_sensible(&r.entry.facts))
			continue;
		ret->slot = slot;
		ret->entry = r.entry;
		memcpy(ret->pipes, r.pipes, sizeof r.pipes);
		return true;
	}
	return false;
}

bool table_left_is_of_here(const struct table_left *t)
{
	char boot_id[TABLE_BOOT_ID_BYTES] = "";
	uint64_t pid_namespace;

	table_here(boot_id, &pid_namespace);
	return strcmp(boot_id, t->header.boot_id) == 0 &&
	       (t->header.version == 1 || pid_namespace == t->header.pid_namespace);
}
