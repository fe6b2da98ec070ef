/* Any bytes as a configuration: problems or a struct conf that keeps its promises, never more. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_change(void *data, enum conf_change change, const struct conf_process *p)
{
	(void)data;
	(void)change;
	(void)p;
	abort(); /* nothing differs from itself */
}

static void check_problems(const struct conf_diag *d)
{
	size_t n_fatal = 0;

	for (size_t i = 0; i < d->n_problems; i++) {
		char *text = conf_problem_text(&d->problems[i]);

		assert(text);
		free(text);
		n_fatal += d->problems[i].fatal;
	}
	assert(n_fatal == d->n_fatal);
}

static void check_conf(const struct conf *c)
{
	size_t in_groups = 0;

	for (size_t i = 0; i < c->n_processes; i++) {
		const struct conf_process *p = &c->processes[i];

		assert(conf_name_valid(p->name));
		assert(conf_find_process(c, p->full_name) == p);
		assert(p->argv || p->program->entry);
		assert(p->environ && p->args);
	}
	for (size_t i = 0; i < c->n_groups; i++) {
		assert(conf_find_group(c, c->groups[i].name) == &c->groups[i]);
		in_groups += c->groups[i].n_processes;
	}
	assert(in_groups == c->n_processes);
	for (size_t i = 0; i < c->n_forkservers; i++)
		assert(conf_find_forkserver(c, c->forkservers[i].name) == &c->forkservers[i]);
	conf_diff(c, c, on_change, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const environ_of_fuzz[] = { "A=1", "HOME=/root", "P=%(ENV_P)s", NULL };
	struct conf_sources *s = NULL;
	struct conf_diag diag = { 0 };
	struct conf *c = NULL;
	int err;

	if (conf_sources_of("fuzz.ini", (const char *)data, size, &s) < 0)
		return 0;
	err = conf_parse(s, environ_of_fuzz, &c, &diag);
	check_problems(&diag);
	assert((err == 0) == (c != NULL));
	assert((err == 0) == (diag.n_fatal == 0));
	if (c)
		check_conf(c);
	conf_unref(c);
	conf_diag_done(&diag);
	conf_sources_free(s);
	return 0;
}
