/* What is known of processes and how they hang together: show, tree, why. */
#include <stdio.h>
#include <string.h>

#include "ctl/client/commands.h"
#include "ctl/client/format.h"
#include "ctl/client/options.h"
#include "ctl/client/output.h"
#include "daemon/base/mem.h"

#define TREE_DEPTH_MAX 64

/* ---- show ---------------------------------------------------------------------------------- */

/* As in the interface description. Its keys in its order; others that a later fosterd may add follow. */
static const char *const keys[] = {
	"name",
	"group",
	"program",
	"state",
	"wanted",
	"pid",
	"returncode",
	"lost",
	"signal",
	"core",
	"reason",
	"restarts",
	"incarnation",
	"adopted",
	"exit_status",
	"started",
	"stopped",
	"daemon",
	"dies_with_fosterd",
	"parent",
	"origin",
	"defined_at",
	"start_method",
	"forkserver",
	"command",
	"entry",
	"environment",
	"directory",
	"user",
	"autorestart",
	"startsecs",
	"startretries",
	"stopsignal",
	"stopwaitsecs",
	"kill_scope",
	"tree",
	"stdout",
	"stderr",
	"asked_by",
	"rusage",
	"last_lines",
};

static bool is_known(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static void add_line(struct buf *b, const char *key, const json_t *value)
{
	buf_addf(b, "%-17s ", key);
	if ((strcmp(key, "started") == 0 || strcmp(key, "stopped") == 0) && json_is_number(value))
		format_time(b, json_number_value(value));
	else
		format_value(b, value);
	buf_add_char(b, '\n');
}

/* A list whose items may be long and hold blanks: one a line. */
static void add_list(struct buf *b, const char *key, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		add_line(b, i ? "" : key, json_array_get(list, i));
}

static void add_member(struct buf *b, const char *key, const json_t *value)
{
	bool lines = strcmp(key, "last_lines") == 0 || strcmp(key, "environment") == 0;

	if (!value || json_is_null(value))
		return;
	if (lines && json_is_array(value))
		add_list(b, key, value);
	else
		add_line(b, key, value);
}

static void print_process(json_t *process)
{
	struct buf b = { 0 };
	const char *key;
	json_t *value;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		add_member(&b, keys[i], json_object_get(process, keys[i]));
	json_object_foreach(process, key, value) if (!is_known(key)) add_member(&b, key, value);
	print_buf(&b);
	buf_done(&b);
}

/* One call about one NAME. Returns 0 with a reply, else the exit status. */
static int ask_about(struct ctl *ctl, int argc, char **argv, const char *method,
		     const char **ret_name, struct reply *ret_reply)
{
	struct request q = { .method = method };
	struct args a;
	int status;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands != 1)
		return usage_error(ctl, "needs one NAME");
	*ret_name = a.operands[0];
	q.parameters = json_pack("{s:s}", "name", a.operands[0]);
	if (!q.parameters)
		return complain("%s: no such process", a.operands[0]), CTL_NO_PROCESS;
	status = ctl_ask(ctl, &q, a.operands[0], ret_reply);
	json_decref(q.parameters);
	return status;
}

int cmd_show(struct ctl *ctl, int argc, char **argv)
{
	const char *name;
	struct reply reply = { 0 };
	json_t *process;
	int status = ask_about(ctl, argc, argv, "Show", &name, &reply);

	if (status)
		return status;
	process = json_object_get(reply.parameters, "process");
	if (!json_is_object(process))
		status = ctl_bad_reply();
	else if (ctl->quiet)
		status = CTL_OK;
	else if (ctl->output == CTL_JSON)
		print_json(process);
	else
		print_process(process);
	reply_done(&reply);
	return status;
}

/* ---- why ----------------------------------------------------------------------------------- */

static void print_chain(const struct ctl *ctl, const char *name, const json_t *chain)
{
	struct buf b = { 0 };
	const char *first = json_string_value(json_array_get(chain, 0));
	bool named = first && strcmp(first, name) == 0;

	if (!named)
		buf_add_str(&b, name);
	for (size_t i = 0; i < json_array_size(chain); i++) {
		if (b.len)
			buf_add_str(&b, " -> ");
		format_value(&b, json_array_get(chain, i));
	}
	if (json_array_size(chain) <= (named ? 1 : 0))
		buf_add_str(&b, ": waits for nothing");
	if (!buf_error(&b))
		say(ctl, "%s", b.data);
	buf_done(&b);
}

int cmd_why(struct ctl *ctl, int argc, char **argv)
{
	const char *name = "";
	struct reply reply = { 0 };
	const json_t *chain;
	int status = ask_about(ctl, argc, argv, "Why", &name, &reply);

	if (status)
		return status;
	chain = json_object_get(reply.parameters, "chain");
	if (!json_is_array(chain))
		status = ctl_bad_reply();
	else if (ctl->output == CTL_JSON && !ctl->quiet)
		print_json(chain);
	else
		print_chain(ctl, name, chain);
	reply_done(&reply);
	return status;
}

/* ---- tree ---------------------------------------------------------------------------------- */

static const char *node_name(const json_t *nodes, size_t i)
{
	const char *name = get_str(json_array_get(nodes, i), "name");

	return name ? name : "?";
}

/* The nodes below each name, as lists by name; those whose parent is no node stand below "". */
static json_t *children_of(const json_t *nodes)
{
	json_t *children = json_object();
	size_t n = json_array_size(nodes);

	for (size_t i = 0; i < n; i++)
		json_object_set_new(children, node_name(nodes, i), json_array());
	json_object_set_new(children, "", json_array());
	for (size_t i = 0; i < n; i++) {
		json_t *node = json_array_get(nodes, i);
		const char *parent = get_str(node, "parent");
		json_t *siblings = parent ? json_object_get(children, parent) : NULL;

		if (!siblings)
			siblings = json_object_get(children, "");
		json_array_append(siblings, node);
	}
	return children;
}

static void add_node(struct buf *b, const json_t *node, int depth)
{
	json_int_t pid = get_int(node, "pid", 0);

	buf_addf(b, "%*s", 2 * depth, "");
	format_value(b, json_object_get(node, "name"));
	buf_add_char(b, ' ');
	format_value(b, json_object_get(node, "state"));
	if (pid > 0)
		buf_addf(b, " pid %lld", (long long)pid);
	buf_add_str(b, json_is_true(json_object_get(node, "daemon")) ? " daemon\n" : "\n");
}

static void add_children(struct buf *b, const json_t *children, const char *parent, int depth)
{
	const json_t *list = json_object_get(children, parent);

	for (size_t i = 0; i < json_array_size(list) && depth < TREE_DEPTH_MAX; i++) {
		const json_t *node = json_array_get(list, i);

		add_node(b, node, depth);
		if (*node_name(list, i))
			add_children(b, children, node_name(list, i), depth + 1);
	}
}

static void print_tree(const json_t *nodes)
{
	json_t *children = children_of(nodes);
	struct buf b = { 0 };

	add_children(&b, children, "", 0);
	print_buf(&b);
	buf_done(&b);
	json_decref(children);
}

int cmd_tree(struct ctl *ctl, int argc, char **argv)
{
	struct request q = { .method = "Tree" };
	struct reply reply = { 0 };
	struct args a;
	const json_t *nodes;
	int status;

	if (args_plain(&a, ctl, argc, argv) != OPTION_END)
		return CTL_USAGE;
	if (a.n_operands)
		return usage_error(ctl, "takes no operand");
	status = ctl_ask(ctl, &q, NULL, &reply);
	if (status)
		return status;
	nodes = json_object_get(reply.parameters, "nodes");
	if (!json_is_array(nodes))
		status = ctl_bad_reply();
	else if (ctl->quiet)
		status = CTL_OK;
	else if (ctl->output == CTL_JSON)
		print_json(nodes);
	else
		print_tree(nodes);
	reply_done(&reply);
	return status;
}
