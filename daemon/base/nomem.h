/* nomem.h - a part that has a successor, without memory
 *
 * What supervisor and logger cannot remember they must not go on without: they would lose a child, or
 * start it twice. They say so and exit; the keeper starts the next, which finds everything where it
 * was. A request of a client, on the other hand, is answered with an error. */
#ifndef FOSTER_BASE_NOMEM_H
#define FOSTER_BASE_NOMEM_H

/* Say that subject (the part, or the process that it was about) wants memory, and exit with 1. */
_Noreturn void nomem_exit(const char *subject);

/* For ev_set_allocator(3): libev would abort, with a core. */
void *nomem_realloc(void *ptr, long size);

#endif
