/* hold.c - descriptors held for the supervisor, found again by kind and id
 *
 * Few and rarely touched (client sessions, FIFOs), so a list serves. */
#include <errno.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/keeper.h"

struct held {
	struct held *next;
	struct link_hold what;
	int fd;
};

static struct held **find(struct keeper *k, const struct link_hold *what)
{
	struct held **h = &k->held;

	while (*h && ((*h)->what.kind != what->kind || (*h)->what.id != what->id))
		h = &(*h)->next;
	return h;
}

int hold_add(struct keeper *k, const struct link_hold *what, int fd)
{
	struct held **place = find(k, what);
	struct held *h;

	if (*place) { /* the request was repeated */
		close(fd);
		return 0;
	}
	h = malloc(sizeof *h);
	if (!h) {
		log_error("keeper", "cannot hold %.64s: %s", what->name, strerror(ENOMEM));
		close(fd);
		return -ENOMEM;
	}
	*h = (struct held){ .what = *what, .fd = fd };
	*place = h;
	return 0;
}

void hold_drop(struct keeper *k, const struct link_hold *what)
{
	struct held **place = find(k, what);
	struct held *h = *place;

	if (!h)
		return;
	*place = h->next;
	close(h->fd);
	free(h);
}

int hold_send_all(struct keeper *k)
{
	for (struct held *h = k->held; h; h = h->next) {
		struct link_head head = { .type = LINK_HELD };
		struct link_part part = { &h->what, sizeof h->what };
		int r = link_send(k->parts[PART_SUPERVISOR].link, &head, &part, 1, &h->fd, 1);

		if (r < 0)
			return r;
	}
	return 0;
}

void hold_each(const struct keeper *k,
	       void (*on_held)(void *data, const struct link_hold *what, int fd), void *data)
{
	for (const struct held *h = k->held; h; h = h->next)
		on_held(data, &h->what, h->fd);
}

void hold_done(struct keeper *k)
{
	while (k->held)
		hold_drop(k, &k->held->what);
}
