#include "daemon/keeper/birth.h"

#include <signal.h>
#include <sys/syscall.h>

#include "daemon/base/mem.h"

struct birth {
	struct birth *next;
	struct keeper *keeper;
	uint32_t slot;
	uint64_t incarnation;
	int pidfd; /* owned */
	ev_io on_end;
};

static struct birth *take(struct birth **list, uint32_t slot)
{
	struct birth *b;

	while (*list && (*list)->slot != slot)
		list = &(*list)->next;
	b = *list;
	if (b)
		*list = b->next;
	return b;
}

static void birth_free(struct birth *b)
{
	close(b->pidfd);
	free(b);
}

void birth_add(struct birth **list, struct keeper *k, const struct link_head *h, int pidfd)
{
	struct birth *b = malloc(sizeof *b);

	birth_forget(list, h->slot);
	if (!b) {
		close(pidfd);
		return;
	}
	*b = (struct birth){ .next = *list,
			     .keeper = k,
			     .slot = h->slot,
			     .incarnation = h->incarnation,
			     .pidfd = pidfd };
	*list = b;
}

void birth_forget(struct birth **list, uint32_t slot)
{
	struct birth *b = take(list, slot);

	if (b)
		birth_free(b);
}

static void spawn_failed(struct keeper *k, uint32_t slot)
{
	k->n_server_spawns--;
	slot_failed(k, slot, LINK_STEP_SERVER, ECONNRESET);
}

static void on_stillborn(struct ev_loop *loop, ev_io *w, int revents)
{
	struct birth *b = container_of(w, struct birth, on_end);
	struct keeper *k = b->keeper;

	(void)revents;
	ev_io_stop(loop, w);
	if (table_incarnation(&k->table, b->slot) == b->incarnation &&
	    table_facts(&k->table, b->slot)->state == LINK_SLOT_SPAWNING)
		spawn_failed(k, b->slot);
	else
		k->n_server_spawns--;
	reap_orphans_soon(k);
	birth_free(b);
}

void birth_fail(struct birth **list, struct keeper *k, uint32_t slot)
{
	struct birth *b = take(list, slot);

	if (!b) {
		spawn_failed(k, slot);
		return;
	}
	(void)syscall(SYS_pidfd_send_signal, b->pidfd, SIGKILL, NULL, 0);
	ev_io_init(&b->on_end, on_stillborn, b->pidfd, EV_READ);
	ev_io_start(k->loop, &b->on_end);
}
