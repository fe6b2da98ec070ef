/* What the keeper's messages mean. One that makes no sense is said loudly and changes nothing. */
#include <sys/stat.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/nomem.h"
#include "daemon/logger/linefmt.h"
#include "daemon/logger/logger.h"

/* More slots than any keeper has: bounds what a wrong number costs. */
#define SLOTS_MAX (1 << 20)

static void refuse(const struct link_message *m, const char *why)
{
	log_error("link", "%s of slot %u: %s", link_type_name(m->head->type), m->head->slot, why);
}

/* ---- which stream -------------------------------------------------------------------------- */

/* The place of a stream in the books, made when there is none; NULL: no such slot, no memory. */
static struct stream **place_of(struct logger *l, uint32_t slot, uint32_t number)
{
	size_t at = 2 * (size_t)slot + number - 1;
	size_t n = l->n_index ? l->n_index : 64;
	struct stream **index;

	if (slot == LINK_NO_SLOT)
		return &l->own;
	if (slot >= SLOTS_MAX)
		return NULL;
	if (at < l->n_index)
		return &l->index[at];
	while (n <= at)
		n *= 2;
	index = realloc(l->index, n * sizeof(struct stream *));
	if (!index)
		return NULL;
	memset(index + l->n_index, 0, (n - l->n_index) * sizeof(struct stream *));
	l->index = index;
	l->n_index = n;
	return &l->index[at];
}

static bool is_stream(const struct link_message *m, const struct link_log *log)
{
	return log && (log->stream == 1 || log->stream == 2) &&
	       (m->head->slot != LINK_NO_SLOT || log->stream == 2);
}

/* ---- LOG ----------------------------------------------------------------------------------- */

/* NULL, or what is wrong. A name that is missing is an empty one. */
static const char *read_settings(const struct link_message *m, struct stream_settings *set)
{
	size_t at = 0;
	const struct link_log *log = link_take(m, &at, sizeof *log);

	if (!is_stream(m, log))
		return "no such stream";
	set->log = *log;
	set->path = link_take_str(m, &at);
	set->prefix = link_take_str(m, &at);
	set->name = link_take_str(m, &at);
	if (!set->path || !set->prefix)
		return "a string is missing";
	if (!set->name)
		set->name = "";
	if (log->kind > LINK_LOG_STDERR || log->format >= LINEFMT_MAX)
		return "unknown kind or format";
	if (log->kind == LINK_LOG_FILE && !*set->path)
		return "no path";
	return NULL;
}

static bool is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static bool same_pipe(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* A stream's new pipe does not drop what the old one holds. */
static int add_or_change(struct logger *l, struct stream **place, int fd,
			 const struct stream_settings *set)
{
	auto_close int pipe = fd;
	struct stream *old = *place;

	if (old && (pipe < 0 || same_pipe(pipe, old->pipe)))
		return stream_change(l, old, set);
	if (old) {
		*place = NULL;
		stream_end(l, old);
	}
	return stream_new(l, take_fd(pipe), set, place);
}

static void on_log(struct logger *l, const struct link_message *m)
{
	struct stream_settings set;
	const char *wrong = read_settings(m, &set);
	struct stream **place = wrong ? NULL : place_of(l, m->head->slot, set.log.stream);
	int fd = m->n_fds == 1 ? m->fds[0] : -1;
	int r;

	if (!wrong && !place && m->head->slot < SLOTS_MAX)
		nomem_exit(set.name);
	if (!wrong && !place)
		wrong = "no such slot";
	if (!wrong && (m->n_fds > 1 || (fd < 0 && !*place) || (fd >= 0 && !is_pipe(fd))))
		wrong = "it needs one pipe";
	if (wrong) {
		refuse(m, wrong);
		return;
	}
	if (m->n_fds)
		m->fds[0] = -1;
	r = add_or_change(l, place, fd, &set);
	if (r == -ENOMEM) /* nobody would read it; our successor is told of all streams */
		nomem_exit(set.name);
	if (r < 0)
		refuse(m, strerror(-r));
}

/* ---- the others ---------------------------------------------------------------------------- */

static void on_unlog(struct logger *l, const struct link_message *m)
{
	size_t at = 0;
	const struct link_log *log = link_take(m, &at, sizeof *log);
	struct stream **place = is_stream(m, log) ? place_of(l, m->head->slot, log->stream) : NULL;

	if (!is_stream(m, log)) {
		refuse(m, "no such stream");
		return;
	}
	if (!place || !*place)
		return; /* we are new, and were not told of it */
	(*place)->unlog = (uint32_t)m->head->incarnation;
	if (log->kind == LINK_LOG_NOWHERE)
		stream_forget(l, take_ptr(*place));
	else
		stream_end(l, take_ptr(*place));
}

/* Take what the stream's pipe holds, as far as its file takes it, and say so. */
static void on_sync(struct logger *l, const struct link_message *m)
{
	struct link_head head = *m->head;
	size_t at = 0;
	const struct link_log *log = link_take(m, &at, sizeof *log);
	struct stream **place = is_stream(m, log) ? place_of(l, m->head->slot, log->stream) : NULL;
	int r;

	if (place && *place)
		stream_drive(l, *place);
	head.type = LINK_SYNCED;
	r = link_send(&l->link, &head, NULL, 0, NULL, 0); /* flushed after the last message */
	if (r < 0)
		log_error("link", "SYNCED: %s", strerror(-r));
}

static void on_ping(struct logger *l)
{
	struct link_head head = { .type = LINK_PONG, .slot = LINK_NO_SLOT };
	int r = link_send(&l->link, &head, NULL, 0, NULL, 0); /* flushed after the last message */

	if (r < 0)
		log_error("link", "PONG: %s", strerror(-r));
}

void logger_on_message(void *data, const struct link_message *m)
{
	struct logger *l = data;

	switch (m->head->type) {
	case LINK_LOG:
		on_log(l, m);
		break;
	case LINK_UNLOG:
		on_unlog(l, m);
		break;
	case LINK_SYNC:
		on_sync(l, m);
		break;
	case LINK_REOPEN:
		logfiles_reopen(&l->files);
		break;
	case LINK_PING:
		on_ping(l);
		break;
	case LINK_FINISH:
		l->dismissed = true;
		l->followed = m->head->incarnation == 1;
		break;
	default:
		refuse(m, "not for the logger");
	}
}
