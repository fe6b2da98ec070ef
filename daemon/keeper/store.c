#include "daemon/keeper/store.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define AGAIN_S 0.1
#define FDNAME_MAX 255
#define OUT_OF_THE_WAY 64

/* ---- names ----------------------------------------------------------------------------------- */

/* False when it is too long. */
static bool encode(const char *name, char *text, size_t size)
{
	size_t n = 0;

	for (; *name; name++) {
		bool plain = isalnum((unsigned char)*name) || *name == '_' || *name == '-';

		if (n + 4 > size)
			return false;
		n += (size_t)snprintf(text + n, size - n, plain ? "%c" : "%%%02X",
				      (unsigned char)*name);
	}
	text[n] = '\0';
	return true;
}

static bool decode(const char *text, char *name, size_t size)
{
	size_t n = 0;
	unsigned byte;

	for (; *text && n < size - 1; text++) {
		byte = (unsigned char)*text;
		if (*text == '%') {
			if (sscanf(text + 1, "%2X", &byte) != 1 || !byte || !text[2])
				return false;
			text += 2;
		}
		name[n++] = (char)byte;
	}
	name[n] = '\0';
	return !*text && n > 0;
}

static void name_of(const struct keeper *k, uint32_t slot, uint64_t incarnation, char *text,
		    size_t size)
{
	int n = snprintf(text, size, "%u.%llu.", slot, (unsigned long long)incarnation);

	if (!encode(table_name(&k->table, slot), text + n, size - (size_t)n))
		text[n] = '\0'; /* the table must do */
}

/* ---- what we were given ---------------------------------------------------------------------- */

static struct given {
	int fd; /* -1: taken */
	uint32_t slot;
	uint64_t incarnation;
	char *fdname;
} * given;
static size_t n_given;

static bool read_name(struct given *g)
{
	unsigned long long incarnation;
	int end = 0;

	if (sscanf(g->fdname, "%u.%llu.%n", &g->slot, &incarnation, &end) != 2 || !end)
		return false;
	g->incarnation = incarnation;
	return true;
}

void store_open(void)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names);

	given = n > 0 ? calloc((size_t)n, sizeof *given) : NULL;
	for (int i = 0; i < n; i++) {
		struct given g = { .fd = SD_LISTEN_FDS_START + i, .fdname = names[i] };

		if (given && read_name(&g) && fd_move_above(&g.fd, OUT_OF_THE_WAY) == 0)
			given[n_given++] = g;
		else
			free(names[i]);
	}
	free(names);
}

static int take(struct given *g)
{
	int fd = g->fd;

	g->fd = -1;
	return fd;
}

int store_take(struct keeper *k, uint32_t slot, uint64_t incarnation)
{
	for (size_t i = 0; i < n_given; i++) {
		if (given[i].fd < 0 || given[i].slot != slot || given[i].incarnation != incarnation)
			continue;
		k->slots[slot].stored = incarnation; /* systemd keeps it, too */
		return take(&given[i]);
	}
	return -1;
}

/* The first that nobody has taken. */
static struct given *rest(char name[TABLE_NAME_BYTES])
{
	static size_t i;

	for (; i < n_given; i++) {
		const char *encoded = strchr(strchr(given[i].fdname, '.') + 1, '.') + 1;

		if (given[i].fd >= 0 && decode(encoded, name, TABLE_NAME_BYTES))
			return &given[i];
	}
	return NULL;
}

bool store_has_rest(char name[TABLE_NAME_BYTES])
{
	return rest(name);
}

int store_take_rest(uint64_t *ret_incarnation)
{
	char name[TABLE_NAME_BYTES];
	struct given *g = rest(name);

	if (!g)
		return -1;
	*ret_incarnation = g->incarnation;
	notify_remove(g->fdname); /* it gets another name */
	return take(g);
}

void store_forget_rest(void)
{
	for (size_t i = 0; i < n_given; i++) {
		if (given[i].fd >= 0) {
			notify_remove(given[i].fdname);
			close(given[i].fd);
		}
		free(given[i].fdname);
	}
	free(given);
	given = NULL;
	n_given = 0;
}

/* ---- what we give ---------------------------------------------------------------------------- */

static struct {
	struct keeper *keeper;
	ev_timer again;
} state;

/* Its life, until its end is acknowledged: whoever comes after us wants to know that, too. */
static uint64_t life_to_store(const struct keeper *k, uint32_t slot)
{
	const struct link_slot *f = table_facts(&k->table, slot);
	bool is_one = f->state == LINK_SLOT_LIVE || f->state == LINK_SLOT_ENDED;

	return is_one && k->slots[slot].on_pidfd.fd >= 0 && !(f->flags & LINK_FLAG_DIES)
		       ? table_incarnation(&k->table, slot)
		       : 0;
}

void store_update(struct keeper *k, uint32_t slot)
{
	struct slot *s = &k->slots[slot];
	uint64_t life = life_to_store(k, slot);
	char name[FDNAME_MAX + 1];

	if (s->stored && s->stored != life) {
		name_of(k, slot, s->stored, name, sizeof name);
		notify_remove(name);
		s->stored = 0;
	}
	if (s->stored == life)
		return;
	name_of(k, slot, life, name, sizeof name);
	if (notify_store(name, s->on_pidfd.fd) == -EAGAIN)
		ev_timer_start(k->loop, &state.again);
	else
		s->stored = life;
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct keeper *k = state.keeper;

	(void)revents;
	ev_timer_stop(loop, w);
	ev_timer_set(w, AGAIN_S, 0.);
	for (uint32_t i = 0; i < k->table.used_max; i++)
		if (k->slots[i].keeper)
			store_update(k, i);
}

void store_init(struct keeper *k)
{
	state.keeper = k;
	ev_timer_init(&state.again, on_again, AGAIN_S, 0.);
}
