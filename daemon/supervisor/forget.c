#include "daemon/supervisor/forget.h"

#include "daemon/base/mem.h"
#include "daemon/supervisor/front.h"

bool forget_may(const struct process *p)
{
	return p->origin == PROCESS_CLIENT && !p->pid && !p->cleaning && process_is_settled_down(p);
}

/* ---- transient ones ------------------------------------------------------------------------- */

static bool is_over(const struct process *p, uint64_t incarnation)
{
	return p && p->transient && p->incarnation == incarnation && process_is_settled_down(p);
}

static void drop_told(struct forget *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct process *p = f->supervisor->slots[f->told[i].slot];

		if (!is_over(p, f->told[i].incarnation))
			continue;
		p->told = true;
		if (forget_may(p))
			process_free(p);
		else
			process_send_note(p);
	}
	f->n = 0;
}

static void remember(struct forget *f, const struct process *p)
{
	if (f->n == f->capacity) {
		size_t capacity = f->capacity ? f->capacity * 2 : 16;
		struct told *told = realloc(f->told, capacity * sizeof *told);

		if (!told)
			return; /* it goes with its session */
		f->told = told;
		f->capacity = capacity;
	}
	f->told[f->n++] = (struct told){ p->slot, p->incarnation };
}

void forget_told(struct supervisor *s, const char *name, uint64_t incarnation)
{
	const struct process *p = process_find(s, name);

	if (is_over(p, incarnation))
		remember(&s->front->forget, p);
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

	if (p->origin == PROCESS_CLIENT && !p->transient && s->front)
		s->front->forget.trim_due = true;
}

/* ---- the end of a turn ---------------------------------------------------------------------- */

static void after_replies(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct forget *f = container_of(w, struct forget, after_replies);

	(void)loop;
	(void)events;
	if ((!f->n && !f->trim_due) || rpc_server_owes(f->supervisor->rpc))
		return;
	drop_told(f);
	if (f->trim_due)
		trim(f->supervisor);
	f->trim_due = false;
	keeper_flush(f->supervisor);
	rpc_server_reply(f->supervisor->rpc); /* to who waited for what is gone now */
}

void forget_init(struct forget *f, struct supervisor *s)
{
	*f = (struct forget){ .supervisor = s };
	ev_prepare_init(&f->after_replies, after_replies);
	ev_set_priority(&f->after_replies, RPC_REPLIES_PRIORITY - 1);
	ev_prepare_start(s->loop, &f->after_replies);
}

void forget_done(struct forget *f)
{
	ev_prepare_stop(f->supervisor->loop, &f->after_replies);
	free(f->told);
}
