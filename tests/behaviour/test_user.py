# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=120
"""An ordinary user has all of it: a VM's whole life with every death of ours in between, in a folder of theirs or in their home."""
import os
import shutil
import signal
import tempfile

import pytest

from host import Host, QEMU, RawClient, wait_until
from lines import Checker

ORDINARY = 65534 if os.geteuid() == 0 else None


class Home(Host):
    """Where a user is who has a home and nothing else: neither VMLINE_ROOT nor any XDG folder."""

    def __init__(self, user):
        self.home = tempfile.mkdtemp(prefix='vmh-', dir='/tmp')
        super().__init__(base=self.home, user=user)
        os.rmdir(self.root)
        self.root = self.home + '/.local/state/vmline'
        if user:
            os.chown(self.home, user, user)
        self.run_folder = f'/tmp/vmline-{user or os.getuid()}'
        self.was_there = os.path.isdir(self.run_folder)

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith('XDG_') and name != 'VMLINE_ROOT'}
        return dict(kept, HOME=self.home)

    def vm(self, name):
        vm = super().vm(name)
        vm.run_dir = f'{self.run_folder}/{name}'
        vm.socket_path = vm.run_dir + '/serial0.sock'
        return vm

    def end(self):
        names = {vm.name for vm in self.vms}
        try:
            super().end()
            left = (names | {name + '.lock' for name in names}) & set(os.listdir(self.run_folder))
            assert not left, f'{left} left in {self.run_folder}'
        finally:
            if not self.was_there and os.path.isdir(self.run_folder):
                os.rmdir(self.run_folder)
            shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(params=['own root', 'home alone'])
def theirs(request):
    it = Host(user=ORDINARY) if request.param == 'own root' else Home(ORDINARY)
    yield it
    it.end()


def owner_of(pid):
    return os.stat(f'/proc/{pid}').st_uid


def test_a_whole_life_with_every_death_of_ours_in_it(theirs):
    user = ORDINARY or os.getuid()
    name = f'u{os.getpid()}'
    vm = theirs.run(name, *QEMU)
    info = vm.info()
    assert {owner_of(info[who]['pid']) for who in ('keeper', 'holder', 'monitor')} == {user}
    for folder, mode in ((vm.run_dir, 0o700), (vm.vm_dir, 0o700)):
        assert os.stat(folder).st_mode & 0o777 == mode and os.stat(folder).st_uid == user
    for path in (vm.socket_path, vm.run_dir + '/control.sock'):
        assert os.stat(path).st_mode & 0o777 == 0o600 and os.stat(path).st_uid == user

    client = vm.client()
    at = client.wait_for(b'READY')
    client.type(b'ehello\n')
    at = client.wait_for(b'ECHO hello', start=at)
    client.type(b'r')
    at = client.wait_for(b'READY', start=at)

    vm.kill('keeper')
    client.type(b'f')
    at = client.wait_for(b'L00002000', start=at)
    vm.kill('keeper')
    client.type(b's')
    at = client.wait_for(b'STOPPED', start=at)

    before = vm.info()
    client.type(b'f')
    at = client.wait_for(b'B0002 L', start=at)
    vm.kill('keeper', 'holder')
    wait_until(lambda: client.ended, what='the end of a client whose keeper and holder are both dead')
    assert theirs.json('ps')[0]['state'] == 'running'  # it is found again by the command that looks
    after = vm.info()
    assert after['monitor']['pid'] == before['monitor']['pid']
    assert {owner_of(after[who]['pid']) for who in ('keeper', 'holder')} == {user}
    client = vm.client()
    client.type(b's')
    client.wait_for(b'STOPPED', start=client.wait_for(b'STOPPED'))  # the first one was before both died

    theirs.vmline('stop', name)
    checker = Checker()
    checker.feed(vm.log())
    checker.finish()
    assert checker.boots == 2 and checker.boot.ended_by == 'OFF'
    head = len(vm.log())
    assert os.stat(vm.log_path).st_uid == user
    theirs.vmline('start', name)
    vm.client().wait_for(b'READY')
    assert vm.line()['head'] > head

    said = theirs.vmline('logs', name).encode()  # read as text: CR LF has become one newline
    assert said == vm.log().replace(b'\r\n', b'\n') and len(vm.log()) > head
    theirs.vmline('send', name, 'eagain')
    wait_until(lambda: b'ECHO again' in vm.log(), what='what was sent, in the log')
    done = theirs.command('rm', name)
    assert done.returncode == 1 and 'stop it first' in done.stderr
    theirs.vmline('stop', name)
    theirs.vmline('rm', name)
    assert not os.path.exists(vm.vm_dir) and not os.path.exists(vm.run_dir)


@pytest.mark.skipif(ORDINARY is None, reason='only root can be two users')
def test_another_user_can_neither_look_nor_type(host):
    """A root's VM is closed to an ordinary user who names its folder."""
    vm = host.run('a', *QEMU)
    host.user = ORDINARY
    done = host.command('ps')
    assert done.returncode == 1 and 'Permission denied' in done.stderr and done.stderr.count('\n') == 1
    child = os.fork()
    if child == 0:
        os.setresuid(ORDINARY, ORDINARY, ORDINARY)
        try:
            RawClient(vm.socket_path, read=False)
        except PermissionError:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    host.user = None
