/* The supplementary groups of users, looked up once. */
#include "daemon/supervisor/users.h"

#include <dlfcn.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/mem.h"

#define NO_SUCH_USER "no such user, with blanks"
#define MEMBER_OF_MANY "member of many groups" /* whom no machine need have */
#define MANY_GROUPS 100

static unsigned n_lookups;

/* Stands before the C library's: counts, and knows one user more. */
int getgrouplist(const char *user, gid_t gid, gid_t *gids, int *n)
{
	int (*real)(const char *, gid_t, gid_t *, int *);
	int room = *n;

	n_lookups++;
	*(void **)&real = dlsym(RTLD_NEXT, "getgrouplist");
	assert_non_null(real);
	if (strcmp(user, MEMBER_OF_MANY) != 0)
		return real(user, gid, gids, n);
	*n = MANY_GROUPS;
	for (int i = 0; i < room && i < MANY_GROUPS; i++)
		gids[i] = gid + (gid_t)i;
	return room < MANY_GROUPS ? -1 : MANY_GROUPS;
}

static int forget(void **unused)
{
	(void)unused;
	users_forget();
	return 0;
}

static bool has(const struct user_groups *g, gid_t gid)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->gids[i] == gid)
			return true;
	return false;
}

/* The database is asked by another way than the code under test: group by group. */
static size_t check_members(const char *user, gid_t gid, const struct user_groups *g)
{
	size_t n = 1;

	assert_true(has(g, gid));
	setgrent();
	for (const struct group *one; (one = getgrent());)
		for (char **member = one->gr_mem; *member; member++)
			if (strcmp(*member, user) == 0 && one->gr_gid != gid) {
				assert_true(has(g, one->gr_gid));
				n++;
			}
	endgrent();
	return n;
}

static void every_user_has_the_groups_of_the_database(void **unused)
{
	const struct passwd *pw;
	auto_free char *names = NULL;
	size_t len = 0, n = 0;
	gid_t gids[100];

	(void)unused;
	/* getpwent() and getgrent() do not nest: names first */
	FILE *list = open_memstream(&names, &len);
	assert_non_null(list);
	for (setpwent(); n < ARRAY_SIZE(gids) && (pw = getpwent()); n++) {
		gids[n] = pw->pw_gid;
		fprintf(list, "%s%c", pw->pw_name, 0);
	}
	endpwent();
	assert_int_equal(fclose(list), 0);
	assert_true(n > 0);
	const char *name = names;
	for (size_t i = 0; i < n; i++, name += strlen(name) + 1) {
		const struct user_groups *g = users_groups(name, gids[i]);

		assert_non_null(g);
		assert_int_equal(g->n, check_members(name, gids[i], g));
	}
}

static void who_is_in_no_group_has_the_given_one(void **unused)
{
	const struct user_groups *g = users_groups(NO_SUCH_USER, 4711);

	(void)unused;
	assert_non_null(g);
	assert_int_equal(g->n, 1);
	assert_int_equal(g->gids[0], 4711);
}

static void a_user_of_many_groups_has_them_all(void **unused)
{
	const struct user_groups *g = users_groups(MEMBER_OF_MANY, 1000);

	(void)unused;
	assert_non_null(g);
	assert_int_equal(g->n, MANY_GROUPS);
	for (size_t i = 0; i < g->n; i++)
		assert_int_equal(g->gids[i], 1000 + i);
}

static void a_user_is_looked_up_once(void **unused)
{
	const struct user_groups *first = users_groups(NO_SUCH_USER, 4711);
	const struct user_groups *other = users_groups("another, who is not there", 4712);

	(void)unused;
	n_lookups = 0;
	assert_ptr_equal(users_groups("another, who is not there", 4712), other);
	assert_ptr_equal(users_groups(NO_SUCH_USER, 4711), first);
	assert_int_equal(n_lookups, 0);
	assert_ptr_not_equal(other, first);
	assert_int_equal(other->gids[0], 4712);
	assert_int_equal(first->gids[0], 4711); /* still valid, still his */
}

static void what_was_forgotten_is_looked_up_again(void **unused)
{
	(void)unused;
	users_forget(); /* nothing is known yet */
	users_groups(NO_SUCH_USER, 4711);
	users_groups(MEMBER_OF_MANY, 4711);
	users_forget();
	assert_int_equal(users_groups(NO_SUCH_USER, 4712)->gids[0], 4712);
	assert_int_equal(users_groups(MEMBER_OF_MANY, 4712)->gids[0], 4712);
}

#define test(f) cmocka_unit_test_teardown(f, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(every_user_has_the_groups_of_the_database),
		test(who_is_in_no_group_has_the_given_one),
		test(a_user_of_many_groups_has_them_all),
		test(a_user_is_looked_up_once),
		test(what_was_forgotten_is_looked_up_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
