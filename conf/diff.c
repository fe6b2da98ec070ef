#include <string.h>

#include "conf/conf.h"

static bool same_string(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_strings(const char *const *a, const char *const *b)
{
	if (!a || !b)
		return a == b;
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return *a == *b;
}

static bool has_string(const char *const *strings, const char *string)
{
	for (; *strings; strings++)
		if (strcmp(*strings, string) == 0)
			return true;
	return false;
}

static size_t count_of(const char *const *strings)
{
	size_t n = 0;

	while (strings[n])
		n++;
	return n;
}

/* Names are not repeated in an environment, and their order means nothing. */
static bool same_environ(const char *const *a, const char *const *b)
{
	if (!a || !b || count_of(a) != count_of(b))
		return a == b;
	for (; *a; a++)
		if (!has_string(b, *a))
			return false;
	return true;
}

static bool same_log(const struct conf_log *a, const struct conf_log *b)
{
	if (a->kind != b->kind || !same_string(a->path, b->path))
		return false;
	if (a->kind != CONF_LOG_FILE && a->kind != CONF_LOG_AUTO)
		return true;
	return a->maxbytes == b->maxbytes && a->backups == b->backups;
}

static bool same_restart(const struct conf_restart *a, const struct conf_restart *b)
{
	return a->autorestart == b->autorestart && a->startsecs == b->startsecs &&
	       a->startretries == b->startretries && a->native == b->native &&
	       a->delay == b->delay && a->delay_max == b->delay_max && a->jitter == b->jitter &&
	       a->give_up_count == b->give_up_count && a->give_up_secs == b->give_up_secs;
}

static bool same_start(const struct conf_program *a, const struct conf_program *b)
{
	return a->method == b->method && same_string(a->forkserver, b->forkserver) &&
	       same_string(a->entry, b->entry) && same_string(a->parent, b->parent) &&
	       a->daemon == b->daemon && a->priority == b->priority &&
	       a->autostart == b->autostart && a->own_session == b->own_session &&
	       a->umask == b->umask && same_string(a->user, b->user) && a->uid == b->uid &&
	       a->gid == b->gid && same_string(a->home, b->home) && same_string(a->shell, b->shell);
}

static bool same_stop(const struct conf_program *a, const struct conf_program *b)
{
	return a->stopsignal == b->stopsignal && a->stopwaitsecs == b->stopwaitsecs &&
	       a->stopasgroup == b->stopasgroup && a->killasgroup == b->killasgroup &&
	       a->kill_scope == b->kill_scope && same_strings(a->stop_command, b->stop_command) &&
	       memcmp(a->exitcodes, b->exitcodes, sizeof a->exitcodes) == 0;
}

static bool same_streams(const struct conf_program *a, const struct conf_program *b)
{
	return a->redirect_stderr == b->redirect_stderr && a->stdin_pipe == b->stdin_pipe &&
	       same_string(a->stdin_path, b->stdin_path) && a->log_full == b->log_full &&
	       a->log_format == b->log_format && a->log_prefix == b->log_prefix;
}

bool conf_process_same(const struct conf_process *a, const struct conf_process *b)
{
	return same_string(a->full_name, b->full_name) &&
	       same_string(a->program->name, b->program->name) && a->number == b->number &&
	       same_start(a->program, b->program) && same_stop(a->program, b->program) &&
	       same_restart(&a->program->restart, &b->program->restart) &&
	       same_streams(a->program, b->program) && same_strings(a->argv, b->argv) &&
	       same_strings(a->args, b->args) && same_environ(a->environ, b->environ) &&
	       same_string(a->directory, b->directory) && same_log(&a->out, &b->out) &&
	       same_log(&a->err, &b->err);
}

bool conf_forkserver_same(const struct conf_forkserver *a, const struct conf_forkserver *b)
{
	return same_string(a->name, b->name) && a->type == b->type &&
	       same_strings(a->command, b->command) &&
	       same_string(a->interpreter, b->interpreter) &&
	       same_strings(a->preload, b->preload) && same_environ(a->environ, b->environ) &&
	       same_string(a->directory, b->directory) && same_string(a->user, b->user) &&
	       a->uid == b->uid && a->gid == b->gid;
}

void conf_diff(const struct conf *from, const struct conf *to,
	       void (*on_change)(void *data, enum conf_change change, const struct conf_process *p),
	       void *data)
{
	for (size_t i = 0; i < from->n_processes; i++)
		if (!conf_find_process(to, from->processes[i].full_name))
			on_change(data, CONF_REMOVED, &from->processes[i]);
	for (size_t i = 0; i < to->n_processes; i++) {
		const struct conf_process *p = &to->processes[i];
		const struct conf_process *old = conf_find_process(from, p->full_name);

		if (!old)
			on_change(data, CONF_ADDED, p);
		else if (!conf_process_same(old, p))
			on_change(data, CONF_CHANGED, p);
	}
}
