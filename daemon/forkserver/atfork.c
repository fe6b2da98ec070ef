#include "daemon/forkserver/atfork.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef void handler(void);
typedef int registrar(handler *prepare, handler *parent, handler *child, void *object);

struct handlers {
	handler *prepare, *parent, *child;
};

static struct handlers *registered;
static size_t n_registered;

static registrar *find_library_registrar(void)
{
	void *symbol = dlsym(RTLD_NEXT, "__register_atfork");
	registrar *f;

	memcpy(&f, &symbol, sizeof f); /* as dlsym(3) advises */
	return f;
}

/* The library's name for it, which no header declares. */
registrar __register_atfork; /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

int __register_atfork(handler *prepare, handler *parent, handler *child, void *object)
{
	registrar *library = find_library_registrar();
	struct handlers *more;

	more = reallocarray(registered, n_registered + 1, sizeof *more);
	if (!more)
		return ENOMEM;
	registered = more;
	registered[n_registered++] = (struct handlers){ prepare, parent, child };
	return library ? library(prepare, parent, child, object) : 0;
}

void atfork_prepare(void)
{
	for (size_t i = n_registered; i-- > 0;)
		if (registered[i].prepare)
			registered[i].prepare();
}

void atfork_parent(void)
{
	for (size_t i = 0; i < n_registered; i++)
		if (registered[i].parent)
			registered[i].parent();
}

void atfork_child(void)
{
	for (size_t i = 0; i < n_registered; i++)
		if (registered[i].child)
			registered[i].child();
}
