#include "tests/fault/soak/actions.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/fault/soak/checker.h"

#define TAIL_LINES 20

/* What else may be done in the step of an action. */
enum company {
	BESIDE_ALL,
	ALONE /* nothing, nor is a part of foster killed */
};

struct action {
	const char *name;
	unsigned weight; /* how often it is chosen; 0: never */
	/* NULL: without a subject. */
	bool (*possible)(const struct soak *k, const struct subject *s);
	void (*begin)(struct soak *k, struct job *j);
	void (*end)(struct soak *k, struct job *j);
	enum company company;
};

/* ---- fosterctl ------------------------------------------------------------------------------ */

static const char *name_of(const struct job *j)
{
	return j->subject ? j->subject->name : "-";
}

#define ctl(k, j, ...) ctl_argv(k, j, (const char *const[]){ __VA_ARGS__, NULL })
static void ctl_argv(struct soak *k, struct job *j, const char *const *args)
{
	size_t n = 0;

	j->argv[n++] = soak_format(k, "%s/fosterctl", k->f->build);
	while (*args && n < ARRAY_SIZE(j->argv) - 1)
		j->argv[n++] = *args++;
	j->argv[n] = NULL;
	j->ctl = (struct run){ .argv = j->argv };
	int r = run_start(&j->ctl);
	if (r < 0)
		soak_fail(k, "fosterctl cannot be started: %s", strerror(-r));
	k->commands++;
}

static struct result answer(struct soak *k, struct job *j)
{
	struct result result = { 0 };
	int r = run_finish(&j->ctl, 2 * FIXTURE_DEADLINE_MS, &k->arena, &result);

	if (r < 0)
		soak_fail(k, "%s %s: no answer: %s", j->action->name, name_of(j), strerror(-r));
	soak_note(k, "%s %s: answer %d %s", j->action->name, name_of(j), result.status, result.err);
	return result;
}

static struct result expect_answer(struct soak *k, struct job *j, int status)
{
	struct result r = answer(k, j);

	if (r.status != status)
		soak_fail(k, "%s %s: exit status %d, not %d: %s%s", j->action->name, name_of(j),
			  r.status, status, r.out, r.err);
	return r;
}

/* ---- possible ------------------------------------------------------------------------------- */

static bool is_there(const struct soak *k, const struct subject *s)
{
	(void)k;
	return s->state != SUBJECT_ABSENT;
}

static bool runs(const struct soak *k, const struct subject *s)
{
	(void)k;
	return s->state == SUBJECT_RUNNING;
}

static bool ran(const struct soak *k, const struct subject *s)
{
	return is_there(k, s) && s->state != SUBJECT_NEW;
}

static bool runs_once(const struct soak *k, const struct subject *s)
{
	return runs(k, s) && !s->kind->restarts;
}

static bool is_clients_and_down(const struct soak *k, const struct subject *s)
{
	(void)k;
	return s->kind->client && s->state != SUBJECT_RUNNING;
}

static bool is_forgettable(const struct soak *k, const struct subject *s)
{
	return is_clients_and_down(k, s) && is_there(k, s);
}

static bool is_configured(const struct soak *k, const struct subject *s)
{
	return !k->reloading && !s->kind->client && is_there(k, s);
}

static bool is_not_configured(const struct soak *k, const struct subject *s)
{
	return !k->reloading && !s->kind->client && !is_there(k, s);
}

/* ---- commands ------------------------------------------------------------------------------- */

/* For those whose name is the command. */
static void begin_command(struct soak *k, struct job *j)
{
	ctl(k, j, j->action->name, j->subject->name);
}

/* When the forkserver that is asked dies meanwhile, the start has failed, and is told so; it is tried
 * again by itself, as every start that fails. */
static void expect_started(struct soak *k, struct job *j)
{
	struct result r = answer(k, j);

	if (r.status != 0 && !(j->subject->kind->served && strstr(r.err, "forkserver: ")))
		soak_fail(k, "%s %s: exit status %d: %s", j->action->name, name_of(j), r.status,
			  r.err);
}

static void end_start(struct soak *k, struct job *j)
{
	expect_started(k, j);
	subject_started(j->subject);
}

static void end_stop(struct soak *k, struct job *j)
{
	expect_answer(k, j, 0);
	subject_stopped(j->subject, PAGE_STATUS_ON_TERM);
}

static void end_kill(struct soak *k, struct job *j)
{
	expect_answer(k, j, 0);
	subject_stopped(j->subject, -SIGKILL);
}

static void end_restart(struct soak *k, struct job *j)
{
	expect_started(k, j);
	subject_restarted(j->subject);
}

/* Done once: when its connection was lost nobody knows, and that is said. Then it is done again, which
 * is nothing to one that is stopped already. */
static void end_terminate(struct soak *k, struct job *j)
{
	struct result r;

	while ((r = answer(k, j)).status == 1 && strstr(r.err, "outcome unknown"))
		begin_command(k, j);
	if (r.status != 0)
		soak_fail(k, "terminate %s: exit status %d: %s", name_of(j), r.status, r.err);
	subject_stopped(j->subject, PAGE_STATUS_ON_TERM);
}

static void begin_signal(struct soak *k, struct job *j)
{
	ctl(k, j, "signal", "USR2", j->subject->name);
}

static void end_signal(struct soak *k, struct job *j)
{
	expect_answer(k, j, 0);
	j->subject->usr2++;
}

/* Defined anew, if it was there. Its log is ours: what it has by default goes when it is forgotten. */
static void begin_define(struct soak *k, struct job *j)
{
	struct subject *s = j->subject;

	s->version++;
	ctl(k, j, "start", s->name, "--set",
	    soak_format(k, "stdout_logfile=%s/logs/%s", k->f->dir, s->name), "--set",
	    "stdout_logfile_maxbytes=64KB", "--set", "stdout_logfile_backups=500", "--",
	    soak_format(k, "%s/tests/helpers/soaker", k->f->build),
	    soak_format(k, "%s/pages/%s", k->f->dir, s->name), soak_format(k, "%u", s->version));
}

static void end_define(struct soak *k, struct job *j)
{
	expect_answer(k, j, 0);
	subject_defined(j->subject);
}

static void end_forget(struct soak *k, struct job *j)
{
	expect_answer(k, j, 0);
	subject_forgotten(j->subject);
}

static void begin_run(struct soak *k, struct job *j)
{
	j->returncode = (int)soak_random(k, 100);
	ctl(k, j, "run", "-T", "--", fixture_child(k->f), "sleep", "5", "exit",
	    soak_format(k, "%d", j->returncode));
}

static void end_run(struct soak *k, struct job *j)
{
	expect_answer(k, j, j->returncode);
}

/* ---- what happens to a process by itself ---------------------------------------------------- */

static void hit(struct soak *k, struct job *j, int number)
{
	struct subject *s = j->subject;

	soak_note(k, "%s %s: PID %d gets signal %d", j->action->name, s->name, (int)s->pid, number);
	atomic_store(&s->page->status, (uint32_t)j->returncode);
	if (s->pid <= 1 || kill(s->pid, number) < 0)
		soak_fail(k, "%s has no process %d", s->name, (int)s->pid);
}

static void begin_exit(struct soak *k, struct job *j)
{
	j->returncode = (int)soak_random(k, 100);
	hit(k, j, SIGUSR1);
}

static void begin_crash(struct soak *k, struct job *j)
{
	static const int numbers[] = { SIGKILL, SIGHUP, SIGALRM, SIGPIPE };
	int number = numbers[soak_random(k, ARRAY_SIZE(numbers))];

	j->returncode = -number;
	hit(k, j, number);
}

static void end_by_itself(struct soak *k, struct job *j)
{
	(void)k;
	subject_ended(j->subject, j->returncode);
}

/* Whoever waits is told, and so is who begins to wait when it has ended. */
static void begin_wait(struct soak *k, struct job *j)
{
	begin_command(k, j);
	usleep(soak_random(k, 4000));
	begin_exit(k, j);
}

static void end_wait(struct soak *k, struct job *j)
{
	expect_answer(k, j, j->returncode);
	subject_ended(j->subject, j->returncode);
}

/* ---- logs ----------------------------------------------------------------------------------- */

static void begin_tail(struct soak *k, struct job *j)
{
	const struct page *p = j->subject->page;

	j->life = atomic_load(&p->life);
	j->lines = atomic_load(&p->lines[j->life % PAGE_LIVES]);
	ctl(k, j, "tail", "-n", soak_format(k, "%d", TAIL_LINES), j->subject->name);
}

/* The file may have been rotated just now, and hold less than what was asked for. */
static void end_tail(struct soak *k, struct job *j)
{
	struct result r = expect_answer(k, j, 0);
	unsigned life = 0, number = 0, n = 0;

	for (const char *line = r.out; *line; line = strchrnul(line, '\n') + 1, n++) {
		unsigned last_life = life, last = number;

		if (sscanf(line, "%u %u", &life, &number) != 2 || !strchr(line, '\n') ||
		    (n > 0 && life == last_life && number != last + 1) || life < last_life)
			soak_fail(k, "tail %s: bad line %u:\n%s", name_of(j), n, r.out);
	}
	if (n > 0 && (life < j->life || (life == j->life && number + 1 < j->lines)))
		soak_fail(k, "tail %s: ends with %u %u, but %u %u was printed", name_of(j), life,
			  number, j->life, j->lines - 1);
}

/* ---- the configuration ---------------------------------------------------------------------- */

static void reload(struct soak *k, struct job *j)
{
	auto_free char *text = soak_config(k);

	k->reloading = true;
	fixture_write_config(k->f, text);
	ctl(k, j, "reload");
}

static void begin_change(struct soak *k, struct job *j)
{
	subject_changed(j->subject);
	reload(k, j);
}

static void begin_remove(struct soak *k, struct job *j)
{
	subject_removed(j->subject);
	reload(k, j);
}

static void begin_add(struct soak *k, struct job *j)
{
	subject_added(j->subject);
	reload(k, j);
}

static void end_reload(struct soak *k, struct job *j)
{
	expect_answer(k, j, 0);
}

/* ---- the keeper ----------------------------------------------------------------------------- */

static void begin_upgrade(struct soak *k, struct job *j)
{
	ctl(k, j, "upgrade");
}

/* One at a time. A careful start that is under way may take longer than it waits for. */
static void end_upgrade(struct soak *k, struct job *j)
{
	struct result r = answer(k, j);

	if (r.status != 0 && !strstr(r.err, "another upgrade is under way"))
		soak_fail(k, "upgrade: exit status %d: %s", r.status, r.err);
}

/* What is in a pipe whose both ends die at the same moment, keeper and logger, dies with them. */
static void begin_successor(struct soak *k, struct job *j)
{
	(void)j;
	check_logger(k);
	soak_note(k, "the keeper %d gets signal %d", (int)k->f->fosterd, SIGKILL);
	fixture_kill(k->f->fosterd, SIGKILL);
}

/* Its daemon processes end with it; the others go on, and are those that the next fosterd finds. */
static void end_successor(struct soak *k, struct job *j)
{
	(void)j;
	assert_int_equal(fixture_ended(k->f), -SIGKILL);
	for (size_t i = 0; i < k->model.n; i++)
		if (k->model.subjects[i].kind->daemon && k->model.subjects[i].pid)
			fixture_until_dead(k->f, k->model.subjects[i].pid);
	fixture_spawn(k->f, (const char *const[]){ "-c", soak_path(k, "foster.ini"), NULL });
	fixture_wait_ready(k->f);
	varlink_close(&k->f->events);
	varlink_close(&k->f->calls);
	varlink_close(&k->calls);
	check_inheritance(k);
}

/* ---- the table ------------------------------------------------------------------------------ */

static const struct action actions[] = {
	{ "start", 40, is_there, begin_command, end_start, BESIDE_ALL },
	{ "stop", 12, is_there, begin_command, end_stop, BESIDE_ALL },
	{ "kill", 6, is_there, begin_command, end_kill, BESIDE_ALL },
	{ "terminate", 6, runs, begin_command, end_terminate, BESIDE_ALL },
	{ "restart", 15, runs, begin_command, end_restart, BESIDE_ALL },
	{ "signal", 10, runs, begin_signal, end_signal, BESIDE_ALL },
	{ "define", 10, is_clients_and_down, begin_define, end_define, BESIDE_ALL },
	{ "forget", 4, is_forgettable, begin_command, end_forget, BESIDE_ALL },
	{ "run", 10, NULL, begin_run, end_run, BESIDE_ALL },
	{ "exit", 15, runs, begin_exit, end_by_itself, BESIDE_ALL },
	{ "crash", 10, runs, begin_crash, end_by_itself, BESIDE_ALL },
	{ "wait", 12, runs_once, begin_wait, end_wait, BESIDE_ALL },
	{ "tail", 8, ran, begin_tail, end_tail, BESIDE_ALL },
	{ "change", 6, is_configured, begin_change, end_reload, BESIDE_ALL },
	{ "remove", 2, is_configured, begin_remove, end_reload, BESIDE_ALL },
	{ "add", 6, is_not_configured, begin_add, end_reload, BESIDE_ALL },
	{ "upgrade", 3, NULL, begin_upgrade, end_upgrade, BESIDE_ALL },
	{ "successor", 3, NULL, begin_successor, end_successor, ALONE },
};

static const struct action *choose(struct soak *k)
{
	unsigned sum = 0, at;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		sum += actions[i].weight;
	at = soak_random(k, sum);
	for (const struct action *a = actions;; at -= a++->weight)
		if (at < a->weight)
			return a;
}

/* One for which a is possible, beginning anywhere; NULL: none. */
static struct subject *choose_subject(struct soak *k, const struct action *a)
{
	size_t first = soak_random(k, (unsigned)k->model.n);

	for (size_t i = 0; i < k->model.n; i++) {
		struct subject *s = &k->model.subjects[(first + i) % k->model.n];

		if (!s->busy && a->possible(k, s))
			return s;
	}
	return NULL;
}

bool job_begin(struct soak *k, struct job *j, bool first)
{
	*j = (struct job){ .action = choose(k) };
	if (j->action->company == ALONE && (!first || k->keeper_lives))
		return false;
	if (j->action->possible) {
		j->subject = choose_subject(k, j->action);
		if (!j->subject)
			return false;
		j->subject->busy = true;
	}
	soak_note(k, "%s %s", j->action->name, name_of(j));
	j->action->begin(k, j);
	return true;
}

bool job_is_alone(const struct job *j)
{
	return j->action->company == ALONE;
}

void job_end(struct soak *k, struct job *j)
{
	j->action->end(k, j);
}

/* ---- rest ----------------------------------------------------------------------------------- */

static const struct action *action_named(const char *name)
{
	const struct action *a = actions;

	while (strcmp(a->name, name) != 0)
		a++;
	return a;
}

/* One action on one subject, alone. */
static void act(struct soak *k, const char *name, struct subject *s)
{
	struct job j = { .action = action_named(name), .subject = s };

	soak_note(k, "%s %s", name, s->name);
	j.action->begin(k, &j);
	j.action->end(k, &j);
	k->reloading = false;
	check_settled(k, s);
}

void actions_rest(struct soak *k)
{
	for (size_t i = 0; i < k->model.n; i++) {
		struct subject *s = &k->model.subjects[i];
		bool client = s->kind->client;

		if (s->state == SUBJECT_ABSENT)
			act(k, client ? "define" : "add", s);
		act(k, "stop", s);
		act(k, "start", s); /* anew: its forkserver is up then, if it was killed just now */
		act(k, "stop", s);
		if (client)
			act(k, "forget", s);
	}
}
