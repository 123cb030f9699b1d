# SPDX-License-Identifier: Apache-2.0
# ctest: sanitised
"""Starting a process: what it is given, what it is not, and at what a start can fail."""
import fcntl
import os
import pty
import random
import signal
import stat

import pytest

from fake_keeper import HELD, NULL, PATH, PTY_SLAVE, STEP, memfd, start_record
from holder_setup import connect, descriptors, directory, holder, holders, listener, opened, start  # noqa: F811


def test_every_source_of_a_descriptor(holder, directory):
    keeper = holder.greeted()
    os.mkfifo(directory + "/fifo")
    master, slave = pty.openpty()
    os.fchmod(slave, 0)
    held = os.memfd_create("given")
    keeper.hold("in", master)
    keeper.hold("given", held)
    answer = start(keeper, ["/bin/sleep", "60"], env=["PATH=/bin"],
                   actions=[(PTY_SLAVE, 0, 0, "in"), (PATH, 1, os.O_RDWR, directory + "/fifo"),
                            (PATH, 2, os.O_WRONLY | os.O_CREAT | os.O_APPEND, directory + "/monitor.log"), (HELD, 1001, 0, "given"), (NULL, 9, 0, "")])
    try:
        assert answer.fd is not None, answer
        there = opened(answer.a)
        assert there == {0: os.ttyname(slave), 1: directory + "/fifo", 2: directory + "/monitor.log", 1001: "/memfd:given (deleted)", 9: "/dev/null"}
        assert stat.S_IMODE(os.stat(directory + "/monitor.log").st_mode) == 0o600
        with open(f"/proc/{answer.a}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        assert int(fields[3]) == answer.a and int(fields[4]) == 0, "a session of its own without a terminal"
        with open(f"/proc/{answer.a}/status") as file:
            status = dict(line.split(":", 1) for line in file.read().splitlines())
        assert int(status["SigIgn"], 16) == 0 and int(status["SigBlk"], 16) == 0
        assert os.readlink(f"/proc/{answer.a}/cwd") == "/"
        assert open(f"/proc/{answer.a}/environ", "rb").read() == b"PATH=/bin\0"
    finally:
        os.kill(answer.a, signal.SIGKILL)


def test_sources_that_lie_where_others_are_placed(holder):
    """What is held has numbers like 8, 9, 10 in the holder: each is wanted at another's place."""
    keeper = holder.greeted()
    files = [os.memfd_create(f"m{i}") for i in range(12)]
    for i, fd in enumerate(files):
        keeper.hold(f"m{i}", fd)
    places = {name: number for number, name in descriptors(holder.pid).items() if name.startswith("/memfd:m")}
    numbers = sorted(places.values())
    turned = numbers[5:] + numbers[:5] + [3, 4]
    answer = start(keeper, ["/bin/sleep", "60"], actions=[(HELD, turned[i], 0, f"m{i}") for i in range(12)])
    try:
        there = opened(answer.a)
        for number in (0, 1, 2):
            assert there.pop(number) == "/dev/null"
        assert there == {turned[i]: f"/memfd:m{i} (deleted)" for i in range(12)}
    finally:
        os.kill(answer.a, signal.SIGKILL)


def test_nothing_of_the_holder_stays_with_a_child(holder, directory):
    keeper = holder.greeted()
    path = listener(directory, keeper)
    clients = [connect(path) for _ in range(5)]
    assert all(keeper.expect("accepted") for _ in clients)
    answer = start(keeper, ["/bin/sleep", "60"])
    try:
        assert opened(answer.a) == {n: "/dev/null" for n in (0, 1, 2)}
    finally:
        os.kill(answer.a, signal.SIGKILL)
    assert set(descriptors(keeper.pid)) == {0, 1, 2, 4}  # its socket, 3, has been lent to us; 4 is the stub's own


def test_limits_are_put_back_for_a_child(holders, directory):
    holder = holders(soft=256, hard=1000)
    keeper = holder.greeted()
    assert "Max open files            1000                 1000" in open(f"/proc/{holder.pid}/limits").read()
    answer = start(keeper, ["/bin/sleep", "60"])
    try:
        assert "Max open files            256                  1000" in open(f"/proc/{answer.a}/limits").read()
        assert open(f"/proc/{answer.a}/oom_score_adj").read() == open("/proc/self/oom_score_adj").read()
        if os.geteuid() == 0:
            assert int(open(f"/proc/{holder.pid}/oom_score_adj").read()) <= int(open("/proc/self/oom_score_adj").read())
    finally:
        os.kill(answer.a, signal.SIGKILL)


def test_the_identity_is_written_before_the_program_runs(holder, directory):
    keeper = holder.greeted()
    answer = start(keeper, ["/bin/cp", "id", "seen"], directory=directory, identity=directory + "/id")
    ended = keeper.expect("ended")
    assert (ended.name, ended.a, ended.b) == ("monitor", answer.a, 0)
    pid, ticks, boot = open(directory + "/seen").read().removesuffix("\n").split(" ")
    assert int(pid) == answer.a and int(ticks) > 0
    assert boot == open("/proc/sys/kernel/random/boot_id").read().strip()
    assert not os.path.exists(directory + "/id.new")


def test_the_start_time_in_the_identity_is_the_kernels(holder, directory):
    keeper = holder.greeted()
    answer = start(keeper, ["/bin/sleep", "60"], identity=directory + "/id")
    try:
        stat = open(f"/proc/{answer.a}/stat").read().rsplit(")", 1)[1].split()
        assert open(directory + "/id").read().split()[1] == stat[19]
    finally:
        os.kill(answer.a, signal.SIGKILL)


@pytest.mark.parametrize("record,number,step", [
    (dict(argv=["/no/such/program"]), 2, STEP["exec"]),
    (dict(argv=["/etc/passwd"]), 13, STEP["exec"]),
    (dict(argv=["/bin/true"], directory="/no/such"), 2, STEP["directory"]),
    (dict(argv=["/bin/true"], identity="/no/such/id"), 2, STEP["identity"]),
    (dict(argv=["/bin/true"], identity="/" + "x" * 5000), 36, STEP["identity"]),
    (dict(argv=["/bin/true"], actions=[(NULL, 0, 0, ""), (PATH, 1, os.O_WRONLY, "/no/such")]), 2, STEP["descriptor"] | 1 << 8),
    (dict(argv=["/bin/true"], actions=[(HELD, 0, 0, "nobody")]), 2, STEP["descriptor"]),
    (dict(argv=["/bin/true"], actions=[(PTY_SLAVE, 0, 0, "no pty")]), 25, STEP["descriptor"]),
    (dict(argv=["/bin/true"], actions=[(NULL, 60000, 0, "")]), 9, STEP["descriptor"]),
    (dict(argv=["relative"]), 74, STEP["record"]),
    (dict(argv=["/bin/true"], version=2), 74, STEP["record"]),
    (dict(argv=["/bin/true"], argc=5), 74, STEP["record"]),
])
def test_a_start_that_fails_says_at_what(holder, record, number, step):
    keeper = holder.greeted()
    keeper.hold("no pty", 0)
    answer = start(keeper, **record)
    assert (answer.fd, answer.b, answer.a) == (None, number, step)
    answer = start(keeper, ["/bin/true"])  # its name is free again
    assert answer.fd is not None and keeper.expect("ended").b == 0


def test_a_record_that_could_change_under_the_reader_is_refused(holder):
    keeper = holder.greeted()
    data = start_record(["/bin/true"])
    for fd in (memfd(data, seals=0), memfd(data, seals=fcntl.F_SEAL_WRITE), memfd(data, seals=fcntl.F_SEAL_SHRINK), memfd(b""), os.open("/etc/passwd", os.O_RDONLY)):
        answer = keeper.ask("start", "m", fd=fd, answer="started")
        assert (answer.fd, answer.b, answer.a) == (None, 74, STEP["record"])
    answer = keeper.ask("start", "m", answer="started")
    assert (answer.fd, answer.b) == (None, 24)


def test_garbage_in_a_record_starts_nothing(holder):
    keeper = holder.greeted()
    chance = random.Random(11)
    good = start_record(["/bin/true", "x"], env=["A=1"], actions=[(NULL, 0, 0, "")])
    for _ in range(200):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        fd = memfd(bytes(data[:chance.randrange(1, len(data) + 1)]) if chance.random() < 0.5 else bytes(data))
        keeper.ask("start", "m", fd=fd, answer="started")
        os.close(fd)
        keeper.unread.clear()
        keeper.send("forget", "m")
    keeper.ask("ping", answer="pong")
