/* atfork.h - what pthread_atfork(3) promised to the preloaded objects
 *
 * fork_copy() does not go through the C library's fork(3), so the library would not run the handlers
 * that a preload has registered. We stand in for __register_atfork(), to which every pthread_atfork()
 * comes: an executable's symbol goes before the library's, which gets each handler, too, for the
 * fork(3) calls of the children. */
#ifndef FOSTER_FORKSERVER_ATFORK_H
#define FOSTER_FORKSERVER_ATFORK_H

/* Before a copy is made, in the reverse order of registration; after it, in that order. */
void atfork_prepare(void);
void atfork_parent(void);
void atfork_child(void);

#endif
