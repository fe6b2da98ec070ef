/* start NAME [options] -- CMD: a process in the background, defined by its client. */
#include <stdio.h>

#include "ctl/client/commands.h"
#include "ctl/client/define.h"
#include "ctl/client/output.h"
#include "daemon/base/clock.h"

enum {
	SAME_ENV = DEFINE_END,
	SAME_DIR
};

static const struct option longs[] = {
	DEFINE_LONGS,
	{ "same-env", no_argument, NULL, SAME_ENV },
	{ "same-dir", no_argument, NULL, SAME_DIR },
	{ 0 },
};

struct start {
	struct define define;
	bool same_env, same_dir;
};

static int parse(struct start *s, struct args *a)
{
	int option, r;

	while ((option = args_next(a)) != OPTION_END) {
		if (option == SAME_ENV) {
			s->same_env = true;
		} else if (option == SAME_DIR) {
			s->same_dir = true;
		} else {
			r = define_option(&s->define, a->ctl, option);
			if (r)
				return CTL_USAGE;
		}
	}
	if (a->n_operands != 1)
		return usage_error(a->ctl, "needs one NAME before --");
	if (!a->n_command)
		return usage_error(a->ctl, "needs a command after --");
	return 0;
}

static int tell(const struct ctl *ctl, const char *name, const json_t *parameters)
{
	if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(parameters);
	else
		say(ctl, "%s: started", name);
	return CTL_OK;
}

static int define(struct ctl *ctl, struct start *s, struct args *a)
{
	struct request q = { .method = "Define" };
	struct reply reply;
	const char *name = a->operands[0];
	int r;

	if (json_object_set_new(s->define.parameters, "name", json_string(name)) < 0)
		return usage_error(ctl, "%s: not a name (names are UTF-8)", name);
	if (s->same_env && define_environment(&s->define) < 0)
		return complain("out of memory"), CTL_FAILED;
	r = define_finish(&s->define, s->same_dir, a->command, a->n_command);
	if (r)
		return r;
	if (s->define.timeout >= 0)
		ctl->client.deadline_ns = clock_boot_ns() + (uint64_t)(s->define.timeout * 1e9);
	q.parameters = s->define.parameters;
	q.fds = s->define.fds;
	q.n_fds = s->define.n_fds;
	r = ctl_ask(ctl, &q, name, &reply);
	if (r)
		return r;
	r = tell(ctl, name, reply.parameters);
	reply_done(&reply);
	return r;
}

int cmd_define(struct ctl *ctl, int argc, char **argv)
{
	struct start s = { 0 };
	struct args a;
	int r;

	if (define_init(&s.define) < 0)
		return complain("out of memory"), CTL_FAILED;
	args_init(&a, ctl, argc, argv, OPTIONS_DASHES, DEFINE_LETTERS, longs);
	r = parse(&s, &a);
	if (r == 0)
		r = define(ctl, &s, &a);
	define_done(&s.define);
	return r;
}
