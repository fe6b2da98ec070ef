/* What an update changes: the difference between two whole files. test_conf_define.c has the keys one
 * by one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "daemon/base/buf.h"
#include "daemon/base/mem.h"

static struct conf *parse(const char *text)
{
	const char *const env[] = { NULL };
	struct conf_sources *sources = NULL;
	struct conf_diag diag = { 0 };
	struct conf *c = NULL;

	assert_int_equal(conf_sources_of("foster.ini", text, strlen(text), &sources), 0);
	if (conf_parse(sources, env, &c, &diag) != 0)
		fail_msg("%s", conf_problem_text(&diag.problems[0]));
	conf_diag_done(&diag);
	conf_sources_free(sources);
	return c;
}

static void on_change(void *data, enum conf_change change, const struct conf_process *p)
{
	buf_addf(data, "%s %s, ", conf_change_name(change), p->full_name);
}

/* An update from one file to the other changes exactly what expected says, in that order. */
static void assert_diff(const char *before, const char *after, const char *expected)
{
	struct conf *from = parse(before), *to = parse(after);
	auto_buf struct buf seen = { 0 };

	buf_add_str(&seen, "");
	conf_diff(from, to, on_change, &seen);
	assert_int_equal(buf_error(&seen), 0);
	if (strcmp(seen.len ? seen.data : "", expected) != 0)
		fail_msg("is \"%s\", not \"%s\", from\n%s\nto\n%s", seen.len ? seen.data : "",
			 expected, before, after);
	conf_unref(from);
	conf_unref(to);
}

#define A "[program:a]\ncommand = a\n"
#define B "[program:b]\ncommand = b\n"
#define C "[program:c]\ncommand = c\n"

/* ---- added, removed, changed, unchanged ---------------------------------------------------- */

static void the_same_file_changes_nothing(void **unused)
{
	(void)unused;
	assert_diff("", "", "");
	assert_diff(A B, A B, "");
}

static void the_first_and_the_last_program_come_and_go(void **unused)
{
	(void)unused;
	assert_diff("", A B, "added a, added b, ");
	assert_diff(A B, "", "removed a, removed b, ");
}

static void removed_come_first_then_the_others_in_start_order(void **unused)
{
	(void)unused;
	assert_diff("[program:x]\ncommand = x\n" B C,
		    "[program:b]\ncommand = b 2\n[program:c]\ncommand = c\npriority = 1\n" A,
		    "removed x, changed c, added a, changed b, ");
}

static void comments_blanks_and_order_of_sections_are_nothing(void **unused)
{
	(void)unused;
	assert_diff(A B, "; why\n\n" B "\n\n[program:a]\n  ; more\ncommand=a ; here\n", "");
}

static void a_default_that_is_written_out_is_nothing(void **unused)
{
	(void)unused;
	assert_diff(A, A "autostart = true\nstopsignal = TERM\npriority = 999\nnumprocs = 1\n", "");
	assert_diff(A "stopsignal = 15\n", A "stopsignal = SIGTERM\n", "");
	assert_diff(A "stdout_logfile_maxbytes = 1MB\n", A "stdout_logfile_maxbytes = 1024KB\n",
		    "");
}

static void quotes_around_the_same_arguments_are_nothing(void **unused)
{
	(void)unused;
	assert_diff("[program:a]\ncommand = a 'b' c\n", "[program:a]\ncommand = a  b \"c\"\n", "");
	assert_diff("[program:a]\ncommand = a 'b c'\n", "[program:a]\ncommand = a b c\n",
		    "changed a, ");
	assert_diff("[program:a]\ncommand = a b\n", "[program:a]\ncommand = a b c\n",
		    "changed a, "); /* one is the beginning of the other, */
	assert_diff("[program:a]\ncommand = a b c\n", "[program:a]\ncommand = a b\n",
		    "changed a, "); /* and the other way round */
}

static void a_program_by_another_name_is_another(void **unused)
{
	(void)unused;
	assert_diff(A, "[program:b]\ncommand = a\n", "removed a, added b, ");
}

static void sizes_of_a_log_that_is_no_file_are_nothing(void **unused)
{
	(void)unused;
	assert_diff(A "stdout_logfile = NONE\n",
		    A "stdout_logfile = NONE\nstdout_logfile_maxbytes = 7\n", "");
	assert_diff(A "stdout_logfile = /x\n",
		    A "stdout_logfile = /x\nstdout_logfile_maxbytes = 7\n", "changed a, ");
}

/* Data of the callback: which configuration each change must lie in. */
struct owners {
	const struct conf *from, *to;
	unsigned n;
};

static void check_owner(void *data, enum conf_change change, const struct conf_process *p)
{
	struct owners *o = data;
	const struct conf *c = change == CONF_REMOVED ? o->from : o->to;

	assert_ptr_equal(conf_find_process(c, p->full_name), p);
	o->n++;
}

static void the_process_that_is_told_lies_in_the_right_configuration(void **unused)
{
	struct conf *from = parse(A B), *to = parse("[program:b]\ncommand = other\n" C);
	struct owners o = { .from = from, .to = to };

	(void)unused;
	conf_diff(from, to, check_owner, &o);
	assert_int_equal(o.n, 3);
	conf_unref(from);
	conf_unref(to);
}

/* ---- numprocs ------------------------------------------------------------------------------ */

#define MANY(n)                                                               \
	"[program:w]\ncommand = w\nprocess_name = w%(process_num)d\nnumprocs" \
	" = " n "\n"

static void more_processes_are_added_and_the_others_run_on(void **unused)
{
	(void)unused;
	assert_diff(MANY("2"), MANY("4"), "added w:w2, added w:w3, ");
}

static void fewer_processes_are_removed_and_the_others_run_on(void **unused)
{
	(void)unused;
	assert_diff(MANY("4"), MANY("2"), "removed w:w2, removed w:w3, ");
}

static void numprocs_start_moves_both_ends(void **unused)
{
	(void)unused;
	assert_diff(MANY("3"), MANY("3") "numprocs_start = 1\n", "removed w:w0, added w:w3, ");
}

static void a_number_behind_the_same_name_is_a_change(void **unused)
{
	(void)unused;
	assert_diff(A "numprocs_start = 1\n", A "numprocs_start = 2\n", "changed a, ");
}

/* ---- groups -------------------------------------------------------------------------------- */

static void a_program_that_joins_a_group_has_another_name(void **unused)
{
	(void)unused;
	assert_diff(A B, A B "[group:g]\nprograms = a\n", "removed a, added g:a, ");
	assert_diff(A B "[group:g]\nprograms = a,b\n", A B "[group:g]\nprograms = a\n",
		    "removed g:b, added b, ");
}

static void a_group_by_another_name_has_others(void **unused)
{
	(void)unused;
	assert_diff(A B "[group:g]\nprograms = a,b\n", A B "[group:h]\nprograms = a,b\n",
		    "removed g:a, removed g:b, added h:a, added h:b, ");
}

static void the_order_of_a_groups_programs_and_its_priority_restart_nothing(void **unused)
{
	(void)unused;
	assert_diff(A B "[group:g]\nprograms = a,b\n", A B "[group:g]\nprograms = b,a\n", "");
	assert_diff(A B "[group:g]\nprograms = a,b\n",
		    A B "[group:g]\nprograms = a,b\npriority = 5\n", "");
}

/* ---- environment --------------------------------------------------------------------------- */

static void a_variable_makes_a_difference_by_name_value_and_presence(void **unused)
{
	(void)unused;
	assert_diff(A "environment = X=1\n", A "environment = X=\"1\"\n", "");
	assert_diff(A "environment = X=1\n", A "environment = X=2\n", "changed a, ");
	assert_diff(A "environment = X=1\n", A "environment = Y=1\n", "changed a, ");
	assert_diff(A "environment = X=1\n", A, "changed a, ");
	assert_diff(A, A "environment = X=1\n", "changed a, ");
}

/* As in supervisord, where they are a dictionary. */
static void variables_in_another_order_are_the_same_environment(void **unused)
{
	(void)unused;
	assert_diff(A "environment = X=1,Y=2\n", A "environment = Y=2,X=1\n", "");
	assert_diff(A "environment = X=1,Y=2\n", A "environment = Y=1,X=2\n", "changed a, ");
}

/* ---- the main section ---------------------------------------------------------------------- */

static void what_fosterd_itself_goes_by_restarts_no_process(void **unused)
{
	(void)unused;
	assert_diff("[foster]\n" A B,
		    "[foster]\nloglevel = debug\nkeep_finished = 7\nwatchdog = 3\n"
		    "socket = /x.sock\nruntime_dir = /x\npidfile = /x.pid\nminfds = 9\n"
		    "session_grace = 4\non_exit = join\nexit_on = a\n" A B,
		    "");
}

static void what_programs_get_from_the_main_section_changes_them(void **unused)
{
	(void)unused;
	assert_diff("[foster]\n" A B, "[foster]\nenvironment = X=1\n" A B,
		    "changed a, changed b, ");
	assert_diff("[foster]\n" A B, "[foster]\nstart_method = spawn\n" A B,
		    "changed a, changed b, ");
}

static void another_childlogdir_changes_those_who_log_there(void **unused)
{
	static const char rest[] = A B "stdout_logfile = /x\nstderr_logfile = NONE\n";
	char before[512], after[512];

	(void)unused;
	snprintf(before, sizeof before, "[foster]\nchildlogdir = /tmp\n%s", rest);
	snprintf(after, sizeof after, "[foster]\nchildlogdir = /\n%s", rest);
	assert_diff(before, after, "changed a, ");
	assert_diff(rest, after, "changed a, ");
}

static void what_a_program_has_of_its_own_hides_the_main_section(void **unused)
{
	(void)unused;
	assert_diff("[foster]\nenvironment = X=1\n" A B "environment = X=own\n",
		    "[foster]\nenvironment = X=2\n" A B "environment = X=own\n", "changed a, ");
	assert_diff("[foster]\nstart_method = fork\n" A B "start_method = fork\n",
		    "[foster]\nstart_method = spawn\n" A B "start_method = fork\n", "changed a, ");
}

static void another_dialect_brings_other_defaults(void **unused)
{
	(void)unused;
	assert_diff("[foster]\n" A, "[supervisord]\n" A, "changed a, ");
}

static void sections_that_define_no_process_change_none(void **unused)
{
	(void)unused;
	assert_diff(A, A "[access:ops]\nusers = root\nallow = admin\n", "");
	assert_diff(A, A "[forkserver:py]\ntype = python\n", "");
	assert_diff("[forkserver:py]\ntype = python\n" A "start_method = forkserver:py\n",
		    "[forkserver:py]\ntype = python\npreload = json\n" A
		    "start_method = forkserver:py\n",
		    ""); /* the forkserver is replaced, what it has made runs on */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_file_changes_nothing),
		cmocka_unit_test(the_first_and_the_last_program_come_and_go),
		cmocka_unit_test(removed_come_first_then_the_others_in_start_order),
		cmocka_unit_test(the_process_that_is_told_lies_in_the_right_configuration),
		cmocka_unit_test(comments_blanks_and_order_of_sections_are_nothing),
		cmocka_unit_test(a_default_that_is_written_out_is_nothing),
		cmocka_unit_test(quotes_around_the_same_arguments_are_nothing),
		cmocka_unit_test(a_program_by_another_name_is_another),
		cmocka_unit_test(sizes_of_a_log_that_is_no_file_are_nothing),
		cmocka_unit_test(more_processes_are_added_and_the_others_run_on),
		cmocka_unit_test(fewer_processes_are_removed_and_the_others_run_on),
		cmocka_unit_test(numprocs_start_moves_both_ends),
		cmocka_unit_test(a_number_behind_the_same_name_is_a_change),
		cmocka_unit_test(a_program_that_joins_a_group_has_another_name),
		cmocka_unit_test(a_group_by_another_name_has_others),
		cmocka_unit_test(the_order_of_a_groups_programs_and_its_priority_restart_nothing),
		cmocka_unit_test(a_variable_makes_a_difference_by_name_value_and_presence),
		cmocka_unit_test(variables_in_another_order_are_the_same_environment),
		cmocka_unit_test(what_fosterd_itself_goes_by_restarts_no_process),
		cmocka_unit_test(what_programs_get_from_the_main_section_changes_them),
		cmocka_unit_test(another_childlogdir_changes_those_who_log_there),
		cmocka_unit_test(what_a_program_has_of_its_own_hides_the_main_section),
		cmocka_unit_test(another_dialect_brings_other_defaults),
		cmocka_unit_test(sections_that_define_no_process_change_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
