# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180
"""A full and a frozen disk under the journal: the guest and the live view go on, what the log lacks is told with its exact length, and the
journal comes back with the disk. The disks are the test's own: a tmpfs and an ext4 on a loop device, both mounted below its own folder."""
import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from host import BARE, wait_until
from lines import Checker


def why_not():
    if os.geteuid() != 0:
        return 'only root mounts'
    for program in ('mount', 'umount', 'losetup', 'mkfs.ext4', 'fsfreeze'):
        if not shutil.which(program):
            return f'no {program}'
    probe = subprocess.run(['unshare', '-m', 'mount', '-t', 'tmpfs', 'probe', '/mnt'], capture_output=True, text=True)
    return '' if probe.returncode == 0 else f'mounting is not allowed here: {probe.stderr.strip()}'


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or 'mounts work')


def tool(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f'{" ".join(words)}: {done.stderr}'
    return done.stdout.strip()


@pytest.fixture
def small_disk(host):
    """A tmpfs of 1 MiB."""
    folder = host.root + '/small'
    os.mkdir(folder)
    tool('mount', '-t', 'tmpfs', '-o', 'size=1M', 'vmline-test', folder)
    yield folder
    for name in os.listdir(host.root + '/vms') if os.path.isdir(host.root + '/vms') else []:
        host.command('kill', name)
    subprocess.run(['umount', '-l', folder], timeout=30, check=True)


@pytest.fixture
def loop_disk(host):
    """An ext4 of 64 MiB that can be frozen; never left frozen."""
    folder, image = host.root + '/loop', host.root + '/image'
    os.mkdir(folder)
    with open(image, 'wb') as file:
        file.truncate(64 << 20)
    tool('mkfs.ext4', '-q', image)
    device = tool('losetup', '--find', '--show', image)
    try:
        tool('mount', device, folder)
        try:
            yield folder
        finally:
            subprocess.run(['fsfreeze', '-u', folder], timeout=30, capture_output=True)
            for name in os.listdir(host.root + '/vms') if os.path.isdir(host.root + '/vms') else []:
                host.command('kill', name)
            subprocess.run(['umount', '-l', folder], timeout=30, check=True)
    finally:
        subprocess.run(['losetup', '-d', device], timeout=30, check=True)


def flooding_vm(host, log, **line):
    spec = {'schema': 'vmline.vm/v1', 'name': 'a', 'driver': 'qemu', 'kernel': BARE, 'memory': '64M', 'cmdline': 'flood',
            'monitor_args': ['-bios', 'qboot.rom'], 'lines': [{'name': 'serial0', 'log': log, 'spool': '256K'} | line]}
    path = host.root + '/spec.json'
    with open(path, 'w') as file:
        json.dump(spec, file)
    host.vmline('run', '-f', path)
    vm = host.vm('a')
    vm.log_path = log
    return vm


class Pauses:
    """Watches how long a client gets nothing."""

    def __init__(self, client):
        self.client, self.longest, self.over = client, 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        had, since = len(self.client.data), time.monotonic()
        while not self.over.wait(0.005):
            have, now = len(self.client.data), time.monotonic()
            self.longest = max(self.longest, now - since)
            if have != had:
                had, since = have, now

    def end(self):
        self.over.set()
        self.thread.join()
        return self.longest


def gaps_of(vm):
    return [(event['begin'], event['end']) for event in vm.api('GET', '/v1/events')[1]['events'] if event['type'] == 'gap']


@pytest.mark.parametrize('overflow, kills', [('block', 0), ('drop', 0), ('drop', 10)])
def test_a_full_disk_is_a_gap_of_known_length_in_the_log_and_nowhere_else(host, small_disk, overflow, kills):
    log = small_disk + '/serial0.log'
    filler = small_disk + '/filler'
    with open(filler, 'wb') as file:
        file.write(bytes(512 << 10))
    vm = flooding_vm(host, log, backlog='1M', overflow=overflow, stall_limit_ms=1000)
    client = vm.client()
    wait_until(lambda: vm.line()['journal']['state'] == 'failing', 30, 'a journal that says it cannot write')
    assert 'No space left' in vm.line()['journal']['error']
    # Backlog and stall limit are used up: the live view goes on beyond all that spool and disk can take.
    full_at = len(client.data)
    wait_until(lambda: len(client.data) > full_at + (3 << 20), 60, 'a live view beyond the backlog')
    for _ in range(kills):
        vm.kill('keeper')
        time.sleep(0.05)
    os.unlink(filler)
    # Still not room for all of it: the tmpfs grows, as an administrator would have it.
    tool('mount', '-o', 'remount,size=64M', small_disk)
    wait_until(lambda: vm.line()['journal']['state'] == 'ok', 30, 'a journal that is well again')
    at = len(client.data)
    client.wait_for(b'\nB0001 L', start=at + 100000)
    client.type(b's')
    client.wait_for(b'STOPPED')
    client.settle()
    head = vm.journaled()
    live = bytes(client.data)
    assert not client.ended and len(live) == head
    checker = Checker()
    checker.feed(live)
    checker.finish()

    # The log is the live view less the gaps, which are told by their exact offsets.
    line = vm.line()
    assert line['gaps'] >= 1
    gaps = gaps_of(vm)
    if not kills:
        assert len(gaps) == line['gaps']
        with open(log, 'rb') as file:
            written = file.read()
        expected, at = b'', 0
        for begin, end in gaps:
            expected, at = expected + live[at:begin], end
        assert written == expected + live[at:]
        assert line['gap_bytes'] == sum(end - begin for begin, end in gaps) == len(live) - len(written)
    else:
        assert line['gap_bytes'] == len(live) - os.path.getsize(log)
    told = re.findall(r'(\d+) bytes', host.command('logs', 'a').stderr)
    assert told and sum(map(int, told)) == line['gap_bytes']


def test_a_frozen_disk_is_not_noticed_by_a_live_client_though_the_keeper_is_killed(host, loop_disk):
    vm = flooding_vm(host, loop_disk + '/serial0.log', backlog='64M')
    client = vm.client()
    client.wait_for(b'L00004000 ')
    vm.info()
    pauses = Pauses(client)
    tool('fsfreeze', '-f', loop_disk)
    frozen = time.monotonic()
    try:
        at = len(client.data)
        for kill in range(3):
            client.wait_for(b'\nB0001 L', start=len(client.data) + 200000)
            vm.kill('keeper')
        while time.monotonic() < frozen + 10:
            client.wait_for(b'\nB0001 L', start=len(client.data) + 50000)
        assert len(client.data) > at + (1 << 20) and vm.line()['journaled'] < len(client.data) - (1 << 20)
        longest = pauses.end()
    finally:
        tool('fsfreeze', '-u', loop_disk)
    assert longest < 1.0, f'the live view stood still for {longest:.2f} s'
    client.type(b's')
    client.wait_for(b'STOPPED')
    client.settle()
    assert vm.journaled(30) == len(client.data) and not client.ended
    assert vm.log() == bytes(client.data)
    checker = Checker()
    checker.feed(bytes(client.data))
    checker.finish()
    assert vm.line()['gaps'] == 0
