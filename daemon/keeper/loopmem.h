/* loopmem.h - memory of the keeper's event loop, which must not run out
 *
 * libev aborts the process when it cannot grow its arrays, and the keeper is the one process that has
 * no successor. So they lie in a range of addresses that is taken at the start, large enough for all
 * that the table can ask for; pages come with use. */
#ifndef FOSTER_KEEPER_LOOPMEM_H
#define FOSTER_KEEPER_LOOPMEM_H

/* Take the range and give it to libev. Once, before the first loop. 0 or -errno. */
int loopmem_init(void);

#endif
