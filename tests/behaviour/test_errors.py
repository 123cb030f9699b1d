# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=120
"""What cannot be done is said in one sentence on stderr, with its exit code (1 failed, 2 usage, 3 no such VM, 4 timed out), and leaves nothing
behind: no folder in RUN, none on the tmpfs, no process, no VM that was never there."""
import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from host import BARE, BIN, QEMU, cloud_hypervisors, kvm_reason, wait_until

KERNEL = ['--kernel', BARE, '--memory', '64M']
COMMANDS = ('start', 'stop', 'kill', 'reboot', 'reset', 'rm', 'inspect', 'attach', 'logs', 'events', 'send', 'wait')


def traces(host):
    """All that there is of this host: files and folders, memory, processes."""
    found = set()
    for top in (host.root + '/vms', host.root + '/run'):
        for folder, folders, files in os.walk(top):
            found |= {os.path.join(folder, name) for name in folders + files}
    for name in os.listdir('/dev/shm'):
        if name.startswith('vmline-') and host.owns(name):
            found |= {f'/dev/shm/{name}/{one}' for one in os.listdir('/dev/shm/' + name)}
    return found | set(host.processes())


def fails(host, code, says, *words, **how):
    """Runs the command, which must fail so, in one sentence, and change nothing; the sentence."""
    before = traces(host)
    done = host.command(*words, **how)
    assert done.returncode == code, f'exit {done.returncode}, not {code}: {done.stderr!r} {done.stdout!r}'
    assert done.stdout == ''
    assert done.stderr.startswith('vmline: ') and done.stderr.endswith('\n') and done.stderr.count('\n') == 1, done.stderr
    assert done.stderr.isprintable() or done.stderr[:-1].isprintable(), repr(done.stderr)
    for piece in [says] if isinstance(says, str) else says:
        assert piece in done.stderr, f'{piece!r} is not said: {done.stderr!r}'
    wait_until(lambda: traces(host) <= before, 5, f'a host without {traces(host) - before}, left by {words}')
    assert traces(host) == before
    return done.stderr


def spec_file(host, **fields):
    path = host.root + '/spec.json'
    with open(path, 'w') as file:
        json.dump({'schema': 'vmline.vm/v1', 'name': 'a', 'driver': 'qemu', 'kernel': BARE, 'memory': '64M'} | fields, file)
    return path


# -- what is refused before anything is started

@pytest.mark.parametrize('name', ['a/b', '../a', '/a', '.', '..', 'a b', '-a', 'a.lock', 'ä', 'a\n', 'a' * 65, ''])
def test_a_name_that_is_no_name_is_told_with_what_names_are(host, name):
    before = traces(host)
    for words in (['run', name, *QEMU, *KERNEL], ['keep', name, '--connect', '/tmp/x']):
        done = host.command(*words)
        assert done.returncode == 2 and done.stderr.startswith('vmline: ') and done.stderr.count('\n') == 1, done.stderr
        assert 'A-Z a-z 0-9' in done.stderr or name == '-a'  # which is taken for an option
    for command in ('stop', 'rm', 'logs'):
        done = host.command(command, name)
        assert done.returncode in (2, 3) and done.stderr.startswith('vmline: ') and done.stderr.count('\n') == 1, done.stderr
    assert traces(host) == before


def test_a_path_of_108_bytes_is_refused_by_name_and_one_of_107_is_taken(host):
    base = host.root + '/'
    longest = base + 'x' * (107 - len(base))
    fails(host, 2, ('108', '107'), 'keep', 'k', '--connect', longest + 'y')
    fails(host, 2, ('108', '107'), 'keep', 'k', '--listen-upstream', longest + 'y')
    fails(host, 2, ('108', '107'), 'run', '-f', spec_file(host, driver='none', kernel='', lines=[
        {'name': 'serial0', 'upstream': {'kind': 'dial', 'path': longest + 'y'}}]))
    host.vmline('keep', 'k', '--listen-upstream', longest)
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(longest)
        monitor.sendall(b'hello')
        host.vm('k').client().wait_for(b'hello')
    host.vmline('rm', '--force', 'k')
    assert not os.path.exists(longest)


def test_a_root_that_leaves_no_room_for_a_socket_is_refused_by_name(host):
    deep = host.root + '/' + 'd' * 100
    done = host.command('--root', deep, 'run', 'a', *QEMU, *KERNEL)
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert deep in done.stderr and '107' in done.stderr
    assert not os.path.exists(deep)
    # The longest name that still fits decides, for each of its sockets.
    room = 107 - len(f'{host.root}/run//control.sock')
    if room < 64:
        assert 'control.sock' in fails(host, 2, '107', 'run', 'a' * (room + 1), *QEMU, *KERNEL)


@pytest.mark.parametrize('fields, says', [
    ({'cpus': 'two'}, ('/cpus', '"two"')),
    ({'cpus': 0}, '/cpus'),
    ({'memory': True}, '/memory'),
    ({'disks': {}}, '/disks'),
    ({'disks': [{'path': 7}]}, '/disks/0/path'),
    ({'lines': [{'name': 'serial0', 'spool': '1'}]}, '/lines/0/spool'),
    ({'lines': [{'name': 's/0'}]}, '/lines/0/name'),
    ({'lines': [{'name': 'serial0'}, {'name': 'serial0'}]}, 'serial0'),
    ({'monitor_args': 'x'}, '/monitor_args'),
    ({'schema': 'vmline.vm/v9'}, ('/schema', 'vmline.vm/v9')),
    ({'colour': 'red'}, '/colour'),
    ({'driver': 'virtualbox'}, ('/driver', 'virtualbox', 'qemu')),
    ({'restart': 'perhaps'}, '/restart'),
    ({'name': ['a']}, '/name'),
])
def test_a_wrong_field_of_a_spec_is_named_by_its_place(host, fields, says):
    fails(host, 2, says, 'run', '-f', spec_file(host, **fields))


def test_a_spec_that_is_no_json_is_told_with_its_place(host):
    path = host.root + '/spec.json'
    with open(path, 'w') as file:
        file.write('{"schema": "vmline.vm/v1",\n "name": }')
    fails(host, 2, (path, 'line 2'), 'run', '-f', path)
    fails(host, 1, ('No such file', '/no/spec.json'), 'run', '-f', '/no/spec.json')


def test_wrong_flags_are_told_before_anything_starts(host):
    fails(host, 2, ('virtualbox', 'qemu'), 'run', 'a', '--driver', 'virtualbox', *KERNEL)
    fails(host, 2, '--cpus', 'run', 'a', '--cpus', 'two', *KERNEL)
    fails(host, 2, '1Q', 'run', 'a', '--memory', '1Q')
    fails(host, 2, '--frob', 'run', 'a', '--frob')
    fails(host, 2, 'frob', 'frob')
    fails(host, 2, '--connect', 'keep', 'k')
    fails(host, 2, 'boot', 'run', 'a', *QEMU)
    fails(host, 2, '', 'keep', 'k', '--connect', '/tmp/a', '--listen-upstream', '/tmp/b')


@pytest.mark.parametrize('flag', ['--kernel', '--initramfs', '--disk', '--binary'])
@pytest.mark.parametrize('driver', ['qemu', 'cloud-hypervisor'])
def test_a_file_that_is_not_there_is_named(host, driver, flag):
    words = ['run', 'a', '--driver', driver] + ([] if flag == '--kernel' else KERNEL)
    if driver == 'cloud-hypervisor' and flag != '--binary':
        if kvm_reason():
            pytest.skip(kvm_reason())
        words += ['--binary', cloud_hypervisors()[-1][1]]
    fails(host, 1, ('/not/there', 'No such file', 'a'), *words, flag, '/not/there')


def test_a_command_that_is_not_there_is_named(host):
    fails(host, 1, ('/not/there', 'No such file'), 'keep', 'k', '--', '/not/there')


@pytest.mark.parametrize('root', ['file', 'readonly', 'proc'])
def test_a_root_that_cannot_be_written_is_named(host, root):
    path = {'file': host.root + '/file', 'readonly': host.root + '/readonly', 'proc': '/proc/vmline'}[root]
    if root == 'file':
        open(path, 'w').close()
    elif root == 'readonly':
        os.mkdir(path, 0o500)
        if os.geteuid() == 0:
            host.user = 65534
            os.chmod(host.root, 0o755)
            os.chown(path, 65534, 65534)
    before = set(os.listdir(host.root))
    done = host.command('--root', path, 'run', 'a', *QEMU, *KERNEL)
    assert done.returncode == 1 and done.stderr.startswith('vmline: ') and done.stderr.count('\n') == 1, done.stderr
    assert path in done.stderr
    assert set(os.listdir(host.root)) == before
    if root == 'readonly':
        assert os.listdir(path) == []
    host.user = None


# -- what is there already

def test_a_running_vm_is_neither_run_nor_started_nor_removed(host):
    vm = host.run('a', *QEMU)
    pid = vm.info()['monitor']['pid']
    fails(host, 1, ('a is running already', 'stop'), 'run', 'a', *QEMU, *KERNEL)
    fails(host, 1, 'a is running already', 'keep', 'a', '--connect', '/tmp/x')
    fails(host, 1, 'a is running already', 'start', 'a')
    fails(host, 1, ('a is running', '--force'), 'rm', 'a')
    assert vm.info()['monitor']['pid'] == pid
    host.vmline('stop', 'a')
    assert 'already' in host.vmline('stop', 'a')
    assert 'already' in host.vmline('kill', 'a')
    fails(host, 1, ('a is stopped', 'vmline start a'), 'reset', 'a')
    fails(host, 1, ('a is stopped', 'vmline start a'), 'reboot', 'a')
    fails(host, 1, 'a is stopped', 'send', 'a', 'x')
    fails(host, 1, 'a is stopped', 'attach', 'a')


def test_a_stopped_vm_whose_new_spec_does_not_start_keeps_its_spec_and_history(host):
    vm = host.run('a', *QEMU)
    vm.client().wait_for(b'READY')
    host.vmline('stop', 'a')
    with open(vm.vm_dir + '/spec.json') as file:
        spec = file.read()
    log = vm.log()
    done = host.command('run', 'a', *QEMU, '--kernel', '/not/there')
    assert done.returncode == 1 and done.stderr.count('\n') == 1 and '/not/there' in done.stderr
    with open(vm.vm_dir + '/spec.json') as file:
        assert file.read() == spec
    assert vm.log() == log
    assert not os.path.exists(vm.run_dir)
    host.vmline('start', 'a')
    vm.client().wait_for(b'READY')


@pytest.mark.parametrize('command', COMMANDS)
def test_a_vm_that_is_not_there_is_exit_3(host, command):
    more = {'send': ['text'], 'wait': ['--for', 'running']}.get(command, [])
    assert fails(host, 3, 'no such VM: nobody', command, 'nobody', *more)


def test_a_line_that_is_not_there_is_exit_3(host):
    host.run('a', *QEMU)
    for words in (['attach', 'a/serial7'], ['logs', '-f', 'a/serial7'], ['send', 'a/serial7', 'x'], ['wait', 'a/serial7', '--for', 'line:x']):
        fails(host, 3, ('serial7', 'serial0'), *words)


def test_a_monitor_that_ends_at_once_is_told_in_its_own_words(host):
    fails(host, 1, 'frobnicate', 'run', 'a', *QEMU, *KERNEL, '--monitor-arg=--frobnicate')


def test_a_cloud_hypervisor_that_refuses_the_vm_is_told_in_its_own_words(host):
    if kvm_reason():
        pytest.skip(kvm_reason())
    path = host.root + '/no-kernel'
    with open(path, 'wb') as file:
        file.write(b'this is no kernel')
    fails(host, 1, 'ernel', 'run', 'a', '--driver', 'cloud-hypervisor', '--binary', cloud_hypervisors()[-1][1], '--kernel', path, '--memory', '64M')


# -- sockets of somebody else

def test_a_socket_that_somebody_listens_on_is_left_to_them(host):
    path = host.root + '/theirs'
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(path)
        theirs.listen(1)
        identity = os.stat(path).st_ino
        fails(host, 1, (path, 'listens'), 'keep', 'k', '--listen-upstream', path)
        assert os.stat(path).st_ino == identity
        theirs.settimeout(5)
        theirs.accept()[0].close()  # our look; it is still the one that listens


def test_what_is_no_socket_is_not_taken_away_for_one(host):
    path = host.root + '/precious'
    with open(path, 'w') as file:
        file.write('precious')
    fails(host, 1, (path, 'socket'), 'keep', 'k', '--listen-upstream', path)
    with open(path) as file:
        assert file.read() == 'precious'


def stale_socket(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen(1)
    assert stat.S_ISSOCK(os.stat(path).st_mode)


def test_stale_sockets_hold_nobody_up(host):
    listening, run = host.root + '/stale', host.root + '/run/a'
    stale_socket(listening)
    host.vmline('keep', 'k', '--listen-upstream', listening)
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(listening)
    os.makedirs(run, 0o700)
    for name in ('control.sock', 'serial0.sock', 'api.sock'):
        stale_socket(f'{run}/{name}')
    vm = host.run('a', *QEMU)
    vm.client().wait_for(b'READY')
    dialled = host.root + '/dialled'
    stale_socket(dialled)
    host.vmline('keep', 'd', '--connect', dialled)
    assert host.vm('d').line()['upstream']['state'] == 'waiting'
    os.unlink(dialled)
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(dialled)
        theirs.listen(1)
        theirs.settimeout(5)
        theirs.accept()[0].close()


def test_a_stale_api_socket_holds_cloud_hypervisor_up_no_longer(host):
    if kvm_reason():
        pytest.skip(kvm_reason())
    os.makedirs(host.root + '/run/a', 0o700)
    for name in ('control.sock', 'serial0.sock', 'api.sock'):
        stale_socket(f'{host.root}/run/a/{name}')
    host.run('a', '--driver', 'cloud-hypervisor', '--binary', cloud_hypervisors()[-1][1]).client().wait_for(b'READY')


# -- time

def test_what_does_not_come_in_time_is_exit_4(host):
    vm = host.run('a', *QEMU)
    vm.client().wait_for(b'READY')
    begin = time.monotonic()
    fails(host, 4, 'a', 'wait', 'a', '--for', 'line:NEVER SAID', '--timeout', '300ms')
    fails(host, 4, 'a', 'wait', 'a', '--for', 'stopped', '--timeout', '300ms')
    assert 0.6 <= time.monotonic() - begin < 5


@pytest.mark.parametrize('options', [[], ['--foreground']], ids=['run', 'foreground'])
@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM], ids=['Ctrl-C', 'SIGTERM'])
def test_a_start_that_is_given_up_leaves_nothing(host, options, sent):
    silent = host.root + '/silent'
    with open(silent, 'w') as file:
        file.write('#!/bin/sh\ncase "$1" in --version) echo QEMU emulator version 7.2.0;; *) exec sleep 1000;; esac\n')
    os.chmod(silent, 0o755)
    before = traces(host)
    command = subprocess.Popen([os.path.join(BIN, 'vmline'), 'run', 'a', *QEMU, '--binary', silent, *KERNEL, *options],
                               env=host.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: [words for words in host.processes().values() if words.startswith('sleep')], what='a monitor that says nothing')
    began = time.monotonic()
    command.send_signal(sent)
    out, error = command.communicate(timeout=20)
    assert (command.returncode, out, error) == (1, '', 'vmline: a: given up\n') and time.monotonic() - began < 2
    wait_until(lambda: traces(host) == before, what='a host as it was before')


def both(host, *commands):
    """Runs the commands at once; their results in order."""
    results = [None] * len(commands)

    def one(index):
        results[index] = host.command(*commands[index])
    threads = [threading.Thread(target=one, args=[index]) for index in range(len(commands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_runs_at_once_one_runs_and_the_other_says_so(host):
    for _ in range(3):
        done = both(host, *[['run', 'a', *QEMU, *KERNEL]] * 2)
        assert sorted(one.returncode for one in done) == [0, 1], [one.stderr for one in done]
        refused = next(one for one in done if one.returncode)
        assert refused.stderr.count('\n') == 1 and 'a is running already' in refused.stderr
        info = host.vm('a').info()
        assert [name for pid, name in host.processes().items() if 'qemu-system' in name.split()[0]] and info['keeper']['restarts'] == 0
        assert sum('qemu-system' in words.split()[0] for words in host.processes().values()) == 1
        assert sum('vmline-holder' in words.split()[0] for words in host.processes().values()) == 1
        done = both(host, ['stop', 'a'], ['stop', 'a'])
        assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
        assert sum('already' in one.stdout for one in done) == 1
        done = both(host, ['rm', 'a'], ['rm', 'a'])
        assert sorted(one.returncode for one in done) in ([0, 3],), [one.stderr for one in done]
        assert traces(host) == set()


def test_a_command_waits_for_the_one_before_it_and_kill_does_not(host):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    client.type(b'P')  # it hears no power button any more
    client.wait_for(b'panic')
    environment = host.environment()
    stop = subprocess.Popen([os.path.join(BIN, 'vmline'), 'stop', 'a', '--timeout', '60s'], env=environment, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: vm.info()['state'] == 'stopping', what='a stop under way')
    start = subprocess.Popen([os.path.join(BIN, 'vmline'), 'start', 'a'], env=environment, stdout=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        start.wait(0.5)
    before = vm.info()['monitor']['pid']
    host.vmline('kill', 'a')
    assert stop.wait(20) == 0 and start.wait(20) == 0
    stop.stdout.close()
    start.stdout.close()
    info = vm.info()
    assert info['state'] == 'running' and info['monitor']['pid'] != before


def test_an_image_that_another_vm_writes_to_is_refused(host):
    image, link = host.root + '/disk.raw', host.root + '/link.raw'
    with open(image, 'wb') as file:
        file.truncate(1 << 20)
    os.symlink(image, link)
    host.vmline('run', 'a', *QEMU, *KERNEL, '--disk', image)
    fails(host, 1, ['disk.raw', 'VM a writes to it'], 'run', 'b', *QEMU, *KERNEL, '--disk', image)
    fails(host, 1, ['link.raw', 'VM a writes to it'], 'run', 'b', *QEMU, *KERNEL, '--disk', link + ',readonly')
    host.vmline('stop', 'a')
    host.vmline('run', 'b', *QEMU, *KERNEL, '--disk', image + ',readonly')
    fails(host, 1, ['disk.raw', 'VM b reads it'], 'start', 'a')
    host.vmline('run', 'c', *QEMU, *KERNEL, '--disk', link + ',readonly')
    host.vmline('stop', 'b')
    host.vmline('stop', 'c')
    host.vmline('start', 'a')
