#!/usr/bin/python3
"""bench_forkserver.py BUILD: the Python forkserver beside a bare os.fork()

Plays the keeper over a socket pair: no fosterd, no wake-ups but the server's own. Both interpreters
have loaded what stamp.py loads; the children write CLOCK_MONOTONIC to a pipe as their first act.
Measured: from before the request (the fork) to that time. Medians of alternating rounds, unpinned
and then with everything on one CPU. One at a time, with 5 ms in between, when a child that was forked
ahead takes the request; and in bursts of 50, when each child has yet to be forked, for which there is
no bar: the time until the last one's act, for each of them. PYTHON= chooses the interpreter (/usr/bin/python3).
Exit status 1 when a ratio is above 1.5."""

import array
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

ROUNDS, COUNT, BURST = 7, 60, 50
BAR = 1.5
HEAD = struct.Struct("=IHHHHIQQ")
PLAN = struct.Struct("=5Ii4x3I8xQQ128x")
SPAWN, REAP, HELLO, FORKED, ENDED = 4, 128, 129, 130, 132
SESSION, DIES = 1, 4
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = os.environ.get("PYTHON", "/usr/bin/python3")
ENVIRONMENT = ["FOSTER_VARIABLE_%d=value number %d" % (i, i) for i in range(12)]


def stamp_pipe():
    """The entry: the time, to standard output. An interpreter that ends in order writes to all it has
    loaded, some 8 ms here; that is not what is measured."""
    os.write(1, struct.pack("=Q", time.monotonic_ns()))
    os._exit(0)


def bare(count):
    """Fork count times. Print each time to the child's act, then the mean of a whole round."""
    import stamp  # noqa: F401: for its modules
    read_end, write_end = os.pipe()
    first = time.monotonic_ns()
    for _ in range(count):
        began = time.monotonic_ns()
        pid = os.fork()
        if pid == 0:
            os.dup2(write_end, 1)
            stamp_pipe()
        now, = struct.unpack("=Q", os.read(read_end, 8))
        os.waitpid(pid, 0)
        print(now - began)
    print((time.monotonic_ns() - first) // count)


class Server:
    def __init__(self, build):
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.slot = self.incarnation = 0
        self.null = os.open("/dev/null", os.O_RDWR)

        def place():
            os.dup2(theirs.fileno(), 3)

        self.process = subprocess.Popen(
            [PYTHON, build + "/foster-forkserver.py", "stamp", "bench_forkserver"], close_fds=False,
            preexec_fn=place, env={**os.environ, "PYTHONPATH": HERE})
        theirs.close()
        self.until(HELLO)

    def until(self, wanted):
        while True:
            data, fds, _, _ = socket.recv_fds(self.link, 65536, 32)
            for fd in fds:
                os.close(fd)
            at, kinds = 0, []
            while at < len(data):
                size, kind = HEAD.unpack_from(data, at)[:2]
                kinds.append(kind)
                at += size + -size % 8
            if wanted in kinds:
                return kinds.count(wanted)
            if not data:
                sys.exit("the forkserver has ended")

    def say(self, kind, body=b"", fds=()):
        head = HEAD.pack(HEAD.size + len(body), kind, 1, len(fds), 0, self.slot, self.incarnation, 0)
        data = head + body + bytes(-len(body) % 8)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.link.sendmsg([data], rights)

    def start(self, out):
        self.incarnation += 1
        strings = ["", "bench_forkserver:stamp_pipe", "stamp"] + ENVIRONMENT
        body = PLAN.pack(SESSION | DIES, 1, 0, 0, 0, 0o22, 0, 1, len(ENVIRONMENT), 1024, 4096)
        body += b"".join(s.encode() + b"\0" for s in strings)
        self.say(SPAWN, body, (self.null, out, 2))

    def measure(self, count):
        read_end, write_end = os.pipe()
        samples = []
        for _ in range(count):
            began = time.monotonic_ns()
            self.start(write_end)
            now, = struct.unpack("=Q", os.read(read_end, 8))
            samples.append(now - began)
            self.until(ENDED)
            self.say(REAP)
            time.sleep(0.005)  # as it is when nothing else is asked for
        os.close(read_end)
        os.close(write_end)
        return samples

    def measure_burst(self, count):
        """Seconds until the last of them has written."""
        read_end, write_end = os.pipe()
        began = time.monotonic_ns()
        for self.slot in range(count):
            self.start(write_end)
        last = max(struct.unpack("=Q", os.read(read_end, 8))[0] for _ in range(count))
        os.close(read_end)
        os.close(write_end)
        ended = 0
        while ended < count:
            ended += self.until(ENDED)
        first = self.incarnation - count
        for self.slot in range(count):
            self.incarnation = first + self.slot + 1
            self.say(REAP)
        return last - began

    def stop(self):
        self.link.close()
        self.process.wait()


def row(build, pinning):
    server = Server(build)
    ours, theirs, bursts, rounds = [], [], [], []
    for _ in range(ROUNDS):
        text = subprocess.run([PYTHON, __file__, "--bare", str(COUNT)], stdout=subprocess.PIPE,
                              check=True).stdout
        *samples, whole = map(int, text.split())
        theirs += samples
        rounds.append(whole)
        ours += server.measure(COUNT)
        bursts.append(server.measure_burst(BURST) / BURST)
    server.stop()
    fork, asked = statistics.median(theirs), statistics.median(ours)
    print("forkserver alone, python, %-9s foster %7.0f us  raw %7.0f us  ratio %5.2f (at most %.1f)" %
          (pinning, asked / 1e3, fork / 1e3, asked / fork, BAR))
    each, whole = statistics.median(bursts), statistics.median(rounds)
    print("                   in bursts, %-9s foster %7.0f us  raw %7.0f us  ratio %5.2f" %
          (pinning, each / 1e3, whole / 1e3, each / whole))
    return asked <= BAR * fork


def main(build):
    good = row(build, "unpinned")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    good &= row(build, "one CPU")
    return 0 if good else 1


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if len(sys.argv) == 3 and sys.argv[1] == "--bare":
        bare(int(sys.argv[2]))
    elif len(sys.argv) == 2:
        sys.exit(main(os.path.abspath(sys.argv[1])))
    else:
        sys.exit(__doc__)
