#include "conf/text.h"

#include <stdint.h>
#include <string.h>

#include "conf/conf.h"

static bool is_ascii_blank(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

/* Length of the blank that is one of UTF-8's two- and three-byte ones. */
static size_t wide_blank(const unsigned char *u, size_t len)
{
	if (len >= 2 && u[0] == 0xc2)
		return u[1] == 0x85 || u[1] == 0xa0 ? 2 : 0;
	if (len < 3)
		return 0;
	if (u[0] == 0xe1)
		return u[1] == 0x9a && u[2] == 0x80 ? 3 : 0; /* U+1680 */
	if (u[0] == 0xe3)
		return u[1] == 0x80 && u[2] == 0x80 ? 3 : 0; /* U+3000 */
	if (u[0] != 0xe2)
		return 0;
	if (u[1] == 0x81)
		return u[2] == 0x9f ? 3 : 0; /* U+205F */
	if (u[1] != 0x80)
		return 0;
	/* U+2000..200A, 2028, 2029, 202F */
	return (u[2] >= 0x80 && u[2] <= 0x8a) || u[2] == 0xa8 || u[2] == 0xa9 || u[2] == 0xaf ? 3
											      : 0;
}

size_t text_blank(const char *p, const char *end)
{
	if (p >= end)
		return 0;
	if (is_ascii_blank((unsigned char)*p))
		return 1;
	if ((unsigned char)*p < 0xc2)
		return 0;
	return wide_blank((const unsigned char *)p, (size_t)(end - p));
}

size_t text_blank_before(const char *begin, const char *p)
{
	if (p <= begin)
		return 0;
	if (is_ascii_blank((unsigned char)p[-1]))
		return 1;
	if ((unsigned char)p[-1] < 0x80)
		return 0;
	for (size_t n = 2; n <= 3 && n <= (size_t)(p - begin); n++)
		if (text_blank(p - n, p) == n)
			return n;
	return 0;
}

void text_strip(const char **begin, const char **end)
{
	size_t n;

	while ((n = text_blank(*begin, *end)) > 0)
		*begin += n;
	while ((n = text_blank_before(*begin, *end)) > 0)
		*end -= n;
}

/* Length of the well-formed sequence at u, or 0. */
static size_t sequence(const unsigned char *u, size_t len)
{
	size_t n = u[0] < 0x80	 ? 1
		   : u[0] < 0xc2 ? 0
		   : u[0] < 0xe0 ? 2
		   : u[0] < 0xf0 ? 3
		   : u[0] < 0xf5 ? 4
				 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return n;
}

bool text_utf8(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;

	for (size_t i = 0; i < len;) {
		size_t n = sequence(u + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

size_t text_char(const char *s, size_t len)
{
	size_t n = sequence((const unsigned char *)s, len);

	return n ? n : 1;
}

void text_lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

const char *text_name_problem(const char *s)
{
	size_t len = strlen(s);

	if (len == 0)
		return "a name must not be empty";
	if (len > CONF_NAME_MAX)
		return "a name has 255 bytes at most";
	if (s[0] == '-')
		return "a name must not begin with '-'";
	if (!text_utf8(s, len))
		return "a name must be UTF-8";
	for (size_t i = 0; i < len; i++) {
		if (s[i] == ':' || s[i] == '/')
			return "a name must not contain ':' or '/'";
		if (text_blank(s + i, s + len))
			return "a name must not contain blanks";
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return "a name must not contain control characters";
		/* U+0080..009F */
		if ((unsigned char)s[i] == 0xc2 && (unsigned char)s[i + 1] < 0xa0)
			return "a name must not contain control characters";
	}
	return NULL;
}

bool conf_name_valid(const char *name)
{
	return text_name_problem(name) == NULL;
}
