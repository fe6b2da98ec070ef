/* cmd_events.c - what goes on
 *
 * The stream breaks when the supervisor dies; its successor is told the last number that came, and begins with
 * what nobody could tell meanwhile. */
#include "ctl/client/commands.h"
#include "ctl/client/format.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "daemon/base/mem.h"

/* TIME NAME FROM TO PID RETURNCODE, with "-" for what there is none of. */
static void print_event(const struct ctl *ctl, const json_t *event)
{
	static const char *const keys[] = { "name", "from", "to", "pid", "returncode" };
	struct buf b = { 0 };

	format_time(&b, get_number(event, "time", 0));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *to = i == 2 && ctl->color ? get_str(event, keys[i]) : NULL;

		buf_add_char(&b, ' ');
		if (to)
			buf_add_str(&b, format_state_color(to));
		format_value(&b, json_object_get(event, keys[i]));
		if (to)
			buf_add_str(&b, FORMAT_COLOR_END);
	}
	buf_add_char(&b, '\n');
	print_buf(&b);
	buf_done(&b);
}

/* What the next stream is to go on after. */
static void take_number(const json_t *from, struct request *q)
{
	const json_t *number = json_object_get(from, "number");

	if (json_is_integer(number))
		json_object_set_new(q->parameters, "after",
				    json_integer(json_integer_value(number)));
}

static int take_event(struct ctl *ctl, const struct reply *reply, struct request *q)
{
	const json_t *event = json_object_get(reply->parameters, "event");

	if (reply->error)
		return ctl_error(NULL, reply);
	take_number(json_is_object(event) ? event : reply->parameters, q);
	if (!json_is_object(event) || ctl->quiet)
		return CTL_OK;
	if (ctl->output == CTL_JSON)
		print_json_line(event);
	else
		print_event(ctl, event);
	return output_flush();
}

static int follow_events(struct ctl *ctl, struct request *q)
{
	struct reply reply;
	int status, r = client_call(&ctl->client, q, &reply);

	while (r == 0 || r == 1) {
		bool continues = reply.continues;

		status = take_event(ctl, &reply, q);
		reply_done(&reply);
		if (status || !continues)
			return status;
		r = client_next(&ctl->client, &reply);
		if (r == 0) {
			r = client_reconnect(&ctl->client);
			r = r < 0 ? r : client_call(&ctl->client, q, &reply);
		}
	}
	return ctl_lost(ctl, r, "events");
}

int cmd_events(struct ctl *ctl, int argc, char **argv)
{
	struct request q = { .method = "Events", .more = true };
	json_t *names = NULL;
	struct args a;
	int status;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands) {
		names = names_to_json(a.operands, a.n_operands);
		if (!names)
			return CTL_NO_PROCESS;
	}
	q.parameters = json_pack("{s:o*}", "names", names);
	status = follow_events(ctl, &q);
	json_decref(q.parameters);
	return status;
}
