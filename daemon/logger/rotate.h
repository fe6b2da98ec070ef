/* rotate.h - path becomes path.1, path.1 becomes path.2, … up to path.N
 *
 * The state of a rotation is the set of names on disk, nothing else. Names are moved up from the
 * lowest free number downwards:
 *
 *   path  .1  .2  .3  .4        all there; .4 is the last: .3 takes its name and it is gone
 *   path  .1  .2   _  .4        after the first rename: a hole
 *   path  .1   _  .3  .4        the hole wanders down …
 *   path   _  .2  .3  .4
 *    _    .1  .2  .3  .4        … and ends at path, which the next open makes anew
 *
 * A logger killed in between leaves one hole. The next rotation begins at the lowest hole, so it
 * finishes the interrupted one, and what stands above is not moved twice. It comes at once: the
 * bytes that did not fit are still in the pipe (cut.h). Each rename(2) is atomic, so no content is
 * ever without a name but the oldest, which is dropped on purpose.
 *
 * A number that somebody removed by hand is a hole like any other. Files beyond N, left by a larger
 * setting, are not touched. */
#ifndef FOSTER_LOGGER_ROTATE_H
#define FOSTER_LOGGER_ROTATE_H

/* Make path free by moving it and its backups up. backups is at least 1. Returns 0 (also when path
 * does not exist) or -errno (ENAMETOOLONG, that of rename(2) or lstat(2)); then a hole may be left,
 * as above. Does not log. */
int rotate_shift(const char *path, unsigned backups);

#endif
