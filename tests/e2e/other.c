#include "tests/e2e/other.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/mem.h"

void other_publish(struct fixture *f)
{
	struct result r = { 0 };

	if (getuid() != 0)
		fixture_skip("needs root");
	struct run copy = { .argv = (const char *const[]){
				    "cp", fixture_format(f, "%s/fosterctl", f->build),
				    fixture_child(f), f->dir, NULL } };
	assert_int_equal(run_start(&copy), 0);
	assert_int_equal(run_finish(&copy, FIXTURE_DEADLINE_MS, &f->arena, &r), 0);
	assert_int_equal(r.status, 0);
}

struct result other_run_argv(struct fixture *f, uid_t uid, const char *const *argv)
{
	struct run r = { .argv = argv, .uid = uid, .directory = "/" };
	struct result result = { 0 };

	fflush(stdout);
	assert_int_equal(run_start(&r), 0);
	assert_int_equal(run_finish(&r, FIXTURE_DEADLINE_MS, &f->arena, &result), 0);
	printf("# uid %u ran:", (unsigned)uid);
	for (int i = 0; argv[i]; i++)
		printf(" %s", argv[i]);
	printf(": %d %s\n", result.status, result.err);
	return result;
}

struct result other_ctl_argv(struct fixture *f, uid_t uid, const char *const *args)
{
	const char *argv[32] = { fixture_path(f, "fosterctl") };

	for (int i = 0; i < 30 && args[i]; i++)
		argv[i + 1] = args[i];
	return other_run_argv(f, uid, argv);
}

void other_begin(uid_t uid)
{
	assert_return_code(setgroups(0, NULL), errno);
	assert_return_code(setegid((gid_t)uid), errno);
	assert_return_code(seteuid(uid), errno);
}

void other_end(void)
{
	assert_return_code(seteuid(0), errno);
	assert_return_code(setegid(0), errno);
}

json_t *other_call(struct fixture *f, uid_t uid, const char *method, json_t *parameters,
		   const int *fds, size_t n_fds)
{
	json_t *reply = NULL;
	struct varlink v = { .fd = -1 };

	other_begin(uid);
	int r = varlink_open(&v, f->socket);
	other_end();
	assert_return_code(r, -r);
	assert_int_equal(varlink_send(&v, method, parameters, false, fds, n_fds), 0);
	r = varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply);
	varlink_close(&v);
	if (r < 0)
		fixture_fail(f, "%s: %s", method, strerror(-r));
	json_array_append_new(f->kept, reply);
	return reply;
}
