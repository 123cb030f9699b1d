# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=400 serial
"""200 guest reboots in a row on one connection: a client that attached once never sees an end, and gets every line of every boot exactly once
and in order, on each monitor there is, while others read slowly, have stopped reading, or come and go. The journal is what it got, byte for
byte; the boots that vmline tells are those that the guest made, each at its banner."""
import array
import fcntl
import os
import random
import subprocess
import termios
import threading
import time

import pytest

from host import MONITORS, monitors, wait_until
from lines import Checker

REBOOTS = 200


def unread(client):
    """Bytes that lie in a client's socket."""
    count = array.array('i', [0])
    fcntl.ioctl(client.socket, termios.FIONREAD, count)
    return count[0]


class ComersAndGoers(threading.Thread):
    """Clients that attach, read a while and leave, one after the other."""

    def __init__(self, vm):
        super().__init__(daemon=True)
        self.vm, self.stopped, self.got, self.failed = vm, threading.Event(), [], None
        self.start()

    def run(self):
        try:
            while not self.stopped.wait(random.random() * 0.1):
                client = self.vm.client()
                self.stopped.wait(random.random() * 0.2)
                assert not client.ended, client.ended
                client.close()
                self.got.append(bytes(client.data))
        except (OSError, AssertionError) as error:
            self.failed = error

    def end(self):
        self.stopped.set()
        self.join(10)
        assert not self.failed, self.failed
        return self.got


def count_boots(vm, whole, cut=False):
    """Holds the number of boots that are told to the banners in the line; the boots, and the banners' offsets."""
    banners = []
    checker = Checker(cut=cut, on_talk=lambda offset, data: banners.append(offset) if data.startswith(b'BOOT') else None)
    checker.feed(whole)
    assert checker.finish().unjudged == 0
    boots = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']
    assert [boot['boot'] for boot in boots] == list(range(1, len(banners) + 1))
    assert boots[0]['cause'] == 'first start' and {boot['cause'] for boot in boots[1:]} == {'guest reboot'}
    assert vm.info()['boot'] == vm.line()['boot'] == checker.boots
    print(f'{checker.boots} boots, {checker.lines} lines, {len(whole)} bytes')
    return boots, banners


def check_places(boots, banners, at_least=0.5):
    """Each boot begins at its banner; `at_least` this share of them is told with its exact place."""
    # Where the keeper could not be quick enough to know the exact place, it says between which offsets the boot begins.
    exact = [boot['offset_low'] == boot['offset'] for boot in boots]
    print(f'{sum(exact)} of {len(boots)} with an exact offset')
    for boot, banner in zip(boots, banners):
        assert boot['offset_low'] <= banner <= boot['offset'], (boot, banner)
    assert sum(exact) >= at_least * len(boots), f'only {sum(exact)} of {len(boots)} boots have an exact offset'


@pytest.mark.parametrize('arguments', monitors())
def test_200_reboots_on_one_connection(host, arguments):
    # Cloud Hypervisor takes forty times as long for each line. With fewer of them a whole boot of QEMU's could pass while the keeper waits for
    # its turn on a busy host: it then takes two resets for the two that SeaBIOS makes of one.
    lines = 500 if 'qemu' in arguments else 10
    vm = host.run('a', *arguments, '--spool', '256K', cmdline=f'reboot={lines}')
    client = vm.client()
    slow, stopped, others = vm.client(rate=1000), vm.client(read=False), ComersAndGoers(vm)
    began = time.monotonic()
    checker, judged = Checker(), 0
    while checker.boots <= REBOOTS:
        assert time.monotonic() < began + 120, f'{checker.boots} boots in two minutes'
        judged = client.wait_for(b'\nBOOT ', start=judged)
        checker.feed(client.data[checker.offset + checker.unjudged:judged])
    client.stop_guest()
    print(f'{checker.boots - 1} reboots in {time.monotonic() - began:.1f} s')
    vm.journaled()
    whole = vm.log()
    client.settle()
    late = others.end()

    assert not client.ended
    assert bytes(client.data) == whole
    boots, banners = count_boots(vm, whole)
    assert len(boots) > REBOOTS
    check_places(boots, banners)
    # The slow one is where 1 kB/s has brought it; it gets the rest, and so does the one that has not read a byte.
    assert whole.startswith(slow.data) and len(slow.data) < 1500 * (time.monotonic() - began) + 1000
    assert unread(stopped) < len(whole), 'its socket has taken everything: it was not held up'
    slow.rate = None
    for laggard in (slow, stopped):
        if laggard is stopped:
            threading.Thread(target=stopped._read, daemon=True).start()
        wait_until(lambda: len(laggard.data) >= len(whole), what='the whole line')
        assert bytes(laggard.data) == whole
    assert len(late) > 10
    for data in late:
        assert data in whole
    assert vm.line()['gaps'] == 0


CLOUD_HYPERVISORS = [parameter for parameter in monitors() if parameter.id != 'qemu']


@pytest.mark.parametrize('arguments', CLOUD_HYPERVISORS)
def test_reboots_by_ch_remote_beside_us(host, arguments):
    remote = os.path.join(MONITORS, 'ch-remote')
    if not os.access(remote, os.X_OK):
        pytest.skip('VMLINE_MONITORS names no ch-remote')
    vm = host.run('a', *arguments, cmdline='flood')
    client = vm.client()
    end = client.wait_for(b'\r\n')
    for _ in range(20):
        end = client.wait_for(b'L00000003', start=end)
        subprocess.run([remote, '--api-socket', vm.run_dir + '/api.sock', 'reboot'], check=True, timeout=30)
        end = client.wait_for(b'BOOT 1 ', start=end)
    client.wait_for(b'L00000003', start=end)
    client.stop_guest()
    vm.journaled()
    client.settle()
    assert not client.ended
    assert bytes(client.data) == vm.log()
    boots, banners = count_boots(vm, vm.log(), cut=True)
    assert len(boots) == 21
    # The guest goes on printing after the monitor has said that it reboots.
    check_places(boots, banners, at_least=0)
