/* backoff.h - whether, and when, an ended process is started again
 *
 * Pure: the clock and the random number are given. With supervisord's keys alone, its rules hold: a
 * failed start is tried again after 1, 2, 3, … seconds until startretries are used up; an end after
 * RUNNING leads to a restart at once, never limited. With a native key (restart_delay,
 * restart_delay_max, restart_jitter, give_up) both wait: restart_delay doubled with each failure in
 * a row up to restart_delay_max, made shorter by a random part of at most restart_jitter; a run that
 * lasted longer than restart_delay_max starts the row anew; give_up=N/SECONDS makes the Nth failure
 * within SECONDS the last.
 *
 * Source: supervisord's subprocess.rst and process.py. */
#ifndef FOSTER_SUPERVISOR_BACKOFF_H
#define FOSTER_SUPERVISOR_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

enum backoff_verdict {
	BACKOFF_SETTLED, /* no restart: it did what it should, or is not to be restarted */
	BACKOFF_NOW,
	BACKOFF_LATER,
	BACKOFF_GIVE_UP
};

/* What is remembered from end to end; lives in the process' note. */
struct backoff {
	unsigned start_failures; /* in a row, before RUNNING */
	unsigned failures; /* in a row, after RUNNING too (native) */
	unsigned crashes; /* since window_ns */
	uint64_t window_ns;
};

struct backoff_end {
	bool was_running; /* it had become RUNNING */
	bool spawned; /* false: it could not even be started */
	bool expected; /* exit status in exitcodes */
	bool once; /* a client's, not to be restarted: a failed start is final */
	uint64_t up_ns; /* how long it lived */
	uint64_t now_ns;
	double random; /* 0..1 */
};

/* Judge an end: updates b, sets *ret_delay_ns for BACKOFF_LATER. */
enum backoff_verdict backoff_judge(struct backoff *b, const struct conf_restart *r,
				   const struct backoff_end *end, uint64_t *ret_delay_ns);

/* It has become RUNNING: failed starts are forgotten. */
void backoff_running(struct backoff *b);

/* A person has started it: everything is forgotten. */
void backoff_reset(struct backoff *b);

#endif
