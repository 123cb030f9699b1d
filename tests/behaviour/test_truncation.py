# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180
"""Others truncate, copy away, rename and delete a line's log while the guest floods, and the keeper is killed meanwhile: no NUL is ever in
it, no offset moves, and index and API say to the byte what is still there and what is not."""
import os
import random
import time

from host import QEMU, wait_until
from killing import Killer
from lines import Checker
from stream import Copy

random.seed(os.environ.get('VMLINE_TEST_SEED'))
SPOOL = 256 << 10


class Flood:
    def __init__(self, host):
        self.vm = host.run('a', *QEMU, '--spool', '256K')
        self.client = self.vm.client()
        self.client.wait_for(b'READY')
        self.client.type(b'f')
        self.client.wait_for(b'L00000100')

    def more(self, size):
        """Until so many bytes more have come."""
        wanted = len(self.client.data) + size
        wait_until(lambda: len(self.client.data) >= wanted or self.client.ended, 30, f'{size} bytes more')

    def logged(self, size):
        """Until the log has that size: the journal goes on."""
        def look():
            try:
                return os.stat(self.vm.log_path).st_size >= size
            except FileNotFoundError:
                return False
        wait_until(look, 20, f'a log of {size} bytes')

    def end(self):
        """Stops it; the whole line, as the client has it, which is right."""
        assert not self.client.ended, self.client.ended
        self.vm.info()
        self.client.type(b's')
        self.client.wait_for(b'\r\n', start=self.client.wait_for(b'STOPPED'))
        head = self.vm.journaled()
        wait_until(lambda: len(self.client.data) >= head or self.client.ended, what='the rest of the line')
        whole = bytes(self.client.data)
        assert len(whole) == head, 'an offset has moved'
        checker = Checker()
        checker.feed(whole)
        assert checker.finish().unjudged == 0
        return whole


def told(vm, whole, where):
    """What the API's stream hands out from there on: held to the line itself."""
    copy = Copy()
    stream = copy.connect(vm, where)
    while not copy.live:
        message = stream.message()
        assert message, 'the replay does not end'
        copy.take(message)
    stream.close()
    copy.check(whole)
    assert copy.position == len(whole)
    return copy


def check_index(vm, whole, log):
    """The log is what the line's stream tells from its first byte on, less its gaps: not one byte of it is unknown, none is told wrongly."""
    assert len(log) > SPOOL, 'the stream would tell bytes that only the spool has'
    copy = told(vm, whole, 0)
    assert copy.begin == 0
    assert copy.bytes() == log, 'the log holds something else than what the index says'
    line = vm.line()
    assert line['gaps'] == len(copy.gaps)
    assert line['gap_bytes'] == len(whole) - len(log) == sum(end - begin for begin, end, _ in copy.gaps)
    assert {cause for _, _, cause in copy.gaps} <= {'the log was truncated by someone else'}
    first = told(vm, whole, 'start')
    assert first.begin == copy.pieces[0][0] and first.bytes() == log
    return copy


def truncate_50_times(flood):
    path = flood.vm.log_path
    for round in range(50):
        size = os.stat(path).st_size
        os.truncate(path, 0 if round % 2 == 0 else random.randrange(size + 1))
        time.sleep(random.random() * 0.02)
        with open(path, 'rb') as file:
            assert b'\0' not in file.read(), f'NUL after truncation {round}'
        if round % 10 == 9:
            flood.logged(os.stat(path).st_size + 20_000)


def check_end(flood):
    """A last truncation, to a size between: what stood before it stays known."""
    flood.logged(SPOOL // 2)
    os.truncate(flood.vm.log_path, 100_000)
    flood.logged(100_000 + SPOOL + (64 << 10))
    whole = flood.end()
    log = flood.vm.log()
    assert b'\0' not in log
    return whole, log


def test_truncated_50_times_in_a_flood(host):
    flood = Flood(host)
    truncate_50_times(flood)
    whole, log = check_end(flood)
    check_index(flood.vm, whole, log)
    print(f'{len(whole)} bytes, {flood.vm.line()["gaps"]} gaps')


def test_truncated_50_times_while_the_keeper_is_killed(host):
    flood = Flood(host)
    killer = Killer(host, flood.vm)
    truncate_50_times(flood)
    kills = killer.end()
    whole, log = check_end(flood)
    check_index(flood.vm, whole, log)
    assert kills > 10
    print(f'{kills} kills, {len(whole)} bytes, {flood.vm.line()["gaps"]} gaps')


def test_after_a_truncation_to_nothing_the_log_is_the_stream_from_there_on(host):
    flood = Flood(host)
    before = len(flood.client.data)
    os.truncate(flood.vm.log_path, 0)
    flood.logged(SPOOL + 64_000)
    whole = flood.end()
    log = flood.vm.log()
    assert whole.endswith(log)
    assert before - SPOOL < len(whole) - len(log), 'bytes from before the truncation'
    copy = check_index(flood.vm, whole, log)
    assert [(begin, end) for begin, end, _ in copy.gaps] == [(0, len(whole) - len(log))]


def test_copytruncate_loses_nothing_but_what_came_between_copy_and_truncation(host):
    flood = Flood(host)
    path, copies, ends = flood.vm.log_path, [], []
    for _ in range(5):
        flood.logged(30_000)
        with open(path, 'rb') as file:
            copies.append(file.read())
        os.truncate(path, 0)
        ends.append(len(flood.client.data))
    flood.logged(SPOOL + 64_000)
    whole = flood.end()
    log = flood.vm.log()
    at = 0
    for copy in copies + [log]:
        assert b'\0' not in copy
        found = whole.find(copy, at)
        assert found >= at, 'a copy is no part of the line'
        at = found + len(copy)
    assert at == len(whole)
    check_index(flood.vm, whole, log)


def gone(flood, act):
    """The log is gone from its path by `act`; a new one is there soon, and goes on to the byte where the old one ends."""
    path = flood.vm.log_path
    old = open(path, 'rb')
    began = time.monotonic()
    act(path)
    wait_until(lambda: os.path.exists(path), 5, 'a new log')
    took = time.monotonic() - began
    assert took < 2.5, took
    assert oct(os.stat(path).st_mode & 0o777) == '0o600'
    flood.logged(50_000)
    return old, took


def test_a_log_that_is_renamed_or_deleted_is_begun_anew_where_the_old_one_ends(host):
    flood = Flood(host)
    olds = [gone(flood, lambda path: os.rename(path, path + '.1')), gone(flood, os.unlink)]
    killer = Killer(host, flood.vm)
    olds += [gone(flood, lambda path: os.rename(path, path + '.2')), gone(flood, os.unlink)]
    kills = killer.end()
    flood.logged(SPOOL + 64_000)
    whole = flood.end()
    log = flood.vm.log()
    pieces = []
    for old, _ in olds:
        with old:
            pieces.append(old.read())
    assert b''.join(pieces) + log == whole
    print(f'a new log after {", ".join(f"{took:.2f}" for _, took in olds)} s, {kills} kills')
    # Of what was moved away only its place is known.
    copy = told(flood.vm, whole, 0)
    assert copy.bytes() == log
    assert {cause for _, _, cause in copy.gaps} == {'the log was moved or deleted by someone else'}
    assert flood.vm.line()['gap_bytes'] == len(whole) - len(log)


def test_a_folder_that_is_moved_away_and_back_costs_nothing(host):
    flood = Flood(host)
    folder = os.path.dirname(flood.vm.log_path)
    os.rename(folder, folder + '.away')
    flood.more(200_000)
    os.rename(folder + '.away', folder)
    whole = flood.end()
    assert flood.vm.log() == whole
    assert flood.vm.line()['gaps'] == 0
