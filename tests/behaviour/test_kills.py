# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300 serial
"""Holder and keeper are SIGKILLed hundreds of times, at random moments of a guest's flood, also before they have come up: no byte of the line
is lost or doubled, in the journal and for a client that was attached all the time; no boot is missed or counted twice; the monitor never
notices. And a VM whose keeper is killed while it starts ends running or not at all, with one monitor or none."""
import http.client
import os
import random
import socket
import subprocess
import time

import pytest

from host import BARE, BIN, QEMU, monitors, wait_until
from killing import Keepers, kill, kill_all_of_ours, programs
from lines import Checker

random.seed(os.environ.get('VMLINE_TEST_SEED'))


def few_or_many():
    """(arguments of `vmline run`, share of the kills to make) for QEMU, and for one Cloud Hypervisor, which prints forty times slower."""
    for parameter in monitors():
        if parameter.id == 'qemu':
            yield pytest.param(*parameter.values, 1.0, id=parameter.id)
        elif parameter.id in ('cloud-hypervisor', 'cloud-hypervisor-53.0', 'cloud-hypervisor-default'):
            yield pytest.param(*parameter.values, 0.2, id=parameter.id, marks=parameter.marks)


def pause():
    time.sleep(random.random() * 0.03)


class Flood:
    """A guest that floods, and a client that was attached from its first byte on."""

    def __init__(self, host, arguments):
        self.vm = host.run('a', *arguments)
        self.monitor = self.vm.info()['monitor']['pid']
        self.client = self.vm.client()
        self.client.wait_for(b'READY')
        self.client.type(b'f')
        self.client.wait_for(b'L00000010')
        self.began = time.monotonic()

    def told(self, kills):
        print(f'{kills} kills, {kills / (time.monotonic() - self.began):.0f} per second, {len(self.client.data)} bytes')

    def end(self):
        """Stops it; the whole journal, which is what the client has and what the guest sent."""
        assert not self.client.ended, self.client.ended
        self.vm.info()
        self.client.stop_guest()
        head = self.vm.journaled()
        whole = self.vm.log()
        assert len(whole) == head
        wait_until(lambda: len(self.client.data) >= head or self.client.ended, what='the rest of the line')
        assert bytes(self.client.data) == whole, 'the client has something else than the journal'
        assert not self.client.ended
        checker = Checker()
        checker.feed(whole)
        assert checker.finish().unjudged == 0 and checker.boots == 1
        line = self.vm.line()
        assert (line['gaps'], line['gap_bytes'], line['boot']) == (0, 0, 1)
        assert self.vm.info()['monitor']['pid'] == self.monitor
        return whole


@pytest.mark.parametrize('arguments,share', few_or_many())
def test_keeper_killed_500_times_in_a_flood(host, arguments, share):
    flood = Flood(host, arguments)
    keepers, kills = Keepers(host, flood.vm), 0
    while kills < 500 * share:
        if random.random() < 0.3:  # it has come up, and may be anywhere in its work
            flood.vm.info()
        keeper = keepers.next()
        pause()
        kills += kill(keeper)
    flood.told(kills)
    flood.end()
    assert flood.vm.info()['keeper']['restarts'] > 0.25 * kills


@pytest.mark.parametrize('arguments,share', few_or_many())
def test_holder_killed_100_times_in_a_flood(host, arguments, share):
    flood = Flood(host, arguments)
    keeper = flood.vm.info()['keeper']['pid']
    kills, last = 0, 0
    while kills < 100 * share:
        if random.random() < 0.5:
            flood.vm.info()
        holder = wait_until(lambda: [pid for pid in programs(host, 'vmline-holder') if pid != last], what='the next holder')[0]
        pause()
        if kill(holder):
            kills, last = kills + 1, holder
    flood.told(kills)
    flood.end()
    info = flood.vm.info()
    assert info['keeper']['pid'] == keeper and info['keeper']['restarts'] == 0
    assert info['holder']['restarts'] == kills


def reboot_unseen(vm, arguments):
    """A guest reboot while nobody of ours lives."""
    if 'qemu' in arguments:
        with open(os.open(vm.run_dir + '/serial0.in', os.O_WRONLY | os.O_NONBLOCK), 'wb', buffering=0) as fifo:
            fifo.write(b'r')
        return
    connection = http.client.HTTPConnection('monitor')
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(10)
    connection.sock.connect(vm.run_dir + '/api.sock')
    connection.request('PUT', '/api/v1/vm.reboot')
    assert connection.getresponse().status == 204
    connection.close()


@pytest.mark.parametrize('arguments,share', few_or_many())
def test_both_killed_100_times_and_the_monitor_adopted_by_the_next_command(host, arguments, share):
    vm = host.run('a', *arguments, cmdline='flood')
    monitor = vm.info()['monitor']['pid']
    began, heads, reboots = time.monotonic(), [0], 0
    for round in range(int(100 * share)):
        pause()
        kill_all_of_ours(host)
        if round % 5 == 4:
            reboot_unseen(vm, arguments)
            reboots += 1
        if round % 2:
            found = host.json('inspect', 'a')
        else:
            found = host.json('ps')[0]
        assert found['state'] == 'running'
        info = vm.info()
        assert info['monitor']['pid'] == monitor
        heads.append(info['lines'][0]['head'])
        assert heads[-1] >= heads[-2], heads
        if round % 5 == 4:  # the next is not typed before this one has been obeyed
            wait_until(lambda: vm.info()['boot'] == 1 + reboots, what=f'boot {1 + reboots}')
    print(f'{len(heads) - 1} times both, {(len(heads) - 1) / (time.monotonic() - began):.1f} per second, {heads[-1]} bytes, {reboots} reboots')
    assert heads[-1] > heads[0]

    # Typing works: by the FIFO, or by the pty that was taken back from the monitor.
    client = vm.client()
    wait_until(lambda: vm.line()['typing']['works'], what='typing')
    client.stop_guest()
    head = vm.journaled()
    whole = vm.log()
    assert len(whole) == head
    banners = []
    checker = Checker(cut='qemu' not in arguments, on_talk=lambda offset, data: banners.append(offset) if data.startswith(b'BOOT') else None)
    checker.feed(whole)
    assert checker.finish().unjudged == 0
    boots = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']
    assert [boot['boot'] for boot in boots] == list(range(1, 2 + reboots))
    assert len(banners) == 1 + reboots
    for boot, banner in zip(boots, banners):
        assert boot['offset_low'] <= banner <= boot['offset'] or boot['offset'] == banner, (boot, banner)

    # The life after the next: offsets and boots go on.
    host.vmline('stop', '--timeout', '2s', 'a')
    stopped_at = len(vm.log())
    host.vmline('start', 'a')
    line = vm.line()
    assert line['boot'] == 2 + reboots and line['head'] >= stopped_at >= head
    boot = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots'][-1]
    assert boot['boot'] == 2 + reboots and boot['offset'] == stopped_at
    client = vm.client()
    client.wait_for(b'L00000010')
    client.stop_guest()
    vm.journaled()
    checker = Checker(cut=True)
    checker.feed(vm.log())
    assert checker.finish().boots == 2 + reboots


def of_vm(host, name, *programs_of_ours):
    """Pids of one VM's processes: the monitor, unless some of ours are named."""
    wanted = programs_of_ours or ('qemu-system-x86_64',)
    mine = []
    for pid in programs(host, *wanted):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                if f'{host.root}/run/{name}' in file.read().decode().replace(f'/run\0{name}', f'/run/{name}'):
                    mine.append(pid)
        except OSError:
            pass
    return mine


@pytest.mark.parametrize('whom', [('vmline-keeper',), ('vmline-holder',), ('vmline-keeper', 'vmline-holder')], ids=['keeper', 'holder', 'either'])
def test_killed_20_times_while_starting(host, whom):
    outcomes = []
    # A start is over after some kills, on a quick machine after fewer: 12 starts at the least, and on until 21 kills have hit one.
    for round in range(60):
        if round >= 12 and sum(kills for kills, _, _ in outcomes) > 20:
            break
        name = f'a{round}'
        vm = host.vm(name)
        # The first kills at once, the others ever later: every step of a start is hit by some.
        first = round % 12 * 0.006
        command = subprocess.Popen([os.path.join(BIN, 'vmline'), 'run', name, '--kernel', BARE, '--memory', '64M', *QEMU],
                                   env=host.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        began = None
        kills, seen = 0, 0
        while kills < 20 and command.poll() is None:
            pids = of_vm(host, name, *whom)
            if pids and began is None:
                began = time.monotonic()
            if began is None or time.monotonic() < began + first:
                continue
            for pid in pids:
                time.sleep(random.random() * 0.008)
                kills += kill(pid)
            seen = max(seen, len(of_vm(host, name)))
            if time.monotonic() > began + first + 0.25:
                break
        output, errors = command.communicate(timeout=90)
        assert seen <= 1, 'two monitors'
        outcomes.append((kills, command.returncode, errors.strip()))
        if command.returncode == 0:
            assert host.json('inspect', name)['state'] == 'running'  # and brings back what was killed behind the command's end
            assert len(of_vm(host, name)) == 1
            client = vm.client()
            client.wait_for(b'READY')
            client.type(b'n')
            client.wait_for(b'\n', start=client.wait_for(b'L00000100'))
            vm.journaled()
            whole = vm.log()
            wait_until(lambda: len(client.data) >= len(whole), what='the rest of the line')
            assert bytes(client.data) == whole
            checker = Checker()
            checker.feed(whole)
            assert checker.finish().boots == 1 and vm.line()['boot'] == 1
            host.vmline('rm', '--force', name)
        else:
            assert command.returncode == 1 and len(errors.strip().splitlines()) == 1, (command.returncode, errors)
            # What failed has left nothing: no VM, and soon no process.
            assert host.command('inspect', name).returncode == 3
        wait_until(lambda: not of_vm(host, name) and not of_vm(host, name, 'vmline-keeper', 'vmline-holder'), what='the end of every process')
        assert not os.path.exists(vm.run_dir) and not os.path.exists(vm.vm_dir)
    print(*outcomes, sep='\n')
    assert sum(kills for kills, _, _ in outcomes) > 20


def test_keeper_killed_while_it_stops(host):
    kills = 0
    for round in range(12):
        name = f'a{round}'
        vm = host.run(name, *QEMU)
        client = vm.client()
        client.wait_for(b'READY')
        command = subprocess.Popen([os.path.join(BIN, 'vmline'), 'stop', name], env=host.environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 0.3
        while command.poll() is None and time.monotonic() < until:
            for pid in of_vm(host, name, 'vmline-keeper'):
                time.sleep(random.random() * 0.02)
                kills += kill(pid)
        command.communicate(timeout=60)  # it may have lost its keeper, and says so; the stop goes on
        wait_until(lambda: not of_vm(host, name) and not of_vm(host, name, 'vmline-keeper', 'vmline-holder'), what='the end of every process')
        assert host.json('inspect', name)['state'] == 'stopped'
        assert not of_vm(host, name), 'it was started again'
        whole = vm.log()
        wait_until(lambda: client.ended, what='the end of the line')
        assert bytes(client.data) == whole and whole.endswith(b'lines=0\r\n')
        checker = Checker()
        checker.feed(whole)
        assert checker.finish().boots == 1
    print(f'{kills} kills')
    assert kills > 5


def test_an_idle_guests_last_words_arrive_whoever_is_killed(host):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    keepers = Keepers(host, vm)
    with open(os.open(vm.run_dir + '/serial0.in', os.O_WRONLY | os.O_NONBLOCK), 'wb', buffering=0) as fifo:
        for round in range(1, 61):
            keeper = keepers.next()
            fifo.write(b'n')
            time.sleep(random.random() * 0.012)
            kill(keeper)
            # Nothing comes behind it that would bring it along.
            client.wait_for(b'\n', start=client.wait_for(b'L%08d ' % (100 * round)))
    head = vm.journaled()
    assert len(client.data) == head
    checker = Checker()
    checker.feed(client.data)
    assert checker.finish().lines == 6000
