/* status_scan.h - the reply to Status, read without a tree
 *
 * A tree of a thousand records takes three times as long to build as everything else that `status`
 * does. This reads the usual reply as it stands. What is unusual - an error, an escape or a byte
 * outside ASCII in a string, a key or a form that it does not know - it leaves to the JSON library:
 * it decides nothing by itself. Pure. */
#ifndef FOSTER_CLIENT_STATUS_SCAN_H
#define FOSTER_CLIENT_STATUS_SCAN_H

#include <stddef.h>

#include "ctl/client/format.h"

struct status_list {
	char *text; /* owned; the records point into it */
	struct format_status *records; /* owned */
	size_t n;
};

/* Returns 0, -ENOTSUP when the reply is one for the library, or -ENOMEM. */
int status_scan(const char *reply, size_t len, struct status_list *ret_list);
void status_list_done(struct status_list *l);

#endif
