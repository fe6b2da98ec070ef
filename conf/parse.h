/* parse.h - the frame around the builders, for conf_parse() and conf_define() */
#ifndef FOSTER_CONF_PARSE_H
#define FOSTER_CONF_PARSE_H

#include "conf/build.h"

/* Make *b ready for use; s is NULL for a client's definition. Returns 0 or -ENOMEM; after 0,
 * parse_end() must be called. */
int parse_begin(struct build *b, const struct conf_sources *s, const char *const *env,
		struct conf_diag *diag);

/* Programs, processes and groups of b->ini. */
void parse_programs(struct build *b);

/* Release b. Returns 0 with b's configuration in *ret_conf; -EINVAL when problems beyond
 * fatal_before were noted; or -ENOMEM. Problems from number first_problem on are put in order. */
int parse_end(struct build *b, size_t first_problem, size_t fatal_before, struct conf **ret_conf);

#endif
