#include "daemon/supervisor/localfs.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define MOUNTINFO_MAX ((size_t)16 << 20)
#define LINKS_MAX 40 /* as the kernel follows */

/* Of a local file system. Another mount namespace has other ids for the same devices; files of btrfs and
 * of overlays have other devices than their mounts. */
struct local {
	unsigned id, major, minor;
};

struct mounts {
	struct buf remote; /* mount points, each with its NUL */
	struct buf local; /* struct local */
};

static struct {
	int fd; /* /proc/self/mountinfo; -1: not yet open */
	struct mounts mounts;
	bool any, unknown;
} state = { .fd = -1 };

static bool is_remote_type(const char *type, size_t len)
{
	static const char *const types[] = { "nfs",	"nfs4",	    "cifs",	 "smb3",
					     "smbfs",	"9p",	    "afs",	 "ceph",
					     "coda",	"lustre",   "glusterfs", "gfs2",
					     "ocfs2",	"autofs",   "beegfs",	 "fuse",
					     "fuseblk", "virtiofs", "orangefs" };

	if (len > 5 && strncmp(type, "fuse.", 5) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strlen(types[i]) == len && strncmp(type, types[i], len) == 0)
			return true;
	return false;
}

/* "36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw": field 5 is the mount point, with \ooo
 * for odd bytes; the type is the first word after " - ". */
static void read_line(struct mounts *mounts, const char *line, size_t len)
{
	struct local local;
	const char *end = line + len, *point = line;
	const char *dash = memmem(line, len, " - ", 3);
	size_t type_len;

	for (int field = 1; field < 5 && point < end; field++) {
		const char *blank = memchr(point, ' ', (size_t)(end - point));

		point = blank ? blank + 1 : end;
	}
	if (!dash || point >= end)
		return;
	type_len = strcspn(dash + 3, " \n");
	if (!is_remote_type(dash + 3, type_len)) {
		if (sscanf(line, "%u %*u %u:%u", &local.id, &local.major, &local.minor) == 3)
			buf_add(&mounts->local, &local, sizeof local);
		return;
	}
	while (point < end && *point != ' ') {
		char c = *point++;

		if (c == '\\' && end - point >= 3) {
			c = (char)((point[0] - '0') * 64 + (point[1] - '0') * 8 + (point[2] - '0'));
			point += 3;
		}
		buf_add_char(&mounts->remote, c);
	}
	buf_add_char(&mounts->remote, '\0');
}

static void read_mounts(struct mounts *mounts, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		read_line(mounts, text, len);
		text += len + (text[len] == '\n');
	}
}

static bool is_below_remote(const struct buf *mounts, const char *path)
{
	for (size_t at = 0; at < mounts->len;) {
		const char *point = mounts->data + at;
		size_t len = strlen(point);

		if (strncmp(path, point, len) == 0 &&
		    (path[len] == '/' || path[len] == '\0' || strcmp(point, "/") == 0))
			return true;
		at += len + 1;
	}
	return false;
}

/* Walk file, an absolute path, following links; false as soon as the way leads below a mount. */
static bool walk(const struct buf *mounts, const char *file)
{
	char done[PATH_MAX] = "", rest[PATH_MAX], target[PATH_MAX];
	int links = 0;

	if (strlen(file) >= sizeof rest)
		return false;
	strcpy(rest, file);
	while (rest[0]) {
		size_t len = strcspn(rest + 1, "/") + 1;
		size_t before = strlen(done);
		ssize_t n;

		if (before + len >= sizeof done)
			return false;
		memcpy(done + before, rest, len);
		done[before + len] = '\0';
		memmove(rest, rest + len, strlen(rest + len) + 1);
		if (is_below_remote(mounts, done))
			return false;
		n = readlink(done, target, sizeof target - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (++links > LINKS_MAX || (size_t)n + strlen(rest) + 1 >= sizeof rest)
			return false;
		done[target[0] == '/' ? 0 : before] = '\0';
		memmove(rest + n + (target[0] != '/'), rest, strlen(rest) + 1);
		if (target[0] != '/')
			rest[0] = '/';
		memcpy(rest + (target[0] != '/'), target, (size_t)n);
	}
	return true;
}

/* Read the table when it was never read or has changed since. */
static void refresh(void)
{
	struct pollfd p = { .events = POLLPRI };
	auto_buf struct buf text = { 0 };

	if (state.fd < 0) {
		state.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	} else {
		p.fd = state.fd;
		if (poll(&p, 1, 0) <= 0)
			return;
	}
	buf_clear(&state.mounts.remote);
	buf_clear(&state.mounts.local);
	state.unknown = state.fd < 0 || lseek(state.fd, 0, SEEK_SET) < 0 ||
			fd_read_all(state.fd, &text, MOUNTINFO_MAX) < 0;
	if (!state.unknown && text.data)
		read_mounts(&state.mounts, text.data);
	state.any = state.mounts.remote.len != 0;
}

bool localfs_is_local(const char *command, const char *path, const char *directory)
{
	char file[PATH_MAX];

	refresh();
	if (state.unknown)
		return false;
	if (!state.any)
		return true;
	if (directory && !walk(&state.mounts.remote, directory))
		return false;
	if (!command || (strchr(command, '/') && command[0] != '/'))
		return false; /* relative to a directory that only the child knows */
	if (command[0] == '/')
		return walk(&state.mounts.remote, command);
	while (path) {
		size_t len = strcspn(path, ":");

		if (snprintf(file, sizeof file, "%.*s/%s", (int)len, path, command) >=
			    (int)sizeof file ||
		    file[0] != '/' || !walk(&state.mounts.remote, file))
			return false;
		path = path[len] ? path + len + 1 : NULL;
	}
	return true;
}

bool localfs_would_be_local(const char *mountinfo, const char *file)
{
	struct mounts mounts = { 0 };
	bool local;

	read_mounts(&mounts, mountinfo);
	local = walk(&mounts.remote, file);
	buf_done(&mounts.remote);
	buf_done(&mounts.local);
	return local;
}

/* ---- descriptors --------------------------------------------------------------------------- */

/* Without asking its file system. 0 when it cannot be told. */
static unsigned mount_of(int fd)
{
	char path[40], text[1024];
	const char *line;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	if (fd_read_file(path, text, sizeof text) < 0)
		return 0;
	line = strstr(text, "mnt_id:");
	return line ? (unsigned)strtoul(line + strlen("mnt_id:"), NULL, 10) : 0;
}

/* A memfd is a file of a mount that no table has. */
static bool is_memory(const struct statx *st)
{
	static struct statx own;
	auto_close int fd = own.stx_mask ? -1 : memfd_create("foster", MFD_CLOEXEC);

	if (fd >= 0)
		(void)statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &own);
	return own.stx_mask && st->stx_dev_major == own.stx_dev_major &&
	       st->stx_dev_minor == own.stx_dev_minor;
}

bool localfs_is_prompt(int fd)
{
	const struct local *l;
	struct statx st;
	unsigned id;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return false;
	if (!S_ISREG(st.stx_mode) || is_memory(&st))
		return true;
	refresh();
	id = mount_of(fd);
	l = (const struct local *)(const void *)state.mounts.local.data;
	for (size_t i = 0; i < state.mounts.local.len / sizeof *l; i++)
		if (l[i].id == id ||
		    (l[i].major == st.stx_dev_major && l[i].minor == st.stx_dev_minor))
			return true;
	return false;
}
