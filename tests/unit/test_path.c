/* Opening where others can write: whose links are followed. */
#include "daemon/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/base/mem.h"

#define OTHER 12345

/* A directory of its own, which is the current one during a test. */
static int enter(void **state)
{
	char *dir = strdup("/tmp/foster-path-XXXXXX");

	if (!dir || !mkdtemp(dir) || chdir(dir) < 0)
		return -1;
	*state = dir;
	return 0;
}

static int leave(void **state)
{
	auto_free char *command = NULL;

	if (chdir("/") < 0 || asprintf(&command, "rm -rf %s", (char *)*state) < 0)
		return -1;
	free(*state);
	return system(command);
}

static void needs_root(void)
{
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
}

/* Open it with both ways of writing its name; the file must be this one, or the error. */
static void assert_opens(const char *name, const char *wanted, int err)
{
	auto_free char *here = getcwd(NULL, 0), *whole = NULL;
	struct stat is, should;

	assert_return_code(asprintf(&whole, "%s//%s", here, name), errno);
	for (int i = 0; i < 2; i++) {
		auto_close int fd = path_open(i ? whole : name, O_WRONLY | O_CREAT, 0640);

		if (err) {
			assert_int_equal(fd, err);
			continue;
		}
		assert_return_code(fd, -fd);
		assert_return_code(fstat(fd, &is), errno);
		assert_return_code(stat(wanted, &should), errno);
		assert_int_equal(is.st_ino, should.st_ino);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	}
}

static void link_of(uid_t uid, const char *target, const char *name)
{
	assert_return_code(symlink(target, name), errno);
	assert_return_code(lchown(name, uid, (gid_t)-1), errno);
}

static void without_links_it_is_open(void **unused)
{
	struct stat st;

	(void)unused;
	umask(022);
	assert_opens("new", "new", 0);
	assert_return_code(stat("new", &st), errno);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(path_open("none", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open("none/new", O_WRONLY | O_CREAT, 0600), -ENOENT);
	assert_int_equal(path_open("new/x", O_WRONLY | O_CREAT, 0600), -ENOTDIR);
	assert_int_equal(path_open("", O_RDONLY, 0), -ENOENT);
}

static void our_own_links_are_followed(void **unused)
{
	(void)unused;
	assert_return_code(mkdir("a", 0755), errno);
	assert_return_code(mkdir("a/b", 0755), errno);
	link_of(geteuid(), "a/b", "directory");
	link_of(geteuid(), "../b/file", "a/b/to-file");
	link_of(geteuid(), "/dev", "device");
	assert_opens("directory/file", "a/b/file", 0); /* made */
	assert_opens("directory/to-file", "a/b/file", 0);
	assert_opens("directory/../b/./to-file", "a/b/file", 0);
	assert_opens("device/null", "/dev/null", 0);
	link_of(geteuid(), "circle", "circle");
	assert_int_equal(path_open("circle", O_RDONLY, 0), -ELOOP);
}

static void anothers_link_is_followed_nowhere_on_the_way(void **unused)
{
	(void)unused;
	needs_root();
	assert_return_code(mkdir("a", 0755), errno);
	link_of(OTHER, "a", "theirs");
	link_of(0, "theirs", "ours");
	link_of(OTHER, "file", "a/to-file");
	link_of(OTHER, "nowhere", "dangling");
	assert_opens("theirs/file", NULL, -ELOOP);
	assert_opens("ours/file", NULL, -ELOOP); /* by way of theirs */
	assert_opens("dangling", NULL, -ELOOP);
	assert_int_equal(access("nowhere", F_OK), -1);
	assert_opens("a/file", "a/file", 0);
	assert_opens("a/to-file", NULL, -ELOOP);
	assert_non_null(strstr(path_error(-ELOOP), "another user"));
}

/* /dev/stdout is a link to one in /proc, which leads to what has no name. */
static void what_is_open_already_can_be_opened_by_its_number(void **unused)
{
	char name[64];
	int ends[2];

	(void)unused;
	assert_return_code(pipe(ends), errno);
	snprintf(name, sizeof name, "/proc/self/fd/%d", ends[1]);
	link_of(geteuid(), name, "out");
	auto_close int fd = path_open("out", O_WRONLY | O_CREAT | O_NONBLOCK, 0600);
	assert_return_code(fd, -fd);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(ends[0], name, sizeof name), 1);
	close(ends[0]);
	close(ends[1]);
}

static void a_path_that_is_too_long_is_refused(void **unused)
{
	auto_free char *path = malloc(PATH_MAX + 1);
	char name[NAME_MAX + 2] = { 0 };

	(void)unused;
	assert_non_null(path);
	memset(path, '/', PATH_MAX);
	path[PATH_MAX] = '\0';
	assert_int_equal(path_open(path, O_RDONLY, 0), -ENAMETOOLONG);
	link_of(geteuid(), ".", "here");
	memset(name, 'n', sizeof name - 1);
	snprintf(path, PATH_MAX, "here/%s", name);
	assert_int_equal(path_open(path, O_RDONLY, 0), -ENAMETOOLONG);
}

int main(void)
{
#define test(function) cmocka_unit_test_setup_teardown(function, enter, leave)
	const struct CMUnitTest tests[] = {
		test(without_links_it_is_open),
		test(our_own_links_are_followed),
		test(anothers_link_is_followed_nowhere_on_the_way),
		test(what_is_open_already_can_be_opened_by_its_number),
		test(a_path_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
