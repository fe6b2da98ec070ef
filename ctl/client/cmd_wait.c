/* wait: until processes have ended for good; exits as the last named did. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/client/commands.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

struct wait_options {
	bool any;
	double timeout; /* negative: none */
};

static const struct option longs[] = {
	{ "timeout", required_argument, NULL, 't' },
	{ "any", no_argument, NULL, 'a' },
	{ 0 },
};

/* As client_call(), but a repeated call waits only for what is left of the time. */
static int call_wait(struct ctl *ctl, const struct wait_options *o, json_t *names,
		     struct reply *ret_reply)
{
	struct request q = { .method = "Wait" };
	uint64_t begun = clock_boot_ns();
	int r = client_connect(&ctl->client);

	q.parameters = json_pack("{s:O,s:b}", "names", names, "any", o->any);
	while (r == 0) {
		if (o->timeout >= 0) {
			double left = o->timeout - clock_seconds(begun, clock_boot_ns());

			json_object_set_new(q.parameters, "timeout",
					    json_real(left > 0 ? left : 0));
		}
		r = client_send(&ctl->client, &q);
		if (r == 0)
			r = client_next(&ctl->client, ret_reply);
		if (r == 0 || r == -EPIPE || r == -ECONNRESET)
			r = client_reconnect(&ctl->client);
		else
			break;
	}
	json_decref(q.parameters);
	return r;
}

static const json_t *find_end(const json_t *ends, const char *name)
{
	for (size_t i = 0; i < json_array_size(ends); i++) {
		const json_t *end = json_array_get(ends, i);
		const char *its = get_str(end, "name");

		if (its && strcmp(its, name) == 0)
			return end;
	}
	return NULL;
}

/* The exit status that tells how a process ended. */
static int status_of_end(const json_t *end)
{
	const json_t *code = json_object_get(end, "returncode");
	const char *name = get_str(end, "name");
	const char *lost = get_str(end, "lost");

	if (json_is_integer(code))
		return status_of_returncode(json_integer_value(code));
	if (lost)
		complain("%s: exit status lost: %s", name ? name : "?", lost);
	else
		complain("%s: was never started", name ? name : "?");
	return CTL_OURS;
}

static void print_first(const struct ctl *ctl, const json_t *end)
{
	const json_t *code = json_object_get(end, "returncode");
	const char *name = get_str(end, "name");

	if (json_is_integer(code))
		say(ctl, "%s %lld", name ? name : "?", (long long)json_integer_value(code));
	else
		say(ctl, "%s %s", name ? name : "?", get_str(end, "lost") ? "lost" : "none");
}

static int tell(struct ctl *ctl, const struct wait_options *o, const char *last,
		const json_t *parameters)
{
	const json_t *ends = json_object_get(parameters, "ends");
	size_t n = json_array_size(ends);
	const json_t *end;

	if (!json_is_array(ends))
		return ctl_bad_reply(), CTL_OURS;
	if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(ends);
	if (o->any && n)
		print_first(ctl, json_array_get(ends, 0));
	if (json_is_true(json_object_get(parameters, "timed_out"))) {
		complain("wait: timed out after %g s", o->timeout);
		return CTL_TIMED_OUT;
	}
	if (!n)
		return ctl_bad_reply(), CTL_OURS;
	/* A pattern names many; the last of those it means stands for it. */
	end = o->any ? json_array_get(ends, 0) : find_end(ends, last);
	return status_of_end(end ? end : json_array_get(ends, n - 1));
}

int cmd_wait(struct ctl *ctl, int argc, char **argv)
{
	struct wait_options o = { .timeout = -1 };
	struct reply reply;
	struct args a;
	json_t *names;
	int option, r;

	args_init(&a, ctl, argc, argv, OPTIONS_ALL, "", longs);
	while ((option = args_next(&a)) != OPTION_END) {
		if (option == 'a')
			o.any = true;
		else if (option != 't')
			return CTL_USAGE;
		else if (option_seconds(optarg, &o.timeout) < 0)
			return usage_error(ctl, "--timeout %s: not a number of seconds", optarg);
	}
	if (!a.n_operands)
		return usage_error(ctl, "needs a NAME");
	names = names_to_json(a.operands, a.n_operands);
	if (!names)
		return CTL_OURS;
	r = call_wait(ctl, &o, names, &reply);
	json_decref(names);
	if (r < 0)
		return ctl_lost(ctl, r, "wait"), CTL_OURS;
	if (reply.error)
		r = (ctl_error(NULL, &reply), CTL_OURS);
	else
		r = tell(ctl, &o, a.operands[a.n_operands - 1], reply.parameters);
	reply_done(&reply);
	return r;
}
