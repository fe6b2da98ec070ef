#include "tests/e2e/hangfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/base/mem.h"

#define REQUEST_BYTES (1 << 17)
#define FILE_NODE 2
#define FOR_EVER 3600

static void answer(int fd, uint64_t unique, int err, const void *data, size_t len)
{
	struct fuse_out_header h = { .len = (uint32_t)(sizeof h + len),
				     .error = -err,
				     .unique = unique };
	struct iovec parts[] = { { &h, sizeof h }, { (void *)(uintptr_t)data, len } };

	(void)!writev(fd, parts, len ? 2 : 1);
}

static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){ .ino = node,
				   .mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0755,
				   .nlink = 1,
				   .blksize = 512 };
}

static void serve_lookup(int fd, const struct fuse_in_header *h)
{
	const struct fuse_entry_out entry = { .nodeid = FILE_NODE,
					      .entry_valid = FOR_EVER,
					      .attr_valid = FOR_EVER,
					      .attr = attributes(FILE_NODE) };
	bool known = strcmp((const char *)(h + 1), HANGFS_FILE) == 0;

	answer(fd, h->unique, known ? 0 : ENOENT, &entry, known ? sizeof entry : 0);
}

static void serve_one(int fd, const struct fuse_in_header *h)
{
	const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 65536, .max_background = 12
	};
	const struct fuse_attr_out attr = { .attr_valid = FOR_EVER, .attr = attributes(h->nodeid) };
	const struct fuse_open_out opened = { .fh = 1 };
	const struct fuse_write_out written = {
		.size = ((const struct fuse_write_in *)(h + 1))->size
	};

	switch (h->opcode) {
	case FUSE_INIT:
		answer(fd, h->unique, 0, &init, sizeof init);
		break;
	case FUSE_LOOKUP:
		serve_lookup(fd, h);
		break;
	case FUSE_GETATTR:
		answer(fd, h->unique, 0, &attr, sizeof attr);
		break;
	case FUSE_OPEN:
		answer(fd, h->unique, 0, &opened, sizeof opened);
		break;
	case FUSE_WRITE:
		answer(fd, h->unique, 0, &written, sizeof written);
		break;
	case FUSE_FLUSH: /* never */
	case FUSE_INTERRUPT:
	case FUSE_FORGET:
		break;
	default:
		answer(fd, h->unique, ENOSYS, NULL, 0);
	}
}

_Noreturn static void serve(int fd)
{
	static union {
		char bytes[REQUEST_BYTES];
		struct fuse_in_header head;
	} request;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fd, request.bytes, sizeof request) > 0)
		serve_one(fd, &request.head);
	_exit(0);
}

pid_t hangfs_start(const char *directory)
{
	auto_close int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];
	pid_t server;

	if (fd < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 fd);
	if (mount("hang", directory, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		return -errno;
	server = fork();
	if (server == 0)
		serve(fd);
	return server < 0 ? -errno : server;
}
