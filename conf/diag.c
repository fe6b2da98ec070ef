#include "conf/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"

static struct conf_problem *add_problem(struct conf_diag *d)
{
	if (d->n_problems == d->capacity) {
		size_t capacity = d->capacity ? d->capacity * 2 : 8;
		struct conf_problem *more =
			reallocarray(d->problems, capacity, sizeof *d->problems);

		if (!more)
			return NULL;
		d->problems = more;
		d->capacity = capacity;
	}
	return &d->problems[d->n_problems];
}

static const char *copy(struct conf_diag *d, const char *s)
{
	const char *c = s ? arena_strdup(&d->arena, s) : NULL;

	if (s && !c)
		d->err = -ENOMEM;
	return c;
}

static void note(struct conf_diag *d, bool fatal, const struct diag_where *w, const char *format,
		 va_list ap)
{
	auto_buf struct buf text = { 0 };
	struct conf_problem *p = add_problem(d);

	buf_vaddf(&text, format, ap);
	if (!p || buf_reserve(&text, 0) < 0) {
		d->err = -ENOMEM;
		return;
	}
	*p = (struct conf_problem){
		.fatal = fatal,
		.file = copy(d, w->file),
		.line = w->line,
		.section = copy(d, w->section),
		.text = copy(d, text.data),
		.file_no = w->file_no,
	};
	if (d->err)
		return;
	d->n_problems++;
	d->n_fatal += fatal;
}

void diag_error(struct conf_diag *d, const struct diag_where *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	note(d, true, w, format, ap);
	va_end(ap);
}

void diag_warn(struct conf_diag *d, const struct diag_where *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	note(d, false, w, format, ap);
	va_end(ap);
}

static int compare_problems(const void *a, const void *b)
{
	const struct conf_problem *p = a, *q = b;

	if (p->file_no != q->file_no)
		return p->file_no < q->file_no ? -1 : 1;
	if (p->line != q->line)
		return p->line < q->line ? -1 : 1;
	return strcmp(p->text, q->text);
}

static void sort(struct conf_diag *d, size_t first)
{
	size_t kept = first;

	qsort(d->problems + first, d->n_problems - first, sizeof *d->problems, compare_problems);
	for (size_t i = first; i < d->n_problems; i++) {
		const struct conf_problem *p = &d->problems[i];

		if (i > first && compare_problems(&d->problems[kept - 1], p) == 0)
			d->n_fatal -= p->fatal; /* numprocs= makes the same one many times */
		else
			d->problems[kept++] = *p;
	}
	d->n_problems = kept;
}

void diag_end(struct conf_diag *d, size_t first, int err)
{
	if (err == -ENOMEM)
		while (d->n_problems > first)
			d->n_fatal -= d->problems[--d->n_problems].fatal;
	else if (d->n_problems > first)
		sort(d, first);
}

char *conf_problem_text(const struct conf_problem *p)
{
	struct buf b = { 0 };

	if (p->file) {
		buf_add_str(&b, p->file);
		if (p->line)
			buf_addf(&b, ":%u", p->line);
		buf_add_str(&b, ": ");
	}
	if (p->section)
		buf_addf(&b, "[%s] ", p->section);
	buf_add_str(&b, p->text);
	return buf_take_str(&b);
}

void conf_diag_done(struct conf_diag *diag)
{
	free(diag->problems);
	arena_done(&diag->arena);
	*diag = (struct conf_diag){ 0 };
}
