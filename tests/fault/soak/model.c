#include "tests/fault/soak/model.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/mem.h"

static const struct subject_kind kinds[] = {
	{ .prefix = "plain", .number = 2, .daemon = true },
	{ .prefix = "stays", .number = 2, .keys = "daemon = false\n" },
	{ .prefix = "again", .number = 3, .restarts = true, .daemon = true },
	{ .prefix = "spawn",
	  .number = 2,
	  .restarts = true,
	  .keys = "daemon = false\nstart_method = spawn\n" },
	{ .prefix = "served",
	  .number = 2,
	  .daemon = true,
	  .served = true,
	  .keys = "start_method = forkserver\n" },
	{ .prefix = "python",
	  .number = 1,
	  .restarts = true,
	  .daemon = true,
	  .served = true,
	  .keys = "start_method = forkserver:py\n" },
	{ .prefix = "client", .number = 3, .client = true, .daemon = true },
};

void model_init(struct model *m)
{
	*m = (struct model){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (unsigned k = 0; k < kinds[i].number; k++) {
			struct subject *s = &m->subjects[m->n++];

			s->kind = &kinds[i];
			snprintf(s->name, sizeof s->name, "%s%u", kinds[i].prefix, k);
			s->state = kinds[i].client ? SUBJECT_ABSENT : SUBJECT_NEW;
		}
}

void model_write_config(const struct model *m, struct buf *b, const char *soaker, const char *pages,
			const char *logs)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct subject *s = &m->subjects[i];

		if (s->kind->client || s->state == SUBJECT_ABSENT)
			continue;
		buf_addf(b,
			 "[program:%s]\ncommand = %s %s/%s %u\nautostart = false\n"
			 "autorestart = %s\nstartsecs = 0\nstartretries = 1000\n"
			 "restart_delay = 0.01\nrestart_delay_max = 0.05\nstdout_logfile = %s/%s\n"
			 "stdout_logfile_maxbytes = 64KB\nstdout_logfile_backups = 500\n%s",
			 s->name, soaker, pages, s->name, s->version,
			 s->kind->restarts ? "true" : "false", logs, s->name,
			 s->kind->keys ? s->kind->keys : "");
	}
}

/* ---- consequences --------------------------------------------------------------------------- */

void subject_started(struct subject *s)
{
	if (s->state == SUBJECT_RUNNING)
		return;
	s->state = SUBJECT_RUNNING;
	s->incarnation++;
	s->life++;
	s->version_running = s->version;
	s->pid = 0;
}

static void down(struct subject *s, enum subject_state state, int returncode)
{
	s->state = state;
	s->returncode = returncode;
	s->pid = 0;
}

void subject_stopped(struct subject *s, int returncode)
{
	if (s->state == SUBJECT_RUNNING)
		down(s, SUBJECT_STOPPED, returncode);
}

void subject_restarted(struct subject *s)
{
	subject_stopped(s, PAGE_STATUS_ON_TERM);
	subject_started(s);
}

void subject_ended(struct subject *s, int returncode)
{
	down(s, SUBJECT_EXITED, returncode);
	if (s->kind->restarts)
		subject_started(s);
}

void subject_defined(struct subject *s)
{
	s->incarnation = 0;
	s->state = SUBJECT_NEW;
	subject_started(s);
}

void subject_forgotten(struct subject *s)
{
	s->state = SUBJECT_ABSENT;
}

void subject_changed(struct subject *s)
{
	s->version++;
	if (s->state == SUBJECT_RUNNING)
		subject_restarted(s);
}

void subject_removed(struct subject *s)
{
	s->state = SUBJECT_ABSENT;
	s->pid = 0;
}

void subject_added(struct subject *s)
{
	s->state = SUBJECT_NEW;
	s->incarnation = 0;
}

static const char *const state_names[] = {
	[SUBJECT_ABSENT] = "",	       [SUBJECT_NEW] = "STOPPED",   [SUBJECT_RUNNING] = "RUNNING",
	[SUBJECT_STOPPED] = "STOPPED", [SUBJECT_EXITED] = "EXITED",
};

const char *subject_state_name(const struct subject *s)
{
	return state_names[s->state];
}

void subject_inherited(struct subject *s)
{
	if (s->state != SUBJECT_RUNNING)
		return;
	down(s, SUBJECT_EXITED, -SIGKILL);
	if (!s->kind->client)
		subject_started(s);
}
