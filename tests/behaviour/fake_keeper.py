# SPDX-License-Identifier: Apache-2.0
"""A keeper for tests of the holder: the holder starts a stub, which lends its end of the pair to the test and waits to be killed; the test
then speaks the holder's protocol (docs/holder-protocol.md) itself."""
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time

LAYOUT = struct.Struct("<HHHHIIqq48s")
TYPES = dict(hold=1, drop=2, start=3, watch=4, ping=5, pump=6, release_pump=7, settings=8, refuse=9, keeper=10, succeed=11, quit=12, forget=13,
             held=64, process=65, ready=66, accepted=67, done=68, started=69, ended=70, pong=71, are_you_there=72, here=73)
NAMES = {number: name for name, number in TYPES.items()}
PLAIN, LISTENER, CLIENT = 0, 1, 2
PATH, HELD, PTY_SLAVE, NULL = 0, 1, 2, 3  # sources of a started process's descriptors
AS_USER, AS_GROUP = 2, 4  # flags of a start record
STEP = dict(record=1, child=2, cgroup=3, netns=4, descriptor=5, identity=6, user=7, directory=8, exec=9)

# Of the bare _socket, since half of a stub's life would go into importing socket.
STUB = """
import _socket, os, sys
test = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
test.connect(sys.argv[1])
test.sendmsg([str(os.getpid()).encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, (3).to_bytes(4, sys.byteorder))])
os.close(3)
test.recv(1)
"""


def holder_program():
    return os.path.join(os.environ.get("VMLINE_BIN", "build/bin"), "vmline-holder")


class Message:
    def __init__(self, data, fds):
        major, minor, number, _, self.id, _, self.a, self.b, name = LAYOUT.unpack(data)
        self.version = (major, minor)
        self.type = NAMES.get(number, number)
        self.name = name.split(b"\0")[0].decode()
        self.fd = fds[0] if fds else None

    def __repr__(self):
        return f"{self.type}({self.name!r}, id={self.id}, a={self.a}, b={self.b}, fd={self.fd})"


class Gone(Exception):
    pass


class Pair:
    """The keeper's end of the pair, and the protocol on it."""

    def __init__(self, sock, pid=None, lender=None):
        self.sock, self.pid, self.lender = sock, pid, lender
        self.next_id = 1
        self.unread = []

    def send(self, kind, name="", a=0, b=0, fd=None, id=0, version=1):
        number = TYPES.get(kind, kind)
        data = LAYOUT.pack(version, 0, number, 0, id, 0, a, b, name.encode())
        self.raw(data, [fd] if fd is not None else [])

    def raw(self, data, fds=()):
        self.sock.setblocking(True)
        socket.send_fds(self.sock, [data], list(fds))

    def receive(self, timeout=5):
        """The next message, or None when there is none within the time."""
        if self.unread:
            return self.unread.pop(0)
        readable, _, _ = select.select([self.sock], [], [], timeout)
        if not readable:
            return None
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, 200, 4)
        except ConnectionResetError:
            return self.receive(timeout)
        if not data:
            raise Gone
        return Message(data, fds)

    def expect(self, kind, timeout=5):
        """The next message of this kind; others wait for whoever expects them."""
        later, deadline = [], time.monotonic() + timeout
        try:
            while True:
                message = self.receive(max(0, deadline - time.monotonic()))
                assert message is not None, f"no {kind} came; unread: {later}"
                if message.type == kind:
                    return message
                if message.type == "are_you_there":
                    self.send("here", id=message.id)
                else:
                    later.append(message)
        finally:
            self.unread = later + self.unread

    def ask(self, kind, name="", a=0, b=0, fd=None, answer="done"):
        id, self.next_id = self.next_id, self.next_id + 1
        self.send(kind, name, a, b, fd, id)
        message = self.expect(answer)
        assert message.id == id, message
        return message

    def hold(self, name, fd, kind=PLAIN):
        assert self.ask("hold", name, kind, fd=fd).a == 0

    def greeting(self):
        """What is told to a new keeper: what is held, the processes, the ends, and `ready`."""
        held, processes, ended = {}, {}, {}
        while True:
            message = self.receive()
            assert message is not None, "the greeting stopped"
            if message.type == "held":
                assert message.name not in held
                held[message.name] = message
            elif message.type == "process":
                processes[message.name] = message
            elif message.type == "ended":
                ended[message.name] = message
            elif message.type == "are_you_there":
                self.send("here", id=message.id)
            elif message.type == "ready":
                self.held, self.processes, self.ended, self.ready = held, processes, ended, message
                return self
            else:
                raise AssertionError(f"{message} before ready")

    def close(self):
        self.sock.close()
        for message in list(getattr(self, "held", {}).values()) + list(getattr(self, "processes", {}).values()):
            if message.fd is not None:
                os.close(message.fd)
        if self.lender:
            self.lender.close()

    def kill(self):
        """SIGKILL, as far as the holder can see: process and socket are gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.close()


class Holder:
    """A built vmline-holder whose keepers are this test."""

    def __init__(self, directory, extra=(), soft=None, hard=None, user=None, pass_fds=()):
        self.directory = str(directory)
        self.lend = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lend_path = os.path.join(self.directory, "lend")
        self.lend.bind(self.lend_path)
        self.lend.listen(64)
        self.log_path = os.path.join(self.directory, "holder.log")
        self.keeper_argv = [sys.executable, "-I", "-S", "-c", STUB, self.lend_path]

        def limits():
            if hard:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft or hard, hard))
            if user:
                os.setuid(user)

        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([holder_program(), *extra, self.directory, "--", *self.keeper_argv], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, preexec_fn=limits, pass_fds=pass_fds)
        self.pid = self.process.pid

    def keeper(self, timeout=10):
        """The next keeper that the holder starts, before its greeting."""
        self.lend.settimeout(timeout)
        lender, _ = self.lend.accept()
        data, fds, _, _ = socket.recv_fds(lender, 64, 1)
        return Pair(socket.socket(fileno=fds[0]), int(data), lender)

    def greeted(self, timeout=10):
        return self.keeper(timeout).greeting()

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.lend.close()


def start_record(argv, env=(), actions=(), directory="", identity="", netns="", cgroup="", uid=None, gid=None, flags=0, **changed):
    """The bytes of a start record. An action is (source, target, flags, string)."""
    flags |= (AS_USER if uid is not None else 0) | (AS_GROUP if gid is not None else 0)
    strings = [directory, identity, netns, cgroup, *argv, *env, *[action[3] for action in actions]]
    tail = b"".join(s.encode() + b"\0" for s in strings)
    body = b"".join(struct.pack("<IiiI", source, target, opened, 0) for source, target, opened, _ in actions) + tail
    fields = dict(magic=0x54534d56, version=2, size=40 + len(body), flags=flags, argc=len(argv), envc=len(env), actions=len(actions),
                  uid=uid or 0, gid=gid or 0, reserved=0)
    fields.update(changed)
    return struct.pack("<10I", *fields.values()) + body


def memfd(data, seals=fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW):
    fd = os.memfd_create("start", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd
