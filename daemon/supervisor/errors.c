#include "daemon/supervisor/errors.h"

#include "ctl/wire/text.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/access.h"

static void reply(struct rpc_call *call, const char *error, json_t *parameters)
{
	char name[sizeof ERRORS_PREFIX + 32];

	snprintf(name, sizeof name, ERRORS_PREFIX "%s", error);
	rpc_error(call, name, parameters);
}

void errors_reply(struct rpc_call *call, const char *error, const char *name, const char *reason)
{
	json_t *parameters = json_object();

	if (name)
		json_object_set_new(parameters, "name", text_str_to_json(name));
	if (reason)
		json_object_set_new(parameters, "reason", text_str_to_json(reason));
	reply(call, error, parameters);
}

void errors_cannot_start(struct rpc_call *call, const char *name, const struct process_end *end,
			 const char *reason)
{
	bool failed = end && end->kind == PROCESS_NOT_SPAWNED;

	reply(call, "CannotStart",
	      json_pack("{s:o,s:s,s:i,s:o}", "name", text_str_to_json(name), "step",
			link_step_name(failed ? end->step : LINK_STEP_PARENT), "errno",
			failed ? end->status : 0, "reason",
			text_str_to_json(reason ? reason : "")));
}

void errors_not_permitted(struct rpc_call *call, const char *name, unsigned right)
{
	json_t *parameters = json_pack("{s:s}", "right", access_right_name(right));

	if (name)
		json_object_set_new(parameters, "name", text_str_to_json(name));
	reply(call, "NotPermitted", parameters);
}

void errors_problems(struct rpc_call *call, const char *error, const struct conf_diag *diag)
{
	json_t *problems = json_array();

	for (size_t i = 0; i < diag->n_problems; i++) {
		auto_free char *text = NULL;

		if (!diag->problems[i].fatal)
			continue;
		text = conf_problem_text(&diag->problems[i]);
		if (text)
			json_array_append_new(problems, text_str_to_json(text));
	}
	reply(call, error, json_pack("{s:o}", "problems", problems));
}

void errors_problem(struct rpc_call *call, const char *error, const char *problem)
{
	reply(call, error, json_pack("{s:[o]}", "problems", text_str_to_json(problem)));
}

void errors_memory(struct rpc_call *call)
{
	errors_errno(call, ENOMEM);
}

void errors_errno(struct rpc_call *call, int err)
{
	errors_reply(call, "LimitReached", NULL, strerror(err < 0 ? -err : err));
}

void errors_expected_more(struct rpc_call *call)
{
	rpc_error(call, "org.varlink.service.ExpectedMore", NULL);
}

void errors_reply_text(struct rpc_call *call, const struct buf *b)
{
	if (buf_error(b))
		errors_memory(call);
	else
		rpc_reply_text(call, b->data, b->len);
}
