/* fault_soak.c - random commands, kills and restarts against a model that knows what must be true
 *
 *   SOAK_SECONDS   how long (40; `make soak` has 600)
 *   SOAK_KILLS     kills of foster's parts that it goes on for, if that takes longer (200; 2000)
 *   SEED           of all choices; printed in any case
 *
 * A step does something to a few processes at the same time, each through a fosterctl of its own, while
 * supervisor, logger and forkservers are killed; then every command must have been answered, and every
 * process be, as the model says (soak/soak.h names the modules). The keeper is killed, too, and upgraded;
 * after half of the time it lives on. Then, and at the end, everything is stopped: what foster has must be
 * the same. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"
#include "tests/fault/soak/actions.h"
#include "tests/fault/soak/checker.h"
#include "tests/fault/soak/faults.h"

#define JOBS_MAX 5
#define FAULTS_MAX 3 /* in one step */
#define CHILDREN_MAX 256

static struct soak soak; /* one run a program; the teardown reports */

static uint64_t number_from_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- setup ---------------------------------------------------------------------------------- */

static void map_page(struct soak *k, struct subject *s)
{
	char name[64];

	snprintf(name, sizeof name, "pages/%s", s->name);
	auto_close int fd = open(soak_path(k, name), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof *s->page) < 0)
		soak_fail(k, "%s: %s", name, strerror(errno));
	s->page = mmap(NULL, sizeof *s->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->page == MAP_FAILED)
		soak_fail(k, "%s: %s", name, strerror(errno));
}

static void begin(struct soak *k)
{
	k->began_ns = clock_boot_ns();
	k->seed = k->random =
		number_from_env("SEED", (uint64_t)time(NULL) * 1000 + (unsigned)getpid());
	k->calls.fd = -1;
	printf("# SEED=%llu\n", (unsigned long long)k->seed);
	fixture_asan_option(k->f, "handle_segv=0"); /* it is ours, and nothing to speak of */
	model_init(&k->model);
	if (mkdir(soak_path(k, "pages"), 0755) < 0 || mkdir(soak_path(k, "logs"), 0755) < 0 ||
	    canaries_begin(&k->canaries) < 0)
		soak_fail(k, "%s", strerror(errno));
	for (size_t i = 0; i < k->model.n; i++)
		map_page(k, &k->model.subjects[i]);
	auto_free char *text = soak_config(k);
	fixture_up(k->f, text);
	varlink_close(&k->f->events); /* nobody reads them */
	varlink_close(&k->f->calls);
}

static int teardown(void **state)
{
	struct soak *k = &soak;

	if (!k->finished)
		soak_report(k);
	varlink_close(&k->calls);
	canaries_end(&k->canaries);
	for (size_t i = 0; i < k->model.n; i++)
		if (k->model.subjects[i].page)
			munmap(k->model.subjects[i].page, sizeof(struct page));
	arena_done(&k->arena);
	return fixture_teardown(state);
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* What a killed keeper has left falls to us. Its end is told to fosterd before it is taken from us. */
static void reap_inherited(struct soak *k)
{
	pid_t pids[CHILDREN_MAX];
	size_t n = run_children_of(getpid(), pids, CHILDREN_MAX);

	for (size_t i = 0; i < n; i++)
		if (pids[i] != k->f->fosterd && !canaries_have(&k->canaries, pids[i]))
			(void)waitpid(pids[i], NULL, WNOHANG);
}

static void end_step(struct soak *k)
{
	int r = canaries_turn(&k->canaries);

	if (r == 1)
		soak_fail(k, "a process that is not foster's was signalled");
	if (r < 0)
		soak_fail(k, "fork: %s", strerror(-r));
	check_all(k);
	reap_inherited(k);
	json_array_clear(k->f->kept);
	arena_done(&k->arena);
	k->reloading = false;
	k->steps++;
}

static void step(struct soak *k)
{
	struct job jobs[JOBS_MAX];
	unsigned wanted = 1 + soak_random(k, JOBS_MAX), n = 0;
	unsigned n_faults = soak_random(k, FAULTS_MAX + 1);

	while (n < wanted) {
		if (!job_begin(k, &jobs[n], n == 0))
			continue;
		if (job_is_alone(&jobs[n])) {
			n_faults = 0;
			wanted = 1;
		}
		n++;
	}
	for (unsigned i = 0; i < n_faults; i++)
		fault_strike(k);
	for (unsigned i = 0; i < n; i++)
		job_end(k, &jobs[i]);
	for (unsigned i = 0; i < n; i++)
		if (jobs[i].subject) {
			check_settled(k, jobs[i].subject);
			check_alone(k, jobs[i].subject);
		}
	end_step(k);
}

static void steps_until(struct soak *k, uint64_t end_ns, unsigned faults)
{
	while (clock_boot_ns() < end_ns || k->faults < faults)
		step(k);
}

/* No part has ended but by our hand, and no sanitizer spoke. */
static void check_own_log(struct soak *k)
{
	const char *log = run_slurp(soak_path(k, "fosterd.log"), &k->arena, NULL);

	if (!log || strstr(log, "Sanitizer") || strstr(log, "runtime error: "))
		soak_fail(k, "a sanitizer spoke, or there is no log");
	fault_check_deaths(k, log);
}

static void the_model_is_right_after_every_step(void **state)
{
	struct soak *k = &soak;
	uint64_t run_ns = number_from_env("SOAK_SECONDS", 40) * NS_PER_S;
	unsigned kills = (unsigned)number_from_env("SOAK_KILLS", 200);
	struct holdings before;

	k->f = *state;
	begin(k);
	steps_until(k, k->began_ns + run_ns / 2, kills / 2);
	k->keeper_lives = true;
	actions_rest(k);
	check_rest(k);
	before = check_holdings(k);

	steps_until(k, k->began_ns + run_ns, kills);
	actions_rest(k);
	check_rest(k);
	check_no_growth(k, before);

	canaries_end(&k->canaries);
	fixture_down(k->f);
	for (size_t i = 0; i < k->model.n; i++)
		check_log(k, &k->model.subjects[i]);
	check_own_log(k);
	printf("# did: SEED=%llu, %u steps, %u commands, %u kills, %.0f s\n",
	       (unsigned long long)k->seed, k->steps, k->commands, k->faults,
	       (double)(clock_boot_ns() - k->began_ns) / 1e9);
	k->finished = true;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_model_is_right_after_every_step, fixture_setup,
						teardown),
	};

	return fixture_run(tests);
}
