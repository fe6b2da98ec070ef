#include "ctl/client/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#include "ctl/client/format.h"
#include "ctl/client/help.h"
#include "ctl/wire/text.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

/* ---- saying -------------------------------------------------------------------------------- */

static void complain_text(const struct buf *text)
{
	struct buf line = { 0 };

	buf_add_str(&line, "fosterctl: ");
	format_text(&line, text->data ? text->data : "", text->len);
	buf_add_char(&line, '\n');
	/* In order with what was printed before, where both go to one place. */
	fflush(stdout);
	if (!buf_error(&line))
		(void)fd_write_all(STDERR_FILENO, line.data, line.len);
	buf_done(&line);
}

void complain(const char *format, ...)
{
	struct buf text = { 0 };
	va_list ap;

	va_start(ap, format);
	buf_vaddf(&text, format, ap);
	va_end(ap);
	complain_text(&text);
	buf_done(&text);
}

int usage_error(const struct ctl *ctl, const char *format, ...)
{
	struct buf text = { 0 };
	va_list ap;

	if (ctl->command)
		buf_addf(&text, "%s: ", ctl->command->name);
	va_start(ap, format);
	buf_vaddf(&text, format, ap);
	va_end(ap);
	buf_addf(&text, " (see fosterctl help%s%s)", ctl->command ? " " : "",
		 ctl->command ? ctl->command->name : "");
	complain_text(&text);
	buf_done(&text);
	return CTL_USAGE;
}

void say(const struct ctl *ctl, const char *format, ...)
{
	struct buf text = { 0 }, line = { 0 };
	va_list ap;

	if (ctl->quiet || ctl->output == CTL_JSON)
		return;
	va_start(ap, format);
	buf_vaddf(&text, format, ap);
	va_end(ap);
	format_text(&line, text.data ? text.data : "", text.len);
	buf_add_char(&line, '\n');
	print_buf(&line);
	buf_done(&line);
	buf_done(&text);
}

void print_buf(struct buf *b)
{
	if (b->len)
		fwrite(b->data, 1, b->len, stdout);
	buf_clear(b);
}

void print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(16));
	putchar('\n');
}

void print_json_line(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(16));
	putchar('\n');
}

int output_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CTL_OK;
	if (errno != EPIPE)
		complain("cannot write: %s", strerror(errno));
	clearerr(stdout);
	return CTL_FAILED;
}

int help_finish(void)
{
	return output_flush();
}

/* ---- errors -------------------------------------------------------------------------------- */

/* What an error is in words. reason: what its reason follows; words alone where it has none. */
static const struct error_text {
	const char *name, *words;
	int status;
	bool reason_alone; /* the reason says it all */
} error_texts[] = {
	{ "NoSuchProcess", "no such process", CTL_NO_PROCESS, false },
	{ "AlreadyStarted", "already started", CTL_FAILED, false },
	{ "NotRunning", "not running", CTL_FAILED, false },
	{ "CannotStart", "cannot start", CTL_FAILED, false },
	{ "Failed", "failed", CTL_FAILED, true },
	{ "NameInUse", "name is in use", CTL_FAILED, false },
	{ "BadDefinition", "bad definition", CTL_FAILED, false },
	{ "BadConfiguration", "bad configuration", CTL_FAILED, false },
	{ "NotPermitted", "not permitted", CTL_FAILED, false },
	{ "NoLog", "no log", CTL_FAILED, false },
	{ "StillRunning", "still running", CTL_FAILED, false },
	{ "UpgradeRefused", "not upgraded", CTL_FAILED, false },
	{ "ShuttingDown", "fosterd is shutting down", CTL_FAILED, false },
	{ "LimitReached", "limit reached", CTL_FAILED, true },
	{ "MethodNotFound", "this fosterd does not know the command", CTL_FAILED, false },
	{ "MethodNotImplemented", "this fosterd does not know the command", CTL_FAILED, false },
	{ "InvalidParameter", "invalid parameter", CTL_FAILED, false },
	{ "PermissionDenied", "not permitted", CTL_FAILED, false },
};

static const char *short_name(const char *error)
{
	const char *dot = strrchr(error, '.');

	return dot ? dot + 1 : error;
}

static const struct error_text *error_find(const char *error)
{
	const char *name = short_name(error);

	for (size_t i = 0; i < ARRAY_SIZE(error_texts); i++)
		if (strcmp(error_texts[i].name, name) == 0)
			return &error_texts[i];
	return NULL;
}

int error_status(const char *error)
{
	const struct error_text *t = error_find(error);

	return t ? t->status : CTL_FAILED;
}

void error_words(struct buf *b, const char *error, const json_t *parameters)
{
	const struct error_text *t = error_find(error);
	const char *reason = get_str(parameters, "reason");
	const char *detail = reason ? reason : get_str(parameters, "parameter");
	const char *right = get_str(parameters, "right");
	const char *words = t ? t->words : short_name(error);

	if (reason && *reason && t && t->reason_alone) {
		buf_add_str(b, reason);
		return;
	}
	buf_add_str(b, words);
	if (detail && *detail && strcmp(detail, words) != 0)
		buf_addf(b, ": %s", detail);
	if (right)
		buf_addf(b, ": needs the right '%s'", right);
}

/* A problem of a definition names its section, which is of the process that is named already. */
static const char *without_section(const char *problem, const char *subject)
{
	static const char lead[] = "[program:";
	const char *name = problem + sizeof lead - 1;
	size_t len = subject ? strlen(subject) : 0;

	if (len && strncmp(problem, lead, sizeof lead - 1) == 0 &&
	    strncmp(name, subject, len) == 0 && strncmp(name + len, "] ", 2) == 0)
		return name + len + 2;
	return problem;
}

/* BadDefinition and BadConfiguration: a line for each problem. */
static bool complain_problems(const char *subject, const json_t *parameters)
{
	const json_t *problems = json_object_get(parameters, "problems");

	for (size_t i = 0; i < json_array_size(problems); i++) {
		struct buf b = { 0 };

		format_value(&b, json_array_get(problems, i));
		if (!buf_error(&b))
			complain("%s%s%s", subject ? subject : "", subject ? ": " : "",
				 without_section(b.data, subject));
		buf_done(&b);
	}
	return json_array_size(problems) > 0;
}

int ctl_error(const char *subject, const struct reply *reply)
{
	const char *name = get_str(reply->parameters, "name");
	struct buf b = { 0 };

	if (!complain_problems(subject, reply->parameters)) {
		name = name ? name : subject;
		if (name)
			buf_addf(&b, "%s: ", name);
		error_words(&b, reply->error, reply->parameters);
		complain_text(&b);
		buf_done(&b);
	}
	return error_status(reply->error);
}

int ctl_bad_reply(void)
{
	complain("fosterd's reply makes no sense");
	return CTL_FAILED;
}

/* ---- calling ------------------------------------------------------------------------------- */

int ctl_lost(const struct ctl *ctl, int err, const char *what)
{
	switch (err) {
	case -EINPROGRESS:
		complain("%s: connection lost, outcome unknown", what);
		return CTL_FAILED;
	case -ETIMEDOUT:
		complain("%s: timed out", what);
		return CTL_FAILED;
	case -EBADMSG:
	case -EMSGSIZE:
		return ctl_bad_reply();
	case -ECONNABORTED:
		complain("%s: the connection is lost again and again, outcome unknown", what);
		return CTL_NO_DAEMON;
	default:
		complain("cannot connect to %s: %s%s", ctl->client.path, strerror(-err),
			 err == -ENOENT || err == -ECONNREFUSED ? " (is fosterd running?)" : "");
		return CTL_NO_DAEMON;
	}
}

int ctl_call(struct ctl *ctl, const struct request *q, struct reply *ret_reply)
{
	int r = client_call(&ctl->client, q, ret_reply);

	return r < 0 ? ctl_lost(ctl, r, ctl->command->name) : 0;
}

int ctl_ask(struct ctl *ctl, const struct request *q, const char *subject, struct reply *ret_reply)
{
	struct reply reply;
	int status = ctl_call(ctl, q, &reply);

	if (status)
		return status;
	if (reply.error) {
		status = ctl_error(subject, &reply);
		reply_done(&reply);
		return status;
	}
	*ret_reply = reply;
	return 0;
}

int complain_unknown(const json_t *unknown)
{
	for (size_t i = 0; i < json_array_size(unknown); i++) {
		const char *name = json_string_value(json_array_get(unknown, i));

		complain("%s: no such process", name ? name : "?");
	}
	return json_array_size(unknown) ? CTL_NO_PROCESS : CTL_OK;
}

json_t *names_to_json(char *const *names, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++) {
		if (!text_is_utf8(names[i], strlen(names[i]))) {
			complain("%s: no such process (names are UTF-8)", names[i]);
			json_decref(list);
			return NULL;
		}
		if (json_array_append_new(list, json_string(names[i])) < 0) {
			complain("out of memory");
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

const char *get_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_int_t get_int(const json_t *object, const char *key, json_int_t absent)
{
	const json_t *v = json_object_get(object, key);

	return json_is_integer(v) ? json_integer_value(v) : absent;
}

double get_number(const json_t *object, const char *key, double absent)
{
	const json_t *v = json_object_get(object, key);

	return json_is_number(v) ? json_number_value(v) : absent;
}
