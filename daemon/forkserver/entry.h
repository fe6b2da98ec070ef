/* entry.h - shared objects: preloaded into the forkserver, or holding a program's entry
 *
 * An entry is PATH.so:SYMBOL, and SYMBOL is int SYMBOL(int argc, char **argv). */
#ifndef FOSTER_FORKSERVER_ENTRY_H
#define FOSTER_FORKSERVER_ENTRY_H

typedef int entry_main(int argc, char **argv);

/* Load a shared object for the forkserver and all its children. NULL, or why not: a text of
 * dlerror(3)'s. */
const char *entry_preload(const char *path);

/* Find what entry names, loading its object unless that is loaded already. Returns NULL with
 * *ret_main; or why not, a text that is valid until the next call. */
const char *entry_find(char *entry, entry_main **ret_main);

#endif
