#include "daemon/keeper/parting.h"

#include <sys/ioctl.h>
#include <utlist.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"

/* Each has a descriptor: with more, what is in the pipe is the logger's alone. */
#define HELD_MAX 256

struct parting {
	struct parting *prev, *next;
	uint32_t id; /* 0: it is forgotten as soon as the logger is told */
	uint32_t slot;
	int fd; /* owned; -1: not held */
	bool told;
	size_t len;
	unsigned char body[]; /* struct link_log and its strings */
};

/* With LOG first: a logger that is new may not have heard of the stream. 0, or -errno: not now. */
static int tell(struct keeper *k, const struct parting *q)
{
	struct part *logger = &k->parts[PART_LOGGER];
	struct link_head h = { .type = LINK_LOG, .slot = q->slot };
	struct link_part part = { q->body, q->len };
	int r = logger->link->blocked ? -EAGAIN : 0;

	if (r == 0 && q->fd >= 0)
		r = part_try_send(logger, &h, &part, 1, &q->fd, 1);
	h = (struct link_head){ .type = LINK_UNLOG, .slot = q->slot, .incarnation = q->id };
	part.len = sizeof(struct link_log);
	if (r == 0)
		r = part_try_send(logger, &h, &part, 1, NULL, 0);
	return r;
}

static void forget(struct keeper *k, struct parting *q)
{
	DL_DELETE(k->partings, q);
	k->n_held -= q->fd >= 0;
	close_fd(&q->fd);
	free(q);
}

static struct parting *add(struct keeper *k, uint32_t id, uint32_t slot, int fd, const void *body,
			   size_t len)
{
	struct parting *q = malloc(sizeof *q + len);

	if (!q)
		return NULL;
	*q = (struct parting){ .id = id, .slot = slot, .fd = fd, .len = len };
	memcpy(q->body, body, len);
	DL_APPEND(k->partings, q);
	k->n_held += fd >= 0;
	return q;
}

static bool is_empty(int pipe)
{
	int n = 0;

	return ioctl(pipe, FIONREAD, &n) == 0 && n == 0;
}

void parting_begin(struct keeper *k, const struct link_message *m, int fd)
{
	const struct link_log *l = (const void *)m->body;
	uint32_t id = 0;

	if (l->kind == LINK_LOG_NOWHERE || is_empty(fd) || k->n_held >= HELD_MAX)
		close_fd(&fd);
	else
		id = k->last_parting = k->last_parting % UINT32_MAX + 1;
	if (!add(k, id, m->head->slot, fd, m->body, m->len)) {
		log_error(table_name(&k->table, m->head->slot),
			  "no memory: its log pipe stays open until the next logger");
		close_fd(&fd);
	}
	k->any_untold = true;
	(void)partings_tell(k);
}

int parting_add(struct keeper *k, uint32_t id, uint32_t slot, int fd, const void *body, size_t len)
{
	struct parting *q = add(k, id, slot, fd, body, len);

	if (id > k->last_parting)
		k->last_parting = id;
	if (q)
		q->told = true;
	return q ? 0 : -ENOMEM;
}

void parting_end(struct keeper *k, uint64_t id)
{
	struct parting *q = k->partings;

	while (q && q->id != id)
		q = q->next;
	if (q && id)
		forget(k, q);
}

int partings_tell(struct keeper *k)
{
	struct parting *q = k->any_untold ? k->partings : NULL, *next;
	int r = 0;

	for (; q && r == 0; q = next) {
		next = q->next;
		if (q->told)
			continue;
		r = tell(k, q);
		q->told = r == 0;
		if (q->told && !q->id)
			forget(k, q);
	}
	k->any_untold = r < 0;
	return r;
}

void partings_tell_new_logger(struct keeper *k)
{
	struct parting *q, *next;

	for (q = k->partings; q; q = next) {
		next = q->next;
		q->told = false;
		if (!q->id)
			forget(k, q);
	}
	k->any_untold = true;
	(void)partings_tell(k);
}

void partings_each(const struct keeper *k,
		   void (*on_parting)(void *data, uint32_t id, uint32_t slot, int fd,
				      const void *body, size_t len),
		   void *data)
{
	for (const struct parting *q = k->partings; q; q = q->next)
		if (q->id)
			on_parting(data, q->id, q->slot, q->fd, q->body, q->len);
}
