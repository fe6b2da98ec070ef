#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/base/mem.h"
#include "daemon/logger/rotate.h"

/* A fresh directory, and in it files "log", "log.1", …, each holding one letter. */
struct place {
	char dir[64];
	char path[80];
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	strcpy(p->dir, "/tmp/foster-rotate-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	(void)snprintf(p->path, sizeof p->path, "%s/log", p->dir);
	*state = p;
	return 0;
}

static int drop_place(void **state)
{
	struct place *p = *state;
	char command[128];
	int r;

	(void)snprintf(command, sizeof command, "rm -rf %s", p->dir);
	r = system(command); /* NOLINT(cert-env33-c): a path of our own making */
	free(p);
	return r;
}

static const char *name(const struct place *p, unsigned number)
{
	static char text[128];

	(void)snprintf(text, sizeof text, number ? "%s.%u" : "%s", p->path, number);
	return text;
}

/* letters[0] is for log, letters[n] for log.n; '_' makes no file. */
static void lay(const struct place *p, const char *letters)
{
	for (unsigned i = 0; letters[i]; i++) {
		if (letters[i] == '_')
			continue;
		auto_file FILE *f = fopen(name(p, i), "we");
		assert_non_null(f);
		assert_int_not_equal(fputc(letters[i], f), EOF);
	}
}

static void assert_lies(const struct place *p, const char *letters)
{
	char found[32] = { 0 };

	for (unsigned i = 0; i < strlen(letters); i++) {
		auto_file FILE *f = fopen(name(p, i), "re");
		found[i] = f ? (char)fgetc(f) : '_';
	}
	assert_string_equal(found, letters);
}

static void the_first_rotation_moves_only_the_file(void **state)
{
	struct place *p = *state;

	lay(p, "a");
	assert_int_equal(rotate_shift(p->path, 3), 0);
	assert_lies(p, "_a__");
}

static void the_oldest_is_dropped_when_all_are_there(void **state)
{
	struct place *p = *state;

	lay(p, "abcd");
	assert_int_equal(rotate_shift(p->path, 3), 0);
	assert_lies(p, "_abc_");
}

static void one_backup_is_replaced(void **state)
{
	struct place *p = *state;

	lay(p, "ab");
	assert_int_equal(rotate_shift(p->path, 1), 0);
	assert_lies(p, "_a_");
}

static void a_file_that_is_not_there_is_no_failure(void **state)
{
	struct place *p = *state;

	lay(p, "_b");
	assert_int_equal(rotate_shift(p->path, 3), 0);
	assert_lies(p, "__b_");
}

/* Every state that a kill between two renames leaves. */
static void an_interrupted_rotation_is_finished_and_nothing_moves_twice(void **state)
{
	struct place *p = *state;
	static const char *const left[] = { "abc_d", "ab_cd", "a_bcd" };

	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		for (unsigned k = 0; k < 5; k++)
			(void)unlink(name(p, k));
		lay(p, left[i]);
		assert_int_equal(rotate_shift(p->path, 4), 0);
		assert_lies(p, "_abcd");
	}
}

static void files_beyond_the_number_are_left_alone(void **state)
{
	struct place *p = *state;

	lay(p, "abcde");
	assert_int_equal(rotate_shift(p->path, 2), 0);
	assert_lies(p, "_abde");
}

static void a_name_that_cannot_be_taken_is_an_error_and_loses_nothing(void **state)
{
	struct place *p = *state;

	lay(p, "a_");
	assert_return_code(mkdir(name(p, 1), 0755), errno);
	assert_int_equal(rotate_shift(p->path, 1), -EISDIR);
	assert_lies(p, "a");
	assert_return_code(rmdir(name(p, 1)), errno);
}

static void a_path_too_long_for_a_number_is_refused(void **unused)
{
	char path[PATH_MAX];

	(void)unused;
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_int_equal(rotate_shift(path, 2), -ENAMETOOLONG);
}

#define WITH_PLACE(f) cmocka_unit_test_setup_teardown(f, make_place, drop_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PLACE(the_first_rotation_moves_only_the_file),
		WITH_PLACE(the_oldest_is_dropped_when_all_are_there),
		WITH_PLACE(one_backup_is_replaced),
		WITH_PLACE(a_file_that_is_not_there_is_no_failure),
		WITH_PLACE(an_interrupted_rotation_is_finished_and_nothing_moves_twice),
		WITH_PLACE(files_beyond_the_number_are_left_alone),
		WITH_PLACE(a_name_that_cannot_be_taken_is_an_error_and_loses_nothing),
		cmocka_unit_test(a_path_too_long_for_a_number_is_refused),
	};

	return cmocka_run_group_tests_name("logger_rotate", tests, NULL, NULL);
}
