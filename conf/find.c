#include "conf/find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Equal names, which are an error, stay in their order, so that the message is always the same. */
static int compare_processes(const void *a, const void *b, void *conf)
{
	const struct conf *c = conf;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int order = strcmp(c->processes[i].full_name, c->processes[j].full_name);

	return order ? order : i < j ? -1 : 1;
}

static int compare_groups(const void *a, const void *b, void *conf)
{
	const struct conf *c = conf;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int order = strcmp(c->groups[i].name, c->groups[j].name);

	return order ? order : i < j ? -1 : 1;
}

static const uint32_t *sorted(struct conf *c, size_t n,
			      int (*compare)(const void *, const void *, void *))
{
	uint32_t *order = arena_alloc(&c->arena, (n + 1) * sizeof *order);

	if (!order)
		return NULL;
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof *order, compare, c);
	return order;
}

int find_index(struct conf *c)
{
	c->processes_by_name = sorted(c, c->n_processes, compare_processes);
	c->groups_by_name = sorted(c, c->n_groups, compare_groups);
	return c->processes_by_name && c->groups_by_name ? 0 : -ENOMEM;
}

const struct conf_process *conf_find_process(const struct conf *c, const char *full_name)
{
	size_t low = 0, high = c->n_processes;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct conf_process *p = &c->processes[c->processes_by_name[middle]];
		int order = strcmp(full_name, p->full_name);

		if (order == 0)
			return p;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct conf_group *conf_find_group(const struct conf *c, const char *name)
{
	size_t low = 0, high = c->n_groups;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct conf_group *g = &c->groups[c->groups_by_name[middle]];
		int order = strcmp(name, g->name);

		if (order == 0)
			return g;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static int compare_forkserver(const void *name, const void *server)
{
	return strcmp(name, ((const struct conf_forkserver *)server)->name);
}

const struct conf_forkserver *conf_find_forkserver(const struct conf *c, const char *name)
{
	return c->n_forkservers ? bsearch(name, c->forkservers, c->n_forkservers,
					  sizeof *c->forkservers, compare_forkserver)
				: NULL;
}
