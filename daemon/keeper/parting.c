#include "daemon/keeper/parting.h"

#include <sys/ioctl.h>

#include "daemon/base/mem.h"

/* Each has a descriptor: with more, what is in the pipe is the logger's alone. */
#define PARTINGS_MAX 256

struct parting {
	struct parting *next;
	uint32_t id; /* not 0 */
	uint32_t slot;
	int fd; /* owned */
	size_t len;
	unsigned char body[]; /* struct link_log and its strings */
};

/* With LOG first: a logger that is new may not have heard of the stream. Where there is no room for that, the
 * next one will be told. */
static void tell(struct keeper *k, const struct parting *q)
{
	struct part *logger = &k->parts[PART_LOGGER];
	struct link_head h = { .type = LINK_LOG, .slot = q->slot };
	struct link_part part = { q->body, q->len };

	if (part_try_send(logger, &h, &part, 1, &q->fd, 1) < 0)
		return;
	h = (struct link_head){ .type = LINK_UNLOG, .slot = q->slot, .incarnation = q->id };
	part.len = sizeof(struct link_log);
	part_send(logger, &h, &part, 1, NULL, 0);
}

static struct parting *add(struct keeper *k, uint32_t id, uint32_t slot, int fd, const void *body,
			   size_t len)
{
	struct parting **place = &k->partings;
	struct parting *q = malloc(sizeof *q + len);

	if (!q)
		return NULL;
	*q = (struct parting){ .id = id, .slot = slot, .fd = fd, .len = len };
	memcpy(q->body, body, len);
	while (*place)
		place = &(*place)->next;
	*place = q;
	k->n_partings++;
	return q;
}

static bool is_empty(int pipe)
{
	int n = 0;

	return ioctl(pipe, FIONREAD, &n) == 0 && n == 0;
}

void parting_begin(struct keeper *k, const struct link_message *m, int fd)
{
	struct link_head h = { .type = LINK_UNLOG, .slot = m->head->slot };
	struct link_part part = { m->body, sizeof(struct link_log) };
	const struct link_log *l = (const void *)m->body;
	const struct parting *q = NULL;

	if (l->kind != LINK_LOG_NOWHERE && !is_empty(fd) && k->n_partings < PARTINGS_MAX) {
		k->last_parting = k->last_parting % UINT32_MAX + 1;
		q = add(k, k->last_parting, m->head->slot, fd, m->body, m->len);
	}
	if (q) {
		tell(k, q);
		return;
	}
	part_send(&k->parts[PART_LOGGER], &h, &part, 1, NULL, 0);
	close(fd);
}

int parting_add(struct keeper *k, uint32_t id, uint32_t slot, int fd, const void *body, size_t len)
{
	if (id > k->last_parting)
		k->last_parting = id;
	return add(k, id, slot, fd, body, len) ? 0 : -ENOMEM;
}

void parting_end(struct keeper *k, uint64_t id)
{
	struct parting **place = &k->partings, *q;

	while (*place && (*place)->id != id)
		place = &(*place)->next;
	q = *place;
	if (!q)
		return;
	*place = q->next;
	close(q->fd);
	free(q);
	k->n_partings--;
}

void partings_tell(struct keeper *k)
{
	for (const struct parting *q = k->partings; q; q = q->next)
		tell(k, q);
}

void partings_each(const struct keeper *k,
		   void (*on_parting)(void *data, uint32_t id, uint32_t slot, int fd,
				      const void *body, size_t len),
		   void *data)
{
	for (const struct parting *q = k->partings; q; q = q->next)
		on_parting(data, q->id, q->slot, q->fd, q->body, q->len);
}
