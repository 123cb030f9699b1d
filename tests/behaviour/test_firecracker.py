# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300 serial
"""Firecracker: its line is exact over typing, floods and kills of ours; a guest's reboot ends its process and is the next boot on the same
connection; nothing of its own log is on the line. Runs where VMLINE_FIRECRACKER names it and /dev/kvm opens."""
import json
import os
import random
import socket
import subprocess
import time

import pytest

from host import BARE, BIN, wait_until
from killing import Keepers, kill, kill_all_of_ours
from lines import Checker

random.seed(os.environ.get('VMLINE_TEST_SEED'))


def reason():
    """Why Firecracker cannot run here; empty: it can."""
    if not os.environ.get('VMLINE_FIRECRACKER'):
        return 'VMLINE_FIRECRACKER names no Firecracker'
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR))
    except OSError as error:
        return f'/dev/kvm: {error.strerror}'
    return ''


pytestmark = pytest.mark.skipif(bool(reason()), reason=reason())
FIRECRACKER = ['--driver', 'firecracker']


def check(whole, boots=1, **how):
    """The line is what the guest sent, byte by byte: so nobody else wrote on it."""
    checker = Checker(**how)
    checker.feed(whole)
    assert checker.finish().unjudged == 0 and boots in (None, checker.boots)
    return checker


def check_boots(vm, whole, causes=('guest reboot',)):
    """Each boot that is told begins where its banner is."""
    banners = []
    Checker(on_talk=lambda offset, data: banners.append(offset) if data.startswith(b'BOOT') else None).feed(whole)
    boots = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']
    assert [boot['boot'] for boot in boots] == list(range(1, len(banners) + 1))
    assert boots[0]['cause'] == 'first start' and {boot['cause'] for boot in boots[1:]} == set(causes)
    for boot, banner in zip(boots, banners):
        assert boot['offset_low'] <= banner <= boot['offset'], (boot, banner)


def the_same(vm, client):
    """Once all is journaled and received: the journal, which is what the client has."""
    head = vm.journaled()
    whole = vm.log()
    assert len(whole) == head
    wait_until(lambda: len(client.data) >= head or client.ended, what='the rest of the line')
    assert bytes(client.data) == whole
    return whole


def alive(pid):
    return os.path.exists(f'/proc/{pid}')


def test_what_is_typed_and_flooded_is_exact_and_the_button_stops_it(host):
    vm = host.run('a', *FIRECRACKER)
    client = vm.client()
    client.wait_for(b'READY')
    typed = b''.join(b'%04d ' % n for n in range(200))
    for n in range(0, len(typed), 50):
        client.type(b'e' + typed[n:n + 50] + b'\n')
        client.wait_for(b'ECHO ' + typed[n:n + 50] + b'\r\n')
    client.type(b'g')
    client.wait_for(b'BYTES ' + bytes(range(256)))
    client.type(b'f')
    client.wait_for(b'L00000300')
    client.stop_guest()
    check(the_same(vm, client))

    info = vm.info()
    assert info['state'] == 'running' and info['boot'] == 1
    answer = host.json('stop', 'a')
    assert answer['ended_by'] == 'power-button', answer
    assert host.json('inspect', 'a')['state'] == 'stopped'
    assert not alive(info['monitor']['pid'])
    assert vm.log().endswith(b'BUTTON\r\nOFF lines=%d\r\n' % check(vm.log()).lines)


def test_its_own_log_is_not_on_the_line_but_in_monitor_log(host):
    vm = host.run('a', *FIRECRACKER)
    client = vm.client()
    client.wait_for(b'READY')
    # A refusal of its API is one thing that it logs.
    with socket.socket(socket.AF_UNIX) as api:
        api.connect(vm.run_dir + '/api.sock')
        api.sendall(b'PUT /boot-source HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}')
        assert b'400' in api.recv(4096)
    with open(vm.vm_dir + '/monitor.log') as log:
        assert 'missing field' in log.read()
    client.type(b'e.\n')
    client.wait_for(b'ECHO .\r\n')
    check(the_same(vm, client))


def test_killed_and_started_again_it_goes_on_at_the_next_boot(host):
    vm = host.run('a', *FIRECRACKER, cmdline='flood')
    client = vm.client()
    client.wait_for(b'L00000010')
    pid = vm.info()['monitor']['pid']
    host.vmline('kill', 'a')
    assert not alive(pid) and host.json('inspect', 'a')['state'] == 'stopped'
    # What it bound lies there still, with nobody behind it.
    before = len(vm.log())
    host.vmline('start', 'a')
    client = vm.client()
    end = client.wait_for(b'L00000010', start=client.wait_for(b'BOOT '))
    assert end > 0
    client.stop_guest()
    vm.journaled()
    boots = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']
    assert [boot['boot'] for boot in boots] == [1, 2] and boots[1]['offset'] == before
    check(vm.log(), boots=2, cut=True)


def test_a_monitor_that_is_killed_by_others_has_failed(host):
    vm = host.run('a', *FIRECRACKER)
    os.kill(vm.info()['monitor']['pid'], 9)
    wait_until(lambda: host.json('inspect', 'a')['state'] == 'failed', what='the failure')
    assert 'signal 9' in host.json('inspect', 'a')['reason'] or 'SIGKILL' in host.json('inspect', 'a')['reason']


@pytest.mark.parametrize('whom', ['keeper', 'holder', 'both'])
def test_killed_50_times_in_a_flood(host, whom):
    vm = host.run('a', *FIRECRACKER)
    monitor = vm.info()['monitor']['pid']
    client = vm.client()
    client.wait_for(b'READY')
    client.type(b'f')
    client.wait_for(b'L00000010')
    keepers = Keepers(host, vm) if whom == 'keeper' else None
    kills = 0
    for _ in range(200):
        if kills == 50:
            break
        time.sleep(random.random() * 0.03)
        if whom == 'keeper':
            kills += kill(keepers.next())
        elif whom == 'holder':
            kills += kill(vm.info()['holder']['pid'])
        else:
            kill_all_of_ours(host)
            kills += 1
            assert host.json('inspect', 'a')['state'] == 'running'
    assert kills == 50
    if whom == 'both':  # its connection ended with those who held it
        client = vm.client()
    client.wait_for(b'\nB0001 ')
    client.stop_guest()
    vm.journaled()
    whole = vm.log()
    if whom != 'both':
        assert the_same(vm, client) == whole
    check(whole)
    info = vm.info()
    assert info['monitor']['pid'] == monitor and info['boot'] == 1
    assert (vm.line()['gaps'], vm.line()['gap_bytes']) == (0, 0)


def test_50_reboots_on_one_connection(host):
    vm = host.run('a', *FIRECRACKER)
    client = vm.client()
    at = client.wait_for(b'READY')
    monitors = {vm.info()['monitor']['pid']}
    began = time.monotonic()
    for boot in range(2, 52):
        client.type(b'n')
        at = client.wait_for(b'\n', start=client.wait_for(b'L00000100', start=at))
        client.type(b'r')
        at = client.wait_for(b'READY\r\n', start=at)
        wait_until(lambda: vm.info()['boot'] == boot, what=f'boot {boot}')
        monitors.add(vm.info()['monitor']['pid'])
    print(f'50 reboots in {time.monotonic() - began:.1f} s')
    assert len(monitors) == 51
    assert not client.ended
    checker = check(the_same(vm, client), boots=51)
    assert checker.lines == 5000
    check_boots(vm, vm.log())
    assert vm.line()['gaps'] == 0 and vm.info()['state'] == 'running'


def test_reboots_go_on_while_ours_are_killed(host):
    vm = host.run('a', *FIRECRACKER, cmdline='reboot=10')
    client = vm.client()
    kills, until = 0, time.monotonic() + 8
    while time.monotonic() < until:
        keeper = vm.info()['keeper']['pid']
        time.sleep(random.random() * 0.1)
        kills += kill(keeper)
    client.stop_guest()
    whole = the_same(vm, client)
    boots = check(whole, boots=None).boots
    print(f'{kills} kills, {boots} boots')
    assert kills > 20 and boots > 10
    told = {boot['cause'] for boot in vm.api('GET', '/v1/lines/serial0/boots')[1]['boots'][1:]}
    assert told == {'guest reboot'}
    check_boots(vm, whole, told)
    assert not client.ended


def test_a_reboot_that_nobody_of_ours_sees_is_the_next_boot_too(host):
    vm = host.run('a', *FIRECRACKER)
    client = vm.client()
    client.wait_for(b'READY\r\n')
    pid = vm.info()['monitor']['pid']
    kill_all_of_ours(host)
    with open(os.open(vm.run_dir + '/serial0.in', os.O_WRONLY | os.O_NONBLOCK), 'wb', buffering=0) as fifo:
        fifo.write(b'r')
    wait_until(lambda: not alive(pid), what='the end of Firecracker')
    host.vmline('inspect', 'a')
    wait_until(lambda: vm.info()['state'] == 'running' and vm.info()['boot'] == 2, what='the next boot')
    client = vm.client()
    client.wait_for(b'READY\r\n', start=client.wait_for(b'READY\r\n'))
    # With Firecracker the last one who had the FIFO open is gone, and with it what lay in there: the guest's last words.
    check(the_same(vm, client), boots=2, cut=True)


def test_disks_and_a_vsock_of_monitor_config_are_there_in_each_boot_and_gone_in_the_end(host):
    vsock, disk = host.root + '/vsock', host.root + '/disk,"0'
    with open(disk, 'wb') as file:
        file.truncate(1 << 20)
    with open(host.root + '/spec.json', 'w') as file:
        json.dump({'schema': 'vmline.vm/v1', 'name': 'a', 'driver': 'firecracker', 'kernel': BARE, 'memory': '64M',
                   'root_disk': {'path': disk, 'format': 'raw'},
                   'monitor_config': {'vsock': {'guest_cid': 3, 'uds_path': vsock}, 'entropy': {}}}, file)
    vm = host.vm('a')
    host.vmline('run', '-f', host.root + '/spec.json')
    client = vm.client()
    at = client.wait_for(b'READY\r\n')
    for _ in range(3):
        client.type(b'r')
        at = client.wait_for(b'READY\r\n', start=at)
        # One device each, after the banner's command line.
        assert bytes(client.data).splitlines()[-2].count(b'virtio_mmio.device=') == 3
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(vsock)
    check(the_same(vm, client), boots=4)
    host.vmline('stop', 'a')
    assert not os.path.exists(vsock)


def test_reset_is_the_next_boot_as_well(host):
    vm = host.run('a', *FIRECRACKER)
    client = vm.client()
    at = client.wait_for(b'READY\r\n')
    pid = vm.info()['monitor']['pid']
    host.vmline('reset', 'a')
    client.wait_for(b'READY\r\n', start=at)
    assert vm.info()['boot'] == 2 and vm.info()['monitor']['pid'] != pid
    check(the_same(vm, client), boots=2, cut=True)
    assert not client.ended


def test_a_kernel_that_is_gone_before_a_reboot_is_a_failure_with_its_cause(host):
    kernel = host.root + '/kernel.elf'
    with open(BARE, 'rb') as source, open(kernel, 'wb') as copy:
        copy.write(source.read())
    vm = host.run('a', *FIRECRACKER, kernel=kernel)
    client = vm.client()
    client.wait_for(b'READY')
    os.unlink(kernel)
    client.type(b'r')
    wait_until(lambda: host.json('inspect', 'a')['state'] == 'failed', what='the failure')
    assert 'kernel' in host.json('inspect', 'a')['reason'] and 'No such file' in host.json('inspect', 'a')['reason']


@pytest.mark.parametrize('content', [None, b'this is no kernel'])
def test_a_kernel_that_is_not_there_or_none_is_told_and_leaves_nothing(host, content):
    kernel = host.root + '/kernel'
    if content:
        with open(kernel, 'wb') as file:
            file.write(content)
    done = host.command('run', 'a', *FIRECRACKER, '--kernel', kernel, '--memory', '64M')
    assert done.returncode == 1 and done.stderr.count('\n') == 1, done.stderr
    assert (f'kernel {kernel}: No such file' if content is None else 'Cannot load kernel') in done.stderr, done.stderr
    assert not os.path.exists(host.root + '/vms/a') and not os.path.exists(host.root + '/run/a')


@pytest.mark.parametrize('words,says', [(['--firmware', BARE], 'firmware'), (['--monitor-arg=--version'], '--version')])
def test_what_it_cannot_do_is_refused(host, words, says):
    done = subprocess.run([os.path.join(BIN, 'vmline'), 'run', 'a', *FIRECRACKER, '--kernel', BARE, '--memory', '64M', *words],
                          env=host.environment(), capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count('\n') == 1, done.stderr
    assert not os.path.exists(host.root + '/vms/a')
