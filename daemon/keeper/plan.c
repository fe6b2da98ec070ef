/* plan.c - from a SPAWN message to what spawn() wants: descriptors, strings
 */
#include "daemon/base/mem.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/pipes.h"
#include "daemon/keeper/spawn.h"

static int stdio_fd(struct keeper *k, uint32_t slot, const struct link_message *m,
		    const struct link_spawn *l, int stream, unsigned *used, const int *fds)
{
	switch ((enum link_stdio)l->stdio[stream]) {
	case LINK_STDIO_NULL:
		return k->null_fd;
	case LINK_STDIO_FD:
		return *used < m->n_fds ? m->fds[(*used)++] : -EBADF;
	case LINK_STDIO_LOG:
		return stream ? pipes_of(k, slot, stream) : -EINVAL;
	case LINK_STDIO_STDOUT:
		return stream == 2 ? fds[1] : -EINVAL;
	case LINK_STDIO_PIPE:
		return stream == 0 ? pipes_of(k, slot, 0) : -EINVAL;
	case LINK_STDIO_OWN:
		return stream ? STDERR_FILENO : -EINVAL;
	case LINK_STDIO_MAX:
		break;
	}
	return -EINVAL;
}

int plan_fds(struct keeper *k, const struct link_message *m, const struct link_spawn *l,
	     int *ret_fds, unsigned *ret_n_fds)
{
	unsigned used = 0;

	for (int stream = 0; stream < 3; stream++) {
		ret_fds[stream] = stdio_fd(k, m->head->slot, m, l, stream, &used, ret_fds);
		if (ret_fds[stream] < 0)
			return ret_fds[stream];
	}
	*ret_n_fds = 3;
	if (l->flags & LINK_SPAWN_DIRECTORY_FD) {
		if (used >= m->n_fds)
			return -EBADF;
		ret_fds[(*ret_n_fds)++] = m->fds[used];
	}
	return 0;
}

static const char **take_strings(const struct link_message *m, size_t *at, const char **to,
				 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*to = link_take_str(m, at);
		if (!*to++)
			return NULL;
	}
	*to++ = NULL;
	return to;
}

/* One block: the plan, the pointers of paths, argv and envp, and the bytes that they lead to. */
static struct spawn_plan *new_plan(const struct link_message *m, size_t n_pointers,
				   const char ***ret_pointers, struct link_message *ret_own)
{
	struct spawn_plan *p = malloc(sizeof *p + n_pointers * sizeof(char *) + m->len);

	if (!p)
		return NULL;
	*ret_pointers = (const char **)(p + 1);
	*ret_own = *m;
	ret_own->body = memcpy(*ret_pointers + n_pointers, m->body, m->len);
	return p;
}

int plan_make(const struct keeper *k, const struct link_message *m, const struct link_spawn *l,
	      const int *fds, unsigned n_fds, struct spawn_plan **ret)
{
	size_t at = sizeof *l, n = (size_t)l->n_path + l->n_argv + l->n_env + 3;
	auto_free struct spawn_plan *p = NULL;
	struct link_message own;
	const char **next;

	if (l->n_path > m->len || l->n_argv > m->len || l->n_env > m->len || l->n_groups > m->len)
		return -EPROTO;
	p = new_plan(m, n, &next, &own);
	if (!p)
		return -ENOMEM;
	*p = (struct spawn_plan){
		.fds = { fds[0], fds[1], fds[2] },
		.n_fds = 3,
		.directory_fd = n_fds > 3 ? fds[3] : -1,
		.cgroup_fd = l->flags & LINK_SPAWN_CGROUP && m->n_fds ? m->fds[m->n_fds - 1] : -1,
		.nofile_soft = k->nofile.rlim_cur,
		.nofile_hard = k->nofile.rlim_max,
		.inherit = k->inherit,
		.flags = l->flags,
		.n_groups = l->n_groups,
		.uid = l->uid,
		.gid = l->gid,
		.umask = l->umask,
	};
	p->groups = link_take(&own, &at, l->n_groups * sizeof(gid_t));
	p->directory = link_take_str(&own, &at);
	if (!p->groups || !p->directory || !link_take_str(&own, &at)) /* entry: a server's affair */
		return -EPROTO;
	p->paths = next;
	next = take_strings(&own, &at, next, l->n_path);
	p->argv = (char *const *)next;
	next = next ? take_strings(&own, &at, next, l->n_argv) : NULL;
	p->envp = (char *const *)next;
	next = next ? take_strings(&own, &at, next, l->n_env) : NULL;
	if (!next)
		return -EPROTO;
	*ret = take_ptr(p);
	return 0;
}
