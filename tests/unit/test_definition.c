/* What clients may define: which keys are open to whom, and that bytes arrive as they were sent. */
#include "daemon/supervisor/definition.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/base/mem.h"

struct fixture {
	json_t *json; /* what the parameters point into */
	struct definition_params p;
	struct definition d;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .p = { .id = "1",
				     .stdio = PARAM_UNSET,
				     .terminal = PARAM_UNSET,
				     .directory_descriptor = PARAM_UNSET,
				     .daemon = PARAM_UNSET,
				     .transient = PARAM_UNSET } };
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	definition_done(&f->d);
	json_decref(f->json);
	return 0;
}

/* Build from an object with the members argv, environment, settings, directory. */
static void build(struct fixture *f, const char *json, bool privileged, int directory_fd)
{
	f->json = json_loads(json, 0, NULL);
	assert_non_null(f->json);
	f->p.argv = json_object_get(f->json, "argv");
	f->p.environment = json_object_get(f->json, "environment");
	f->p.settings = json_object_get(f->json, "settings");
	f->p.directory = json_object_get(f->json, "directory");
	definition_build(&f->d, &f->p, privileged, directory_fd);
	assert_int_equal(f->d.err, 0);
}

static const char *problem(const struct fixture *f, size_t i)
{
	const char *text = json_string_value(json_array_get(f->d.problems, i));

	return text ? text : "(none)";
}

static void arguments_and_environment_are_bytes(void **state)
{
	struct fixture *f = *state;

	build(f,
	      "{\"argv\": [\"echo\", \"\", {\"base64\": \"/w==\"}], \"environment\": [\"A=b c\"]}",
	      false, -1);
	assert_null(f->d.problems);
	assert_string_equal(f->d.d.argv[0], "echo");
	assert_string_equal(f->d.d.argv[1], "");
	assert_string_equal(f->d.d.argv[2], "\xff");
	assert_null(f->d.d.argv[3]);
	assert_string_equal(f->d.d.environ[0], "A=b c");
	assert_null(f->d.d.environ[1]);
}

static void without_arguments_there_is_no_list_of_them(void **state)
{
	struct fixture *f = *state;

	build(f, "{\"argv\": [], \"settings\": {\"command\": \"sleep 1\"}}", false, -1);
	assert_null(f->d.d.argv);
	assert_null(f->d.d.environ);
	assert_int_equal(f->d.d.n_settings, 1);
}

static void only_open_keys_are_for_everybody(void **state)
{
	struct fixture *f = *state;

	build(f,
	      "{\"argv\": [\"x\"], \"settings\": {\"stopsignal\": \"INT\", \"user\": \"root\","
	      " \"STDOUT_LOGFILE\": \"/etc/passwd\", \"entry\": \"a:b\", \"stop_command\": \"x\"}}",
	      false, -1);
	assert_int_equal(json_array_size(f->d.problems), 4);
	assert_string_equal(problem(f, 0), "user: needs the right 'admin'");
	assert_string_equal(problem(f, 1), "STDOUT_LOGFILE: needs the right 'admin'");
}

static void an_admin_may_set_every_key(void **state)
{
	struct fixture *f = *state;

	build(f,
	      "{\"argv\": [\"x\"], \"settings\": {\"user\": \"root\", \"directory\": \"/\"},"
	      " \"directory\": \"/usr\"}",
	      true, -1);
	assert_null(f->d.problems);
	assert_int_equal(f->d.d.n_settings, 2);
	assert_string_equal(f->d.d.directory, "/usr");
}

static void a_directory_of_others_comes_as_a_descriptor(void **state)
{
	struct fixture *f = *state;

	build(f, "{\"argv\": [\"x\"], \"directory\": \"/root\"}", false, -1);
	assert_string_equal(problem(f, 0), "directory: must be passed as a descriptor");
}

static void so_does_one_among_the_settings(void **state)
{
	struct fixture *f = *state;

	build(f, "{\"argv\": [\"x\"], \"settings\": {\"Directory\": \"/root\"}}", false, -1);
	assert_string_equal(problem(f, 0), "Directory: must be passed as a descriptor");
}

static void the_path_of_a_descriptor_is_kept_for_later_starts(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_return_code(fd, errno);
	build(f, "{\"argv\": [\"x\"]}", false, fd);
	assert_null(f->d.problems);
	assert_string_equal(f->d.d.directory, "/usr");
}

static void the_parent_is_taken_out_of_the_settings(void **state)
{
	struct fixture *f = *state;

	build(f, "{\"argv\": [\"x\"], \"settings\": {\"Parent\": \"web\", \"daemon\": \"no\"}}",
	      false, -1);
	assert_null(f->d.problems);
	assert_string_equal(f->d.parent, "web");
	assert_true(f->d.daemon_said);
	assert_int_equal(f->d.d.n_settings, 1);
	assert_string_equal(f->d.d.settings[0].key, "daemon");
}

static void a_parent_cannot_be_given_twice(void **state)
{
	struct fixture *f = *state;

	f->p.parent = "session";
	build(f, "{\"argv\": [\"x\"], \"settings\": {\"parent\": \"web\"}}", false, -1);
	assert_string_equal(problem(f, 0), "parent: was given twice");
}

static void a_setting_is_a_string(void **state)
{
	struct fixture *f = *state;

	build(f, "{\"argv\": [\"x\"], \"settings\": {\"startsecs\": 1}}", true, -1);
	assert_string_equal(problem(f, 0), "startsecs: must be a string");
}

static void descriptors_are_counted_by_what_is_announced(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(definition_fds(&f->p), 0);
	f->p.directory_descriptor = PARAM_TRUE;
	assert_int_equal(definition_fds(&f->p), 1);
	f->p.stdio = PARAM_TRUE;
	assert_int_equal(definition_fds(&f->p), 4);
	f->p.directory_descriptor = PARAM_FALSE;
	assert_int_equal(definition_fds(&f->p), 3);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(arguments_and_environment_are_bytes),
		test(without_arguments_there_is_no_list_of_them),
		test(only_open_keys_are_for_everybody),
		test(an_admin_may_set_every_key),
		test(a_directory_of_others_comes_as_a_descriptor),
		test(so_does_one_among_the_settings),
		test(the_path_of_a_descriptor_is_kept_for_later_starts),
		test(the_parent_is_taken_out_of_the_settings),
		test(a_parent_cannot_be_given_twice),
		test(a_setting_is_a_string),
		test(descriptors_are_counted_by_what_is_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
