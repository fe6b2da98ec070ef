/* Any bytes on the control socket: the same messages however they are cut, calls and replies that
 * survive being written and read again, and bytes that come back as they were. The first byte of the
 * input is the size of the pieces. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/wire/call.h"
#include "ctl/wire/frame.h"
#include "ctl/wire/jsonw.h"
#include "ctl/wire/text.h"

#define LIMIT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_call(const char *text, size_t len)
{
	struct call c, again;
	struct buf b = { 0 };

	if (call_parse(text, len, &c) < 0)
		return;
	assert(c.method && json_is_object(c.parameters) && !(c.more && c.oneway));
	/* Written raw, as only our own names are, it must need no escape. */
	if (!strpbrk(c.method, "\"\\") && text_is_utf8(c.method, strlen(c.method))) {
		call_add(&b, c.method, c.parameters, c.more);
		if (call_parse(b.data, b.len - 1, &again) == 0) {
			assert(strcmp(again.method, c.method) == 0 && again.more == c.more);
			assert(json_equal(again.parameters, c.parameters));
			call_done(&again);
		}
		buf_done(&b);
	}
	call_done(&c);
}

static void check_reply(const char *text, size_t len)
{
	struct reply r, again;
	struct buf b = { 0 };

	if (reply_parse(text, len, &r) < 0)
		return;
	assert(json_is_object(r.parameters) && !(r.error && r.continues));
	reply_add(&b, NULL, r.parameters, r.continues);
	assert(reply_parse(b.data, b.len - 1, &again) == 0);
	assert(json_equal(again.parameters, r.parameters) && again.continues == r.continues);
	reply_done(&again);
	reply_done(&r);
	buf_done(&b);
}

/* text_to_json() and jsonw_bytes() must agree with each other and with what is read back. */
static void check_bytes(const char *data, size_t len)
{
	json_t *value = text_to_json(data, len), *written;
	struct buf b = { 0 };
	char *back = NULL;
	size_t back_len;

	jsonw_bytes(&b, NULL, data, len);
	written = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	assert(value && written && json_equal(value, written));
	assert(text_of_json(written, &back, &back_len) == 0);
	assert(back_len == len && memcmp(back, data, len) == 0);
	free(back);
	json_decref(value);
	json_decref(written);
	buf_done(&b);
}

/* Any JSON value as bytes: refused, or in one of the two forms. */
static void check_value(const char *text, size_t len)
{
	json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	char *bytes = NULL;
	size_t n;

	if (value && text_of_json(value, &bytes, &n) == 0) {
		json_t *again = text_to_json(bytes, n);

		/* base64 of what is UTF-8 is taken, and then written as a string. */
		assert(json_is_string(again) || json_equal(again, value));
		json_decref(again);
		free(bytes);
	}
	json_decref(value);
}

/* Frame the input in pieces; every message is also what lies between two NULs of it. */
static void check_frames(const char *data, size_t size, size_t piece)
{
	struct frame f = { .limit = LIMIT };
	size_t at = 0, begin = 0;

	while (at < size) {
		size_t len = size - at < piece ? size - at : piece;
		size_t span = frame_span(data + at, len);
		const char *text;
		size_t text_len;
		int r = frame_add(&f, data + at, span, &text, &text_len);

		at += span;
		if (r < 0) {
			assert(at - begin > LIMIT);
			break;
		}
		if (r == 0)
			continue;
		assert(text_len == at - begin - 1 && memcmp(text, data + begin, text_len) == 0);
		check_call(text, text_len);
		check_reply(text, text_len);
		check_value(text, text_len);
		begin = at;
	}
	frame_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;

	if (!size)
		return 0;
	check_frames(bytes, size - 1, data[0] ? data[0] : 1);
	check_bytes(bytes, size - 1);
	return 0;
}
