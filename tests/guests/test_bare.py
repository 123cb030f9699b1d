# SPDX-License-Identifier: Apache-2.0
"""The bare-metal guest does on each monitor what its README says, without anything of vmline in between."""
import glob
import json
import os
import pathlib
import pty
import select
import shutil
import socket
import subprocess
import sys
import time
import tty

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / 'behaviour'))
from lines import LINE_SIZE, Checker, LineError  # noqa: E402

PATIENCE = 20  # seconds until something that has not come will not come


def monitors():
    """(name, program) of each monitor; skipped, with the reason, where it can't run here."""
    hypervisors = [os.environ.get('VMLINE_CLOUD_HYPERVISOR')]
    hypervisors += glob.glob(os.environ.get('VMLINE_MONITORS', '/nonexistent') + '/cloud-hypervisor-*')
    programs = {path for path in hypervisors if path and not path.endswith('-snapshot')}
    all_of_them = [('qemu', shutil.which('qemu-system-x86_64'), 'no qemu-system-x86_64')]
    all_of_them += [(pathlib.Path(path).name, path, '') for path in sorted(programs)]
    if not programs:
        all_of_them += [('cloud-hypervisor', None, 'VMLINE_CLOUD_HYPERVISOR and VMLINE_MONITORS are not set')]
    all_of_them += [('firecracker', os.environ.get('VMLINE_FIRECRACKER'), 'VMLINE_FIRECRACKER is not set')]
    for name, program, why_not in all_of_them:
        if program and name != 'qemu' and not os.access('/dev/kvm', os.R_OK | os.W_OK):
            program, why_not = None, '/dev/kvm does not open'
        yield pytest.param((name, program), id=name, marks=[] if program else pytest.mark.skip(reason=why_not))


MONITORS = list(monitors())
on_each = pytest.mark.parametrize('monitor', MONITORS)
on_qemu = pytest.mark.parametrize('monitor', MONITORS[:1])


@pytest.fixture(scope='session')
def guest(tmp_path_factory):
    out = tmp_path_factory.mktemp('guest')
    subprocess.run(['make', '-s', '-C', HERE, f'OUT={out}'], check=True)
    return out / 'bare.elf'


class Machine:
    """A monitor with the guest; what the guest sends goes through a Checker."""

    def __init__(self, monitor, guest, folder, cmdline, **how):
        self.kind, program = monitor[0] if monitor[0] in ('qemu', 'firecracker') else 'cloud-hypervisor', monitor[1]
        self.folder, self.socket, self.said = folder, str(folder / 'api'), []
        self.checker = Checker(on_talk=lambda offset, text: self.said.append(text), **how)
        master, slave = pty.openpty()
        tty.setraw(slave)
        self.keyboard = open(master, 'wb', buffering=0)
        self.process = subprocess.Popen(self._arguments(program, str(guest), cmdline), stdin=slave, stdout=subprocess.PIPE,
                                        stderr=open(folder / 'stderr', 'wb'))
        os.close(slave)

    def _arguments(self, program, guest, cmdline):
        if self.kind == 'qemu':
            return [program, '-machine', 'q35,accel=tcg', '-m', '64', '-nodefaults', '-vga', 'none', '-display', 'none',
                    '-bios', 'qboot.rom', '-qmp', f'unix:{self.socket},server=on,wait=off', '-serial', 'stdio',
                    '-kernel', guest, '-append', cmdline]
        if self.kind == 'firecracker':
            config = {'boot-source': {'kernel_image_path': guest, 'boot_args': cmdline}, 'drives': [],
                      'machine-config': {'vcpu_count': 1, 'mem_size_mib': 64}}
            (self.folder / 'config.json').write_text(json.dumps(config))
            (self.folder / 'log').touch()
            return [program, '--api-sock', self.socket, '--config-file', str(self.folder / 'config.json'),
                    '--log-path', str(self.folder / 'log')]
        return [program, '--seccomp', 'false', '--api-socket', self.socket, '--memory', 'size=64M', '--serial', 'tty', '--console', 'off',
                '--kernel', guest, '--cmdline', cmdline]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.keyboard.close()

    def type(self, text):
        self.said.clear()
        self.keyboard.write(text)

    def read(self):
        """Reads once; False at the end of the stream."""
        assert select.select([self.process.stdout], [], [], PATIENCE)[0], f'nothing comes any more; said {self.said}'
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        self.checker.feed(data)
        return bool(data)

    def until(self, told):
        deadline = time.monotonic() + PATIENCE
        while not told():
            assert time.monotonic() < deadline, f'still waiting; said {self.said}'
            assert self.read(), f'the monitor has ended: {(self.folder / "stderr").read_bytes()[-500:]!r}'

    def hear(self, word):
        self.until(lambda: any(text.startswith(word) for text in self.said))

    def end(self):
        """Reads until the monitor has ended; returns its exit status."""
        while self.read():
            pass
        self.checker.finish()
        return self.process.wait(PATIENCE)

    def press_power_button(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(self.socket)
        if self.kind == 'qemu':
            connection.sendall(b'{"execute":"qmp_capabilities"}{"execute":"system_powerdown"}')
            answer, wanted = b'', b'POWERDOWN'
        else:
            path, body = ('actions', '{"action_type":"SendCtrlAltDel"}') if self.kind == 'firecracker' else ('api/v1/vm.power-button', '')
            connection.sendall(f'PUT /{path} HTTP/1.1\r\nHost: vm\r\nContent-Length: {len(body)}\r\n\r\n{body}'.encode())
            answer, wanted = b'', b' 204'
        while wanted not in answer:
            piece = connection.recv(4096)
            assert piece, answer
            answer += piece
        connection.close()


@pytest.fixture
def machine(guest, tmp_path):
    running = []

    def start(monitor, cmdline, **how):
        running.append(Machine(monitor, guest, tmp_path, cmdline, **how))
        return running[-1]
    yield start
    for each in running:
        each.__exit__()


@on_each
def test_obeys_its_commands(machine, monitor):
    vm = machine(monitor, 'console=ttyS0 lines=3')
    vm.hear(b'READY')
    assert vm.checker.lines == 3
    assert vm.checker.boot.cmdline.startswith(b'console=ttyS0 lines=3')
    vm.type(b'?')
    vm.hear(f'STATUS boot=1 monitor={vm.kind} button=yes flood=off lines=3'.encode())
    vm.type(b'n')
    vm.until(lambda: vm.checker.lines == 103)
    vm.type(b'ehello, world\rxg')
    vm.hear(b'BYTES ')
    assert vm.said[0] == b'ECHO hello, world\r\n'
    vm.type(b'f')
    vm.until(lambda: vm.checker.lines > 300)
    vm.type(b's')
    vm.hear(b'STOPPED')
    vm.type(b'p')
    assert vm.end() == 0
    assert vm.checker.boot.ended_by == 'OFF'


@on_each
@pytest.mark.parametrize('command', [b'r', b'R'])
def test_reboots_20_times(machine, monitor, command):
    vm = machine(monitor, 'lines=5')
    vm.hear(b'READY')
    if vm.kind == 'firecracker':  # its way of rebooting is to exit
        vm.type(command)
        assert vm.end() in ([0] if command == b'r' else [0, 1])  # after a triple fault it exits with either
        assert vm.checker.boot.ended_by == 'REBOOT'
        return
    for _ in range(20):
        vm.type(command)
        vm.hear(b'READY')
    assert (vm.checker.boots, vm.checker.lines) == (21, 105)
    assert vm.checker.boot.number == (21 if vm.kind == 'qemu' else 1)


@on_each
@pytest.mark.parametrize('busy', [b'', b'f'], ids=['idle', 'flooding'])
def test_powers_off_on_the_power_button(machine, monitor, busy):
    vm = machine(monitor, '')
    vm.hear(b'READY')
    vm.type(busy + b'?')
    vm.hear(b'STATUS')
    vm.press_power_button()
    assert vm.end() == 0
    assert b'BUTTON\r\n' in vm.said and vm.checker.boot.ended_by == 'OFF'


@on_qemu
def test_reboots_without_input_and_ends_by_itself(machine, monitor):
    vm = machine(monitor, 'reboot=7 boots=30')
    assert vm.end() == 0
    assert (vm.checker.boots, vm.checker.lines) == (30, 210)


@on_qemu
def test_a_stalled_reader_holds_it_up_and_loses_nothing(machine, monitor):
    vm = machine(monitor, 'flood')
    vm.until(lambda: vm.checker.lines > 100)
    time.sleep(1)  # the pipe (64 KiB) is full long before
    before = vm.checker.lines
    vm.until(lambda: vm.checker.lines > before + 3 * 65536 // LINE_SIZE)


@on_qemu
def test_the_lossy_one_loses_what_a_stalled_reader_does_not_take(machine, monitor):
    vm = machine(monitor, 'flood lossy')
    with pytest.raises(LineError):
        for _ in range(20):
            time.sleep(0.3)
            vm.until(lambda before=vm.checker.lines: vm.checker.lines > before + 65536 // LINE_SIZE)


@on_qemu
def test_a_panic_is_the_last_that_is_heard(machine, monitor):
    vm = machine(monitor, '')
    vm.hear(b'READY')
    vm.type(b'P')
    vm.until(lambda: vm.checker.boot.ended_by == 'PANIC')
    vm.type(b'?')
    assert not select.select([vm.process.stdout], [], [], 0.3)[0]
