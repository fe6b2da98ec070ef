/* e2e_security.c - from the right `run` to root: each way that we could think of, tried by a real other
 * user, and closed (DESIGN section 6) */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/mem.h"
#include "tests/e2e/hangfs.h"
#include "tests/e2e/other.h"

#define HOLD "command = @child@ hold\nstartsecs = 0\n"
#define OPEN "[foster]\nsocket_mode = 0666\n"
#define MAY_RUN OPEN "[access:run]\nusers = nobody,daemon\nallow = read,run\n"

/* ---- helpers ------------------------------------------------------------------------------- */

/* A Define of nobody's: parameters of his own, to which an id is added. */
static json_t *define(struct fixture *f, json_t *parameters, const int *fds, size_t n_fds)
{
	static int id;

	assert_non_null(parameters);
	json_object_set_new(parameters, "id", json_string(fixture_format(f, "id-%d", ++id)));
	return other_call(f, OTHER_NOBODY, "Define", parameters, fds, n_fds);
}

static void expect_error(struct fixture *f, const json_t *reply, const char *error,
			 const char *words)
{
	auto_free char *text = json_dumps(reply, JSON_COMPACT);
	const char *is = varlink_error(reply);

	if (!is || strcmp(is, error) != 0)
		fixture_fail(f, "not %s but %s", error, text);
	assert_contains(text, words);
}

static void expect_refused(struct result r, const char *words)
{
	assert_int_not_equal(r.status, 0);
	assert_contains(r.err, words);
}

/* All that a finished process of nobody's has printed. */
static const char *output_of(struct fixture *f, const char *name)
{
	fixture_until(f, name, "EXITED");
	fixture_new_logger(f, 0);
	struct result r = other_ctl(f, OTHER_NOBODY, "tail", "-n", "1000", name);

	assert_int_equal(r.status, 0);
	return r.out;
}

static void make_victim(struct fixture *f)
{
	fixture_write_file(f, "victim", "intact");
	assert_return_code(chmod(fixture_path(f, "victim"), 0600), errno);
}

/* A directory of nobody's in the test's. */
static void make_theirs(struct fixture *f)
{
	assert_return_code(mkdir(fixture_path(f, "theirs"), 0755), errno);
	assert_return_code(chown(fixture_path(f, "theirs"), OTHER_NOBODY, OTHER_NOBODY), errno);
}

static void plant_link(struct fixture *f, const char *to, const char *name)
{
	other_begin(OTHER_NOBODY);
	int r = symlink(fixture_path(f, "%s", to), fixture_path(f, "%s", name));
	other_end();
	assert_return_code(r, errno);
}

/* ---- keys and names ------------------------------------------------------------------------ */

static bool is_open(const char *key)
{
	static const char *const open[] = {
		"command",    "args",		"environment",	 "directory",	"umask",
		"daemon",     "parent",		"start_method",	 "autorestart", "exitcodes",
		"startsecs",  "startretries",	"restart_delay", "give_up",	"restart_delay_max",
		"stopsignal", "restart_jitter", "stopwaitsecs",	 "stopasgroup", "killasgroup",
	};

	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		if (strcmp(open[i], key) == 0)
			return true;
	return false;
}

/* The keys are those that fosterd says it has: a new one is tried, too. */
static void every_key_that_is_not_open_needs_admin(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	other_publish(f);
	fixture_up(f, MAY_RUN);
	auto_free char *keys = strdup(fixture_program(f, "fosterd", "--help-config").out);
	for (char *rest = keys, *line; (line = strsep(&rest, "\n"));) {
		static const char section[] = "[program:NAME]\t";

		if (strncmp(line, section, sizeof section - 1) != 0)
			continue;
		char *key = line + sizeof section - 1;
		key[strcspn(key, "\t")] = '\0';
		if (is_open(key))
			continue;
		expect_error(f,
			     define(f,
				    json_pack("{s:s,s:[s],s:{s:s}}", "name", "x", "argv", "true",
					      "settings", key, "1"),
				    NULL, 0),
			     "BadDefinition",
			     fixture_format(f, "%s: needs the right 'admin'", key));
		n++;
	}
	assert_true(n > 25);
	fixture_ctl_is(f, 4, "", NULL, "status", "x");
	fixture_down(f);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = {
		"../../victim", "a/b",	    "/etc/x",	  "..",	  "pack:two",	      "a b",
		"a\nb",		"",	    "-x",	  "all",  "logger",	      "web",
		"pack",		"pack:one", "supervisor", "\x7f", "web-stdout.log/x",
	};
	struct fixture *f = *state;
	auto_free char *longest = calloc(1, 257);

	other_publish(f);
	fixture_up(f, MAY_RUN "[program:web]\n" HOLD "[program:one]\n" HOLD
			      "[group:pack]\nprograms = one\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!varlink_error(
			    define(f, json_pack("{s:s,s:[s]}", "name", names[i], "argv", "true"),
				   NULL, 0)))
			fixture_fail(f, "'%s' was accepted", names[i]);
	memset(longest, 'n', 256);
	assert_non_null(varlink_error(
		define(f, json_pack("{s:s,s:[s]}", "name", longest, "argv", "true"), NULL, 0)));
	longest[240] = '\0';
	expect_error(f,
		     define(f, json_pack("{s:s,s:[s]}", "name", longest, "argv", "true"), NULL, 0),
		     "BadDefinition", "name: is too long for its log file's");
	longest[239] = '\0';
	assert_null(varlink_error(define(
		f, json_pack("{s:s,s:[s,s]}", "name", longest, "argv", "echo", "said"), NULL, 0)));
	assert_string_equal(output_of(f, longest), "said\n");
	fixture_settle(f, "web", "RUNNING");
	fixture_down(f);
}

/* Definitions are files that are written beside the old one: under a name that none can have. */
static void no_definition_is_in_the_way_of_another(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, MAY_RUN);
	static const struct {
		const char *name;
		uid_t uid;
	} jobs[] = {
		{ "job:new", OTHER_NOBODY }, { "job.new", OTHER_NOBODY }, { "job~", OTHER_NOBODY },
		{ "job.tmp", OTHER_NOBODY }, { ".job", OTHER_NOBODY },	  { "job", OTHER_DAEMON },
	};
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		struct result r = other_ctl(f, jobs[i].uid, "start", jobs[i].name, "--",
					    fixture_path(f, "child"), "hold");

		assert_int_equal(r.status, 0);
	}
	fixture_replace_supervisor(f);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) /* it is known whose each is, and what */
		assert_int_equal(other_ctl(f, jobs[i].uid, "restart", jobs[i].name).status, 0);
	fixture_down(f);
}

/* Whether a Define of nobody's with an environment of 3 MiB finds room. Whether that can be executed depends
 * on the limit of the stack. */
static bool has_room_for_large(struct fixture *f, const char *name)
{
	json_t *environment = json_array();
	auto_free char *text = calloc(1, (64 << 10) + 1);

	assert_non_null(text);
	memset(text, 'x', 64 << 10);
	text[1] = '=';
	for (int i = 0; i < 48; i++)
		json_array_append_new(environment, json_string(text));
	json_t *reply = define(f,
			       json_pack("{s:s,s:[s],s:o}", "name", name, "argv", "true",
					 "environment", environment),
			       NULL, 0);
	const char *error = varlink_error(reply);
	if (!error || strcmp(error, "CannotStart") == 0)
		return true;
	expect_error(f, reply, "LimitReached", "too many bytes in the definitions of one user");
	return false;
}

/* Definitions lie in fosterd's memory, and in a directory that usually is memory, too. */
static void what_one_user_defines_has_an_end(void **state)
{
	struct fixture *f = *state;
	int n = 0;

	other_publish(f);
	fixture_up(f, MAY_RUN);
	while (n < 40 && has_room_for_large(f, fixture_format(f, "job-%d", n)))
		n++;
	assert_in_range(n, 20, 25);
	fixture_ctl_is(f, 0, NULL, "", "start", "mine", "--", "true");
	fixture_replace_supervisor(f);
	assert_false(has_room_for_large(f, "another"));
	assert_true(has_room_for_large(f, "job-0")); /* in its own place */
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "forget", "job-0").status, 0);
	assert_true(has_room_for_large(f, "another"));
	fixture_down(f);
}

/* A handler may keep what it was sent as long as its call: calls that wait are many, and without end. */
static void what_waiting_calls_keep_has_an_end(void **state)
{
	struct fixture *f = *state;
	struct varlink calls[40];
	json_t *names = json_array();
	char name[201] = "";
	int n = 0, r = 0;

	memset(name, 'n', sizeof name - 1);
	for (int i = 0; i < 17000; i++)
		json_array_append_new(names, json_string(name));
	other_publish(f);
	fixture_up(f, MAY_RUN);
	fixture_check(
		f,
		other_ctl(f, OTHER_NOBODY, "start", name, "--", fixture_path(f, "child"), "hold"),
		0, NULL, "");
	for (; n < 40 && r == 0; n++) {
		calls[n].fd = -1;
		other_begin(OTHER_NOBODY);
		r = varlink_open(&calls[n], f->socket);
		other_end();
		assert_int_equal(r, 0);
		r = varlink_send(&calls[n], "Wait", json_pack("{s:O}", "names", names), false, NULL,
				 0);
		fixture_call(f, "Ping", NULL); /* it has been read */
	}
	assert_int_equal(r, -EPIPE);
	assert_in_range(n, 16, 22); /* of 3.5 MiB each */
	while (n)
		varlink_close(&calls[--n]);
	json_decref(names);
	fixture_down(f);
}

/* What happens is compared with all that is watched. */
static void what_one_user_watches_has_an_end(void **state)
{
	struct fixture *f = *state;
	struct varlink first = { .fd = -1 }, second = { .fd = -1 };
	json_t *reply = NULL;
	char name[501] = "";

	memset(name, '?', sizeof name - 1);
	json_t *names = json_array();
	for (int i = 0; i < 10; i++)
		json_array_append_new(names, json_string(name));
	other_publish(f);
	fixture_up(f, MAY_RUN);
	other_begin(OTHER_NOBODY);
	assert_int_equal(varlink_open(&first, f->socket), 0);
	assert_int_equal(varlink_open(&second, f->socket), 0);
	other_end();
	assert_int_equal(
		varlink_send(&first, "Events", json_pack("{s:O}", "names", names), true, NULL, 0),
		0);
	assert_int_equal(varlink_receive(&first, FIXTURE_DEADLINE_MS, &reply), 0);
	assert_null(varlink_error(reply));
	json_decref(reply);
	assert_int_equal(
		varlink_send(&second, "Events", json_pack("{s:O}", "names", names), true, NULL, 0),
		0);
	assert_int_equal(varlink_receive(&second, FIXTURE_DEADLINE_MS, &reply), 0);
	expect_error(f, reply, "LimitReached", "too many names to watch");
	json_decref(reply);
	varlink_close(&first);
	varlink_close(&second);
	json_decref(names);
	fixture_down(f);
}

/* ---- the runtime directory ----------------------------------------------------------------- */

static bool is_refused(int result)
{
	return result == -1 && errno == EACCES;
}

/* Whether nothing can be made there: no link of either kind, no file, nothing moved. */
static bool is_closed(struct fixture *f, const char *directory)
{
	const char *name = fixture_path(f, "%s/planted", directory);

	return is_refused(symlink(fixture_path(f, "victim"), name)) &&
	       is_refused(link(fixture_path(f, "theirs/own"), name)) &&
	       is_refused(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) &&
	       is_refused(rename(fixture_path(f, "theirs/own"), name));
}

static void nothing_can_be_planted_in_or_read_from_the_runtime_directory(void **state)
{
	static const char *const directories[] = { "run", "run/log", "run/spool", "run/fifo" };
	static const char *const files[] = { "config", "table", "lock", "spool/mine",
					     "log/mine-stdout.log" };
	struct fixture *f = *state;

	other_publish(f);
	make_victim(f);
	make_theirs(f);
	fixture_up(f, MAY_RUN);
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "start", "mine", "--", fixture_path(f, "child"),
				   "print", "words", "hold")
				 .status,
			 0);
	fixture_new_logger(f, 0);
	assert_int_equal(other_ctl(f, OTHER_NOBODY, "tail", "mine").status, 0);
	fixture_write_file(f, "theirs/own", "mine");
	assert_return_code(chown(fixture_path(f, "theirs/own"), OTHER_NOBODY, 0), errno);
	bool closed = true;
	other_begin(OTHER_NOBODY);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		closed = closed && is_closed(f, directories[i]);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		closed = closed && is_refused(open(fixture_path(f, "run/%s", files[i]),
						   O_RDONLY | O_CLOEXEC));
	other_end();
	assert_true(closed);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) { /* were it not for the directories */
		struct stat st;

		assert_return_code(stat(fixture_path(f, "run/%s", files[i]), &st), errno);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(st.st_uid, 0);
	}
	fixture_down(f);
}

/* ---- logs in a directory of the program's user --------------------------------------------- */

static void a_log_that_became_a_link_is_neither_written_nor_read(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	make_victim(f);
	make_theirs(f);
	plant_link(f, "victim", "theirs/out.log");
	fixture_up(f, OPEN "[access:look]\nusers = nobody\nallow = read\n"
			   "[program:web]\nuser = nobody\nstartsecs = 0\nlog_full = drop\n"
			   "stdout_logfile = @dir@/theirs/out.log\n"
			   "command = @dir@/child print planted hold\n");
	fixture_settle(f, "web", "RUNNING");
	expect_refused(other_ctl(f, OTHER_NOBODY, "tail", "web"),
		       "a symbolic link on the way belongs to another user");
	/* a directory of the way is no better */
	assert_return_code(unlink(fixture_path(f, "theirs/out.log")), errno);
	assert_return_code(rename(fixture_path(f, "theirs"), fixture_path(f, "away")), errno);
	assert_return_code(symlink("etc", fixture_path(f, "theirs")), errno);
	assert_return_code(lchown(fixture_path(f, "theirs"), OTHER_NOBODY, 0), errno);
	assert_return_code(mkdir(fixture_path(f, "etc"), 0755), errno);
	fixture_ctl_is(f, 0, NULL, NULL, "restart", "web");
	expect_refused(other_ctl(f, OTHER_NOBODY, "tail", "web"), "belongs to another user");
	fixture_down(f); /* now the logger has tried */
	assert_contains(fixture_file(f, "log"), "theirs/out.log: a symbolic link on the way "
						"belongs to another user");
	assert_string_equal(fixture_file(f, "victim"), "intact");
	assert_int_equal(access(fixture_path(f, "etc/out.log"), F_OK), -1);
}

static void a_rotation_moves_links_and_follows_none(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	other_publish(f);
	make_victim(f);
	make_theirs(f);
	plant_link(f, "victim", "theirs/out.log.1");
	plant_link(f, "victim", "theirs/out.log.2");
	fixture_up(f, "[program:web]\nuser = nobody\nstartsecs = 0\nautorestart = false\n"
		      "stdout_logfile = @dir@/theirs/out.log\nstdout_logfile_maxbytes = 1024\n"
		      "stdout_logfile_backups = 2\ncommand = @dir@/child lines 64\n");
	fixture_settle(f, "web", "EXITED");
	fixture_down(f); /* now all of it is written */
	assert_string_equal(fixture_file(f, "victim"), "intact");
	assert_return_code(lstat(fixture_path(f, "theirs/out.log.2"), &st), errno);
	assert_true(S_ISREG(st.st_mode));
}

/* ---- environment, directory, set-id -------------------------------------------------------- */

static void no_environment_makes_root_of_him(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	assert_return_code(setenv("SECRET_OF_FOSTERD", "hush", 1), errno);
	fixture_up(f, MAY_RUN);
	unsetenv("SECRET_OF_FOSTERD");
	struct result r = other_ctl(f, OTHER_NOBODY, "start", "x", "-e", "LD_PRELOAD=/no/such.so",
				    "-e", "PATH=/no/such", "-e", "FOSTER_INSTANCE=0", "-e",
				    "FOSTER_NAME=web", "-e", "NOTIFY_SOCKET=/run/systemd/notify",
				    "--", fixture_path(f, "child"), "ids", "environ", "cwd");
	assert_int_equal(r.status, 0);
	const char *out = output_of(f, "x");
	assert_contains(out, "65534 65534 65534 65534\n");
	assert_contains(out, "PATH=/no/such\n");
	assert_contains(out, "FOSTER_NAME=x\n");
	assert_lacks(out, "FOSTER_INSTANCE=0\n");
	assert_lacks(out, "hush");
	assert_contains(out, "\n/\n"); /* not fosterd's directory */
	fixture_down(f);
}

static void what_is_named_is_looked_up_in_his_path_with_his_rights(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	assert_return_code(mkdir(fixture_path(f, "private"), 0700), errno);
	assert_return_code(link(fixture_path(f, "child"), fixture_path(f, "private/tool")), errno);
	fixture_up(f, MAY_RUN);
	expect_refused(other_ctl(f, OTHER_NOBODY, "start", "x", "-e",
				 fixture_format(f, "PATH=%s/private", f->dir), "--", "tool"),
		       "Permission denied");
	expect_refused(
		other_ctl(f, OTHER_NOBODY, "start", "x", "--", fixture_path(f, "private/no-tool")),
		"Permission denied"); /* and not whether it is there */
	fixture_down(f);
}

static json_t *define_in(struct fixture *f, int directory)
{
	return define(f,
		      json_pack("{s:s,s:[s],s:b}", "name", "x", "argv", fixture_path(f, "child"),
				"directory_descriptor", 1),
		      &directory, 1);
}

static void a_directory_is_a_descriptor_of_one_that_he_may_enter(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	assert_return_code(mkdir(fixture_path(f, "private"), 0700), errno);
	fixture_up(f, MAY_RUN);
	expect_error(f,
		     define(f,
			    json_pack("{s:s,s:[s],s:s}", "name", "x", "argv", "true", "directory",
				      "/root"),
			    NULL, 0),
		     "BadDefinition", "must be passed as a descriptor");
	expect_error(f,
		     define(f,
			    json_pack("{s:s,s:[s],s:{s:s}}", "name", "x", "argv", "true",
				      "settings", "Directory", "/root"),
			    NULL, 0),
		     "BadDefinition", "must be passed as a descriptor");
	/* O_PATH asks for no right but that to reach it */
	other_begin(OTHER_NOBODY);
	int private = open(fixture_path(f, "private"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	other_end();
	expect_error(f, define_in(f, private), "CannotStart", "Permission denied");
	int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	expect_error(f, define_in(f, file), "CannotStart", "Not a directory");
	int good = open("/usr", O_PATH | O_CLOEXEC);
	assert_null(varlink_error(define_in(f, good)));
	close(private);
	close(file);
	close(good);
	fixture_down(f);
}

static void set_id_programs_lose_their_power(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	assert_return_code(chmod(fixture_path(f, "child"), 06755), errno);
	/* that they have it here */
	struct result r = other_run(f, OTHER_NOBODY, fixture_path(f, "child"), "ids");
	if (strcmp(r.out, "65534 0 65534 0\n") != 0)
		fixture_skip("set-id programs have no effect here");
	fixture_up(f, MAY_RUN);
	r = other_ctl(f, OTHER_NOBODY, "run", "--", fixture_path(f, "child"), "ids");
	fixture_check(f, r, 0, "65534 65534 65534 65534\n", "");
	fixture_down(f);
}

/* ---- forkservers --------------------------------------------------------------------------- */

static void only_a_forkserver_of_his_own_makes_his_children(void **state)
{
	static const char *const others[] = { "forkserver", "forkserver:roots",
					      "forkserver:daemons" };
	static const char *const own[] = { "forkserver:c", "forkserver:py" };
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, MAY_RUN "[forkserver:roots]\n[forkserver:daemons]\nuser = daemon\n"
			      "[forkserver:c]\nuser = nobody\n"
			      "[forkserver:py]\ntype = python\nuser = nobody\n");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		expect_refused(other_ctl(f, OTHER_NOBODY, "start", "x", "--start-method", others[i],
					 "--", fixture_path(f, "child"), "ids"),
			       "start_method: the forkserver must be one of your own user");
	expect_refused(other_ctl(f, OTHER_NOBODY, "start", "x", "--start-method", "forkserver:c",
				 "--set", "entry=os:abort", "--", "x"),
		       "entry: needs the right 'admin'");
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		struct result r = other_ctl(f, OTHER_NOBODY, "run", "--start-method", own[i], "--",
					    "sh", "-c", "id -u; grep NoNewPrivs /proc/self/status");

		fixture_check(f, r, 0, "65534\nNoNewPrivs:\t1\n", "");
	}
	fixture_down(f);
}

/* ---- descriptors --------------------------------------------------------------------------- */

/* Who may write to a terminal may not read from it; whose controlling terminal it is may, by /dev/tty. */
static void a_terminal_that_he_may_only_write_to_does_not_become_his(void **state)
{
	struct fixture *f = *state;
	int master, slave;

	other_publish(f);
	assert_return_code(openpty(&master, &slave, NULL, NULL, NULL), errno);
	assert_return_code(fchmod(slave, 0622), errno);
	const char *name = fixture_format(f, "%s", ptsname(master));
	fixture_up(f, MAY_RUN);
	other_begin(OTHER_NOBODY);
	int fd = open(name, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	other_end();
	assert_return_code(fd, errno);
	const int fds[] = { fd, fd, fd };
	expect_error(f,
		     define(f,
			    json_pack("{s:s,s:[s,s],s:b,s:b}", "name", "x", "argv",
				      fixture_path(f, "child"), "hold", "stdio", 1, "terminal", 1),
			    fds, 3),
		     "CannotStart", "Operation not permitted");
	close(fd);
	close(slave);
	close(master);
	fixture_down(f);
}

static void descriptors_that_nobody_asked_for_are_refused_and_closed(void **state)
{
	struct fixture *f = *state;
	int fds[VARLINK_FDS_MAX];

	other_publish(f);
	fixture_up(f, MAY_RUN);
	int before = run_count_fds(fixture_supervisor(f));
	for (size_t i = 0; i < VARLINK_FDS_MAX; i++)
		fds[i] = 0;
	for (size_t n = 1; n <= VARLINK_FDS_MAX; n++) {
		json_t *reply = NULL;
		struct varlink v = { .fd = -1 };

		other_begin(OTHER_NOBODY);
		int r = varlink_open(&v, f->socket);
		other_end();
		assert_int_equal(r, 0);
		assert_int_equal(varlink_send(&v, "Define",
					      json_pack("{s:s,s:s,s:[s]}", "id", "x", "name", "x",
							"argv", "true"),
					      false, fds, n),
				 0);
		r = varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply);
		assert_true(r == -EPIPE || (r == 0 && varlink_error(reply)));
		json_decref(reply);
		varlink_close(&v);
	}
	fixture_call(f, "Ping", NULL);
	assert_int_equal(run_count_fds(fixture_supervisor(f)), before);
	fixture_down(f);
}

/* The descriptor that comes with the answer to a call of nobody's about web. */
static int fd_about_web(struct fixture *f, const char *method)
{
	struct varlink v = { .fd = -1 };
	json_t *reply = NULL;

	other_begin(OTHER_NOBODY);
	int r = varlink_open(&v, f->socket);
	other_end();
	assert_int_equal(r, 0);
	r = varlink_send(&v, method, json_pack("{s:s}", "name", "web"), false, NULL, 0);
	assert_int_equal(r, 0);
	assert_int_equal(varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply), 0);
	json_decref(reply);
	int fd = varlink_take_fd(&v);
	varlink_close(&v);
	assert_true(fd >= 0);
	return fd;
}

/* In a process of nobody's: 0, or which of them he could use for more. */
static int misuse(struct fixture *f, int log, int web)
{
	const char *by_number = fixture_format(f, "/proc/self/fd/%d", log);

	if (setresgid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0 ||
	    setresuid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0)
		return 1;
	if ((fcntl(log, F_GETFL) & O_ACCMODE) != O_RDONLY || open(by_number, O_WRONLY) >= 0)
		return 2;
	if (syscall(SYS_pidfd_send_signal, web, SIGKILL, NULL, 0) == 0 || errno != EPERM)
		return 3;
	return syscall(SYS_pidfd_getfd, web, 1, 0) >= 0 || errno != EPERM ? 4 : 0;
}

static void what_a_reader_is_given_is_for_reading(void **state)
{
	struct fixture *f = *state;
	int status = -1;

	other_publish(f);
	struct fifo *said = fixture_fifo(f, "said");
	fixture_up(f, MAY_RUN "[program:web]\nstartsecs = 0\n"
			      "command = @child@ print words say @dir@/said printed hold\n");
	fixture_settle(f, "web", "RUNNING");
	fixture_expect_line(f, said, "printed");
	fixture_new_logger(f, 0); /* from now on a log is asked for when it is written */
	auto_close int log = fd_about_web(f, "OpenLog");
	auto_close int web = fd_about_web(f, "OpenProcess");
	pid_t thief = fork();
	if (thief == 0)
		_exit(misuse(f, log, web));
	assert_int_equal(run_wait(thief, FIXTURE_DEADLINE_MS, &status), 0);
	assert_int_equal(status, 0);
	fixture_down(f);
}

/* ---- processes of others ------------------------------------------------------------------- */

static void what_is_anothers_is_out_of_reach(void **state)
{
	static const char *const commands[][4] = {
		{ "stop" },	      { "kill" },  { "terminate" }, { "restart" },
		{ "signal", "KILL" }, { "start" }, { "forget" },
	};
	static const char *const victims[] = { "web", "theirs" };
	struct fixture *f = *state;

	other_publish(f);
	fixture_up(f, MAY_RUN "[program:web]\n" HOLD);
	assert_int_equal(other_ctl(f, OTHER_DAEMON, "start", "theirs", "--",
				   fixture_path(f, "child"), "hold")
				 .status,
			 0);
	pid_t pids[] = { fixture_settle(f, "web", "RUNNING"), fixture_pid(f, "theirs") };
	for (size_t v = 0; v < ARRAY_SIZE(victims); v++) {
		for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
			const char *args[4] = { commands[i][0], commands[i][1], NULL };

			args[args[1] ? 2 : 1] = victims[v];
			expect_refused(other_ctl_argv(f, OTHER_NOBODY, args), "not permitted");
		}
		expect_refused(other_ctl(f, OTHER_NOBODY, "start", "x", "--parent", victims[v],
					 "--", "true"),
			       "not permitted");
		expect_refused(other_ctl(f, OTHER_NOBODY, "start", victims[v], "--", "true"),
			       "is in use");
		assert_int_equal(fixture_pid(f, victims[v]), pids[v]);
	}
	fixture_down(f);
}

/* ---- namespaces ---------------------------------------------------------------------------- */

static void root_of_a_user_namespace_is_nobody_here(void **state)
{
	struct fixture *f = *state;

	other_publish(f);
	struct result r = other_run(f, OTHER_NOBODY, "unshare", "-Urm", "id", "-u");
	if (r.status != 0 || strcmp(r.out, "0\n") != 0)
		fixture_skip("nobody may not make a user namespace here");
	fixture_up(f, MAY_RUN);
	expect_refused(other_run(f, OTHER_NOBODY, "unshare", "-Urm", fixture_path(f, "fosterctl"),
				 "shutdown"),
		       "not permitted");
	r = other_run(f, OTHER_NOBODY, "unshare", "-Urmpf", fixture_path(f, "fosterctl"), "run",
		      "--", fixture_path(f, "child"), "ids");
	fixture_check(f, r, 0, "65534 65534 65534 65534\n", "");
	fixture_down(f);
}

/* fosterd in a PID namespace of its own, as in a container; who is outside has the PID 0 for it. */
static void spawn_in_pid_namespace(struct fixture *f)
{
	fflush(stdout);
	assert_int_equal(fixture_open_notify(f), 0);
	f->fosterd = fork();
	if (f->fosterd == 0) {
		setenv("NOTIFY_SOCKET", fixture_path(f, "notify"), 1);
		int log = open(fixture_path(f, "log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
		dup2(log, 2);
		execlp("unshare", "unshare", "-pf", "--kill-child", "--mount-proc",
		       fixture_format(f, "%s/fosterd", f->build), "-c",
		       fixture_path(f, "foster.ini"), NULL);
		_exit(126);
	}
	fixture_wait_ready(f);
}

static void who_is_in_another_pid_namespace_has_a_session_of_his_own(void **state)
{
	struct fixture *f = *state;
	struct fifo *fifo = fixture_fifo(f, "said");
	struct run first = { 0 }, second = { 0 };
	const char *child;

	other_publish(f);
	child = fixture_path(f, "child");
	fixture_write_config(f, MAY_RUN);
	spawn_in_pid_namespace(f);
	fixture_ctl_start(f, &first, "run", "--name", "first", "--", child, "say", fifo->path,
			  "first", "hold");
	fixture_expect_line(f, fifo, "first");
	fixture_ctl_start(f, &second, "run", "--name", "second", "--", child, "say", fifo->path,
			  "second", "hold");
	fixture_expect_line(f, fifo, "second");
	fixture_until(f, "second", "RUNNING");
	fixture_kill(first.pid, SIGKILL);
	fixture_until(f, "first", "STOPPED");
	fixture_expect_nothing(f, "second");
	fixture_ctl_is(f, 0, NULL, NULL, "stop", "second");
	(void)fixture_finish(f, &first);
	(void)fixture_finish(f, &second);
	fixture_ctl_is(f, 0, NULL, NULL, "shutdown");
	assert_int_equal(fixture_ended(f), 0);
}

/* ---- a PID that is another's by now -------------------------------------------------------- */

static pid_t fork_with_pid(pid_t pid)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = (uintptr_t)&pid,
				   .set_tid_size = 1 };
	pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);

	if (child == 0)
		for (;;)
			pause();
	return child;
}

/* A connection of nobody's, who is gone, and a process of root's that has his PID. */
static pid_t connect_as_one_who_goes(struct fixture *f, struct varlink *v)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int status = -1;

	strcpy(sa.sun_path, f->socket);
	*v = (struct varlink){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	pid_t client = fork();
	if (client == 0) {
		if (setresgid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0 ||
		    setresuid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0)
			_exit(1);
		_exit(connect(v->fd, (struct sockaddr *)&sa, sizeof sa) < 0);
	}
	assert_int_equal(run_wait(client, FIXTURE_DEADLINE_MS, &status), 0);
	assert_int_equal(status, 0);
	return fork_with_pid(client);
}

static void who_has_gone_lives_on_in_nobody_who_has_his_pid(void **state)
{
	struct fixture *f = *state;
	struct varlink v = { .fd = -1 };
	json_t *reply = NULL;
	pid_t heir = -1;

	other_publish(f);
	fixture_up(f, MAY_RUN);
	for (int i = 0; heir < 0 && i < 20; i++) { /* somebody else was faster */
		varlink_close(&v);
		heir = connect_as_one_who_goes(f, &v);
	}
	if (heir < 0)
		fixture_skip("PIDs cannot be chosen here");
	assert_int_equal(
		varlink_send(&v, "Define",
			     json_pack("{s:s,s:s,s:[s,s],s:b}", "id", "x", "name", "x", "argv",
				       fixture_path(f, "child"), "hold", "transient", 1),
			     false, NULL, 0),
		0);
	assert_int_equal(varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply), 0);
	if (!varlink_error(reply)) /* the kernel knows who he was: then that he has ended, too */
		fixture_until(f, "x", "STOPPED");
	json_decref(reply);
	varlink_close(&v);
	fixture_ctl_is(f, 4, "", NULL, "status", "x"); /* not as long as the heir lives */
	assert_true(run_alive(heir));
	fixture_reap(f, heir);
	fixture_down(f);
}

/* ---- powers of a fosterd that is not root --------------------------------------------------- */

#define CAPABILITIES                                          \
	"user = daemon\nstartsecs = 0\nautorestart = false\n" \
	"command = grep -E ^Cap(Inh|Prm|Eff|Amb) /proc/self/status\n"

/* As User= and AmbientCapabilities= of systemd would have it. */
static void spawn_with_capabilities(struct fixture *f)
{
	static const char some[] = "+setuid,+setgid,+kill";

	fflush(stdout);
	assert_int_equal(fixture_open_notify(f), 0);
	f->fosterd = fork();
	if (f->fosterd == 0) {
		setenv("NOTIFY_SOCKET", fixture_path(f, "notify"), 1);
		int log = open(fixture_path(f, "log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
		dup2(log, 2);
		execlp("setpriv", "setpriv", "--reuid", "65534", "--regid", "65534",
		       "--clear-groups", "--inh-caps", some, "--ambient-caps", some,
		       fixture_path(f, "fosterd"), "-c", fixture_path(f, "foster.ini"), NULL);
		_exit(126);
	}
	fixture_wait_ready(f);
}

/* The parts of fosterd, where it can execute them when it is not root. */
static void publish_parts(struct fixture *f)
{
	static const char *const parts[] = { "fosterd", "foster-supervisor", "foster-logger",
					     "foster-forkserver", "foster-forkserver.py" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct result r = other_run(f, 0, "cp",
					    fixture_format(f, "%s/%s", f->build, parts[i]), f->dir);

		assert_int_equal(r.status, 0);
	}
}

static void other_users_get_none_of_fosterds_capabilities(void **state)
{
	static const char *const names[] = { "cheap", "py", "native" };
	struct fixture *f = *state;

	other_publish(f);
	publish_parts(f);
	assert_return_code(mkdir(fixture_path(f, "run"), 0711), errno);
	assert_return_code(chown(fixture_path(f, "run"), OTHER_NOBODY, OTHER_NOBODY), errno);
	fixture_write_config(f, "[program:cheap]\n" CAPABILITIES
				"[program:py]\nstart_method = forkserver:p\n" CAPABILITIES
				"[program:native]\nstart_method = forkserver\n" CAPABILITIES
				"[forkserver:p]\ntype = python\n");
	spawn_with_capabilities(f);
	fixture_new_logger(f, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		fixture_settle(f, names[i], "EXITED");
		fixture_ctl_is(f, 0,
			       "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
			       "CapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n",
			       "", "tail", names[i]);
	}
	fixture_down(f);
}

/* ---- connections that linger ----------------------------------------------------------------- */

/* A TCP connection whose last close(2) waits an hour for the peer to read what was written. -1: none here. */
static int lingering(int *ret_peer)
{
	const struct linger hour = { .l_onoff = 1, .l_linger = 3600 };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr *sa = (struct sockaddr *)&in;
	auto_close int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof in;
	static char block[65536];

	if (bind(server, sa, len) < 0 || listen(server, 1) < 0 ||
	    getsockname(server, sa, &len) < 0 || connect(fd, sa, len) < 0)
		return -1;
	*ret_peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	while (send(fd, block, sizeof block, MSG_DONTWAIT) > 0)
		;
	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &hour, sizeof hour) < 0 ? -1 : fd;
}

/* Bytes, and fd n times. */
static void send_with(int sock, const char *bytes, size_t len, int fd, size_t n)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
	if (sendmsg(sock, &m, MSG_NOSIGNAL) != (ssize_t)len)
		_exit(3);
}

#define PING "{\"method\":\"org.foster.Supervisor.Ping\"}"

enum way {
	NOT_ASKED_FOR,
	TOO_MANY,
	IN_A_SOCKET,
	NOT_READ,
	GIVEN,
	WAYS
};

/* Let fosterd have fd in this way. */
static void send_lingering(struct varlink *v, enum way way, int fd)
{
	json_t *stdio = json_pack("{s:s,s:s,s:[s],s:b}", "id", "x", "name", "x", "argv",
				  "/no/such/program", "stdio", 1);
	int pair[2], three[] = { fd, fd, fd };

	switch (way) {
	case NOT_ASKED_FOR:
		send_with(v->fd, PING, sizeof PING, fd, 1);
		break;
	case TOO_MANY:
		send_with(v->fd, PING, sizeof PING, fd, VARLINK_FDS_MAX + 1);
		break;
	case IN_A_SOCKET:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			_exit(4);
		send_with(pair[0], "x", 1, fd, 1);
		send_with(v->fd, PING, sizeof PING, pair[1], 1);
		close(pair[0]);
		close(pair[1]);
		break;
	case NOT_READ: /* behind a call that does not end */
		varlink_send(v, "Events", NULL, true, NULL, 0);
		send_with(v->fd, PING, sizeof PING, fd, 1);
		break;
	case GIVEN:
		varlink_send(v, "Define", json_incref(stdio), false, three, 3);
		break;
	case WAYS:
		break;
	}
	json_decref(stdio);
}

/* As nobody, with the supervisor at rest, that the last to close it is not us. We keep the end that is not
 * read, until we are killed. */
_Noreturn static void leave_lingering(struct fixture *f, enum way way)
{
	struct varlink v = { .fd = -1 };
	int peer = -1, fd, said;

	if (setresgid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0 ||
	    setresuid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0)
		_exit(1);
	fd = lingering(&peer);
	said = open(fixture_path(f, "theirs/said"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || said < 0 || varlink_open(&v, f->socket) < 0)
		_exit(2);
	send_lingering(&v, way, fd);
	close(fd);
	if (way == NOT_READ)
		varlink_close(&v);
	dprintf(said, "%s", "sent");
	for (;;)
		pause();
}

/* Nobody waits for the end of what has no end: not who was sent it, and not the keeper. */
static void a_connection_that_lingers_stops_nobody(void **state)
{
	struct fixture *f = *state;
	int peer = -1;

	other_publish(f);
	make_theirs(f);
	auto_close int fd = lingering(&peer);
	if (fd < 0)
		fixture_skip("TCP cannot be had here");
	close(peer);
	fixture_up(f, MAY_RUN "[program:web]\n" HOLD);
	pid_t web = fixture_settle(f, "web", "RUNNING"), supervisor = fixture_supervisor(f);
	for (enum way way = NOT_ASKED_FOR; way < WAYS; way++) {
		fixture_kill(supervisor, SIGSTOP);
		pid_t pid = fork();

		if (pid == 0)
			leave_lingering(f, way);
		fixture_until_file(f, "theirs/said", "sent");
		fixture_kill(supervisor, SIGCONT);
		fixture_ctl_is(f, 0, NULL, "", "run", "--", "true");
		assert_int_equal(fixture_pid(f, "web"), web);
		assert_int_equal(fixture_supervisor(f), supervisor);
		assert_return_code(unlink(fixture_path(f, "theirs/said")), errno);
		fixture_reap(f, pid);
	}
	fixture_down(f);
}

/* ---- a file system of his own ---------------------------------------------------------------- */

/* In a process of nobody's, as which it cannot close the file either: sent, it waits to be killed. */
_Noreturn static void send_and_wait(struct fixture *f, size_t n_fds)
{
	struct varlink v = { .fd = -1 };
	json_t *reply = NULL;
	int fds[VARLINK_FDS_MAX];

	if (setresgid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0 ||
	    setresuid(OTHER_NOBODY, OTHER_NOBODY, OTHER_NOBODY) < 0)
		_exit(1);
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = open(fixture_path(f, "fs/" HANGFS_FILE), O_RDONLY | O_CLOEXEC);
	if (varlink_open(&v, f->socket) < 0 ||
	    varlink_send(&v, "Define",
			 json_pack("{s:s,s:s,s:[s],s:b}", "id", "x", "name", "x", "argv", "true",
				   "stdio", 1),
			 false, fds, n_fds) < 0)
		_exit(2);
	int r = varlink_receive(&v, FIXTURE_DEADLINE_MS, &reply);
	auto_free char *text = r == 0 ? json_dumps(reply, 0) : NULL;
	dprintf(2, "# %s\n", text ? text : strerror(-r));
	fixture_write_file(f, "theirs/answer", text ? text : "closed");
	for (;;)
		pause();
}

static pid_t send_unclosable(struct fixture *f, size_t n_fds, const char *answer)
{
	pid_t pid = fork();

	if (pid == 0)
		send_and_wait(f, n_fds);
	for (int i = 0; i < FIXTURE_DEADLINE_MS && !fixture_file(f, "theirs/answer")[0]; i++)
		usleep(1000);
	assert_contains(fixture_file(f, "theirs/answer"), answer);
	assert_return_code(unlink(fixture_path(f, "theirs/answer")), errno);
	return pid;
}

/* Neither keeper nor supervisor wait for it, also at the end. The last test: this process stays in
 * another mount namespace. */
static void what_cannot_be_closed_stops_nobody(void **state)
{
	struct fixture *f = *state;
	pid_t senders[2], server;

	other_publish(f);
	make_theirs(f);
	assert_return_code(mkdir(fixture_path(f, "fs"), 0755), errno);
	server = hangfs_start(fixture_path(f, "fs"));
	if (server < 0)
		fixture_skip("FUSE cannot be had here");
	fixture_up(f, MAY_RUN "[program:web]\n" HOLD);
	pid_t web = fixture_settle(f, "web", "RUNNING"), supervisor = fixture_supervisor(f);
	senders[0] = send_unclosable(f, 3, "keep fosterd waiting");
	senders[1] = send_unclosable(f, VARLINK_FDS_MAX, "keep fosterd waiting");
	fixture_ctl_is(f, 0, NULL, "", "run", "--", "true");
	assert_int_equal(fixture_pid(f, "web"), web);
	assert_int_equal(fixture_supervisor(f), supervisor);
	fixture_kill(f->fosterd, SIGTERM);
	assert_int_equal(fixture_ended(f), 0);
	fixture_kill(server, SIGKILL);
	for (size_t i = 0; i < ARRAY_SIZE(senders); i++)
		fixture_kill(senders[i], SIGKILL);
	fixture_reap_all_but(f, 0);
}

/* ---- a child of another user that its user has stopped ---------------------------------------------- */

static pid_t traced_child(pid_t keeper)
{
	unsigned long pid = 0;
	int status;

	assert_int_equal(waitpid(keeper, &status, __WALL), keeper);
	assert_int_equal(status >> 8, SIGTRAP | PTRACE_EVENT_FORK << 8);
	assert_return_code(ptrace(PTRACE_GETEVENTMSG, keeper, NULL, &pid), errno);
	assert_return_code(ptrace(PTRACE_DETACH, keeper, NULL, NULL), errno);
	return (pid_t)pid;
}

/* Let it go on until it has said what failed, and leave it stopped there: it exits no more. The keeper may
 * be quicker, and have killed it. */
static void stop_after_report(pid_t child)
{
	struct __ptrace_syscall_info info = { .op = PTRACE_SYSCALL_INFO_NONE };
	uint64_t call = 0;
	int status;

	while (info.op != PTRACE_SYSCALL_INFO_EXIT || call != SYS_write) {
		(void)ptrace(PTRACE_SYSCALL, child, NULL, NULL); /* stopped, it goes on */
		assert_int_equal(waitpid(child, &status, __WALL), child);
		if (!WIFSTOPPED(status))
			return;
		(void)ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			call = info.entry.nr;
	}
	(void)ptrace(PTRACE_DETACH, child, NULL, SIGSTOP);
}

static void who_stops_a_child_of_his_that_has_failed_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	struct run start = { .uid = OTHER_NOBODY, .directory = "/" };

	other_publish(f);
	fixture_up(f, MAY_RUN);
	start.argv = (const char *const[]){
		fixture_path(f, "fosterctl"), "start", "job", "--", "/no/such", NULL
	};
	if (ptrace(PTRACE_SEIZE, f->fosterd, NULL, PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD) < 0)
		fixture_skip("cannot trace");
	assert_int_equal(run_start(&start), 0);
	stop_after_report(traced_child(f->fosterd));
	expect_refused(fixture_finish(f, &start), "/no/such: No such file or directory");
	fixture_ctl_is(f, 0, NULL, "", "start", "mine", "--", "true");
	fixture_down(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(every_key_that_is_not_open_needs_admin),
		fixture_test(names_that_lead_elsewhere_are_refused),
		fixture_test(no_definition_is_in_the_way_of_another),
		fixture_test(what_one_user_defines_has_an_end),
		fixture_test(what_waiting_calls_keep_has_an_end),
		fixture_test(what_one_user_watches_has_an_end),
		fixture_test(nothing_can_be_planted_in_or_read_from_the_runtime_directory),
		fixture_test(a_log_that_became_a_link_is_neither_written_nor_read),
		fixture_test(a_rotation_moves_links_and_follows_none),
		fixture_test(no_environment_makes_root_of_him),
		fixture_test(what_is_named_is_looked_up_in_his_path_with_his_rights),
		fixture_test(a_directory_is_a_descriptor_of_one_that_he_may_enter),
		fixture_test(set_id_programs_lose_their_power),
		fixture_test(only_a_forkserver_of_his_own_makes_his_children),
		fixture_test(a_terminal_that_he_may_only_write_to_does_not_become_his),
		fixture_test(descriptors_that_nobody_asked_for_are_refused_and_closed),
		fixture_test(what_a_reader_is_given_is_for_reading),
		fixture_test(what_is_anothers_is_out_of_reach),
		fixture_test(root_of_a_user_namespace_is_nobody_here),
		fixture_test(who_is_in_another_pid_namespace_has_a_session_of_his_own),
		fixture_test(who_has_gone_lives_on_in_nobody_who_has_his_pid),
		fixture_test(other_users_get_none_of_fosterds_capabilities),
		fixture_test(a_connection_that_lingers_stops_nobody),
		fixture_test(what_cannot_be_closed_stops_nobody),
		fixture_test(who_stops_a_child_of_his_that_has_failed_holds_up_nobody),
	};

	return fixture_run(tests);
}
