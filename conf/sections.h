/* sections.h - the builders, in the order in which conf_parse() calls them
 *
 * Each turns the sections of one kind into its part of b->conf; problems go to b->diag. */
#ifndef FOSTER_CONF_SECTIONS_H
#define FOSTER_CONF_SECTIONS_H

#include "conf/build.h"

/* [foster] or [supervisord]; s is NULL when the files have neither. */
void main_section_build(struct build *b, const struct ini_section *s);

/* Its start_method, once the forkservers are known. */
void main_section_method(struct build *b, const struct ini_section *s);

/* All [forkserver:x], sorted by name. */
void forkserver_build(struct build *b);

/* The defaults of all programs and processes, once. */
void program_defaults(struct build *b);

/* b->programs and conf->programs, with nothing but names yet; and one of them by name, or NULL. */
void program_list(struct build *b);
struct program_work *program_find(struct build *b, const char *name);

/* Which programs are in a [group:x]: %(group_name)s is for all keys. */
void group_find_members(struct build *b);

/* What a program's processes have in common. */
void program_build(struct build *b, struct program_work *w);

/* Add the processes of a program, as members of a group (a string of the pool), to b->processes. */
void program_add_processes(struct build *b, struct program_work *w, const char *group,
			   int group_priority);

/* All processes: conf->processes in start order, and conf->groups. */
void group_build(struct build *b);

/* All [access:x]. */
void access_build(struct build *b);

/* What needs all processes: parents that exist and have no cycle, exit_on. */
void link_check(struct build *b);

#endif
