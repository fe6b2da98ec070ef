/* What one keeper's program hands to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/base/fd.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/handoff.h"

struct fixture {
	struct keeper k;
	char dir[32];
	int dir_fd;
	struct handoff h;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	static int inherit[] = { 5, 6, -1 };
	static struct link links[PART_MAX];

	if (!f)
		return -1;
	*state = f;
	strcpy(f->dir, "/tmp/foster-handoff.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->k.listen_fd = f->k.own_log_fd = -1;
	f->k.lock_fd = 77;
	f->k.runtime_dir = strdup("/run/foster");
	f->k.inherit = inherit;
	f->k.watchdog_ms = 1234;
	sigemptyset(&f->k.pending_signals);
	sigaddset(&f->k.pending_signals, SIGHUP);
	for (int i = 0; i < PART_MAX; i++) {
		links[i].fd = -1;
		f->k.parts[i].link = &links[i];
	}
	f->k.parts[PART_LOGGER].pid = 99;
	return slots_init(&f->k) == 0 ? table_create(&f->k.table, f->dir_fd, "table") : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	handoff_close(&f->h);
	unlinkat(f->dir_fd, "table", 0);
	close(f->dir_fd);
	rmdir(f->dir);
	free(f->k.runtime_dir);
	free(f->k.slots);
	free(f);
	return 0;
}

/* What is written, as bytes that may be changed. */
static unsigned char *written(struct fixture *f, size_t *ret_len)
{
	auto_close int fd = -1;
	unsigned char *bytes;

	assert_int_equal(handoff_write(&f->k, &fd), 0);
	*ret_len = (size_t)fd_sealed_size(fd);
	bytes = malloc(*ret_len);
	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, *ret_len, 0), *ret_len);
	return bytes;
}

static void everything_arrives(void **state)
{
	struct fixture *f = *state;
	struct handoff_keeper k = { 0 };
	struct handoff_slot slot = { 0 };
	struct handoff_part logger = { 0 };
	const char *runtime_dir = "";
	enum handoff_kind kind;
	const void *body;
	size_t at = 0, len;
	int inherited = 0;

	table_name_slot(&f->k.table, 4, "x");
	slot_prepare(&f->k, 4);
	f->k.slots[4].log_fds[1] = 88;
	f->k.slots[4].stored = 3;
	auto_close int fd = -1;
	assert_int_equal(handoff_write(&f->k, &fd), 0);
	assert_int_equal(handoff_open(fd, &f->h), 0);
	assert_int_equal(f->h.keeper_pid, getpid());
	assert_int_equal(f->h.version, HANDOFF_VERSION);
	while (handoff_next(&f->h, &at, &kind, &body, &len)) {
		const struct handoff_part *part = body;

		if (kind == HANDOFF_KEEPER)
			memcpy(&k, body, sizeof k);
		if (kind == HANDOFF_SLOT)
			memcpy(&slot, body, sizeof slot);
		if (kind == HANDOFF_PART && part->id == PART_LOGGER)
			memcpy(&logger, body, sizeof logger);
		if (kind == HANDOFF_TEXT)
			runtime_dir = (const char *)body + 8;
		if (kind == HANDOFF_INHERIT)
			inherited += *(const int32_t *)body;
	}
	assert_int_equal(k.lock_fd, 77);
	assert_int_equal(k.watchdog_ms, 1234);
	assert_int_equal(k.signals, 1U << SIGHUP);
	assert_int_equal(slot.slot, 4);
	assert_int_equal(slot.pidfd, -1);
	assert_int_equal(slot.log_fds[0], -1);
	assert_int_equal(slot.log_fds[1], 88);
	assert_int_equal(slot.stored, 3);
	assert_int_equal(logger.pid, 99);
	assert_string_equal(runtime_dir, "/run/foster");
	assert_int_equal(inherited, 11);
}

static void any_damage_is_found(void **state)
{
	struct fixture *f = *state;
	struct handoff h;
	size_t len;
	auto_free unsigned char *bytes = written(f, &len);

	assert_int_equal(handoff_parse(&h, bytes, len), 0);
	for (size_t i = 0; i < len; i++) {
		bytes[i] ^= 1;
		if (i < 8 || i >= 16) /* version and PID are anybody's */
			assert_int_equal(handoff_parse(&h, bytes, len), -EBADMSG);
		bytes[i] ^= 1;
	}
	for (size_t shorter = 0; shorter < len; shorter++)
		assert_int_equal(handoff_parse(&h, bytes, shorter), -EBADMSG);
}

static void a_later_version_is_known_as_such(void **state)
{
	struct fixture *f = *state;
	struct handoff h;
	size_t len;
	auto_free unsigned char *bytes = written(f, &len);

	bytes[8] = HANDOFF_VERSION + 3;
	assert_int_equal(handoff_parse(&h, bytes, len), -EPROTONOSUPPORT);
	assert_int_equal(h.version, HANDOFF_VERSION + 3);
	bytes[8] = 0;
	assert_int_equal(handoff_parse(&h, bytes, len), -EBADMSG);
}

static void what_can_still_be_changed_is_not_believed(void **state)
{
	struct fixture *f = *state;
	size_t len;
	auto_free unsigned char *bytes = written(f, &len);
	auto_close int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(handoff_open(fd, &f->h), -EBADMSG);
	assert_int_equal(handoff_open(STDOUT_FILENO, &f->h), -EBADMSG);
	f->h = (struct handoff){ 0 };
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(everything_arrives),
		TEST(any_damage_is_found),
		TEST(a_later_version_is_known_as_such),
		TEST(what_can_still_be_changed_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
