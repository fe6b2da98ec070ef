#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/supervisor/localfs.h"

#define ROOT "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
#define NFS "2 1 0:40 / /mnt/far rw,noatime shared:3 - nfs4 server:/x rw\n"
#define ODD "3 1 0:41 / /mnt/a\\040b rw - fuse.sshfs x rw\n"
#define TMPFS "4 1 0:42 / /tmp rw - tmpfs tmpfs rw\n"

static void only_remote_types_count(void **unused)
{
	(void)unused;
	assert_true(localfs_would_be_local(ROOT TMPFS, "/tmp/x"));
	assert_true(localfs_would_be_local(ROOT NFS, "/usr/bin/env"));
	assert_false(localfs_would_be_local(ROOT NFS, "/mnt/far"));
	assert_false(localfs_would_be_local(ROOT NFS, "/mnt/far/bin/x"));
	assert_true(localfs_would_be_local(ROOT NFS, "/mnt/farther/x"));
}

static void odd_bytes_in_a_mount_point_are_read(void **unused)
{
	(void)unused;
	assert_false(localfs_would_be_local(ROOT ODD, "/mnt/a b/x"));
	assert_true(localfs_would_be_local(ROOT ODD, "/mnt/a"));
}

static void a_remote_root_is_never_local(void **unused)
{
	(void)unused;
	assert_false(localfs_would_be_local("1 0 0:4 / / rw - nfs s:/ rw\n", "/bin/sh"));
}

static void links_are_followed_to_where_they_lead(void **unused)
{
	char dir[] = "/tmp/foster-localfs.XXXXXX", path[64];

	(void)unused;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/link", dir);
	assert_int_equal(symlink("/mnt/far/bin", path), 0);
	snprintf(path, sizeof path, "%s/link/x", dir);
	assert_false(localfs_would_be_local(ROOT NFS, path));
	assert_true(localfs_would_be_local(ROOT, path));
	snprintf(path, sizeof path, "%s/loop", dir);
	assert_int_equal(symlink("loop", path), 0);
	assert_false(localfs_would_be_local(ROOT NFS, path)); /* unknown is not local */
	unlink(path);
	snprintf(path, sizeof path, "%s/link", dir);
	unlink(path);
	rmdir(dir);
}

static void assert_prompt(int fd, bool wanted)
{
	assert_return_code(fd, errno);
	assert_int_equal(localfs_is_prompt(fd), wanted);
	close(fd);
}

/* What is remote is tried with a real one: tests/e2e/e2e_security.c. */
static void what_is_here_can_be_closed_at_once(void **unused)
{
	int ends[2];

	(void)unused;
	assert_return_code(pipe(ends), errno);
	assert_prompt(ends[0], true);
	assert_prompt(ends[1], true);
	assert_prompt(open("/dev/null", O_RDWR | O_CLOEXEC), true);
	assert_prompt(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), true);
	assert_prompt(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), true);
	assert_prompt(open("/proc/self/status", O_RDONLY | O_CLOEXEC), true);
	assert_prompt(open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600), true);
	assert_prompt(memfd_create("x", MFD_CLOEXEC), true);
	assert_prompt(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), true);
	assert_false(localfs_is_prompt(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_remote_types_count),
		cmocka_unit_test(odd_bytes_in_a_mount_point_are_read),
		cmocka_unit_test(a_remote_root_is_never_local),
		cmocka_unit_test(links_are_followed_to_where_they_lead),
		cmocka_unit_test(what_is_here_can_be_closed_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
