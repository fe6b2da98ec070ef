#include "daemon/supervisor/logs.h"

#include <fcntl.h>
#include <string.h>

#include "ctl/wire/text.h"
#include "daemon/base/mem.h"
#include "daemon/base/path.h"
#include "daemon/supervisor/errors.h"
#include "daemon/supervisor/front.h"
#include "daemon/supervisor/params.h"
#include "daemon/supervisor/sync.h"

#define READ_BYTES_MAX 65536
#define LAST_BYTES 4096
#define LAST_LINES 10

int logs_open(const char *path, struct stat *ret_st)
{
	/* Not blocking, if somebody has put a FIFO there. */
	auto_close int fd = path_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -EACCES;
	return take_fd(fd);
}

/* ---- the last lines -------------------------------------------------------------------------- */

static json_t *split_lines(const char *text, size_t len, bool from_start)
{
	json_t *lines = json_array();
	const char *end = text + len, *line = text;

	if (!from_start) { /* the first may be the end of a longer one */
		line = memchr(text, '\n', len);
		line = line ? line + 1 : text;
	}
	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop)
			stop = end;
		json_array_append_new(lines, text_to_json(line, (size_t)(stop - line)));
		line = stop + 1;
	}
	while (json_array_size(lines) > LAST_LINES)
		json_array_remove(lines, 0);
	return lines;
}

static json_t *last_lines_of(const struct process *p, int stream)
{
	char path[LOGS_PATH_BYTES], text[LAST_BYTES];
	struct stat st = { 0 };
	const char *why;
	ssize_t n;

	if (process_log_path(p, stream, path, sizeof path, &why) < 0)
		return NULL;
	auto_close int fd = logs_open(path, &st);
	if (fd < 0 || st.st_size == 0)
		return NULL;
	n = pread(fd, text, sizeof text, st.st_size > LAST_BYTES ? st.st_size - LAST_BYTES : 0);
	return n > 0 ? split_lines(text, (size_t)n, st.st_size <= LAST_BYTES) : NULL;
}

json_t *logs_last_lines(const struct process *p)
{
	json_t *lines = last_lines_of(p, 2);

	return lines ? lines : last_lines_of(p, 1);
}

/* ---- forgetting ------------------------------------------------------------------------------ */

static void remove_rotated(const char *path)
{
	char rotated[LOGS_PATH_BYTES + 16];
	unsigned n = 1;

	do
		snprintf(rotated, sizeof rotated, "%s.%u", path, n++);
	while (unlink(rotated) == 0);
}

void logs_remove(const struct process *p)
{
	char path[LOGS_PATH_BYTES];
	const char *why;

	for (int stream = 1; stream <= 2; stream++) {
		const struct conf_log *l = stream == 1 ? &p->def->out : &p->def->err;

		if (l->kind != CONF_LOG_AUTO ||
		    process_log_path(p, stream, path, sizeof path, &why) < 0)
			continue;
		unlink(path);
		remove_rotated(path);
	}
}

/* ---- OpenLog, ReadLog ------------------------------------------------------------------------ */

struct log_request {
	struct process *process;
	int stream; /* 1 or 2 */
	char path[LOGS_PATH_BYTES];
};

static bool find_log(struct supervisor *s, struct rpc_call *call, const char *name,
		     const char *stream, struct log_request *r)
{
	const char *why;

	if (stream && strcmp(stream, "stdout") != 0 && strcmp(stream, "stderr") != 0) {
		rpc_error_parameter(call, "stream");
		return false;
	}
	r->stream = stream && strcmp(stream, "stderr") == 0 ? 2 : 1;
	r->process = request_process(s, call, name, CONF_READ);
	if (!r->process)
		return false;
	if (process_log_path(r->process, r->stream, r->path, sizeof r->path, &why) == 0)
		return true;
	errors_reply(call, "NoLog", process_name(r->process), why);
	return false;
}

static void no_log(struct rpc_call *call, const struct log_request *r, int err)
{
	auto_buf struct buf reason = { 0 };

	buf_addf(&reason, "%s: %s", r->path, path_error(err));
	errors_reply(call, "NoLog", process_name(r->process),
		     buf_error(&reason) ? NULL : reason.data);
}

static bool read_open_log(struct supervisor *s, struct rpc_call *call, json_t *parameters,
			  enum param_bool *ret_follow, struct log_request *r)
{
	const char *name = NULL, *stream = NULL;
	const struct param table[] = { { "name", PARAM_STRING, PARAM_REQUIRED, &name },
				       { "stream", PARAM_STRING, PARAM_OPTIONAL, &stream },
				       { "follow", PARAM_BOOL, PARAM_OPTIONAL, ret_follow } };

	*ret_follow = PARAM_UNSET;
	return params_read(call, parameters, table, ARRAY_SIZE(table)) &&
	       find_log(s, call, name, stream, r);
}

static void follow_log(struct supervisor *s, struct rpc_call *call, const struct log_request *r)
{
	int err = follow_start(&s->front->follow, call, r->process, r->stream, r->path);

	if (err < 0)
		no_log(call, r, err);
}

static void open_log(struct rpc_call *call, const struct log_request *r)
{
	struct stat st = { 0 };
	auto_close int fd = logs_open(r->path, &st);

	if (fd == -ENOENT) /* nothing was printed yet: as empty as a file can be */
		rpc_reply(call, json_pack("{s:i}", "size", 0));
	else if (fd < 0)
		no_log(call, r, fd);
	else
		rpc_reply_fd(call, json_pack("{s:I}", "size", (json_int_t)st.st_size), fd);
}

/* The parameters are read again when the logger has answered: the process may be gone by then. */
static void open_log_when_written(void *data, struct rpc_call *call, json_t *parameters)
{
	enum param_bool follow;
	struct log_request r;

	if (!read_open_log(data, call, parameters, &follow, &r))
		return;
	if (follow == PARAM_TRUE)
		follow_log(data, call, &r);
	else
		open_log(call, &r);
}

void method_open_log(void *data, struct rpc_call *call, json_t *parameters)
{
	enum param_bool follow;
	struct log_request r;

	if (!read_open_log(data, call, parameters, &follow, &r))
		return;
	if (follow == PARAM_TRUE && !rpc_wants_more(call))
		errors_expected_more(call);
	else
		sync_then(r.process, r.stream, call, parameters, open_log_when_written);
}

static bool read_read_log(struct supervisor *s, struct rpc_call *call, json_t *parameters,
			  json_int_t *ret_offset, json_int_t *ret_length, struct log_request *r)
{
	const char *name = NULL, *stream = NULL;
	const struct param table[] = { { "name", PARAM_STRING, PARAM_REQUIRED, &name },
				       { "stream", PARAM_STRING, PARAM_OPTIONAL, &stream },
				       { "offset", PARAM_INT, PARAM_REQUIRED, ret_offset },
				       { "length", PARAM_INT, PARAM_REQUIRED, ret_length } };

	return params_read(call, parameters, table, ARRAY_SIZE(table)) &&
	       find_log(s, call, name, stream, r);
}

/* Where a negative offset, or one behind the end, is. */
static off_t place(json_int_t offset, off_t size)
{
	if (offset < 0)
		return offset < -size ? 0 : size + offset;
	return offset > size ? size : offset;
}

static void read_log(struct rpc_call *call, const struct log_request *r, json_int_t offset,
		     size_t length)
{
	auto_free char *text = malloc(length + 1);
	struct stat st = { 0 };
	auto_close int fd = logs_open(r->path, &st);
	ssize_t n = 0;

	if ((fd < 0 && fd != -ENOENT) || !text) {
		no_log(call, r, text ? fd : -ENOMEM);
		return;
	}
	offset = place(offset, st.st_size); /* of a file that is not there yet: 0 */
	if (fd >= 0)
		n = pread(fd, text, length, offset);
	if (n < 0)
		no_log(call, r, -errno);
	else
		rpc_reply(call, json_pack("{s:o,s:I,s:I}", "data", text_to_json(text, (size_t)n),
					  "offset", offset, "size", (json_int_t)st.st_size));
}

static void read_log_when_written(void *data, struct rpc_call *call, json_t *parameters)
{
	json_int_t offset, length;
	struct log_request r;

	if (read_read_log(data, call, parameters, &offset, &length, &r))
		read_log(call, &r, offset,
			 length > READ_BYTES_MAX ? READ_BYTES_MAX : (size_t)length);
}

void method_read_log(void *data, struct rpc_call *call, json_t *parameters)
{
	json_int_t offset, length;
	struct log_request r;

	if (!read_read_log(data, call, parameters, &offset, &length, &r))
		return;
	if (length < 0)
		rpc_error_parameter(call, "length");
	else
		sync_then(r.process, r.stream, call, parameters, read_log_when_written);
}
