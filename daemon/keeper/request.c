/* request.c - one function a request of the supervisor
 *
 * A request that is not well formed is a bug of ours: it is said loudly and answered with REFUSED. */
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/adopt.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/pipes.h"
#include "daemon/keeper/spawn.h"

static void on_boot(struct keeper *k, const struct link_message *m)
{
	if (!k->booted && setup(k, m) < 0) {
		keeper_exit(k, 1);
	} else if (k->replace_supervisor) {
		part_let_go(&k->parts[PART_SUPERVISOR]);
	} else if (k->booted) {
		keeper_welcome(k);
	}
}

static void on_ready(struct keeper *k)
{
	part_took_over(&k->parts[PART_SUPERVISOR]);
	k->configured = true;
	keeper_tell_outcome(k, 0);
}

static void on_name(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_note *note = link_take(m, &at, sizeof *note);
	const char *name = note ? link_take_str(m, &at) : NULL;

	if (!name || strlen(name) >= TABLE_NAME_BYTES) {
		log_error("keeper", "slot %u: a name that does not fit was refused", m->head->slot);
		return;
	}
	slot_prepare(k, m->head->slot);
	if (table_name(&k->table, m->head->slot)[0] == '\0')
		table_name_slot(&k->table, m->head->slot, name);
	slot_note(k, m->head->slot, note);
}

static void on_log(struct keeper *k, const struct link_message *m)
{
	struct link_head h = { .type = LINK_LOG, .slot = m->head->slot };
	struct link_part body = { m->body, m->len };
	size_t at = 0;
	const struct link_log *l = link_take(m, &at, sizeof *l);
	int pipe = -EINVAL;

	if (l && (l->stream == 1 || l->stream == 2))
		pipe = pipes_of(k, m->head->slot, (int)l->stream);
	if (pipe < 0)
		log_error(table_name(&k->table, m->head->slot), "no log pipe: %s", strerror(-pipe));
	else
		part_send(&k->parts[PART_LOGGER], &h, &body, 1, &pipe, 1);
}

static void forward_to_logger(struct keeper *k, const struct link_message *m)
{
	struct link_part body = { m->body, m->len };

	part_send(&k->parts[PART_LOGGER], m->head, &body, 1, NULL, 0);
}

/* The logger has its own descriptor of the pipe, and drains it to where it led. What comes after this
 * gets a new one: a child that prints at once shall not be drained to the old place, too. */
static void on_unlog(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_log *l = link_take(m, &at, sizeof *l);

	if (k->parts[PART_LOGGER].link->fd < 0)
		return; /* its successor knows no old place, and takes what is in the pipe to the new */
	forward_to_logger(k, m);
	if (l && (l->stream == 1 || l->stream == 2))
		pipes_let_go(k, m->head->slot, (int)l->stream);
}

static void on_hold(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_hold *what = link_take(m, &at, sizeof *what);

	if (!what || m->n_fds != 1)
		log_error("keeper", "a HOLD without its descriptor was refused");
	else
		(void)hold_add(k, what, take_fd(m->fds[0]));
}

static void on_notify(const struct link_message *m)
{
	size_t at = 0;
	const char *text = link_take_str(m, &at);

	if (text)
		notify(text);
}

static void on_leave(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_finish *f = link_take(m, &at, sizeof *f);

	k->leaving = true;
	k->exit_status = f ? f->status : 1;
}

static void on_upgrade(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const char *id = link_take_str(m, &at), *path = id ? link_take_str(m, &at) : NULL;

	if (path)
		upgrade_begin(k, id, path);
}

static void on_adopt(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_forked *f = link_take(m, &at, sizeof *f);

	if (!f || m->n_fds != 1)
		log_error("keeper", "an ADOPT without its pidfd was refused");
	else
		adopt_found(k, m->head->slot, m->head->incarnation, f->pid, take_fd(m->fds[0]));
}

static void on_finish(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_finish *f = link_take(m, &at, sizeof *f);

	table_finish(&k->table);
	k->finishing = true;
	k->exit_status = f ? f->status : 1;
	parts_finish(k);
}

/* What is about a slot; slot is within the table. */
static void on_slot_request(struct keeper *k, const struct link_message *m)
{
	uint32_t slot = m->head->slot;
	size_t at = 0;
	const void *body;

	switch (m->head->type) {
	case LINK_NAME:
		on_name(k, m);
		break;
	case LINK_SPAWN:
		slot_spawn(k, m);
		break;
	case LINK_ORDER:
		order_leave(k, m);
		break;
	case LINK_SIGNAL:
		body = link_take(m, &at, sizeof(struct link_signal));
		if (body)
			slot_signal(k, slot, m->head->incarnation, body);
		break;
	case LINK_NOTE:
		body = link_take(m, &at, sizeof(struct link_note));
		if (body)
			slot_note(k, slot, body);
		break;
	case LINK_ACK:
		slot_acknowledge(k, slot, m->head->incarnation);
		break;
	case LINK_FREE:
		slot_free(k, slot);
		break;
	case LINK_ADOPT:
		on_adopt(k, m);
		break;
	case LINK_LOG:
		on_log(k, m);
		break;
	case LINK_UNLOG:
		on_unlog(k, m);
		break;
	case LINK_SYNC:
		forward_to_logger(k, m);
		break;
	}
}

static bool is_of_slot(enum link_type type)
{
	return type <= LINK_SYNC || type == LINK_ADOPT;
}

/* Whether it means the same before and after the end of spawns that have begun. Those that come in rows
 * when many are started do. */
static bool is_indifferent(enum link_type type)
{
	return type == LINK_NAME || type == LINK_LOG || type == LINK_SPAWN;
}

void on_request(void *data, const struct link_message *m)
{
	struct keeper *k = data;
	size_t at = 0;

	if (!is_indifferent(m->head->type))
		spawn_finish();
	switch (m->head->type) {
	case LINK_BOOT:
		on_boot(k, m);
		return;
	case LINK_READY:
		on_ready(k);
		return;
	case LINK_HOLD:
		on_hold(k, m);
		return;
	case LINK_DROP:
		if (m->len >= sizeof(struct link_hold))
			hold_drop(k, link_take(m, &at, sizeof(struct link_hold)));
		return;
	case LINK_NOTIFY:
		on_notify(m);
		return;
	case LINK_REOPEN:
		forward_to_logger(k, m);
		return;
	case LINK_LEAVE:
		on_leave(k, m);
		return;
	case LINK_UPGRADE:
		on_upgrade(k, m);
		return;
	case LINK_FINISH:
		on_finish(k, m);
		return;
	case LINK_PONG:
		part_answered(&k->parts[PART_SUPERVISOR]);
		return;
	default:
		break;
	}
	if (m->head->slot >= TABLE_SLOTS || !is_of_slot(m->head->type) || !k->booted ||
	    (m->head->type != LINK_NAME && !k->slots[m->head->slot].keeper))
		log_error("keeper", "request %s for slot %u was refused",
			  link_type_name(m->head->type), m->head->slot);
	else
		on_slot_request(k, m);
}
