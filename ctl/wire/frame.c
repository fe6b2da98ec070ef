#include "ctl/wire/frame.h"

#include <errno.h>
#include <string.h>

size_t frame_span(const char *data, size_t len)
{
	const char *end = memchr(data, '\0', len);

	return end ? (size_t)(end - data) + 1 : len;
}

int frame_add(struct frame *f, const char *data, size_t len, const char **ret_text, size_t *ret_len)
{
	size_t span = frame_span(data, len);
	bool ended = span > 0 && data[span - 1] == '\0';
	size_t bytes = ended ? span - 1 : span;

	if (f->given)
		frame_done(f);
	if (bytes > f->limit - f->part.len)
		return -EMSGSIZE;
	if (ended && !f->part.len) {
		*ret_text = data;
		*ret_len = bytes;
		return 1;
	}
	buf_add(&f->part, data, bytes);
	if (buf_error(&f->part))
		return -ENOMEM;
	if (!ended)
		return 0;
	f->given = true;
	*ret_text = f->part.data;
	*ret_len = f->part.len;
	return 1;
}

bool frame_partial(const struct frame *f)
{
	return f->part.len > 0 && !f->given;
}

void frame_done(struct frame *f)
{
	buf_done(&f->part);
	f->given = false;
}
