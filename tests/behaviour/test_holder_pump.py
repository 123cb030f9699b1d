# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180 sanitised
"""The pump of last resort: without a keeper the holder moves a line's bytes itself, and never beside anyone else."""
import fcntl
import os
import random
import select
import signal
import socket
import struct
import threading
import time

from holder_setup import directory, holder, holders, until  # noqa: F811


class Line:
    """A carried line's files, and a guest that prints numbered words."""
    base = 3 * 4096 + 24

    def __init__(self, directory, name="serial0"):
        self.name = name
        self.paths = {kind: f"{directory}/{name}.{kind}" for kind in ("out", "spool", "note")}
        os.mkfifo(self.paths["out"])
        self.fifo = os.open(self.paths["out"], os.O_RDWR)
        self.spool = os.open(self.paths["spool"], os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self.spool, self.base)
        self.note = os.open(self.paths["note"], os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self.note, struct.pack("<QQ", 0x3145544f4e4c4d56, self.base).ljust(128, b"\0") + struct.pack("<8Q", self.base, *[0] * 7))
        self.words = 0

    def hold(self, keeper, backlog=1 << 20, stall=5000):
        keeper.hold(f"fifo:{self.name}", self.fifo)
        keeper.hold(f"spool:{self.name}", self.spool)
        keeper.hold(f"note:{self.name}", self.note)
        assert keeper.ask("pump", self.name, backlog, stall).a == 0

    def write(self, count):
        os.write(self.fifo, struct.pack(f"<{count}Q", *range(self.words, self.words + count)))
        self.words += count

    def head(self):
        return os.fstat(self.spool).st_size

    def low(self):
        return struct.unpack("<Q", os.pread(self.note, 8, 128))[0]

    def assert_exact(self):
        assert self.head() == self.base + 8 * self.words
        low = self.low()
        first = -(-(low - self.base) // 8)
        data = os.pread(self.spool, self.head() - low, low)[first * 8 + self.base - low:]
        assert data == struct.pack(f"<{self.words - first}Q", *range(first, self.words))

    def locked(self):
        """Whether somebody has the line's lock."""
        fd = os.open(self.paths["spool"], os.O_RDWR)
        answer = fcntl.fcntl(fd, 36, struct.pack("hhlllq", fcntl.F_WRLCK, 0, 0, 0, 0, 0))  # F_OFD_GETLK
        os.close(fd)
        return struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK

    def write_while(self, condition, timeout=10):
        """Writes as fast as it is taken."""
        deadline = time.monotonic() + timeout
        while condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            if select.select([], [self.fifo], [], 0.01)[1]:
                self.write(256)

    def try_lock(self):
        """The line's lock, as a keeper takes it; None when somebody has it."""
        fd = os.open(self.paths["spool"], os.O_RDWR)
        try:
            fcntl.fcntl(fd, 37, struct.pack("hhlllq", fcntl.F_WRLCK, 0, 0, 0, 0, 0))
            return fd
        except OSError:
            os.close(fd)
            return None


def test_without_a_keeper_for_a_second_the_holder_pumps_and_lets_go_when_asked(holder, directory):
    keeper = holder.greeted()
    line = Line(directory)
    line.hold(keeper)
    line.write(100)
    keeper.kill()
    killed = time.monotonic()
    silent = holder.keeper()  # starts, and says nothing
    until(lambda: line.head() == line.base + 800)
    assert 0.9 < time.monotonic() - killed < 1.6
    line.write(1000)
    until(lambda: line.head() == line.base + 8800)
    assert line.locked()
    silent.greeting()
    assert silent.ask("release_pump", "serial0").a == 0
    lock = line.try_lock()
    assert lock is not None, "released when answered"
    line.write(10)
    time.sleep(1.3)  # it is there: nobody else pumps, however silent it is now
    assert line.head() == line.base + 8800
    os.close(lock)
    assert silent.ask("release_pump", "nobody's").a == 0


def test_a_line_whose_lock_a_dying_keeper_has_still_is_not_touched(holder, directory):
    keeper = holder.greeted()
    line = Line(directory)
    line.hold(keeper)
    lock = line.try_lock()
    keeper.kill()
    silent = holder.keeper()
    line.write(10)
    time.sleep(1.3)
    assert line.head() == line.base
    os.close(lock)
    until(lambda: line.head() == line.base + 80)


def test_holders_killed_while_they_pump_leave_the_spool_exact(holders, directory):
    """Several VMs at once, since each kill waits for a second without a keeper; src/holder/pump_test.cpp kills the pump itself 200 times."""
    def torture(number, failures):
        try:
            place = f"{directory}/vm{number}"
            os.mkdir(place)
            line = Line(place)
            chance = random.Random(number)
            for round in range(3):
                holder = holders(directory=place)
                keeper = holder.greeted()
                line.hold(keeper, backlog=4 << 20)
                keeper.kill()
                silent = holder.keeper()
                end = time.monotonic() + 1.0 + chance.random() * 0.3
                while time.monotonic() < end:
                    if select.select([], [line.fifo], [], 0.01)[1]:
                        line.write(chance.randrange(1, 500))
                holder.process.kill()
                holder.process.wait()
                os.kill(silent.pid, signal.SIGKILL)
                silent.close()
                os.unlink(place + "/lend")
            lock = line.try_lock()
            os.lseek(line.spool, 0, os.SEEK_END)
            while select.select([line.fifo], [], [], 0)[0]:
                os.write(line.spool, os.read(line.fifo, 65536))
            assert line.words > 1000
            line.assert_exact()
            os.close(lock)
        except BaseException as error:
            failures.append(error)
            raise

    failures = []
    threads = [threading.Thread(target=torture, args=(number, failures)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_full_it_holds_the_guest_up_for_the_stall_limit_and_then_gives_up_the_oldest(holder, directory):
    keeper = holder.greeted()
    line = Line(directory)
    line.hold(keeper, backlog=128 << 10, stall=400)
    keeper.kill()
    silent = holder.keeper()
    until(line.locked)
    line.write_while(lambda: line.head() < line.base + (128 << 10))
    full = time.monotonic()
    line.write_while(lambda: line.low() == line.base)
    assert 0.3 < time.monotonic() - full < 1.5
    began = time.monotonic()
    for _ in range(500):
        line.write(256)
    until(lambda: line.head() == line.base + 8 * line.words)
    assert time.monotonic() - began < 1, "no second stall"
    assert line.head() - line.low() <= 128 << 10
    line.assert_exact()


def test_a_dialled_line_is_pumped_through_its_pipe(holder, directory):
    keeper = holder.greeted()
    line = Line(directory)
    monitor, upstream = socket.socketpair()
    read_end, write_end = os.pipe()
    for name, fd in (("upstream", upstream.fileno()), ("pipe-in", write_end), ("pipe-out", read_end), ("spool", line.spool), ("note", line.note)):
        keeper.hold(f"{name}:serial0", fd)
    assert keeper.ask("pump", "serial0", 1 << 20, 5000).a == 0
    os.write(write_end, struct.pack("<3Q", 0, 1, 2))  # the dead keeper left something in the pipe
    keeper.kill()
    silent = holder.keeper()
    line.words = 3
    until(lambda: line.head() == line.base + 24)
    monitor.send(struct.pack("<1000Q", *range(3, 1003)))
    line.words = 1003
    until(lambda: line.head() == line.base + 8 * 1003)
    monitor.close()
    upstream.close()
    time.sleep(0.1)
    with open(f"/proc/{holder.pid}/stat") as file:
        before = int(file.read().rsplit(")", 1)[1].split()[11])
    time.sleep(0.3)
    with open(f"/proc/{holder.pid}/stat") as file:
        assert int(file.read().rsplit(")", 1)[1].split()[11]) - before < 5, "an ended upstream is no reason to spin"
    line.assert_exact()


def test_more_lines_than_a_vm_can_have_are_refused(holder):
    keeper = holder.greeted()
    assert [keeper.ask("pump", f"l{i}", 1, 1).a for i in range(17)] == [0] * 16 + [28]
    assert keeper.ask("pump", "l3", 1, 1).a == 0
    for name, a, b in (("", 1, 1), ("a:b", 1, 1), ("x" * 40, 1, 1), ("l3", -1, 1), ("l3", 1, -1)):
        assert keeper.ask("pump", name, a, b).a == 22
