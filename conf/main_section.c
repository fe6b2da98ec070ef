#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/place.h"
#include "conf/sections.h"
#include "conf/setting.h"
#include "conf/value.h"

static void store_owner(struct build *b, const struct ini_value *v, const char *text)
{
	struct conf_main *m = &b->conf->main;
	size_t len = strcspn(text, ":");
	const char *user = pool_strn(&b->pool, text, len);
	const char *name;
	gid_t unused;

	setting_user(b, v, user, &name, &m->socket_uid, &unused, NULL, NULL);
	if (text[len] && place_group(text + len + 1, &m->socket_gid) < 0)
		build_world_error(b, v, "there is no group '%s'", text + len + 1);
}

/* As a child's log file, but "nowhere" is stderr. */
static void store_logfile(struct build *b, const char *text, const struct ini_value *v)
{
	struct key file = *keys_find(SECTION_MAIN, "logfile");
	enum conf_log_kind kind = value_log_kind(text);

	file.type = KEY_FILE;
	file.offset = offsetof(struct conf_main, logfile);
	if (strcmp(text, "-") == 0 || kind == CONF_LOG_STDERR)
		b->conf->main.logfile = NULL;
	else if (kind == CONF_LOG_SYSLOG || kind == CONF_LOG_JOURNAL)
		build_warn(b, v,
			   "fosterd itself does not write to '%s'; its log goes to stderr, "
			   "which the journal reads under systemd",
			   text);
	else
		setting_store(b, &file, text, &b->conf->main, v);
}

static void store_nodaemon(struct build *b, const struct ini_value *v, const char *text)
{
	bool stay;

	if (value_bool(text, &stay) < 0)
		build_error(b, v, "'%s' is not valid (expected true or false)", text);
	else
		b->conf->main.daemonize = !stay;
}

static void store_on_exit(struct build *b, const struct ini_value *v, const char *text)
{
	unsigned n;

	if (value_word(text, v->known->words, 2, &n) < 0)
		build_error(b, v, "'%s' is not valid (expected leave or join)", text);
	else
		b->conf->main.join = n == 1;
}

static void store_other(struct build *b, const struct ini_value *v, const char *text)
{
	struct conf_main *m = &b->conf->main;

	if (v->known->type == KEY_USER)
		setting_user(b, v, text, &m->user, &m->uid, &m->gid, NULL, NULL);
	else if (strcmp(v->key, "logfile") == 0)
		store_logfile(b, text, v);
	else if (strcmp(v->key, "nodaemon") == 0)
		store_nodaemon(b, v, text);
	else if (strcmp(v->key, "on_exit") == 0)
		store_on_exit(b, v, text);
	else if (strcmp(v->key, "socket_owner") == 0)
		store_owner(b, v, text);
}

static void store(struct build *b, const struct ini_value *v)
{
	const char *text;

	if (!v->known)
		build_unknown_key(b, v);
	if (!v->known || v->known->type == KEY_IGNORED || v->known->type == KEY_ENVIRONMENT)
		return;
	text = build_text(b, v, &b->global);
	if (!text)
		return;
	if (v->known->type < KEY_USER)
		setting_store(b, v->known, text, &b->conf->main, v);
	else
		store_other(b, v, text);
}

/* First: its variables are ENV_… for everything else. */
static void store_environment(struct build *b, const struct ini_section *s)
{
	struct conf_main *m = &b->conf->main;
	const struct ini_value *v = s ? ini_get(&b->ini, s, "environment") : NULL;
	const char *text = v ? build_text(b, v, &b->world) : NULL;
	const char *const *own;

	m->environ = pool_vec(&b->pool, NULL, 0);
	if (text)
		setting_environment(b, text, v, NULL, &own, &m->environ);
	b->global = (struct expand_scope){ .outer = &b->world, .environ = m->environ };
}

static const char *temporary_directory(const struct build *b)
{
	static const char prefix[] = "TMPDIR=";

	for (const char *const *e = b->world.environ; e && *e; e++)
		if (strncmp(*e, prefix, strlen(prefix)) == 0 && (*e)[strlen(prefix)] == '/')
			return *e + strlen(prefix);
	return "/tmp";
}

static void set_defaults(struct build *b)
{
	struct conf_main *m = &b->conf->main;

	m->dialect = b->dialect;
	m->socket_uid = m->uid = (uid_t)-1;
	m->socket_gid = m->gid = (gid_t)-1;
	m->umask = -1;
	setting_defaults(b, SECTION_MAIN, false, m);
	if (b->dialect == CONF_SUPERVISORD) {
		m->logfile = place_path(b, keys_find(SECTION_MAIN, "logfile")->supervisord);
		m->childlogdir = pool_str(&b->pool, temporary_directory(b));
	}
}

/* supervisord changes its directory only when it goes to the background; a file that does not say
 * nodaemon=true means it to. */
static void settle_directory(struct build *b, const struct ini_section *s)
{
	struct conf_main *m = &b->conf->main;

	if (b->dialect == CONF_SUPERVISORD && !m->daemonize && ini_get(&b->ini, s, "nodaemon"))
		m->directory = NULL;
	if (m->directory)
		b->base = m->directory;
}

void main_section_method(struct build *b, const struct ini_section *s)
{
	const struct ini_value *v = s ? ini_get(&b->ini, s, "start_method") : NULL;
	const char *text = v ? build_text(b, v, &b->global) : NULL;

	if (text)
		setting_method(b, v, text, &b->conf->main.method, &b->conf->main.forkserver);
}

void main_section_build(struct build *b, const struct ini_section *s)
{
	set_defaults(b);
	store_environment(b, s);
	if (!s)
		return;
	for (const struct ini_value *v = s->values; v; v = v->next)
		store(b, v);
	settle_directory(b, s);
}
