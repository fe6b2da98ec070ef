/* keeper_rig.h - a whole keeper on a bench: real but for what it executes
 *
 * keeper_run() runs as it is, in a runtime directory of its own: loop, links, sockets, table, pipes,
 * descriptors are real. This stands in the place of spawn.c, so that no message can execute anything: a
 * child is a real child of ours, which can be waited for, signalled and polled, but runs nothing. How a
 * spawn goes is said beforehand (enum rig_fate), in all the ways in which the real one can go: at once,
 * later, with a report that is still to come, failed, without a pidfd. kill(2) is the rig's, too: one that
 * would reach anything but a child of ours ends the program.
 *
 * The rig has the other ends of all links: it is supervisor, logger, and every forkserver. When its script
 * says that it was all, the rig kills the children that are left, acknowledges and frees every slot, and
 * ends the keeper as a supervisor would. Then nothing may be left: no descriptor, no child. */
#ifndef FOSTER_FUZZ_KEEPER_RIG_H
#define FOSTER_FUZZ_KEEPER_RIG_H

#include <stdbool.h>

#include "daemon/keeper/keeper.h"

#define RIG_SERVERS_MAX 4

enum rig_fate {
	RIG_RUNS,
	RIG_EXITS, /* at once */
	RIG_FAILS,
	RIG_LATER, /* spawn_begin(): runs, and is told later */
	RIG_FAILS_LATER,
	RIG_CAREFUL, /* its report is still to come: that it runs */
	RIG_FAILS_CAREFUL,
	RIG_NO_PIDFD,
	RIG_FATE_MAX
};

/* Two slots that an earlier keeper has left: one that it was about to spawn, one that runs. */
#define RIG_LEFT_SPAWNING 14
#define RIG_LEFT_LIVE 15

struct rig_script {
	/* The keeper is idle: give it something to do. False: that was all. */
	bool (*on_idle)(void *data);
	/* A message of the keeper to its supervisor; NULL: not interesting. */
	void (*on_fact)(void *data, const struct link_message *m);
	void *data;
};

/* An input: a row of records, whose last byte says how many bytes of each follow. */
struct rig_records {
	const uint8_t *data; /* what is left of it */
	size_t size;
	unsigned n; /* taken */
};

/* The next one, of size bytes, with its last cut to what there is; NULL: there are no more, or it were too
 * many. Returns what follows it. */
const uint8_t *rig_next_record(struct rig_records *in, void *ret, size_t size);

/* Run one, from its start to its end. */
void rig_run(const struct rig_script *script);

struct keeper *rig_keeper(void);

/* Our ends of its links; fd -1: there is none. i < RIG_SERVERS_MAX: forkservers, in the order of their
 * spawns. What they are sent is read by nobody, so that their links fill up. */
struct link *rig_supervisor(void);
struct link *rig_logger(void);
struct link *rig_server(unsigned i);

void rig_set_fate(enum rig_fate fate); /* of the spawns to come */

/* A child that the keeper has not made; -1: there are too many. */
pid_t rig_child(void);

/* How a process ends without the keeper. */
void rig_kill(pid_t pid);

/* What holds between any two turns: each slot is one of a kind, and its facts are true. */
void rig_check(void);

#endif
