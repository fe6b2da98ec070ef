#include "daemon/supervisor/forget.h"

#include "daemon/base/mem.h"
#include "daemon/supervisor/front.h"

bool forget_may(const struct process *p)
{
	return p->origin == PROCESS_CLIENT && !p->pid && !p->cleaning && process_is_settled_down(p);
}

/* ---- transient ones ------------------------------------------------------------------------- */

static void drop_told(struct forget *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct process *p = f->supervisor->slots[f->slots[i]];

		if (p && p->transient && p->told && forget_may(p))
			process_free(p);
	}
	f->n = 0;
}

static int remember(struct forget *f, uint32_t slot)
{
	if (f->n == f->capacity) {
		size_t capacity = f->capacity ? f->capacity * 2 : 16;
		uint32_t *slots = realloc(f->slots, capacity * sizeof *slots);

		if (!slots)
			return -ENOMEM; /* it goes with its session */
		f->slots = slots;
		f->capacity = capacity;
	}
	f->slots[f->n++] = slot;
	return 0;
}

void forget_told(struct supervisor *s, const char *name, uint64_t incarnation)
{
	struct forget *f = &s->front->forget;
	struct process *p = process_find(s, name);

	if (!p || !p->transient || p->incarnation != incarnation || !process_is_settled_down(p))
		return;
	p->told = true;
	process_send_note(p);
	if (remember(f, p->slot) == 0)
		ev_feed_event(s->loop, &f->soon, EV_CUSTOM);
}

/* ---- too many ------------------------------------------------------------------------------- */

static bool counts(const struct process *p)
{
	return !p->transient && forget_may(p);
}

struct aged {
	uint64_t since_ns;
	struct process *process;
};

static int by_age(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;

	return x->since_ns < y->since_ns ? -1 : x->since_ns > y->since_ns;
}

static size_t count(const struct supervisor *s)
{
	size_t n = 0;

	for (const struct process *p = s->processes; p; p = p->by_name.next)
		n += counts(p);
	return n;
}

static void collect(const struct supervisor *s, struct aged *list)
{
	for (struct process *p = s->processes; p; p = p->by_name.next)
		if (counts(p))
			*list++ = (struct aged){ p->stopped_ns ? p->stopped_ns : p->started_ns, p };
}

static void trim(struct supervisor *s)
{
	size_t n = count(s), keep = s->conf->main.keep_finished;
	auto_free struct aged *list = NULL;

	if (n <= keep)
		return;
	list = malloc(n * sizeof *list);
	if (!list)
		return; /* the next end tries again */
	collect(s, list);
	qsort(list, n, sizeof *list, by_age);
	for (size_t i = 0; i < n - keep; i++)
		process_free(list[i].process);
}

void forget_ended(const struct process *p)
{
	struct supervisor *s = p->supervisor;

	if (p->origin != PROCESS_CLIENT || p->transient || !s->front)
		return;
	s->front->forget.trim_due = true;
	ev_feed_event(s->loop, &s->front->forget.soon, EV_CUSTOM);
}

/* ---- soon ----------------------------------------------------------------------------------- */

static void on_soon(struct ev_loop *loop, ev_timer *w, int events)
{
	struct forget *f = container_of(w, struct forget, soon);

	(void)loop;
	(void)events;
	drop_told(f);
	if (f->trim_due)
		trim(f->supervisor);
	f->trim_due = false;
	keeper_flush(f->supervisor); /* this may be the end of the turn */
}

void forget_init(struct forget *f, struct supervisor *s)
{
	*f = (struct forget){ .supervisor = s };
	ev_timer_init(&f->soon, on_soon, 0., 0.);
}

void forget_done(struct forget *f)
{
	ev_clear_pending(f->supervisor->loop, &f->soon);
	free(f->slots);
}
