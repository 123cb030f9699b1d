# SPDX-License-Identifier: Apache-2.0
# ctest: sanitised
"""The processes of a VM outlive the keepers that asked for them; their ends are told to every keeper until they are forgotten."""
import errno
import os
import select
import signal
import subprocess
import time

from fake_keeper import PATH, memfd, start_record
from holder_setup import alive, directory, holder, holders, start, until  # noqa: F811


def test_a_name_is_taken_until_its_end_has_been_told(holder):
    keeper = holder.greeted()
    first = start(keeper, ["/bin/sleep", "60"])
    assert start(keeper, ["/bin/true"]).b == 17
    os.kill(first.a, signal.SIGKILL)
    ended = keeper.expect("ended")
    assert (ended.name, ended.a, ended.b) == ("monitor", first.a, signal.SIGKILL)
    assert start(keeper, ["/bin/true"]).fd is not None


def test_ends_are_kept_for_every_keeper_until_they_are_forgotten(holder):
    keeper = holder.greeted()
    running = start(keeper, ["/bin/sleep", "60"], "sidecar")
    ended = start(keeper, ["/bin/sh", "-c", "exit 7"], "monitor")
    try:
        assert keeper.expect("ended").b == 7 << 8
        for round in range(3):
            keeper.kill()
            keeper = holder.greeted()
            assert {name: (m.a, m.b) for name, m in keeper.processes.items()} == {"monitor": (ended.a, 1), "sidecar": (running.a, 0)}
            assert {name: (m.a, m.b) for name, m in keeper.ended.items()} == {"monitor": (ended.a, 7 << 8)}
            assert not select.select([keeper.processes["sidecar"].fd], [], [], 0)[0]
            assert select.select([keeper.processes["monitor"].fd], [], [], 0)[0]
        keeper.send("forget", "monitor")
        keeper.kill()
        keeper = holder.greeted()
        assert set(keeper.processes) == {"sidecar"}
    finally:
        os.kill(running.a, signal.SIGKILL)
    assert keeper.expect("ended").b == signal.SIGKILL


def test_a_process_that_ends_while_there_is_no_keeper(holder):
    keeper = holder.greeted()
    answer = start(keeper, ["/bin/sleep", "60"])
    os.kill(holder.pid, signal.SIGSTOP)
    keeper.kill()
    os.kill(answer.a, signal.SIGKILL)
    until(lambda: not alive(answer.a))
    os.kill(holder.pid, signal.SIGCONT)
    keeper = holder.greeted()
    assert keeper.processes["monitor"].b == 1 and keeper.ended["monitor"].b == signal.SIGKILL


def test_a_start_that_is_under_way_when_its_keeper_dies_is_told_to_the_next(holder, directory):
    """The child waits in open() for a FIFO's other end; the holder waits for nobody."""
    keeper = holder.greeted()
    os.mkfifo(directory + "/slow")
    keeper.send("start", "monitor", fd=memfd(start_record(["/bin/sh", "-c", "exit 5"], actions=[(PATH, 0, os.O_RDONLY, directory + "/slow")])), id=77)
    keeper.ask("ping", answer="pong")
    keeper.kill()
    after = holder.greeted()
    assert after.processes["monitor"].b == 0
    writer = os.open(directory + "/slow", os.O_WRONLY)
    ended = after.expect("ended")
    assert (ended.name, ended.a, ended.b) == ("monitor", after.processes["monitor"].a, 5 << 8)
    os.close(writer)


def test_a_child_that_hangs_before_its_exec_ends_with_its_holder_and_keeps_no_lock(holder, holders, directory):
    keeper = holder.greeted()
    os.mkfifo(directory + "/slow")
    keeper.send("start", "monitor", fd=memfd(start_record(["/bin/true"], actions=[(PATH, 0, os.O_RDONLY, directory + "/slow")])), id=77)
    keeper.ask("ping", answer="pong")
    keeper.close()
    holder.process.kill()
    holder.process.wait()
    os.unlink(directory + "/lend")
    again = holders()
    assert again.greeted().ready.b == 0
    # Nobody could know of it: it has not written who it is. So it has ended with its holder, and nobody waits for the FIFO any more.
    deadline = time.monotonic() + 10
    while True:
        try:
            os.close(os.open(directory + "/slow", os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            assert error.errno == errno.ENXIO
            break
        assert time.monotonic() < deadline, "it has outlived its holder"
        time.sleep(0.005)


def test_a_process_that_somebody_else_started_is_watched(holder):
    keeper = holder.greeted()
    other = subprocess.Popen(["/bin/sleep", "60"])
    pidfd = os.pidfd_open(other.pid)
    assert keeper.ask("watch", "adopted", other.pid, fd=pidfd).a == 0
    keeper.kill()
    keeper = holder.greeted()
    assert (keeper.processes["adopted"].a, keeper.processes["adopted"].b) == (other.pid, 0)
    other.kill()
    other.wait()
    ended = keeper.expect("ended")
    assert (ended.name, ended.a, ended.b) == ("adopted", other.pid, -1)
    os.close(pidfd)
