# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=120
"""A spec by flags, file and the host's defaults: what is hostile is refused in one sentence that names the field, a dry run tells the plan and
makes nothing, the host's limits hold, and a VM's machine id is made once."""
import json
import os
import subprocess

import pytest

from host import BARE, BIN, QEMU, wait_until
from test_errors import fails, spec_file, traces

KERNEL = ['--kernel', BARE, '--memory', '64M']


def host_file(host, monkeypatch, text):
    path = host.root + '/host.json'
    with open(path, 'w') as file:
        file.write(text if isinstance(text, str) else json.dumps({'schema': 'vmline.host/v1'} | text))
    monkeypatch.setenv('VMLINE_CONFIG', path)
    return path


def stored(host, name):
    with open(f'{host.root}/vms/{name}/spec.json') as file:
        return json.load(file)


# -- what is hostile

HOSTILE = ['a,b', 'a"b', "a'b", 'a\nb', 'a b', '../a', '..', 'a/b', 'a\tb', '\x1b[31m', 'x' * 300, '\udcff\udcfe', '$(reboot)', 'a;b', 'ä']


@pytest.mark.parametrize('value', HOSTILE)
def test_a_hostile_name_is_one_sentence_and_leaves_nothing(host, value):
    fails(host, 2, '/name: ', 'run', value, *QEMU, *KERNEL)
    fails(host, 2, '/machine: ', 'run', 'a', *QEMU, *KERNEL, '--machine', value)
    fails(host, 2, '/machine_id: ', 'run', 'a', *QEMU, *KERNEL, '--machine-id', value)
    fails(host, 2, '/networks/0/mac: ' if ',' not in value else '--net', 'run', 'a', *QEMU, *KERNEL, '--net', f'mac={value}')
    if value not in ('a,b', 'a"b', "a'b", '$(reboot)', 'a;b'):  # which the kernel takes for an interface's name
        fails(host, 2, '/networks/0/tap: ', 'run', 'a', *QEMU, *KERNEL, '--net', f'tap={value}')
    fails(host, 2, '/matches/0/name: ', 'run', 'a', *QEMU, *KERNEL, '--match', f'{value}=x')


@pytest.mark.parametrize('value', ['/a\nb', '/\x1b[31m', '/\udcff', '/' + 'x' * 5000])
@pytest.mark.parametrize('flag, field', [('--kernel', 'kernel'), ('--seed', 'seed'), ('--root-disk', 'root_disk/path'),
                                         ('--firmware', 'firmware'), ('--virtiofsd', 'virtiofsd'), ('--cgroup', 'cgroup')])
def test_a_path_that_cannot_be_told_in_a_line_is_refused(host, flag, field, value):
    fails(host, 2, f'/{field}: ', 'run', 'a', *QEMU, flag, value)


@pytest.mark.parametrize('fields, says', [
    ({'disks': [{'path': f'/{i}'} for i in range(10000)]}, ('/disks', '10000', '64')),
    ({'memory': -1}, '/memory: -1'),
    ({'memory': '-512M'}, '/memory'),
    ({'kernel': 'a\0b'}, '/kernel'),
    ({'shares': [{'tag': '../../x', 'path': '/'}]}, '/shares/0/tag'),
    ({'networks': [{'mac': '01:00:00:00:00:00'}]}, '/networks/0/mac'),
    ({'driver': 'firecracker', 'shares': [{'tag': 'a', 'path': '/'}]}, '/shares'),
    ({'driver': 'firecracker', 'disks': [{'path': '/a', 'format': 'qcow2'}]}, '/disks/0/format'),
    ({'seed': '/s', 'cloud_init': {}}, '/cloud_init'),
    ({'matches': [{'name': 'a', 'regex': '('}]}, '/matches/0/regex'),
    ({'uid': -1}, '/uid'),
    ({'netns': 'a/b'}, '/netns'),
    ({'cgroup': '../../etc'}, '/cgroup'),
    ({'monitor_config': []}, '/monitor_config'),
    ({'machine_id': '42'}, '/machine_id'),
])
def test_a_hostile_field_of_a_spec_is_named_by_its_place(host, fields, says):
    fails(host, 2, says, 'run', '-f', spec_file(host, **fields))


def test_a_spec_of_100_mb_is_not_read(host):
    path = host.root + '/big.json'
    with open(path, 'w') as file:
        file.truncate(100 << 20)
    fails(host, 1, ('big.json', '1048576'), 'run', '-f', path)
    fails(host, 1, ('big.json', '262144'), 'run', 'a', *QEMU, *KERNEL, '--user-data', path)
    before = traces(host)
    with open(path) as file:
        done = subprocess.run([os.path.join(BIN, 'vmline'), 'run', '-f', '-'], stdin=file, env=host.environment(), capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and '1048576' in done.stderr and done.stderr.count('\n') == 1
    assert traces(host) == before


def test_a_flag_that_makes_no_sense_for_the_driver_names_the_field(host):
    fails(host, 2, ('/shares', 'qemu and cloud-hypervisor'), 'run', 'a', '--driver', 'firecracker', *KERNEL, '--share', 'a=/tmp')
    fails(host, 2, ('/machine', 'qemu'), 'run', 'a', '--driver', 'cloud-hypervisor', *KERNEL, '--machine', 'microvm')
    fails(host, 2, '/monitor_config', 'run', 'a', *QEMU, *KERNEL, '--monitor-config', spec_file(host))


# -- a dry run

def test_a_dry_run_tells_the_plan_and_makes_nothing(host):
    disk = host.root + '/a, b.raw'
    with open(disk, 'w') as file:
        file.truncate(1 << 20)
    words = ['run', 'a', *QEMU, *KERNEL, '--root-disk', disk.replace(',', ',,') + ',readonly', '--net', 'tap=vl-none0,ours=yes', '--dry-run']
    before = traces(host)
    text = host.vmline(*words)
    assert text.startswith('a: qemu') and "'" in text and 'vl-none0, made and removed by us' in text
    plan = json.loads(host.vmline(*words, '--json'))
    assert plan['name'] == 'a' and plan['spec']['root_disk'] == {'path': disk, 'format': 'raw', 'readonly': True}
    argv = plan['processes'][-1]['argv']
    assert 'qemu' in argv[0] and any(disk.replace(',', ',,') in word for word in argv)
    assert [tap['name'] for tap in plan['taps']] == ['vl-none0']
    assert traces(host) == before and not os.path.exists('/sys/class/net/vl-none0')
    fails(host, 1, '/not/there', 'run', 'a', *QEMU, '--kernel', '/not/there', '--dry-run')


# -- the machine id

def test_a_machine_id_is_made_once_and_kept(host):
    host.vmline('run', 'a', *QEMU, *KERNEL)
    first = stored(host, 'a')['machine_id']
    assert len(first) == 36 and first[14] == '4'
    plan = json.loads(host.vmline('run', 'a', *QEMU, *KERNEL, '--dry-run', '--json'))
    assert plan['spec']['machine_id'] == first and not plan['notes']
    host.vmline('kill', 'a')
    host.vmline('run', 'a', *QEMU, '--kernel', BARE, '--memory', '65M')
    assert stored(host, 'a') == stored(host, 'a') | {'machine_id': first, 'memory': '65M'}
    host.vmline('kill', 'a')
    # One that is stored without is given one by its next start.
    spec = stored(host, 'a')
    del spec['machine_id']
    with open(f'{host.root}/vms/a/spec.json', 'w') as file:
        json.dump(spec, file)
    host.vmline('start', 'a')
    assert stored(host, 'a')['machine_id'] not in ('', first)
    host.vmline('rm', '--force', 'a')
    host.vmline('run', 'a', *QEMU, *KERNEL)
    assert stored(host, 'a')['machine_id'] != first


# -- the host's defaults and limits

def test_the_hosts_defaults_go_under_file_and_flags(host, monkeypatch):
    host_file(host, monkeypatch, {'defaults': {'kernel': BARE, 'memory': '64M', 'cpus': 2, 'stop': {'guest_ms': 1, 'term_ms': 4000}, 'acceleration': 'tcg'}})
    host.vmline('run', 'a', '--cpus', '1')
    spec = stored(host, 'a')
    assert (spec['kernel'], spec['memory'], spec['cpus'], spec['stop']['guest_ms']) == (BARE, '64M', 1, 1)
    host.vmline('kill', 'a')
    host.vmline('run', '-f', spec_file(host, memory='65M', stop={'guest_ms': 3}))
    spec = stored(host, 'a')
    assert (spec['memory'], spec['cpus'], spec['stop']['guest_ms'], spec['stop']['term_ms']) == ('65M', 2, 3, 4000)


def test_the_hosts_limits_are_told_with_their_file(host, monkeypatch):
    path = host_file(host, monkeypatch, {'limits': {'cpus': 1, 'memory': '64M', 'disks': 0, 'vms': 1}})
    fails(host, 2, (path, '/limits/cpus'), 'run', 'a', *QEMU, *KERNEL, '--cpus', '2')
    fails(host, 2, (path, '/limits/memory'), 'run', 'a', *QEMU, '--kernel', BARE, '--memory', '65M')
    fails(host, 2, (path, '/limits/disks'), 'run', 'a', *QEMU, *KERNEL, '--root-disk', '/dev/null')
    host.vmline('run', 'a', *QEMU, *KERNEL)
    fails(host, 1, (path, '/limits/vms', 'stop one'), 'run', 'b', *QEMU, *KERNEL)
    host.vmline('stop', 'a')
    wait_until(lambda: host.json('inspect', 'a')['state'] == 'stopped', 5, 'a that has stopped')
    host.vmline('run', 'b', *QEMU, *KERNEL)
    fails(host, 1, (path, '/limits/vms'), 'start', 'a')


@pytest.mark.parametrize('text, says', [
    ('{', 'line 1'),
    ('{"schema": "vmline.host/v2"}', '/schema'),
    ({'defaults': {'name': 'a'}}, '/defaults/name'),
    ({'defaults': {'cpus': 0}}, '/defaults/cpus: 0'),
    ({'limits': {'memory': 'much'}}, '/limits/memory'),
    ({'limits': {'colour': 1}}, '/limits/colour'),
])
def test_a_bad_host_file_is_named_with_its_place(host, monkeypatch, text, says):
    path = host_file(host, monkeypatch, text)
    fails(host, 2, (path, says), 'run', 'a', *QEMU, *KERNEL)


def test_a_host_file_that_was_named_must_be_there_and_the_usual_one_need_not(host, monkeypatch):
    monkeypatch.setenv('VMLINE_CONFIG', '/not/there.json')
    fails(host, 1, ('VMLINE_CONFIG', '/not/there.json'), 'run', 'a', *QEMU, *KERNEL)
    monkeypatch.setenv('VMLINE_CONFIG', '')
    monkeypatch.setenv('XDG_CONFIG_HOME', host.root + '/nothing')
    assert host.vmline('run', 'a', *QEMU, *KERNEL, '--dry-run')
