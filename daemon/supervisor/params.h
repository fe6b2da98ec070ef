/* params.h - the parameters of a call, checked against what the method takes
 *
 * A method says once what it takes; a parameter of another type, one that is missing, and one that
 * the method does not know are refused with InvalidParameter, which names it. A null counts as
 * absent (https://varlink.org/Interface-Definition, nullable types). */
#ifndef FOSTER_SUPERVISOR_PARAMS_H
#define FOSTER_SUPERVISOR_PARAMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct rpc_call;

enum param_type {
	PARAM_STRING, /* const char *; without NUL bytes */
	PARAM_BOOL, /* enum param_bool */
	PARAM_INT, /* json_int_t */
	PARAM_NUMBER, /* double, from an integer or a real */
	PARAM_TEXT, /* json_t *: a string or {"base64": …}, text.h */
	PARAM_STRINGS, /* json_t *: an array of strings */
	PARAM_TEXTS, /* json_t *: an array of those */
	PARAM_ARRAY, /* json_t *: an array of anything */
	PARAM_OBJECT, /* json_t * */
	PARAM_TYPE_MAX
};

enum param_bool {
	PARAM_FALSE,
	PARAM_TRUE,
	PARAM_UNSET /* what the variable is set to before, to tell that it was absent */
};

enum param_need {
	PARAM_OPTIONAL,
	PARAM_REQUIRED
};

struct param {
	const char *name;
	enum param_type type;
	enum param_need need;
	void *out; /* of the type's kind; unchanged when absent. Points into the parameters */
};

/* Fill in what is given. Returns NULL, or the name of the parameter that is wrong (it lives as long
 * as parameters). */
const char *params_check(json_t *parameters, const struct param *table, size_t n);

/* The same; answers the call when something is wrong, and returns false then. */
bool params_read(struct rpc_call *call, json_t *parameters, const struct param *table, size_t n);

#endif
