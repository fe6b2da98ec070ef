#include "daemon/keeper/pipes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"

static int *place_of(struct slot *s, int stream)
{
	return stream ? &s->log_fds[stream - 1] : &s->stdin_fd;
}

/* ---- made -------------------------------------------------------------------------------------- */

static int open_both_ways(int *ret_fd)
{
	char path[40];
	int ends[2];
	int fd;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(ends[0]);
	close(ends[1]);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int make(struct keeper *k, uint32_t slot, int stream, int *place)
{
	struct stat st;
	int r = open_both_ways(place);

	if (r == 0 && fstat(*place, &st) == 0)
		table_note_pipe(&k->table, slot, stream, (uint32_t)st.st_ino);
	return r;
}

int pipes_of(struct keeper *k, uint32_t slot, int stream)
{
	int *place = place_of(&k->slots[slot], stream);
	int r = *place < 0 ? make(k, slot, stream, place) : fd_set_nonblocking(*place, false);

	return r < 0 ? r : *place;
}

int pipes_take(struct keeper *k, uint32_t slot, int stream)
{
	int *place = place_of(&k->slots[slot], stream), fd = *place;

	*place = -1;
	table_note_pipe(&k->table, slot, stream, 0);
	return fd;
}

void pipes_close(struct keeper *k, uint32_t slot)
{
	for (int stream = 0; stream < 3; stream++) {
		int fd = pipes_take(k, slot, stream);

		close_fd(&fd);
	}
}

/* ---- found again --------------------------------------------------------------------------------- */

static bool is_pipe(int fd, uint32_t inode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && (uint32_t)st.st_ino == inode;
}

/* The pipe of that inode, which pid has at any of its descriptors; open both ways, as we hold pipes.
 * -ENOENT: it has it not. */
static int open_pipe_of(pid_t pid, uint32_t inode)
{
	char path[64], link[64], wanted[32];
	struct dirent *e;
	int fd = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	snprintf(wanted, sizeof wanted, "pipe:[%u]", inode);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd == -ENOENT && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);

		link[n > 0 ? n : 0] = '\0';
		if (strcmp(link, wanted) != 0)
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	closedir(dir);
	if (fd >= 0 && !is_pipe(fd, inode)) { /* it has closed it in between */
		close(fd);
		fd = -ENOENT;
	}
	return fd;
}

void pipes_reopen(struct keeper *k, uint32_t slot, pid_t pid)
{
	for (int stream = 0; stream < 3; stream++) {
		uint32_t inode = k->table.records[slot].pipes[stream];
		int *place = place_of(&k->slots[slot], stream);
		int fd = inode && *place < 0 ? open_pipe_of(pid, inode) : -ENOENT;

		if (fd >= 0)
			*place = fd;
		else if (fd != -ENOENT && fd != -ESRCH)
			log_warning(table_name(&k->table, slot),
				    "its %s cannot be opened again, and will fill up: %s",
				    stream == 0	  ? "stdin"
				    : stream == 1 ? "stdout"
						  : "stderr",
				    strerror(-fd));
	}
}

/* A process may have turned its own stdout elsewhere while others of its tree still print to our
 * pipe. */
static bool is_pipe_missing(struct keeper *k)
{
	for (uint32_t i = 0; i < k->table.used_max; i++)
		for (int stream = 0; k->slots[i].keeper && stream < 3; stream++)
			if (table_facts(&k->table, i)->state == LINK_SLOT_LIVE &&
			    k->table.records[i].pipes[stream] &&
			    *place_of(&k->slots[i], stream) < 0)
				return true;
	return false;
}

struct missing {
	uint32_t inode;
	int *place;
};

static int by_inode(const void *a, const void *b)
{
	uint32_t x = ((const struct missing *)a)->inode, y = ((const struct missing *)b)->inode;

	return (x > y) - (x < y);
}

static size_t find_missing(struct keeper *k, struct missing *all)
{
	size_t n = 0;

	for (uint32_t i = 0; i < k->table.used_max; i++) {
		for (int stream = 0; k->slots[i].keeper && stream < 3; stream++) {
			uint32_t inode = k->table.records[i].pipes[stream];
			int *place = place_of(&k->slots[i], stream);

			if (inode && *place < 0)
				all[n++] = (struct missing){ inode, place };
		}
	}
	qsort(all, n, sizeof *all, by_inode);
	return n;
}

static void take_missing_pipe(const struct missing *all, size_t n, pid_t pid, const char *link)
{
	struct missing key = { 0 };
	const struct missing *m;
	int fd;

	if (sscanf(link, "pipe:[%u]", &key.inode) != 1)
		return;
	m = bsearch(&key, all, n, sizeof *all, by_inode);
	fd = m && *m->place < 0 ? open_pipe_of(pid, m->inode) : -ENOENT;
	if (fd >= 0)
		*m->place = fd;
}

static void look_for_pipes_in(const struct missing *all, size_t n_all, pid_t pid)
{
	char path[64], link[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);

		link[n > 0 ? n : 0] = '\0';
		take_missing_pipe(all, n_all, pid, link);
	}
	if (dir)
		closedir(dir);
}

void pipes_look_for_missing(struct keeper *k)
{
	auto_free struct missing *all =
		is_pipe_missing(k) ? calloc(3 * (size_t)k->table.used_max, sizeof *all) : NULL;
	size_t n = all ? find_missing(k, all) : 0;
	DIR *proc = n ? opendir("/proc") : NULL;
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 1 && pid != getpid())
			look_for_pipes_in(all, n, pid);
	}
	if (proc)
		closedir(proc);
}
