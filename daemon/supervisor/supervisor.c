/* supervisor.c - the owner of everything: boot, resume, what a turn does */
#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/cgroup.h"

#include <limits.h>
#include <signal.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/loop.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/env.h"
#include "daemon/supervisor/forkserver.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/returncode.h"

#define LINK_FD 3
#define STATUS_DELAY_S 0.2

static const struct process_asker foster = { .kind = ASKED_FOSTER };

/* ---- boot ---------------------------------------------------------------------------------------- */

/* RUNTIME and the socket: -s > socket= > $FOSTER_SOCKET > RUNTIME/foster.sock. */
static int choose_paths(struct supervisor *s)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR"), *env = getenv("FOSTER_SOCKET");
	const char *runtime = s->options.resume ? s->options.resume : s->conf->main.runtime_dir;
	const char *socket = s->options.socket ? s->options.socket : s->conf->main.socket;
	int n = 0;

	if (!runtime && geteuid() != 0 && !(xdg && xdg[0] == '/')) {
		log_error("fosterd", "runtime_dir= is not given and XDG_RUNTIME_DIR is not set");
		return -ENOENT;
	}
	if (runtime || geteuid() == 0)
		s->runtime_dir = strdup(runtime ? runtime : FOSTER_RUNDIR "/foster");
	else
		n = asprintf(&s->runtime_dir, "%s/foster", xdg);
	if (socket || (env && env[0] == '/'))
		s->socket_path = strdup(socket ? socket : env);
	else if (s->runtime_dir && n >= 0)
		n = asprintf(&s->socket_path, "%s/foster.sock", s->runtime_dir);
	if (n < 0 || !s->runtime_dir || !s->socket_path)
		nomem_exit("supervisor");
	return 0;
}

static struct link_part string_part(const char *text)
{
	return (struct link_part){ text ? text : "", text ? strlen(text) + 1 : 1 };
}

static void send_boot(struct supervisor *s)
{
	const struct conf_main *m = &s->conf->main;
	struct link_head h = { .type = LINK_BOOT };
	struct link_boot boot = {
		.socket_mode = (uint32_t)m->socket_mode,
		.socket_uid = m->socket_uid,
		.socket_gid = m->socket_gid,
		.uid = m->user ? m->uid : (uid_t)-1,
		.gid = m->user ? m->gid : (gid_t)-1,
		.umask = m->umask,
		.daemonize = m->daemonize && !s->options.nodaemon,
		.minfds = m->minfds,
		.logfile_maxbytes = m->logfile_maxbytes,
		.logfile_backups = m->logfile_backups,
		.watchdog_ms = (uint32_t)(m->watchdog * 1000),
	};
	struct link_part parts[] = {
		{ &boot, sizeof boot },
		string_part(s->runtime_dir),
		string_part(s->socket_path),
		string_part(s->options.pidfile ? s->options.pidfile : m->pidfile),
		string_part(m->logfile),
		string_part(m->directory),
		string_part(m->user),
	};

	keeper_send(s, &h, parts, ARRAY_SIZE(parts), NULL, 0);
}

/* ---- up ------------------------------------------------------------------------------------------- */

void supervisor_add(struct supervisor *s, const struct conf_process *def)
{
	struct process *p = process_new(s, s->conf, def, PROCESS_FILE);

	if (!p && errno == ENOMEM)
		nomem_exit(def->full_name); /* the next one finds it missing */
	if (!p) {
		log_error(def->full_name, "cannot be added: %m");
		return;
	}
	if (def->program->autostart)
		(void)process_ask_start(p, &foster);
}

/* What is configured and not there, or was named and not begun when our predecessor died. */
static void add_or_begin(struct supervisor *s, const struct conf_process *def)
{
	struct process *p = process_find(s, def->full_name);

	if (!p)
		supervisor_add(s, def);
	else if (p->origin == PROCESS_FILE && !p->incarnation && p->asker.kind == ASKED_NOBODY &&
		 def->program->autostart)
		(void)process_ask_start(p, &foster);
}

static void send_ready(struct supervisor *s)
{
	struct link_head h = { .type = LINK_READY };

	keeper_send(s, &h, NULL, 0, NULL, 0);
	keeper_notify(s, "READY=1");
	s->status_due = true;
}

static void fail_boot(struct supervisor *s, const char *what, int err)
{
	log_error("fosterd", "cannot %s: %s", what, strerror(err));
	s->exit_status = 1;
	ev_break(s->loop, EVBREAK_ALL);
}

void supervisor_look_for_socket(const struct supervisor *s)
{
	if (access(s->socket_path, F_OK) < 0)
		log_warning("fosterd",
			    "its control socket %s: %s; nobody else can connect until a restart",
			    s->socket_path, strerror(errno));
}

void supervisor_welcome(struct supervisor *s)
{
	struct conf *next = take_ptr(s->next_conf);
	int r = 0;

	if (s->phase != SUPERVISOR_BOOTING)
		return;
	s->resumed = s->keeper.resumed;
	s->logger_pid = s->keeper.logger_pid;
	if (s->keeper.adopted && !s->resumed)
		next = reload_step_back(s);
	if (s->first_sources)
		r = reload_save(s, s->first_sources);
	conf_sources_free(take_ptr(s->first_sources));
	if (r < 0 && !s->resumed) {
		fail_boot(s, "save the configuration in the runtime directory", -r);
		return;
	}
	if (r < 0) /* what runs is more than that */
		log_error("supervisor", "cannot save the configuration in %s: %s", s->runtime_dir,
			  strerror(-r));
	s->phase = SUPERVISOR_UP;
	cgroup_init();
	if (!s->resumed)
		cgroup_sweep();
	take_over(s);
	spool_sweep(s);
	reload_step_forward(s, next);
	for (size_t i = 0; i < s->conf->n_processes && !s->keeper.leaving; i++)
		add_or_begin(s, &s->conf->processes[i]);
	supervisor_look_for_socket(s);
	r = methods_start(s);
	if (r < 0) {
		fail_boot(s, "serve the control socket", -r);
		return;
	}
	send_ready(s);
	if (s->resumed)
		log_info("supervisor", "has taken over %u processes",
			 HASH_CNT(by_name, s->processes));
	else
		log_info("fosterd", "%s, PID %d, listens on %s", FOSTER_VERSION,
			 s->keeper.keeper_pid, s->socket_path);
	if (s->keeper.leaving) /* a predecessor had begun to */
		supervisor_leave(s, s->keeper.leaving_status);
}

/* ---- changes of state ------------------------------------------------------------------------------ */

static void tell_children(struct supervisor *s, struct process *parent, bool up)
{
	for (struct process *p = s->processes; p; p = p->by_name.next) {
		if (!p->parent_name || strcmp(p->parent_name, process_name(parent)) != 0)
			continue;
		if (up)
			process_parent_up(p);
		else
			process_parent_down(p);
	}
}

static void check_exit_on(struct supervisor *s, struct process *p)
{
	const char *name = s->conf->main.exit_on;

	if (!name || s->phase != SUPERVISOR_UP || strcmp(name, process_name(p)) != 0 ||
	    !process_is_settled_down(p) || p->end.kind == PROCESS_NEVER)
		return;
	log_info(name, "has ended for good, and so does fosterd (exit_on)");
	supervisor_leave(s, p->end.kind == PROCESS_ENDED
				    ? returncode_for_shell(returncode_of(p->end.status))
				    : 1);
}

void supervisor_noticed(struct supervisor *s, struct process *p, enum process_state from)
{
	if (p->state == PROCESS_RUNNING && s->any_parents && s->phase == SUPERVISOR_UP)
		tell_children(s, p, true);
	if (process_state_is_alive(from) && !process_state_is_alive(p->state) && s->any_parents)
		tell_children(s, p, false);
	if (p->origin == PROCESS_SERVER)
		forkserver_noticed(p);
	check_exit_on(s, p);
	if (s->phase == SUPERVISOR_LEAVING)
		s->leaving_due = true;
}

void supervisor_orphaned(struct supervisor *s)
{
	if (s->phase == SUPERVISOR_UP || s->phase == SUPERVISOR_LEAVING) {
		log_error("supervisor", "fosterd is gone; ending what was to end with it");
		tree_kill_all(s);
		s->exit_status = 1;
	}
	ev_break(s->loop, EVBREAK_ALL);
}

/* ---- signals and status ------------------------------------------------------------------------------ */

static void log_table(const struct supervisor *s)
{
	for (const struct process *p = s->processes; p; p = p->by_name.next)
		log_info(process_name(p), "%s, slot %u, incarnation %llu, PID %d, restarts %u",
			 process_state_name(p->state), p->slot, (unsigned long long)p->incarnation,
			 p->pid, p->restarts);
}

void supervisor_signalled(struct supervisor *s, int number)
{
	struct link_head reopen = { .type = LINK_REOPEN };

	switch (number) {
	case SIGHUP:
		if (s->phase == SUPERVISOR_UP)
			reload_all(s);
		break;
	case SIGUSR1:
		log_table(s);
		break;
	case SIGUSR2:
		keeper_send(s, &reopen, NULL, 0, NULL, 0);
		break;
	default:
		supervisor_leave(s, 0);
	}
}

static void on_tell_status(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct supervisor *s = container_of(w, struct supervisor, tell_status);
	char text[64];

	(void)loop;
	(void)revents;
	if (s->phase != SUPERVISOR_UP || s->n_running == s->told_running)
		return;
	s->told_running = s->n_running;
	snprintf(text, sizeof text, "STATUS=%u processes are running", s->n_running);
	keeper_notify(s, text);
}

/* Soon, once for many changes; only if somebody listens. */
static void plan_status(struct supervisor *s)
{
	s->status_due = false;
	if (!getenv("NOTIFY_SOCKET") || ev_is_active(&s->tell_status))
		return;
	ev_timer_set(&s->tell_status, STATUS_DELAY_S, 0.);
	ev_timer_start(s->loop, &s->tell_status);
}

/* ---- one turn ------------------------------------------------------------------------------------------ */

static void before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct supervisor *s = container_of(w, struct supervisor, before_wait);
	bool more;

	(void)revents;
	if (s->phase == SUPERVISOR_UP || s->phase == SUPERVISOR_LEAVING) {
		do {
			process_drain(s);
			tree_turn(s);
			more = process_drain_spawns(s);
			if (s->leaving_due && !s->events)
				supervisor_leave_further(s);
		} while (s->events || more);
	}
	if (s->status_due)
		plan_status(s);
	keeper_flush(s);
	reload_commit(s);
	log_flush(); /* nobody waits for these words */
	if (s->phase == SUPERVISOR_GONE && !keeper_is_congested(s))
		ev_break(loop, EVBREAK_ALL);
}

static void free_all(struct supervisor *s)
{
	struct process *p, *next;

	HASH_ITER(by_name, s->processes, p, next)
	{
		HASH_DELETE(by_name, s->processes, p);
		process_discard(p);
	}
	conf_unref(s->conf);
	free(s->slots);
	free(s->runtime_dir);
	free(s->socket_path);
	free(s->fork_environ);
}

int supervisor_run(const struct supervisor_options *options)
{
	static struct supervisor s;
	int r;

	s.options = *options;
	s.listen_fd = -1;
	s.events_end = &s.events;
	s.spawns.end = &s.spawns.first;
	s.waiting.end = &s.waiting.first;
	s.exit_status = 1;
	s.told_running = UINT_MAX;
	srand48((long)(clock_real_ns() ^ (uint64_t)getpid()));
	ev_set_allocator(nomem_realloc);
	s.loop = loop_new();
	s.fork_environ = env_for_fork(environ);
	if (!s.loop || !s.fork_environ)
		nomem_exit("supervisor");
	r = reload_first(&s);
	if (r < 0)
		return 2;
	log_set_level(s.conf->main.loglevel);
	if (choose_paths(&s) < 0)
		return 1;
	if (keeper_open(&s, LINK_FD) < 0)
		nomem_exit("supervisor");
	ev_prepare_init(&s.before_wait, before_wait);
	ev_prepare_start(s.loop, &s.before_wait);
	ev_timer_init(&s.tell_status, on_tell_status, 0., 0.);
	send_boot(&s);
	log_gather();
	ev_run(s.loop, 0);
	log_flush();
	free_all(&s);
	return s.exit_status;
}
