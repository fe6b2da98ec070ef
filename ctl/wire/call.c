#include "ctl/wire/call.h"

#include <errno.h>
#include <string.h>

/* One key that may stand in a message, and where its value goes; exactly one target is set. */
struct member {
	const char *key;
	const char **text;
	json_t **object;
	bool *flag;
};

static int take_member(const struct member *m, json_t *value)
{
	if (m->text && json_is_string(value))
		*m->text = json_string_value(value);
	else if (m->object && json_is_object(value))
		*m->object = value;
	else if (m->flag && json_is_boolean(value))
		*m->flag = json_boolean_value(value);
	else
		return json_is_null(value) ? 0 : -EBADMSG; /* null: as if it were absent */
	return 0;
}

static int take_members(json_t *root, const struct member *members, size_t n)
{
	const char *key;
	json_t *value;

	json_object_foreach(root, key, value)
	{
		size_t i = 0;

		while (i < n && strcmp(members[i].key, key) != 0)
			i++;
		if (i == n || take_member(&members[i], value) < 0)
			return -EBADMSG;
	}
	return 0;
}

static json_t *load_object(const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (root && !json_is_object(root)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

/* Absent parameters are an empty object, so that nobody else needs to care. */
static json_t *ensure_parameters(json_t *root, json_t *parameters)
{
	if (parameters)
		return parameters;
	parameters = json_object();
	return json_object_set_new(root, "parameters", parameters) == 0 ? parameters : NULL;
}

int call_parse(const char *text, size_t len, struct call *ret_call)
{
	struct call c = { .root = load_object(text, len) };
	const struct member members[] = {
		{ .key = "method", .text = &c.method },
		{ .key = "parameters", .object = &c.parameters },
		{ .key = "more", .flag = &c.more },
		{ .key = "oneway", .flag = &c.oneway },
		{ .key = "upgrade", .flag = &c.upgrade },
	};

	if (!c.root)
		return -EBADMSG;
	if (take_members(c.root, members, sizeof members / sizeof members[0]) < 0 || !c.method ||
	    (c.more && c.oneway)) {
		call_done(&c);
		return -EBADMSG;
	}
	c.parameters = ensure_parameters(c.root, c.parameters);
	if (!c.parameters) {
		call_done(&c);
		return -ENOMEM;
	}
	*ret_call = c;
	return 0;
}

int reply_parse(const char *text, size_t len, struct reply *ret_reply)
{
	struct reply r = { .root = load_object(text, len) };
	const struct member members[] = {
		{ .key = "error", .text = &r.error },
		{ .key = "parameters", .object = &r.parameters },
		{ .key = "continues", .flag = &r.continues },
	};

	if (!r.root)
		return -EBADMSG;
	if (take_members(r.root, members, sizeof members / sizeof members[0]) < 0 ||
	    (r.error && r.continues)) {
		reply_done(&r);
		return -EBADMSG;
	}
	r.parameters = ensure_parameters(r.root, r.parameters);
	if (!r.parameters) {
		reply_done(&r);
		return -ENOMEM;
	}
	*ret_reply = r;
	return 0;
}

void call_done(struct call *c)
{
	json_decref(c->root);
	*c = (struct call){ 0 };
}

void reply_done(struct reply *r)
{
	json_decref(r->root);
	*r = (struct reply){ 0 };
}

static int add_piece(const char *piece, size_t len, void *data)
{
	struct buf *b = data;

	buf_add(b, piece, len);
	return buf_error(b);
}

void call_add_json(struct buf *b, const json_t *value)
{
	/* Fails for want of memory alone: what we encode is always encodable. */
	if (json_dump_callback(value, add_piece, b, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
		b->err = -ENOMEM;
}

static void add_parameters(struct buf *b, const json_t *parameters)
{
	buf_add_str(b, "\"parameters\":");
	if (parameters)
		call_add_json(b, parameters);
	else
		buf_add(b, "{}", 2);
}

void call_add(struct buf *b, const char *method, const json_t *parameters, bool more)
{
	buf_add_str(b, "{\"method\":\"");
	buf_add_str(b, method);
	buf_add_str(b, "\",");
	add_parameters(b, parameters);
	buf_add_str(b, more ? ",\"more\":true}" : "}");
	buf_add_char(b, '\0');
}

void reply_add(struct buf *b, const char *error, const json_t *parameters, bool continues)
{
	buf_add_char(b, '{');
	if (error) {
		buf_add_str(b, "\"error\":\"");
		buf_add_str(b, error);
		buf_add_str(b, "\",");
	}
	add_parameters(b, parameters);
	buf_add_str(b, continues ? ",\"continues\":true}" : "}");
	buf_add_char(b, '\0');
}

void reply_add_text(struct buf *b, const char *parameters, size_t len, bool continues)
{
	buf_add_str(b, "{\"parameters\":");
	buf_add(b, parameters, len);
	buf_add_str(b, continues ? ",\"continues\":true}" : "}");
	buf_add_char(b, '\0');
}
