# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300 serial
"""One set of claims, held to every driver and version there is: what a user of vmline need not know about the monitor. The table of claims by
driver is printed at the end."""
import collections
import os
import re
import signal
import subprocess
import time

import pytest

from host import BARE, MONITORS, kvm_reason, monitors, wait_until
from killing import kill_all_of_ours
from lines import Checker

FIRECRACKER = os.environ.get('VMLINE_FIRECRACKER', '')
DRIVERS = monitors()
if kvm_reason():
    DRIVERS.append(pytest.param([], id='firecracker', marks=pytest.mark.skip(reason=kvm_reason())))
else:
    DRIVERS.append(pytest.param(['--driver', 'firecracker'], id='firecracker',
                                marks=pytest.mark.skipif(not os.access(FIRECRACKER, os.X_OK), reason='VMLINE_FIRECRACKER names no firecracker')))

BANNER = re.compile(rb'^BOOT \d', re.MULTILINE)
table = collections.OrderedDict()
every_driver = pytest.mark.parametrize('arguments', DRIVERS)


@pytest.fixture(autouse=True)
def row(request):
    """Notes what came of each claim."""
    yield
    claim = request.node.originalname.removeprefix('test_').replace('_', ' ')
    report = getattr(request.node, 'outcome', 'failed')
    table.setdefault(claim, {})[request.node.callspec.id] = report


@pytest.fixture(scope='module', autouse=True)
def printed_table(request):
    yield
    with request.config.pluginmanager.getplugin('capturemanager').global_and_fixture_disabled():
        print_table()


def print_table():
    drivers = [parameter.id for parameter in DRIVERS]
    width = max(map(len, table), default=0)
    print('\nconformance | ' + 'claim'.ljust(width) + ' | ' + ' | '.join(drivers), flush=True)
    for claim, results in table.items():
        cells = [results.get(driver, 'skipped').ljust(len(driver)) for driver in drivers]
        print(f'conformance | {claim.ljust(width)} | ' + ' | '.join(cells), flush=True)


def held(request):
    request.node.outcome = 'held'


def cannot(request, why):
    request.node.outcome = 'skipped'
    pytest.skip(why)


def name_of(request):
    return request.node.callspec.id


def start(host, arguments, *more, cmdline=''):
    vm = host.run('a', *arguments, *more, cmdline=cmdline)
    client = vm.client()
    client.wait_for(b'READY\r\n')
    return vm, client


def next_ready(vm, client, boot):
    wait_until(lambda: vm.info()['boot'] == boot, 20, f'boot {boot}')
    wait_until(lambda: len(BANNER.findall(client.data)) == boot and client.data.endswith(b'READY\r\n'), 20, 'the next READY')


def exact(client, **how):
    checker = Checker(**how)
    checker.feed(bytes(client.data))
    return checker.finish()


@every_driver
def test_no_byte_of_the_monitors_own_is_on_the_line(host, request, arguments):
    vm, client = start(host, arguments)
    host.vmline('stop', 'a')
    wait_until(lambda: client.ended, what='the end of the line')
    assert exact(client).boots == 1 and bytes(client.data) == vm.log() and client.data.endswith(b'OFF lines=0\r\n' if b'OFF' in client.data else b'lines=0\r\n')
    held(request)


@every_driver
def test_what_is_typed_arrives(host, request, arguments):
    _, client = start(host, arguments)
    for n in range(20):
        client.type(b'etyped %d\n' % n)
        client.wait_for(b'ECHO typed %d\r\n' % n)
    held(request)


@every_driver
def test_a_guests_reboot_is_the_next_boot_on_the_same_connection(host, request, arguments):
    vm, client = start(host, arguments)
    for boot in (2, 3, 4):
        client.type(b'r')
        next_ready(vm, client, boot)
    assert not client.ended and exact(client).boots == 4
    assert [boot['cause'] for boot in vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']] == ['first start'] + ['guest reboot'] * 3
    held(request)


@every_driver
def test_reset_is_the_next_boot_on_the_same_connection(host, request, arguments):
    vm, client = start(host, arguments, cmdline='')
    host.vmline('reset', 'a')
    next_ready(vm, client, 2)
    assert not client.ended and exact(client, cut=True).boots == 2
    held(request)


@every_driver
def test_reboot_asks_the_guest(host, request, arguments):
    vm, client = start(host, arguments)
    assert host.json('reboot', 'a')['how'] == 'guest'
    next_ready(vm, client, 2)
    assert b'BUTTON' in client.data and not client.ended
    held(request)


@every_driver
def test_a_paused_guest_says_nothing_and_goes_on_when_resumed(host, request, arguments):
    vm, client = start(host, arguments)
    client.type(b'f')
    client.wait_for(b'L00000050')
    host.vmline('pause', 'a')
    assert vm.info()['state'] == 'paused'
    head = client.settle()
    time.sleep(0.3)
    assert len(client.data) == head
    host.vmline('resume', 'a')
    wait_until(lambda: len(client.data) > head, what='more')
    client.stop_guest()
    assert vm.info()['state'] == 'running' and exact(client).boots == 1
    held(request)


@every_driver
def test_stop_asks_the_guest_first(host, request, arguments):
    start(host, arguments)
    done = host.json('stop', 'a')
    assert done['state'] == 'stopped' and done['ended_by'] == 'power-button' and not host.processes()
    held(request)


@every_driver
def test_kill_ends_it_at_once(host, request, arguments):
    start(host, arguments)
    done = host.json('kill', 'a')
    assert done['ended_by'] == 'SIGKILL'
    wait_until(lambda: not host.processes(), what='a host without processes')
    held(request)


@every_driver
def test_started_again_it_goes_on_where_its_line_ended(host, request, arguments):
    vm, _ = start(host, arguments)
    host.vmline('stop', 'a')
    before = vm.log()
    host.vmline('start', 'a')
    wait_until(lambda: vm.log().startswith(before) and vm.log()[len(before):].endswith(b'READY\r\n'), what='the second life')
    boots = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']
    assert [(boot['boot'], boot['offset']) for boot in boots] == [(1, 0), (2, len(before))]
    held(request)


@every_driver
def test_it_outlives_everything_of_ours(host, request, arguments):
    vm, client = start(host, arguments, cmdline='')
    monitor = vm.info()['monitor']['pid']
    client.type(b'f')
    client.wait_for(b'L00000050')
    kill_all_of_ours(host)
    time.sleep(0.2)
    assert host.json('ps')[0]['monitor']['pid'] == monitor
    client = vm.client()
    wait_until(lambda: vm.line()['typing']['works'], what='typing')
    client.stop_guest()
    assert exact(client).boots == 1 and vm.line()['gaps'] == 0
    held(request)


@every_driver
def test_a_monitor_that_is_killed_is_told_with_its_signal(host, request, arguments):
    vm, client = start(host, arguments)
    os.kill(vm.info()['monitor']['pid'], signal.SIGKILL)
    wait_until(lambda: client.ended, what='the end of the line')
    wait_until(lambda: not host.processes(), what='a host without processes')
    told = host.json('ps')[0]
    assert told['state'] == 'failed' and 'SIGKILL' in told['reason']
    held(request)


@every_driver
def test_restart_on_failure_runs_it_again_on_the_same_line(host, request, arguments):
    vm, client = start(host, arguments, '--restart', 'on-failure')
    for boot in (2, 3):
        os.kill(vm.info()['monitor']['pid'], signal.SIGKILL)
        next_ready(vm, client, boot)
    assert not client.ended and vm.info()['restarts'] == 2
    host.vmline('stop', 'a')
    assert host.json('ps')[0]['state'] == 'stopped'
    held(request)


@every_driver
def test_a_kernel_that_is_gone_before_a_reboot_is_told(host, request, arguments):
    kernel = host.root + '/kernel'
    with open(BARE, 'rb') as source, open(kernel, 'wb') as copy:
        copy.write(source.read())
    vm = host.run('a', *arguments, kernel=kernel)
    client = vm.client()
    client.wait_for(b'READY\r\n')
    os.unlink(kernel)
    client.type(b'r')
    if name_of(request) == 'qemu':  # which has it in its memory
        next_ready(vm, client, 2)
        return held(request)
    wait_until(lambda: client.ended, 20, 'the end of the line')
    told = wait_until(lambda: (found := host.json('ps')[0])['state'] == 'failed' and found, what='a VM that has failed')
    assert told['reason']
    held(request)


@every_driver
def test_ch_remote_beside_us_is_seen_and_survived(host, request, arguments):
    remote = os.path.join(MONITORS, 'ch-remote')
    if not name_of(request).startswith('cloud-hypervisor'):
        cannot(request, 'ch-remote is for Cloud Hypervisor')
    if not os.access(remote, os.X_OK):
        cannot(request, 'VMLINE_MONITORS names no ch-remote')
    vm, client = start(host, arguments)

    def ask(*words):
        subprocess.run([remote, '--api-socket', vm.run_dir + '/api.sock', *words], check=True, timeout=30)
    ask('reboot')
    next_ready(vm, client, 2)
    ask('pause')
    wait_until(lambda: vm.info()['state'] == 'paused', what='a VM that is paused')
    ask('resume')
    wait_until(lambda: vm.info()['state'] == 'running', what='a VM that runs')
    ask('shutdown')
    ask('boot')
    wait_until(lambda: client.data.endswith(b'READY\r\n') and len(BANNER.findall(client.data)) == 3, 20, 'the guest after shutdown and boot')
    assert not client.ended and exact(client, cut=True).boots == 3
    assert vm.info()['boot'] == 3
    held(request)
