#!/usr/bin/python3
"""foster-forkserver.py MODULE...: a forkserver that is a Python with modules loaded.

Started by fosterd with a link as descriptor 3. It imports the modules, says hello, and then forks
children on request; a child calls `entry=module:function` as a console script calls its entry point,
or executes a program. README.md beside this file has the protocol.

Children are ours (os.fork() knows no other way): each end is reported before it is reaped, and when
the keeper is gone the daemon children are killed.

A fork of an interpreter of some size takes a millisecond, half of it in the child, which must copy
what it writes to. So one child, the spare, is always forked ahead and waits for its plan, with the
pages that it will write to copied already; the next one is forked when nothing was asked for a while.

Child and server have a channel. It brings the plan, and tells how far the child is:

  CALL     the entry is in a module that was preloaded. The child tells the keeper itself, on the
           link, when it is set up (no code but ours has run in it), and leaves word for the server,
           which does not listen: woken now it would compete with what it has just started.
  LOAD     the entry's module is imported in the child, as the program's user, when it has closed the
           link: FOUND; the server tells the keeper, and then gives the child leave.
  EXECUTE  the end of the channel: execve(2) has closed it. The server tells the keeper. The child has
           told it before that it is there, and is ended by the keeper when we die in between.

So nothing runs that the keeper has not heard of, whoever dies before: a child that cannot tell, or
sees the end of its channel, gives up.

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
from _signal import SIG_DFL, signal as set_handler  # signal's without enums, dear in a child

LINK_FD = 3
VERSION = 1
NO_SLOT = 0xFFFFFFFF
DATAGRAM_BYTES = 32768
FDS_MAX = 32
FD_LAST = 0x7FFFFFFF
SPARE_DELAY_S = 0.001
TEXT_BYTES_MAX = 2048  # of what a child says when it fails

SPAWN, REAP, HELLO, FORKED, FAILED, ENDED, BEGUN = 4, 128, 129, 130, 131, 132, 133
SESSION, GROUP, DIES, NO_NEW_PRIVS, TTY, DIRECTORY_FD, IDS = 1, 2, 4, 8, 64, 128, 512
(STEP_NONE, STEP_PIPE, STEP_FORK, STEP_SERVER, STEP_SETSID, STEP_TTY, STEP_STDIO, _, STEP_LIMITS,
 STEP_GROUPS, STEP_GID, STEP_UID, STEP_CHDIR, STEP_PARENT, STEP_ENTRY, STEP_EXEC) = range(16)
CALL, LOAD, EXECUTE = range(3)
FOUND, TOLD, LEAVE = b"F", b"T", b"!"  # else a failure: step, errno, text

HEAD = struct.Struct("=IHHHHIQQ")  # size type version fds in_memfd slot incarnation reserved
PLAN = struct.Struct("=5Ii4x3I8xQQ128x")  # struct link_spawn
TWO = struct.Struct("=Ii")  # struct link_hello, link_failed
PID = struct.Struct("=i")  # struct link_forked
END = struct.Struct("=iIQQQ")  # struct link_ended

PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION_3 = 0x20080522

# What a Python ignores from its start, as every program that runs in it expects; not what executes.
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


# ---- the link --------------------------------------------------------------------------------


def message(kind, key, body, n_fds=0):
    size = HEAD.size + len(body)
    return HEAD.pack(size, kind, VERSION, n_fds, 0, *key, 0) + body + bytes(-size % 8)


def rights(fds):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("%di" % len(fds), *fds))]


class Link:
    """Messages in batches; what is said is sent by flush()."""

    def __init__(self):
        # The type below socket.socket: a child that leaves it has less to write to.
        self.socket = socket.SocketType(fileno=LINK_FD)
        self.socket.setblocking(True)  # the keeper never waits for us: waiting for it is safe
        os.set_inheritable(LINK_FD, False)
        self.out = []
        self.fds = []
        self.size = 0

    def say(self, kind, key, body, fds=()):
        said = message(kind, key, body, len(fds))
        if self.size + len(said) > DATAGRAM_BYTES or len(self.fds) + len(fds) > FDS_MAX:
            self.flush()
        self.out.append(said)
        self.size += len(said)
        self.fds += fds

    def flush(self):
        if self.out:
            self.send(b"".join(self.out), self.fds)
            self.out, self.fds, self.size = [], [], 0

    def send(self, data, fds):
        self.socket.sendmsg([data], rights(fds) if fds else [], socket.MSG_NOSIGNAL)


def receive(link):
    """The messages of the next datagram: (type, key, bytes, descriptors); None at the end."""
    data, passed, flags, _ = link.recvmsg(DATAGRAM_BYTES, socket.CMSG_SPACE(4 * FDS_MAX),
                                          socket.MSG_CMSG_CLOEXEC)
    if not data:
        return None
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise ValueError("a datagram of the keeper was cut off")
    fds = []
    for _, _, packed in passed:  # SCM_RIGHTS: nothing else was asked for
        fds += struct.unpack("%di" % (len(packed) // 4), packed)
    return split(data, fds)


def split(data, fds):
    at = 0
    while at < len(data):
        size, kind, version, n_fds, _, slot, incarnation, _ = HEAD.unpack_from(data, at)
        if version != VERSION or not HEAD.size <= size <= len(data) - at or n_fds > len(fds):
            raise ValueError("the keeper sent what is no message of version %d" % VERSION)
        yield kind, (slot, incarnation), data[at:at + size], fds[:n_fds]
        fds = fds[n_fds:]
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


# ---- what is asked for -----------------------------------------------------------------------


class Plan:
    """A LINK_SPAWN, and the way it will be carried out."""

    def __init__(self, key, data, fds):
        body = data[HEAD.size:]
        if HEAD.unpack_from(data)[4]:
            body = read_whole(fds[0])
            os.close(fds.pop(0))
        self.key = key  # slot, incarnation
        self.fds = fds
        (self.flags, _, self.uid, self.gid, n_groups, self.umask, n_path, n_argv, n_env,
         *self.nofile) = PLAN.unpack_from(body)
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
        self.function = None if self.paths else find_loaded(self.entry)
        self.way = way_of(n_path, self.entry)

    def is_identity(self):
        """A forkserver of the child's own user may change nothing, and has nothing to change."""
        return (os.getresuid() == (self.uid,) * 3 and os.getresgid() == (self.gid,) * 3 and
                {self.gid, *os.getgroups()} == {self.gid, *self.groups})

    def calls(self, server, channel):
        """What the child has to do, in the order of DESIGN: (step, function, arguments) each."""
        was_root = os.geteuid() == 0
        if self.flags & SESSION:
            yield STEP_SETSID, os.setsid, ()
        elif self.flags & GROUP:
            yield STEP_SETSID, os.setpgid, (0, 0)
        for fd in range(3):
            yield STEP_STDIO, os.dup2, (self.fds[fd], fd)
        link = [LINK_FD] if self.way == CALL else []
        for low, high in gaps([*link, channel, *self.fds[3:]]):
            yield STEP_STDIO, close_range, (low, high)
        if self.nofile[1] and tuple(self.nofile) != server.nofile:
            yield STEP_LIMITS, resource.setrlimit, (resource.RLIMIT_NOFILE, self.nofile)
        if self.flags & IDS and not self.is_identity():
            yield STEP_GROUPS, os.setgroups, (self.groups,)
            yield STEP_GID, os.setresgid, (self.gid,) * 3
            yield STEP_UID, os.setresuid, (self.uid,) * 3
            if self.uid and not was_root:  # else the kernel has taken them
                import ctypes
                yield STEP_UID, drop_capabilities, (ctypes.CDLL(None, use_errno=True),)
        if self.flags & TTY:
            import fcntl, termios
            yield STEP_TTY, fcntl.ioctl, (0, termios.TIOCSCTTY, 0)
        if self.umask >= 0:
            yield STEP_CHDIR, os.umask, (self.umask,)
        if self.flags & DIRECTORY_FD:
            yield STEP_CHDIR, os.fchdir, (self.fds[3],)
            yield STEP_CHDIR, os.close, (self.fds[3],)
        elif self.directory:
            yield STEP_CHDIR, os.chdir, (self.directory,)
        if self.flags & NO_NEW_PRIVS:
            import ctypes
            yield STEP_LIMITS, forgo_privileges, (ctypes.CDLL(None, use_errno=True),)
        if self.way == EXECUTE:
            for number in IGNORED_BY_PYTHON:
                yield STEP_EXEC, set_handler, (number, SIG_DFL)
            yield STEP_EXEC, execute, (self.paths, self.argv, dict(os.environb))
            return
        if self.flags & DIRECTORY_FD or self.directory:
            yield STEP_CHDIR, look_in_directory, (server.directory,)
        if sys.stdout is not None and sys.stdout.line_buffering != os.isatty(self.fds[1]):
            yield STEP_STDIO, reconfigure_output, (os.isatty(self.fds[1]),)


def way_of(n_path, entry):
    return EXECUTE if n_path else CALL if find_loaded(entry) else LOAD


def peek(data, fds):
    """Flags and way of a plan that another will read."""
    body = data[HEAD.size:]
    if HEAD.unpack_from(data)[4] and fds:  # as a memfd
        body = read_whole(fds[0])
    if len(body) < PLAN.size:
        return 0, LOAD
    flags, _, _, _, n_groups, _, n_path = PLAN.unpack_from(body)[:7]
    strings = body[PLAN.size + 4 * n_groups:].split(b"\0", 2)
    return flags, way_of(n_path, strings[1] if len(strings) > 1 else b"")


def find_loaded(entry):
    """The function that entry names, when its module is loaded already and has it; or None."""
    module, _, path = os.fsdecode(entry).partition(":")
    found = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if callable(found) else None


def gaps(kept):
    """The ranges of descriptors from 3 on that are not kept: first, and the one after the last."""
    first = 3
    for fd in sorted(kept):
        if fd > first:
            yield first, fd
        first = fd + 1
    yield first, FD_LAST


def close_range(low, high):
    """os.closerange(), which before Python 3.10 tries each number there."""
    for name in os.listdir("/proc/self/fd"):
        if low <= int(name) < high:
            try:
                os.close(int(name))
            except OSError:
                pass  # the one that listed them


if sys.version_info >= (3, 10):
    close_range = os.closerange


def drop_capabilities(libc):
    """What a forkserver that is not root had: it would stay with the user that the child became."""
    if libc.capset(struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24)) < 0:
        raise OSError(errno.EPERM, "capabilities")


def forgo_privileges(libc):
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0:
        raise OSError(errno.EPERM, "no_new_privs")


def execute(paths, argv, environment):
    """As execvp(3) does: pass over what is not there, remember what may not be executed."""
    kept = None
    for path in paths:
        try:
            os.execve(path, argv, environment)
        except (FileNotFoundError, NotADirectoryError) as e:
            kept = kept or e
        except OSError as e:
            if e.errno != errno.EACCES:
                raise
            kept = e
    raise kept


def look_in_directory(server_directory):
    """The program's directory is the first that modules are looked for in, as with python -m."""
    directory = working_directory()
    if directory != server_directory and has_script_directory():
        sys.path.insert(0, directory)


def reconfigure_output(is_terminal):
    sys.stdout.reconfigure(line_buffering=is_terminal)


# ---- the server ------------------------------------------------------------------------------


class Child:
    """A process that was forked and is not yet reaped."""

    __slots__ = ("key", "way", "dies", "pid", "pidfd", "channel", "told", "status")

    def __init__(self, pid, pidfd, channel):
        self.key = None  # slot, incarnation; None: it is the spare
        self.way = None
        self.dies = False
        self.pid = pid
        self.pidfd = pidfd
        self.channel = channel  # our end; -1 when it runs or has failed
        self.told = False  # the keeper knows of it
        self.status = None  # as wait(2) gives it, when it has ended


class Server:
    def __init__(self, directory):
        self.directory = directory
        self.link = Link()
        self.epoll = select.epoll()
        self.watched = {}  # descriptor -> (what to call, its argument)
        self.children = {}  # slot, incarnation -> child that the keeper knows or will know
        self.spare = None
        self.wants_spare = True
        self.starting = []  # CALL children whose word was not yet looked for
        self.waiting = []  # children that get leave when the keeper has been told
        self.nofile = None  # our own RLIMIT_NOFILE, once all is loaded
        self.fork_errno = 0  # of the last fork that failed
        self.threaded = None  # the module that started a thread
        self.wakeup = -1  # readable when a signal has come

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

    def raise_fd_limit(self):
        """A pidfd of each child is ours. What they get is in their plans."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.nofile = hard, hard
        resource.setrlimit(resource.RLIMIT_NOFILE, self.nofile)

    def hello(self):
        self.link.say(HELLO, (NO_SLOT, 0), TWO.pack(VERSION, 1))

    # -- the loop

    def serve(self):
        """In a child that has got a plan: that, with its channel. In the server None, at the end."""
        self.epoll.register(LINK_FD, select.EPOLLIN)
        self.wakeup = watch_signals()
        self.watch(self.wakeup, self.on_signal, None)
        while True:
            self.link.flush()
            self.give_leave()
            lacks_spare = self.wants_spare and not self.spare
            events = self.epoll.poll(SPARE_DELAY_S if lacks_spare else None)
            if not events and lacks_spare:
                mine, self.spare = self.make_child(None)
                if mine:
                    return mine
            asked = False
            for fd, _ in events:
                if fd == LINK_FD:
                    asked = True  # after the ends: they may be what it asks about
                elif fd in self.watched:
                    call, argument = self.watched[fd]
                    call(argument)
            messages = receive(self.link.socket) if asked else ()
            if messages is None:
                return None
            for kind, key, data, fds in messages:
                if kind == SPAWN:
                    mine = self.start(key, data, fds)
                    if mine:
                        return mine
                elif kind == REAP:
                    self.reap(key)
                close_all(fds)

    def on_signal(self, _):
        """End as the signal would have ended us, but leave no spare."""
        number = os.read(self.wakeup, 1)[0]
        self.end_spare()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # -- requests

    def start(self, key, data, fds):
        """Hand a plan to a child. Returns as serve() does."""
        if count_threads() > 1:
            self.fail(key, STEP_SERVER, 0, "preload %s started a thread: %s" %
                      (self.threaded or "(later)", ", ".join(thread_names())))
            return None
        mine, child = None, self.spare
        if child:
            self.hand_over(child, data, fds)
        else:
            mine, child = self.make_child((key, data, fds))
        if mine:
            return mine
        self.spare, self.wants_spare = None, True
        if not child:
            self.fail(key, STEP_FORK, self.fork_errno, "")
            return None
        child.key = key
        flags, child.way = peek(data, fds)
        child.dies = flags & DIES
        self.children[key] = child
        if child.way == CALL:
            self.starting.append(child)
        else:
            self.watch(child.channel, self.on_channel, child)
        return None

    @staticmethod
    def hand_over(child, data, fds):
        link = socket.SocketType(fileno=child.channel)
        try:
            link.sendmsg([data], rights(fds), socket.MSG_NOSIGNAL)
        except OSError:
            pass  # it has been killed: its end tells
        link.detach()

    def reap(self, key):
        child = self.children.get(key)
        if child and child.status is not None:
            del self.children[key]
            self.release(child)

    # -- making children

    def make_child(self, request):
        """Fork: for a request, or else the spare. In the server: None, and the child, if there is one.
        In the child, when it has a request: that, with its channel; and anything."""
        self.wants_spare = False  # if this fails, until the next request
        if count_threads() > 1:
            return None, None
        self.hear_starting()
        flush_output()  # or the child would print it again
        ends = []
        try:
            ends = [end.detach() for end in
                    socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)]
            pid = os.fork()
        except OSError as e:
            close_all(ends)
            self.fork_errno = e.errno
            print("foster-forkserver.py: cannot fork:", e, file=sys.stderr, flush=True)
            return None, None
        if pid == 0:
            return self.be_child(request, ends[1]), None
        os.close(ends[1])  # which leaves room for the pidfd
        child = Child(pid, os.pidfd_open(pid), ends[0])
        os.set_blocking(child.channel, False)
        self.watch(child.pidfd, self.on_end, child)
        return None, child

    def be_child(self, request, channel):
        """In the child: become one that knows nothing of its server; wait for the request."""
        try:
            signal.set_wakeup_fd(-1)
            set_handler(signal.SIGTERM, SIG_DFL)
            set_handler(signal.SIGINT, signal.default_int_handler)
            self.epoll.close()
            for low, high in gaps([LINK_FD, channel, *(request[2] if request else ())]):
                close_range(low, high)
            gc.enable()
            return (*(request or await_request(self, channel)), channel)
        except BaseException as e:  # it must not go on as a second server
            sys.excepthook(type(e), e, e.__traceback__)
            os._exit(127)

    def end_spare(self):
        if self.spare:
            os.kill(self.spare.pid, signal.SIGKILL)
            os.waitpid(self.spare.pid, 0)
            self.spare = None

    # -- answers

    def fail(self, key, step, err, text):
        text = text.encode(errors="backslashreplace")[-DATAGRAM_BYTES // 2:]
        self.link.say(FAILED, key, TWO.pack(step, err) + text + b"\0")

    def say_forked(self, child):
        child.told = True
        self.link.say(FORKED, child.key, PID.pack(child.pid), [child.pidfd])

    def on_channel(self, child):
        """One step of a child that starts. Whether there was one."""
        try:
            said = os.read(child.channel, DATAGRAM_BYTES)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            said = b""
        if said == FOUND:
            self.say_forked(child)
            self.waiting.append(child)
        else:
            self.close_channel(child)
            if said == TOLD:
                child.told = True
            elif said:
                step, err = TWO.unpack_from(said)
                self.fail(child.key, step, err, said[TWO.size:].decode(errors="replace"))
                del self.children[child.key]  # nobody will ask to reap it
            elif child.way == EXECUTE:
                self.say_forked(child)
        return child.channel >= 0

    def on_end(self, child):
        self.unwatch(child.pidfd)  # until it is reaped it stays readable
        if child is self.spare:
            self.spare = None
            self.wants_spare = False  # or we would go on and on
            os.close(child.channel)
            self.release(child)
            return
        while child.channel >= 0 and self.on_channel(child):
            pass
        if child.channel >= 0:  # held open by a process that it left behind
            self.close_channel(child)
        child.status = status_of(child.pid)
        if self.children.get(child.key) is not child:
            self.release(child)  # it failed, and the keeper was told
        elif child.told or child.way == CALL:
            if not child.told:  # it died before it told the keeper, or could leave word of it
                self.say_forked(child)
            self.link.say(ENDED, child.key, END.pack(child.status, 0, *usage_of(child.pid), 0))
        else:
            self.fail(child.key, STEP_ENTRY, 0, "the process %s while its entry was loaded" %
                      describe(child.status))
            del self.children[child.key]
            self.release(child)

    def hear_starting(self):
        for child in self.starting:
            if child.channel >= 0:
                self.on_channel(child)
        self.starting = [child for child in self.starting if child.channel >= 0]

    def give_leave(self):
        """The keeper has been told of those who wait: let them run their entries."""
        for child in self.waiting:
            if child.channel >= 0:
                try:
                    os.write(child.channel, LEAVE)
                except OSError:
                    pass  # it was killed: its end tells
                self.close_channel(child)
        self.waiting.clear()

    # -- descriptors

    def watch(self, fd, call, argument):
        self.watched[fd] = call, argument
        self.epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd):
        if self.watched.pop(fd, None):
            self.epoll.unregister(fd)

    def close_channel(self, child):
        self.unwatch(child.channel)
        os.close(child.channel)
        child.channel = -1

    def release(self, child):
        os.waitpid(child.pid, 0)
        os.close(child.pidfd)

    # -- the end

    def kill_daemons(self):
        """The keeper is gone. Nobody else reaps them, so the numbers are theirs."""
        self.end_spare()
        for child in self.children.values():
            if child.dies and child.status is None:
                os.kill(child.pid, signal.SIGKILL)


def close_all(fds):
    for fd in fds:
        os.close(fd)


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


def begin(server, key, data, fds, channel):
    """Carry out the plan. Returns the function to call; executes a program; or gives up."""
    step = STEP_SERVER
    try:
        plan = Plan(key, data, fds)
        if plan.way == EXECUTE:
            tell_begun(server.link, key)
        for assignment in plan.env:
            name, value = assignment.split(b"=", 1)
            os.environb[name] = value
        sys.argv[:] = map(os.fsdecode, plan.argv)
        for step, function, arguments in list(plan.calls(server, channel)):
            function(*arguments)
        if plan.way == CALL:
            step = STEP_PARENT
            tell_keeper(server.link, key, channel)
            return plan.function
    except (OSError, ImportError) as e:
        give_up(channel, step, getattr(e, "errno", 0) or 0, "" if step else str(e))
    except (ValueError, struct.error) as e:  # such as what setrlimit() makes of EPERM
        give_up(channel, step, errno.EPERM if step == STEP_LIMITS else errno.EINVAL, str(e))
    server.link.socket.detach()  # closed long since
    found = find_entry(plan.entry, channel)
    await_leave(channel)
    return found


def give_up(channel, step, err, text=""):
    text = text.encode(errors="backslashreplace")[:TEXT_BYTES_MAX]
    try:
        os.write(channel, TWO.pack(step, err) + text)
    finally:  # the server may be gone
        os._exit(127)


def tell_begun(link, key):
    """The keeper learns of us from ourselves, and ends us if our server dies before it has answered."""
    pid = os.getpid()
    pidfd = os.pidfd_open(pid)
    link.send(message(BEGUN, key, PID.pack(pid), 1), [pidfd])
    os.close(pidfd)


def tell_keeper(link, key, channel):
    """Say FORKED, and leave no descriptor but 0, 1, 2."""
    pid = os.getpid()
    link.send(message(FORKED, key, PID.pack(pid), 1), [os.pidfd_open(pid)])
    os.write(channel, TOLD)
    link.socket.detach()
    close_range(3, FD_LAST)


def await_request(server, channel):
    """As the spare. The process ends with its server."""
    rehearse(server, channel)
    link = socket.SocketType(fileno=channel)
    messages = receive(link)
    link.detach()
    if messages is None:
        os._exit(0)
    _, key, data, fds = next(messages)
    return key, data, fds


def rehearse(server, channel):
    """Do what can be undone of what is to come: what it writes to is copied now, not then."""
    key = NO_SLOT, 0
    body = PLAN.pack(SESSION, 0, 0, 0, 0, -1, 0, 1, 1, 0, 0)
    body += b"\0os:getpid\0name\0FOSTER_REHEARSAL=1\0"
    for _ in split(message(SPAWN, key, body, 3), [0, 1, 2]):
        plan = Plan(key, bytes(HEAD.size) + body, [0, 1, 2])
        list(plan.calls(server, channel))
        os.environb[b"FOSTER_REHEARSAL"] = b"1"
        del os.environb[b"FOSTER_REHEARSAL"]
        list(map(os.fsdecode, plan.argv))
        message(FORKED, key, PID.pack(os.getpid()), 1)
        os.close(os.pidfd_open(os.getpid()))


def find_entry(entry, channel):
    """The function that entry= names. Its module is imported here, as the program's user."""
    entry = os.fsdecode(entry)
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
        give_up(channel, STEP_ENTRY, 0, "%s: %s: %s" % (entry, type(e).__name__, e))


def await_leave(channel):
    try:
        os.write(channel, FOUND)
        leave = os.read(channel, 1)
    except OSError:
        leave = None  # the server is gone, and the keeper was not told
    if leave != LEAVE:
        os._exit(127)
    os.close(channel)


# ---- main ------------------------------------------------------------------------------------


def has_script_directory():
    return not (sys.flags.isolated or getattr(sys.flags, "safe_path", False))


def working_directory():
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed


def flush_output():
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads it


def default_signals():
    """Once, for all children: whatever the preloads did, signals are as a new Python has them."""
    for number in signal.valid_signals():
        if number in IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_IGN)
        elif number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def watch_signals():
    """A descriptor that becomes readable, with the number, when we are to end."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_end)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return read_end


def main(modules):
    directory = working_directory()
    if has_script_directory():
        sys.path[0] = directory  # as with python -m
    server = Server(directory)
    if not server.preload(modules):
        os._exit(1)
    default_signals()
    gc.collect()
    gc.disable()
    gc.freeze()
    server.raise_fd_limit()
    server.hello()
    try:
        mine = server.serve()
    except (BrokenPipeError, ConnectionResetError):
        mine = None  # the keeper is gone and left something unread
    if mine:
        sys.exit(begin(server, *mine)())
    server.kill_daemons()
    flush_output()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
