# SPDX-License-Identifier: Apache-2.0
# ctest: sanitised
"""Starting a process: what it is given, what it is not, and at what a start can fail."""
import contextlib
import ctypes
import fcntl
import os
import pty
import random
import signal
import stat
import threading

import pytest

from fake_keeper import HELD, NULL, PATH, PTY_SLAVE, STEP, memfd, start_record
from holder_setup import alive, connect, descriptors, directory, holder, holders, listener, opened, start, until  # noqa: F811


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
    (dict(argv=["/bin/true"], version=1), 93, STEP["record"]),
    (dict(argv=["/bin/true"], version=3), 93, STEP["record"]),
    (dict(argv=["/bin/true"], flags=8), 74, STEP["record"]),
    (dict(argv=["/bin/true"], uid=0xffffffff), 74, STEP["record"]),
    (dict(argv=["/bin/true"], netns="run/netns/n"), 74, STEP["record"]),
    (dict(argv=["/bin/true"], cgroup="relative"), 74, STEP["record"]),
    (dict(argv=["/bin/true"], netns="/no/such"), 2, STEP["netns"]),
    (dict(argv=["/bin/true"], netns="/etc/passwd"), 22, STEP["netns"]),
    (dict(argv=["/bin/true"], netns="/proc/self/ns/uts"), 22, STEP["netns"]),
    (dict(argv=["/bin/true"], cgroup="/no/such"), 2, STEP["cgroup"]),
    (dict(argv=["/bin/true"], cgroup="/etc/passwd"), 20, STEP["cgroup"]),
    (dict(argv=["/bin/true"], cgroup="/tmp"), 22, STEP["cgroup"]),
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


NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a process somebody else's")


@pytest.fixture
def netns():
    """A network namespace that lasts as long as a descriptor of it: nothing of it is left."""
    opened = []

    def make():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x40000000) == 0:  # CLONE_NEWNET, of this thread alone
            opened.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        else:
            opened.append(-ctypes.get_errno())

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if opened[0] < 0:
        pytest.skip(f"no network namespace can be made here: {os.strerror(-opened[0])}")
    yield f"/proc/{os.getpid()}/fd/{opened[0]}"
    os.close(opened[0])


@pytest.fixture
def cgroup():
    """A folder of cgroup v2 of the test's own."""
    with open("/proc/self/mounts") as mounts:
        places = [fields[1] for fields in map(str.split, mounts) if fields[2] == "cgroup2"]
    if not places:
        pytest.skip("no cgroup v2 is mounted here")
    path = f"{places[0]}/vmline-test-{os.getpid()}"
    try:
        os.mkdir(path)
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    yield path

    def empty():
        with open(path + "/cgroup.procs") as file:
            return not file.read()
    until(empty)
    os.rmdir(path)


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def ended(keeper, pid):
    os.kill(pid, signal.SIGKILL)
    keeper.expect("ended")


def test_a_child_in_a_network_namespace_and_the_holder_not(holder, netns):
    keeper = holder.greeted()
    answer = start(keeper, ["/bin/sleep", "60"], netns=netns)
    assert answer.fd is not None, answer
    assert os.stat(f"/proc/{answer.a}/ns/net").st_ino == os.stat(netns).st_ino != os.stat(f"/proc/{holder.pid}/ns/net").st_ino
    assert opened(answer.a) == {n: "/dev/null" for n in (0, 1, 2)}
    ended(keeper, answer.a)


def test_a_child_in_a_cgroup_and_the_holder_not(holder, cgroup):
    keeper = holder.greeted()
    answer = start(keeper, ["/bin/sleep", "60"], cgroup=cgroup)
    assert answer.fd is not None, answer
    assert open(cgroup + "/cgroup.procs").read().split() == [str(answer.a)]
    assert opened(answer.a) == {n: "/dev/null" for n in (0, 1, 2)}
    ended(keeper, answer.a)


def test_a_cgroup_that_takes_no_processes_is_told(holder, cgroup):
    """As its controllers, or the lack of them, have it: here a child that is domain invalid."""
    keeper = holder.greeted()
    os.mkdir(cgroup + "/threads")
    try:
        with open(cgroup + "/threads/cgroup.type", "w") as file:
            file.write("threaded")
        os.mkdir(cgroup + "/invalid")
        answer = start(keeper, ["/bin/true"], cgroup=cgroup + "/invalid")
        assert (answer.fd, answer.b, answer.a) == (None, 95, STEP["cgroup"])
    finally:
        for name in ("invalid", "threads"):
            if os.path.exists(f"{cgroup}/{name}"):
                os.rmdir(f"{cgroup}/{name}")


@root
def test_a_child_of_another_user_has_only_what_was_opened_for_it(holder, directory):
    """The FIFO and the identity file are root's, in a folder of root's."""
    keeper = holder.greeted()
    os.mkfifo(directory + "/fifo", 0o600)
    answer = start(keeper, ["/bin/sleep", "60"], identity=directory + "/id", uid=NOBODY, gid=12345, actions=[(PATH, 1, os.O_RDWR, directory + "/fifo")])
    assert answer.fd is not None, answer
    status = status_of(answer.a)
    assert status["Uid"].split() == [str(NOBODY)] * 4 and status["Gid"].split() == ["12345"] * 4 and status["Groups"].split() == []
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[capabilities], 16) == 0
    assert status["NoNewPrivs"] == "0"
    assert opened(answer.a) == {0: "/dev/null", 1: directory + "/fifo", 2: "/dev/null"}
    assert open(directory + "/id").read().split()[0] == str(answer.a)
    assert os.stat(f"/proc/{answer.a}/fd").st_uid == NOBODY, "it is dumpable again once it is its program"
    ended(keeper, answer.a)


@root
@pytest.mark.parametrize("whom", [dict(uid=NOBODY), dict(gid=NOBODY)])
def test_a_user_or_a_group_alone(holder, whom):
    keeper = holder.greeted()
    answer = start(keeper, ["/bin/sleep", "60"], **whom)
    status = status_of(answer.a)
    assert status["Uid"].split() == [str(whom.get("uid", 0))] * 4 and status["Gid"].split() == [str(whom.get("gid", 0))] * 4
    ended(keeper, answer.a)


@root
def test_what_the_user_may_not_see_is_told(holder, directory):
    keeper = holder.greeted()
    os.mkdir(directory + "/closed", 0o700)
    answer = start(keeper, ["/bin/true"], directory=directory + "/closed", uid=NOBODY, gid=NOBODY)
    assert (answer.fd, answer.b, answer.a) == (None, 13, STEP["directory"])
    program = directory + "/closed/program"
    os.symlink("/bin/true", program)
    answer = start(keeper, [program], uid=NOBODY, gid=NOBODY)
    assert (answer.fd, answer.b, answer.a) == (None, 13, STEP["exec"])


def test_who_it_is_already_it_stays_with_all_its_groups(holder):
    keeper = holder.greeted()
    answer = start(keeper, ["/bin/sleep", "60"], uid=os.geteuid(), gid=os.getegid())
    assert status_of(answer.a)["Groups"] == status_of("self")["Groups"]
    ended(keeper, answer.a)


@root
def test_a_holder_that_is_not_root_can_make_nobody_else(holders, directory):
    os.chmod(directory, 0o777)
    holder = holders(user=NOBODY)
    os.chmod(holder.lend_path, 0o777)
    keeper = holder.greeted()
    answer = start(keeper, ["/bin/true"], uid=1, gid=1)
    assert (answer.fd, answer.b, answer.a) == (None, 1, STEP["user"])
    answer = start(keeper, ["/bin/true"], uid=NOBODY)
    assert answer.fd is not None, "that is who it is already"


@contextlib.contextmanager
def unserved(path):
    """A file system that answers nothing: whoever looks into it hangs until it is killed."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.mkdir(path)
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no file system of our own: {error}")
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"vmline-test", path.encode(), b"fuse", 0, options.encode()) != 0:
            pytest.skip(f"no file system of our own: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        libc.umount2(path.encode(), 2)  # MNT_DETACH
        os.close(server)


@root
def test_a_child_of_another_user_without_an_identity_file_ends_with_the_holder(holder, directory):
    """It hangs between its change of user and its exec: at the working directory, in a file system that nobody serves."""
    keeper = holder.greeted()

    def hanging():
        with open(f"/proc/{holder.pid}/task/{holder.pid}/children") as file:
            return [pid for pid in file.read().split() if os.path.exists(f"/proc/{pid}/status")
                    and status_of(pid)["Uid"].split()[0] == str(NOBODY)]

    os.chmod(directory, 0o711)
    with unserved(directory + "/hung"):
        keeper.send("start", "m", fd=memfd(start_record(["/bin/true"], directory=directory + "/hung/d", uid=NOBODY, gid=NOBODY)), id=77)
        until(hanging)
        child = hanging()[0]
        assert alive(child)
        os.kill(holder.pid, signal.SIGKILL)
        until(lambda: not alive(child))
