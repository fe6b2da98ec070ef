#include "conf/sources.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/hash.h"
#include "daemon/base/mem.h"

static const char magic[24] = "foster-sources 1\n";

/* In front of the saved bytes. Never leaves the machine that wrote it. */
struct saved_header {
	char magic[24];
	uint64_t len; /* of what follows */
	uint64_t checksum; /* of what follows */
};

static const char *current_directory(struct arena *a)
{
	char path[PATH_MAX];

	return arena_strdup(a, getcwd(path, sizeof path) && path[0] == '/' ? path : "/");
}

static struct conf_sources *new_empty(void)
{
	return calloc(1, sizeof(struct conf_sources));
}

struct conf_sources *sources_new(void)
{
	struct conf_sources *s = new_empty();
	struct utsname u;

	if (!s)
		return NULL;
	s->cwd = current_directory(&s->arena);
	s->host = arena_strdup(&s->arena, uname(&u) == 0 ? u.nodename : "");
	if (!s->cwd || !s->host) {
		conf_sources_free(s);
		return NULL;
	}
	return s;
}

/* The directory part of path, made absolute. */
static const char *directory_of(struct conf_sources *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_buf struct buf b = { 0 };

	if (path[0] != '/') {
		buf_add_str(&b, s->cwd);
		if (slash && strcmp(s->cwd, "/") != 0)
			buf_add_char(&b, '/');
	}
	if (slash)
		buf_add(&b, path, slash == path ? 1 : (size_t)(slash - path));
	return buf_reserve(&b, 0) < 0 ? NULL : arena_strdup(&s->arena, b.data);
}

static struct source *add_file(struct conf_sources *s)
{
	if (s->n_files == s->capacity) {
		size_t capacity = s->capacity ? s->capacity * 2 : 4;
		struct source *more = reallocarray(s->files, capacity, sizeof *more);

		if (!more)
			return NULL;
		s->files = more;
		s->capacity = capacity;
	}
	return &s->files[s->n_files];
}

static int keep_file(struct conf_sources *s, const char *path, const char *here, const char *text,
		     size_t len)
{
	struct source *f = add_file(s);

	if (!f)
		return -ENOMEM;
	*f = (struct source){
		.path = arena_strdup(&s->arena, path),
		.here = here ? arena_strdup(&s->arena, here) : directory_of(s, path),
		.text = arena_strndup(&s->arena, text, len),
		.len = len,
	};
	if (!f->path || !f->here || !f->text)
		return -ENOMEM;
	s->n_files++;
	return 0;
}

int sources_add(struct conf_sources *s, const char *path, const char *text, size_t len)
{
	return keep_file(s, path, NULL, text, len);
}

int conf_sources_of(const char *path, const char *text, size_t len,
		    struct conf_sources **ret_sources)
{
	struct conf_sources *s = sources_new();

	if (!s)
		return -ENOMEM;
	if (sources_add(s, path, text, len) < 0) {
		conf_sources_free(s);
		return -ENOMEM;
	}
	*ret_sources = s;
	return 0;
}

void conf_sources_free(struct conf_sources *s)
{
	if (!s)
		return;
	free(s->files);
	arena_done(&s->arena);
	free(s);
}

int conf_sources_save(const struct conf_sources *s, int fd)
{
	struct saved_header h = { .len = 0 };
	auto_buf struct buf b = { 0 };

	buf_add(&b, &h, sizeof h);
	buf_add_strz(&b, s->cwd);
	buf_add_strz(&b, s->host);
	for (size_t i = 0; i < s->n_files; i++) {
		const struct source *f = &s->files[i];
		uint64_t len = f->len;

		buf_add_strz(&b, f->path);
		buf_add_strz(&b, f->here);
		buf_add(&b, &len, sizeof len);
		buf_add(&b, f->text, f->len);
	}
	if (buf_error(&b))
		return -ENOMEM;
	memcpy(h.magic, magic, sizeof magic);
	h.len = b.len - sizeof h;
	h.checksum = hash_bytes(b.data + sizeof h, h.len);
	memcpy(b.data, &h, sizeof h);
	return fd_write_all(fd, b.data, b.len);
}

/* The string at *p, or NULL when it does not end before end. */
static const char *take_string(const char **p, const char *end)
{
	const char *s = *p, *nul = memchr(s, '\0', (size_t)(end - s));

	if (nul)
		*p = nul + 1;
	return nul ? s : NULL;
}

static int load_file(struct conf_sources *s, const char **p, const char *end)
{
	const char *path = take_string(p, end);
	const char *here = path ? take_string(p, end) : NULL;
	uint64_t len;

	if (!here || (size_t)(end - *p) < sizeof len)
		return -EBADMSG;
	memcpy(&len, *p, sizeof len);
	*p += sizeof len;
	if (len > (size_t)(end - *p))
		return -EBADMSG;
	*p += len;
	return keep_file(s, path, here, *p - len, len);
}

static int load_files(struct conf_sources *s, const char *p, const char *end)
{
	const char *cwd = take_string(&p, end);
	const char *host = cwd ? take_string(&p, end) : NULL;
	int err = 0;

	if (!host)
		return -EBADMSG;
	s->cwd = arena_strdup(&s->arena, cwd);
	s->host = arena_strdup(&s->arena, host);
	if (!s->cwd || !s->host)
		return -ENOMEM;
	while (p < end && err == 0)
		err = load_file(s, &p, end);
	return err;
}

int conf_sources_load(int fd, struct conf_sources **ret_sources)
{
	auto_buf struct buf b = { 0 };
	struct saved_header h;
	struct conf_sources *s;
	int err = fd_read_all(fd, &b, SIZE_MAX);

	if (err)
		return err;
	if (b.len < sizeof h)
		return -EBADMSG;
	memcpy(&h, b.data, sizeof h);
	if (memcmp(h.magic, magic, sizeof magic) != 0 || h.len != b.len - sizeof h ||
	    h.checksum != hash_bytes(b.data + sizeof h, h.len))
		return -EBADMSG;
	s = new_empty();
	if (!s)
		return -ENOMEM;
	s->revived = true;
	err = load_files(s, b.data + sizeof h, b.data + b.len);
	if (err) {
		conf_sources_free(s);
		return err;
	}
	*ret_sources = s;
	return 0;
}
