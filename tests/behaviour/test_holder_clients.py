# SPDX-License-Identifier: Apache-2.0
# ctest: sanitised
"""Raw clients are accepted and held before anyone serves them, and refused with a sentence where there is no room."""
import os
import select
import threading
import time

from fake_keeper import CLIENT, memfd, start_record
from holder_setup import connect, directory, holder, holders, listener, read_all  # noqa: F811


def test_clients_are_held_before_anyone_serves_them_and_survive_keepers(holder, directory):
    keeper = holder.greeted()
    path = listener(directory, keeper)
    clients = [connect(path) for _ in range(3)]
    names = []
    for _ in clients:
        accepted = keeper.expect("accepted")
        names.append(accepted.name)
        os.close(accepted.fd)
    assert names == ["client:serial0:1", "client:serial0:2", "client:serial0:3"]
    keeper.kill()
    late = connect(path)  # accepted while there is nobody, or by whoever is next
    after = holder.greeted()
    if "client:serial0:4" not in after.held:
        after.held["client:serial0:4"] = after.expect("accepted")
    for number, client in enumerate([*clients, late], 1):
        message = after.held[f"client:serial0:{number}"]
        assert message.a == CLIENT
        os.write(message.fd, b"%d" % number)
        assert client.recv(10) == b"%d" % number
    after.send("drop", "client:serial0:2")
    after.ask("ping", answer="pong")
    os.close(after.held.pop("client:serial0:2").fd)
    assert clients[1].recv(10) == b""


def test_beyond_the_limit_a_client_is_refused_with_a_sentence(holder, directory):
    keeper = holder.greeted()
    path = listener(directory, keeper)
    assert keeper.ask("settings", a=10000, b=2).a == 0
    first, second = connect(path), connect(path)
    names = [keeper.expect("accepted") for _ in range(2)]
    third = connect(path)
    assert read_all(third) == f"vmline: {os.path.basename(directory)}/serial0: too many clients (2); try again later\r\n".encode()
    keeper.send("drop", names[0].name)
    os.close(names[0].fd)
    assert first.recv(1) == b""
    fourth = connect(path)
    assert keeper.expect("accepted").name == "client:serial0:3"
    second.send(b"x")
    assert os.read(names[1].fd, 10) == b"x"


def test_the_keeper_can_have_a_client_refused(holder, directory):
    keeper = holder.greeted()
    client = connect(listener(directory, keeper))
    client.send(b"typed before anyone listened")
    accepted = keeper.expect("accepted")
    os.close(accepted.fd)
    keeper.send("refuse", accepted.name)
    assert read_all(client) == f"vmline: {os.path.basename(directory)}/serial0: this client cannot be served now; try again later\r\n".encode()
    keeper.kill()
    assert set(holder.greeted().held) == {"listen:serial0"}


def test_two_thousand_clients_at_a_low_descriptor_limit_leave_everybody_else_unharmed(holders, directory):
    holder = holders(hard=512)
    keeper = holder.greeted()
    path = listener(directory, keeper)
    early = connect(path)
    served = [keeper.expect("accepted")]
    keeper.hold("cursor:serial0:1", os.memfd_create("cursor"))
    clients = [connect(path) for _ in range(2000)]
    answered = select.poll()  # not select, which knows no descriptor above 1023
    while True:
        message = keeper.receive(0.5)
        if message is None:
            break
        if message.type == "accepted":
            served.append(message)
            keeper.hold("cursor:" + message.name.split(":", 1)[1], message.fd)  # its cursor has room too
    assert 100 < len(served) < 256
    for client in clients:
        answered.register(client, select.POLLIN)
    refused = {fd for fd, _ in answered.poll(0)}
    assert len(refused) == 2001 - len(served)
    assert all(b"too many clients" in read_all(client) for client in clients if client.fileno() in refused)
    os.write(served[0].fd, b"still here")
    assert early.recv(100) == b"still here"
    record = memfd(start_record(["/bin/true"]))
    assert keeper.ask("start", "sidecar", fd=record, answer="started").fd is not None
    for message in served:
        os.close(message.fd)


def test_a_line_full_of_newcomers_does_not_keep_the_keeper_waiting(holder, directory):
    keeper = holder.greeted()
    path = listener(directory, keeper)
    keeper.ask("settings", a=10000, b=10)
    stop = threading.Event()

    def knock():
        while not stop.is_set():
            connect(path).close()

    knockers = [threading.Thread(target=knock) for _ in range(2)]
    for thread in knockers:
        thread.start()
    try:
        worst = 0
        for _ in range(50):
            began = time.monotonic()
            answer = keeper.ask("ping", answer="pong")
            worst = max(worst, time.monotonic() - began)
            keeper.unread.clear()
        assert worst < 0.2
    finally:
        stop.set()
        for thread in knockers:
            thread.join()
