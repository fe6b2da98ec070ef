/* find.h - tables for finding by name, inside a struct conf */
#ifndef FOSTER_CONF_FIND_H
#define FOSTER_CONF_FIND_H

#include "conf/conf.h"

/* Fill processes_by_name and groups_by_name of c, in its arena. Returns 0 or -ENOMEM. */
int find_index(struct conf *c);

#endif
