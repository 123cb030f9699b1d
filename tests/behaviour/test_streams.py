# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""An API client that is cut off anywhere in a flood and resumes at its offset ends with a byte-exact copy of the line: nothing twice, nothing
missing, every boot told at its place, the end of each replay told once, and what is lost told as a gap of exactly these bytes. Also while the
keeper is SIGKILLed."""
import os
import random
import signal
import threading
import time

import pytest

from host import QEMU, wait_until
from lines import Checker
from stream import Copy, Cut, Refused, Stream

random.seed(os.environ.get('VMLINE_TEST_SEED'))


def banners_in(whole):
    """Offsets of the boots' banners, in order."""
    banners = []
    checker = Checker(on_talk=lambda offset, data: banners.append(offset) if data.startswith(b'BOOT') else None)
    checker.feed(whole)
    assert checker.finish().unjudged == 0
    return banners


class KeeperKiller(threading.Thread):
    """SIGKILLs the keeper now and then, once it has come up again."""

    def __init__(self, vm):
        super().__init__(daemon=True)
        self.vm, self.kills, self.stopped, self.failed = vm, 0, threading.Event(), None
        self.start()

    def run(self):
        try:
            while not self.stopped.wait(random.random() * 0.5):
                os.kill(self.vm.info()['keeper']['pid'], signal.SIGKILL)
                self.kills += 1
        except (OSError, AssertionError) as error:
            self.failed = error

    def end(self):
        self.stopped.set()
        self.join(20)
        assert not self.failed, self.failed


def follow(vm, copy, where, until, cut_after=lambda: None, seconds=120):
    """Reads into `copy`, cut off after as many bytes of each connection as `cut_after` says (none: not at all), until `until()`; the number of
    connections. A keeper that is away or dies is what a client has to live with."""
    deadline = time.monotonic() + seconds
    connections = 0
    while True:
        assert time.monotonic() < deadline, f'not there after {seconds} s, at {copy.position}'
        try:
            stream = copy.connect(vm, where)
        except (Cut, FileNotFoundError, ConnectionError, BlockingIOError):
            time.sleep(0.005)
            continue
        connections += 1
        size = cut_after()
        try:
            while size is None or stream.received < size:
                message = stream.message(seconds=0.1)
                if message:
                    copy.take(message)
                if copy.live and until():
                    return connections
                assert time.monotonic() < deadline, f'not there after {seconds} s, at {copy.position}'
        except Cut:
            pass
        finally:
            stream.close()


@pytest.mark.parametrize('killed', [False, True], ids=['keeper-lives', 'keeper-killed'])
def test_cut_off_anywhere_and_resumed_it_has_an_exact_copy(host, killed):
    vm = host.run('a', *QEMU, '--spool', '256K', cmdline='reboot=300')
    client = vm.client()
    client.wait_for(b'\nBOOT 15 ')
    killer = KeeperKiller(vm) if killed else None
    copies = [Copy(), Copy()]
    began = time.monotonic()
    stopped = threading.Event()
    failures, connections = [], []

    def one(copy, where, cut_after):
        try:
            connections.append(follow(vm, copy, where, lambda: stopped.is_set() and copy.position >= len(client.data), cut_after))
        except Exception as error:  # of any kind: told by the test itself
            failures.append(error)
            raise

    # One is cut off within its first kilobytes, inside a header, a frame or a text; the other now and then in a long run.
    followers = [threading.Thread(target=one, args=(copies[0], 'start', lambda: random.randrange(1, 15_000)), daemon=True),
                 threading.Thread(target=one, args=(copies[1], 0, lambda: random.choice((random.randrange(3000), random.randrange(60_000)))), daemon=True)]
    for follower in followers:
        follower.start()
    wait_until(lambda: failures or time.monotonic() > began + 8, seconds=10)
    assert not failures, failures
    if killer:
        killer.end()
        assert killer.kills >= 8
    client.stop_guest()
    head = vm.journaled()
    wait_until(lambda: len(client.data) == head, what='the whole line')
    stopped.set()
    for follower in followers:
        follower.join(60)
        assert not follower.is_alive(), f'a copy is at {[copy.position for copy in copies]} of {head}'
    assert not failures, failures

    whole = vm.log()
    assert bytes(client.data) == whole and not client.ended
    banners = banners_in(whole)
    boots = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']
    assert len(boots) == len(banners)
    for boot, banner in zip(boots, banners):
        assert boot['offset_low'] <= banner <= boot['offset'], (boot, banner)
    for copy in copies:
        assert copy.bytes() == whole
        copy.check(whole)
        assert copy.begin == 0 and copy.gaps == []
        assert copy.boots == {boot['boot']: (boot['offset'], boot['cause']) for boot in boots}
    print(f'{connections} connections, {killer.kills if killer else 0} kills, {len(boots)} boots, {head} bytes in {time.monotonic() - began:.1f} s')
    assert min(connections) > 30


def test_the_places_that_a_stream_can_begin_at(host):
    vm = host.run('a', *QEMU, '--spool', '256K', cmdline='lines=10000')
    client = vm.client()
    for boot in range(1, 4):
        client.wait_for(b'READY', start=client.wait_for(b'BOOT %d ' % boot))
        if boot < 3:
            client.type(b'r')
    head = vm.journaled()
    whole = vm.log()
    # Where they are told to begin: at their banners, unless the keeper was held up and says so.
    told = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']
    banners = [boot['offset'] for boot in told]
    lows = [boot['offset_low'] for boot in told]
    for boot, banner in zip(told, banners_in(whole), strict=True):
        assert boot['offset_low'] <= banner <= boot['offset'], (boot, banner)
    assert head == len(whole) == len(client.data) and len(banners) == 3

    def replay(where):
        """All that comes before the live part; the stream goes on."""
        copy = Copy()
        stream = copy.connect(vm, where)
        while copy.take(stream.message()) != 'replay-ended':
            pass
        assert copy.position == head
        copy.check(whole)
        return copy, stream

    for where, begin, boots in (('start', 0, (1, 2, 3)), ('0', 0, (1, 2, 3)), ('boot:1', 0, (1, 2, 3)), ('1', 1, (2, 3)),
                                (str(banners[1]), banners[1], (2, 3)), (str(banners[1] + 1), banners[1] + 1, (3,)),
                                ('boot:2', lows[1], (2, 3)), ('boot:-2', lows[1], (2, 3)), ('boot:-1', lows[2], (3,)),
                                ('boot:3', lows[2], (3,)), ('-100', head - 100, ()), (f'-{head}', 0, (1, 2, 3)),
                                (f'-{head + 1}', 0, (1, 2, 3)), (str(head), head, ()), ('tail', head, ())):
        copy, stream = replay(where)
        assert (copy.begin, tuple(copy.boots), copy.gaps) == (begin, boots, []), where
        assert copy.opened['boot'] == sum(banner <= begin for banner in banners), where
        assert copy.bytes() == whole[begin:], where
        stream.close()
    for where, status in ((str(head + 1), 400), ('boot:4', 404), ('boot:-4', 404), ('boot:0', None), ('-', 400), ('x', 400), ('1x', 400)):
        with pytest.raises(Refused) as refused:
            Stream(vm, f'from={where}')
        assert refused.value.status == status or status is None and refused.value.status in (400, 404), (where, refused.value)
        assert refused.value.detail

    # The live part goes on where the replay ended; a boot of it is told in its place.
    copy, stream = replay('boot:-1')
    client.type(b'r')
    while 4 not in copy.boots or not copy.bytes().endswith(b'READY\r\n'):
        copy.take(stream.message())
    wait_until(lambda: len(client.data) >= copy.position, what='the same at the raw client')
    copy.check(bytes(client.data))
    boot = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots'][3]
    assert copy.boots[4] == (boot['offset'], 'guest reboot')
    assert boot['offset_low'] <= banners_in(bytes(client.data))[3] <= boot['offset']


def test_what_is_lost_is_told_as_a_gap_of_exactly_these_bytes(host):
    """Without a journal whoever is away for longer than the spool lasts has lost what is between."""
    vm = host.run('a', *QEMU, '--no-journal', '--spool', '256K', cmdline='reboot=400')
    client = vm.client()
    client.wait_for(b'\nBOOT 3 ')
    copy, left = Copy(), []
    for _ in range(6):
        stream = copy.connect(vm, 'start')
        while copy.take(stream.message()) != 'replay-ended':
            pass
        left.append(behind := copy.position)
        stream.close()
        wait_until(lambda: vm.line()['head'] > behind + 400_000, what='a flood')
    client.stop_guest()
    client.settle()
    truth = bytes(client.data)
    low = vm.line()['low']
    stream = copy.connect(vm)
    while copy.take(stream.message()) != 'replay-ended':
        pass
    assert copy.position == len(truth)
    copy.check(truth)
    assert copy.gaps[-1] == (behind, low, 'older than what the spool keeps')
    # One wherever it left, and perhaps some more: it reads at the spool's edge, which moves on.
    gaps = {begin: end for begin, end, _ in copy.gaps}
    assert set(gaps) >= set(left) and len(gaps) == len(copy.gaps) <= 15, (left, copy.gaps)
    assert all(400_000 - (256 << 10) - (64 << 10) <= gaps[begin] - begin for begin in left)
    # Boots that begin in a gap are told all the same, behind it.
    boots = {boot['boot']: (boot['offset'], boot['cause']) for boot in vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']}
    assert copy.boots == boots
    assert any(begin < offset < end for offset, _ in boots.values() for begin, end, _ in copy.gaps)


def test_a_log_that_was_emptied_is_a_gap_up_to_that_place(host):
    vm = host.run('a', *QEMU, '--spool', '256K', cmdline='flood')
    client = vm.client()
    client.wait_for(b'L00006000')
    client.stop_guest()
    client.settle()
    emptied = vm.journaled()
    os.truncate(vm.log_path, 0)
    at = len(client.data)
    client.type(b'f')
    client.wait_for(b'L00014000', start=at)
    client.stop_guest()
    head = vm.journaled()
    client.settle()
    truth = bytes(client.data)
    assert len(truth) == head and vm.line()['low'] > emptied
    assert vm.log() == truth[emptied:]
    copy = Copy()
    stream = copy.connect(vm, 1000)
    while copy.take(stream.message()) != 'replay-ended':
        pass
    copy.check(truth)
    assert [(begin, end) for begin, end, _ in copy.gaps] == [(1000, emptied)] and copy.gaps[0][2]
    copy = Copy()
    copy.connect(vm, 'start')
    assert copy.begin == emptied
