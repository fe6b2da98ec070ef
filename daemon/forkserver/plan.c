#include "daemon/forkserver/plan.h"

#include "daemon/base/mem.h"

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len + 1) == 0;
}

static bool has_name_of(char *const *environment, const char *wanted)
{
	for (; *environment; environment++)
		if (same_name(wanted, *environment))
			return true;
	return false;
}

static size_t count(char *const *vector)
{
	size_t n = 0;

	while (vector[n])
		n++;
	return n;
}

/* Point n places of *to at the next n strings, and end them with a NULL. */
static int take_vector(const struct link_message *m, size_t *at, uint32_t n, char ***to)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *s = link_take_str(m, at);

		if (!s)
			return -EPROTO;
		*(*to)++ = (char *)s;
	}
	*(*to)++ = NULL;
	return 0;
}

/* The plan's variables first: they decide which of ours still count. */
static int take_environment(const struct link_message *m, size_t *at, uint32_t n,
			    char *const *environment, char **to)
{
	char **own = to;
	int r = take_vector(m, at, n, &to);

	if (r < 0)
		return r;
	for (to--; *environment; environment++)
		if (!has_name_of(own, *environment))
			*to++ = *environment; /* overwrites the NULL, which moves on */
	*to = NULL;
	return 0;
}

static int take_vectors(const struct link_message *m, size_t *at, char *const *environment,
			struct plan *p)
{
	const struct link_spawn *s = p->spawn;
	uint64_t n = (uint64_t)s->n_path + s->n_argv + s->n_env;
	char **to;
	int r;

	if (n > m->len) /* each has its NUL at least */
		return -EPROTO;
	p->vectors = calloc(n + count(environment) + 3, sizeof *p->vectors);
	if (!p->vectors)
		return -ENOMEM;
	to = p->path = p->vectors;
	r = take_vector(m, at, s->n_path, &to);
	p->argv = to;
	if (r == 0)
		r = take_vector(m, at, s->n_argv, &to);
	p->envp = to;
	if (r == 0)
		r = take_environment(m, at, s->n_env, environment, p->envp);
	return r;
}

static int take_descriptors(const struct link_message *m, struct plan *p)
{
	bool directory = p->spawn->flags & LINK_SPAWN_DIRECTORY_FD;

	if (m->n_fds != 3U + directory)
		return -EPROTO;
	memcpy(p->stdio, m->fds, sizeof p->stdio);
	p->directory_fd = directory ? m->fds[3] : -1;
	return 0;
}

int plan_read(const struct link_message *m, char *const *environment, struct plan *ret_plan)
{
	struct plan p = { 0 };
	size_t at = 0;
	int r;

	p.spawn = link_take(m, &at, sizeof *p.spawn);
	if (!p.spawn)
		return -EPROTO;
	p.groups = link_take(m, &at, p.spawn->n_groups * sizeof *p.groups);
	p.directory = p.groups ? link_take_str(m, &at) : NULL;
	p.entry = p.directory ? link_take_str(m, &at) : NULL;
	if (!p.entry || p.spawn->n_argv == 0 || (!p.spawn->n_path && !p.entry[0]))
		return -EPROTO;
	r = take_descriptors(m, &p);
	if (r == 0)
		r = take_vectors(m, &at, environment, &p);
	if (r < 0) {
		plan_done(&p);
		return r;
	}
	*ret_plan = p;
	return 0;
}

void plan_done(struct plan *p)
{
	free(p->vectors);
	p->vectors = NULL;
}
