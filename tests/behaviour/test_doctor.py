# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=60
"""`vmline doctor` tells what the host has and what was left behind, and changes nothing of it."""
import json
import os

from host import QEMU, wait_until
from killing import kill_all_of_ours


def findings(host):
    done = host.command('doctor', '--json')
    assert done.returncode in (0, 1) and done.stderr == ''
    told = json.loads(done.stdout)['findings']
    assert done.returncode == any(one['verdict'] == 'wrong' for one in told)
    return {one['about']: one for one in told}


def test_it_tells_what_there_is(host):
    told = findings(host)
    assert told['qemu']['verdict'] == 'ok' and 'qemu-system' in told['qemu']['detail']
    assert told['spool']['verdict'] == 'ok' and {'cloud-hypervisor', 'firecracker', 'virtiofsd', 'kvm'} <= set(told)
    text = host.command('doctor').stdout
    assert text.splitlines()[0].split() == ['ABOUT', 'VERDICT', 'DETAIL']


def test_a_monitor_without_us_is_told_until_somebody_comes_back(host):
    vm = host.run('a', *QEMU)
    vm.client().wait_for(b'READY')
    assert 'a' not in findings(host)
    monitor = vm.info()['monitor']['pid']
    kill_all_of_ours(host)
    for _ in range(2):
        told = findings(host)['a']
        assert told['verdict'] == 'wrong' and 'its monitor runs' in told['detail'] and 'vmline inspect a' in told['detail']
        assert 'vmline-keeper' not in ''.join(host.processes().values())
    assert host.json('inspect', 'a')['monitor']['pid'] == monitor
    assert 'a' not in findings(host)
    kill_all_of_ours(host)
    os.kill(monitor, 9)
    wait_until(lambda: not host.processes(), what='nothing that runs')
    assert 'nothing of it runs' in findings(host)['a']['detail']
    host.vmline('inspect', 'a')
    wait_until(lambda: 'a' not in findings(host), what='a host that is clear')
