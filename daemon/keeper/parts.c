/* parts.c - the supervisor and the logger: started, replaced (watchdog.c: when they hang)
 *
 * A part that dies is replaced at once. A death speaks against it when it comes before the part has taken
 * over, or by a signal of its own making (SIGSEGV and the like) within a second after; SIGKILL from outside
 * never does. After ten such in a row the next one starts ten seconds later. A logger has taken over as soon
 * as it has answered once. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/proc.h"
#include "daemon/base/sig.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/parting.h"
#include "daemon/keeper/spawn.h"

#define EARLY_DEATHS_MAX 10
#define EARLY_NS NS_PER_S
#define SLOW_RESTART_S 10.
#define LAST_WORDS_S 5.
#define KILL_TO_LEAVE_S 2.
#define DATAGRAMS_A_TURN 16

static struct link links[PART_MAX];

static enum part_id id_of(const struct part *p)
{
	return (enum part_id)(p - p->keeper->parts);
}

/* ---- sending ---------------------------------------------------------------------------------- */

static void watch_writable(struct part *p)
{
	if (p->link->fd < 0)
		return;
	if (p->link->blocked)
		ev_io_start(p->keeper->loop, &p->on_writable);
	else
		ev_io_stop(p->keeper->loop, &p->on_writable);
}

int part_try_send(struct part *p, const struct link_head *h, const struct link_part *parts,
		  unsigned n, const int *fds, unsigned n_fds)
{
	int r;

	if (p->link->fd < 0)
		return 0; /* its successor will be told everything */
	r = link_send(p->link, h, parts, n, fds, n_fds);
	part_expect(p);
	return r == -EPIPE ? 0 : r;
}

void part_send(struct part *p, const struct link_head *h, const struct link_part *parts, unsigned n,
	       const int *fds, unsigned n_fds)
{
	int r = part_try_send(p, h, parts, n, fds, n_fds);

	if (r < 0)
		log_error("keeper", "cannot send %s to the %s: %s", link_type_name(h->type),
			  p->name, strerror(-r));
}

void parts_flush(struct keeper *k)
{
	for (int i = 0; i < PART_MAX; i++) {
		struct part *p = &k->parts[i];

		if (p->link->fd < 0 || !link_pending(p->link))
			continue;
		if (!p->link->blocked)
			(void)link_flush(p->link);
		watch_writable(p);
	}
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct part *p = w->data;

	(void)loop;
	(void)revents;
	(void)link_flush(p->link);
	watch_writable(p);
}

/* ---- the end of a part ------------------------------------------------------------------------- */

void part_let_go(struct part *p)
{
	ev_io_stop(p->keeper->loop, &p->on_readable);
	ev_io_stop(p->keeper->loop, &p->on_writable);
	ev_timer_stop(p->keeper->loop, &p->watch);
	link_done(p->link);
}

static void on_logger_message(void *data, const struct link_message *m)
{
	struct keeper *k = data;

	if (m->head->type == LINK_PONG)
		part_answered(&k->parts[PART_LOGGER]);
	else if (m->head->type == LINK_SYNCED)
		part_send(&k->parts[PART_SUPERVISOR], m->head, NULL, 0, NULL, 0);
	else if (m->head->type == LINK_UNLOGGED)
		parting_end(k, m->head->incarnation);
}

/* Carry out what it has said; returns the last result of link_receive(). */
static int receive(struct part *p, int datagrams)
{
	struct keeper *k = p->keeper;
	int r = 1;

	while (r == 1 && datagrams-- && p->link->fd >= 0)
		r = link_receive(p->link,
				 id_of(p) == PART_SUPERVISOR ? on_request : on_logger_message, k);
	spawn_finish();
	return r;
}

/* Our programs were replaced, and nobody has told us: without a supervisor nobody could. */
static void replaced_behind_us(const struct part *p)
{
	log_warning("keeper", "the %s is of another version; fosterd goes over to that, too",
		    p->name);
	upgrade_begin(p->keeper, "", "");
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct part *p = w->data;
	int r = receive(p, DATAGRAMS_A_TURN);

	(void)loop;
	(void)revents;
	if (r == -EPROTO)
		log_error("keeper", "the %s sent bytes that are no message", p->name);
	else if (r == -EPROTONOSUPPORT)
		replaced_behind_us(p);
	else if (r < 0 && r != -EAGAIN)
		log_error("keeper", "a message of the %s was lost: %s", p->name, strerror(-r));
	if (r <= 0 && r != -EAGAIN) { /* its successor repeats what came to nothing */
		if (p->pid > 0) /* without its link it is of no use */
			kill(p->pid, SIGKILL);
		part_let_go(p); /* after the signal: its end of file would mean that we are gone */
		p->faulty = r < 0;
	}
}

static void describe(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "killed by SIG%s", sig_name(WTERMSIG(status)));
	else
		snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
}

static bool is_of_its_own_making(int number)
{
	static const int own[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSYS };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (own[i] == number)
			return true;
	return false;
}

static bool speaks_against(const struct part *p, int status)
{
	if (p->faulty)
		return true;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return false;
	if (!p->ready)
		return true;
	return WIFSIGNALED(status) && is_of_its_own_making(WTERMSIG(status)) &&
	       clock_boot_ns() - p->ready_ns < EARLY_NS;
}

void part_start_successor(struct part *p)
{
	struct keeper *k = p->keeper;

	if (k->finishing)
		return;
	if (p->early_deaths < EARLY_DEATHS_MAX) {
		part_start(k, id_of(p));
		return;
	}
	log_error(p->name, "died %u times in a row as soon as it was started, next start in %.0f s",
		  p->early_deaths, SLOW_RESTART_S);
	ev_timer_set(&p->restart, SLOW_RESTART_S, 0.);
	ev_timer_start(k->loop, &p->restart);
}

/* Before any has taken over there is nobody to be lost but the survivors of an earlier fosterd. */
static bool is_hopeless(const struct keeper *k, const struct part *p, int status)
{
	if (id_of(p) != PART_SUPERVISOR || k->configured)
		return false;
	return WIFEXITED(status) || p->early_deaths >= EARLY_DEATHS_MAX;
}

static void break_when_alone(struct keeper *k)
{
	if (!k->parts[PART_SUPERVISOR].pid && !k->parts[PART_LOGGER].pid)
		ev_break(k->loop, EVBREAK_ALL);
}

void part_ended(struct keeper *k, struct part *p, int status)
{
	char how[64];

	bool was_let_go = p->link->fd < 0;

	p->pid = 0;
	ev_timer_stop(k->loop, &p->restart);
	ev_timer_stop(k->loop, &p->last_words);
	if (p->link->fd >= 0 && !k->finishing)
		(void)receive(p, -1); /* complete requests that it had sent are carried out */
	part_let_go(p);
	if (k->finishing) {
		break_when_alone(k);
		return;
	}
	if (id_of(p) == PART_SUPERVISOR && upgrade_lets_go(k))
		return;
	if (id_of(p) == PART_SUPERVISOR && k->replace_supervisor) {
		k->replace_supervisor = false;
		part_start(k, PART_SUPERVISOR);
		return;
	}
	p->early_deaths = speaks_against(p, status) ? p->early_deaths + 1 : 0;
	if (is_hopeless(k, p, status)) { /* it has said why: a bad configuration (2), … */
		keeper_exit(k, WIFEXITED(status) ? WEXITSTATUS(status) : 1);
		return;
	}
	describe(status, how, sizeof how);
	log_line(was_let_go && status == 0 ? LOG_DEBUG : LOG_WARNING, p->name,
		 "%s, starting its successor", how);
	part_start_successor(p);
}

/* It was told to finish, and has had its time. A file system that does not answer can keep even a killed
 * one (aside.h of the supervisor): at the end, not us; a successor waits for it, as two may never read from
 * one pipe. */
static void on_last_words(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct part *p = w->data;

	(void)revents;
	if (!p->killed) {
		log_warning(p->name, "does not end, killing it");
		p->killed = true;
		kill(p->pid, SIGKILL);
		ev_timer_set(w, KILL_TO_LEAVE_S, 0.);
		ev_timer_start(loop, w);
	} else if (p->keeper->finishing) {
		log_error(p->name, "PID %d cannot be killed, it is left behind", p->pid);
		p->pid = 0;
		break_when_alone(p->keeper);
	}
}

/* End of file on its link tells a part to finish: the logger drains every pipe first, unless another
 * follows. Who takes too long is killed. */
void part_replace(struct part *p)
{
	struct keeper *k = p->keeper;
	const struct link_head dismissal = { .type = LINK_FINISH, .incarnation = !k->finishing };

	if (p->link->fd >= 0 && id_of(p) == PART_LOGGER)
		(void)link_send(p->link, &dismissal, NULL, 0, NULL, 0);
	if (p->link->fd >= 0)
		(void)link_flush(p->link);
	part_let_go(p);
	ev_timer_stop(k->loop, &p->restart);
	if (p->pid <= 0)
		return;
	ev_timer_stop(k->loop, &p->last_words);
	ev_timer_set(&p->last_words, LAST_WORDS_S, 0.);
	ev_timer_start(k->loop, &p->last_words);
}

void parts_finish(struct keeper *k)
{
	for (int i = 0; i < PART_MAX; i++)
		part_replace(&k->parts[i]);
	break_when_alone(k);
}

void part_took_over(struct part *p)
{
	if (p->ready)
		return;
	p->ready = true;
	p->ready_ns = clock_boot_ns();
}

/* ---- starting ------------------------------------------------------------------------------------ */

/* A later keeper waits for those that outlive us by a moment. */
static void note(struct keeper *k, const struct part *p)
{
	table_note_part(&k->table, id_of(p),
			&(struct table_part){ .pid = p->pid,
					      .inode = p->who.inode,
					      .start_ticks = p->who.start_ticks });
}

void parts_note(struct keeper *k)
{
	for (int i = 0; i < PART_MAX; i++)
		note(k, &k->parts[i]);
}

static int spawn_part(struct keeper *k, struct part *p, char *const *argv, int link_fd)
{
	char path[4096];
	const char *paths[] = { path, NULL };
	struct spawn_plan plan = {
		.flags = LINK_SPAWN_SESSION | LINK_SPAWN_LOCAL,
		.fds = { k->null_fd, k->stdout_fd, STDERR_FILENO, link_fd, k->stderr_fd },
		.n_fds = 5,
		.umask = -1,
		.paths = paths,
		.argv = argv,
		.envp = environ,
	};
	struct spawn_result result;
	struct spawn_fail fail;

	proc_beside(p->program, path, sizeof path);
	if (spawn(&plan, &result, &fail) < 0) {
		log_error(p->name, "cannot start %s: %s: %s", path, link_step_name(fail.step),
			  strerror(fail.err));
		return -1;
	}
	pidinfo_identify(result.pidfd, result.pid, &p->who);
	if (result.pidfd >= 0)
		close(result.pidfd); /* SIGCHLD tells its end */
	if (result.report_fd >= 0)
		close(result.report_fd);
	p->pid = result.pid;
	if (k->table.header)
		note(k, p);
	return 0;
}

/* The supervisor gets fosterd's own arguments, and whether it takes over from another. */
static int start_supervisor(struct keeper *k, struct part *p, int link_fd)
{
	const char *argv[64] = { p->program };
	size_t n = 1;

	k->acks = 0;
	k->snapshot_next = LINK_NO_SLOT; /* its predecessor had asked for one: it will ask itself */
	if (k->configured) {
		argv[n++] = "--resume";
		argv[n++] = k->runtime_dir;
	}
	for (char *const *a = k->options->argv + 1; *a && n < ARRAY_SIZE(argv) - 1; a++)
		argv[n++] = *a;
	return spawn_part(k, p, (char *const *)argv, link_fd);
}

static void introduce_logger(struct keeper *k)
{
	struct link_head h = { .type = LINK_LOGGER,
			       .incarnation = (uint64_t)k->parts[PART_LOGGER].pid };
	struct link_log own = { .stream = 2,
				.maxbytes = k->logfile_maxbytes,
				.backups = k->logfile_backups,
				.mode = 0644 };
	struct link_head log_head = { .type = LINK_LOG, .slot = LINK_NO_SLOT };
	struct link_part body[] = { { &own, sizeof own },
				    { k->logfile, k->logfile ? strlen(k->logfile) + 1 : 0 },
				    { "\0fosterd", sizeof "\0fosterd" } }; /* prefix, name */

	if (k->own_log_fd >= 0)
		part_send(&k->parts[PART_LOGGER], &log_head, body, 3, &k->own_log_fd, 1);
	partings_tell_new_logger(k);
	if (k->snapshot_next == LINK_NO_SLOT && k->configured)
		part_send(&k->parts[PART_SUPERVISOR], &h, NULL, 0, NULL, 0);
}

int part_start(struct keeper *k, enum part_id id)
{
	static const char *const logger_argv[] = { "foster-logger", NULL };
	struct part *p = &k->parts[id];
	auto_close int theirs = -1;
	int ours, r;

	r = link_pair(&ours, &theirs);
	if (r == 0) {
		link_init(p->link, ours);
		r = id == PART_SUPERVISOR ? start_supervisor(k, p, theirs)
					  : spawn_part(k, p, (char *const *)logger_argv, theirs);
	}
	if (r < 0) {
		link_done(p->link);
		ev_timer_set(&p->restart, 1., 0.);
		ev_timer_start(k->loop, &p->restart);
		return -1;
	}
	p->ready = p->pinged = p->faulty = p->killed = false;
	ev_io_set(&p->on_readable, ours, EV_READ);
	ev_io_set(&p->on_writable, ours, EV_WRITE);
	ev_io_start(k->loop, &p->on_readable);
	if (id == PART_LOGGER)
		introduce_logger(k);
	part_expect(p);
	return 0;
}

void part_resume(struct part *p, pid_t pid, int link_fd)
{
	p->pid = pid;
	p->ready = true;
	p->ready_ns = clock_boot_ns();
	if (link_fd >= 0)
		link_init(p->link, link_fd);
}

/* A delayed start: it could not be started, or died too often. */
static void on_restart(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct part *p = w->data;

	(void)loop;
	(void)revents;
	part_start(p->keeper, id_of(p));
}

void parts_init(struct keeper *k)
{
	static const char *const names[PART_MAX] = { "supervisor", "logger" };
	static const char *const programs[PART_MAX] = { "foster-supervisor", "foster-logger" };

	for (int i = 0; i < PART_MAX; i++) {
		struct part *p = &k->parts[i];

		p->keeper = k;
		p->name = names[i];
		p->program = programs[i];
		p->link = &links[i];
		p->link->fd = -1;
		ev_io_init(&p->on_readable, on_readable, -1, EV_READ);
		ev_io_init(&p->on_writable, on_writable, -1, EV_WRITE);
		ev_timer_init(&p->restart, on_restart, 0., 0.);
		ev_timer_init(&p->last_words, on_last_words, 0., 0.);
		p->on_readable.data = p->on_writable.data = p;
		p->restart.data = p->last_words.data = p;
		watchdog_init(p);
	}
}
