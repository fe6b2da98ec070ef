/* request.c - one function a request of the supervisor
 *
 * Each returns 0 or -errno. A request that cannot be carried out as it stands changes nothing and is answered
 * with REFUSED: a bug of ours, which the supervisor says loudly, but for a name that has no room. */
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/adopt.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/parting.h"
#include "daemon/keeper/pipes.h"
#include "daemon/keeper/spawn.h"

static void refuse(struct keeper *k, const struct link_message *m, int err)
{
	struct link_head h = { .type = LINK_REFUSED,
			       .slot = m->head->slot,
			       .incarnation = m->head->incarnation };
	struct link_refused refused = { .type = m->head->type, .err = err };
	struct link_part part = { &refused, sizeof refused };

	log_debug("keeper", "request %s for slot %u was refused: %s", link_type_name(m->head->type),
		  m->head->slot, strerror(err));
	part_send(&k->parts[PART_SUPERVISOR], &h, &part, 1, NULL, 0);
}

static int on_boot(struct keeper *k, const struct link_message *m)
{
	if (!k->booted && setup(k, m) < 0) {
		keeper_exit(k, 1);
	} else if (k->replace_supervisor) {
		part_let_go(&k->parts[PART_SUPERVISOR]);
	} else if (k->booted) {
		keeper_welcome(k);
	}
	return 0;
}

static int on_ready(struct keeper *k)
{
	part_took_over(&k->parts[PART_SUPERVISOR]);
	k->configured = true;
	keeper_tell_outcome(k, 0);
	return 0;
}

static int on_name(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_note *note = link_take(m, &at, sizeof *note);
	const char *name = note ? link_take_str(m, &at) : NULL;
	int r = 0;

	if (!name || !name[0] || strlen(name) >= TABLE_NAME_BYTES)
		return -EINVAL;
	if (table_name(&k->table, m->head->slot)[0] == '\0')
		r = table_name_slot(&k->table, m->head->slot, name);
	if (r < 0)
		return r;
	slot_prepare(k, m->head->slot);
	slot_note(k, m->head->slot, note);
	return 0;
}

static int on_signal(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_signal *s = link_take(m, &at, sizeof *s);

	if (!s)
		return -EPROTO;
	slot_signal(k, m->head->slot, m->head->incarnation, s);
	return 0;
}

static int on_note(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_note *note = link_take(m, &at, sizeof *note);

	if (!note)
		return -EPROTO;
	slot_note(k, m->head->slot, note);
	return 0;
}

/* Those of many come in a row, which the logger may not read as quickly: what it has no room for is asked for
 * again when it has. */
static int on_log(struct keeper *k, const struct link_message *m)
{
	struct link_head h = { .type = LINK_LOG, .slot = m->head->slot };
	struct link_part body = { m->body, m->len };
	size_t at = 0;
	const struct link_log *l = link_take(m, &at, sizeof *l);
	struct slot *s = &k->slots[m->head->slot];
	struct part *logger = &k->parts[PART_LOGGER];
	int pipe = -EINVAL, r = 0;

	if (l && (l->stream == 1 || l->stream == 2))
		pipe = pipes_of(k, m->head->slot, (int)l->stream);
	if (pipe < 0)
		return pipe;
	if (logger->link->fd >= 0)
		r = partings_tell(k) < 0 ? -EAGAIN : link_leave_room(logger->link);
	if (r == 0)
		r = part_try_send(logger, &h, &body, 1, &pipe, 1);
	s->unlogged &= (uint8_t) ~(1U << l->stream);
	if (r != -EAGAIN)
		return r;
	s->unlogged |= (uint8_t)(1U << l->stream);
	k->any_unlogged = true;
	return 0;
}

static int forward_to_logger(struct keeper *k, const struct link_message *m)
{
	struct link_part body = { m->body, m->len };

	return part_try_send(&k->parts[PART_LOGGER], m->head, &body, 1, NULL, 0);
}

/* The logger has its own descriptor of the pipe, and drains it to where it led. What comes after this
 * gets a new one: a child that prints at once shall not be drained to the old place, too. */
static int on_unlog(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_log *l = link_take(m, &at, sizeof *l);
	int fd;

	if (!l || (l->stream != 1 && l->stream != 2))
		return -EPROTO;
	fd = pipes_take(k, m->head->slot, (int)l->stream);
	if (fd >= 0)
		parting_begin(k, m, fd);
	return 0;
}

static int on_hold(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_hold *what = link_take(m, &at, sizeof *what);

	if (!what || m->n_fds != 1 || !memchr(what->name, '\0', sizeof what->name))
		return -EPROTO;
	return hold_add(k, what, take_fd(m->fds[0]));
}

static int on_drop(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_hold *what = link_take(m, &at, sizeof *what);

	if (!what)
		return -EPROTO;
	hold_drop(k, what);
	return 0;
}

static int on_notify(const struct link_message *m)
{
	size_t at = 0;
	const char *text = link_take_str(m, &at);

	if (!text)
		return -EPROTO;
	notify(text);
	return 0;
}

static int on_leave(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_finish *f = link_take(m, &at, sizeof *f);

	k->leaving = true;
	k->exit_status = f ? f->status : 1;
	return 0;
}

static int on_upgrade(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const char *id = link_take_str(m, &at), *path = id ? link_take_str(m, &at) : NULL;

	if (!path)
		return -EPROTO;
	upgrade_begin(k, id, path);
	return 0;
}

static int on_adopt(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_forked *f = link_take(m, &at, sizeof *f);

	if (!f || m->n_fds != 1)
		return -EPROTO;
	adopt_found(k, m->head->slot, m->head->incarnation, f->pid, take_fd(m->fds[0]));
	return 0;
}

static int on_finish(struct keeper *k, const struct link_message *m)
{
	size_t at = 0;
	const struct link_finish *f = link_take(m, &at, sizeof *f);

	table_finish(&k->table);
	keeper_exit(k, f ? f->status : 1);
	return 0;
}

/* What is about a slot; it is in use. */
static int on_slot_request(struct keeper *k, const struct link_message *m)
{
	switch (m->head->type) {
	case LINK_SPAWN:
		slot_spawn(k, m);
		return 0;
	case LINK_ORDER:
		order_leave(k, m);
		return 0;
	case LINK_SIGNAL:
		return on_signal(k, m);
	case LINK_NOTE:
		return on_note(k, m);
	case LINK_ACK:
		slot_acknowledge(k, m->head->slot, m->head->incarnation);
		return 0;
	case LINK_FREE:
		slot_free(k, m->head->slot);
		return 0;
	case LINK_ADOPT:
		return on_adopt(k, m);
	case LINK_LOG:
		return on_log(k, m);
	case LINK_UNLOG:
		return on_unlog(k, m);
	case LINK_SYNC:
		return forward_to_logger(k, m);
	}
	return -EPROTO;
}

/* Of one that is free nothing can be asked, but to be free. */
static int on_slot(struct keeper *k, const struct link_message *m)
{
	if (m->head->slot >= TABLE_SLOTS || !k->booted)
		return -EINVAL;
	if (m->head->type == LINK_NAME)
		return on_name(k, m);
	if (!table_name(&k->table, m->head->slot)[0])
		return m->head->type == LINK_FREE ? 0 : -ENOENT;
	return on_slot_request(k, m);
}

static int carry_out(struct keeper *k, const struct link_message *m)
{
	switch (m->head->type) {
	case LINK_BOOT:
		return on_boot(k, m);
	case LINK_READY:
		return on_ready(k);
	case LINK_HOLD:
		return on_hold(k, m);
	case LINK_DROP:
		return on_drop(k, m);
	case LINK_NOTIFY:
		return on_notify(m);
	case LINK_REOPEN:
		return forward_to_logger(k, m);
	case LINK_LEAVE:
		return on_leave(k, m);
	case LINK_UPGRADE:
		return on_upgrade(k, m);
	case LINK_FINISH:
		return on_finish(k, m);
	case LINK_PONG:
		part_answered(&k->parts[PART_SUPERVISOR]);
		return 0;
	}
	return on_slot(k, m);
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
	int r;

	if (!is_indifferent(m->head->type))
		spawn_finish();
	r = carry_out(k, m);
	if (r < 0)
		refuse(k, m, -r);
}
