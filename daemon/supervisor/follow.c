#include "daemon/supervisor/follow.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "daemon/base/mem.h"
#include "daemon/supervisor/access.h"
#include "daemon/supervisor/logs.h"

#define REST_SECONDS 0.02
#define EVENT_BYTES 4096

struct follower {
	struct follower *next, *prev;
	struct follow *follow;
	struct rpc_call *call;
	const struct process *process;
	int stream;
	int directory, file; /* watch descriptors, perhaps shared; -1: none */
	bool resting; /* a reply was sent a moment ago; the file is not watched */
	dev_t dev; /* of the file that the client has; ino 0: none */
	ino_t ino;
	off_t size; /* that it was told of */
	char path[];
};

/* ---- watches: one inode has one watch, however many follow it ------------------------------- */

static bool is_shared(const struct follower *w, int watch)
{
	for (const struct follower *o = w->follow->followers; o; o = o->next)
		if (o != w && (o->directory == watch || o->file == watch))
			return true;
	return false;
}

static void unwatch(struct follower *w, int *watch)
{
	if (*watch >= 0 && !is_shared(w, *watch))
		(void)inotify_rm_watch(w->follow->inotify, *watch);
	*watch = -1;
}

static int watch_directory(struct follower *w)
{
	const char *slash = strrchr(w->path, '/');
	char directory[PATH_MAX];
	int n = slash == w->path ? 1 : (int)(slash - w->path);

	if (snprintf(directory, sizeof directory, "%.*s", n, w->path) >= PATH_MAX)
		return -ENAMETOOLONG;
	w->directory = inotify_add_watch(w->follow->inotify, directory,
					 IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	return w->directory < 0 ? -errno : 0;
}

/* For one event. */
static void watch_file(struct follower *w)
{
	w->file = inotify_add_watch(w->follow->inotify, w->path,
				    IN_MODIFY | IN_ONESHOT | IN_DONT_FOLLOW);
}

/* ---- replies -------------------------------------------------------------------------------- */

static void rest(struct follower *w)
{
	struct follow *f = w->follow;

	w->resting = true;
	if (ev_is_active(&f->rest))
		return;
	ev_timer_set(&f->rest, REST_SECONDS, 0.);
	ev_timer_start(f->supervisor->loop, &f->rest);
}

static void send_more(struct follower *w, json_t *parameters, int fd)
{
	rest(w);
	if (!rpc_continue(w->call, parameters, fd))
		rpc_drop(w->call); /* w is gone */
}

static void send_file(struct follower *w, int fd, const struct stat *st, bool first)
{
	w->dev = st->st_dev;
	w->ino = st->st_ino;
	w->size = st->st_size;
	if (first)
		send_more(w, json_pack("{s:I}", "size", (json_int_t)w->size), fd);
	else
		send_more(w, json_pack("{s:I,s:b}", "size", (json_int_t)w->size, "rotated", 1), fd);
}

static bool may_still_read(const struct follower *w)
{
	return access_to(w->follow->supervisor, rpc_peer(w->call), w->process) & CONF_READ;
}

static void tell_rotated(struct follower *w)
{
	struct stat st;
	auto_close int fd = logs_open(w->path, &st);

	if (fd < 0)
		return; /* gone again: the directory tells when there is another */
	unwatch(w, &w->file);
	send_file(w, fd, &st, false);
}

/* Compare the file with what the client knows of it; tell it at most one thing. */
static void look(struct follower *w)
{
	struct stat st;

	if (w->resting || !rpc_drained(w->call))
		return; /* wake() or on_drained() looks again */
	if (!may_still_read(w)) {
		rpc_drop(w->call);
		return;
	}
	if (lstat(w->path, &st) < 0)
		return; /* between two files */
	if (st.st_ino != w->ino || st.st_dev != w->dev) {
		tell_rotated(w);
	} else if (st.st_size != w->size) {
		w->size = st.st_size;
		send_more(w, json_pack("{s:I,s:b}", "size", (json_int_t)w->size, "grown", 1), -1);
	}
}

static void on_drained(void *data)
{
	look(data);
}

/* ---- what inotify says ----------------------------------------------------------------------- */

static bool names_file(const struct follower *w, const struct inotify_event *e)
{
	return e->wd == w->directory && e->len && strcmp(strrchr(w->path, '/') + 1, e->name) == 0;
}

static void handle(struct follow *f, const struct inotify_event *e)
{
	struct follower *next;

	for (struct follower *w = f->followers; w; w = next) {
		bool changed = e->wd == w->file, replaced = names_file(w, e);

		next = w->next;
		if (changed)
			w->file = -1; /* it was for one event */
		if (changed || replaced || e->mask & IN_Q_OVERFLOW)
			look(w);
	}
}

static void on_inotify(struct ev_loop *loop, ev_io *io, int events)
{
	struct follow *f = container_of(io, struct follow, io);
	char buffer[EVENT_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(f->inotify, buffer, sizeof buffer);

	(void)loop;
	(void)events;
	for (ssize_t at = 0; at < n && f->inotify >= 0;) {
		const struct inotify_event *e = (const void *)(buffer + at);

		handle(f, e);
		at += (ssize_t)(sizeof *e + e->len);
	}
}

/* Watched first, then looked at: what comes between is seen twice, not missed. */
static void wake(struct follower *w)
{
	w->resting = false;
	if (w->file < 0 && w->ino)
		watch_file(w);
	look(w);
}

static void on_rest(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct follow *f = container_of(timer, struct follow, rest);
	struct follower *next;

	(void)loop;
	(void)events;
	for (struct follower *w = f->followers; w; w = next) {
		next = w->next;
		if (w->resting)
			wake(w);
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

static void close_inotify(struct follow *f)
{
	ev_io_stop(f->supervisor->loop, &f->io);
	ev_timer_stop(f->supervisor->loop, &f->rest);
	close_fd(&f->inotify);
}

static int open_inotify(struct follow *f)
{
	if (f->inotify >= 0)
		return 0;
	f->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->inotify < 0)
		return -errno;
	ev_io_set(&f->io, f->inotify, EV_READ);
	ev_io_start(f->supervisor->loop, &f->io);
	return 0;
}

static void follower_free(struct follower *w)
{
	struct follow *f = w->follow;

	unwatch(w, &w->file);
	unwatch(w, &w->directory);
	if (w->prev)
		w->prev->next = w->next;
	else
		f->followers = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w);
	if (!f->followers)
		close_inotify(f);
}

static void on_gone(void *data)
{
	follower_free(data);
}

static struct follower *follower_new(struct follow *f, struct rpc_call *call,
				     const struct process *p, int stream, const char *path)
{
	size_t size = strlen(path) + 1;
	struct follower *w = calloc(1, sizeof *w + size);

	if (!w)
		return NULL;
	w->next = f->followers;
	w->follow = f;
	w->call = call;
	w->process = p;
	w->stream = stream;
	w->directory = w->file = -1;
	memcpy(w->path, path, size);
	if (w->next)
		w->next->prev = w;
	f->followers = w;
	return w;
}

int follow_start(struct follow *f, struct rpc_call *call, struct process *p, int stream,
		 const char *path)
{
	struct follower *w = follower_new(f, call, p, stream, path);
	struct stat st = { 0 };
	int r = w ? open_inotify(f) : -ENOMEM;

	if (r == 0)
		r = watch_directory(w);
	auto_close int fd = r == 0 ? logs_open(path, &st) : -1;
	if (r == 0 && fd < 0 && fd != -ENOENT)
		r = fd;
	if (r < 0) {
		if (w)
			follower_free(w);
		return r;
	}
	rpc_keep(call, on_gone, on_drained, w);
	if (fd >= 0)
		send_file(w, fd, &st, true);
	else
		send_more(w, NULL, -1);
	return 0;
}

/* Follow another file from now on; without memory, the old one. */
static void move_to(struct follower *w, const char *path)
{
	struct follower *n = follower_new(w->follow, w->call, w->process, w->stream, path);

	if (!n)
		return;
	n->dev = w->dev;
	n->ino = w->ino;
	n->size = w->size;
	rpc_keep(n->call, on_gone, on_drained, n);
	follower_free(w);
	(void)watch_directory(n);
	rest(n); /* then looked at */
}

void follow_started(struct follow *f, const struct process *p)
{
	char path[LOGS_PATH_BYTES];
	struct follower *next;
	const char *why;

	for (struct follower *w = f->followers; w; w = next) {
		next = w->next;
		if (w->process == p &&
		    process_log_path(p, w->stream, path, sizeof path, &why) == 0 &&
		    strcmp(path, w->path) != 0)
			move_to(w, path);
	}
}

void follow_forgotten(struct follow *f, const struct process *p)
{
	struct follower *next;

	for (struct follower *w = f->followers; w; w = next) {
		struct rpc_call *call = w->call;

		next = w->next;
		if (w->process != p)
			continue;
		follower_free(w);
		rpc_reply(call, NULL);
	}
}

void follow_init(struct follow *f, struct supervisor *s)
{
	*f = (struct follow){ .supervisor = s, .inotify = -1 };
	ev_io_init(&f->io, on_inotify, -1, EV_READ);
	ev_timer_init(&f->rest, on_rest, 0., 0.);
}

void follow_done(struct follow *f)
{
	close_inotify(f);
}
