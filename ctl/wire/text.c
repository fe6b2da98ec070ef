#include "ctl/wire/text.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "daemon/base/mem.h"

#define BAD 255

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Bytes of the sequence at s (1..4), or 0 when it is none. The ranges of the second byte are those
 * of table 3-7 of the Unicode standard. */
static size_t sequence(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return s[0] != 0;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool text_is_utf8(const char *data, size_t len)
{
	const unsigned char *s = (const unsigned char *)data;

	for (size_t i = 0; i < len;) {
		size_t n = sequence(s + i, len - i);

		if (!n)
			return false;
		i += n;
	}
	return true;
}

void text_add_base64(struct buf *b, const char *data, size_t len)
{
	const unsigned char *s = (const unsigned char *)data;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t v = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) |
			     (left > 2 ? s[i + 2] : 0);
		char four[4] = {
			alphabet[v >> 18],
			alphabet[v >> 12 & 63],
			left > 1 ? alphabet[v >> 6 & 63] : '=',
			left > 2 ? alphabet[v & 63] : '=',
		};

		buf_add(b, four, sizeof four);
	}
}

static unsigned char value_of(char c)
{
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (unsigned char)(p - alphabet) : BAD;
}

/* Decode four characters to 1..3 bytes; 0 when they are not canonical. */
static size_t decode_four(const char *s, bool last, char *out)
{
	unsigned char v[4];
	size_t n = 3;

	if (last && s[3] == '=')
		n = s[2] == '=' ? 1 : 2;
	for (size_t i = 0; i < 4; i++) {
		v[i] = i <= n ? value_of(s[i]) : 0;
		if (v[i] == BAD)
			return 0;
	}
	/* Bits that no byte takes must be zero, so that there is one form only. */
	if ((n == 1 && (v[1] & 15)) || (n == 2 && (v[2] & 3)))
		return 0;
	out[0] = (char)(v[0] << 2 | v[1] >> 4);
	out[1] = (char)(v[1] << 4 | v[2] >> 2);
	out[2] = (char)(v[2] << 6 | v[3]);
	return n;
}

static int decode_base64(const char *s, size_t len, char **ret_data, size_t *ret_len)
{
	size_t used = 0;

	if (len % 4)
		return -EINVAL;
	auto_free char *data = malloc(len / 4 * 3 + 1);
	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < len; i += 4) {
		char out[3];
		size_t n = decode_four(s + i, i + 4 == len, out);

		if (!n)
			return -EINVAL;
		memcpy(data + used, out, n);
		used += n;
	}
	data[used] = '\0';
	*ret_len = used;
	*ret_data = take_ptr(data);
	return 0;
}

json_t *text_to_json(const char *data, size_t len)
{
	struct buf b = { 0 };
	json_t *value = NULL;

	if (text_is_utf8(data, len))
		return json_stringn_nocheck(data, len);
	text_add_base64(&b, data, len);
	if (!buf_error(&b))
		value = json_pack("{s:s%}", "base64", b.data, b.len);
	buf_done(&b);
	return value;
}

json_t *text_str_to_json(const char *s)
{
	return text_to_json(s, strlen(s));
}

int text_of_json(const json_t *value, char **ret_data, size_t *ret_len)
{
	const json_t *base64;
	char *data;
	size_t len;

	if (json_is_string(value)) {
		len = json_string_length(value);
		data = malloc(len + 1);
		if (!data)
			return -ENOMEM;
		memcpy(data, json_string_value(value), len + 1);
		*ret_data = data;
		*ret_len = len;
		return 0;
	}
	base64 = json_object_get(value, "base64");
	if (!json_is_string(base64) || json_object_size(value) != 1)
		return -EINVAL;
	return decode_base64(json_string_value(base64), json_string_length(base64), ret_data,
			     ret_len);
}

int text_str_of_json(const json_t *value, char **ret_s)
{
	auto_free char *data = NULL;
	size_t len;
	int r = text_of_json(value, &data, &len);

	if (r < 0)
		return r;
	if (memchr(data, '\0', len))
		return -EINVAL;
	*ret_s = take_ptr(data);
	return 0;
}
