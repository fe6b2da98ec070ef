#include "conf/build.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "daemon/base/mem.h"

static const struct source *file_of(const struct build *b, unsigned file_no)
{
	return b->sources ? &b->sources->files[file_no] : NULL;
}

struct diag_where build_where(const struct build *b, const struct ini_value *v)
{
	const struct source *f = file_of(b, v->file_no);

	return (struct diag_where){
		.file = f ? f->path : NULL,
		.file_no = v->file_no,
		.line = v->line,
		.section = v->section->name,
	};
}

struct diag_where build_where_section(const struct build *b, const struct ini_section *s)
{
	const struct source *f = file_of(b, s->file_no);

	return (struct diag_where){
		.file = f ? f->path : NULL,
		.file_no = s->file_no,
		.line = s->line,
		.section = s->name,
	};
}

static void note(struct build *b, bool fatal, const struct diag_where *w, const char *key,
		 const char *format, va_list ap)
{
	auto_buf struct buf text = { 0 };

	if (key)
		buf_addf(&text, "%s: ", key);
	buf_vaddf(&text, format, ap);
	if (buf_reserve(&text, 0) < 0)
		b->err = -ENOMEM;
	else if (fatal)
		diag_error(b->diag, w, "%s", text.data);
	else
		diag_warn(b->diag, w, "%s", text.data);
}

void build_error(struct build *b, const struct ini_value *v, const char *format, ...)
{
	struct diag_where w = build_where(b, v);
	va_list ap;

	va_start(ap, format);
	note(b, true, &w, v->key, format, ap);
	va_end(ap);
}

void build_warn(struct build *b, const struct ini_value *v, const char *format, ...)
{
	struct diag_where w = build_where(b, v);
	va_list ap;

	va_start(ap, format);
	note(b, false, &w, v->key, format, ap);
	va_end(ap);
}

void build_world_error(struct build *b, const struct ini_value *v, const char *format, ...)
{
	struct diag_where w = build_where(b, v);
	va_list ap;

	va_start(ap, format);
	note(b, !(b->sources && b->sources->revived), &w, v->key, format, ap);
	va_end(ap);
}

void build_section_error(struct build *b, const struct ini_section *s, const char *format, ...)
{
	struct diag_where w = build_where_section(b, s);
	va_list ap;

	va_start(ap, format);
	note(b, true, &w, NULL, format, ap);
	va_end(ap);
}

void build_section_warn(struct build *b, const struct ini_section *s, const char *format, ...)
{
	struct diag_where w = build_where_section(b, s);
	va_list ap;

	va_start(ap, format);
	note(b, false, &w, NULL, format, ap);
	va_end(ap);
}

void build_unknown_key(struct build *b, const struct ini_value *v)
{
	const char *near = keys_suggest(v->section->kind, v->key);
	const char *quote = near ? "'" : "";
	bool fatal = b->dialect == CONF_FOSTER;
	void (*report)(struct build *, const struct ini_value *, const char *, ...) =
		fatal ? build_error : build_warn;

	if (v->key[0] == '[')
		report(b, v, "a section header without ']'");
	else
		report(b, v, "unknown key%s%s%s%s%s", near ? " (did you mean " : "", quote,
		       near ? near : "", quote, near ? "?)" : "");
}

static char *expand_once(struct build *b, const struct ini_value *v, const char *text,
			 const struct expand_scope *scope)
{
	auto_buf struct buf out = { 0 }, why = { 0 };
	int err = expand(&out, text, scope, &why);
	char *result;

	if (err == -EINVAL && buf_reserve(&why, 0) == 0) {
		build_error(b, v, "%s", why.data);
		return NULL;
	}
	result = err || buf_reserve(&out, 0) < 0 ? NULL
						 : arena_strndup(&b->ini.arena, out.data, out.len);
	if (!result)
		b->err = -ENOMEM;
	return result;
}

const char *build_text(struct build *b, const struct ini_value *v, const struct expand_scope *scope)
{
	const struct source *f = file_of(b, v->file_no);
	unsigned rounds =
		b->dialect == CONF_SUPERVISORD && v->known && (v->known->flags & KEY_TWICE) ? 2 : 1;
	const struct expand_name here = { .name = "here", .text = f ? f->here : "" };
	const struct expand_scope with_here = { .outer = scope, .names = &here, .n_names = 1 };
	const char *text = v->text;

	if (!f)
		return text;
	for (unsigned i = 0; i < rounds && text && strchr(text, '%'); i++)
		text = expand_once(b, v, text, &with_here);
	return text;
}

void *build_alloc(struct build *b, size_t n, size_t size)
{
	size_t bytes;
	void *p = __builtin_mul_overflow(n, size, &bytes)
			  ? NULL
			  : arena_alloc(&b->conf->arena, bytes ? bytes : 1);

	if (!p)
		b->err = -ENOMEM;
	return p;
}
