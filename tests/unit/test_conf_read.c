/* Files: includes, what is refused, and sources that outlive a supervisor. */
#include <errno.h>
#include <fcntl.h>
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

#include "conf/conf.h"
#include "daemon/base/buf.h"
#include "daemon/base/mem.h"

static const char *const env[] = { "DIR=conf.d", NULL };

/* A directory of its own, which is the current one during a test. */
static int enter(void **state)
{
	char *dir = strdup("/tmp/foster-conf-XXXXXX");

	umask(022);
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return -1;
	*state = dir;
	return mkdir("conf.d", 0755);
}

static int leave(void **state)
{
	auto_free char *command = NULL;

	if (chdir("/") < 0 || asprintf(&command, "rm -rf %s", (char *)*state) < 0)
		return -1;
	free(*state);
	return system(command);
}

static void put(const char *path, const char *text)
{
	auto_file FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) < 0, 0);
}

static char *text_of(struct conf_diag *diag)
{
	struct buf all = { 0 };

	for (size_t i = 0; i < diag->n_problems; i++) {
		auto_free char *one = conf_problem_text(&diag->problems[i]);

		buf_addf(&all, "%s%s\n", diag->problems[i].fatal ? "" : "(warning) ", one);
	}
	conf_diag_done(diag);
	return buf_take_str(&all);
}

/* Read foster.ini, which must give wanted_err and exactly these problems. */
static struct conf_sources *read_main(int wanted_err, const char *wanted)
{
	struct conf_diag diag = { 0 };
	struct conf_sources *s = NULL;
	int err = conf_read("foster.ini", env, &s, &diag);
	auto_free char *seen = text_of(&diag);

	assert_string_equal(seen, wanted);
	assert_int_equal(err, wanted_err);
	return s;
}

static struct conf *parse(struct conf_sources *s)
{
	struct conf_diag diag = { 0 };
	struct conf *c = NULL;

	if (conf_parse(s, env, &c, &diag) != 0)
		fail_msg("%s", text_of(&diag));
	conf_diag_done(&diag);
	return c;
}

static void included_files_are_read_in_order_and_later_ones_win(void **unused)
{
	struct conf_sources *s;
	struct conf *c;

	(void)unused;
	put("foster.ini", "[include]\nfiles = %(ENV_DIR)s/*.ini\n  %(here)s/conf.d/z.conf\n"
			  "[program:a]\ncommand=a\npriority=1\n");
	put("conf.d/2.ini", "[program:a]\npriority=3\n");
	put("conf.d/1.ini", "[program:a]\npriority=2\n[program:b]\ncommand=b\n");
	put("conf.d/z.conf", "[program:c]\ncommand=c %(here)s\n");
	put("conf.d/.hidden.ini", "[broken\n");
	s = read_main(0, "");
	c = parse(s);
	assert_int_equal(c->n_processes, 3);
	assert_int_equal(conf_find_process(c, "a")->program->priority, 3);
	assert_string_equal(conf_find_process(c, "a")->program->file, "foster.ini");
	assert_string_equal(conf_find_process(c, "b")->program->file, "conf.d/1.ini");
	assert_non_null(strstr(conf_find_process(c, "c")->argv[1], "/conf.d"));
	conf_unref(c);
	conf_sources_free(s);
}

static void problems_name_the_file_that_they_are_in(void **unused)
{
	struct conf_diag diag = { 0 };
	struct conf *c = NULL;
	struct conf_sources *s;

	(void)unused;
	put("foster.ini", "[include]\nfiles=conf.d/*\n[foster]\nx=1\n");
	put("conf.d/a.ini", "\n\n[program:a]\ncommand=a\npriority=p\n[include]\nfiles=b\n");
	s = read_main(0, "");
	assert_int_equal(conf_parse(s, env, &c, &diag), -EINVAL);
	auto_free char *seen = text_of(&diag);

	assert_string_equal(seen,
			    "foster.ini:4: [foster] x: unknown key\n"
			    "conf.d/a.ini:5: [program:a] priority: 'p' is not valid (expected "
			    "a whole number)\n");
	conf_sources_free(s);
}

static void a_pattern_that_matches_nothing_is_a_warning(void **unused)
{
	(void)unused;
	put("foster.ini", "[include]\nfiles=none/*.ini\n");
	conf_sources_free(read_main(0, "(warning) foster.ini:2: [include] files: nothing matches "
				       "'none/*.ini'\n"));
}

static void an_include_that_cannot_be_followed_is_an_error(void **unused)
{
	(void)unused;
	put("foster.ini", "[include]\n");
	read_main(-EINVAL, "foster.ini:1: [include] files= is missing\n");
	put("foster.ini", "[include]\nfiles=%(ENV_NOPE)s\n");
	read_main(-EINVAL, "foster.ini:2: [include] files: %(ENV_NOPE)s: the environment has no "
			   "NOPE\n");
	put("foster.ini", "[include]\nfiles=conf.d\n");
	read_main(-EINVAL, "conf.d: is a directory\n");
}

static void what_is_no_readable_file_is_refused(void **unused)
{
	struct conf_diag diag = { 0 };
	struct conf_sources *s = NULL;

	(void)unused;
	read_main(-EINVAL, "foster.ini: No such file or directory\n");
	assert_int_equal(mkfifo("foster.ini", 0600), 0);
	read_main(-EINVAL, "foster.ini: not a regular file\n"); /* and does not hang */
	assert_int_equal(conf_read("/dev/zero", env, &s, &diag), -EINVAL);
	conf_diag_done(&diag);
}

static void root_reads_only_what_root_alone_can_write(void **unused)
{
	(void)unused;
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	put("foster.ini", "[include]\nfiles=conf.d/*\n");
	put("conf.d/a.ini", "");
	assert_int_equal(chmod("conf.d/a.ini", 0664), 0);
	read_main(-EINVAL,
		  "conf.d/a.ini: refused: others than root can write to it (chmod go-w)\n");
	assert_int_equal(chmod("conf.d/a.ini", 0644), 0);
	assert_int_equal(chown("conf.d/a.ini", 12345, 0), 0);
	read_main(-EINVAL, "conf.d/a.ini: refused: it does not belong to root, who would run what "
			   "it says\n");
	assert_int_equal(chmod("foster.ini", 0646), 0);
	read_main(-EINVAL, "foster.ini: refused: others than root can write to it (chmod go-w)\n");
}

static void root_reads_nothing_that_others_could_replace(void **unused)
{
	auto_free char *here = getcwd(NULL, 0), *wanted = NULL;

	(void)unused;
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	put("foster.ini", "[include]\nfiles=conf.d/*\n");
	put("conf.d/a.ini", "");
	assert_int_equal(chmod("conf.d", 0775), 0);
	assert_return_code(asprintf(&wanted,
				    "conf.d/a.ini: refused: others than root can replace it in "
				    "%s/conf.d (chmod go-w)\n",
				    here),
			   errno);
	read_main(-EINVAL, wanted);
	assert_int_equal(chmod("conf.d", 01777), 0); /* as /tmp: to add is not to replace */
	conf_sources_free(read_main(0, ""));
	assert_int_equal(chown("conf.d", 12345, 0), 0);
	free(wanted);
	assert_return_code(asprintf(&wanted,
				    "conf.d/a.ini: refused: %s/conf.d does not belong to root, who "
				    "would run what is put there\n",
				    here),
			   errno);
	read_main(-EINVAL, wanted);
	assert_int_equal(chown("conf.d", 0, 0), 0);
	assert_int_equal(chmod("conf.d", 0755), 0);
	conf_sources_free(read_main(0, ""));
}

/* A link in a place of root's is as good as the file that it leads to, and no better. */
static void where_a_link_leads_is_judged_like_where_it_lies(void **unused)
{
	auto_free char *here = getcwd(NULL, 0), *wanted = NULL;

	(void)unused;
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	put("conf.d/real.ini", "");
	assert_int_equal(symlink("conf.d/real.ini", "foster.ini"), 0);
	conf_sources_free(read_main(0, ""));
	assert_int_equal(chmod("conf.d", 0757), 0);
	assert_return_code(asprintf(&wanted,
				    "foster.ini: refused: others than root can replace it in "
				    "%s/conf.d (chmod go-w)\n",
				    here),
			   errno);
	read_main(-EINVAL, wanted);
}

static void saved_sources_come_back_whole(void **unused)
{
	struct conf_sources *s, *again = NULL;
	struct conf *c;
	int fd = open("saved", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)unused;
	put("foster.ini", "[include]\nfiles=conf.d/*\n");
	put("conf.d/a.ini", "[program:a]\ncommand=a %(here)s\n");
	s = read_main(0, "");
	assert_int_equal(write(fd, "before", 6), 6);
	assert_int_equal(conf_sources_save(s, fd), 0);
	conf_sources_free(s);
	assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(conf_sources_load(fd, &again), 0);
	c = parse(again);
	assert_string_equal(conf_find_process(c, "a")->program->file, "conf.d/a.ini");
	assert_non_null(strstr(conf_find_process(c, "a")->argv[1], "foster-conf-"));
	conf_unref(c);
	conf_sources_free(again);
	close(fd);
}

static void what_was_good_once_stays_good(void **unused)
{
	struct conf_sources *s, *again = NULL;
	struct conf *c;
	int fd = open("saved", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)unused;
	put("foster.ini",
	    "[program:a]\ncommand=a\nstdout_logfile=conf.d/a.log\nuser=gone-tomorrow\n");
	assert_int_equal(conf_sources_of("foster.ini",
					 "[program:a]\ncommand=a\nuser=gone-tomorrow\n"
					 "stdout_logfile=conf.d/a.log\n",
					 66, &s),
			 0);
	assert_int_equal(conf_sources_save(s, fd), 0);
	conf_sources_free(s);
	assert_int_equal(rmdir("conf.d"), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(conf_sources_load(fd, &again), 0);
	c = parse(again);
	assert_string_equal(conf_find_process(c, "a")->program->user, "gone-tomorrow");
	assert_int_not_equal(conf_find_process(c, "a")->program->uid, (uid_t)-1); /* not ours */
	assert_int_not_equal(conf_find_process(c, "a")->program->uid, 0);
	conf_unref(c);
	conf_sources_free(again);
	close(fd);
}

static void sources_that_were_not_saved_whole_are_refused(void **unused)
{
	struct conf_sources *s = NULL;
	int fd = open("saved", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	off_t size;
	char byte;

	(void)unused;
	assert_int_equal(conf_sources_of("x.ini", "[foster]\n", 9, &s), 0);
	assert_int_equal(conf_sources_save(s, fd), 0);
	conf_sources_free(s);
	size = lseek(fd, 0, SEEK_END);
	for (off_t i = 0; i < size; i++) { /* each single byte counts */
		assert_int_equal(pread(fd, &byte, 1, i), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, i), 1);
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(conf_sources_load(fd, &s), -EBADMSG);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, i), 1);
	}
	for (off_t i = size - 1; i >= 0; i--) {
		assert_int_equal(ftruncate(fd, i), 0);
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(conf_sources_load(fd, &s), -EBADMSG);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(included_files_are_read_in_order_and_later_ones_win,
						enter, leave),
		cmocka_unit_test_setup_teardown(problems_name_the_file_that_they_are_in, enter,
						leave),
		cmocka_unit_test_setup_teardown(a_pattern_that_matches_nothing_is_a_warning, enter,
						leave),
		cmocka_unit_test_setup_teardown(an_include_that_cannot_be_followed_is_an_error,
						enter, leave),
		cmocka_unit_test_setup_teardown(what_is_no_readable_file_is_refused, enter, leave),
		cmocka_unit_test_setup_teardown(root_reads_only_what_root_alone_can_write, enter,
						leave),
		cmocka_unit_test_setup_teardown(root_reads_nothing_that_others_could_replace, enter,
						leave),
		cmocka_unit_test_setup_teardown(where_a_link_leads_is_judged_like_where_it_lies,
						enter, leave),
		cmocka_unit_test_setup_teardown(saved_sources_come_back_whole, enter, leave),
		cmocka_unit_test_setup_teardown(what_was_good_once_stays_good, enter, leave),
		cmocka_unit_test_setup_teardown(sources_that_were_not_saved_whole_are_refused,
						enter, leave),
	};

	return cmocka_run_group_tests_name("conf_read", tests, NULL, NULL);
}
