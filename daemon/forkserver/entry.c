#include "daemon/forkserver/entry.h"

#include <dlfcn.h>
#include <string.h>

const char *entry_preload(const char *path)
{
	return dlopen(path, RTLD_NOW | RTLD_GLOBAL) ? NULL : dlerror();
}

const char *entry_find(char *entry, entry_main **ret_main)
{
	char *colon = strrchr(entry, ':');
	void *object, *symbol;

	if (!colon || colon == entry || !colon[1])
		return "an entry must be PATH.so:SYMBOL";
	*colon = '\0';
	object = dlopen(entry, RTLD_NOW);
	*colon = ':';
	if (!object)
		return dlerror();
	symbol = dlsym(object, colon + 1);
	if (!symbol)
		return dlerror();
	memcpy(ret_main, &symbol, sizeof symbol); /* as dlsym(3) advises */
	return NULL;
}
