/* model.h - what must be true of each process of the soak
 *
 * A subject is a process by its name. Each thing that is done to it has one consequence here; what is
 * found is compared with that (checker.h). Pure: no process, no socket, no time. */
#ifndef FOSTER_TESTS_SOAK_MODEL_H
#define FOSTER_TESTS_SOAK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/buf.h"
#include "tests/fault/soak/page.h"

enum subject_state {
	SUBJECT_ABSENT, /* not configured, not defined */
	SUBJECT_NEW, /* STOPPED, and never ran */
	SUBJECT_RUNNING,
	SUBJECT_STOPPED, /* somebody asked for it */
	SUBJECT_EXITED /* by itself, and not to be restarted */
};

/* What the programs are like; see the table in model.c. */
struct subject_kind {
	const char *prefix;
	unsigned number;
	bool client; /* defined by a client, not by the file */
	bool restarts; /* autorestart */
	bool daemon;
	bool served; /* by a forkserver: when that dies, a start may take more than one attempt */
	const char *keys; /* of its section, beside what all have */
};

struct subject {
	char name[16];
	const struct subject_kind *kind;
	struct page *page;
	enum subject_state state;
	int returncode; /* STOPPED, EXITED */
	long long incarnation;
	uint32_t life; /* of its page: how often it must have been started */
	uint32_t version; /* of its definition */
	uint32_t version_running; /* of the definition that the running one was made from */
	uint32_t usr2; /* it must have got at least so many */
	pid_t pid; /* RUNNING: as last found, and to stay so; 0: not looked at since its start */
	bool busy; /* something is being done to it in this step */
};

#define MODEL_SUBJECTS 16

struct model {
	struct subject subjects[MODEL_SUBJECTS];
	size_t n;
};

void model_init(struct model *m);

/* The sections of all subjects that are in the file, for programs that run soaker PAGES/NAME VERSION;
 * logs are LOGS/NAME. */
void model_write_config(const struct model *m, struct buf *b, const char *soaker, const char *pages,
			const char *logs);

/* What is done, and its consequence. */
void subject_started(struct subject *s);
void subject_stopped(struct subject *s, int returncode);
void subject_restarted(struct subject *s);
void subject_ended(struct subject *s, int returncode); /* by itself: perhaps it is restarted */
void subject_defined(struct subject *s); /* by a client, which starts it */
void subject_forgotten(struct subject *s);
void subject_changed(struct subject *s); /* another definition is in force */
void subject_removed(struct subject *s); /* from the file */
void subject_added(struct subject *s);

/* It was to end with a keeper that was killed, if it ran: the next fosterd starts what the file has, and
 * nothing of a client's. */
void subject_inherited(struct subject *s);

/* The state in fosterd's words; "" for one that is absent. */
const char *subject_state_name(const struct subject *s);

#endif
