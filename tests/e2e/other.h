/* other.h - being another user: fosterctl, a connection, a program of his
 *
 * The kernel's word for who somebody is, so all of it needs root, and skips the test otherwise. */
#ifndef FOSTER_TESTS_OTHER_H
#define FOSTER_TESTS_OTHER_H

#include "tests/e2e/fixture.h"

#define OTHER_DAEMON 1
#define OTHER_NOBODY 65534
#define OTHER_NAMELESS 65533 /* not in passwd: fosterd must cope with that, too */

/* Copies of fosterctl and the helper program in the test's directory, where everybody can execute them: the
 * build directory may be private. First of all. */
void other_publish(struct fixture *f);

/* fosterctl as uid, from the directory /, to its end. */
#define other_ctl(f, uid, ...) other_ctl_argv(f, uid, (const char *const[]){ __VA_ARGS__, NULL })
struct result other_ctl_argv(struct fixture *f, uid_t uid, const char *const *args);

/* Any program, found in PATH, as uid, to its end. */
#define other_run(f, uid, ...) other_run_argv(f, uid, (const char *const[]){ __VA_ARGS__, NULL })
struct result other_run_argv(struct fixture *f, uid_t uid, const char *const *argv);

/* What this process does between the two is done with uid's rights, as far as files and the identity that a
 * connection has are concerned. No assertion in between: the next test would be that user. */
void other_begin(uid_t uid);
void other_end(void);

/* A call on a connection of uid's, with descriptors. Returns the whole reply, which lives until the
 * teardown; parameters: a reference is taken. */
json_t *other_call(struct fixture *f, uid_t uid, const char *method, json_t *parameters,
		   const int *fds, size_t n_fds);

#endif
