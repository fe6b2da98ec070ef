/* What the state of processes is: status, poll, pid. */
#include <stdio.h>
#include <string.h>

#include "ctl/client/commands.h"
#include "ctl/client/format.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "ctl/client/status_scan.h"
#include "daemon/base/mem.h"

/* ---- status -------------------------------------------------------------------------------- */

static struct format_status status_of(const json_t *p)
{
	struct format_status s = {
		.name = get_str(p, "name"),
		.state = get_str(p, "state"),
		.reason = get_str(p, "reason"),
		.pid = get_int(p, "pid", 0),
		.uptime = get_number(p, "uptime", -1),
		.stopped = get_number(p, "stopped", -1),
	};

	return s;
}

static int longest_name(const struct status_list *l)
{
	size_t longest = 0;

	for (size_t i = 0; i < l->n; i++) {
		size_t len = strlen(l->records[i].name);

		longest = len > longest ? len : longest;
	}
	return (int)longest;
}

/* Print the lines; returns CTL_NOT_RUNNING when one of them says so. */
static int print_status(const struct ctl *ctl, const struct status_list *l)
{
	int width = longest_name(l), status = CTL_OK;
	struct buf b = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		const struct format_status *s = &l->records[i];

		if (!format_is_running(s->state))
			status = CTL_NOT_RUNNING;
		format_status(&b, s, width, ctl->color ? format_state_color(s->state) : NULL);
		buf_add_char(&b, '\n');
	}
	if (!ctl->quiet && ctl->output != CTL_JSON)
		print_buf(&b);
	buf_done(&b);
	return status;
}

/* The records of a reply that the library read; they point into it. */
static int list_of_json(const json_t *processes, struct status_list *ret_list)
{
	size_t n = json_array_size(processes);
	struct status_list l = { .records = calloc(n + 1, sizeof *l.records) };

	if (!json_is_array(processes) || !l.records) {
		free(l.records);
		return ctl_bad_reply();
	}
	for (; l.n < n; l.n++) {
		l.records[l.n] = status_of(json_array_get(processes, l.n));
		if (!l.records[l.n].name || !l.records[l.n].state) {
			free(l.records);
			return ctl_bad_reply();
		}
	}
	*ret_list = l;
	return 0;
}

static int tell_reply(const struct ctl *ctl, const struct reply *reply)
{
	const json_t *processes = json_object_get(reply->parameters, "processes");
	struct status_list list;
	int status, unknown;

	if (reply->error)
		return ctl_error(NULL, reply);
	status = list_of_json(processes, &list);
	if (status)
		return status;
	status = print_status(ctl, &list);
	status_list_done(&list);
	if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(processes);
	unknown = complain_unknown(json_object_get(reply->parameters, "unknown"));
	return unknown ? unknown : status;
}

/* What the scan has found to be {"parameters":{"processes":[…]}}: the list is a document already. */
static void print_list(const char *text, size_t len)
{
	const char *begin = memchr(text, '[', len);

	fwrite(begin, 1, len - (size_t)(begin - text) - strlen("}}"), stdout);
	putchar('\n');
}

/* The usual reply is read as it stands, any other by the library. */
static int tell_text(const struct ctl *ctl)
{
	struct status_list list;
	struct reply reply;
	size_t len;
	const char *text = client_text(&ctl->client, &len);
	int status;

	if (status_scan(text, len, &list) == 0) {
		status = print_status(ctl, &list);
		if (ctl->output == CTL_JSON && !ctl->quiet)
			print_list(text, len);
		status_list_done(&list);
		return status;
	}
	if (reply_parse(text, len, &reply) < 0)
		return ctl_bad_reply();
	status = tell_reply(ctl, &reply);
	reply_done(&reply);
	return status;
}

int cmd_status(struct ctl *ctl, int argc, char **argv)
{
	struct request q = { .method = "Status", .unparsed = true };
	struct reply none;
	struct args a;
	int status;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands) {
		json_t *names = names_to_json(a.operands, a.n_operands);

		if (!names)
			return CTL_NO_PROCESS;
		q.parameters = json_pack("{s:o}", "names", names);
	}
	status = ctl_call(ctl, &q, &none);
	json_decref(q.parameters);
	return status ? status : tell_text(ctl);
}

/* ---- poll ---------------------------------------------------------------------------------- */

/* Print a document of our own and drop it. */
static void print_own(json_t *value)
{
	print_json(value);
	json_decref(value);
}

static void print_end(const struct ctl *ctl, const char *name, const json_t *end)
{
	const json_t *code = json_object_get(end, "returncode");
	const char *lost = get_str(end, "lost");

	if (ctl->output == CTL_JSON)
		print_own(json_is_object(end) ? json_incref((json_t *)(uintptr_t)end)
					      : json_pack("{s:s}", "name", name));
	else if (json_is_integer(code))
		printf("%lld\n", (long long)json_integer_value(code));
	else
		puts(lost ? "lost" : "none");
}

static int print_poll(const struct ctl *ctl, const char *name, const json_t *parameters)
{
	const json_t *alive = json_object_get(parameters, "alive");

	if (!json_is_boolean(alive))
		return ctl_bad_reply();
	if (json_is_true(alive)) {
		if (ctl->output == CTL_JSON)
			print_own(json_pack("{s:s,s:b}", "name", name, "alive", 1));
		else
			say(ctl, "running");
		return CTL_OK;
	}
	if (!ctl->quiet)
		print_end(ctl, name, json_object_get(parameters, "end"));
	return CTL_FAILED;
}

/* The one operand of a command that takes one process; NULL after a complaint. */
static const char *one_name(struct ctl *ctl, struct args *a, int argc, char **argv)
{
	if (args_plain(a, ctl, argc, argv) != OPTION_END)
		return NULL;
	if (a->n_operands != 1) {
		usage_error(ctl, "needs one NAME");
		return NULL;
	}
	return a->operands[0];
}

int cmd_poll(struct ctl *ctl, int argc, char **argv)
{
	struct request q = { .method = "Poll" };
	struct reply reply;
	struct args a;
	const char *name = one_name(ctl, &a, argc, argv);
	int status;

	if (!name)
		return CTL_USAGE;
	q.parameters = json_pack("{s:s}", "name", name);
	if (!q.parameters)
		return complain("%s: no such process", name), CTL_NO_PROCESS;
	status = ctl_ask(ctl, &q, name, &reply);
	json_decref(q.parameters);
	if (status)
		return status;
	status = print_poll(ctl, name, reply.parameters);
	reply_done(&reply);
	return status;
}

/* ---- pid ----------------------------------------------------------------------------------- */

static int print_pid(const struct ctl *ctl, json_int_t pid)
{
	if (ctl->output == CTL_JSON)
		print_own(json_pack("{s:o}", "pid", pid > 0 ? json_integer(pid) : json_null()));
	else if (pid > 0)
		printf("%lld\n", (long long)pid);
	return pid > 0 ? CTL_OK : CTL_FAILED;
}

/* fosterd's own parts, from Ping. */
static int pid_of_part(struct ctl *ctl, const char *part)
{
	struct request q = { .method = "Ping" };
	struct reply reply;
	int status = ctl_ask(ctl, &q, NULL, &reply);

	if (status)
		return status;
	status = print_pid(ctl, get_int(reply.parameters, part, 0));
	reply_done(&reply);
	return status;
}

static int pid_of_process(struct ctl *ctl, char *name)
{
	json_t *names = names_to_json(&name, 1);
	struct request q = { .method = "Status" };
	struct reply reply;
	const json_t *processes;
	int status;

	if (!names)
		return CTL_NO_PROCESS;
	q.parameters = json_pack("{s:o}", "names", names);
	status = ctl_ask(ctl, &q, name, &reply);
	json_decref(q.parameters);
	if (status)
		return status;
	status = complain_unknown(json_object_get(reply.parameters, "unknown"));
	processes = json_object_get(reply.parameters, "processes");
	for (size_t i = 0; i < json_array_size(processes); i++) {
		int r = print_pid(ctl, get_int(json_array_get(processes, i), "pid", 0));

		status = status ? status : r;
	}
	reply_done(&reply);
	return status;
}

int cmd_pid(struct ctl *ctl, int argc, char **argv)
{
	struct args a;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands > 1)
		return usage_error(ctl, "takes at most one NAME");
	if (!a.n_operands)
		return pid_of_part(ctl, "keeper");
	if (strcmp(a.operands[0], "supervisor") == 0 || strcmp(a.operands[0], "logger") == 0)
		return pid_of_part(ctl, a.operands[0]);
	return pid_of_process(ctl, a.operands[0]);
}
