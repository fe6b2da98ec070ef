/* process_plan.c - what keeper and logger are told before a process runs: its streams, its plan */
#include <fcntl.h>
#include <systemd/sd-journal.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/cgroup.h"
#include "daemon/supervisor/env.h"
#include "daemon/supervisor/localfs.h"
#include "daemon/supervisor/process_internal.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/users.h"

/* Each costs the keeper a plan in memory, 2 to 3 KiB. */
#define ORDERS_MAX 16

#define LOG_MODE_AUTO 0600
#define LOG_MODE_FILE 0644

/* ---- logs ---------------------------------------------------------------------------------------- */

static const struct conf_log *log_of(const struct process *p, int stream)
{
	return stream == 1 ? &p->def->out : &p->def->err;
}

static bool goes_to_logger(const struct process *p, int stream)
{
	enum conf_log_kind kind = log_of(p, stream)->kind;

	if (p->origin == PROCESS_SERVER || (stream == 2 && p->def->program->redirect_stderr))
		return false;
	return kind == CONF_LOG_AUTO || kind == CONF_LOG_FILE || kind == CONF_LOG_STDOUT ||
	       kind == CONF_LOG_STDERR;
}

static bool goes_to_journal(const struct process *p, int stream)
{
	enum conf_log_kind kind = log_of(p, stream)->kind;

	return kind == CONF_LOG_JOURNAL || kind == CONF_LOG_SYSLOG;
}

int process_log_path(const struct process *p, int stream, char *path, size_t size,
		     const char **ret_why)
{
	const struct conf_log *l = log_of(p, stream);
	int n = -1;

	*ret_why = "its output is not kept in a file";
	if (stream == 2 && p->def->program->redirect_stderr)
		return process_log_path(p, 1, path, size, ret_why);
	if (l->kind == CONF_LOG_FILE) {
		n = snprintf(path, size, "%s", l->path);
	} else if (l->kind == CONF_LOG_AUTO) {
		n = snprintf(path, size, "%s%s/%s-%s.log",
			     l->path ? l->path : p->supervisor->runtime_dir, l->path ? "" : "/log",
			     process_name(p), stream == 1 ? "stdout" : "stderr");
	}
	return n < 0 || (size_t)n >= size ? -ENOENT : 0;
}

/* What a client's process has in files of ours goes with it (logs_remove()). */
static enum link_log_kind kind_of(const struct process *p, enum link_type type,
				  enum conf_log_kind kind)
{
	if (type == LINK_UNLOG && kind == CONF_LOG_AUTO && p->origin == PROCESS_CLIENT)
		return LINK_LOG_NOWHERE;
	return kind == CONF_LOG_STDOUT	 ? LINK_LOG_STDOUT
	       : kind == CONF_LOG_STDERR ? LINK_LOG_STDERR
					 : LINK_LOG_FILE;
}

/* LOG or UNLOG: where it goes. */
static void send_log(struct process *p, enum link_type type, int stream)
{
	const struct conf_log *l = log_of(p, stream);
	const struct conf_program *program = p->def->program;
	struct link_head h = { .type = type, .slot = p->slot };
	struct link_log body = {
		.stream = (uint32_t)stream,
		.kind = kind_of(p, type, l->kind),
		.maxbytes = l->maxbytes,
		.backups = l->backups,
		.mode = l->kind == CONF_LOG_AUTO ? LOG_MODE_AUTO : LOG_MODE_FILE,
		.drop = program->log_full == CONF_DROP,
		.format = (uint32_t)program->log_format,
	};
	char path[4096] = "", prefix[CONF_NAME_MAX + 8] = "";
	const char *why;

	(void)process_log_path(p, stream, path, sizeof path, &why);
	if (program->log_prefix && body.kind != LINK_LOG_FILE)
		snprintf(prefix, sizeof prefix, "%s | ", process_name(p));
	struct link_part parts[] = { { &body, sizeof body },
				     { path, strlen(path) + 1 },
				     { prefix, strlen(prefix) + 1 },
				     { process_name(p), strlen(process_name(p)) + 1 } };
	keeper_send(p->supervisor, &h, parts, ARRAY_SIZE(parts), NULL, 0);
}

void process_send_logs(struct process *p)
{
	for (int stream = 1; stream <= 2; stream++)
		if (goes_to_logger(p, stream))
			send_log(p, LINK_LOG, stream);
	p->logs_sent = true;
}

void process_forget_logs(struct process *p)
{
	for (int stream = 1; stream <= 2; stream++)
		if (p->logs_sent && goes_to_logger(p, stream))
			send_log(p, LINK_UNLOG, stream);
	p->logs_sent = false;
}

/* ---- the plan ------------------------------------------------------------------------------------ */

static int explain(char **ret_reason, const char *what, int err)
{
	if (asprintf(ret_reason, "%s: %s", what, strerror(-err)) < 0)
		*ret_reason = NULL;
	return err;
}

/* stdin=PATH. Opening a FIFO must not wait for its writer; reading from it later should. */
static int open_stdin(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd_set_nonblocking(fd, false);

	return r < 0 ? r : take_fd(fd);
}

/* Whether the caller of `run` has given it streams. */
static bool has_given(const struct process *p)
{
	return p->client && p->client->stdio[0] >= 0;
}

static int directory_fd(const struct process *p)
{
	return p->client ? p->client->directory_fd : -1;
}

/* What a child's streams are; descriptors that go with the message are added to fds. */
static int plan_stdio(struct process *p, struct link_spawn *l, int *fds, unsigned *n_fds,
		      char **ret_reason)
{
	if (has_given(p)) { /* of `run`: the caller's own */
		for (int i = 0; i < 3; i++) {
			l->stdio[i] = LINK_STDIO_FD;
			fds[(*n_fds)++] = p->client->stdio[i];
		}
		if (p->client->terminal)
			l->flags |= LINK_SPAWN_TTY;
		return 0;
	}
	l->stdio[0] = p->def->program->stdin_pipe ? LINK_STDIO_PIPE : LINK_STDIO_NULL;
	if (p->def->program->stdin_path) {
		int fd = open_stdin(p->def->program->stdin_path);

		if (fd < 0)
			return explain(ret_reason, p->def->program->stdin_path, fd);
		l->stdio[0] = LINK_STDIO_FD;
		fds[(*n_fds)++] = fd;
	}
	for (int stream = 1; stream <= 2; stream++) {
		if (p->origin == PROCESS_SERVER || p->origin == PROCESS_HELPER)
			l->stdio[stream] = LINK_STDIO_OWN;
		else if (stream == 2 && p->def->program->redirect_stderr)
			l->stdio[2] = LINK_STDIO_STDOUT;
		else if (goes_to_logger(p, stream))
			l->stdio[stream] = LINK_STDIO_LOG;
		else if (goes_to_journal(p, stream)) {
			int fd = sd_journal_stream_fd(process_name(p),
						      stream == 1 ? LOG_INFO : LOG_WARNING, 0);

			if (fd < 0)
				return explain(ret_reason, "the journal", fd);
			l->stdio[stream] = LINK_STDIO_FD;
			fds[(*n_fds)++] = fd;
		}
	}
	return 0;
}

/* What was opened for this spawn is the child's now; the descriptors of `run` are kept until it is
 * known to live. */
static void close_opened(const struct process *p, int *fds, unsigned n_fds)
{
	for (unsigned i = 0; i < n_fds && !has_given(p); i++)
		if (fds[i] != directory_fd(p))
			close(fds[i]);
}

static int plan_ids(const struct process *p, struct link_spawn *l, const gid_t **ret_groups)
{
	const struct conf_program *program = p->def->program;
	const struct user_groups *groups;

	*ret_groups = NULL;
	if (program->user) {
		groups = users_groups(program->user, program->gid);
		if (!groups)
			return -ENOMEM;
		l->uid = program->uid;
		l->gid = program->gid;
		l->n_groups = (uint32_t)groups->n;
		*ret_groups = groups->gids;
	} else if (p->client && p->client->uid != geteuid()) {
		l->uid = p->client->uid;
		l->gid = p->client->gid;
		l->n_groups = (uint32_t)p->client->n_groups;
		*ret_groups = p->client->groups;
		l->flags |= LINK_SPAWN_NO_NEW_PRIVS;
	} else {
		return 0;
	}
	if (geteuid() == 0 || l->uid != geteuid()) /* not root: the child says what it may not */
		l->flags |= LINK_SPAWN_IDS;
	return 0;
}

/* The candidates for execve(2): the path itself, or what PATH makes of the name. */
static unsigned add_paths(struct buf *b, const char *name, const char *path)
{
	unsigned n = 0;

	if (strchr(name, '/')) {
		buf_add_strz(b, name);
		return 1;
	}
	while (path) {
		const char *end = strchrnul(path, ':');

		buf_add(b, path, (size_t)(end - path));
		buf_addf(b, "%s%s", end > path ? "/" : "./", name);
		buf_add_char(b, '\0');
		n++;
		path = *end ? end + 1 : NULL;
	}
	return n;
}

static unsigned add_strings(struct buf *b, const char *const *strings)
{
	unsigned n = 0;

	for (; strings && strings[n]; n++)
		buf_add_strz(b, strings[n]);
	return n;
}

/* Nobody is led into fosterd's directory who could not go there himself. */
static const char *directory_of(const struct process *p)
{
	if (directory_fd(p) >= 0)
		return "";
	if (p->def->directory)
		return p->def->directory;
	return process_is_of_other(p) ? "/" : "";
}

static void plan_command(struct process *p, struct link_spawn *l, struct buf *b)
{
	const struct conf_process *def = p->def;
	const char *entry = def->program->entry;

	buf_add_strz(b, directory_of(p));
	buf_add_strz(b, entry ? entry : "");
	if (entry) {
		buf_add_strz(b, def->name);
		l->n_argv = 1 + add_strings(b, def->args);
	} else {
		l->n_path = add_paths(b, def->argv[0], env_path(p));
		l->n_argv = add_strings(b, def->argv);
	}
}

static uint32_t plan_flags(const struct process *p)
{
	const struct conf_program *program = p->def->program;
	uint32_t flags = program->own_session ? LINK_SPAWN_SESSION : LINK_SPAWN_GROUP;

	if (process_dies_with_keeper(p))
		flags |= LINK_SPAWN_DIES;
	if (program->method == CONF_FORK && p->origin == PROCESS_FILE)
		flags |= LINK_SPAWN_INHERIT;
	if (p->origin == PROCESS_SERVER)
		flags |= LINK_SPAWN_SERVER;
	if (directory_fd(p) >= 0)
		flags |= LINK_SPAWN_DIRECTORY_FD;
	return flags;
}

/* Whether no file system that may hang is involved: only then may the keeper wait for the exec. A path
 * that another user chose may lie on one that he serves himself. */
static bool is_local(const struct process *p)
{
	return !process_is_of_other(p) && localfs_is_local(p->def->argv ? p->def->argv[0] : NULL,
							   env_path(p), p->def->directory);
}

/* A forkserver's children would be killed with it, and cannot be moved cheaply to cgroups of their own;
 * a helper is over soon. */
static bool may_have_cgroup(const struct process *p)
{
	return p->def->program->method != CONF_FORKSERVER &&
	       (p->origin == PROCESS_FILE || p->origin == PROCESS_CLIENT);
}

/* Send the plan of this life as a message of this type, after words that belong to that. */
static int send_plan(struct process *p, struct link_head *h, const struct link_part *words,
		     char **ret_reason)
{
	struct link_spawn l = { .server = p->server ? p->server->slot : LINK_NO_SLOT,
				.umask = p->def->program->umask };
	auto_buf struct buf body = { 0 };
	const gid_t *groups;
	unsigned n_fds = 0;
	int fds[5], n;

	l.flags = plan_flags(p);
	n = plan_ids(p, &l, &groups);
	if (n == 0)
		n = plan_stdio(p, &l, fds, &n_fds, ret_reason);
	if (directory_fd(p) >= 0)
		fds[n_fds++] = directory_fd(p);
	plan_command(p, &l, &body);
	if (is_local(p))
		l.flags |= LINK_SPAWN_LOCAL;
	auto_close int cgroup_fd =
		may_have_cgroup(p) ? cgroup_make(process_name(p), p->instance) : -1;
	if (cgroup_fd >= 0)
		l.flags |= LINK_SPAWN_CGROUP;
	fds[n_fds] = cgroup_fd; /* goes last, if at all */
	if (n == 0)
		n = env_build(p, &body);
	if (n < 0) {
		close_opened(p, fds, n_fds);
		return n;
	}
	l.n_env = (uint32_t)n;
	process_note_write(p, &l.note);
	struct link_part parts[] = { *words,
				     { &l, sizeof l },
				     { groups, l.n_groups * sizeof *groups },
				     { body.data, body.len } };
	n = keeper_try_send(p->supervisor, h, parts, ARRAY_SIZE(parts), fds,
			    n_fds + (cgroup_fd >= 0));
	close_opened(p, fds, n_fds);
	return n;
}

int process_send_spawn(struct process *p, char **ret_reason)
{
	struct link_head h = { .type = LINK_SPAWN, .slot = p->slot, .incarnation = p->incarnation };
	struct link_part no_words = { NULL, 0 };

	if (p->nameless)
		process_tell_name(p);
	if (!p->logs_sent)
		process_send_logs(p);
	return send_plan(p, &h, &no_words, ret_reason);
}

/* ---- standing orders ------------------------------------------------------------------------------ */

/* Whether its next end, if it is not settled by the exit status, leads to a start at once (as
 * backoff_judge() will say), with nothing to be opened or asked for it first. */
static bool may_leave_order(const struct process *p)
{
	const struct conf_program *program = p->def->program;

	return p->supervisor->n_orders < ORDERS_MAX && !p->next_instance && p->want_up &&
	       p->origin == PROCESS_FILE && !p->next_def && !program->restart.native &&
	       program->restart.autorestart != CONF_NEVER && program->method != CONF_FORKSERVER &&
	       !program->stdin_path && !goes_to_journal(p, 1) && !goes_to_journal(p, 2) &&
	       is_local(p);
}

void process_leave_order(struct process *p)
{
	struct link_head h = { .type = LINK_ORDER,
			       .slot = p->slot,
			       .incarnation = p->incarnation + 1 };
	struct link_order order = { .settled = { 0 } };
	struct link_part words = { &order, sizeof order };
	uint64_t instance = p->instance;
	auto_free char *reason = NULL;

	if (!may_leave_order(p))
		return;
	if (p->def->program->restart.autorestart == CONF_UNEXPECTED)
		memcpy(order.settled, p->def->program->exitcodes, sizeof order.settled);
	p->instance = env_new_instance();
	if (send_plan(p, &h, &words, &reason) == 0) {
		p->next_instance = p->instance;
		p->supervisor->n_orders++;
	}
	p->instance = instance;
}

void process_order_is_over(struct process *p)
{
	if (!p->next_instance)
		return;
	if (p->next_instance != p->instance) /* not begun */
		cgroup_remove(process_name(p), p->next_instance);
	p->supervisor->n_orders--;
	p->next_instance = 0;
}

void process_take_order_back(struct process *p)
{
	struct link_head h = { .type = LINK_ORDER, .slot = p->slot };

	if (!p->next_instance)
		return;
	keeper_send(p->supervisor, &h, NULL, 0, NULL, 0);
	process_order_is_over(p);
}
