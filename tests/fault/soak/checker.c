#include "tests/fault/soak/checker.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

#define CHILDREN_MAX 256
#define BACKUPS_MAX 500
#define GROWTH_KB_MAX 256
#define LOOK_AGAIN_US 2000

/* ---- one process ---------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool ended_otherwise(const struct subject *s, const json_t *returncode)
{
	return (s->state == SUBJECT_STOPPED || s->state == SUBJECT_EXITED) &&
	       (!json_is_integer(returncode) || json_integer_value(returncode) != s->returncode);
}

/* What is not as the model has it, in words of size bytes; false when all is. */
static bool differs(const struct subject *s, const json_t *shown, char *words, size_t size)
{
	long long incarnation = number_of(shown, "incarnation");
	const json_t *code = json_object_get(shown, "returncode");

	words[0] = '\0';
	if (strcmp(text_of(shown, "state"), subject_state_name(s)) != 0)
		snprintf(words, size, "is \"%s\", not \"%s\"", text_of(shown, "state"),
			 subject_state_name(s));
	else if (s->state != SUBJECT_ABSENT &&
		 (s->kind->served ? incarnation < s->incarnation : incarnation != s->incarnation))
		snprintf(words, size, "has incarnation %lld, not %lld", incarnation,
			 s->incarnation);
	else if (ended_otherwise(s, code))
		snprintf(words, size, "has returncode %lld%s, not %d", json_integer_value(code),
			 json_is_integer(code) ? "" : " (none)", s->returncode);
	return words[0];
}

/* The same of the process itself, as it says. */
static bool page_differs(const struct subject *s, pid_t pid, char *words, size_t size)
{
	const struct page *p = s->page;
	uint32_t life = atomic_load(&p->life);

	words[0] = '\0';
	if (s->state != SUBJECT_RUNNING)
		return false;
	if (atomic_load(&p->pid) != pid)
		snprintf(words, size, "has PID %d, but %d runs", (int)pid, atomic_load(&p->pid));
	else if (atomic_load(&p->version) != s->version_running)
		snprintf(words, size, "runs version %u, not %u", atomic_load(&p->version),
			 s->version_running);
	else if (atomic_load(&p->usr2) < s->usr2)
		snprintf(words, size, "got %u signals, %u were sent", atomic_load(&p->usr2),
			 s->usr2);
	else if (s->kind->restarts || s->kind->served ? life < s->life : life != s->life)
		snprintf(words, size, "was started %u times, not %u", life, s->life);
	return words[0];
}

static void adopt(struct subject *s, const json_t *shown)
{
	s->pid = (pid_t)number_of(shown, "pid");
	if (s->state == SUBJECT_ABSENT)
		return;
	s->incarnation = number_of(shown, "incarnation");
	s->life = atomic_load(&s->page->life);
}

static json_t *show(struct soak *k, const struct subject *s)
{
	json_t *reply = soak_ask(k, "Show", json_pack("{s:s}", "name", s->name));

	return json_object_get(json_object_get(reply, "parameters"), "process");
}

void check_settled(struct soak *k, struct subject *s)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	char words[256];
	json_t *shown = show(k, s);

	while (differs(s, shown, words, sizeof words) ||
	       page_differs(s, (pid_t)number_of(shown, "pid"), words, sizeof words)) {
		if (clock_boot_ns() > deadline)
			soak_fail(k, "%s %s", s->name, words);
		usleep(LOOK_AGAIN_US);
		shown = show(k, s);
	}
	adopt(s, shown);
	s->busy = false;
}

void check_alone(struct soak *k, const struct subject *s)
{
	if (atomic_load(&s->page->intruders))
		soak_fail(k, "%s was there twice", s->name);
}

/* ---- another fosterd ------------------------------------------------------------------------ */

static void inherit(struct soak *k, struct subject *s)
{
	bool stays = s->state == SUBJECT_RUNNING && !s->kind->daemon;
	json_t *shown = show(k, s);

	if (stays &&
	    (strcmp(text_of(shown, "state"), "RUNNING") != 0 || number_of(shown, "pid") != s->pid))
		soak_fail(k, "%s was not adopted: it is \"%s\" with PID %lld, not RUNNING with %d",
			  s->name, text_of(shown, "state"), number_of(shown, "pid"), (int)s->pid);
	if (!stays)
		subject_inherited(s);
	check_settled(k, s);
}

void check_logger(struct soak *k)
{
	for (size_t i = 0; i < k->model.n; i++)
		(void)show(k, &k->model.subjects[i]);
}

void check_inheritance(struct soak *k)
{
	for (size_t i = 0; i < k->model.n; i++)
		inherit(k, &k->model.subjects[i]);
}

/* ---- all ------------------------------------------------------------------------------------ */

static struct subject *find(struct soak *k, const char *name)
{
	for (size_t i = 0; i < k->model.n; i++)
		if (strcmp(k->model.subjects[i].name, name) == 0)
			return &k->model.subjects[i];
	return NULL;
}

static void check_one(struct soak *k, const json_t *shown)
{
	const char *name = text_of(shown, "name");
	const struct subject *s = find(k, name);

	if (!s || s->state == SUBJECT_ABSENT)
		soak_fail(k, "there is a process %s", name);
	if (s->busy)
		return;
	if (strcmp(text_of(shown, "state"), subject_state_name(s)) != 0 ||
	    number_of(shown, "pid") != s->pid)
		soak_fail(k, "%s is %s with PID %lld, not %s with %d, and nobody has touched it",
			  name, text_of(shown, "state"), number_of(shown, "pid"),
			  subject_state_name(s), (int)s->pid);
}

void check_all(struct soak *k)
{
	json_t *reply = soak_ask(k, "Status", NULL);
	json_t *processes = json_object_get(json_object_get(reply, "parameters"), "processes");
	size_t i, there = 0;
	json_t *shown;

	json_array_foreach(processes, i, shown) check_one(k, shown);
	for (i = 0; i < k->model.n; i++)
		there += k->model.subjects[i].state != SUBJECT_ABSENT;
	if (json_array_size(processes) != there)
		soak_fail(k, "there are %zu processes, not %zu", json_array_size(processes), there);
}

/* ---- logs ----------------------------------------------------------------------------------- */

struct reader {
	const struct subject *subject;
	const char *file;
	unsigned life, next; /* of the next line */
	unsigned long long lines;
};

/* The life before has printed all that it counted, and one line more at most. */
static void end_life(struct soak *k, const struct reader *r)
{
	uint32_t counted = atomic_load(&r->subject->page->lines[r->life % PAGE_LIVES]);

	if (r->next != counted && r->next != counted + 1)
		soak_fail(k, "%s: life %u of %s has %u lines, and printed %u", r->file, r->life,
			  r->subject->name, r->next, counted);
}

static void read_line(struct soak *k, struct reader *r, const char *line)
{
	unsigned life, number;

	if (sscanf(line, "%u %u\n", &life, &number) != 2)
		soak_fail(k, "%s: not a line: %.40s", r->file, line);
	for (; r->life < life; r->life++, r->next = 0)
		end_life(k, r);
	if (life != r->life || number != r->next)
		soak_fail(k, "%s: %u %u follows %u %u (not included)", r->file, life, number,
			  r->life, r->next);
	r->next++;
	r->lines++;
}

static void read_file(struct soak *k, struct reader *r, const char *path)
{
	struct arena arena = { 0 };
	const char *text = run_slurp(path, &arena, NULL);

	r->file = path;
	for (const char *line = text; line && *line;) {
		const char *end = strchrnul(line, '\n');

		if (!*end)
			soak_fail(k, "%s: ends with half a line: %.40s", path, line);
		read_line(k, r, line);
		line = end + 1;
	}
	arena_done(&arena);
}

void check_log(struct soak *k, const struct subject *s)
{
	struct reader r = { .subject = s };
	const char *base = soak_format(k, "%s/logs/%s", k->f->dir, s->name);
	char path[256];

	for (int i = BACKUPS_MAX; i > 0; i--) {
		snprintf(path, sizeof path, "%s.%d", base, i);
		if (access(path, F_OK) == 0)
			read_file(k, &r, path);
	}
	read_file(k, &r, base);
	if (r.life != atomic_load(&s->page->life))
		soak_fail(k, "%s: ends with life %u of %u", base, r.life,
			  atomic_load(&s->page->life));
	end_life(k, &r);
	printf("# %s: %u lives, %llu lines\n", s->name, r.life, r.lines);
}

/* ---- rest ----------------------------------------------------------------------------------- */

static bool is_part(pid_t pid)
{
	char name[32];

	return run_name_of(pid, name, sizeof name) == 0 &&
	       (strncmp(name, "foster-", 7) == 0 || strncmp(name, "python3", 7) == 0) &&
	       run_state_of(pid) != 'Z';
}

/* How many of the keeper's children are none of its parts; one of them in *ret_pid. */
static size_t others(struct soak *k, pid_t *ret_pid)
{
	pid_t pids[CHILDREN_MAX];
	size_t n = run_children_of(k->f->fosterd, pids, CHILDREN_MAX), n_others = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_part(pids[i])) {
			*ret_pid = pids[i];
			n_others++;
		}
	return n_others;
}

static void check_no_child(struct soak *k)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	pid_t pid = 0;

	/* A zombie goes when its end was acknowledged, a moment after it was told. */
	while (others(k, &pid) > 0) {
		char name[32] = "?";

		run_name_of(pid, name, sizeof name);
		if (clock_boot_ns() > deadline)
			soak_fail(k, "the keeper still has %d %s (%c)", (int)pid, name,
				  run_state_of(pid));
		usleep(LOOK_AGAIN_US);
	}
}

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

static void check_directory(struct soak *k, const char *name, const char *const *allowed)
{
	DIR *dir = opendir(soak_path(k, name));

	if (!dir)
		soak_fail(k, "%s: %s", name, strerror(errno));
	for (struct dirent *e; (e = readdir(dir));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !is_one_of(e->d_name, allowed))
			soak_fail(k, "%s/%s was left behind", name, e->d_name);
	closedir(dir);
}

void check_rest(struct soak *k)
{
	static const char *const of_foster[] = { "foster.sock", "table", "lock", "config",
						 "spool",	"log",	 "fifo", NULL };
	static const char *const none[] = { NULL };

	check_all(k);
	check_no_child(k);
	check_directory(k, "run", of_foster);
	check_directory(k, "run/spool", none);
}

struct holdings check_holdings(struct soak *k)
{
	return (struct holdings){ .fds = run_count_fds(k->f->fosterd),
				  .kb = run_status_kb(k->f->fosterd, "RssAnon") };
}

/* For who looks for the leak. */
static void say_fds(pid_t pid)
{
	char path[64], target[256];

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
		ssize_t n = readlink(path, target, sizeof target - 1);

		if (n > 0)
			printf("# %d %.*s\n", fd, (int)n, target);
	}
}

void check_no_growth(struct soak *k, struct holdings before)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	struct holdings now = check_holdings(k);

	while (now.fds != before.fds && clock_boot_ns() < deadline) {
		usleep(LOOK_AGAIN_US);
		now = check_holdings(k);
	}
	printf("# keeper: %d descriptors, %ld KiB; after the warm-up %d, %ld KiB\n", now.fds,
	       now.kb, before.fds, before.kb);
	if (now.fds != before.fds) {
		say_fds(k->f->fosterd);
		soak_fail(k, "the keeper has %d descriptors, not %d", now.fds, before.fds);
	}
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
	if (now.kb > before.kb + GROWTH_KB_MAX)
		soak_fail(k, "the keeper has %ld KiB, not %ld", now.kb, before.kb);
#endif
}
