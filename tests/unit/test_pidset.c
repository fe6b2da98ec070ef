#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/base/pidset.h"

#define OPERATIONS 2000000
#define LAST (PIDSET_LIMIT - 1)

/* What each test gets is empty, and memory that nothing has touched yet. */
static int set_up(void **state)
{
	void *set = mmap(NULL, sizeof(struct pidset), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (set == MAP_FAILED)
		return -1;
	*state = set;
	return madvise(set, sizeof(struct pidset), MADV_NOHUGEPAGE) < 0 && errno != EINVAL ? -1 : 0;
}

static int tear_down(void **state)
{
	return munmap(*state, sizeof(struct pidset));
}

static unsigned members(const struct pidset *s)
{
	unsigned n = 0;

	for (pid_t pid = 0; pid <= PIDSET_LIMIT; pid++)
		n += pidset_has(s, pid);
	return n;
}

static void a_zeroed_set_is_empty(void **state)
{
	assert_int_equal(members(*state), 0);
}

static void every_pid_that_the_kernel_gives_has_a_place(void **state)
{
	auto_file FILE *f = fopen("/proc/sys/kernel/pid_max", "re");
	struct pidset *s = *state;
	char text[32];

	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	assert_in_range(strtoul(text, NULL, 10), 1, PIDSET_LIMIT); /* the first that is not given */
	assert_true(pidset_fits(getpid()));
	assert_true(pidset_fits(1));
	assert_true(pidset_fits(LAST));
	for (pid_t pid = 1; pid < PIDSET_LIMIT; pid++)
		pidset_add(s, pid);
	assert_int_equal(members(s), LAST);
}

static void one_pid_is_one_member(void **state)
{
	static const pid_t pids[] = { 1, 7, 8, 9, 4095, 4096, 65535, 65536, LAST - 1, LAST };
	struct pidset *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pidset_add(s, pids[i]);
		assert_true(pidset_has(s, pids[i]));
		assert_int_equal(members(s), 1);
		pidset_remove(s, pids[i]);
		assert_int_equal(members(s), 0);
	}
}

static void adding_twice_and_removing_once_leaves_nothing(void **state)
{
	struct pidset *s = *state;

	pidset_add(s, 4711);
	pidset_add(s, 4711);
	pidset_remove(s, 4711);
	assert_false(pidset_has(s, 4711));
	pidset_remove(s, 4711);
	assert_false(pidset_has(s, 4711));
}

static void what_is_no_pid_is_never_in_it(void **state)
{
	static const pid_t none[] = { 0,       -1,	     -8,
				      INT_MIN, PIDSET_LIMIT, PIDSET_LIMIT + 8,
				      INT_MAX, -PIDSET_LIMIT };
	struct pidset *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		assert_false(pidset_fits(none[i]));
		pidset_add(s, none[i]);
		assert_false(pidset_has(s, none[i]));
	}
	assert_int_equal(members(s), 0);
	for (pid_t pid = 1; pid < PIDSET_LIMIT; pid++)
		pidset_add(s, pid);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		assert_false(pidset_has(s, none[i]));
		pidset_remove(s, none[i]);
	}
	assert_int_equal(members(s), LAST);
}

static unsigned pages_in_use(struct pidset *s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = sizeof *s / page;
	auto_free unsigned char *resident = calloc(1, n);
	unsigned used = 0;

	assert_non_null(resident);
	assert_int_equal(mincore(s, sizeof *s, resident), 0);
	for (size_t i = 0; i < n; i++)
		used += resident[i] & 1;
	return used;
}

static void only_the_pages_in_use_cost_memory(void **state)
{
	struct pidset *s = *state;

	assert_int_equal(sizeof *s, 512 << 10);
	assert_int_equal(pages_in_use(s), 0);
	for (pid_t pid = 1; pid < 1000; pid++)
		pidset_add(s, pid);
	assert_int_equal(pages_in_use(s), 1);
	pidset_add(s, LAST);
	assert_int_equal(pages_in_use(s), 2);
}

/* Half of them among few PIDs, so that one is often added and removed again. */
static pid_t some_pid(unsigned *seed)
{
	pid_t any = rand_r(seed) % PIDSET_LIMIT;

	return rand_r(seed) % 2 ? any : any % 256;
}

static void any_sequence_leaves_what_an_array_would_hold(void **state)
{
	auto_free bool *expected = calloc(PIDSET_LIMIT, sizeof *expected);
	struct pidset *s = *state;
	unsigned seed = 20;

	assert_non_null(expected);
	for (int i = 0; i < OPERATIONS; i++) {
		pid_t pid = some_pid(&seed);
		bool add = rand_r(&seed) % 3 > 0;

		if (pidset_has(s, pid) != expected[pid])
			fail_msg("operation %d: %d is wrong", i, pid);
		if (add)
			pidset_add(s, pid);
		else
			pidset_remove(s, pid);
		expected[pid] = add && pid > 0;
	}
	for (pid_t pid = 0; pid < PIDSET_LIMIT; pid++)
		if (pidset_has(s, pid) != expected[pid])
			fail_msg("%d is wrong in the end", pid);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_zeroed_set_is_empty),
		TEST(every_pid_that_the_kernel_gives_has_a_place),
		TEST(one_pid_is_one_member),
		TEST(adding_twice_and_removing_once_leaves_nothing),
		TEST(what_is_no_pid_is_never_in_it),
		TEST(only_the_pages_in_use_cost_memory),
		TEST(any_sequence_leaves_what_an_array_would_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
