"""stamp - the entry point that the forkserver row measures, and its bare counterpart

As a module: stamp() appends (CLOCK_MONOTONIC, pid) to the file in sys.argv[1] and waits.
As a program: stamp.py FILE N imports the same modules, then forks N times with os.fork() alone, each
child doing the same, and prints the time from before each fork to the child's stamp, in nanoseconds.
"""

# What a service of a certain size would have loaded: about 20 modules of the standard library.
import argparse, asyncio, base64, collections, concurrent.futures, csv, datetime, decimal  # noqa: E401,F401
import email.message, hashlib, http.client, json, logging, os, pathlib, random, re, signal  # noqa: E401,F401
import sqlite3, ssl, struct, subprocess, sys, time, urllib.request, uuid, xml.etree.ElementTree  # noqa: E401,F401

RECORD = struct.Struct("=QQ")


def put(path):
    now = time.monotonic_ns()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, RECORD.pack(now, os.getpid()))
    os.close(fd)


def stamp():
    put(sys.argv[1])
    while True:
        signal.pause()


def bare(path, count):
    open(path, "wb").close()
    for _ in range(count):
        began = time.monotonic_ns()
        pid = os.fork()
        if pid == 0:
            put(path)
            os._exit(0)
        os.waitpid(pid, 0)
        with open(path, "rb") as stamps:
            stamps.seek(-RECORD.size, os.SEEK_END)
            print(RECORD.unpack(stamps.read())[0] - began, flush=True)


if __name__ == "__main__":
    bare(sys.argv[1], int(sys.argv[2]))
