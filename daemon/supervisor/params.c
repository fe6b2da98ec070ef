#include "daemon/supervisor/params.h"

#include <string.h>

#include "ctl/wire/text.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/rpc.h"

static bool is_string(const json_t *v)
{
	return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
}

static bool is_text(const json_t *v)
{
	auto_free char *s = NULL;

	return is_string(v) || (json_is_object(v) && text_str_of_json(v, &s) == 0);
}

static bool all_are(const json_t *array, bool (*is)(const json_t *v))
{
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v) if (!is(v)) return false;
	return json_is_array(array);
}

static bool has_type(const json_t *v, enum param_type type)
{
	switch (type) {
	case PARAM_STRING:
		return is_string(v);
	case PARAM_BOOL:
		return json_is_boolean(v);
	case PARAM_INT:
		return json_is_integer(v);
	case PARAM_NUMBER:
		return json_is_number(v);
	case PARAM_TEXT:
		return is_text(v);
	case PARAM_STRINGS:
		return all_are(v, is_string);
	case PARAM_TEXTS:
		return all_are(v, is_text);
	case PARAM_ARRAY:
		return json_is_array(v);
	case PARAM_OBJECT:
		return json_is_object(v);
	case PARAM_TYPE_MAX:
		break;
	}
	return false;
}

static void store(const struct param *p, json_t *v)
{
	switch (p->type) {
	case PARAM_STRING:
		*(const char **)p->out = json_string_value(v);
		break;
	case PARAM_BOOL:
		*(enum param_bool *)p->out = json_is_true(v) ? PARAM_TRUE : PARAM_FALSE;
		break;
	case PARAM_INT:
		*(json_int_t *)p->out = json_integer_value(v);
		break;
	case PARAM_NUMBER:
		*(double *)p->out = json_number_value(v);
		break;
	case PARAM_TEXT:
	case PARAM_STRINGS:
	case PARAM_TEXTS:
	case PARAM_ARRAY:
	case PARAM_OBJECT:
	case PARAM_TYPE_MAX:
		*(json_t **)p->out = v;
		break;
	}
}

static const struct param *find(const struct param *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const char *params_check(json_t *parameters, const struct param *table, size_t n)
{
	const char *name;
	json_t *value;

	json_object_foreach(parameters, name, value)
	{
		const struct param *p = find(table, n, name);

		if (!p || (!json_is_null(value) && !has_type(value, p->type)))
			return name;
	}
	for (size_t i = 0; i < n; i++) {
		value = json_object_get(parameters, table[i].name);
		if (value && !json_is_null(value))
			store(&table[i], value);
		else if (table[i].need == PARAM_REQUIRED)
			return table[i].name;
	}
	return NULL;
}

bool params_read(struct rpc_call *call, json_t *parameters, const struct param *table, size_t n)
{
	const char *wrong = params_check(parameters, table, n);

	if (wrong)
		rpc_error_parameter(call, wrong);
	return !wrong;
}
