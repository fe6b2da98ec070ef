#include "daemon/base/nomem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/log.h"

void nomem_exit(const char *subject)
{
	log_error(subject, "cannot go on: %s", strerror(ENOMEM));
	_exit(1);
}

void *nomem_realloc(void *ptr, long size)
{
	void *p;

	if (!size) {
		free(ptr);
		return NULL;
	}
	p = realloc(ptr, (size_t)size);
	if (!p)
		nomem_exit(program_invocation_short_name);
	return p;
}
