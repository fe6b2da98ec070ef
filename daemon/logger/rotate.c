#include "daemon/logger/rotate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

struct name {
	char text[PATH_MAX];
};

/* path itself is number 0. */
static int name_of(struct name *n, const char *path, unsigned number)
{
	int len = number ? snprintf(n->text, sizeof n->text, "%s.%u", path, number)
			 : snprintf(n->text, sizeof n->text, "%s", path);

	return len < 0 || (size_t)len >= sizeof n->text ? -ENAMETOOLONG : 0;
}

/* The lowest number that no file has, or backups when all are taken. */
static int find_hole(const char *path, unsigned backups, unsigned *ret_hole)
{
	struct name n;
	struct stat st;
	unsigned k;

	for (k = 1; k < backups; k++) {
		int r = name_of(&n, path, k);

		if (r < 0)
			return r;
		if (lstat(n.text, &st) < 0) {
			if (errno != ENOENT)
				return -errno;
			break;
		}
	}
	*ret_hole = k;
	return 0;
}

static int move_up(const char *path, unsigned number)
{
	struct name from, to;
	int r = name_of(&to, path, number + 1);

	if (r == 0)
		r = name_of(&from, path, number);
	if (r < 0)
		return r;
	if (rename(from.text, to.text) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int rotate_shift(const char *path, unsigned backups)
{
	unsigned hole = 0;
	int r = find_hole(path, backups, &hole);

	while (r == 0 && hole > 0)
		r = move_up(path, --hole);
	return r;
}
