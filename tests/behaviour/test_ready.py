# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=120
"""What a guest says of itself is told as it passes: ready and at which address, a panic, a login prompt, what the spec asks for. Once each, at
its offset, whoever is killed meanwhile; a reboot takes the readiness away."""
import os
import subprocess
import time

from host import BIN, QEMU, wait_until


def events(host, vm, kind):
    return [event for event in vm.api('GET', '/v1/events')[1]['events'] if event['type'] == kind]


def say(client, text):
    """Has the guest send a line with it."""
    at = len(client.data)
    client.type(b'e' + text + b'\n')
    return client.wait_for(b'ECHO ' + text, start=at) - len(text)


def test_ready_comes_with_its_address_and_goes_with_a_reboot(host):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    assert vm.info()['ready'] is None and vm.info()['state'] == 'running'
    for boot, address in ((1, '10.1.2.3'), (2, 'fe80::1:2')):
        waiting = subprocess.Popen([os.path.join(BIN, 'vmline'), 'wait', 'a', '--for', 'ready', '--timeout', '10s'], env=host.environment())
        offset = say(client, b'VMRS_READY ' + address.encode())
        assert waiting.wait(10) == 0
        info = vm.info()
        assert info['state'] == 'ready' and address in info['reason']
        assert info['ready'] | {'time': ''} == {'line': 'serial0', 'offset': offset, 'boot': boot, 'address': address, 'time': ''}
        told = events(host, vm, 'match')[-1]
        assert (told['rule'], told['offset'], told['boot'], told['address']) == ('ready', offset, boot, address)
        at = len(client.data)
        client.type(b'r')
        client.wait_for(b'READY', start=at)
        wait_until(lambda: vm.info()['boot'] == boot + 1, what='the next boot')
        assert vm.info()['ready'] is None and vm.info()['state'] == 'running'
    say(client, b'VMRS_READY nowhere')
    say(client, b'VMRS_READY 1.2.3.4.5')
    assert vm.info()['ready'] is None


def test_nothing_is_missed_or_told_twice_over_keeper_kills(host):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    said = []
    for n in range(20):
        marker = b'VMRS_READY 10.0.0.%d' % n
        at = len(client.data)
        client.type(b'e')
        for begin, end in ((0, 5), (5, 14), (14, len(marker))):
            client.type(marker[begin:end])
            client.wait_for(b'ECHO ' + marker[:end], start=at)  # what is typed while nobody is there may be lost
            if n % 2:
                vm.kill('keeper')
                vm.info()
        client.type(b'\n')
        if n % 3 == 0:
            vm.kill('keeper')
        said.append(client.wait_for(b'ECHO ' + marker + b'\r\n', start=at) - len(marker) - 2)
        time.sleep(0.1)  # fewer than are told in a second
    wait_until(lambda: len(events(host, vm, 'match')) >= 20, what='twenty matches')
    assert [event['offset'] for event in events(host, vm, 'match')] == said
    assert vm.info()['ready']['address'] == '10.0.0.19' and vm.info()['keeper']['restarts'] > 20


def test_a_guest_that_says_it_for_ever_fills_nothing(host):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    for _ in range(100):
        client.type(b'eKernel panic - not syncing\n')
    wait_until(lambda: client.data.count(b'ECHO') == 100, what='a hundred echoes')
    assert 0 < len(events(host, vm, 'match')) <= 48


def test_a_panic_is_told(host):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    client.type(b'P')
    offset = client.wait_for(b'Kernel panic - not syncing') - len(b'Kernel panic - not syncing')
    wait_until(lambda: events(host, vm, 'match'), what='a match')
    assert [(event['rule'], event['offset']) for event in events(host, vm, 'match')][0] == ('panic', offset)
