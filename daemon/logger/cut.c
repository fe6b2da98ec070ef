#include "daemon/logger/cut.h"

#include <string.h>

size_t cut_last_line_end(const char *bytes, size_t len)
{
	const char *end = len ? memrchr(bytes, '\n', len) : NULL;

	return end ? (size_t)(end - bytes) + 1 : 0;
}

static size_t first_line_end(const char *bytes, size_t from, size_t len)
{
	const char *end = from < len ? memchr(bytes + from, '\n', len - from) : NULL;

	return end ? (size_t)(end - bytes) + 1 : 0;
}

static struct cut take(const struct cut_view *v, size_t bytes)
{
	return (struct cut){ .what = CUT_TAKE,
			     .bytes = bytes,
			     .line_end = v->bytes[bytes - 1] == '\n' };
}

static struct cut take_what_fits(const struct cut_view *v)
{
	size_t lines = v->whole ? cut_last_line_end(v->bytes, v->seen) : v->seen;

	if (lines)
		return take(v, lines);
	return v->force ? take(v, v->seen) : (struct cut){ .what = CUT_WAIT };
}

/* The line that is being written does not fit, and no other file would hold it better. */
static struct cut take_long_line(const struct cut_view *v, size_t room)
{
	size_t end = first_line_end(v->bytes, room, v->seen);

	if (end)
		return take(v, end);
	if (v->whole && !v->force)
		return (struct cut){ .what = CUT_WAIT };
	if (v->size + v->seen <= v->hard)
		return take(v, v->seen);
	if (v->size < v->hard)
		return take(v, (size_t)(v->hard - v->size));
	return (struct cut){ .what = CUT_ROTATE };
}

struct cut cut_find(const struct cut_view *v)
{
	uint64_t room = v->size < v->limit ? v->limit - v->size : 0;
	size_t fits;

	if (v->seen <= room)
		return take_what_fits(v);
	fits = cut_last_line_end(v->bytes, (size_t)room);
	if (fits)
		return take(v, fits);
	if (v->size && v->line_start)
		return (struct cut){ .what = CUT_ROTATE };
	return take_long_line(v, (size_t)room);
}
