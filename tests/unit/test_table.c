#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/keeper/table.h"

struct fixture {
	char dir[32];
	int fd;
	struct table t;
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .dir = "/tmp/foster-table.XXXXXX" };
	if (!mkdtemp(f.dir))
		return -1;
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return table_create(&f.t, f.fd, "table");
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlinkat(f->fd, "table", 0);
	close(f->fd);
	return rmdir(f->dir);
}

static void what_was_written_is_there(void **state)
{
	struct fixture *f = *state;
	struct link_slot facts = { .state = LINK_SLOT_LIVE, .pid = 42 };

	table_name_slot(&f->t, 9, "web:web_00");
	assert_int_equal(table_incarnation(&f->t, 9), 0);
	table_write(&f->t, 9, 3, &facts);
	assert_string_equal(table_name(&f->t, 9), "web:web_00");
	assert_int_equal(table_incarnation(&f->t, 9), 3);
	assert_int_equal(table_facts(&f->t, 9)->pid, 42);
	assert_string_equal(table_name(&f->t, 8), "");
	assert_int_equal(f->t.used_max, 10);
}

static void a_name_of_any_allowed_length_is_kept(void **state)
{
	struct fixture *f = *state;
	char name[TABLE_NAME_BYTES];

	for (size_t len = 1; len < sizeof name; len++) {
		memset(name, 'n', len);
		name[len] = '\0';
		table_name_slot(&f->t, 5, name);
		assert_string_equal(table_name(&f->t, 5), name);
	}
}

static void a_freed_slot_forgets_its_past(void **state)
{
	struct fixture *f = *state;
	struct link_slot facts = { .state = LINK_SLOT_ENDED, .pid = 42 };

	table_name_slot(&f->t, 1, "a");
	table_write(&f->t, 1, 7, &facts);
	table_free_slot(&f->t, 1);
	assert_string_equal(table_name(&f->t, 1), "");
	table_name_slot(&f->t, 1, "b");
	assert_int_equal(table_incarnation(&f->t, 1), 0);
	assert_int_equal(table_facts(&f->t, 1)->state, LINK_SLOT_EMPTY);
}

static void nothing_is_pending_between_writes(void **state)
{
	struct fixture *f = *state;
	struct link_slot facts = { .pid = 1 };

	table_name_slot(&f->t, 2, "a");
	table_write(&f->t, 2, 1, &facts);
	assert_int_equal(f->t.header->pending.valid, 0);
	assert_int_equal(f->t.header->pending.slot, 2);
}

static void one_that_is_mapped_again_is_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct link_slot facts = { .state = LINK_SLOT_LIVE, .pid = 42 };
	char name[TABLE_NAME_BYTES] = "";
	struct table t = { 0 };

	memset(name, 'n', sizeof name - 1);
	assert_int_equal(table_name_slot(&f->t, 3, "short"), 0);
	assert_int_equal(table_name_slot(&f->t, 300, name), 0);
	table_write(&f->t, 300, 5, &facts);
	assert_int_equal(table_map(&t, dup(f->t.fd)), 0);
	assert_int_equal(t.used_max, 301);
	assert_string_equal(table_name(&t, 2), "");
	assert_string_equal(table_name(&t, 3), "short");
	assert_string_equal(table_name(&t, 300), name);
	assert_int_equal(table_incarnation(&t, 300), 5);
	assert_string_equal(table_name(&t, 301), "");
	assert_int_equal(table_name_slot(&t, TABLE_SLOTS - 1, name), 0);
	assert_string_equal(table_name(&t, TABLE_SLOTS - 1), name);
	assert_int_equal(munmap(t.header, TABLE_BYTES) + close(t.fd), 0);
}

static void it_costs_what_is_used(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	auto_close int fd = openat(f->fd, "table", O_RDONLY | O_CLOEXEC);

	for (uint32_t slot = 0; slot < 100; slot++)
		table_name_slot(&f->t, slot, "short");
	assert_int_equal(fstat(fd, &st), 0);
	assert_in_range(st.st_blocks * 512, 0, 64 * 1024);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_there),
		TEST(a_name_of_any_allowed_length_is_kept),
		TEST(a_freed_slot_forgets_its_past),
		TEST(nothing_is_pending_between_writes),
		TEST(one_that_is_mapped_again_is_as_it_was),
		TEST(it_costs_what_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
