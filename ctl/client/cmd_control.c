/* Requests about processes that exist: start, stop, terminate, kill, restart, signal, forget.
 *
 * Each is one call that answers with an outcome for each process. So that repeating them after a lost
 * connection does nothing twice, start has an id, and restart and signal first ask which incarnations are
 * meant; who is not there any more has been forgotten. terminate is not repeated: it would send a second signal. */
#include <string.h>

#include "ctl/client/commands.h"
#include "ctl/client/id.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "daemon/base/mem.h"
#include "daemon/base/sig.h"

static const struct action {
	const char *verb, *method;
	const char *done; /* what is said of a process that it was done to */
	const char *nothing; /* an error that means that there was nothing to do; NULL: none */
	const char *before; /* one that means, of a repeated call, that it was done; NULL: none */
	enum {
		PLAIN,
		WITH_ID,
		WITH_TARGETS,
		ONCE
	} kind;
} actions[] = {
	{ "start", "Start", "started", "AlreadyStarted", NULL, WITH_ID },
	{ "stop", "Stop", "stopped", "NotRunning", NULL, PLAIN },
	{ "terminate", "Terminate", "terminating", "NotRunning", NULL, ONCE },
	{ "kill", "Kill", "killed", "NotRunning", NULL, PLAIN },
	{ "restart", "Restart", "restarted", NULL, NULL, WITH_TARGETS },
	{ "signal", "Signal", "signalled", NULL, NULL, WITH_TARGETS },
	{ "forget", "Forget", "forgotten", NULL, "NoSuchProcess", PLAIN },
};

/* verb is one of them: main.c has looked. */
static const struct action *action_find(const char *verb)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(actions) - 1 && strcmp(actions[i].verb, verb) != 0)
		i++;
	return &actions[i];
}

/* Outcomes carry the last part of an error's name, errors of calls all of it. */
static bool is_error(const char *error, const char *name)
{
	const char *dot = strrchr(error, '.');

	return name && strcmp(dot ? dot + 1 : error, name) == 0;
}

static int tell_outcome(const struct ctl *ctl, const struct action *act, const json_t *outcome,
			bool repeated)
{
	const char *name = get_str(outcome, "name");
	const char *error = get_str(outcome, "error");
	struct buf b = { 0 };

	if (!name)
		return ctl_bad_reply();
	if (!error || (repeated && is_error(error, act->before))) {
		say(ctl, "%s: %s", name, act->done);
		return CTL_OK;
	}
	error_words(&b, error, outcome);
	if (is_error(error, act->nothing))
		say(ctl, "%s: %s", name, buf_error(&b) ? "" : b.data);
	else
		complain("%s: %s", name, buf_error(&b) ? "" : b.data);
	buf_done(&b);
	return is_error(error, act->nothing) ? CTL_OK : error_status(error);
}

static int worse(int a, int b)
{
	return a > b ? a : b;
}

static int tell_outcomes(const struct ctl *ctl, const struct action *act, const struct reply *reply)
{
	const json_t *outcomes = json_object_get(reply->parameters, "outcomes");
	int status = CTL_OK;

	if (!json_is_array(outcomes))
		return ctl_bad_reply();
	for (size_t i = 0; i < json_array_size(outcomes); i++)
		status = worse(status, tell_outcome(ctl, act, json_array_get(outcomes, i),
						    reply->repeated));
	if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(outcomes);
	return status;
}

/* Which incarnations names mean: a list for Restart and Signal; unknown names are complained about
 * and set *status. NULL after a failure. */
static json_t *resolve(struct ctl *ctl, json_t *names, int *status)
{
	struct request q = { .method = "Resolve",
			     .parameters = json_pack("{s:O}", "names", names) };
	struct reply reply;
	json_t *targets;
	int r = ctl_ask(ctl, &q, NULL, &reply);

	json_decref(q.parameters);
	if (r) {
		*status = r;
		return NULL;
	}
	*status = complain_unknown(json_object_get(reply.parameters, "unknown"));
	targets = json_incref(json_object_get(reply.parameters, "targets"));
	reply_done(&reply);
	if (!json_is_array(targets))
		*status = ctl_bad_reply();
	else if (json_array_size(targets))
		return targets;
	json_decref(targets);
	return NULL;
}

/* What the call carries; NULL after a failure. *status as resolve() does. */
static json_t *parameters_of(struct ctl *ctl, const struct action *act, json_t *names, int *status)
{
	char id[ID_TEXT_BYTES];
	json_t *targets;

	switch (act->kind) {
	case WITH_TARGETS:
		targets = resolve(ctl, names, status);
		return targets ? json_pack("{s:o}", "targets", targets) : NULL;
	case WITH_ID:
		*status = id_new(id) < 0 ? CTL_FAILED : CTL_OK;
		return *status ? NULL : json_pack("{s:O,s:s}", "names", names, "id", id);
	case PLAIN:
	case ONCE:
		break;
	}
	return json_pack("{s:O}", "names", names);
}

/* names and signal are borrowed. */
static int perform(struct ctl *ctl, const struct action *act, json_t *names, const char *signal)
{
	struct request q = { .method = act->method, .once = act->kind == ONCE };
	struct reply reply;
	int status = CTL_OK, r;

	q.parameters = parameters_of(ctl, act, names, &status);
	if (!q.parameters)
		return status;
	if (signal)
		json_object_set_new(q.parameters, "signal", json_string(signal));
	r = ctl_ask(ctl, &q, NULL, &reply);
	json_decref(q.parameters);
	if (r)
		return r;
	r = tell_outcomes(ctl, act, &reply);
	reply_done(&reply);
	return worse(status, r);
}

static bool has_command(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return true;
	return false;
}

int cmd_control(struct ctl *ctl, int argc, char **argv)
{
	const struct action *act = action_find(argv[0]);
	bool is_signal = strcmp(argv[0], "signal") == 0;
	const char *signal = NULL;
	struct args a;
	json_t *names;
	int status;

	if (strcmp(argv[0], "start") == 0 && has_command(argc, argv))
		return cmd_define(ctl, argc, argv);
	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands < 1 + is_signal)
		return usage_error(ctl, is_signal ? "needs a SIGNAL and a NAME" : "needs a NAME");
	if (is_signal) {
		int number = sig_number(a.operands[0]);

		if (number < 0)
			return usage_error(ctl, "%s: no such signal", a.operands[0]);
		signal = sig_name(number);
	}
	names = names_to_json(a.operands + is_signal, a.n_operands - is_signal);
	if (!names)
		return CTL_NO_PROCESS;
	status = perform(ctl, act, names, signal);
	json_decref(names);
	return status;
}
