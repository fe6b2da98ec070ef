/* The table that an earlier keeper left: of our version and the one before, torn, damaged, of the future. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "daemon/keeper/table_left.h"

#define HEADER_BYTES_1 304
#define RECORD_BYTES_1 288
#define SLOTS 4

struct fixture {
	char dir[32];
	int fd;
	struct table t; /* what the earlier keeper wrote */
	struct table_left left;
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .dir = "/tmp/foster-left.XXXXXX" };
	if (!mkdtemp(f.dir))
		return -1;
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return table_create(&f.t, f.fd, "table");
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	table_left_close(&f->left);
	unlinkat(f->fd, "table", 0);
	close(f->fd);
	return rmdir(f->dir);
}

static void add(struct fixture *f, uint32_t slot, const char *name, pid_t pid)
{
	struct link_slot facts = { .state = LINK_SLOT_LIVE, .pid = pid, .server = LINK_NO_SLOT };

	table_name_slot(&f->t, slot, name);
	table_write(&f->t, slot, slot + 1, &facts);
}

static int open_left(struct fixture *f)
{
	return table_left_open(&f->left, f->fd, "table");
}

static void what_was_written_is_read(void **state)
{
	struct fixture *f = *state;
	char long_name[TABLE_NAME_BYTES] = "";
	struct table_left_slot l;
	uint32_t at = 0;

	memset(long_name, 'n', sizeof long_name - 1);
	add(f, 3, "web:a", 42);
	add(f, 7, long_name, 43);
	add(f, 9, "freed", 44);
	table_free_slot(&f->t, 9);
	table_note_pipe(&f->t, 3, 1, 1234);
	table_note_part(&f->t, 1, &(struct table_part){ .pid = 99, .inode = 5 });
	assert_int_equal(open_left(f), 0);
	assert_true(table_left_is_of_here(&f->left));
	assert_int_equal(f->left.header.finished, 0);
	assert_int_equal(f->left.header.parts[1].pid, 99);

	assert_true(table_left_next(&f->left, &at, &l));
	assert_int_equal(l.slot, 3);
	assert_string_equal(l.name, "web:a");
	assert_int_equal(l.entry.incarnation, 4);
	assert_int_equal(l.entry.facts.pid, 42);
	assert_int_equal(l.pipes[1], 1234);
	assert_true(table_left_next(&f->left, &at, &l));
	assert_int_equal(l.slot, 7);
	assert_string_equal(l.name, long_name);
	assert_false(table_left_next(&f->left, &at, &l));
}

static void a_write_that_was_cut_short_counts_as_done(void **state)
{
	struct fixture *f = *state;
	struct table_left_slot l;
	uint32_t at = 0;

	add(f, 2, "a", 42);
	f->t.header->pending.entry.facts.pid = 43;
	f->t.header->pending.valid = 1;
	f->t.records[2].entry.facts.state = 77; /* half written */
	assert_int_equal(open_left(f), 0);
	assert_true(table_left_next(&f->left, &at, &l));
	assert_int_equal(l.entry.facts.pid, 43);
}

static void an_end_in_order_can_be_told(void **state)
{
	struct fixture *f = *state;

	table_finish(&f->t);
	assert_int_equal(open_left(f), 0);
	assert_int_equal(f->left.header.finished, 1);
}

static void another_boot_or_namespace_is_not_here(void **state)
{
	struct fixture *f = *state;

	f->t.header->boot_id[3] ^= 1;
	assert_int_equal(open_left(f), 0);
	assert_false(table_left_is_of_here(&f->left));
	table_left_close(&f->left);
	f->t.header->boot_id[3] ^= 1;
	f->t.header->pid_namespace++;
	assert_int_equal(open_left(f), 0);
	assert_false(table_left_is_of_here(&f->left));
}

static void what_makes_no_sense_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct table_left_slot l;
	uint32_t at = 0;

	for (uint32_t slot = 0; slot < 8; slot++)
		add(f, slot, "x", 42);
	f->t.records[0].use = 3;
	f->t.records[1].entry.facts.state = LINK_SLOT_STATE_MAX;
	f->t.records[2].entry.facts.pid = -1;
	f->t.records[3].entry.facts.pid = 1;
	f->t.records[4].name[0] = '\0';
	memset(f->t.records[5].name, 'n', TABLE_SHORT_BYTES); /* no end */
	f->t.records[6].entry.facts.server = TABLE_SLOTS;
	assert_int_equal(open_left(f), 0);
	assert_true(table_left_next(&f->left, &at, &l));
	assert_int_equal(l.slot, 7);
	assert_false(table_left_next(&f->left, &at, &l));
}

/* The bytes as version 1 wrote them: shorter header, shorter records. */
static void the_previous_version_is_read(void **state)
{
	static _Alignas(8) unsigned char
		bytes[HEADER_BYTES_1 + SLOTS * (RECORD_BYTES_1 + TABLE_NAME_BYTES)];
	struct table_header *h = (struct table_header *)bytes;
	struct fixture *f = *state;
	struct table_left_slot l;
	uint64_t pid_namespace;
	uint32_t at = 0;

	h->magic = TABLE_MAGIC;
	h->version = 1;
	h->record_bytes = RECORD_BYTES_1;
	h->slots = SLOTS;
	table_here(h->boot_id, &pid_namespace);
	for (int i = 1; i < SLOTS; i++) {
		struct table_record *r = (void *)(bytes + HEADER_BYTES_1 + i * RECORD_BYTES_1);

		r->use = TABLE_LONG_NAME;
		r->entry.incarnation = 10 + (uint64_t)i;
		r->entry.facts.state = LINK_SLOT_LIVE;
		r->entry.facts.pid = 40 + i;
		bytes[HEADER_BYTES_1 + SLOTS * RECORD_BYTES_1 + i * TABLE_NAME_BYTES] =
			(unsigned char)('a' + i);
	}
	assert_int_equal(table_left_parse(&f->left, bytes, sizeof bytes), 0);
	assert_true(table_left_is_of_here(&f->left));
	assert_int_equal(f->left.header.finished, 0);
	assert_int_equal(f->left.header.parts[0].pid, 0);
	for (int i = 1; i < SLOTS; i++) {
		char name[2] = { (char)('a' + i) };

		assert_true(table_left_next(&f->left, &at, &l));
		assert_string_equal(l.name, name);
		assert_int_equal(l.entry.incarnation, 10 + i);
		assert_int_equal(l.entry.facts.pid, 40 + i);
		assert_int_equal(l.pipes[0] + l.pipes[1] + l.pipes[2], 0);
	}
	assert_false(table_left_next(&f->left, &at, &l));
}

static void a_later_version_is_known_as_such(void **state)
{
	struct fixture *f = *state;

	f->t.header->version = TABLE_VERSION + 5;
	assert_int_equal(open_left(f), -EPROTONOSUPPORT);
	assert_int_equal(f->left.header.version, TABLE_VERSION + 5);
	f->left = (struct table_left){ 0 };
}

static void what_is_no_table_is_damaged(void **state)
{
	struct fixture *f = *state;

	f->t.header->magic++;
	assert_int_equal(open_left(f), -EBADMSG);
	f->t.header->magic--;
	f->t.header->version = 0;
	assert_int_equal(open_left(f), -EBADMSG);
	f->t.header->version = TABLE_VERSION;
	f->t.header->record_bytes++;
	assert_int_equal(open_left(f), -EBADMSG);
	f->t.header->record_bytes--;
	f->t.header->slots = TABLE_SLOTS + 1;
	assert_int_equal(open_left(f), -EBADMSG);
	f->t.header->slots = TABLE_SLOTS;
	assert_int_equal(open_left(f), 0);
	table_left_close(&f->left);
	auto_close int fd = openat(f->fd, "table", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 100000), 0);
	assert_int_equal(open_left(f), -EBADMSG);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(open_left(f), -EBADMSG);
	unlinkat(f->fd, "table", 0);
	assert_int_equal(open_left(f), -ENOENT);
	assert_int_equal(mkdirat(f->fd, "table", 0700), 0);
	assert_int_equal(open_left(f), -EBADMSG);
	unlinkat(f->fd, "table", AT_REMOVEDIR);
	assert_int_equal(symlinkat("/etc/passwd", f->fd, "table"), 0);
	assert_int_equal(open_left(f), -ELOOP);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_read),
		TEST(a_write_that_was_cut_short_counts_as_done),
		TEST(an_end_in_order_can_be_told),
		TEST(another_boot_or_namespace_is_not_here),
		TEST(what_makes_no_sense_is_left_out),
		TEST(the_previous_version_is_read),
		TEST(a_later_version_is_known_as_such),
		TEST(what_is_no_table_is_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
