/* upgrade.c - another program takes our place, with all that we have
 *
 * The program at the path is executed by this very process, so PID, children and descriptors stay. It must
 * have shown before that it can go on with our state:
 *
 *   IDLE      LINK_UPGRADE: `PATH --check-state` is started, with a copy of our state (handoff.h) and the
 *             table, and must say the state's sum          -> CHECKING
 *   CHECKING  its end: it said so                           -> LEAVING: the supervisor is killed; what it
 *                                                               had asked for until then is carried out
 *             something else, or it took too long           -> IDLE, refused
 *   LEAVING   the supervisor is gone, no spawn is pending, nothing waits to be sent: execve(2)
 *             it fails, or that does not come to be soon    -> IDLE, refused; the supervisor gets a successor
 *
 * Until execve(2) has succeeded everything can be taken back. The outcome goes to whoever is supervisor
 * then; its client has repeated the call, by an id of its own choice. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/handoff.h"
#include "daemon/keeper/spawn.h"

#define CHECK_S 10.
#define LEAVE_S 5.
#define ID_BYTES 129
#define WORDS_BYTES 512

enum upgrade_state {
	UPGRADE_IDLE,
	UPGRADE_CHECKING,
	UPGRADE_LEAVING
};

struct upgrade {
	enum upgrade_state state;
	char id[ID_BYTES], path[4096];
	char words[WORDS_BYTES]; /* IDLE: why it was refused; "": it was done */
	struct stat program; /* as it was checked */
	uint64_t sum; /* CHECKING: of the state that it is to read */
	pid_t checker;
	int output_fd, report_fd; /* CHECKING: what the checker says; whether it was executed */
	ev_io on_end; /* of the checker */
	ev_timer patience;
};

/* ---- outcome ------------------------------------------------------------------------------------- */

const char *upgrade_id(const struct keeper *k)
{
	return k->upgrade ? k->upgrade->id : NULL;
}

int upgrade_send_outcome(struct keeper *k)
{
	const struct upgrade *u = k->upgrade;
	struct link_head h = { .type = LINK_UPGRADED };
	struct link_part parts[2];

	if (!u || u->state != UPGRADE_IDLE)
		return 0;
	parts[0] = (struct link_part){ u->id, strlen(u->id) + 1 };
	parts[1] = (struct link_part){ u->words, strlen(u->words) + 1 };
	return link_send(k->parts[PART_SUPERVISOR].link, &h, parts, 2, NULL, 0);
}

__attribute__((format(printf, 2, 3))) static void refuse(struct keeper *k, const char *format, ...)
{
	struct upgrade *u = k->upgrade;
	bool left = u->state == UPGRADE_LEAVING;
	va_list ap;

	va_start(ap, format);
	vsnprintf(u->words, sizeof u->words, format, ap);
	va_end(ap);
	log_error("fosterd", "not upgraded: %s", u->words);
	ev_timer_stop(k->loop, &u->patience);
	u->state = UPGRADE_IDLE;
	if (left && !k->parts[PART_SUPERVISOR].pid)
		part_start_successor(&k->parts[PART_SUPERVISOR]); /* whose snapshot tells it */
	else if (k->parts[PART_SUPERVISOR].link->fd >= 0)
		(void)upgrade_send_outcome(k);
}

/* ---- leaving ------------------------------------------------------------------------------------- */

bool upgrade_lets_go(const struct keeper *k)
{
	return k->upgrade && k->upgrade->state == UPGRADE_LEAVING;
}

static bool is_quiet(const struct keeper *k)
{
	if (k->parts[PART_SUPERVISOR].pid || k->n_server_spawns || !notify_is_idle() ||
	    (k->parts[PART_LOGGER].link->fd >= 0 && link_pending(k->parts[PART_LOGGER].link)))
		return false;
	for (uint32_t i = 0; i < k->table.used_max; i++) {
		const struct slot *s = &k->slots[i];

		if (s->report || (s->server && !server_is_quiet(s->server)))
			return false;
	}
	return true;
}

static int pass_on(struct keeper *k, int *ret_fd, struct handoff *ret)
{
	char number[16];
	int r = handoff_write(k, ret_fd);

	if (r == 0)
		r = handoff_open(*ret_fd, ret);
	if (r == 0)
		r = handoff_set_cloexec(ret, false);
	if (r == 0)
		r = fd_set_cloexec(*ret_fd, false);
	if (r < 0)
		return r;
	snprintf(number, sizeof number, "%d", *ret_fd);
	return setenv(HANDOFF_ENV, number, 1) < 0 ? -errno : 0;
}

static bool is_the_one_checked(const struct upgrade *u)
{
	struct stat st;

	return stat(u->path, &st) == 0 && st.st_dev == u->program.st_dev &&
	       st.st_ino == u->program.st_ino && st.st_size == u->program.st_size &&
	       st.st_mtim.tv_sec == u->program.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == u->program.st_mtim.tv_nsec;
}

static void execute(struct keeper *k)
{
	struct handoff h = { 0 };
	auto_close int fd = -1;
	int r;

	if (!is_the_one_checked(k->upgrade)) {
		refuse(k, "%s: it was replaced meanwhile", k->upgrade->path);
		return;
	}
	for (uint32_t i = 0; i < k->table.used_max; i++)
		order_drop(k, i);
	r = pass_on(k, &fd, &h);
	if (r == 0) {
		log_flush();
		execv(k->upgrade->path, k->options->argv);
		r = -errno;
	}
	(void)unsetenv(HANDOFF_ENV);
	if (h.map)
		(void)handoff_set_cloexec(&h, true);
	handoff_close(&h);
	refuse(k, "%s: %s", k->upgrade->path, strerror(-r));
}

void upgrade_turn(struct keeper *k)
{
	if (upgrade_lets_go(k) && !k->finishing && is_quiet(k))
		execute(k);
}

static void leave(struct keeper *k)
{
	struct upgrade *u = k->upgrade;
	struct part *supervisor = &k->parts[PART_SUPERVISOR];

	u->state = UPGRADE_LEAVING;
	ev_timer_set(&u->patience, LEAVE_S, 0.);
	ev_timer_start(k->loop, &u->patience);
	if (supervisor->pid)
		kill(supervisor->pid, SIGKILL);
	if (supervisor->abandoned) /* its two seconds would end with us */
		kill(supervisor->abandoned, SIGKILL);
	ev_timer_stop(k->loop, &supervisor->restart);
}

/* ---- checking ------------------------------------------------------------------------------------ */

bool upgrade_is_checker(const struct keeper *k, pid_t pid)
{
	return k->upgrade && k->upgrade->state == UPGRADE_CHECKING && k->upgrade->checker == pid;
}

static void stop_checking(struct keeper *k)
{
	struct upgrade *u = k->upgrade;

	ev_timer_stop(k->loop, &u->patience);
	ev_io_stop(k->loop, &u->on_end);
	if (u->on_end.fd >= 0)
		close(u->on_end.fd);
	close_fd(&u->output_fd);
	close_fd(&u->report_fd);
}

/* The last line that it said, in text. */
static void read_words(int fd, char *text, size_t size)
{
	ssize_t n = read(fd, text, size - 1);
	char *line;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = '\0';
	line = strrchr(text, '\n');
	if (line)
		memmove(text, line + 1, strlen(line + 1) + 1);
}

static void on_checked(struct ev_loop *loop, ev_io *w, int revents)
{
	struct keeper *k = w->data;
	struct upgrade *u = k->upgrade;
	char words[WORDS_BYTES / 2], wanted[64];
	struct spawn_fail fail;
	int status;

	(void)loop;
	(void)revents;
	if (waitpid(u->checker, &status, WNOHANG) != u->checker)
		return;
	snprintf(wanted, sizeof wanted, "state %016llx", (unsigned long long)u->sum);
	read_words(u->output_fd, words, sizeof words);
	if (u->report_fd >= 0 && read(u->report_fd, &fail, sizeof fail) == (ssize_t)sizeof fail)
		refuse(k, "%s: %s", u->path, strerror(fail.err));
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || strcmp(words, wanted) != 0)
		refuse(k, "%s: it cannot go on with this state: %s", u->path,
		       words[0] ? words : "it says nothing");
	stop_checking(k);
	if (u->state == UPGRADE_CHECKING)
		leave(k);
}

static void on_out_of_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct keeper *k = w->data;
	struct upgrade *u = k->upgrade;

	(void)loop;
	(void)revents;
	if (u->state == UPGRADE_LEAVING) {
		refuse(k, "a start that is under way does not come to its end");
		return;
	}
	kill(u->checker, SIGKILL);
	refuse(k, "%s: it has said nothing for %.0f s", u->path, CHECK_S);
	stop_checking(k);
}

static int start_checker(struct keeper *k, int state_fd, int output_fd)
{
	struct upgrade *u = k->upgrade;
	const char *const paths[] = { u->path, NULL };
	const char *const argv[] = { "fosterd", "--check-state", NULL };
	const struct spawn_plan plan = {
		.flags = LINK_SPAWN_SESSION,
		.fds = { k->null_fd, output_fd, output_fd, state_fd, k->table.fd },
		.n_fds = 5,
		.umask = -1,
		.paths = paths,
		.argv = (char *const *)argv,
		.envp = environ,
	};
	struct spawn_result result;
	struct spawn_fail fail;

	if (spawn(&plan, &result, &fail) < 0)
		return -fail.err;
	if (result.pidfd < 0) { /* its end would never be seen: it is an orphan now */
		kill(result.pid, SIGKILL);
		close_fd(&result.report_fd);
		return -ENOSYS;
	}
	u->checker = result.pid;
	u->report_fd = result.report_fd;
	ev_io_init(&u->on_end, on_checked, result.pidfd, EV_READ);
	u->on_end.data = k;
	ev_io_start(k->loop, &u->on_end);
	return 0;
}

static int check(struct keeper *k)
{
	struct upgrade *u = k->upgrade;
	struct handoff h = { 0 };
	auto_close int state_fd = -1;
	int ends[2], r;

	if (stat(u->path, &u->program) < 0)
		return -errno;
	r = handoff_write(k, &state_fd);
	if (r == 0)
		r = handoff_open(state_fd, &h);
	if (r < 0)
		return r;
	u->sum = h.sum;
	handoff_close(&h);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	u->output_fd = ends[0];
	r = start_checker(k, state_fd, ends[1]);
	close(ends[1]);
	return r;
}

/* ---- begin --------------------------------------------------------------------------------------- */

/* Our own program, as it is installed now: the kernel marks one that was replaced. */
static void installed_path(char *path, size_t size)
{
	static const char mark[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	size_t len = n > 0 ? (size_t)n : 0, tail = sizeof mark - 1;

	path[len] = '\0';
	if (len > tail && strcmp(path + len - tail, mark) == 0)
		path[len - tail] = '\0';
}

static struct upgrade *new_upgrade(struct keeper *k, const char *id)
{
	struct upgrade *u = k->upgrade ? k->upgrade : malloc(sizeof *u);

	if (!u)
		return NULL;
	*u = (struct upgrade){ .output_fd = -1, .report_fd = -1 };
	u->on_end.fd = -1;
	snprintf(u->id, sizeof u->id, "%s", id);
	ev_timer_init(&u->patience, on_out_of_patience, CHECK_S, 0.);
	u->patience.data = k;
	k->upgrade = u;
	return u;
}

void upgrade_begin(struct keeper *k, const char *id, const char *path)
{
	struct upgrade *u = k->upgrade;
	int r;

	if (u && u->state != UPGRADE_IDLE)
		return; /* the supervisor lets one wait for the other */
	u = new_upgrade(k, id);
	if (!u) {
		log_error("fosterd", "not upgraded: %s", strerror(ENOMEM));
		return;
	}
	if (path[0])
		snprintf(u->path, sizeof u->path, "%s", path);
	else
		installed_path(u->path, sizeof u->path);
	log_info("fosterd", "is about to be upgraded to %s", u->path);
	u->state = UPGRADE_CHECKING;
	r = check(k);
	if (r < 0) {
		refuse(k, "%s: %s", u->path, strerror(-r));
		stop_checking(k);
		return;
	}
	ev_timer_start(k->loop, &u->patience);
}

/* ---- the new program ------------------------------------------------------------------------------- */

int upgrade_done(struct keeper *k, const char *id)
{
	return new_upgrade(k, id) ? 0 : -ENOMEM;
}
