#include "daemon/logger/logfile.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/base/hash.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/base/path.h"
#include "daemon/logger/rotate.h"

#define FIRST_BUCKETS 64 /* a power of 2 */

/* ---- the table ----------------------------------------------------------------------------- */

int logfiles_init(struct logfiles *all, struct ev_loop *loop, outlet_on_writable *on_writable)
{
	*all = (struct logfiles){
		.loop = loop, .on_writable = on_writable, .n_buckets = FIRST_BUCKETS, .max_open = 1
	};
	TAILQ_INIT(&all->open);
	all->buckets = calloc(all->n_buckets, sizeof(struct logfile *));
	return all->buckets ? 0 : -ENOMEM;
}

void logfiles_done(struct logfiles *all)
{
	free(all->buckets);
	all->buckets = NULL;
}

static struct logfile **bucket_of(const struct logfiles *all, const char *path)
{
	uint64_t h = hash_bytes(path, strlen(path));

	return &all->buckets[(h ^ h >> 32) & (all->n_buckets - 1)];
}

/* Where memory is short the chains grow longer instead. */
static void grow(struct logfiles *all)
{
	size_t n_old = all->n_buckets;
	struct logfile **old = all->buckets;
	struct logfile **buckets = calloc(n_old * 2, sizeof(struct logfile *));

	if (!buckets)
		return;
	all->buckets = buckets;
	all->n_buckets = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		while (old[i]) {
			struct logfile *f = old[i];
			struct logfile **to = bucket_of(all, f->path);

			old[i] = f->next;
			f->next = *to;
			*to = f;
		}
	}
	free(old);
}

struct logfile *logfile_get(struct logfiles *all, const char *path)
{
	size_t size = strlen(path) + 1;
	struct logfile **bucket = bucket_of(all, path);
	struct logfile *f;

	for (f = *bucket; f; f = f->next) {
		if (!strcmp(f->path, path)) {
			f->refs++;
			return f;
		}
	}
	f = calloc(1, sizeof *f + size);
	if (!f)
		return NULL;
	memcpy(f->path, path, size);
	f->fd = -1;
	f->refs = 1;
	f->limit = UINT64_MAX;
	f->next = *bucket;
	*bucket = f;
	if (++all->n > all->n_buckets)
		grow(all);
	return f;
}

void logfile_put(struct logfiles *all, struct logfile *f)
{
	struct logfile **at;

	if (!f || --f->refs)
		return;
	logfile_close(all, f);
	for (at = bucket_of(all, f->path); *at != f; at = &(*at)->next)
		;
	*at = f->next;
	all->n--;
	free(f);
}

void logfile_set(struct logfile *f, uint64_t maxbytes, unsigned backups, unsigned mode)
{
	f->maxbytes = maxbytes;
	f->limit = maxbytes ? maxbytes : UINT64_MAX;
	f->backups = backups;
	f->mode = mode;
	f->stuck = false;
}

/* ---- opening and closing ------------------------------------------------------------------- */

void logfile_close(struct logfiles *all, struct logfile *f)
{
	outlet_free(f->outlet);
	f->outlet = NULL;
	if (f->fd < 0)
		return;
	TAILQ_REMOVE(&all->open, f, lru);
	all->n_open--;
	close_fd(&f->fd);
}

void logfiles_limit(struct logfiles *all, size_t max)
{
	all->max_open = max ? max : 1;
	while (all->n_open > all->max_open)
		logfile_close(all, TAILQ_LAST(&all->open, logfile_list));
}

/* O_NONBLOCK: a FIFO without a reader is an error, and a terminal that was stopped does not stop us.
 * It means nothing to a regular file. */
static int open_or_make_room(struct logfiles *all, const struct logfile *f)
{
	for (;;) {
		int fd = path_open(f->path, O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK,
				   (mode_t)f->mode);

		if ((fd != -EMFILE && fd != -ENFILE) || TAILQ_EMPTY(&all->open))
			return fd;
		logfile_close(all, TAILQ_LAST(&all->open, logfile_list));
	}
}

static int logfile_open(struct logfiles *all, struct logfile *f)
{
	auto_close int fd = -1;
	struct stat st;

	logfiles_limit(all, all->max_open);
	if (all->n_open == all->max_open)
		logfile_close(all, TAILQ_LAST(&all->open, logfile_list));
	fd = open_or_make_room(all, f);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		f->outlet =
			outlet_new(all->loop, take_fd(fd), f->path, OUTLET_OWN, all->on_writable);
		return f->outlet ? 0 : -ENOMEM;
	}
	f->fd = take_fd(fd);
	f->position = 0;
	f->line_end = 0;
	TAILQ_INSERT_HEAD(&all->open, f, lru);
	all->n_open++;
	return 0;
}

static int go_to_end(struct logfile *f, off_t size)
{
	if ((uint64_t)size == f->position)
		return 0;
	if (lseek(f->fd, size, SEEK_SET) < 0)
		return -errno;
	f->position = (uint64_t)size;
	f->line_end = 0;
	return 0;
}

int logfile_prepare(struct logfiles *all, struct logfile *f)
{
	struct stat st = { 0 };

	if (f->fd >= 0) {
		if (fstat(f->fd, &st) < 0)
			return -errno;
		if (!st.st_nlink)
			logfile_close(all, f);
	}
	if (f->fd < 0 && !f->outlet) {
		int r = logfile_open(all, f);

		if (r < 0 || f->outlet)
			return r;
		if (fstat(f->fd, &st) < 0)
			return -errno;
	}
	if (f->outlet)
		return 0;
	if (f != TAILQ_FIRST(&all->open)) {
		TAILQ_REMOVE(&all->open, f, lru);
		TAILQ_INSERT_HEAD(&all->open, f, lru);
	}
	return go_to_end(f, st.st_size);
}

void logfiles_reopen(struct logfiles *all)
{
	struct logfile_list old = TAILQ_HEAD_INITIALIZER(old);
	struct logfile *f;

	TAILQ_CONCAT(&old, &all->open, lru);
	all->n_open = 0;
	while ((f = TAILQ_FIRST(&old))) {
		TAILQ_REMOVE(&old, f, lru);
		close_fd(&f->fd);
		f->limit = f->maxbytes ? f->maxbytes : UINT64_MAX;
		(void)logfile_prepare(all, f); /* said at its next byte, when it still cannot */
	}
}

/* ---- contents ------------------------------------------------------------------------------ */

/* The file may be open for writing only, and its name may be another's by now. */
static bool last_byte_is_newline(const struct logfile *f)
{
	char self[64];
	char c = 0;

	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", f->fd);
	auto_close int fd = open(self, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && pread(fd, &c, 1, (off_t)f->position - 1) == 1 && c == '\n';
}

bool logfile_at_line_start(const struct logfile *f)
{
	return !f->position || f->position == f->line_end || last_byte_is_newline(f);
}

static int start_over(struct logfile *f)
{
	if (ftruncate(f->fd, 0) < 0 || lseek(f->fd, 0, SEEK_SET) < 0)
		return -errno;
	f->position = 0;
	return 0;
}

/* False when path is no longer our file: then it needs opening, not rotating. */
static bool path_is_ours(const struct logfile *f)
{
	struct stat named, ours;

	return stat(f->path, &named) == 0 && fstat(f->fd, &ours) == 0 &&
	       named.st_dev == ours.st_dev && named.st_ino == ours.st_ino;
}

int logfile_rotate(struct logfiles *all, struct logfile *f)
{
	bool ours = path_is_ours(f);
	int r = 0;

	if (ours)
		r = f->backups ? rotate_shift(f->path, f->backups) : start_over(f);
	if (r < 0) {
		f->limit = f->position + f->maxbytes;
		errno = -r;
		if (!f->stuck)
			log_warning(f->path, "cannot rotate: %m, it grows on");
		f->stuck = true;
		return 0;
	}
	f->stuck = false;
	f->limit = f->maxbytes ? f->maxbytes : UINT64_MAX;
	if (f->backups || !ours)
		logfile_close(all, f);
	return logfile_prepare(all, f);
}

int logfile_append(struct logfile *f, const void *data, size_t len)
{
	ssize_t n;

	do
		n = pwrite(f->fd, data, len, (off_t)f->position);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len) {
		f->position += len;
		return lseek(f->fd, (off_t)f->position, SEEK_SET) < 0 ? -errno : 0;
	}
	int err = n < 0 ? -errno : -ENOSPC;
	if (n > 0 && ftruncate(f->fd, (off_t)f->position) < 0)
		return -errno;
	return err;
}
