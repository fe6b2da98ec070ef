/* definition.h - what a client wants defined: parameters of Define, checked and turned into bytes
 *
 * Knows what those who are not admin may ask for; which names are free, who is the parent and what
 * becomes of it is rpc_define.c's. Pure but for the path of a directory's descriptor. */
#ifndef FOSTER_SUPERVISOR_DEFINITION_H
#define FOSTER_SUPERVISOR_DEFINITION_H

#include <jansson.h>
#include <stdbool.h>

#include "conf/conf.h"
#include "daemon/base/arena.h"
#include "daemon/supervisor/params.h"

/* As the call has it: everything points into its parameters. */
struct definition_params {
	const char *id, *name, *prefix, *parent;
	json_t *argv, *settings, *environment, *directory;
	enum param_bool stdio, terminal, directory_descriptor, daemon, transient;
};

struct definition {
	struct arena arena; /* of all strings below */
	struct conf_definition d; /* without a name */
	const char *parent; /* of the parameter or of settings; NULL: not said */
	bool daemon_said; /* settings has daemon= */
	json_t *problems; /* array of strings: why it is refused; NULL: none */
	int err; /* -ENOMEM */
};

/* Read the call's parameters; answers it and returns false when they are wrong. */
bool definition_read(struct rpc_call *call, json_t *parameters,
		     struct definition_params *ret_params);

/* How many descriptors must come with it. */
size_t definition_fds(const struct definition_params *p);

/* Build what conf_define() needs. privileged: all keys are open. directory_fd: -1 when none came. */
void definition_build(struct definition *def, const struct definition_params *p, bool privileged,
		      int directory_fd);
void definition_done(struct definition *def);

#endif
