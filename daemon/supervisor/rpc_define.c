/* rpc_define.c - Define: a client's own process
 *
 * Repeated with the same id it finds the process that the first call made; so the reply may be lost,
 * and the supervisor die, at any moment. The definition is a file in the spool, complete before the
 * process is started, so that a successor has it. */
#include <errno.h>
#include <string.h>

#include "ctl/wire/text.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/access.h"
#include "daemon/supervisor/budget.h"
#include "daemon/supervisor/caller.h"
#include "daemon/supervisor/definition.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/hurry.h"
#include "daemon/supervisor/logs.h"
#include "daemon/supervisor/waiters.h"

/* Of the slots, one user who is not admin gets this part at most. */
#define USER_SHARE 4

/* What his definitions take: about as much of our memory, and of the runtime directory's file system. */
#define USER_BYTES_MAX ((size_t)64 << 20)

#define FDS_MAX 4 /* stdio and directory */

struct defining {
	struct supervisor *s;
	struct rpc_call *call;
	const struct rpc_peer *peer;
	int pidfd; /* of the peer; less than 0: it is gone */
	struct definition_params params;
	struct definition def;
	uint64_t request_id;
	bool privileged;
	char name[CONF_NAME_MAX + 1];
	struct process *caller; /* that the client runs in; NULL */
	struct process *parent; /* NULL: fosterd, or the session */
	bool parent_is_session;
	struct conf *conf;
	int fds[FDS_MAX]; /* stdin, stdout, stderr, directory; -1 */
};

static void defining_done(struct defining *d)
{
	definition_done(&d->def);
	conf_unref(d->conf);
	close_fd(&d->pidfd);
	for (size_t i = 0; i < FDS_MAX; i++)
		hurry_close(&d->fds[i]);
}

/* ---- the same call again --------------------------------------------------------------------- */

static struct process *find_repeated(const struct defining *d)
{
	struct process *p;

	for (p = d->s->processes; p; p = p->by_name.next)
		if (access_owns(d->peer, p) && p->client->request_id == d->request_id)
			break;
	return p;
}

/* ---- the name -------------------------------------------------------------------------------- */

static bool is_reserved(const char *name)
{
	return strcmp(name, "all") == 0 || strcmp(name, "supervisor") == 0 ||
	       strcmp(name, "logger") == 0;
}

static void make_name(struct defining *d)
{
	const char *prefix = d->params.prefix ? d->params.prefix : "run";

	do {
		snprintf(d->name, sizeof d->name, "%s-%llu", prefix,
			 (unsigned long long)++d->s->next_number);
	} while (process_find(d->s, d->name) || conf_find_process(d->s->conf, d->name));
}

/* Whether p, which has the name, may make room for another definition. */
static bool may_replace(const struct defining *d, const struct process *p)
{
	return forget_may(p) && (d->privileged || access_owns(d->peer, p));
}

static bool choose_name(struct defining *d)
{
	const struct process *p;

	if (!d->params.name) {
		make_name(d);
	} else if (strlen(d->params.name) > CONF_NAME_MAX) {
		errors_problem(d->call, "BadDefinition", "name: has 255 bytes at most");
		return false;
	} else {
		snprintf(d->name, sizeof d->name, "%s", d->params.name);
	}
	if (is_reserved(d->name)) {
		errors_problem(d->call, "BadDefinition", "name: is reserved");
		return false;
	}
	if (!(access_to_name(d->s, d->peer, d->name) & CONF_RUN)) {
		errors_not_permitted(d->call, d->name, CONF_RUN);
		return false;
	}
	p = process_find(d->s, d->name);
	if ((p && !may_replace(d, p)) || conf_find_process(d->s->conf, d->name)) {
		errors_reply(d->call, "NameInUse", d->name, NULL);
		return false;
	}
	return true;
}

/* ---- the parent ------------------------------------------------------------------------------ */

/* A process under its own descendant would wait for itself. */
static bool is_below(const struct process *p, const char *name)
{
	for (int depth = 0; p && depth < 1000; depth++, p = process_parent(p))
		if (strcmp(process_name(p), name) == 0)
			return true;
	return false;
}

static bool parent_is_up(const struct process *p)
{
	return p->state == PROCESS_RUNNING || (p->state == PROCESS_STARTING && p->executed);
}

static bool check_parent(struct defining *d)
{
	const struct process *p = d->parent;
	char reason[CONF_NAME_MAX + 64];

	if (is_below(p, d->name)) {
		errors_problem(d->call, "BadDefinition", "parent: would be its own descendant");
		return false;
	}
	if (parent_is_up(p))
		return true;
	snprintf(reason, sizeof reason, "its parent %s is not running", process_name(p));
	errors_cannot_start(d->call, d->name, NULL, reason);
	return false;
}

static bool named_parent(struct defining *d, const char *name)
{
	struct process *p = names_find(d->s, d->peer, name);

	if (!p) {
		errors_reply(d->call, "NoSuchProcess", name, NULL);
		return false;
	}
	if (!d->privileged && p != d->caller && !access_owns(d->peer, p)) {
		errors_not_permitted(d->call, process_name(p), CONF_ADMIN);
		return false;
	}
	d->parent = p;
	return check_parent(d);
}

static bool choose_parent(struct defining *d)
{
	const char *said = d->def.parent;

	d->caller = caller_process(d->s, d->peer->pid, d->pidfd);
	if (!said && d->params.transient == PARAM_TRUE)
		said = "session";
	d->parent_is_session = said && strcmp(said, "session") == 0;
	if (d->parent_is_session || (said && strcmp(said, "fosterd") == 0))
		return true;
	if (said)
		return named_parent(d, said);
	d->parent = d->caller;
	return !d->parent || check_parent(d);
}

/* ---- the definition -------------------------------------------------------------------------- */

/* A forkserver runs code of its own user before the child has become another. */
static bool may_use_forkserver(const struct defining *d)
{
	const struct conf_program *program = d->conf->programs;
	const struct conf_forkserver *f;

	if (d->privileged || program->method != CONF_FORKSERVER)
		return true;
	f = program->forkserver ? conf_find_forkserver(d->s->conf, program->forkserver) : NULL;
	return f && f->user && f->uid == d->peer->uid;
}

static bool build(struct defining *d)
{
	struct conf_diag diag = { 0 };
	int r = d->def.err;

	if (d->def.problems) {
		rpc_error(d->call, ERRORS_PREFIX "BadDefinition",
			  json_pack("{s:O}", "problems", d->def.problems));
		return false;
	}
	d->def.d.name = d->name;
	d->def.d.bare = process_is_other_user(d->peer->uid);
	if (r == 0)
		r = conf_define(d->s->conf, &d->def.d, &d->conf, &diag);
	if (r == -EINVAL)
		errors_problems(d->call, "BadDefinition", &diag);
	else if (r < 0)
		errors_errno(d->call, r);
	conf_diag_done(&diag);
	if (r < 0)
		return false;
	if (!may_use_forkserver(d)) {
		errors_problem(d->call, "BadDefinition",
			       "start_method: the forkserver must be one of your own user");
		return false;
	}
	if (d->fds[0] < 0 && !conf_log_name_fits(d->conf->processes)) {
		errors_problem(d->call, "BadDefinition", "name: is too long for its log file's");
		return false;
	}
	if (conf_find_group(d->s->conf, d->conf->processes[0].group)) {
		errors_reply(d->call, "NameInUse", d->name, NULL);
		return false;
	}
	return true;
}

/* ---- the process ----------------------------------------------------------------------------- */

static bool has_room(struct defining *d)
{
	uint32_t n = 0, most = d->s->keeper.slots / USER_SHARE;
	size_t bytes = 0;

	for (const struct process *p = d->s->processes; p && !d->privileged; p = p->by_name.next) {
		if (!access_owns(d->peer, p) || strcmp(process_name(p), d->name) == 0)
			continue; /* whose place it takes goes */
		n++;
		bytes += p->client->spooled;
	}
	if (n < most && bytes < USER_BYTES_MAX)
		return true;
	errors_reply(d->call, "LimitReached", NULL,
		     n < most ? "too many bytes in the definitions of one user: forget some"
			      : "too many processes of one user");
	return false;
}

static bool needs_session(const struct defining *d)
{
	return d->parent_is_session || d->params.transient == PARAM_TRUE;
}

static bool may_have_session(struct defining *d)
{
	auto_free char *reason = NULL;

	if (!needs_session(d) || session_of_client(d->s, d->peer->pid) ||
	    budget_check_session(d->s, &reason) == 0)
		return true;
	errors_reply(d->call, "LimitReached", NULL, reason ? reason : strerror(EMFILE));
	return false;
}

static bool wanted_daemon(const struct defining *d, const struct process *p)
{
	if (d->params.daemon != PARAM_UNSET)
		return d->params.daemon == PARAM_TRUE;
	if (!d->def.daemon_said && d->caller)
		return d->caller->daemon;
	return p->daemon; /* of its definition */
}

static int set_owner(struct process_client *c, const struct rpc_peer *peer)
{
	c->uid = peer->uid;
	c->gid = peer->gid;
	if (!peer->n_groups)
		return 0;
	c->groups = calloc(peer->n_groups, sizeof *c->groups);
	if (!c->groups)
		return -ENOMEM;
	memcpy(c->groups, peer->groups, peer->n_groups * sizeof *c->groups);
	c->n_groups = peer->n_groups;
	return 0;
}

static int set_parent(struct defining *d, struct process *p)
{
	struct session *session;

	if (d->parent && process_set_parent(p, process_name(d->parent)) < 0)
		return -ENOMEM;
	if (!needs_session(d))
		return 0;
	session = session_of(d->s, d->peer->pid, d->pidfd);
	if (!session)
		return -errno;
	session_attach(session, p);
	p->session_is_parent = d->parent_is_session;
	return 0;
}

/* The client's own descriptors, for the first start. */
static void give_descriptors(struct defining *d, struct process_client *c)
{
	for (size_t i = 0; i < 3; i++) {
		hurry_close(&c->stdio[i]);
		c->stdio[i] = take_fd(d->fds[i]);
	}
	hurry_close(&c->directory_fd);
	c->directory_fd = take_fd(d->fds[3]);
	c->terminal = d->params.terminal == PARAM_TRUE;
}

static int fill(struct defining *d, struct process *p)
{
	int r = set_owner(p->client, d->peer);

	p->client->request_id = d->request_id;
	p->client->defined_real_ns = clock_real_ns();
	p->transient = d->params.transient == PARAM_TRUE;
	p->daemon = wanted_daemon(d, p);
	if (r == 0)
		r = set_parent(d, p);
	if (r == 0)
		r = spool_save(d->s, p, &d->def.d);
	if (r == 0)
		process_send_note(p);
	return r;
}

/* A process that is down and known to a successor; NULL: the call was answered. */
static struct process *make(struct defining *d)
{
	struct process *p = process_find(d->s, d->name);
	int r;

	if (p)
		process_free(p); /* choose_name() has found that it may go */
	p = process_new(d->s, d->conf, &d->conf->processes[0], PROCESS_CLIENT);
	if (!p && errno == ENOSPC)
		errors_reply(d->call, "LimitReached", NULL, "the process table is full");
	else if (!p)
		errors_errno(d->call, errno);
	if (!p)
		return NULL;
	logs_remove(p); /* what a logger wrote that had not yet heard of the last one's end */
	r = fill(d, p);
	if (r == 0)
		return p;
	log_warning(process_name(p), "cannot be defined: %s", strerror(-r));
	process_free(p);
	errors_errno(d->call, r);
	return NULL;
}

/* ---- start and reply ------------------------------------------------------------------------- */

static void reply_when_executed(struct defining *d, struct process *p, uint64_t before)
{
	struct waiters *w = waiters_new(d->s, d->call, WAITERS_EXECUTED, 1);

	if (!w) { /* the client asks again, and finds it */
		errors_memory(d->call);
		return;
	}
	waiters_add(w, p, before);
	waiters_begin(w, false, -1);
}

static void start(struct defining *d, struct process *p)
{
	const struct process_asker who = request_asker(d->call);
	uint64_t before = p->incarnation;
	int r;

	give_descriptors(d, p->client);
	r = process_ask_start(p, &who);
	if (r == 0) {
		reply_when_executed(d, p, before);
		return;
	}
	process_free(p);
	errors_cannot_start(d->call, d->name, NULL,
			    r == -EHOSTDOWN ? "its parent is not running" : strerror(-r));
}

static void repeat(struct defining *d, struct process *p)
{
	snprintf(d->name, sizeof d->name, "%s", process_name(p));
	if (!p->incarnation && process_is_settled_down(p))
		start(d, p); /* a supervisor died between definition and start */
	else
		reply_when_executed(d, p, p->incarnation ? p->incarnation - 1 : 0);
}

static void define(struct defining *d)
{
	struct process *p = find_repeated(d);

	if (p) {
		repeat(d, p);
		return;
	}
	definition_build(&d->def, &d->params, d->privileged, d->fds[3]);
	if (!choose_name(d) || !build(d) || !choose_parent(d) || !has_room(d) ||
	    !may_have_session(d))
		return;
	p = make(d);
	if (p)
		start(d, p);
}

static void take_descriptors(struct defining *d)
{
	size_t n = 0;

	for (size_t i = 0; i < 3 && d->params.stdio == PARAM_TRUE; i++)
		d->fds[i] = rpc_take_fd(d->call, n++);
	if (d->params.directory_descriptor == PARAM_TRUE)
		d->fds[3] = rpc_take_fd(d->call, n);
}

static void define_by_known_caller(void *data, struct rpc_call *call, json_t *parameters)
{
	struct defining d = { .s = data,
			      .call = call,
			      .peer = rpc_peer(call),
			      .pidfd = -1,
			      .fds = { -1, -1, -1, -1 } };

	if (rpc_fds_refused(call)) {
		errors_problem(call, "BadDefinition",
			       "stdio: lies on a file system that may keep fosterd waiting: pass a "
			       "pipe");
		return;
	}
	if (!request_is_up(d.s, call) || !definition_read(call, parameters, &d.params))
		return;
	d.privileged = access_global(d.s, d.peer) & CONF_ADMIN;
	d.request_id = request_id(d.params.id);
	d.pidfd = rpc_peer_open(call);
	take_descriptors(&d);
	define(&d);
	defining_done(&d);
}

void method_define(void *data, struct rpc_call *call, json_t *parameters)
{
	caller_then(data, call, parameters, define_by_known_caller);
}
