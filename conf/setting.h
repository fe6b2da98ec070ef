/* setting.h - storing values where the key table says */
#ifndef FOSTER_CONF_SETTING_H
#define FOSTER_CONF_SETTING_H

#include "conf/build.h"

/* Check text, which is expanded, and store it at k's offset in target (the draft of k's section).
 * v is where it comes from. What is wrong is reported, and target left alone. Only for keys of types
 * before KEY_USER. */
void setting_store(struct build *b, const struct key *k, const char *text, void *target,
		   const struct ini_value *v);

/* Store the defaults of all keys of a kind whose KEY_EACH flag is each. */
void setting_defaults(struct build *b, enum section_kind kind, bool each, void *target);

/* Split text into words. Returns a vector of the pool; NULL when it is wrong, which is reported, as
 * is an empty one. */
const char *const *setting_words(struct build *b, const char *text, const struct ini_value *v);

/* environment= of a section: its own variables, and those over the variables in under (NULL: none).
 * Returns false when the text is wrong, which is reported; the results are then as without it. */
bool setting_environment(struct build *b, const char *text, const struct ini_value *v,
			 const char *const *under, const char *const **ret_own,
			 const char *const **ret_merged);

/* The variables of over on top of those of under, as one vector of the pool. */
const char *const *setting_merge(struct build *b, const char *const *under,
				 const char *const *over);

/* user=: look it up and store its parts; any of ret_home and ret_shell may be NULL. */
void setting_user(struct build *b, const struct ini_value *v, const char *text,
		  const char **ret_name, uid_t *ret_uid, gid_t *ret_gid, const char **ret_home,
		  const char **ret_shell);

/* start_method=: fork, spawn, forkserver, forkserver:NAME. Whether NAME exists is checked too. */
void setting_method(struct build *b, const struct ini_value *v, const char *text,
		    enum conf_method *ret_method, const char **ret_forkserver);

#endif
