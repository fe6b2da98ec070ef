#include "tests/fuzz/keeper_rig.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/base/clock.h"
#include "daemon/base/fd.h"
#include "daemon/base/log.h"
#include "daemon/base/loop.h"
#include "daemon/base/mem.h"
#include "daemon/keeper/handoff.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table_left.h"
#include "tests/fuzz/rig_child.h"

#define RECORDS_MAX 48
#define CHILDREN_MAX 64
#define STACK_BYTES 4096
#define LATER_MAX 3 /* as in spawn.c */
#define REPORTS_MAX 16
#define PATIENCE_NS (10 * NS_PER_S)

/* A spawn that was begun, and is told later. */
struct later {
	struct spawn_plan *plan;
	spawn_done *done;
	void *data;
	bool fails;
};

/* A child that has not yet said how it went. */
struct pending_report {
	int fd;
	pid_t pid;
	bool fails;
};

enum phase {
	PHASE_BOOT,
	PHASE_READY,
	PHASE_SCRIPT,
	PHASE_KILL, /* all children, once it is known who they are */
	PHASE_END, /* they are gone: let go of the slots, and finish */
	PHASE_GONE
};

static struct {
	char dir[40];
	int dir_fd, null_fd;
	struct keeper k;
	const struct rig_script *script;
	enum phase phase;
	uint64_t since_ns; /* when it began to end */
	ev_idle idle;
	struct link parts[PART_MAX], servers[RIG_SERVERS_MAX]; /* our ends */
	unsigned n_servers;
	enum rig_fate fate;
	struct rig_child orders[CHILDREN_MAX]; /* what each child does */
	pid_t children[CHILDREN_MAX];
	bool is_keepers[CHILDREN_MAX]; /* it has asked for it */
	unsigned n_children;
	struct later later[LATER_MAX];
	unsigned n_later;
	struct pending_report reports[REPORTS_MAX];
	unsigned n_reports;
} rig;

/* ---- children -------------------------------------------------------------------------------- */

/* Whether it is a child of ours that nobody has reaped: only then does its number mean it. */
static bool is_child(pid_t pid)
{
	siginfo_t si;

	return pid > 1 && waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static bool is_running(pid_t pid)
{
	siginfo_t si = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && !si.si_pid;
}

/* A signal that was sent has arrived: what follows does not depend on who is faster. */
static void settle(pid_t pid)
{
	siginfo_t si;

	(void)waitid(P_PID, (id_t)pid, &si, WEXITED | WSTOPPED | WNOWAIT);
}

/* The keeper's. */
int kill(pid_t pid, int number)
{
	pid_t child = pid < 0 ? -pid : pid;
	int r;

	assert(is_child(child));
	r = (int)syscall(SYS_kill, pid, number);
	if (r == 0 && number)
		settle(child);
	return r;
}

/* As clone(2) of the real one, but for what it runs. A group of its own, as plans with orders ask for. */
static pid_t make_child(bool exits, bool is_keepers)
{
	static char stacks[CHILDREN_MAX][STACK_BYTES] __attribute__((aligned(16)));
	sigset_t all, before;
	pid_t pid;

	if (rig.n_children == CHILDREN_MAX) {
		errno = EAGAIN;
		return -1;
	}
	rig.orders[rig.n_children] = (struct rig_child){ getpid(), exits };
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = clone(rig_child_run, stacks[rig.n_children] + STACK_BYTES,
		    CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, &rig.orders[rig.n_children]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert(pid > 0);
	(void)setpgid(pid, pid);
	rig.is_keepers[rig.n_children] = is_keepers;
	rig.children[rig.n_children++] = pid;
	if (exits)
		settle(pid);
	return pid;
}

pid_t rig_child(void)
{
	return make_child(false, false);
}

void rig_kill(pid_t pid)
{
	siginfo_t si;

	if (!is_child(pid))
		return;
	(void)syscall(SYS_kill, pid, SIGKILL);
	(void)waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
}

static bool is_part(pid_t pid)
{
	for (int i = 0; i < PART_MAX; i++)
		if (rig.k.parts[i].pid == pid || rig.k.parts[i].abandoned == pid)
			return true;
	return false;
}

/* ---- in the place of spawn.c ------------------------------------------------------------------- */

int spawn_init(void)
{
	return 0;
}

int spawn_null_fd(void)
{
	return rig.null_fd;
}

static void check_strings(const char *const *strings)
{
	for (; *strings; strings++)
		assert(strlen(*strings) < LINK_BODY_BYTES_MAX);
}

/* All that a child would use is there. */
static void check_plan(const struct spawn_plan *p)
{
	static volatile gid_t read;

	assert(p->n_fds >= 3 && p->n_fds <= SPAWN_FDS_MAX);
	for (unsigned i = 0; i < p->n_fds; i++)
		assert(fcntl(p->fds[i], F_GETFD) >= 0);
	if (p->flags & LINK_SPAWN_DIRECTORY_FD)
		assert(fcntl(p->directory_fd, F_GETFD) >= 0);
	for (size_t i = 0; i < p->n_groups; i++)
		read = p->groups[i];
	(void)read;
	if (p->cgroup_fd >= 0 && p->flags & LINK_SPAWN_CGROUP)
		assert(fcntl(p->cgroup_fd, F_GETFD) >= 0);
	if (p->directory)
		assert(strlen(p->directory) < LINK_BODY_BYTES_MAX);
	check_strings(p->paths);
	check_strings((const char *const *)p->argv);
	check_strings((const char *const *)p->envp);
}

/* Our end of what the child gets as descriptor 3: it is a part, or a forkserver. */
static void take_link(const struct spawn_plan *p)
{
	struct link *l = NULL;

	if (p->n_fds <= 3)
		return;
	if (strcmp(p->argv[0] ? p->argv[0] : "", "foster-supervisor") == 0 && p->n_fds == 5)
		l = &rig.parts[PART_SUPERVISOR];
	else if (strcmp(p->argv[0] ? p->argv[0] : "", "foster-logger") == 0 && p->n_fds == 5)
		l = &rig.parts[PART_LOGGER];
	else if (p->flags & LINK_SPAWN_SERVER && rig.n_servers < RIG_SERVERS_MAX)
		l = &rig.servers[rig.n_servers++];
	if (!l)
		return;
	link_done(l);
	link_init(l, fcntl(p->fds[3], F_DUPFD_CLOEXEC, 3));
	assert(l->fd >= 0);
}

static int fail_to_spawn(enum link_step step, int err, struct spawn_fail *ret)
{
	*ret = (struct spawn_fail){ step, err };
	return -1;
}

/* The child runs, but is still to say so, or that it does not. */
static int add_report(pid_t pid, bool fails, int *ret_fd)
{
	int ends[2];

	if (rig.n_reports == REPORTS_MAX || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	rig.reports[rig.n_reports++] = (struct pending_report){ ends[1], pid, fails };
	*ret_fd = ends[0];
	return 0;
}

static enum rig_fate fate_of(const struct spawn_plan *plan)
{
	bool is_of_part = plan->n_fds == 5 &&
			  !(plan->flags & ~(LINK_SPAWN_SESSION | LINK_SPAWN_LOCAL)) &&
			  plan->flags & LINK_SPAWN_LOCAL;

	return is_of_part ? RIG_RUNS : rig.fate;
}

int spawn(const struct spawn_plan *plan, struct spawn_result *ret_result,
	  struct spawn_fail *ret_fail)
{
	enum rig_fate fate = fate_of(plan);
	struct spawn_result r = { .report_fd = -1, .in_cgroup = plan->flags & LINK_SPAWN_CGROUP };

	spawn_finish();
	check_plan(plan);
	if (fate == RIG_FAILS || fate == RIG_FAILS_LATER)
		return fail_to_spawn(LINK_STEP_EXEC, ENOENT, ret_fail);
	r.pid = make_child(fate == RIG_EXITS, true);
	if (r.pid < 0)
		return fail_to_spawn(LINK_STEP_FORK, errno, ret_fail);
	if (fate == RIG_CAREFUL || fate == RIG_FAILS_CAREFUL)
		(void)add_report(r.pid, fate == RIG_FAILS_CAREFUL, &r.report_fd);
	r.pidfd = fate == RIG_NO_PIDFD ? -1 : (int)syscall(SYS_pidfd_open, r.pid, 0);
	take_link(plan);
	*ret_result = r;
	return 0;
}

static void tell(const struct later *l)
{
	enum rig_fate before = rig.fate;
	struct spawn_result result;
	struct spawn_fail fail;
	int r;

	rig.fate = l->fails ? RIG_FAILS : RIG_RUNS;
	r = spawn(l->plan, &result, &fail);
	rig.fate = before;
	l->done(l->data, l->plan, r == 0 ? &result : NULL, &fail);
}

void spawn_finish(void)
{
	while (rig.n_later) {
		struct later first = rig.later[0];

		memmove(rig.later, rig.later + 1, --rig.n_later * sizeof *rig.later);
		tell(&first);
	}
}

/* What the real child gets is staged before spawn_begin() returns: so our end is taken now. */
void spawn_begin(struct spawn_plan *plan, bool more, spawn_done *done, void *data)
{
	struct spawn_result result;
	struct spawn_fail fail;
	bool fails = rig.fate == RIG_FAILS_LATER;
	int r;

	(void)more;
	if ((fails || rig.fate == RIG_LATER) && rig.n_later < LATER_MAX && plan->n_fds == 3) {
		rig.later[rig.n_later++] = (struct later){ plan, done, data, fails };
		check_plan(plan);
		plan->directory_fd = plan->cgroup_fd = -1; /* the message's: about to be closed */
		plan->flags &= ~(uint32_t)LINK_SPAWN_DIRECTORY_FD;
		for (int i = 0; i < 3; i++)
			plan->fds[i] = rig.null_fd;
		return;
	}
	r = spawn(plan, &result, &fail);
	done(data, plan, r == 0 ? &result : NULL, &fail);
}

/* Who fails ends right after its report. */
static void send_reports(void)
{
	static const struct spawn_fail fail = { LINK_STEP_CHDIR, ENOTDIR };

	while (rig.n_reports) {
		struct pending_report *r = &rig.reports[--rig.n_reports];

		if (r->fails) {
			rig_kill(r->pid);
			(void)!write(r->fd, &fail, sizeof fail); /* it may have been given up */
		}
		close_fd(&r->fd);
	}
}

/* ---- what holds at any time ------------------------------------------------------------------- */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void check_process(uint32_t slot)
{
	const struct link_slot *f = table_facts(&rig.k.table, slot);
	const struct slot *s = &rig.k.slots[slot];

	if (f->state == LINK_SLOT_LIVE)
		assert(f->pid > 1 && (is_child(f->pid) || f->flags & LINK_FLAG_ADOPTED));
	if (f->state == LINK_SLOT_ENDED && !(f->flags & (LINK_FLAG_LOST | LINK_FLAG_ADOPTED)))
		assert(!is_running(f->pid));
	if (f->state == LINK_SLOT_SPAWNING)
		assert(s->report || f->server != LINK_NO_SLOT);
	if (f->state == LINK_SLOT_EMPTY || f->state == LINK_SLOT_FAILED)
		assert(f->pid == 0 && s->on_pidfd.fd < 0);
	if (s->on_pidfd.fd >= 0)
		assert(is_open(s->on_pidfd.fd) && pidinfo_pid(s->on_pidfd.fd) >= 0);
	if (s->server)
		assert(f->state == LINK_SLOT_LIVE || f->state == LINK_SLOT_SPAWNING);
	if (f->state == LINK_SLOT_SPAWNING && f->server != LINK_NO_SLOT)
		assert(rig.k.slots[f->server].server);
	for (uint32_t i = 0; i < slot && f->pid && !(f->flags & LINK_FLAG_ADOPTED); i++)
		assert(!table_name(&rig.k.table, i)[0] ||
		       table_facts(&rig.k.table, i)->pid != f->pid);
	assert(!is_part(f->pid) || !f->pid);
}

static void check_pipes(uint32_t slot)
{
	const struct slot *s = &rig.k.slots[slot];
	const int fds[] = { s->stdin_fd, s->log_fds[0], s->log_fds[1] };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] < 0)
			continue;
		assert(fstat(fds[i], &st) == 0 && S_ISFIFO(st.st_mode));
		assert((uint32_t)st.st_ino == rig.k.table.records[slot].pipes[i]);
	}
}

static void check_unused(uint32_t slot)
{
	const struct slot *s = &rig.k.slots[slot];

	if (!s->keeper)
		return;
	assert(s->on_pidfd.fd < 0 && s->stdin_fd < 0 && s->log_fds[0] < 0 && s->log_fds[1] < 0);
	assert(!s->report && !s->server && !s->order);
}

/* Nobody runs whom the keeper has forgotten. */
static void check_children(void)
{
	for (unsigned i = 0; i < rig.n_children; i++)
		if (rig.is_keepers[i] && is_running(rig.children[i]))
			assert(reap_knows(&rig.k, rig.children[i]));
}

void rig_check(void)
{
	unsigned n_asked = 0;

	for (uint32_t i = 0; i < rig.k.table.used_max; i++) {
		const struct link_slot *f = table_facts(&rig.k.table, i);

		if (!table_name(&rig.k.table, i)[0]) {
			check_unused(i);
			continue;
		}
		check_process(i);
		check_pipes(i);
		n_asked += f->state == LINK_SLOT_SPAWNING && f->server != LINK_NO_SLOT;
	}
	assert(rig.k.n_server_spawns == n_asked);
	check_children();
}

/* A later keeper is told every slot in use. */
static void check_table(void)
{
	struct table_left_slot l;
	struct table_left left;
	uint32_t at = 0, n = 0, n_told = 0;
	struct stat st;

	assert(fstat(rig.k.table.fd, &st) == 0);
	assert(table_left_parse(&left, rig.k.table.header, (size_t)st.st_size) == 0);
	for (uint32_t i = 0; i < rig.k.table.used_max; i++)
		n += rig.k.table.records[i].use != TABLE_FREE;
	while (at < rig.k.table.used_max && table_left_next(&left, &at, &l))
		n_told++;
	assert(n == n_told);
}

/* The next program is, too. */
static void check_handoff(void)
{
	struct handoff h = { 0 };
	auto_close int fd = -1;

	assert(handoff_write(&rig.k, &fd) == 0);
	assert(handoff_open(fd, &h) == 0);
	handoff_close(&h);
}

/* ---- our ends ---------------------------------------------------------------------------------- */

static void on_fact(void *data, const struct link_message *m)
{
	(void)data;
	if (rig.phase == PHASE_SCRIPT && rig.script->on_fact)
		rig.script->on_fact(rig.script->data, m);
}

static void on_logger_message(void *data, const struct link_message *m)
{
	(void)data;
	(void)m;
}

/* What a part of ours hears is well formed. One that is let go of ends. */
static void hear(enum part_id id)
{
	struct link *l = &rig.parts[id];
	int r = 1;

	while (r == 1 && l->fd >= 0)
		r = link_receive(l, id == PART_SUPERVISOR ? on_fact : on_logger_message, NULL);
	assert(r == 1 || r == 0 || r == -EAGAIN || r == -ECONNRESET);
	if (r != 0 || l->fd < 0)
		return;
	link_done(l);
	rig_kill(rig.k.parts[id].pid);
}

struct keeper *rig_keeper(void)
{
	return &rig.k;
}

struct link *rig_supervisor(void)
{
	return &rig.parts[PART_SUPERVISOR];
}

struct link *rig_logger(void)
{
	return &rig.parts[PART_LOGGER];
}

struct link *rig_server(unsigned i)
{
	return &rig.servers[i];
}

void rig_set_fate(enum rig_fate fate)
{
	rig.fate = fate;
}

static void say(enum link_type type, const struct link_part *parts, unsigned n)
{
	struct link_head h = { .type = (uint16_t)type };

	assert(link_send(&rig.parts[PART_SUPERVISOR], &h, parts, n, NULL, 0) == 0);
	assert(link_flush(&rig.parts[PART_SUPERVISOR]) == 0);
}

static void say_boot(void)
{
	const struct link_boot boot = { .socket_mode = 0600,
					.socket_uid = (uint32_t)-1,
					.socket_gid = (uint32_t)-1,
					.uid = (uint32_t)-1,
					.gid = (uint32_t)-1,
					.umask = -1,
					.watchdog_ms = 60000 };
	char socket[64];
	const struct link_part parts[] = { { &boot, sizeof boot },
					   { rig.dir, strlen(rig.dir) + 1 },
					   { socket, sizeof socket },
					   { "\0\0\0",
					     4 } }; /* pidfile, logfile, directory, user */

	memset(socket, 0, sizeof socket);
	snprintf(socket, sizeof socket, "%s/s", rig.dir);
	((struct link_part *)parts)[2].len = strlen(socket) + 1;
	say(LINK_BOOT, parts, ARRAY_SIZE(parts));
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void kill_all(void)
{
	for (unsigned i = 0; i < rig.n_children; i++)
		if (!is_part(rig.children[i]))
			rig_kill(rig.children[i]);
}

/* Every process has ended, and the keeper knows it. */
static bool is_over(void)
{
	for (uint32_t i = 0; i < rig.k.table.used_max; i++) {
		uint32_t state = table_facts(&rig.k.table, i)->state;

		if (table_name(&rig.k.table, i)[0] &&
		    (state == LINK_SLOT_LIVE || state == LINK_SLOT_SPAWNING))
			return false;
	}
	return !ev_is_active(&rig.k.child_first);
}

static void let_go(void)
{
	for (uint32_t i = 0; i < rig.k.table.used_max; i++) {
		if (!table_name(&rig.k.table, i)[0])
			continue;
		slot_acknowledge(&rig.k, i, table_incarnation(&rig.k.table, i));
		assert(table_facts(&rig.k.table, i)->state == LINK_SLOT_EMPTY);
		slot_free(&rig.k, i);
	}
	rig_check();
	for (unsigned i = 0; i < RIG_SERVERS_MAX; i++)
		link_done(&rig.servers[i]);
	keeper_exit(&rig.k, 0);
}

static void be_patient(void)
{
	assert(clock_boot_ns() - rig.since_ns < PATIENCE_NS);
}

/* ---- one turn ---------------------------------------------------------------------------------- */

static void step(void)
{
	switch (rig.phase) {
	case PHASE_BOOT:
		say_boot();
		rig.phase = PHASE_READY;
		break;
	case PHASE_READY:
		say(LINK_READY, NULL, 0);
		rig.phase = PHASE_SCRIPT;
		break;
	case PHASE_SCRIPT:
		send_reports();
		if (!rig.script->on_idle(rig.script->data))
			rig.phase = PHASE_KILL;
		break;
	case PHASE_KILL:
		rig_check();
		check_table();
		check_handoff();
		rig.since_ns = clock_boot_ns();
		rig.phase = PHASE_END;
		break;
	case PHASE_END:
		send_reports();
		kill_all();
		be_patient();
		if (is_over()) {
			let_go();
			rig.phase = PHASE_GONE;
		}
		break;
	case PHASE_GONE:
		be_patient();
		break;
	}
}

static void on_idle(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	for (int i = 0; i < PART_MAX; i++)
		hear((enum part_id)i);
	step();
}

/* ---- one run ----------------------------------------------------------------------------------- */

static void remove_dir(void)
{
	static const char *const inside[] = { "log", "fifo", "spool" };

	for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
		unlinkat(rig.dir_fd, inside[i], AT_REMOVEDIR);
	unlinkat(rig.dir_fd, "table", 0);
	unlinkat(rig.dir_fd, "lock", 0);
	rmdir(rig.dir);
}

/* The keeper's lines go where nobody reads them, but are made. */
static void hide_log(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	assert(fd >= 0 && dup2(rig.null_fd, STDERR_FILENO) == STDERR_FILENO);
	log_init(NULL);
	assert(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	close(fd);
}

/* Before anybody makes a thread that would take SIGCHLD from the keeper's signalfd. */
__attribute__((constructor)) static void block_sigchld(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void set_up(void)
{
	if (rig.dir[0])
		return;
	rig.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	strcpy(rig.dir, "/dev/shm/foster-fuzz.XXXXXX");
	assert(rig.null_fd >= 0 && mkdtemp(rig.dir) && chmod(rig.dir, 0711) == 0);
	rig.dir_fd = open(rig.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(rig.dir_fd >= 0 && atexit(remove_dir) == 0);
	for (int i = 0; i < PART_MAX; i++)
		rig.parts[i].fd = -1;
	for (int i = 0; i < RIG_SERVERS_MAX; i++)
		rig.servers[i].fd = -1;
	hide_log();
}

/* The table of an earlier keeper. */
static void leave_slots(void)
{
	struct link_slot f = { .state = LINK_SLOT_SPAWNING, .server = LINK_NO_SLOT };
	struct pidinfo_identity who;
	struct table t = { 0 };
	struct stat st;

	assert(table_create(&t, rig.dir_fd, "table") == 0);
	t.header->slots = RIG_LEFT_LIVE + 1; /* the fewer, the sooner read */
	table_name_slot(&t, RIG_LEFT_SPAWNING, "left:spawning");
	table_write(&t, RIG_LEFT_SPAWNING, 3, &f);
	f.state = LINK_SLOT_LIVE;
	f.pid = make_child(false, false);
	pidinfo_identify(-1, f.pid, &who);
	f.start_ticks = who.start_ticks;
	table_name_slot(&t, RIG_LEFT_LIVE, "left:live");
	table_write(&t, RIG_LEFT_LIVE, 5, &f);
	assert(fstat(t.fd, &st) == 0 && munmap(t.header, (size_t)st.st_size) == 0);
	close(t.fd);
}

/* What a keeper that ends leaves to the kernel. */
static void close_rest(void)
{
	struct keeper *k = &rig.k;
	struct stat st;

	assert(fstat(k->table.fd, &st) == 0 && munmap(k->table.header, (size_t)st.st_size) == 0);
	close(k->table.fd);
	close(k->signal_fd);
	close(k->listen_epoll);
	close(k->listen_fd);
	close(k->runtime_fd);
	close(k->lock_fd);
	ev_loop_destroy(k->loop);
	free(k->slots);
	free(k->upgrade);
	free(k->runtime_dir);
	free(k->socket_path);
	for (int i = 0; i < PART_MAX; i++)
		link_done(&rig.parts[i]);
}

static void begin(const struct rig_script *script)
{
	static char name[] = "fosterd", *argv[] = { name, NULL };
	static struct options options = { .argv = argv, .ready_fd = -1 };
	static int inherit[] = { -1 };

	rig.k = (struct keeper){ .options = &options,
				 .loop = loop_new(),
				 .null_fd = rig.null_fd,
				 .inherit = inherit,
				 .listen_fd = -1,
				 .listen_epoll = -1,
				 .own_log_fd = -1,
				 .runtime_fd = -1,
				 .lock_fd = -1,
				 .stdout_fd = STDERR_FILENO,
				 .stderr_fd = STDERR_FILENO };
	assert(rig.k.loop && getrlimit(RLIMIT_NOFILE, &rig.k.nofile) == 0);
	rig.script = script;
	rig.phase = PHASE_BOOT;
	rig.fate = RIG_RUNS;
	rig.n_servers = rig.n_children = 0;
	ev_idle_init(&rig.idle, on_idle);
	ev_set_priority(&rig.idle, EV_MINPRI);
	ev_idle_start(rig.k.loop, &rig.idle);
}

const uint8_t *rig_next_record(struct rig_records *in, void *ret, size_t size)
{
	uint8_t *len = (uint8_t *)ret + size - 1;
	const uint8_t *rest;

	if (in->n++ == RECORDS_MAX || in->size < size)
		return NULL;
	memcpy(ret, in->data, size);
	rest = in->data + size;
	in->size -= size;
	if (*len > in->size)
		*len = (uint8_t)in->size;
	in->data = rest + *len;
	in->size -= *len;
	return rest;
}

/* The keeper has reaped all. */
static void check_no_child(void)
{
	for (unsigned i = 0; i < rig.n_children; i++)
		assert(!is_child(rig.children[i]));
}

void rig_run(const struct rig_script *script)
{
	int before;

	set_up();
	before = fd_count();
	begin(script);
	leave_slots();
	assert(keeper_run(&rig.k) == 0);
	assert(rig.phase == PHASE_GONE && !rig.n_later && !rig.n_reports);
	close_rest();
	assert(fd_count() == before);
	check_no_child();
}
