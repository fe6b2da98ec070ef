/* What a process has printed: tail. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/client/commands.h"
#include "ctl/client/format.h"
#include "ctl/client/lines.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "ctl/wire/jsonw.h"
#include "daemon/base/mem.h"

#define LINES_DEFAULT 10
#define COPY_BYTES 65536
#define LINE_BYTES_MAX 65536 /* of -o json: a longer line comes in parts */

/* ---- tail ---------------------------------------------------------------------------------- */

/* One log as it is followed: which file, how far. fosterd opens it; the bytes are read here. */
struct tail {
	struct ctl *ctl;
	const char *name, *stream;
	long lines;
	bool follow;
	int fd; /* of the file; -1: none yet */
	bool from_start; /* there was none when we began */
	off_t offset; /* of the next byte to print */
	struct buf line; /* -o json: the beginning of a line */
};

static void print_line(struct tail *t, size_t len)
{
	struct buf b = { 0 };

	jsonw_open(&b, NULL, '{');
	jsonw_str(&b, "name", t->name);
	jsonw_str(&b, "stream", t->stream);
	jsonw_bytes(&b, "line", t->line.data, len);
	jsonw_close(&b, '}');
	buf_add_char(&b, '\n');
	print_buf(&b);
	buf_done(&b);
}

static void print_bytes(struct tail *t, const char *bytes, size_t len)
{
	char *end;

	if (t->ctl->output != CTL_JSON) {
		fwrite(bytes, 1, len, stdout);
		return;
	}
	buf_add(&t->line, bytes, len);
	while (t->line.len) {
		end = memchr(t->line.data, '\n', t->line.len);
		if (!end && t->line.len < LINE_BYTES_MAX)
			return;
		print_line(t, end ? (size_t)(end - t->line.data) : t->line.len);
		buf_consume(&t->line, end ? (size_t)(end - t->line.data) + 1 : t->line.len);
	}
}

/* Print from offset to the end of what there is now. 0 or an exit status. */
static int copy_rest(struct tail *t)
{
	char bytes[COPY_BYTES];
	ssize_t n;

	for (;;) {
		n = pread(t->fd, bytes, sizeof bytes, t->offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		print_bytes(t, bytes, (size_t)n);
		t->offset += n;
		if (ferror(stdout))
			break;
	}
	if (n < 0)
		complain("%s: cannot read its log: %s", t->name, strerror(errno));
	return output_flush() || n < 0 ? CTL_FAILED : CTL_OK;
}

/* A file emptied in place (no backups are kept) begins anew. */
static void notice_truncation(struct tail *t)
{
	struct stat st;

	if (fstat(t->fd, &st) == 0 && st.st_size < t->offset)
		t->offset = 0;
}

static int begin_at_end(struct tail *t, int fd)
{
	struct stat st;
	off_t begin;

	t->fd = fd;
	if (fstat(fd, &st) < 0)
		st.st_size = 0;
	begin = lines_tail(fd, st.st_size, t->lines);
	if (begin < 0) {
		complain("%s: cannot read its log: %s", t->name, strerror((int)-begin));
		return CTL_FAILED;
	}
	t->offset = begin;
	return copy_rest(t);
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* A descriptor came: the first, that of a file that took the place of ours, or, after a lost
 * connection, perhaps ours again. Ours is read to its end before it is left. */
static int take_file(struct tail *t, int fd)
{
	int status;

	if (t->fd < 0 && !t->from_start)
		return begin_at_end(t, fd);
	if (t->fd < 0) {
		t->fd = fd;
		return copy_rest(t);
	}
	if (same_file(t->fd, fd)) {
		close(fd);
		notice_truncation(t);
		return copy_rest(t);
	}
	status = copy_rest(t);
	close(t->fd);
	t->fd = fd;
	t->offset = 0;
	return status ? status : copy_rest(t);
}

static int take_reply(struct tail *t, struct reply *reply)
{
	int fd = fds_take(&t->ctl->client.fds, 0);

	if (reply->error)
		return ctl_error(t->name, reply);
	if (fd >= 0)
		return take_file(t, fd);
	if (t->fd < 0) { /* nothing was printed yet: all of what comes is news */
		t->from_start = true;
		return 0;
	}
	notice_truncation(t);
	return copy_rest(t);
}

/* Replies come until the log is gone, or, without -f, once. */
static int follow(struct tail *t, const struct request *q)
{
	struct reply reply;
	bool continues;
	int status, r = client_call(&t->ctl->client, q, &reply);

	while (r == 0 || r == 1) {
		status = take_reply(t, &reply);
		continues = reply.continues;
		reply_done(&reply);
		if (status || !continues)
			return status;
		r = client_next(&t->ctl->client, &reply);
		if (r != 0)
			continue;
		r = client_reconnect(&t->ctl->client);
		if (r == 0)
			r = client_call(&t->ctl->client, q, &reply);
	}
	return ctl_lost(t->ctl, r, "tail");
}

static int parse_tail(struct tail *t, struct args *a)
{
	int option;

	while ((option = args_next(a)) != OPTION_END) {
		if (option == 'f')
			t->follow = true;
		else if (option != 'n')
			return CTL_USAGE;
		else if (option_count(optarg, &t->lines) < 0)
			return usage_error(a->ctl, "-n %s: not a number of lines", optarg);
	}
	if (a->n_operands < 1 || a->n_operands > 2)
		return usage_error(a->ctl, "needs one NAME");
	t->name = a->operands[0];
	if (a->n_operands == 2)
		t->stream = a->operands[1];
	if (strcmp(t->stream, "stdout") != 0 && strcmp(t->stream, "stderr") != 0)
		return usage_error(a->ctl, "%s: neither stdout nor stderr", t->stream);
	return 0;
}

int cmd_tail(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ "lines", required_argument, NULL, 'n' },
		{ 0 },
	};
	struct tail t = { .ctl = ctl, .stream = "stdout", .lines = LINES_DEFAULT, .fd = -1 };
	struct request q = { .method = "OpenLog" };
	struct args a;
	int status;

	args_init(&a, ctl, argc, argv, OPTIONS_ALL, "fn:", longs);
	status = parse_tail(&t, &a);
	if (status)
		return status;
	q.more = t.follow;
	q.parameters =
		json_pack("{s:s,s:s,s:b}", "name", t.name, "stream", t.stream, "follow", t.follow);
	if (!q.parameters)
		return complain("%s: no such process", t.name), CTL_NO_PROCESS;
	status = follow(&t, &q);
	if (t.line.len)
		print_line(&t, t.line.len);
	json_decref(q.parameters);
	buf_done(&t.line);
	close_fd(&t.fd);
	return status;
}
