/* Any bytes on the control socket: the same messages however they are cut, calls and replies that
 * survive being written and read again, bytes and numbers that come back as they were, and descriptors
 * that arrive with their own message. The first byte of the input is the size of the pieces. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/wire/call.h"
#include "ctl/wire/fds.h"
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

/* The same reply with parameters that are text already. */
static void check_text_of(const struct reply *r)
{
	struct buf text = { 0 }, b = { 0 };
	struct reply again;

	call_add_json(&text, r->parameters);
	reply_add_text(&b, text.data, text.len, r->continues);
	assert(reply_parse(b.data, b.len - 1, &again) == 0);
	assert(json_equal(again.parameters, r->parameters) && again.continues == r->continues);
	reply_done(&again);
	buf_done(&text);
	buf_done(&b);
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
	buf_clear(&b);
	reply_add(&b, "org.foster.Supervisor.E", r.parameters, false);
	assert(reply_parse(b.data, b.len - 1, &again) == 0);
	assert(strcmp(again.error, "org.foster.Supervisor.E") == 0);
	assert(json_equal(again.parameters, r.parameters));
	reply_done(&again);
	check_text_of(&r);
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

/* An object of everything that jsonw.h writes, with numbers of these bits, is JSON and says so. */
static void check_written(const char *data, size_t len)
{
	int64_t number = 0;
	struct buf b = { 0 };
	double seconds;
	json_t *o, *s;

	memcpy(&number, data, len < sizeof number ? len : sizeof number);
	memcpy(&seconds, &number, sizeof seconds);
	jsonw_open(&b, NULL, '{');
	jsonw_int(&b, "i", number);
	jsonw_seconds(&b, "s", seconds);
	jsonw_bool(&b, "b", number & 1);
	jsonw_null(&b, "n");
	jsonw_open(&b, "a", '[');
	jsonw_bytes(&b, NULL, data, len);
	jsonw_str(&b, NULL, NULL);
	jsonw_close(&b, ']');
	jsonw_close(&b, '}');
	o = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	assert(o && json_integer_value(json_object_get(o, "i")) == number);
	s = json_object_get(o, "s");
	assert(json_is_null(s) ||
	       fabs(json_number_value(s) - seconds) <= 1e-6 + fabs(seconds) * 1e-15);
	assert(json_is_boolean(json_object_get(o, "b")) && json_is_null(json_object_get(o, "n")));
	assert(json_array_size(json_object_get(o, "a")) == 2);
	json_decref(o);
	buf_done(&b);
}

/* ---- with descriptors -------------------------------------------------------------------------- */

static int plain = -1;

static int lowest_free(void)
{
	int fd = fcntl(plain, F_DUPFD_CLOEXEC, 0);

	assert(fd >= 0 && close(fd) == 0);
	return fd;
}

/* How many ride along with a message: it says so itself. */
static unsigned fds_of(const char *message, size_t len)
{
	return (unsigned char)message[0] % 4 + (len > 100 ? 1 : 0);
}

/* One message, its descriptors with its first byte, the rest in pieces. */
static void send_message(int socket, const char *message, size_t len, size_t piece)
{
	unsigned n = fds_of(message, len);
	const int fds[] = { plain, plain, plain, plain };
	ssize_t sent;

	for (size_t at = 0; at < len; at += (size_t)sent, n = 0) {
		sent = fds_send(socket, message + at, len - at < piece ? len - at : piece, fds, n);
		assert(sent > 0);
	}
}

/* Whatever is in the socket: the messages between begin and end. */
static void receive_messages(int socket, const char *begin, const char *end)
{
	struct frame frame = { .limit = LIMIT };
	struct fds fds = { 0 };
	char scratch[512];
	const char *text;
	size_t len;
	int r;

	while ((r = fds_read_message(socket, &frame, &fds, scratch, sizeof scratch, &text, &len)) >
	       0) {
		if (r == 2)
			continue;
		assert(len < (size_t)(end - begin) && memcmp(text, begin, len + 1) == 0);
		assert(fds.n == fds_of(begin, len + 1));
		begin += len + 1;
		fds_done(&fds);
	}
	assert(r == -EAGAIN && begin == end && !frame_partial(&frame));
	frame_done(&frame);
	fds_done(&fds);
}

static void check_fds(const char *data, size_t size, size_t piece)
{
	const char *begin = data, *end = data + (size < LIMIT ? size : LIMIT);
	int ends[2], before;

	if (plain < 0)
		plain = open("/dev/null", O_RDONLY | O_CLOEXEC);
	before = lowest_free();
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	for (int n = 0; n < 16; n++) {
		const char *nul = memchr(data, '\0', (size_t)(end - data));

		if (!nul)
			break;
		send_message(ends[0], data, (size_t)(nul + 1 - data), piece < 64 ? 64 : piece);
		data = nul + 1;
	}
	receive_messages(ends[1], begin, data);
	close(ends[0]);
	close(ends[1]);
	assert(lowest_free() == before);
}

/* ---- in pieces --------------------------------------------------------------------------------- */

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
	check_written(bytes, size - 1);
	check_fds(bytes, size - 1, data[0]);
	return 0;
}
