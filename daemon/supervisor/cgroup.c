#include "daemon/supervisor/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

#define INSTANCE_DIGITS 16

static int ours = -1; /* our cgroup's directory; -1: there is none, or it is not delegated */

/* ---- our own ------------------------------------------------------------------------------------- */

/* "0::/system.slice/foster.service": where we are, seen from the root of our namespace. */
static bool find_place(const struct buf *text, char *place)
{
	const char *line = text->len ? strstr(text->data, "0::/") : NULL;

	while (line && line != text->data && line[-1] != '\n')
		line = strstr(line + 1, "0::/");
	return line && sscanf(line, "0::%4095[^\n]", place) == 1;
}

/* Field 4 of a line of mountinfo is the root of the mount, 5 the mount point; type after " - ". */
static bool find_directory(const struct buf *mounts, const char *place, char *path, size_t size)
{
	char root[4096], point[4096];

	for (const char *line = mounts->data; line && *line; line = strchr(line, '\n')) {
		size_t len;
		const char *type;

		line += *line == '\n';
		type = strstr(line, " - ");
		if (!type || strncmp(type, " - cgroup2 ", 11) != 0 ||
		    sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2)
			continue;
		len = strcmp(root, "/") == 0 ? 0 : strlen(root);
		if (strncmp(place, root, len) == 0 && (place[len] == '/' || place[len] == '\0'))
			return (size_t)snprintf(path, size, "%s%s", point, place + len) < size;
	}
	return false;
}

static bool is_delegated(const char *path)
{
	static const char *const names[] = { "user.delegate", "trusted.delegate" };
	char value;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (getxattr(path, names[i], &value, 1) == 1 && value == '1')
			return access(path, W_OK) == 0;
	return false;
}

void cgroup_init(void)
{
	auto_buf struct buf text = { 0 }, mounts = { 0 };
	char place[4096], path[4096];

	if (fd_read_path("/proc/self/cgroup", &text, SIZE_MAX) < 0 || !find_place(&text, place) ||
	    fd_read_path("/proc/self/mountinfo", &mounts, SIZE_MAX) < 0 ||
	    !find_directory(&mounts, place, path, sizeof path) || !is_delegated(path))
		return;
	ours = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	log_debug("supervisor", "cgroups of processes are made in %s", path);
}

/* ---- that of a process --------------------------------------------------------------------------- */

/* A file in it, or with "" the directory. False when there is no such name. */
static bool name_in(char *path, size_t size, const char *name, uint64_t instance, const char *file)
{
	char directory[NAME_MAX + 1];
	int n = snprintf(directory, sizeof directory, "%s.%0*llx", name, INSTANCE_DIGITS,
			 (unsigned long long)instance);

	return ours >= 0 && n > 0 && (size_t)n < sizeof directory &&
	       (size_t)snprintf(path, size, "%s%s", directory, file) < size;
}

int cgroup_make(const char *name, uint64_t instance)
{
	char path[512];
	int fd;

	if (!name_in(path, sizeof path, name, instance, ""))
		return -1;
	if (mkdirat(ours, path, 0755) < 0 && errno != EEXIST) {
		log_debug(name, "no cgroup: %m");
		return -1;
	}
	fd = openat(ours, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		unlinkat(ours, path, AT_REMOVEDIR);
	return fd;
}

void cgroup_remove(const char *name, uint64_t instance)
{
	char path[512];

	if (name_in(path, sizeof path, name, instance, "") &&
	    unlinkat(ours, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		log_debug(name, "its cgroup %s stays: %m", path);
}

int cgroup_kill(const char *name, uint64_t instance)
{
	char path[512];

	if (!name_in(path, sizeof path, name, instance, "/cgroup.kill"))
		return -ENOENT;
	auto_close int fd = openat(ours, path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "1", 1) < 0 ? -errno : 0;
}

bool cgroup_is_populated(const char *name, uint64_t instance)
{
	char path[512], text[256];
	ssize_t n;

	if (!name_in(path, sizeof path, name, instance, "/cgroup.events"))
		return false;
	auto_close int fd = openat(ours, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "populated 1");
}

static bool looks_like_one(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot != name && strlen(dot + 1) == INSTANCE_DIGITS &&
	       strspn(dot + 1, "0123456789abcdef") == INSTANCE_DIGITS;
}

void cgroup_sweep(void)
{
	int copy = ours >= 0 ? openat(ours, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *e;

	if (!dir) {
		close_fd(&copy);
		return;
	}
	while ((e = readdir(dir)))
		if (looks_like_one(e->d_name))
			unlinkat(ours, e->d_name, AT_REMOVEDIR); /* not while it is populated */
	closedir(dir);
}
