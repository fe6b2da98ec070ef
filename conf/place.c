#include "conf/place.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/value.h"
#include "daemon/base/buf.h"

/* uids are 32 bits wide; the last two mean "unchanged" and PLACE_GONE. */
#define ID_MAX 4294967293L

struct directory {
	const char *path; /* in the pool */
	int err;
};

static bool same_user(const void *item, const void *text)
{
	return ((const struct user *)item)->text == text;
}

static bool same_directory(const void *item, const void *path)
{
	return ((const struct directory *)item)->path == path;
}

static uint32_t hash_pointer(const char *p)
{
	return set_hash(&p, sizeof p, SET_SEED);
}

static const struct passwd *look_up(const char *text)
{
	long id;

	return value_int(text, 0, ID_MAX, &id) == 0 ? getpwuid((uid_t)id) : getpwnam(text);
}

const struct user *place_user(struct build *b, const char *text)
{
	const char *key = pool_str(&b->pool, text);
	struct user *u = set_find(&b->users, hash_pointer(key), same_user, key);
	const struct passwd *pw;

	if (u)
		return u;
	errno = 0;
	pw = look_up(key);
	if (!pw && errno == ENOMEM)
		b->err = -ENOMEM;
	if (!pw && !(b->sources && b->sources->revived))
		return NULL;
	u = arena_alloc(&b->ini.arena, sizeof *u);
	if (!u || set_add(&b->users, hash_pointer(key), u) < 0) {
		b->err = -ENOMEM;
		return NULL;
	}
	*u = (struct user){ .text = key, .name = key, .uid = PLACE_GONE, .gid = (gid_t)PLACE_GONE };
	if (pw) {
		u->name = pool_str(&b->pool, pw->pw_name);
		u->uid = pw->pw_uid;
		u->gid = pw->pw_gid;
		u->home = pool_str(&b->pool, pw->pw_dir);
		u->shell = pool_str(&b->pool, pw->pw_shell);
	}
	return u;
}

int place_group(const char *text, gid_t *ret_gid)
{
	long id;
	const struct group *g =
		value_int(text, 0, ID_MAX, &id) == 0 ? getgrgid((gid_t)id) : getgrnam(text);

	if (!g)
		return -ENOENT;
	*ret_gid = g->gr_gid;
	return 0;
}

/* Append the home directory that the text "~…" begins with; returns the rest, or text itself when
 * there is no such home, as os.path.expanduser() does. */
static const char *add_home(struct build *b, const char *text, struct buf *out)
{
	size_t len = strcspn(text, "/");
	const char *name = pool_strn(&b->pool, text + 1, len - 1);
	const struct user *u;

	if (*name == '\0' && b->home) {
		buf_add_str(out, b->home);
		return text + len;
	}
	u = *name ? place_user(b, name) : NULL;
	if (!u || !u->home)
		return text;
	buf_add_str(out, u->home);
	return text + len;
}

const char *place_path(struct build *b, const char *text)
{
	auto_buf struct buf path = { 0 };

	if (*text == '~')
		text = add_home(b, text, &path);
	if (path.len == 0 && *text != '/') {
		buf_add_str(&path, b->base);
		if (path.len == 0 || path.data[path.len - 1] != '/')
			buf_add_char(&path, '/');
		while (text[0] == '.' && text[1] == '/')
			text += 2;
	}
	buf_add_str(&path, text);
	if (buf_reserve(&path, 0) < 0) {
		b->err = -ENOMEM;
		return "/";
	}
	return pool_str(&b->pool, path.data);
}

static int check_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int place_directory(struct build *b, const char *path)
{
	const char *key = pool_str(&b->pool, path);
	struct directory *d = set_find(&b->directories, hash_pointer(key), same_directory, key);

	if (d)
		return d->err;
	d = arena_alloc(&b->ini.arena, sizeof *d);
	if (!d || set_add(&b->directories, hash_pointer(key), d) < 0) {
		b->err = -ENOMEM;
		return 0;
	}
	*d = (struct directory){ .path = key, .err = check_directory(key) };
	return d->err;
}

int place_directory_of(struct build *b, const char *path, const char **ret_directory)
{
	const char *slash = strrchr(path, '/');

	*ret_directory = path;
	if (!slash) /* the pool had no memory: reported elsewhere */
		return 0;
	*ret_directory = pool_strn(&b->pool, path, slash == path ? 1 : (size_t)(slash - path));
	return place_directory(b, *ret_directory);
}
