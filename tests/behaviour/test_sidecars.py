# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=200
"""What stands beside a monitor: a virtiofsd for each shared directory, started again whenever it ends, and TAPs in the VM's network namespace.
They come with the VM, live through guest reboots and the death of everything of ours, and go with it."""
import json
import os
import random
import signal
import subprocess
import time

import pytest

from host import BARE, BIN, QEMU, cloud_hypervisors, kvm_reason, wait_until
from killing import kill, kill_all_of_ours

VIRTIOFSD = os.environ.get('VMLINE_VIRTIOFSD', '')
needs_virtiofsd = pytest.mark.skipif(not os.access(VIRTIOFSD, os.X_OK), reason='VMLINE_VIRTIOFSD names no virtiofsd')
needs_root = pytest.mark.skipif(os.getuid() != 0, reason='TAPs and namespaces need root')


def monitors_of_shares():
    every = [pytest.param(['--driver', 'qemu'], id='qemu')]
    reason = kvm_reason()
    if reason or not cloud_hypervisors():
        return every + [pytest.param([], id='cloud-hypervisor', marks=pytest.mark.skip(reason=reason or 'no Cloud Hypervisor'))]
    for version, path, more in cloud_hypervisors():
        every.append(pytest.param(['--driver', 'cloud-hypervisor', '--binary', path, *[word for arg in more for word in ('--monitor-arg', arg)]],
                                  id=f'cloud-hypervisor-{version}'))
    return every


def run(host, arguments, cmdline='', **fields):
    """A VM whose spec has these fields besides."""
    path = host.root + '/fields.json'
    with open(path, 'w') as file:
        json.dump({'schema': 'vmline.vm/v1', 'name': 'a', 'kernel': BARE, 'memory': '64M', 'cmdline': cmdline} | fields, file)
    host.vmline('run', '-f', path, *arguments)
    return host.vm('a')


def sidecars(vm):
    return {one['name']: one for one in vm.info()['sidecars']}


def lives(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


@pytest.fixture
def shares(host):
    made = [{'tag': 'data', 'path': host.root + '/data'}, {'tag': 'more', 'path': host.root + '/more', 'readonly': True}]
    for share in made:
        os.mkdir(share['path'])
    return made


@needs_virtiofsd
@pytest.mark.parametrize('arguments', monitors_of_shares())
def test_one_for_each_share_over_guest_reboots_and_kills(host, shares, arguments):
    vm = run(host, arguments, shares=shares)
    client = vm.client()
    at = client.wait_for(b'READY')
    first = sidecars(vm)
    assert len(first) == 2 and all(lives(one['pid']) for one in first.values())
    for _ in range(10):
        client.type(b'r')
        at = client.wait_for(b'READY', start=at)
    if 'qemu' not in arguments:  # which keeps its connection over a reset, while Cloud Hypervisor's ends and is made anew
        wait_until(lambda: all(one['restarts'] >= 10 for one in sidecars(vm).values()), what='ten more of each')
    for _ in range(4):
        for name, one in sidecars(vm).items():
            if one['pid']:
                kill(one['pid'])
        wait_until(lambda: all(one['pid'] and lives(one['pid']) for one in sidecars(vm).values()), what='the next ones')
    assert vm.info()['state'] == 'running' and not client.ended
    last = [one['pid'] for one in sidecars(vm).values()]
    host.vmline('stop', 'a', '--timeout', '300ms')
    assert not any(lives(pid) for pid in last)
    assert not [words for words in host.processes().values() if 'virtiofsd' in words]


@needs_virtiofsd
@pytest.mark.parametrize('arguments', monitors_of_shares()[-1:])
def test_found_again_when_all_of_ours_has_died(host, shares, arguments):
    vm = run(host, arguments, shares=shares)
    client = vm.client()
    client.wait_for(b'READY')
    before = sidecars(vm)
    for round in range(5):
        kill_all_of_ours(host)
        dead = random.choice(list(before)) if round % 2 else None
        if dead:
            kill(before[dead]['pid'])
        now = wait_until(lambda: (found := host.json('inspect', 'a')) and found['state'] == 'running' and sidecars(vm), what='the VM')
        wait_until(lambda: all(one['pid'] and lives(one['pid']) for one in sidecars(vm).values()), what='every sidecar')
        now = sidecars(vm)
        assert {name for name in now if now[name]['pid'] != before[name]['pid']} == ({dead} if dead else set())
        before = now
    client = vm.client()
    client.type(b'r')
    client.wait_for(b'REBOOT')
    wait_until(lambda: client.data.count(b'READY') >= 2, what='a reboot after all that')


@needs_virtiofsd
def test_one_that_cannot_start_fails_the_start_with_its_own_words(host, shares):
    done = host.command('run', '-f', '-', *QEMU, input=json.dumps({'schema': 'vmline.vm/v1', 'name': 'a', 'kernel': BARE, 'memory': '64M',
                                                                  'shares': shares, 'virtiofsd_args': ['--no-such-option']}))
    assert done.returncode == 1 and done.stderr.count('\n') == 1 and 'fs-' in done.stderr and 'virtiofsd' in done.stderr, done.stderr
    wait_until(lambda: not host.processes(), what='a host without processes')
    assert host.json('ps') == []


# -- TAPs

@pytest.fixture
def netns():
    """The path of a network namespace of the test's own."""
    holder = subprocess.Popen(['unshare', '-n', 'sleep', '300'])
    ours = os.stat('/proc/self/ns/net').st_ino
    wait_until(lambda: os.stat(f'/proc/{holder.pid}/ns/net').st_ino != ours, what='a network namespace')
    yield f'/proc/{holder.pid}/ns/net'
    holder.send_signal(signal.SIGKILL)
    holder.wait()


def links(netns, *words):
    """What `ip` says of the links there."""
    return subprocess.run(['nsenter', f'--net={netns}', 'ip', '-j', *words], check=True, capture_output=True, text=True).stdout


def taps(netns):
    return {link['ifname'] for link in json.loads(links(netns, '-d', 'link', 'show')) if link.get('linkinfo', {}).get('info_kind') == 'tun'}


@needs_root
@pytest.mark.parametrize('arguments', monitors_of_shares())
def test_taps_come_and_go_with_the_vm(host, netns, arguments):
    links(netns, 'link', 'add', 'br7', 'type', 'bridge')
    links(netns, 'tuntap', 'add', 'theirs', 'mode', 'tap')
    networks = [{'tap': 'mine', 'bridge': 'br7'}, {'tap': 'theirs'}, {}]
    vm = run(host, arguments, netns=netns, networks=networks)
    client = vm.client()
    client.wait_for(b'READY')
    there = taps(netns)
    assert len(there) == 3 and {'mine', 'theirs'} < there
    mine = json.loads(links(netns, 'link', 'show', 'mine'))[0]
    assert mine['master'] == 'br7' and 'UP' in mine['flags']
    client.type(b'r')
    wait_until(lambda: client.data.count(b'READY') == 2, what='a reboot')
    kill_all_of_ours(host)
    assert host.json('inspect', 'a')['state'] == 'running' and taps(netns) == there
    host.vmline('stop', 'a', '--timeout', '300ms')
    assert taps(netns) == {'theirs'}


@needs_root
def test_a_tap_that_is_in_the_way_or_absent_is_told(host, netns):
    links(netns, 'tuntap', 'add', 'theirs', 'mode', 'tap')
    for network, says in (({'tap': 'theirs', 'ours': True}, 'theirs'), ({'tap': 'absent', 'ours': False}, 'absent'),
                          ({'tap': 'mine', 'bridge': 'lo'}, 'lo'), ({'tap': 'lo'}, 'lo')):
        spec = {'schema': 'vmline.vm/v1', 'name': 'a', 'kernel': BARE, 'memory': '64M', 'netns': netns, 'networks': [network]}
        done = host.command('run', '-f', '-', *QEMU, input=json.dumps(spec))
        assert done.returncode in (1, 2) and done.stderr.count('\n') == 1 and says in done.stderr, (network, done.stderr)
        assert taps(netns) == {'theirs'}
    assert host.json('ps') == []


@needs_root
def test_a_start_that_is_killed_leaves_no_tap(host, netns):
    for _ in range(10):
        command = subprocess.Popen([os.path.join(BIN, 'vmline'),
                                    'run', '-f', '-', *QEMU], env=host.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        command.stdin.write(json.dumps({'schema': 'vmline.vm/v1', 'name': 'a', 'kernel': BARE, 'memory': '64M', 'netns': netns,
                                        'networks': [{'tap': 'mine'}]}).encode())
        command.stdin.close()
        time.sleep(random.random() * 0.04)
        kill_all_of_ours(host)
        command.wait(60)
        host.command('rm', '--force', 'a')
        assert taps(netns) == set()


# -- the monitor's log

def test_a_monitor_that_says_too_much_has_a_limit(host):
    vm_log = '/vms/a/monitor.log'
    host.vmline('keep', 'a', '--', 'sh', '-c', 'while :; do head -c 100000 /dev/zero | tr "\\0" x >&2; echo >&2; sleep 0.003; done')
    old, new = host.root + vm_log + '.1', host.root + vm_log
    wait_until(lambda: os.path.exists(old), 30, 'a log that has become the old one')
    first = os.stat(old).st_ino
    host.vm('a').kill('keeper')
    wait_until(lambda: os.stat(old).st_ino != first, 30, 'the next one')
    assert os.path.getsize(old) <= 5 << 20  # with what came while it was copied
    host.vmline('stop', 'a')
    for path in (old, new):
        with open(path, 'rb') as file:
            assert not set(file.read()) - set(b'x\n')
