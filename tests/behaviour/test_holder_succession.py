# SPDX-License-Identifier: Apache-2.0
# ctest: sanitised
"""A new holder takes a living keeper over when the old one was killed."""
import fcntl
import os
import signal
import socket
import struct
import subprocess

from fake_keeper import CLIENT, LISTENER, Pair, holder_program
from holder_setup import connect, directory, holder, holders, listener, start, until  # noqa: F811


def succeed(holder, directory, keeper, between=lambda: None):
    """Kills the holder and starts another that takes the living keeper over."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    holder.process.kill()
    holder.process.wait()
    between()

    def place():
        os.dup2(theirs.fileno(), 3)
        os.set_inheritable(3, True)

    with open(directory + "/successor.log", "ab") as log:
        process = subprocess.Popen([holder_program(), "--succeed", directory, "--", *holder.keeper_argv], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, preexec_fn=place, close_fds=False)
    theirs.close()
    keeper.sock.close()
    return process, Pair(ours, keeper.pid, keeper.lender)


def test_a_successor_takes_a_living_keeper_over(holder, directory):
    keeper = holder.greeted()
    path = listener(directory, keeper)
    client = connect(path)
    accepted = keeper.expect("accepted")
    monitor = start(keeper, ["/bin/sleep", "60"])
    process, new = succeed(holder, directory, keeper)
    try:
        pidfd = os.pidfd_open(keeper.pid)
        assert new.ask("keeper", a=keeper.pid, b=2, fd=pidfd).a == 0
        new.hold(accepted.name, accepted.fd, CLIENT)
        again = socket.socket(socket.AF_UNIX)
        os.unlink(path)
        again.bind(path)
        again.listen(5)
        early = connect(path)
        new.hold("listen:serial0", again.fileno(), LISTENER)
        assert new.ask("watch", "monitor", monitor.a, fd=monitor.fd).a == 0
        assert new.receive(0.2) is None, "nothing is accepted before all has been handed over"
        assert new.ask("settings", a=10000, b=100).a == 0
        assert new.ask("succeed", b=4).a == 0
        assert new.expect("accepted").name == "client:serial0:2"
        os.kill(monitor.a, signal.SIGKILL)
        ended = new.expect("ended")
        assert (ended.name, ended.a, ended.b) == ("monitor", monitor.a, -1)
        os.kill(keeper.pid, signal.SIGKILL)
        new.close()
        after = holder.greeted()
        assert after.ready.a == process.pid and after.ready.b == 5
        assert set(after.held) == {"listen:serial0", "client:serial0:1", "client:serial0:2"}
        os.write(after.held["client:serial0:1"].fd, b"you are still there")
        assert client.recv(100) == b"you are still there"
        after.send("quit")
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()


def test_a_successor_waits_for_the_lock_while_it_works_already(holder, directory):
    """As when its predecessor was killed and hangs in the kernel: the keeper's requests do not wait for that."""
    keeper = holder.greeted()
    lock = os.open(directory + "/holder.lock", os.O_RDWR)
    whole = struct.pack("hhlllq", fcntl.F_WRLCK, 0, 0, 0, 0, 0)
    process, new = succeed(holder, directory, keeper, lambda: fcntl.fcntl(lock, 37, whole))  # F_OFD_SETLK
    try:
        assert new.ask("keeper", a=keeper.pid, b=1, fd=os.pidfd_open(keeper.pid)).a == 0
        assert new.ask("succeed").a == 0
        os.close(lock)
        again = os.open(directory + "/holder.lock", os.O_RDWR)
        query = fcntl.F_WRLCK, 0, 0, 0, 0, 0
        until(lambda: struct.unpack_from("h", fcntl.fcntl(again, 36, struct.pack("hhlllq", *query)))[0] != fcntl.F_UNLCK)  # F_OFD_GETLK
        run = subprocess.run([holder_program(), directory, "--", "/bin/true"], capture_output=True, text=True)
        assert "runs already" in run.stderr
        os.kill(keeper.pid, signal.SIGKILL)
        new.close()
        holder.greeted().send("quit")
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()


def test_a_successor_whose_keeper_dies_in_the_handover_gives_up(holder, directory):
    keeper = holder.greeted()
    process, new = succeed(holder, directory, keeper)
    new.hold("x", 0)
    new.sock.close()
    assert process.wait(5) == 1
    os.kill(keeper.pid, signal.SIGKILL)


def test_limits_found_by_the_first_holder_reach_a_successors_children(holders, directory):
    holder = holders(soft=256, hard=1000)
    keeper = holder.greeted()
    environment = dict(item.split("=", 1) for item in open(f"/proc/{keeper.pid}/environ").read().split("\0") if "=" in item)
    os.environ["VMLINE_HOLDER_ORIGINAL"] = environment["VMLINE_HOLDER_ORIGINAL"]
    try:
        process, new = succeed(holder, directory, keeper)
    finally:
        del os.environ["VMLINE_HOLDER_ORIGINAL"]
    try:
        assert new.ask("keeper", a=keeper.pid, b=1, fd=os.pidfd_open(keeper.pid)).a == 0
        assert new.ask("succeed").a == 0
        answer = start(new, ["/bin/sleep", "60"])
        limits = open(f"/proc/{answer.a}/limits").read()
        os.kill(answer.a, signal.SIGKILL)
        assert "Max open files            256                  1000" in limits
    finally:
        process.kill()
        process.wait()
        os.kill(keeper.pid, signal.SIGKILL)
