# SPDX-License-Identifier: Apache-2.0
"""What the tests of the holder share: a folder as RUN has them, holders that are ended with the test, and looks at processes."""
import os
import socket
import time

import pytest

from fake_keeper import LISTENER, Holder, holder_program, memfd, start_record


@pytest.fixture
def directory():
    """On tmpfs, as RUN is; its path is short enough for sockets."""
    import shutil
    import tempfile
    path = tempfile.mkdtemp(prefix="vmline-holder-", dir="/dev/shm")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def holders(directory):
    """Starts holders and ends them, and all that they left, when the test is over."""
    started = []

    def start(**options):
        started.append(Holder(options.pop("directory", directory), **options))
        return started[-1]

    yield start
    for holder in started:
        holder.stop()


@pytest.fixture
def holder(holders):
    return holders()


def until(condition, timeout=5):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def same_file(one, other):
    a, b = os.fstat(one), os.fstat(other)
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def listener(directory, keeper, line="serial0", backlog=4096):
    path = f"{directory}/{line}.sock"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(backlog)
    keeper.hold(f"listen:{line}", sock.fileno(), LISTENER)
    sock.close()
    return path


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.settimeout(5)
    return client


def read_all(sock):
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            continue
        if not piece:
            return data
        data += piece


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def descriptors(pid):
    return {int(n): os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}


def opened(pid):
    """What a program has open once it sleeps: until then its loader opens libraries."""
    def sleeps():
        with open(f"/proc/{pid}/wchan") as file:
            return "nanosleep" in file.read()
    until(sleeps)
    return descriptors(pid)


def is_sanitised():
    return b"__asan_init" in open(holder_program(), "rb").read()


def start(keeper, argv, name="monitor", **record):
    fd = memfd(start_record(argv, **record))
    try:
        return keeper.ask("start", name, fd=fd, answer="started")
    finally:
        os.close(fd)
