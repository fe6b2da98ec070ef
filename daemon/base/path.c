#include "daemon/base/path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "daemon/base/mem.h"

#define LINKS_MAX 40 /* as the kernel follows */

/* Where we are, and what is still to go. */
struct walk {
	int dir; /* O_PATH */
	char rest[PATH_MAX];
	unsigned links;
};

/* One call does it where no link is on the way. */
static int open_without_links(const char *path, int flags, mode_t mode)
{
	const struct open_how how = { .flags = (unsigned)flags,
				      .mode = flags & O_CREAT ? mode : 0,
				      .resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

	return fd < 0 ? -errno : fd;
}

static int begin_at(struct walk *w, const char *directory)
{
	int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	close_fd(&w->dir);
	w->dir = dir;
	return 0;
}

static bool is_in_proc(int dir)
{
	struct statfs fs;

	return fstatfs(dir, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* Take the first name of the rest. Returns whether it is the last. */
static bool take_name(struct walk *w, char name[NAME_MAX + 1])
{
	const char *begin = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(begin, "/");
	const char *next = begin + len + strspn(begin + len, "/");

	memcpy(name, begin, len);
	name[len] = '\0';
	memmove(w->rest, next, strlen(next) + 1);
	return !w->rest[0];
}

static bool fits(const struct walk *w)
{
	return strcspn(w->rest + strspn(w->rest, "/"), "/") <= NAME_MAX;
}

static int follow(struct walk *w, int link, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof target);
	size_t rest = strlen(w->rest);

	if (n < 0)
		return -errno;
	if ((st->st_uid != 0 && st->st_uid != geteuid()) || ++w->links > LINKS_MAX)
		return -ELOOP;
	if ((size_t)n + 1 + rest >= sizeof w->rest)
		return -ENAMETOOLONG;
	memmove(w->rest + n + 1, w->rest, rest + 1);
	memcpy(w->rest, target, (size_t)n);
	w->rest[n] = rest ? '/' : '\0';
	return target[0] == '/' ? begin_at(w, "/") : 0;
}

/* One name further. 1 with *ret_fd when it was the last, 0, or -errno. What was no link when we looked,
 * and is one when it is opened, is not followed. */
static int step(struct walk *w, int flags, mode_t mode, int *ret_fd)
{
	char name[NAME_MAX + 1];
	struct stat st;
	bool last;

	if (!fits(w))
		return -ENAMETOOLONG;
	last = take_name(w, name);
	auto_close int here = openat(w->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (here < 0 && (!last || errno != ENOENT))
		return -errno;
	if (here >= 0 && fstat(here, &st) < 0)
		return -errno;
	if (here >= 0 && S_ISLNK(st.st_mode))
		return follow(w, here, &st);
	if (last) {
		*ret_fd = openat(w->dir, name, flags | O_NOFOLLOW, mode);
		return *ret_fd < 0 ? -errno : 1;
	}
	close(w->dir);
	w->dir = take_fd(here);
	return 0;
}

static int open_looking_at_links(const char *path, int flags, mode_t mode)
{
	struct walk w = { .dir = -1 };
	int fd = -1, r;

	if (strlen(path) >= sizeof w.rest)
		return -ENAMETOOLONG;
	strcpy(w.rest, path);
	r = begin_at(&w, path[0] == '/' ? "/" : ".");
	while (r == 0 && !is_in_proc(w.dir))
		r = step(&w, flags, mode, &fd);
	if (r == 0)
		fd = openat(w.dir, w.rest + strspn(w.rest, "/"), flags, mode);
	if (r >= 0 && fd < 0)
		r = -errno;
	close_fd(&w.dir);
	return r < 0 ? r : fd;
}

int path_open(const char *path, int flags, mode_t mode)
{
	int fd = open_without_links(path, flags | O_CLOEXEC, mode);

	if (fd == -ELOOP || fd == -ENOSYS ||
	    fd == -EPERM) /* EPERM: a filter that is older than it */
		return open_looking_at_links(path, flags | O_CLOEXEC, mode);
	return fd;
}

const char *path_error(int err)
{
	return err == -ELOOP ? "a symbolic link on the way belongs to another user"
			     : strerror(-err);
}
