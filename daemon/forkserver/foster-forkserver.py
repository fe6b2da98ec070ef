#!/usr/bin/python3
"""foster-forkserver.py MODULE...: a forkserver that is a Python with modules loaded.

Started by fosterd with a link as descriptor 3. It imports the modules, says hello, and then forks
children on request; a child runs `entry=module:function`, called as a console script calls its entry
point, or executes a program. README.md beside this file has the protocol.

Children are ours (os.fork() knows no other way): each end is reported before it is reaped, and when
the keeper is gone the daemon children are killed. A child that is being set up has two pipes: on the
first it says what failed or that its entry is found, on the second it then waits until the keeper
has been told. So no entry runs that the keeper has not heard of, and when this server dies before,
the child sees the end of the second pipe and gives up.

Python >= 3.9, standard library only; few modules, because each makes every fork slower."""

import errno
import gc
import os
import resource
import select
import signal
import socket
import struct
import sys

LINK_FD = 3
VERSION = 1
NO_SLOT = 0xFFFFFFFF
DATAGRAM_BYTES = 65536
FDS_MAX = 32
BATCH_BYTES = 32768
TEXT_BYTES_MAX = 2048  # of a child's report: with its head less than PIPE_BUF, so it arrives whole

SPAWN, REAP, HELLO, FORKED, FAILED, ENDED = 4, 128, 129, 130, 131, 132
SESSION, GROUP, DIES, NO_NEW_PRIVS, TTY, DIRECTORY_FD, IDS = 1, 2, 4, 8, 64, 128, 512
(STEP_NONE, STEP_PIPE, STEP_FORK, STEP_SERVER, STEP_SETSID, STEP_TTY, STEP_STDIO, _, STEP_LIMITS,
 STEP_GROUPS, STEP_GID, STEP_UID, STEP_CHDIR, _, STEP_ENTRY, STEP_EXEC) = range(16)

HEAD = struct.Struct("=IHHHHIQQ")  # size type version fds in_memfd slot incarnation reserved
PLAN = struct.Struct("=5Ii4x3I8xQQ128x")  # struct link_spawn
TWO = struct.Struct("=Ii")  # link_hello, link_failed
PID = struct.Struct("=i")
END = struct.Struct("=iIQQQ")

PR_SET_NO_NEW_PRIVS = 38


class Plan:
    """What LINK_SPAWN asks for."""

    def __init__(self, key, body, fds):
        self.key = key  # slot, incarnation
        self.fds = fds
        (self.flags, _, self.uid, self.gid, n_groups, self.umask, n_path, n_argv, n_env,
         self.nofile_soft, self.nofile_hard) = PLAN.unpack_from(body)
        at = PLAN.size + 4 * n_groups
        self.groups = struct.unpack_from("=%dI" % n_groups, body, PLAN.size)
        strings = body[at:].split(b"\0")
        if len(strings) != 2 + n_path + n_argv + n_env + 1 or not n_argv:
            raise ValueError("the plan's strings are not as many as it says")
        if len(fds) != (4 if self.flags & DIRECTORY_FD else 3):
            raise ValueError("the plan came with %d descriptors" % len(fds))
        self.directory, self.entry = strings[:2]
        self.paths = strings[2:2 + n_path]
        self.argv = strings[2 + n_path:2 + n_path + n_argv]
        self.env = strings[2 + n_path + n_argv:-1]
        if not self.paths and not self.entry:
            raise ValueError("the plan has neither program nor entry")


class Child:
    """A process that was forked and is not yet reaped."""

    __slots__ = ("key", "pid", "pidfd", "report", "gate", "dies", "has_entry", "told", "status")

    def __init__(self, plan, pid, pidfd, report, gate):
        self.key = plan.key
        self.pid = pid
        self.pidfd = pidfd
        self.report = report  # read end; -1 when it has said all
        self.gate = gate  # write end; -1 when it was let through
        self.dies = plan.flags & DIES
        self.has_entry = not plan.paths
        self.told = False  # the keeper knows of it
        self.status = None  # as wait(2) gives it, when it has ended


# ---- the link --------------------------------------------------------------------------------


class Link:
    """Messages in batches; what is said is sent by flush()."""

    def __init__(self):
        self.socket = socket.socket(fileno=LINK_FD)
        self.socket.setblocking(True)  # the keeper never waits for us: waiting for it is safe
        os.set_inheritable(LINK_FD, False)
        self.out = []
        self.fds = []
        self.size = 0

    def say(self, kind, key, body, fd=None):
        if self.size > BATCH_BYTES or len(self.fds) == FDS_MAX:
            self.flush()
        size = HEAD.size + len(body)
        message = HEAD.pack(size, kind, VERSION, fd is not None, 0, *key, 0) + body
        self.out.append(message + bytes(-size % 8))
        self.size += size
        if fd is not None:
            self.fds.append(fd)

    def flush(self):
        if not self.out:
            return
        rights = []
        if self.fds:
            fds = struct.pack("%di" % len(self.fds), *self.fds)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
        self.socket.sendmsg([b"".join(self.out)], rights, socket.MSG_NOSIGNAL)
        self.out, self.fds, self.size = [], [], 0

    def receive(self):
        """The messages of the next datagram: (type, key, body, descriptors); None at the end."""
        data, rights, flags, _ = self.socket.recvmsg(
            DATAGRAM_BYTES, socket.CMSG_SPACE(4 * FDS_MAX), socket.MSG_CMSG_CLOEXEC)
        if not data:
            return None
        fds = []
        for level, kind, passed in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds += struct.unpack("%di" % (len(passed) // 4), passed)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError("a datagram of the keeper was cut off")
        return self.messages(data, fds)

    @staticmethod
    def messages(data, fds):
        at = 0
        while at < len(data):
            size, kind, version, n_fds, in_memfd, slot, incarnation, _ = HEAD.unpack_from(data, at)
            if version != VERSION or size < HEAD.size or size > len(data) - at:
                raise ValueError("a message of the keeper has version %d, size %d" %
                                 (version, size))
            body = data[at + HEAD.size:at + size]
            own, fds = fds[:n_fds], fds[n_fds:]
            if in_memfd:
                memfd = own.pop(0)
                body = read_whole(memfd)
                os.close(memfd)
            yield kind, (slot, incarnation), body, own
            at += size + -size % 8


def read_whole(fd):
    size = os.fstat(fd).st_size
    body = b""
    while len(body) < size:
        more = os.pread(fd, size - len(body), len(body))
        if not more:
            raise ValueError("a body of the keeper ends early")
        body += more
    return body


# ---- the server ------------------------------------------------------------------------------


class Server:
    def __init__(self):
        self.link = Link()
        self.epoll = select.epoll()
        self.epoll.register(LINK_FD, select.EPOLLIN)
        self.watched = {}  # descriptor -> (what to call, child)
        self.children = {}  # slot, incarnation -> child that the keeper knows or will know
        self.waiting = []  # at their gates, until the next flush
        self.threaded = None  # the module that started a thread

    # -- preloading

    def preload(self, modules):
        """Import them; whether all went well. What did not is told to keeper and stderr."""
        for module in modules:
            try:
                __import__(module)
            except BaseException:  # a module may even call sys.exit()
                import traceback
                text = "preload %s: %s" % (module, traceback.format_exc().rstrip())
                print("foster-forkserver.py:", text, file=sys.stderr, flush=True)
                self.fail((NO_SLOT, 0), STEP_ENTRY, 0, text)
                self.link.flush()
                return False
            if self.threaded is None and count_threads() > 1:
                self.threaded = module
        return True

    def hello(self):
        self.link.say(HELLO, (NO_SLOT, 0), TWO.pack(VERSION, 1))
        self.link.flush()

    # -- the loop

    def plans(self):
        """Yield each plan that is to be forked for, until the link ends. Serves all else."""
        while True:
            self.link.flush()
            self.open_gates()
            asked = False
            for fd, _ in self.epoll.poll():
                if fd == LINK_FD:
                    asked = True  # after the ends: they may be what it asks about
                elif fd in self.watched:
                    call, child = self.watched[fd]
                    call(child)
            if not asked:
                continue
            messages = self.link.receive()
            if messages is None:
                return
            for kind, key, body, fds in messages:
                if kind == SPAWN:
                    plan = self.accept(key, body, fds)
                    if plan:
                        yield plan
                    for descriptor in fds:
                        os.close(descriptor)
                elif kind == REAP:
                    self.reap(key)

    def accept(self, key, body, fds):
        """The plan, or None when nothing is to be forked."""
        child = self.children.get(key)
        if child:
            if child.told:
                self.say_forked(child)
            return None
        try:
            plan = Plan(key, body, fds)
            if plan.flags & NO_NEW_PRIVS:
                import ctypes  # once, here: not in every child
                ctypes.CDLL(None).prctl
            if plan.flags & TTY:
                import fcntl, termios
        except (ValueError, struct.error, ImportError) as e:
            self.fail(key, STEP_SERVER, 0, str(e))
            return None
        if count_threads() > 1:
            self.fail(key, STEP_SERVER, 0, "preload %s started a thread: %s" %
                      (self.threaded or "(later)", ", ".join(thread_names())))
            return None
        return plan

    # -- children

    def forked(self, plan, *made):
        child = Child(plan, *made)
        self.children[child.key] = child
        self.watch(child.report, self.on_report, child)
        self.watch(child.pidfd, self.on_end, child)

    def watch(self, fd, call, child):
        self.watched[fd] = call, child
        self.epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd):
        if self.watched.pop(fd, None):
            self.epoll.unregister(fd)

    def fail(self, key, step, err, text):
        text = text.encode(errors="backslashreplace")[-BATCH_BYTES // 2:]
        self.link.say(FAILED, key, TWO.pack(step, err) + text + b"\0")

    def say_forked(self, child):
        child.told = True
        self.link.say(FORKED, child.key, PID.pack(child.pid), child.pidfd)

    def on_report(self, child):
        try:
            said = os.read(child.report, select.PIPE_BUF)
        except BlockingIOError:
            return
        self.close_report(child)
        if said:
            step, err = TWO.unpack_from(said)
            if step == STEP_NONE:
                self.say_forked(child)
                self.waiting.append(child)
            else:
                self.fail(child.key, step, err, said[TWO.size:].decode(errors="replace"))
                self.abandon(child)
        elif not child.has_entry:  # it has executed its program
            self.say_forked(child)
            self.close_gate(child)

    def on_end(self, child):
        if child.report >= 0:
            self.on_report(child)
        if child.report >= 0:  # held open by a process that it left behind
            self.close_report(child)
        child.status = status_of(child.pid)
        self.unwatch(child.pidfd)  # until it is reaped it stays readable
        if not child.told and not child.has_entry:
            self.say_forked(child)
        if child.told:
            self.link.say(ENDED, child.key, END.pack(child.status, 0, *usage_of(child.pid), 0))
            return
        if self.children.get(child.key) is child:
            self.fail(child.key, STEP_ENTRY, 0, "the process %s while its entry was loaded" %
                      describe(child.status))
            self.abandon(child)
        self.release(child)

    def abandon(self, child):
        """It failed; when it has ended, nobody will ask to reap it."""
        del self.children[child.key]

    def open_gates(self):
        """The keeper has been told of those who wait: let them run their entries."""
        for child in self.waiting:
            if child.gate >= 0:
                try:
                    os.write(child.gate, b"!")
                except BrokenPipeError:
                    pass  # it was killed; its end tells
                self.close_gate(child)
        self.waiting.clear()

    def close_report(self, child):
        self.unwatch(child.report)
        os.close(child.report)
        child.report = -1

    def close_gate(self, child):
        os.close(child.gate)
        child.gate = -1

    def reap(self, key):
        child = self.children.get(key)
        if child is None:
            return
        if not child.told:  # no longer wanted before it began
            os.kill(child.pid, signal.SIGKILL)
        elif child.status is not None:
            del self.children[key]
            self.release(child)

    def release(self, child):
        os.waitpid(child.pid, 0)
        if child.gate >= 0:
            self.close_gate(child)
        os.close(child.pidfd)

    # -- the end

    def kill_daemons(self):
        """The keeper is gone. Nobody else reaps them, so the numbers are theirs."""
        for child in self.children.values():
            if child.dies and child.status is None:
                os.kill(child.pid, signal.SIGKILL)

    def leave_to_child(self):
        """In a child: none of this is ours. The descriptors are closed with all others."""
        self.link.socket.detach()
        self.epoll.close()
        self.watched.clear()
        self.children.clear()


def count_threads():
    try:
        return os.stat("/proc/self/task").st_nlink - 2  # "." and ".."; a thread is a directory
    except OSError:
        threading = sys.modules.get("threading")
        return threading.active_count() if threading else 1


def thread_names():
    names = []
    known = {}
    if "threading" in sys.modules:
        known = {t.native_id: t.name for t in sys.modules["threading"].enumerate()}
    for task in os.listdir("/proc/self/task"):
        if int(task) == os.getpid():
            continue
        try:
            with open("/proc/self/task/%s/comm" % task) as f:
                names.append(known.get(int(task), f.read().strip()))
        except OSError:
            pass  # it has ended
    return names


def status_of(pid):
    """The status of a child that has ended, left to be reaped, as wait(2) gives it."""
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if end.si_code == os.CLD_EXITED:
        return end.si_status << 8
    return end.si_status | (0x80 if end.si_code == os.CLD_DUMPED else 0)


def usage_of(pid):
    """User and system time in microseconds, of a child that was not reaped and of its own."""
    try:
        with open("/proc/%d/stat" % pid, "rb", 0) as f:
            fields = f.read().rpartition(b") ")[2].split()
    except OSError:
        return 0, 0
    tick_us = 1000000 // os.sysconf("SC_CLK_TCK")
    user, system, children_user, children_system = map(int, fields[11:15])
    return (user + children_user) * tick_us, (system + children_system) * tick_us


def describe(status):
    if status & 0x7f:
        return "was killed by signal %d" % (status & 0x7f)
    return "exited with %d" % (status >> 8)


# ---- the child -------------------------------------------------------------------------------


class Copy:
    """The child, from fork to its program: does what the plan asks for, in the order of DESIGN."""

    def __init__(self, plan, report, gate):
        self.plan = plan
        self.report = report
        self.gate = gate
        self.step = STEP_SETSID  # where it is, for the report

    def begin(self, server_directory):
        """Returns the function to be called; executes a program instead; or gives up."""
        try:
            self.set_up()
            if self.plan.paths:
                self.execute()
        except OSError as e:
            self.give_up(e.errno or 0)
        except Exception as e:  # a number or a name that Python itself refuses
            self.give_up(errno.EINVAL, str(e))
        directory = working_directory()
        if directory != server_directory and has_script_directory():
            sys.path.insert(0, directory)
        function = self.find_entry()
        self.await_leave()
        sys.argv[:] = [os.fsdecode(arg) for arg in self.plan.argv]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        gc.enable()
        return function

    def give_up(self, err, text=""):
        text = text.encode(errors="backslashreplace")[:TEXT_BYTES_MAX]
        os.write(self.report, TWO.pack(self.step, err) + text)
        os._exit(127)

    def set_up(self):
        plan = self.plan
        if plan.flags & SESSION:
            os.setsid()
        elif plan.flags & GROUP:
            os.setpgid(0, 0)
        self.take_descriptors()
        self.step = STEP_LIMITS
        if plan.nofile_hard:
            set_limit(plan.nofile_soft, plan.nofile_hard)
        if plan.flags & IDS:
            self.take_identity()
        if plan.umask >= 0:
            os.umask(plan.umask)
        self.step = STEP_CHDIR
        if plan.flags & DIRECTORY_FD:
            os.fchdir(plan.fds[3])
            os.close(plan.fds[3])
        elif plan.directory:
            os.chdir(plan.directory)
        self.step = STEP_LIMITS
        if plan.flags & NO_NEW_PRIVS:
            import ctypes
            if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0:
                raise PermissionError(errno.EPERM, "no_new_privs")
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for assignment in plan.env:
            name, _, value = assignment.partition(b"=")
            os.environb[name] = value

    def take_descriptors(self):
        plan = self.plan
        self.step = STEP_STDIO
        for fd in range(3):
            os.dup2(plan.fds[fd], fd)
        close_all_but({self.report, self.gate, *plan.fds[3:]})
        if plan.flags & TTY:
            import fcntl, termios
            self.step = STEP_TTY
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if sys.stdout is not None and sys.stdout.line_buffering != os.isatty(1):
            sys.stdout.reconfigure(line_buffering=os.isatty(1))

    def take_identity(self):
        plan = self.plan
        self.step = STEP_GROUPS
        os.setgroups(plan.groups)
        self.step = STEP_GID
        os.setresgid(plan.gid, plan.gid, plan.gid)
        self.step = STEP_UID
        os.setresuid(plan.uid, plan.uid, plan.uid)

    def execute(self):
        """As execvp(3) does: pass over what is not there, remember what may not be executed."""
        for number in IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        self.step = STEP_EXEC
        kept = None
        for path in self.plan.paths:
            try:
                os.execve(path, self.plan.argv, os.environb)
            except (FileNotFoundError, NotADirectoryError) as e:
                kept = kept or e
            except OSError as e:
                if e.errno != errno.EACCES:
                    raise
                kept = e
        raise kept

    def find_entry(self):
        """The function that entry= names. Its module is imported here, as the program's user."""
        self.step = STEP_ENTRY
        entry = os.fsdecode(self.plan.entry)
        module, _, path = entry.partition(":")
        try:
            if not module or not path:
                raise ValueError("an entry is MODULE:FUNCTION")
            __import__(module)
            found = sys.modules[module]
            for name in path.split("."):
                found = getattr(found, name)
            if not callable(found):
                raise TypeError("%s is not callable" % path)
            return found
        except BaseException as e:  # a module may even call sys.exit()
            sys.excepthook(type(e), e, e.__traceback__)
            flush_output()
            self.give_up(0, "%s: %s: %s" % (entry, type(e).__name__, e))

    def await_leave(self):
        os.write(self.report, TWO.pack(STEP_NONE, 0))
        os.close(self.report)
        if os.read(self.gate, 1) != b"!":
            os._exit(127)
        os.close(self.gate)


# What a Python ignores from its start, as every program that runs in it expects; not what executes.
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def set_limit(soft, hard):
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except ValueError as e:  # what Python makes of EPERM and EINVAL
        raise PermissionError(errno.EPERM, str(e)) from None


def close_all_but(kept):
    """Every descriptor from 3 on; a preloaded module's, too."""
    if sys.version_info < (3, 10):  # closerange() tries each number there
        for fd in os.listdir("/proc/self/fd"):
            if int(fd) > 2 and int(fd) not in kept:
                try:
                    os.close(int(fd))
                except OSError:
                    pass  # the one that listed them
        return
    first = 3
    for fd in sorted(kept):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 0x7FFFFFFF)


def flush_output():
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads it


# ---- main ------------------------------------------------------------------------------------


def has_script_directory():
    return not (sys.flags.isolated or getattr(sys.flags, "safe_path", False))


def working_directory():
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed


def default_signals():
    """Once, for all children: whatever the preloads did, signals are as a new Python has them."""
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            ignored = number in IGNORED_BY_PYTHON
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    signal.set_wakeup_fd(-1)


def main(modules):
    """Serve. Returns in children only: the function that they have to call."""
    directory = working_directory()
    if has_script_directory():
        sys.path[0] = directory  # as with python -m
    server = Server()
    if not server.preload(modules):
        os._exit(1)
    default_signals()
    gc.collect()
    gc.disable()
    gc.freeze()
    server.hello()
    for plan in server.plans():
        flush_output()  # or the child would print it again
        try:
            pid, pidfd, report, gate = fork()
        except OSError as e:
            server.fail(plan.key, STEP_FORK, e.errno, "")
            continue
        if pid == 0:
            server.leave_to_child()
            return Copy(plan, report, gate).begin(directory)
        server.forked(plan, pid, pidfd, report, gate)
    server.kill_daemons()
    flush_output()
    os._exit(0)


def fork():
    """(pid, pidfd, end of the report pipe, end of the gate): in the child with its ends, and pid 0."""
    fds = []
    pid = 0
    try:
        fds += os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        fds += os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            return 0, -1, fds[1], fds[2]  # the other ends are closed with all descriptors
        pidfd = os.pidfd_open(pid)
    except OSError:
        for fd in fds:
            os.close(fd)
        if pid:  # it gives up at its gate, which is closed
            os.waitpid(pid, 0)
        raise
    os.close(fds[1])
    os.close(fds[2])
    return pid, pidfd, fds[0], fds[3]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:])())
