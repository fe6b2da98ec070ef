#include "daemon/supervisor/backoff.h"

#include "daemon/base/clock.h"

void backoff_running(struct backoff *b)
{
	b->start_failures = 0;
}

void backoff_reset(struct backoff *b)
{
	*b = (struct backoff){ 0 };
}

/* The Nth failure within the window: a window begins with a failure outside the one before. */
static bool is_last_allowed(struct backoff *b, const struct conf_restart *r, uint64_t now_ns)
{
	if (!r->give_up_count)
		return false;
	if (!b->crashes || clock_seconds(b->window_ns, now_ns) > r->give_up_secs) {
		b->window_ns = now_ns;
		b->crashes = 0;
	}
	return ++b->crashes >= r->give_up_count;
}

static uint64_t native_delay(const struct backoff *b, const struct conf_restart *r, double random)
{
	double delay = r->delay;

	for (unsigned i = 1; i < b->failures && delay < r->delay_max; i++)
		delay *= 2;
	if (delay > r->delay_max)
		delay = r->delay_max;
	delay *= 1 - r->jitter * random;
	return (uint64_t)(delay * NS_PER_S);
}

static enum backoff_verdict judge_native(struct backoff *b, const struct conf_restart *r,
					 const struct backoff_end *end, uint64_t *ret_delay_ns)
{
	if (end->was_running && (double)end->up_ns > r->delay_max * NS_PER_S)
		b->failures = 0;
	b->failures++;
	if (!(end->was_running && end->expected) && is_last_allowed(b, r, end->now_ns))
		return BACKOFF_GIVE_UP;
	if (!r->give_up_count && b->start_failures > r->startretries)
		return BACKOFF_GIVE_UP;
	*ret_delay_ns = native_delay(b, r, end->random);
	return BACKOFF_LATER;
}

enum backoff_verdict backoff_judge(struct backoff *b, const struct conf_restart *r,
				   const struct backoff_end *end, uint64_t *ret_delay_ns)
{
	if (end->was_running &&
	    (r->autorestart == CONF_NEVER || (r->autorestart == CONF_UNEXPECTED && end->expected)))
		return BACKOFF_SETTLED;
	if (!end->was_running) {
		b->start_failures++;
		if (end->once)
			return end->spawned ? BACKOFF_SETTLED : BACKOFF_GIVE_UP;
	}
	if (r->native)
		return judge_native(b, r, end, ret_delay_ns);
	if (end->was_running)
		return BACKOFF_NOW;
	if (b->start_failures > r->startretries)
		return BACKOFF_GIVE_UP;
	*ret_delay_ns = b->start_failures * NS_PER_S;
	return BACKOFF_LATER;
}
