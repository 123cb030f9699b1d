# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180 sanitised
"""What is held is there for every keeper, however the one before it died."""
import os
import random
import select
import signal
import socket
import struct
import time

import pytest

from fake_keeper import CLIENT, LISTENER, PLAIN
from holder_setup import connect, descriptors, directory, holder, holders, is_sanitised, listener, same_file, until  # noqa: F811


def test_what_is_held_is_there_for_the_next_keeper(holder):
    keeper = holder.greeted()
    assert (keeper.held, keeper.ready.a, keeper.ready.b) == ({}, holder.pid, 0)
    files = {f"file:{i}": os.memfd_create(f"file{i}") for i in range(50)}
    for name, fd in files.items():
        keeper.hold(name, fd)
    keeper.send("drop", "file:7")
    keeper.send("drop", "never there")
    keeper.hold("file:9", files["file:10"])  # one of that name already there is closed
    keeper.kill()
    after = holder.greeted()
    assert after.ready.b == 1
    assert set(after.held) == set(files) - {"file:7"}
    for name, message in after.held.items():
        assert same_file(message.fd, files["file:10" if name == "file:9" else name])
    assert sum(target.startswith("/memfd:") for target in descriptors(holder.pid).values()) == 49


def test_five_hundred_keepers_killed_at_random_moments_lose_nothing_that_was_acknowledged(holder):
    kills = 60 if is_sanitised() else 500
    fd = os.memfd_create("held")
    expected, sure, chance = set(), random.Random(1), random.Random(2)
    serial = 0
    for round in range(kills):
        keeper = holder.keeper()
        if chance.random() < 0.3:  # before or in the middle of its greeting
            for _ in range(chance.randrange(3)):
                message = keeper.receive()
                if message.fd is not None:
                    os.close(message.fd)
            keeper.kill()
            continue
        keeper.greeting()
        assert expected <= set(keeper.held), expected - set(keeper.held)
        assert all(same_file(message.fd, fd) for message in keeper.held.values())
        expected = set(keeper.held)
        for _ in range(sure.randrange(4)):
            serial += 1
            keeper.hold(f"n{serial}", fd)
            expected.add(f"n{serial}")
        if len(expected) > 20:
            for name in sorted(expected)[:10]:
                keeper.send("drop", name)
                expected.discard(name)
            keeper.ask("ping", answer="pong")
        for _ in range(chance.randrange(3)):  # sent and not waited for: may be held or not, since the kill comes with it
            serial += 1
            keeper.send("hold", f"n{serial}", fd=fd)
        keeper.kill()
    keeper = holder.greeted()
    assert keeper.ready.b == kills and expected <= set(keeper.held)
    assert len(descriptors(holder.pid)) < 20 + len(keeper.held)


def test_what_a_dead_keeper_had_still_sent_is_done_before_the_next_one_starts(holder):
    """Its end is closed with the holder's own message unread: one ECONNRESET comes before what it had sent."""
    for round in range(20):
        keeper = holder.greeted()
        fd = os.memfd_create("late")
        os.kill(holder.pid, signal.SIGSTOP)
        for i in range(30):
            keeper.send("hold", f"late{round}:{i}", fd=fd)
        os.close(fd)
        keeper.kill()
        os.kill(holder.pid, signal.SIGCONT)
        after = holder.greeted()
        assert {f"late{round}:{i}" for i in range(30)} <= set(after.held)
        for i in range(30):
            after.send("drop", f"late{round}:{i}")
        after.send("ping", id=999)  # its answer is left unread
        until(lambda: select.select([after.sock], [], [], 0)[0])
        after.kill()


def test_a_descriptor_that_did_not_arrive_is_answered_with_emfile(holders):
    holder = holders(hard=64)
    keeper = holder.greeted()
    assert keeper.ask("hold", "nothing with it").a == 24
    fd, answers = os.memfd_create("x"), []
    for i in range(80):
        answers.append(keeper.ask("hold", f"n{i}", fd=fd).a)
    assert set(answers) == {0, 24} and sorted(answers) == answers
    keeper.send("drop", "n0")
    assert keeper.ask("hold", "again", fd=fd).a == 0


def test_thousands_of_descriptors_are_told_to_a_keeper_that_reads_slowly(holder):
    keeper = holder.greeted()
    fd = os.memfd_create("x")
    for i in range(3000):
        keeper.hold(f"n{i}", fd)
    keeper.kill()
    after = holder.keeper()
    time.sleep(0.3)
    after.greeting()
    assert len(after.held) == 3000
    after.close()


def test_too_many_descriptors_in_flight_mean_wait(holders, directory):
    """The kernel counts them per user, and refuses more than the sender's limit of descriptors: ETOOMANYREFS. Root is exempt."""
    nobody = 65534 if os.geteuid() == 0 else None
    os.chmod(directory, 0o777)
    holder = holders(hard=128, user=nobody)
    os.chmod(holder.lend_path, 0o777)
    keeper = holder.greeted()
    path = listener(directory, keeper)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    crowd = os.fork()
    if crowd == 0:
        if nobody:
            os.setuid(nobody)
        for _ in range(60):
            socket.send_fds(theirs, [b"x"], [0] * 4)
        os._exit(0)
    assert os.waitpid(crowd, 0)[1] == 0
    clients = [connect(path) for _ in range(5)]
    assert keeper.receive(0.3) is None, "nothing can be told now"
    for _ in range(60):
        for received in socket.recv_fds(ours, 1, 4)[1]:
            os.close(received)
    assert [keeper.expect("accepted").name for _ in clients] == [f"client:serial0:{n}" for n in range(1, 6)]


@pytest.mark.parametrize("name,kind,number", [("", PLAIN, 22), ("x", 3, 22), ("x", -1, 22), ("x", LISTENER, 22), ("listen:", LISTENER, 22),
                                              ("listen:a:b", LISTENER, 22), ("x", CLIENT, 22)])
def test_a_hold_that_makes_no_sense_is_refused(holder, name, kind, number):
    assert holder.greeted().ask("hold", name, kind, fd=0).a == number


def test_messages_that_are_none_harm_nobody(holder):
    keeper = holder.greeted()
    chance = random.Random(5)
    fd = os.memfd_create("x")
    before = len(descriptors(holder.pid))
    for _ in range(300):
        length = chance.choice([1, 3, 79, 80, 81, 500, 80, 80])
        data = bytearray(chance.randbytes(length))
        if length == 80 and chance.random() < 0.7:  # a message but for its contents; `quit` and `keeper` are meant
            struct.pack_into("<HHH", data, 0, 1, 0, chance.choice([n for n in range(1, 100) if n not in (12,)]))
        keeper.raw(bytes(data), [fd] * chance.randrange(3))
    keeper.send("quit", version=2)  # of another major version
    keeper.send(999)
    keeper.ask("ping", answer="pong")
    keeper.kill()
    after = holder.greeted()
    for name in after.held:
        after.send("drop", name)
    after.ask("ping", answer="pong")
    assert len(descriptors(holder.pid)) <= before + 70  # processes that were "watched"; nothing that came with no message
