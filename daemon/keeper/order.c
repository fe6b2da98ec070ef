/* order.c - standing orders: what to start when the present child of a slot ends
 *
 * A restart costs a question to the supervisor and its answer: two wake-ups, more than the restart
 * itself. Where the supervisor knows its answer beforehand it leaves the SPAWN of the next incarnation
 * here. The child is then begun as soon as the present one has ended, and is nobody's until the
 * supervisor has heard of that end and asks for the same incarnation with the very same words:
 *
 *   LINK_ORDER            the present child ends          the same SPAWN
 *   ----------> standing -----------------------> begun ----------------> the slot's child, LIVE
 *                  |  an end that is not to lead     | another SPAWN, ACK, FREE, no order
 *                  |  to a start; ACK, FREE,         v
 *                  `--> none <-------------------- killed
 *
 * So the supervisor decides as ever, its successor, too, and a stop needs no rule of its own: what was
 * begun in vain is killed. An order is a favour. One that does not fit, or fails, is forgotten. */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/spawn.h"

#define ORDERS_BYTES_MAX ((size_t)256 << 10) /* of all orders together */

struct order {
	struct link_head head; /* the SPAWN that it stands for */
	uint8_t settled[32]; /* bit set of exit statuses that lead to no start */
	bool begun;
	struct spawn_result life; /* begun: whose it will be */
	int cgroup_fd; /* owned; -1 */
	uint64_t spawned_ns;
	size_t len;
	unsigned char body[] __attribute__((aligned(8))); /* as of SPAWN */
};

static size_t bytes; /* of all orders */

static void forget(struct keeper *k, uint32_t slot)
{
	struct order *o = k->slots[slot].order;

	bytes -= o->len;
	close_fd(&o->cgroup_fd);
	k->slots[slot].order = NULL;
	free(o);
}

void order_drop(struct keeper *k, uint32_t slot)
{
	struct order *o = k->slots[slot].order;

	if (!o)
		return;
	if (o->begun) {
		log_debug(table_name(&k->table, slot), "PID %d was begun in vain", o->life.pid);
		kill(-o->life.pid, SIGKILL); /* it leads a group: plans with orders say so */
		kill(o->life.pid, SIGKILL); /* and has perhaps not made it yet */
		close_fd(&o->life.pidfd);
		close_fd(&o->life.report_fd);
		reap_orphans_soon(k); /* it is one now */
	}
	forget(k, slot);
}

void order_leave(struct keeper *k, const struct link_message *m)
{
	struct slot *s = &k->slots[m->head->slot];
	size_t at = 0;
	const struct link_order *words = link_take(m, &at, sizeof *words);
	size_t len = m->len - at;
	const struct link_spawn *l = words ? link_take(m, &at, sizeof *l) : NULL;
	struct order *o;

	order_drop(k, m->head->slot);
	/* no descriptor but that of its cgroup: others would have to be kept open for long */
	if (!l || len > ORDERS_BYTES_MAX - bytes || m->n_fds != !!(l->flags & LINK_SPAWN_CGROUP))
		return;
	o = malloc(sizeof *o + len);
	if (!o)
		return;
	*o = (struct order){
		.head = *m->head,
		.cgroup_fd = m->n_fds ? take_fd(m->fds[0]) : -1,
		.len = len,
	};
	memcpy(o->settled, words->settled, sizeof o->settled);
	memcpy(o->body, l, len);
	bytes += len;
	s->order = o;
}

static bool leads_to_start(const struct order *o, int status)
{
	int code = WEXITSTATUS(status);

	return !WIFEXITED(status) || !(o->settled[code / 8] & 1 << code % 8);
}

void order_begin(struct keeper *k, uint32_t slot, int status)
{
	struct order *o = k->slots[slot].order;
	auto_free struct spawn_plan *plan = NULL;
	struct spawn_fail fail;
	unsigned n_fds;
	int fds[4];

	if (!o || o->begun || o->head.incarnation != table_incarnation(&k->table, slot) + 1 ||
	    !leads_to_start(o, status))
		return;
	const struct link_spawn *l = (const void *)o->body;
	const struct link_message m = { .head = &o->head,
					.body = o->body,
					.len = o->len,
					.fds = &o->cgroup_fd,
					.n_fds = o->cgroup_fd >= 0 };

	o->spawned_ns = clock_boot_ns();
	if (plan_fds(k, &m, l, fds, &n_fds) < 0 || plan_make(k, &m, l, fds, n_fds, &plan) < 0 ||
	    spawn(plan, &o->life, &fail) < 0) {
		forget(k, slot); /* the SPAWN will say why */
		return;
	}
	o->begun = true;
	keeper_let_child_run(k);
}

/* Whether the request is what was begun: all but the note, which is not the child's. */
static bool is_the_same(const struct order *o, const struct link_message *m)
{
	const size_t note = offsetof(struct link_spawn, note), after = sizeof(struct link_spawn);

	return m->head->incarnation == o->head.incarnation && m->len == o->len &&
	       memcmp(m->body, o->body, note) == 0 &&
	       memcmp(m->body + after, o->body + after, o->len - after) == 0;
}

bool order_claim(struct keeper *k, const struct link_message *m, struct spawn_result *ret_life,
		 uint64_t *ret_spawned_ns)
{
	uint32_t slot = m->head->slot;
	struct order *o = k->slots[slot].order;

	if (!o || !o->begun || !is_the_same(o, m)) {
		order_drop(k, slot);
		return false;
	}
	*ret_life = o->life;
	*ret_spawned_ns = o->spawned_ns;
	forget(k, slot);
	return true;
}

pid_t order_pid(const struct keeper *k, uint32_t slot)
{
	const struct order *o = k->slots[slot].order;

	return o && o->begun ? o->life.pid : 0;
}
