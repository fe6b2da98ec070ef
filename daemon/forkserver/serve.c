#include "daemon/forkserver/serve.h"

#include <dirent.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/forkserver/child.h"
#include "daemon/forkserver/entry.h"
#include "daemon/forkserver/fork.h"
#include "daemon/forkserver/plan.h"

#define TEXT_BYTES_MAX 2048

/* What a child writes to its channel: a failure, or step NONE when its entry is found. */
struct report {
	struct link_failed failed;
	char text[TEXT_BYTES_MAX];
};

/* ---- to the keeper ------------------------------------------------------------------------- */

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

/* The keeper never waits for us, so waiting until it has read what it was told is safe, and there is
 * nothing else to do. */
static int flush(struct server *s)
{
	int r;

	while ((r = link_flush(&s->link)) == -EAGAIN)
		wait_for(s->link.fd, POLLOUT);
	return r;
}

/* What cannot be told (no descriptors, no memory) ends us: then the keeper knows what has failed. */
static void send_message(struct server *s, const struct link_head *h, const struct link_part *parts,
			 unsigned n_parts, const int *fds, unsigned n_fds)
{
	int r;

	while ((r = link_send(&s->link, h, parts, n_parts, fds, n_fds)) == -EAGAIN)
		wait_for(s->link.fd, POLLOUT);
	if (r < 0)
		s->error = r;
}

static void send_forked(struct server *s, const struct serve_child *c)
{
	struct link_forked forked = { .pid = c->pid };
	struct link_head h = { .type = LINK_FORKED,
			       .slot = c->slot,
			       .incarnation = c->incarnation };
	struct link_part part = { &forked, sizeof forked };

	send_message(s, &h, &part, 1, &c->pidfd, 1);
}

static void send_failed(struct server *s, uint32_t slot, uint64_t incarnation, enum link_step step,
			int err, const char *text)
{
	struct link_failed failed = { .step = step, .err = err };
	struct link_head h = { .type = LINK_FAILED, .slot = slot, .incarnation = incarnation };
	struct link_part parts[] = { { &failed, sizeof failed }, { text, strlen(text) + 1 } };

	send_message(s, &h, parts, ARRAY_SIZE(parts), NULL, 0);
}

static void refuse(struct server *s, const struct link_head *h, enum link_step step, int err,
		   const char *text)
{
	send_failed(s, h->slot, h->incarnation, step, err, text);
}

int serve_hello(struct server *s)
{
	struct link_hello hello = { .version = LINK_VERSION, .parent = 0 };
	struct link_head h = { .type = LINK_HELLO, .slot = LINK_NO_SLOT };
	struct link_part part = { &hello, sizeof hello };

	send_message(s, &h, &part, 1, NULL, 0);
	return flush(s);
}

int serve_preload_failed(struct server *s, const char *path, const char *why)
{
	char text[TEXT_BYTES_MAX];

	snprintf(text, sizeof text, "preload %s: %s", path, why);
	send_failed(s, LINK_NO_SLOT, 0, LINK_STEP_ENTRY, 0, text);
	return flush(s);
}

/* ---- threads ------------------------------------------------------------------------------- */

int serve_threads(void)
{
	struct stat st;

	if (stat("/proc/self/task", &st) < 0)
		return -errno;
	return (int)st.st_nlink - 2; /* "." and ".."; each thread is a directory */
}

/* Append the names of all threads but the first. */
static void add_thread_names(struct buf *b)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[64], name[32];

		snprintf(path, sizeof path, "/proc/self/task/%.10s/comm", e->d_name);
		if (e->d_name[0] == '.' || atoi(e->d_name) == getpid() ||
		    fd_read_file(path, name, sizeof name) <= 0)
			continue;
		buf_addf(b, " %.*s", (int)strcspn(name, "\n"), name);
	}
	if (d)
		closedir(d);
}

/* A copy has the one thread that asked for it, and the locks of all, held for ever. */
static bool refused_for_threads(struct server *s, const struct link_head *h)
{
	auto_buf struct buf text = { 0 };

	if (serve_threads() <= 1)
		return false;
	buf_addf(&text, "preload %s started a thread:", s->threaded ? s->threaded : "(later)");
	add_thread_names(&text);
	refuse(s, h, LINK_STEP_SERVER, 0, buf_error(&text) ? "threads" : text.data);
	return true;
}

/* ---- children ------------------------------------------------------------------------------ */

static void forget(struct server *s, struct serve_child *c)
{
	close_fd(&c->pidfd);
	close_fd(&c->channel);
	*c = s->children[--s->n_children];
}

/* Room for one more, before anything is done that could not be undone. */
static int reserve(struct server *s)
{
	size_t capacity = s->capacity ? 2 * s->capacity : 16;
	struct serve_child *more;

	if (s->n_children < s->capacity)
		return 0;
	more = reallocarray(s->children, capacity, sizeof *more);
	if (!more)
		return -ENOMEM;
	s->children = more;
	s->capacity = capacity;
	return 0;
}

/* What a child must know of who asked for it. */
struct asked {
	int link_fd;
	pid_t keeper;
	uint32_t slot;
	uint64_t incarnation;
};

static struct asked asked_by(const struct server *s, const struct link_head *h)
{
	return (struct asked){ s->link.fd, s->keeper, h->slot, h->incarnation };
}

/* ---- in the child -------------------------------------------------------------------------- */

_Noreturn static void give_up(int channel, enum link_step step, int err, const char *text)
{
	struct report r = { .failed = { .step = step, .err = err } };
	size_t len = strnlen(text, sizeof r.text - 1);

	memcpy(r.text, text, len);
	(void)send(channel, &r, offsetof(struct report, text) + len + 1, MSG_NOSIGNAL);
	_exit(127);
}

/* The keeper learns of us from ourselves: when our server dies before it has answered, the keeper ends us;
 * when it cannot be told, we give up. What the server has yet to send lies in its own link, which is not
 * touched: we may be on its memory. 0 or -errno. */
static int tell_begun(const struct asked *a)
{
	struct link_forked forked = { .pid = (int32_t)getpid() };
	struct link_head h = { .type = LINK_BEGUN, .slot = a->slot, .incarnation = a->incarnation };
	struct link_part part = { &forked, sizeof forked };
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, forked.pid, 0);
	struct link l;
	int r;

	if (pidfd < 0)
		return -errno;
	link_init(&l, a->link_fd);
	r = link_send(&l, &h, &part, 1, &pidfd, 1);
	while (r == 0 && (r = link_flush(&l)) == -EAGAIN) {
		wait_for(a->link_fd, POLLOUT);
		r = 0;
	}
	return r;
}

/* Go on only when the keeper has been told of us. */
static void await_leave(int channel)
{
	struct link_failed none = { 0 };
	char leave;

	if (send(channel, &none, sizeof none, MSG_NOSIGNAL) < 0 || recv(channel, &leave, 1, 0) != 1)
		_exit(127);
	close(channel);
}

/* A large plan lies where nothing can be written, and a program may write to its arguments. */
static bool make_own(char **strings)
{
	for (; *strings; strings++)
		if (!(*strings = strdup(*strings)))
			return false;
	return true;
}

_Noreturn static void run_entry(const struct plan *p, int channel)
{
	char *name = strdup(p->entry);
	entry_main *entry;
	const char *why = "Cannot allocate memory";

	environ = p->envp;
	if (name && make_own(p->argv))
		why = entry_find(name, &entry);
	if (why)
		give_up(channel, LINK_STEP_ENTRY, 0, why);
	free(name);
	await_leave(channel);
	exit(entry((int)p->spawn->n_argv, p->argv));
}

_Noreturn static void be_copy(const struct plan *p, const struct asked *a, int channel)
{
	int r = p->path[0] ? tell_begun(a) : 0;
	enum link_step step;

	if (r < 0)
		give_up(channel, LINK_STEP_SERVER, -r, "");
	step = child_set_up(p, a->keeper, channel);
	if (!step && p->path[0])
		step = child_execute(p);
	if (step)
		give_up(channel, step, errno, "");
	run_entry(p, channel);
}

struct borrower {
	const struct plan *plan;
	struct asked asked;
	struct link_failed failed;
};

static int be_borrower(void *data)
{
	struct borrower *b = data;
	int r = tell_begun(&b->asked);

	if (r < 0) {
		b->failed = (struct link_failed){ LINK_STEP_SERVER, -r };
		_exit(127);
	}
	b->failed.step = child_set_up(b->plan, b->asked.keeper, -1);
	if (!b->failed.step)
		b->failed.step = child_execute(b->plan);
	b->failed.err = errno;
	_exit(127);
}

/* ---- starting ------------------------------------------------------------------------------ */

static void start_borrower(struct server *s, const struct link_head *h, const struct plan *p)
{
	struct serve_child c = { .slot = h->slot, .incarnation = h->incarnation, .channel = -1 };
	struct borrower b = { .plan = p, .asked = asked_by(s, h) };

	c.pid = fork_borrow(be_borrower, &b, &c.pidfd);
	if (c.pid < 0) {
		refuse(s, h, LINK_STEP_FORK, -c.pid, "");
		return;
	}
	if (b.failed.step) {
		close(c.pidfd);
		refuse(s, h, b.failed.step, b.failed.err, "");
		return;
	}
	send_forked(s, &c);
	close(c.pidfd);
}

static void start_copy(struct server *s, const struct link_head *h, const struct plan *p)
{
	struct serve_child c = { .slot = h->slot, .incarnation = h->incarnation };
	const struct asked asked = asked_by(s, h);
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		refuse(s, h, LINK_STEP_PIPE, errno, "");
		return;
	}
	c.channel = ends[0];
	c.has_entry = !p->path[0];
	c.pid = fork_copy(&c.pidfd);
	if (c.pid == 0)
		be_copy(p, &asked, ends[1]);
	close(ends[1]);
	if (c.pid < 0) {
		close(c.channel);
		refuse(s, h, LINK_STEP_FORK, -c.pid, "");
		return;
	}
	s->children[s->n_children++] = c;
}

/* Not where the child becomes another user, who could stop it, and so us, before it executes. */
static bool may_borrow(const struct plan *p)
{
	bool is_ours = !(p->spawn->flags & LINK_SPAWN_IDS) || p->spawn->uid == geteuid();

	return p->path[0] && p->spawn->flags & LINK_SPAWN_LOCAL && is_ours;
}

static void on_spawn(struct server *s, const struct link_message *m)
{
	struct plan p;
	int r;

	if (refused_for_threads(s, m->head))
		return;
	r = reserve(s);
	if (r == 0)
		r = plan_read(m, environ, &p);
	if (r < 0) {
		refuse(s, m->head, LINK_STEP_SERVER, -r,
		       r == -EPROTO ? "the plan cannot be read" : "");
		return;
	}
	if (may_borrow(&p))
		start_borrower(s, m->head, &p);
	else
		start_copy(s, m->head, &p);
	plan_done(&p);
}

static void on_message(void *data, const struct link_message *m)
{
	struct server *s = data;

	if (m->head->type == LINK_SPAWN)
		on_spawn(s, m);
	else if (m->head->type !=
		 LINK_REAP) /* reaping is the keeper's affair: they are its children */
		log_error("forkserver", "the keeper sent a message of type %u (%s)", m->head->type,
			  link_type_name(m->head->type));
}

/* ---- reports ------------------------------------------------------------------------------- */

/* A child that ended before it said anything has executed its program, or died of something that
 * its end will tell; one that was to run an entry never came to it. */
static void on_silent_end(struct server *s, struct serve_child *c)
{
	if (c->has_entry)
		send_failed(s, c->slot, c->incarnation, LINK_STEP_ENTRY, 0,
			    "the process ended while its entry was loaded");
	else
		send_forked(s, c);
	forget(s, c);
}

static void on_report(struct server *s, struct serve_child *c)
{
	struct report r = { 0 };
	ssize_t n = recv(c->channel, &r, sizeof r - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)sizeof r.failed) {
		on_silent_end(s, c);
	} else if (r.failed.step == LINK_STEP_NONE) {
		c->found = true;
		send_forked(s, c);
	} else {
		send_failed(s, c->slot, c->incarnation, r.failed.step, r.failed.err, r.text);
		forget(s, c);
	}
}

/* The keeper has been told of those whose entry is found: let them run it. Backwards, as forget() fills the gap
 * with the last. */
static void give_leave(struct server *s)
{
	for (size_t i = s->n_children; i-- > 0;) {
		struct serve_child *c = &s->children[i];

		if (!c->found)
			continue;
		(void)send(c->channel, "", 1, MSG_NOSIGNAL); /* it may have died: its end tells */
		forget(s, c);
	}
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* Descriptors to poll: the link, then the channels in the order of children. */
static struct pollfd *gather(const struct server *s)
{
	struct pollfd *fds = calloc(s->n_children + 1, sizeof *fds);

	if (!fds)
		return NULL;
	fds[0] = (struct pollfd){ .fd = s->link.fd, .events = POLLIN };
	for (size_t i = 0; i < s->n_children; i++)
		fds[i + 1] = (struct pollfd){ .fd = s->children[i].channel, .events = POLLIN };
	return fds;
}

static struct serve_child *find_channel(struct server *s, int channel)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i].channel == channel)
			return &s->children[i];
	return NULL;
}

/* One turn: wait, hear the children, then the keeper, then answer. 1, 0 at the link's end, -errno */
static int turn(struct server *s)
{
	auto_free struct pollfd *fds = gather(s);
	size_t n = s->n_children + 1;
	int r = 1;

	if (!fds)
		return -ENOMEM;
	if (poll(fds, n, -1) < 0)
		return errno == EINTR ? 1 : -errno;
	for (size_t i = 1; i < n; i++) {
		struct serve_child *c = fds[i].revents ? find_channel(s, fds[i].fd) : NULL;

		if (c)
			on_report(s, c);
	}
	if (fds[0].revents)
		r = link_receive(&s->link, on_message, s);
	if (r == -EAGAIN)
		r = 1;
	if (r == -ECONNRESET) /* the keeper is gone and left something unread */
		r = 0;
	if (r > 0 && s->error)
		r = s->error;
	if (r > 0 && flush(s) == 0)
		give_leave(s);
	return r;
}

int serve(struct server *s)
{
	int r;

	do
		r = turn(s);
	while (r > 0);
	if (r < 0)
		log_error("forkserver", "the link to the keeper: %s", strerror(-r));
	return r;
}

void serve_done(struct server *s)
{
	while (s->n_children)
		forget(s, &s->children[0]);
	free(s->children);
	link_done(&s->link);
}
