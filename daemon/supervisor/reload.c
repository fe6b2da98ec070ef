/* reload.c - configuration: the first, and each one after it
 *
 * A configuration is read and checked whole before anything changes. Before it is applied, its
 * sources are saved in RUNTIME/config.next: from then on a successor goes on with it, too. */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/users.h"

static const struct process_asker foster = { .kind = ASKED_FOSTER };

static void print_problems(const struct conf_diag *diag)
{
	for (size_t i = 0; i < diag->n_problems; i++) {
		auto_free char *text = conf_problem_text(&diag->problems[i]);

		if (text)
			fprintf(stderr, "%s%s\n", text,
				diag->problems[i].fatal ? "" : " (warning)");
	}
}

static void log_problems(const struct conf_diag *diag)
{
	for (size_t i = 0; i < diag->n_problems; i++) {
		auto_free char *text = conf_problem_text(&diag->problems[i]);

		if (text)
			log_line(diag->problems[i].fatal ? LOG_ERR : LOG_WARNING, NULL, "%s", text);
	}
}

/* ---- the first ----------------------------------------------------------------------------------- */

static int load(const char *runtime_dir, const char *name, struct conf_sources **ret)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", runtime_dir, name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : conf_sources_load(fd, ret);
}

/* What only we lack the next one may have; another configuration than the one that runs is for a file
 * that is not there, or damaged. */
static bool read_saved(struct supervisor *s, const char *runtime_dir, struct conf_sources **ret)
{
	int r = load(runtime_dir, "config", ret);

	if (r == -ENOMEM)
		nomem_exit("supervisor");
	if (r < 0)
		log_error("supervisor", "%s/config %s, it reads %s instead", runtime_dir,
			  r == -EBADMSG ? "is damaged" : strerror(-r), s->options.config);
	return r == 0;
}

/* An update that a predecessor had begun. */
static void read_next(struct supervisor *s, const char *runtime_dir)
{
	struct conf_sources *sources = NULL;
	struct conf_diag diag = { 0 };
	int r = load(runtime_dir, "config.next", &sources);

	if (r == 0)
		r = conf_parse(sources, (const char *const *)environ, &s->next_conf, &diag);
	if (r == -ENOMEM)
		nomem_exit("supervisor");
	if (r < 0 && r != -ENOENT)
		log_error("supervisor", "%s/config.next is damaged, the last update is forgotten",
			  runtime_dir);
	conf_diag_done(&diag);
	conf_sources_free(sources);
}

/* What is read from the file has yet to be saved; what was saved has been found good before. */
int reload_first(struct supervisor *s)
{
	struct conf_sources *sources = NULL;
	struct conf_diag diag = { 0 };
	bool saved = s->options.resume && read_saved(s, s->options.resume, &sources);
	int r = 0;

	if (!saved)
		r = conf_read(s->options.config, (const char *const *)environ, &sources, &diag);
	if (r == 0)
		r = conf_parse(sources, (const char *const *)environ, &s->conf, &diag);
	if (!saved || r < 0)
		print_problems(&diag);
	if (r < 0 && !diag.n_problems)
		fprintf(stderr, "fosterd: %s: %s\n", s->options.config, strerror(-r));
	conf_diag_done(&diag);
	if (r == 0 && !saved)
		s->first_sources = take_ptr(sources);
	else if (r == 0)
		read_next(s, s->options.resume);
	conf_sources_free(sources);
	return r;
}

int reload_save(struct supervisor *s, const struct conf_sources *sources)
{
	char path[4096], beside[4096];
	int r;

	if (snprintf(beside, sizeof beside, "%s/config.new", s->runtime_dir) >= (int)sizeof beside)
		return -ENAMETOOLONG;
	snprintf(path, sizeof path, "%s/config.next", s->runtime_dir);
	auto_close int fd =
		open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = conf_sources_save(sources, fd);
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(beside);
	else
		s->config_due = true;
	return r;
}

void reload_commit(struct supervisor *s)
{
	char path[4096], next[4096];

	if (!s->config_due || keeper_is_congested(s))
		return;
	s->config_due = false;
	snprintf(path, sizeof path, "%s/config", s->runtime_dir);
	snprintf(next, sizeof next, "%s/config.next", s->runtime_dir);
	if (rename(next, path) < 0)
		log_error("supervisor", "cannot put %s in place: %m", path);
}

/* ---- compare ------------------------------------------------------------------------------------- */

int reload_read(struct supervisor *s, struct conf **ret_conf, struct conf_sources **ret_sources,
		struct conf_diag *diag)
{
	struct conf_sources *sources = NULL;
	struct conf *conf = NULL;
	int r = conf_read(s->options.config, (const char *const *)environ, &sources, diag);

	if (r == 0)
		r = conf_parse(sources, (const char *const *)environ, &conf, diag);
	if (r < 0) {
		conf_sources_free(sources);
		return r;
	}
	*ret_conf = conf;
	*ret_sources = sources;
	return 0;
}

static const struct conf_process *running_definition(const struct process *p)
{
	return p->next_def ? p->next_def : p->def;
}

void reload_changes(struct supervisor *s, const struct conf *conf,
		    void (*on_change)(void *data, enum conf_change change, const char *full_name),
		    void *data)
{
	assert(conf);
	for (struct process *p = s->processes, *next; p; p = next) {
		next = p->by_name.next;
		if (p->origin == PROCESS_FILE && !p->removed &&
		    !conf_find_process(conf, process_name(p)))
			on_change(data, CONF_REMOVED, process_name(p));
	}
	for (size_t i = 0; i < conf->n_processes; i++) {
		const struct conf_process *def = &conf->processes[i];
		const struct process *p = process_find(s, def->full_name);

		if (!p || p->origin != PROCESS_FILE || p->removed)
			on_change(data, CONF_ADDED, def->full_name);
		else if (!conf_process_same(running_definition(p), def))
			on_change(data, CONF_CHANGED, def->full_name);
	}
}

/* ---- apply --------------------------------------------------------------------------------------- */

struct update {
	struct supervisor *s;
	struct conf *conf, *before;
	const char *const *names; /* groups; NULL: all */
};

static bool is_meant(const struct update *u, const char *group)
{
	if (!u->names)
		return true;
	for (const char *const *name = u->names; *name; name++)
		if (strcmp(*name, group) == 0)
			return true;
	return false;
}

static void remove_process(struct process *p)
{
	p->removed = true;
	if (process_ask_stop(p, &foster) < 0 && !process_state_is_up(p->state))
		process_free(p);
}

static void change_process(struct process *p, struct conf *conf, const struct conf_process *def)
{
	bool up = process_state_is_up(p->state);

	process_redefine(p, conf, def);
	if (!p->want_up && p->asker.kind == ASKED_CLIENT)
		return; /* a person has stopped it, or is about to */
	if (up)
		(void)process_ask_restart(p, &foster);
	else if (def->program->autostart && !p->want_up)
		(void)process_ask_start(p, &foster);
}

/* It was removed, and is there again before it was gone. */
static void bring_back(struct process *p, struct conf *conf, const struct conf_process *def)
{
	p->removed = false;
	p->origin = PROCESS_FILE; /* a ghost no more */
	change_process(p, conf, def);
}

static void apply_change(void *data, enum conf_change change, const char *full_name)
{
	struct update *u = data;
	struct process *p = process_find(u->s, full_name);
	const struct conf_process *def = conf_find_process(u->conf, full_name);

	if (change == CONF_REMOVED ? !p : !def) /* as reload_changes() has found it */
		return;
	if (!is_meant(u, def ? def->group : p->def->group))
		return;
	if (change != CONF_ADDED || !conf_find_process(u->before, full_name))
		log_info(full_name, "configuration %s", conf_change_name(change));
	switch (change) {
	case CONF_REMOVED:
		remove_process(p);
		break;
	case CONF_CHANGED:
		change_process(p, u->conf, def);
		break;
	case CONF_ADDED:
		if (p && p->origin == PROCESS_CLIENT)
			log_warning(full_name, "not added: a client's process has that name");
		else if (p)
			bring_back(p, u->conf, def);
		else
			supervisor_add(u->s, def);
		break;
	case CONF_CHANGE_MAX:
		break;
	}
}

/* Those that did not change lie in the new configuration from now on. */
static void move_unchanged(struct update *u)
{
	for (struct process *p = u->s->processes, *next; p; p = next) {
		const struct conf_process *def;

		next = p->by_name.next;
		def = p->origin == PROCESS_FILE ? conf_find_process(u->conf, process_name(p))
						: NULL;
		if (def && !p->next_def && p->def != def && conf_process_same(p->def, def))
			process_redefine(p, u->conf, def);
	}
}

/* A forkserver whose definition changed is replaced; what it has made runs on. */
static void update_forkservers(struct supervisor *s, const struct conf *before)
{
	for (size_t i = 0; i < before->n_forkservers; i++) {
		const struct conf_forkserver *was = &before->forkservers[i];
		const struct conf_forkserver *is = conf_find_forkserver(s->conf, was->name);

		if (!is || !conf_forkserver_same(was, is))
			forkserver_changed(s, was->name);
	}
}

static void warn_of_restart_for(const char *key)
{
	log_warning(NULL, "%s= changed; it takes effect when fosterd is restarted", key);
}

static void warn_of_restart(const struct conf_main *a, const struct conf_main *b)
{
	const char *const pairs[][3] = { { "runtime_dir", a->runtime_dir, b->runtime_dir },
					 { "socket", a->socket, b->socket },
					 { "logfile", a->logfile, b->logfile },
					 { "pidfile", a->pidfile, b->pidfile },
					 { "directory", a->directory, b->directory },
					 { "user", a->user, b->user } };
	const struct {
		const char *key;
		bool changed;
	} others[] = {
		{ "socket_mode", a->socket_mode != b->socket_mode },
		{ "socket_owner",
		  a->socket_uid != b->socket_uid || a->socket_gid != b->socket_gid },
		{ "logfile_maxbytes", a->logfile_maxbytes != b->logfile_maxbytes },
		{ "logfile_backups", a->logfile_backups != b->logfile_backups },
		{ "umask", a->umask != b->umask },
		{ "minfds", a->minfds != b->minfds },
		{ "nodaemon", a->daemonize != b->daemonize },
		{ "watchdog", a->watchdog != b->watchdog },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *was = pairs[i][1] ? pairs[i][1] : "",
			   *is = pairs[i][2] ? pairs[i][2] : "";

		if (strcmp(was, is) != 0)
			warn_of_restart_for(pairs[i][0]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (others[i].changed)
			warn_of_restart_for(others[i].key);
}

static void change_to(struct supervisor *s, struct conf *conf, const char *const *names)
{
	struct conf *before = s->conf;
	struct update u = { .s = s, .conf = conf, .before = before, .names = names };

	assert(before && conf);
	s->conf = conf_ref(conf);
	users_forget();
	log_set_level(conf->main.loglevel);
	update_forkservers(s, before);
	reload_changes(s, conf, apply_change, &u);
	move_unchanged(&u);
	conf_unref(before);
}

int reload_apply(struct supervisor *s, struct conf *conf, const struct conf_sources *sources,
		 const char *const *names)
{
	int r = reload_save(s, sources);

	assert(s->conf && conf);
	if (r < 0)
		return r;
	warn_of_restart(&s->conf->main, &conf->main);
	change_to(s, conf, names);
	return 0;
}

/* ---- after another fosterd ------------------------------------------------------------------------ */

struct conf *reload_step_back(struct supervisor *s)
{
	struct conf_sources *sources = NULL;
	struct conf_diag diag = { 0 };
	struct conf *left = NULL, *conf = s->conf;
	int r;

	if (!read_saved(s, s->runtime_dir, &sources))
		return NULL;
	r = conf_parse(sources, (const char *const *)environ, &left, &diag);
	if (r == -ENOMEM)
		nomem_exit("supervisor");
	if (r < 0)
		log_warning("supervisor",
			    "%s/config: what was running cannot be understood, "
			    "it is compared by name only",
			    s->runtime_dir);
	conf_diag_done(&diag);
	conf_sources_free(sources);
	if (!left)
		return NULL;
	s->conf = left;
	return conf;
}

void reload_step_forward(struct supervisor *s, struct conf *conf)
{
	if (!conf)
		return;
	change_to(s, conf, NULL);
	s->config_due = true;
	conf_unref(conf);
}

void reload_all(struct supervisor *s)
{
	struct conf_sources *sources = NULL;
	struct conf_diag diag = { 0 };
	struct conf *conf = NULL;
	int r;

	keeper_notify(s, "RELOADING=1\nSTATUS=Reading the configuration again");
	r = reload_read(s, &conf, &sources, &diag);
	log_problems(&diag);
	supervisor_look_for_socket(s);
	if (r == 0)
		r = reload_apply(s, conf, sources, NULL);
	if (r < 0)
		log_error(NULL, "the configuration was not reloaded, nothing has changed: %s",
			  diag.n_fatal ? "see above" : strerror(-r));
	else
		log_info(NULL, "the configuration was reloaded");
	conf_unref(conf);
	conf_sources_free(sources);
	conf_diag_done(&diag);
	keeper_notify(s, "READY=1");
	s->told_running = UINT_MAX;
	s->status_due = true;
}
