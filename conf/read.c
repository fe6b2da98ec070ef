/* Reading files: the main one, and what its [include] section names. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/diag.h"
#include "conf/expand.h"
#include "conf/lines.h"
#include "conf/sources.h"
#include "daemon/base/buf.h"
#include "daemon/base/mem.h"

/* Nobody writes such a file by hand; a path that names a disk image must not fill the memory. */
#define FILE_MAX_BYTES (64 << 20)

/* The [include] section of the main file. */
struct include {
	bool in_section, seen;
	bool in_defaults;
	unsigned line; /* of the header, then of files= */
	struct buf files;
	bool given, given_by_default;
};

struct reader {
	struct conf_sources *sources;
	struct conf_diag *diag;
	const char *const *env;
};

static int refuse(struct reader *r, const struct diag_where *w, const char *why)
{
	diag_error(r->diag, w, "%s", why);
	return -EINVAL;
}

/* Who can change what root runs is root. */
static const char *trust_problem(const struct stat *st)
{
	if (geteuid() != 0)
		return NULL;
	if (st->st_uid != 0)
		return "refused: it does not belong to root, who would run what it says";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "refused: others than root can write to it (chmod go-w)";
	return NULL;
}

static int judge_directory(struct reader *r, const char *path, const struct diag_where *w)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0; /* gone since */
	if (st.st_uid != 0) {
		diag_error(r->diag, w,
			   "refused: %s does not belong to root, who would run what is put there",
			   path);
		return -EINVAL;
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX)) {
		diag_error(r->diag, w,
			   "refused: others than root can replace it in %s (chmod go-w)", path);
		return -EINVAL;
	}
	return 0;
}

/* All directories on the way to path, which is absolute: where somebody else can write, he can put a file
 * of root's in its place. Where the root directory is not root's, our root is that of a user namespace,
 * and whose the others are cannot be seen. */
static int judge_directories(struct reader *r, const char *path, const struct diag_where *w)
{
	char part[PATH_MAX] = "/";
	struct stat st;
	int err = 0;

	if (stat("/", &st) < 0 || st.st_uid != 0)
		return 0;
	for (const char *slash = path; slash && !err; slash = strchr(slash + 1, '/')) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		memcpy(part, path, len);
		part[len] = '\0';
		err = judge_directory(r, part, w);
	}
	return err;
}

/* On the way that was given, and on the one that it led to. */
static int judge_ways(struct reader *r, int fd, const char *given, const struct diag_where *w)
{
	char link[64], real[PATH_MAX];
	ssize_t n;
	int err = 0;

	if (geteuid() != 0)
		return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, real, sizeof real - 1);
	real[n > 0 ? n : 0] = '\0';
	if (given[0] == '/' && strlen(given) < PATH_MAX)
		err = judge_directories(r, given, w);
	if (!err && real[0] == '/')
		err = judge_directories(r, real, w);
	return err;
}

static int read_open_file(struct reader *r, int fd, const struct diag_where *w, struct buf *text)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return refuse(r, w, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(r, w, S_ISDIR(st.st_mode) ? "is a directory" : "not a regular file");
	if (trust_problem(&st))
		return refuse(r, w, trust_problem(&st));
	for (;;) {
		ssize_t n;

		if (buf_reserve(text, 16384) < 0)
			return -ENOMEM;
		n = read(fd, text->data + text->len, text->capacity - text->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(r, w, strerror(errno));
		if (n == 0)
			return 0;
		text->len += (size_t)n;
		if (text->len > FILE_MAX_BYTES)
			return refuse(r, w, "larger than 64 MiB: surely no configuration");
	}
}

/* Append the file to the sources. Returns 0; -EINVAL, reported; or -ENOMEM. */
static int read_file(struct reader *r, const char *path)
{
	struct diag_where w = { .file = path, .file_no = (unsigned)r->sources->n_files };
	auto_buf struct buf text = { 0 };
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int err;

	if (fd < 0)
		return refuse(r, &w, strerror(errno));
	err = judge_ways(r, fd, path, &w);
	if (!err)
		err = read_open_file(r, fd, &w, &text);
	if (err)
		return err;
	return sources_add(r->sources, path, text.data ? text.data : "", text.len);
}

static void on_section(void *data, const char *name, unsigned line)
{
	struct include *in = data;

	in->in_section = strcmp(name, "include") == 0;
	in->in_defaults = strcmp(name, "DEFAULT") == 0;
	if (in->in_section && !in->seen)
		in->line = line;
	in->seen |= in->in_section;
}

static void on_value(void *data, const char *key, const char *value, unsigned line)
{
	struct include *in = data;

	if (strcmp(key, "files") != 0 || (!in->in_section && !in->in_defaults))
		return;
	if (in->in_defaults && in->given)
		return;
	buf_clear(&in->files);
	buf_add_str(&in->files, value);
	in->given |= in->in_section;
	in->given_by_default |= in->in_defaults;
	in->line = line;
}

static void on_problem(void *data, unsigned line, const char *text)
{
	/* conf_parse() reports it. */
	(void)data;
	(void)line;
	(void)text;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_matches(struct reader *r, glob_t *g)
{
	int result = 0;

	/* By bytes, as Python sorts; glob() would sort by the locale. */
	qsort(g->gl_pathv, g->gl_pathc, sizeof *g->gl_pathv, compare_paths);
	for (size_t i = 0; i < g->gl_pathc; i++) {
		int err = read_file(r, g->gl_pathv[i]);

		if (err == -ENOMEM)
			return err;
		if (err)
			result = err;
	}
	return result;
}

/* A directory that is not there has no matches; of one that cannot be read nobody knows. */
static int glob_errno;

static int on_glob_error(const char *path, int err)
{
	(void)path;
	glob_errno = err;
	return err != ENOENT && err != ENOTDIR;
}

static int refuse_pattern(struct reader *r, const struct diag_where *w, const char *pattern)
{
	if (glob_errno == ENOMEM)
		return -ENOMEM;
	diag_error(r->diag, w, "files: a directory of '%s' cannot be read: %s", pattern,
		   strerror(glob_errno));
	return -EINVAL;
}

/* The pattern's path as read: relative to the main file, as that was given. */
static int read_pattern(struct reader *r, const char *pattern, const struct diag_where *w)
{
	const char *path = r->sources->files[0].path, *slash = strrchr(path, '/');
	auto_buf struct buf full = { 0 };
	glob_t g = { 0 };
	int err;

	if (*pattern != '/' && slash)
		buf_add(&full, path, (size_t)(slash + 1 - path));
	buf_add_str(&full, pattern);
	if (buf_error(&full))
		return -ENOMEM;
	err = glob(full.data, GLOB_NOSORT | GLOB_NOESCAPE, on_glob_error, &g);
	if (err == GLOB_NOMATCH)
		diag_warn(r->diag, w, "files: nothing matches '%s'", full.data);
	else if (err == GLOB_NOSPACE)
		err = -ENOMEM;
	else if (err)
		err = refuse_pattern(r, w, full.data);
	else
		err = read_matches(r, &g);
	globfree(&g);
	return err == GLOB_NOMATCH ? 0 : err;
}

static int read_patterns(struct reader *r, struct include *in, const struct diag_where *w)
{
	const struct source *main_file = &r->sources->files[0];
	const struct expand_name names[] = {
		{ .name = "here", .text = main_file->here },
		{ .name = "host_node_name", .text = r->sources->host },
	};
	const struct expand_scope scope = { .names = names, .n_names = 2, .environ = r->env };
	auto_buf struct buf files = { 0 }, why = { 0 };
	int err = expand(&files, in->files.data, &scope, &why);
	char *rest = NULL;
	int result = 0;

	if (err == -EINVAL && buf_reserve(&why, 0) == 0) {
		diag_error(r->diag, w, "files: %s", why.data);
		return -EINVAL;
	}
	if (err || buf_reserve(&files, 0) < 0)
		return -ENOMEM;
	for (char *p = strtok_r(files.data, " \t\n\r\v\f", &rest); p;
	     p = strtok_r(NULL, " \t\n\r\v\f", &rest)) {
		err = read_pattern(r, p, w);
		if (err == -ENOMEM)
			return err;
		if (err)
			result = err;
	}
	return result;
}

static int read_includes(struct reader *r)
{
	const struct source *main_file = &r->sources->files[0];
	struct include in = { 0 };
	const struct lines_handler h = { .data = &in,
					 .on_section = on_section,
					 .on_value = on_value,
					 .on_problem = on_problem };
	struct diag_where w = { .file = main_file->path, .section = "include" };
	int err;

	/* Most files include nothing: they need not be read twice. */
	if (!memmem(main_file->text, main_file->len, "include", strlen("include")))
		return 0;
	err = lines_read(main_file->text, main_file->len, &h);
	w.line = in.line;
	if (!err && in.files.err)
		err = -ENOMEM;
	if (!err && in.seen && !in.given && !in.given_by_default)
		err = refuse(r, &w, "files= is missing");
	else if (!err && in.seen)
		err = read_patterns(r, &in, &w);
	buf_done(&in.files);
	return err;
}

int conf_read(const char *path, const char *const *env, struct conf_sources **ret_sources,
	      struct conf_diag *diag)
{
	struct reader r = { .sources = sources_new(), .diag = diag, .env = env };
	size_t first_problem = diag->n_problems;
	int err;

	if (!r.sources)
		return -ENOMEM;
	err = read_file(&r, path);
	if (!err)
		err = read_includes(&r);
	if (!err && diag->err)
		err = diag->err;
	diag_end(diag, first_problem, err);
	if (err) {
		conf_sources_free(r.sources);
		return err;
	}
	*ret_sources = r.sources;
	return 0;
}
