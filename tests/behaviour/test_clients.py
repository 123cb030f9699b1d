# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""Clients of a line's raw socket: too many of them, slow and stopped ones, and those who type. None of them costs the guest or another client
anything, and none loses a byte that is still kept."""
import os
import resource
import selectors
import shutil
import socket
import subprocess
import sys
import time

import pytest

from host import QEMU, wait_until
from lines import LINE_SIZE, Checker
from stream import Stream

SPOUT = ['--', sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'spout.py')]
MIB = 1 << 20


def judge(data, boots=1):
    checker = Checker()
    checker.feed(data)
    assert checker.finish().unjudged == 0 and checker.boots == boots
    return checker


def keep(host, *words):
    """A line whose other end says as many numbered lines as are typed."""
    host.vmline('keep', 'a', *words, *SPOUT)
    return host.vm('a')


def say(client, lines):
    at = len(client.data)
    client.type(b'%d\n' % lines)
    client.wait_for(b'STOPPED', start=at, seconds=60)
    client.wait_for(b'\n', start=client.wait_for(b'STOPPED', start=at))


def receive(connection, size=None, seconds=20):
    """So many bytes, or all until the connection's end."""
    connection.settimeout(seconds)
    data = bytearray()
    while size is None or len(data) < size:
        piece = connection.recv(min(MIB, size - len(data)) if size else MIB)
        if not piece:
            assert size is None, f'the line was cut after {len(data)} of {size} bytes'
            break
        data += piece
    return bytes(data)


def nothing_comes(connection, seconds):
    connection.settimeout(seconds)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True


def connect(vm):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(vm.socket_path)
    return connection


# -- too many


@pytest.fixture
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 4096:
        pytest.skip(f'this process may open {before[1]} files only')
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 4096), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_of_2000_clients_at_once_those_beyond_the_limit_are_refused_with_a_sentence(host, many_descriptors):
    host.prefix = ['prlimit', '--nofile=512:512']
    vm = host.run('a', *QEMU, '--spool', '256K', cmdline='flood')
    info = vm.info()
    for one in ('holder', 'keeper'):
        with open(f'/proc/{info[one]["pid"]}/limits') as file:
            assert next(row.split()[3:5] for row in file if row.startswith('Max open files')) == ['512', '512'], one
    client = vm.client()
    client.wait_for(b'L00001000')
    before = len(client.data)

    many = [connect(vm) for _ in range(2000)]
    got = {connection: bytearray() for connection in many}
    refused = set()
    with selectors.DefaultSelector() as selector:
        for connection in many:
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
        deadline = time.monotonic() + 30
        while len(refused) + sum(len(data) >= 1000 for data in got.values()) < 2000 or time.monotonic() < deadline - 28:
            assert time.monotonic() < deadline, f'{sum(not data for data in got.values())} have got nothing'
            for key, _ in selector.select(1):
                try:
                    data = key.fileobj.recv(1 << 16)
                except BlockingIOError:
                    continue
                got[key.fileobj] += data
                if not data:
                    refused.add(key.fileobj)
                    selector.unregister(key.fileobj)
    client.type(b's')
    client.wait_for(b'STOPPED')
    vm.journaled()
    client.settle()
    whole = vm.log()

    # Nobody else notices.
    assert not client.ended and bytes(client.data) == whole and len(whole) > before
    judge(whole)
    served = [connection for connection in many if connection not in refused]
    print(f'{len(served)} served, {len(refused)} refused')
    assert 100 <= len(served) <= 256 and vm.line()['clients']['raw'] == len(served) + 1
    for connection in refused:
        sentence = bytes(got[connection]).decode()
        assert sentence.startswith('vmline: a/serial0: ') and sentence.endswith('; try again later\r\n'), sentence
    for connection in served:
        connection.settimeout(10)
        data = got[connection]
        while not data.endswith(whole[-100:]):
            piece = connection.recv(MIB)
            assert piece, 'a served client was cut off'
            data += piece
        assert whole.endswith(data)
    assert host.json('inspect', 'a')['state'] == 'running'

    # Who leaves makes room.
    for connection in many:
        connection.close()
    wait_until(lambda: vm.line()['clients']['raw'] == 1, what='the end of them')
    late = vm.client()
    late.wait_for(b'STOPPED')
    assert whole.endswith(late.data)
    info = vm.info()
    assert (info['keeper']['restarts'], info['holder']['restarts']) == (0, 0)


# -- slow ones


def spool_file(host, vm):
    places = [vm.run_dir] + [f'/dev/shm/{name}/{vm.name}' for name in os.listdir('/dev/shm') if host.owns(name)]
    return next(path for path in (f'{place}/serial0.spool' for place in places) if os.path.exists(path))


def test_a_stopped_reader_of_a_guests_flood_costs_nothing_and_loses_nothing(host):
    vm = host.run('a', *QEMU, '--spool', '256K', cmdline='flood')
    stopped = connect(vm)
    client = vm.client()
    client.wait_for(b'L00010000', seconds=30)
    first = receive(stopped, 5000)  # of its socket's queue; it stops again in the middle
    at = time.monotonic()
    size = len(client.data)
    wait_until(lambda: len(client.data) >= size + 2 * MIB, seconds=60, what='2 MiB more')
    print(f'the guest sends {2 / (time.monotonic() - at):.2f} MiB/s beside a client that has stopped')
    # It holds no memory but what lies in its socket: the spool is no larger than without it.
    assert os.stat(spool_file(host, vm)).st_blocks * 512 <= 256 * 1024 + 2 * 256 * 1024
    client.type(b's')
    client.wait_for(b'STOPPED')
    vm.journaled()
    client.settle()
    whole = vm.log()
    assert bytes(client.data) == whole
    judge(whole)
    assert first + receive(stopped, len(whole) - len(first)) == whole
    assert nothing_comes(stopped, 0.1)
    assert len(whole) > 2.5 * MIB


def test_80_laggards_at_different_places_all_end_exact(host):
    vm = keep(host, '--spool', '256K')
    client = vm.client()
    laggards, read = [], []
    for number in range(80):
        say(client, 3500)  # 213 kB: each begins elsewhere, in a window of its own
        laggards.append(connect(vm))
        read.append(bytearray(receive(laggards[-1], 1 + number * 37)))
    say(client, 10_000)
    head = vm.journaled()
    whole = vm.log()
    assert bytes(client.data) == whole and len(whole) == head > 16 * MIB
    judge(whole)

    # All of them at once, each a piece at a time: more places than there are windows to page history in.
    begins = []
    with selectors.DefaultSelector() as selector:
        for number, connection in enumerate(laggards):
            begin = whole.find(read[number][:500]) if len(read[number]) >= 500 else None
            begins.append(begin)
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, number)
        deadline = time.monotonic() + 90
        last = whole[-100:]
        left = set(range(80))
        while left:
            assert time.monotonic() < deadline, f'{len(left)} are not at the end: they have {[len(read[number]) for number in left]}'
            for key, _ in selector.select(1):
                data = key.fileobj.recv(1 << 18)
                assert data, 'a laggard was cut off'
                read[key.data] += data
                if data.endswith(b'\n') and read[key.data].endswith(last):
                    left.discard(key.data)
    for number, data in enumerate(read):
        assert whole.endswith(data), number
    print(f'{sum(map(len, read)) / MIB:.0f} MiB to 80 laggards')
    assert len({len(data) // (256 << 10) for data in read}) > 64
    assert not client.ended and bytes(client.data) == whole
    line = vm.line()
    assert (line['gaps'], line['clients']['raw']) == (0, 81)


def runs_of(data, truth):
    """The runs of the truth that these bytes are made of, as (begin, end), each behind the one before; fails where a byte belongs to none."""
    runs, at, place = [], 0, 0
    while at < len(data):
        begin = truth.find(data[at:at + 2 * LINE_SIZE], place)
        assert begin >= 0, f'at byte {at}: {data[max(at - 80, 0):at]!r} is followed by {data[at:at + 80]!r}'
        size = min(len(data) - at, len(truth) - begin)
        low, high = 0, size  # the longest common part
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if data[at:at + middle] == truth[begin:begin + middle] else (low, middle - 1)
        runs.append((begin, begin + low))
        at, place = at + low, begin + low
    return runs


def test_without_a_journal_a_laggard_past_the_spool_goes_on_behind_what_is_lost(host):
    vm = keep(host, '--no-journal', '--spool', '256K')
    client = vm.client()
    laggard = connect(vm)

    def pour():
        for _ in range(16):  # 2 MiB, in pieces that this client can take before the next comes
            say(client, 2000)

    got = b''
    for _ in range(5):
        pour()
        got += receive(laggard, 250_000 if got else 3000)  # the spool has no more
    pour()
    truth = bytes(client.data)
    judge(truth)
    while not got.endswith(truth[-1000:]):
        got += receive(laggard, 1)
        laggard.setblocking(False)
        try:
            got += laggard.recv(MIB)
        except BlockingIOError:
            pass
    runs = runs_of(got, truth)
    print(f'{len(got)} of {len(truth)} bytes, in runs {runs}')
    assert runs[0][0] == 0 and runs[-1][1] == len(truth)
    assert 2 <= len(runs) <= 7
    assert all(end - begin >= 100_000 for begin, end in runs)
    assert sum(end - begin for begin, end in runs) == len(got) < len(truth)
    assert vm.line()['log'] is None and not os.path.exists(vm.log_path)


# -- those who type


def test_the_first_who_types_has_the_lease_and_the_second_waits_until_it_is_free(host):
    vm = host.run('a', *QEMU)
    first, second = vm.client(), vm.client()
    first.wait_for(b'READY')
    first.type(b'efirst\n')
    first.wait_for(b'ECHO first')
    typed = time.monotonic()
    assert vm.line()['writer'] == (writer := vm.line()['writer']) and writer.startswith('raw:')
    second.type(b'esecond\n')
    time.sleep(2)
    first.type(b'eagain\n')
    first.wait_for(b'ECHO again')
    typed = time.monotonic()
    second.wait_for(b'ECHO second', seconds=10)
    waited = time.monotonic() - typed
    assert 4.5 < waited < 7, waited  # from the last typing on
    assert vm.line()['writer'] not in ('', writer)
    first.settle()
    vm.journaled()
    assert first.data == second.data == vm.log()
    # It was told to whoever looks.
    writers = [event['writer'] for event in vm.api('GET', '/v1/events')[1]['events'] if event['type'] == 'writer']
    assert writers[0] == writer and len([one for one in writers if one]) == 2


def test_the_lease_is_free_at_once_when_its_holder_leaves(host):
    vm = host.run('a', *QEMU)
    first, second = vm.client(), vm.client()
    second.wait_for(b'READY')
    first.type(b'efirst\n')
    second.wait_for(b'ECHO first')
    second.type(b'esecond\n')
    time.sleep(0.2)
    assert b'ECHO second' not in second.data
    left = time.monotonic()
    first.socket.shutdown(socket.SHUT_RDWR)
    second.wait_for(b'ECHO second')
    assert time.monotonic() - left < 2


def test_a_take_over_is_told_and_whoever_had_the_lease_is_not_read(host):
    vm = host.run('a', *QEMU)
    raw = vm.client()
    raw.wait_for(b'READY')
    raw.type(b'eraw\n')
    raw.wait_for(b'ECHO raw')
    watcher, taker = Stream(vm, 'from=tail'), Stream(vm, 'from=tail')
    assert watcher.wait_event('replay-ended') and taker.wait_event('replay-ended')
    taker.type(b'etoo soon\n')
    assert 'is typing here' in taker.wait_event('refused')['detail']
    taker.say({'type': 'take'})
    assert taker.wait_event('writer')['you'] is True
    told = watcher.wait_event('writer')
    assert told['you'] is False and told['writer'].startswith('api:')
    raw.type(b'elate\n')
    taker.type(b'etaken\n')
    raw.wait_for(b'ECHO taken')
    raw.settle()
    assert b'ECHO late' not in raw.data and b'too soon' not in raw.data
    taker.close()
    raw.wait_for(b'ECHO late', seconds=4)
    assert watcher.wait_event('writer')['writer'] in ('', vm.line()['writer'])
    watcher.close()


def test_a_half_close_is_not_the_end(host):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    client.type(b'ehalf\nr')
    client.socket.shutdown(socket.SHUT_WR)
    client.wait_for(b'READY', start=client.wait_for(b'BOOT 2'))
    other = vm.client()
    other.type(b'eother\n')  # its lease went with its half-close
    client.wait_for(b'ECHO other', seconds=4)
    assert not client.ended
    assert bytes(client.data) == vm.log() or vm.journaled() and bytes(client.data) == vm.log()


@pytest.mark.skipif(not shutil.which('socat'), reason='no socat')
def test_what_is_piped_into_socat_is_typed_and_its_answer_read(host):
    vm = host.run('a', *QEMU)
    vm.client().wait_for(b'READY')
    for number in range(30):  # it writes and leaves at once
        subprocess.run(['socat', '-u', '-', 'UNIX-CONNECT:' + vm.socket_path], input=b'eleft %d\n' % number, check=True, timeout=20)
    vm.client().wait_for(b'ECHO left 29')
    done = subprocess.run(['socat', '-t', '2', '-', 'UNIX-CONNECT:' + vm.socket_path], input=b'estayed\n', stdout=subprocess.PIPE, timeout=20, check=True)
    assert done.stdout.count(b'ECHO left ') == 30 and b'ECHO stayed\r\n' in done.stdout
    assert [b'ECHO left %d\r\n' % number in done.stdout for number in range(30)] == [True] * 30
    judge(done.stdout)
