#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/sections.h"
#include "conf/setting.h"
#include "conf/text.h"
#include "conf/words.h"

/* With the longest that comes behind it, it is the name of a file. */
#define LOGGED_NAME_MAX (NAME_MAX - strlen("-stdout.log.9999"))

static void store_args(struct build *b, const struct ini_value *v, const char *text,
		       struct conf_process *p)
{
	auto_buf struct buf words = { 0 }, why = { 0 };
	size_t n = 0;
	int err = words_split(text, &words, &n, &why);

	if (err == -ENOMEM || buf_reserve(&why, 0) < 0)
		b->err = -ENOMEM;
	else if (err)
		build_error(b, v, "%s", why.data);
	else
		p->args = pool_vec(&b->pool, words.data, n);
}

static void store(struct build *b, const struct ini_value *v, const char *text,
		  struct process_draft *d)
{
	if (v->known->type < KEY_USER)
		setting_store(b, v->known, text, d, v);
	else if (v->known->type == KEY_COMMAND)
		d->process.argv = setting_words(b, text, v);
	else if (strcmp(v->key, "args") == 0)
		store_args(b, v, text, &d->process);
}

/* stdout_syslog= is a second place for supervisord. Here a stream has one: a file that was asked for
 * by name wins. */
static void settle_syslog(struct build *b, const struct ini_section *s, const char *key,
			  bool syslog, struct conf_log *log)
{
	if (!syslog)
		return;
	if (log->kind == CONF_LOG_NONE || log->kind == CONF_LOG_AUTO)
		log->kind = CONF_LOG_SYSLOG;
	else if (log->kind != CONF_LOG_SYSLOG)
		build_warn(b, ini_get(&b->ini, s, key),
			   "has no effect: the output goes to one place, the logfile");
}

static void settle_directory(const struct build *b, struct conf_log *log)
{
	if (log->kind == CONF_LOG_AUTO)
		log->path = b->conf->main.childlogdir;
}

bool conf_log_name_fits(const struct conf_process *p)
{
	bool is_auto = p->out.kind == CONF_LOG_AUTO || p->err.kind == CONF_LOG_AUTO;

	return !is_auto || strlen(p->full_name) <= LOGGED_NAME_MAX;
}

static void settle_logs(struct build *b, const struct program_work *w, struct process_draft *d)
{
	struct conf_process *p = &d->process;
	const struct ini_value *err_file = ini_get(&b->ini, w->section, "stderr_logfile");

	settle_syslog(b, w->section, "stdout_syslog", d->out_syslog, &p->out);
	settle_directory(b, &p->out);
	if (!w->program->redirect_stderr) {
		settle_syslog(b, w->section, "stderr_syslog", d->err_syslog, &p->err);
		settle_directory(b, &p->err);
		return;
	}
	if (err_file && p->err.kind != CONF_LOG_NONE && p->err.kind != CONF_LOG_AUTO)
		build_warn(b, err_file, "has no effect with redirect_stderr=true");
	p->err = (struct conf_log){ .kind = CONF_LOG_NONE };
}

/* process_name, checked, and the full name with its group. */
static void set_names(struct build *b, const struct program_work *w, const char *group,
		      const struct expand_scope *scope, struct conf_process *p)
{
	const struct ini_value *v = ini_get(&b->ini, w->section, "process_name");
	const char *text = v ? build_text(b, v, scope) : w->program->name;
	const char *begin = text, *end = text ? text + strlen(text) : NULL;
	auto_buf struct buf full = { 0 };
	const char *problem;

	p->group = group;
	p->name = p->full_name = group;
	if (!text)
		return;
	text_strip(&begin, &end);
	p->name = pool_strn(&b->pool, begin, (size_t)(end - begin));
	problem = v ? text_name_problem(p->name) : NULL; /* the section's name was checked */
	if (problem)
		build_error(b, v, "'%s': %s", p->name, problem);
	buf_addf(&full, "%s:%s", group, p->name);
	if (buf_reserve(&full, 0) < 0)
		b->err = -ENOMEM;
	else
		p->full_name = p->name == group ? group : pool_str(&b->pool, full.data);
	if (!problem && strlen(p->full_name) > CONF_NAME_MAX)
		build_section_error(b, w->section, "'%s': a full name has %d bytes at most",
				    p->full_name, CONF_NAME_MAX);
}

static struct process_work *add_work(struct build *b)
{
	if (b->n_processes == b->capacity) {
		size_t capacity = b->capacity ? b->capacity * 2 : 16;
		struct process_work *more =
			reallocarray(b->processes, capacity, sizeof *b->processes);

		if (!more) {
			b->err = -ENOMEM;
			return NULL;
		}
		b->processes = more;
		b->capacity = capacity;
	}
	return &b->processes[b->n_processes++];
}

static void build_one(struct build *b, const struct program_work *w, const char *group,
		      const struct expand_scope *scope, struct process_draft *d)
{
	const struct ini_value *env = ini_get(&b->ini, w->section, "environment");
	const char *text = env ? build_text(b, env, scope) : NULL;
	struct expand_scope inner = { .outer = scope };

	d->process.environ = b->conf->main.environ;
	d->process.args = pool_vec(&b->pool, NULL, 0);
	if (text)
		setting_environment(b, text, env, b->conf->main.environ, &inner.environ,
				    &d->process.environ);
	set_names(b, w, group, &inner, &d->process);
	for (const struct ini_value *v = w->section->values; v; v = v->next)
		if (v->known && (v->known->flags & KEY_EACH) && v->known->type != KEY_ENVIRONMENT &&
		    strcmp(v->key, "process_name") != 0 && (text = build_text(b, v, &inner)))
			store(b, v, text, d);
	settle_logs(b, w, d);
	if (b->sources && !b->sources->revived && !conf_log_name_fits(&d->process))
		build_section_error(b, w->section,
				    "'%s': with AUTO log files a full name has %zu bytes at most",
				    d->process.full_name, LOGGED_NAME_MAX);
}

void program_add_processes(struct build *b, struct program_work *w, const char *group,
			   int group_priority)
{
	for (unsigned i = 0; i < w->numprocs; i++) {
		const struct expand_name names[] = {
			{ .name = "program_name", .text = w->program->name },
			{ .name = "group_name", .text = group },
			{ .name = "process_num", .number = (long)w->numprocs_start + i },
			{ .name = "numprocs", .number = w->numprocs },
		};
		const struct expand_scope scope = { .outer = &b->global,
						    .names = names,
						    .n_names = 4 };
		struct process_draft d = b->process_defaults;
		struct process_work *work;

		d.process.program = w->program;
		d.process.number = w->numprocs_start + i;
		d.process.group_priority = group_priority;
		build_one(b, w, group, &scope, &d);
		work = add_work(b);
		if (!work)
			return;
		*work = (struct process_work){ .process = d.process,
					       .work = w,
					       .group_priority = group_priority,
					       .number = b->n_processes };
	}
}
