/* The configuration: check, reread, update, reload. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ctl/client/commands.h"
#include "ctl/client/format.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "daemon/base/mem.h"

/* ---- check --------------------------------------------------------------------------------- */

/* Try fosterd beside this program, then where `make install` puts it; both by where we run from. */
static void exec_beside(char **argv)
{
	static const char *const places[] = { "fosterd", "../sbin/fosterd" };
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (len < 0)
		return;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return;
	slash[1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof path, "%s%s", self, places[i]);
		execv(path, argv);
	}
}

int cmd_check(struct ctl *ctl, int argc, char **argv)
{
	char name[] = "fosterd", option[] = "--check", file[] = "-c";
	char *fosterd[] = { name, option, NULL, NULL, NULL };
	struct args a;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands > 1)
		return usage_error(ctl, "takes at most one FILE");
	if (a.n_operands) {
		fosterd[2] = file;
		fosterd[3] = a.operands[0];
	}
	exec_beside(fosterd);
	execvp(name, fosterd);
	complain("check: cannot execute fosterd: %s", strerror(errno));
	return CTL_FAILED;
}

/* ---- reread, update, reload ---------------------------------------------------------------- */

static int print_changes(const struct ctl *ctl, const json_t *changes)
{
	if (!json_is_array(changes))
		return ctl_bad_reply();
	if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(changes);
	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *c = json_array_get(changes, i);
		const char *name = get_str(c, "name"), *change = get_str(c, "change");

		if (!name || !change)
			return ctl_bad_reply();
		say(ctl, "%s: %s", name, change);
	}
	if (!json_array_size(changes))
		say(ctl, "nothing changed");
	return CTL_OK;
}

int cmd_changes(struct ctl *ctl, int argc, char **argv)
{
	bool reread = strcmp(argv[0], "reread") == 0;
	struct request q = { .method = reread ? "Reread" : "Update" };
	struct reply reply;
	struct args a;
	int status;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands && strcmp(argv[0], "update") != 0)
		return usage_error(ctl, "takes no operand");
	if (a.n_operands) {
		json_t *names = names_to_json(a.operands, a.n_operands);

		if (!names)
			return CTL_NO_PROCESS;
		q.parameters = json_pack("{s:o}", "names", names);
	}
	status = ctl_ask(ctl, &q, NULL, &reply);
	json_decref(q.parameters);
	if (status)
		return status;
	status = print_changes(ctl, json_object_get(reply.parameters, "changes"));
	reply_done(&reply);
	return status;
}
