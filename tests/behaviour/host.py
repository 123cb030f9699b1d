# SPDX-License-Identifier: Apache-2.0
"""A host of the test's own: a root in a temporary folder, the `vmline` command on it, VMs in it, and a look at the end whether anything of
it is left (process, socket, FIFO, file on tmpfs)."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

BIN = os.environ.get('VMLINE_BIN', os.path.join(os.path.dirname(__file__), '../../build/bin'))
GUESTS = os.environ.get('VMLINE_GUESTS', os.path.join(os.path.dirname(__file__), '../../build/guests'))
BARE = os.path.join(GUESTS, 'bare.elf')
MONITORS = os.environ.get('VMLINE_MONITORS', '')


def cloud_hypervisors():
    """(version, program, arguments it needs) of each Cloud Hypervisor that the environment names."""
    found = {}
    for version in ('46.0', '52.0', '53.0', 'head'):
        path = os.path.join(MONITORS, 'cloud-hypervisor-' + version)
        if MONITORS and os.access(path, os.X_OK):
            found[version] = path
    if not found and os.environ.get('VMLINE_CLOUD_HYPERVISOR'):
        found['default'] = os.environ['VMLINE_CLOUD_HYPERVISOR']
    return [(version, path, ['--seccomp', 'false'] if version == '46.0' else []) for version, path in found.items()]


def kvm_reason():
    """Why Cloud Hypervisor cannot run here; empty: it can."""
    if not cloud_hypervisors():
        return 'neither VMLINE_MONITORS nor VMLINE_CLOUD_HYPERVISOR names a Cloud Hypervisor'
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR))
    except OSError as error:
        return f'/dev/kvm: {error.strerror}'
    return ''


def monitors():
    """Parameters (name, arguments for `vmline run`) for a test on every monitor there is: QEMU always, Cloud Hypervisor where it can run."""
    all_of_them = [pytest.param(['--driver', 'qemu', '--monitor-arg', '-bios', '--monitor-arg', 'qboot.rom'], id='qemu')]
    reason = kvm_reason()
    if reason:
        return all_of_them + [pytest.param([], id='cloud-hypervisor', marks=pytest.mark.skip(reason=reason))]
    for version, path, extra in cloud_hypervisors():
        arguments = ['--driver', 'cloud-hypervisor', '--binary', path]
        for word in extra:
            arguments += ['--monitor-arg=' + word]
        all_of_them.append(pytest.param(arguments, id='cloud-hypervisor-' + version))
    return all_of_them


QEMU = ['--driver', 'qemu', '--monitor-arg', '-bios', '--monitor-arg', 'qboot.rom']


def wait_until(predicate, seconds=10, what='it'):
    """Looks until `predicate` gives something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f'{what} did not come to be within {seconds} s')
        time.sleep(0.005)


class RawClient:
    """Attached to a line's raw socket for good: a thread reads all that comes."""

    def __init__(self, path, rate=None, read=True):
        self.data = bytearray()
        self.ended = ''      # how the connection ended; empty: it has not
        self.rate = rate     # bytes per second
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self._changed = threading.Condition()
        if read:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data = self.socket.recv(self.rate // 10 if self.rate else 1 << 20)
            except OSError as error:
                data, self.ended = b'', error.strerror or 'error'
            with self._changed:
                if not data:
                    self.ended = self.ended or 'EOF'
                    self._changed.notify_all()
                    return
                self.data += data
                self._changed.notify_all()
            if self.rate:
                time.sleep(0.1)

    def type(self, data):
        self.socket.sendall(data)

    def wait_for(self, what, seconds=20, start=0):
        """Until `what` has been received at or behind `start`; the offset behind it."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (at := self.data.find(what, start)) < 0:
                left = deadline - time.monotonic()
                assert left > 0, f'{what!r} did not come within {seconds} s; the last: {bytes(self.data[-200:])!r} (ended: {self.ended!r})'
                assert not self.ended, f'the line was cut ({self.ended}) before {what!r} came'
                self._changed.wait(left)
            return at + len(what)

    def stop_guest(self):
        """Ends the bare guest's flood; the offset behind its answer. A command that comes while the guest resets is lost in it."""
        for _ in range(100):
            at = len(self.data)
            self.type(b's')
            try:
                return self.wait_for(b'\n', start=self.wait_for(b'STOPPED', seconds=0.5, start=at))
            except AssertionError:
                assert not self.ended
        raise AssertionError('it does not stop')

    def settle(self, quiet=0.3, seconds=30):
        """Until nothing has come for `quiet` seconds; the number of bytes."""
        deadline = time.monotonic() + seconds
        while True:
            had = len(self.data)
            time.sleep(quiet)
            if len(self.data) == had:
                return had
            assert time.monotonic() < deadline, 'the line does not become quiet'

    def close(self):
        self.socket.close()


class Vm:
    def __init__(self, host, name):
        self.host, self.name = host, name
        self.run_dir = f'{host.root}/run/{name}'
        self.vm_dir = f'{host.root}/vms/{name}'
        self.socket_path = f'{self.run_dir}/serial0.sock'
        self.log_path = f'{self.vm_dir}/lines/serial0.log'

    def api(self, method, path, body=b'', seconds=30):
        """(status, JSON or bytes) of a request on the control socket."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(seconds)
        s.connect(self.run_dir + '/control.sock')
        with s:
            s.sendall(f'{method} {path} HTTP/1.1\r\nHost: vm\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n'.encode() + body)
            answer = b''
            while piece := s.recv(1 << 16):
                answer += piece
        head, _, content = answer.partition(b'\r\n\r\n')
        status = int(head.split()[1])
        return status, json.loads(content) if b'json' in head else content

    def info(self, seconds=10):
        """GET /v1/vm, through whatever is being killed meanwhile."""
        def look():
            try:
                status, info = self.api('GET', '/v1/vm')
                return info if status == 200 and info['lines'] else None
            except (OSError, IndexError, ValueError):
                return None
        return wait_until(look, seconds, f'an answer of {self.name}')

    def line(self, name='serial0'):
        return next(line for line in self.info()['lines'] if line['name'] == name)

    def journaled(self, seconds=20):
        """Once the journal has all that the line has: its head."""
        def look():
            line = self.line()
            return line['journaled'] == line['head'] and line
        return wait_until(look, seconds, 'a complete journal')['head']

    def log(self):
        with open(self.log_path, 'rb') as file:
            return file.read()

    def client(self, **how):
        return RawClient(self.socket_path, **how)

    def kill(self, *who):
        """SIGKILLs 'keeper' or 'holder' or both of them, as the API names them."""
        info = self.info()
        for one in who:
            try:
                os.kill(info[one]['pid'], signal.SIGKILL)
            except ProcessLookupError:
                pass


class Host:
    def __init__(self, base=None, user=None):
        self.root = tempfile.mkdtemp(prefix='vml-', dir=base or '/tmp')
        self.user = user
        if user:
            os.chown(self.root, user, user)
        self.vms = []
        self.prefix = []  # of every command: such as prlimit and its words
        self.before = set(os.listdir('/dev/shm'))

    def environment(self):
        return dict(os.environ, VMLINE_ROOT=self.root)

    def command(self, *words, input=None, seconds=60):
        """Runs `vmline WORDS`; the finished process with text in stdout and stderr."""
        user = dict(user=self.user, group=self.user, extra_groups=[]) if self.user else {}
        return subprocess.run([*self.prefix, os.path.join(BIN, 'vmline'), *words], env=self.environment(), input=input, capture_output=True, text=True,
                              timeout=seconds, **user)

    def vmline(self, *words, **how):
        """The same, which must succeed; what it printed."""
        done = self.command(*words, **how)
        assert done.returncode == 0, f'vmline {" ".join(words)}: exit {done.returncode}: {done.stderr}{self.logs()}'
        return done.stdout

    def json(self, *words, **how):
        return json.loads(self.vmline(*words, '--json', **how))

    def run(self, name, *words, cmdline='', kernel=BARE):
        """A VM with the bare guest."""
        self.vmline('run', name, '--kernel', kernel, '--cmdline', cmdline, '--memory', '64M', *words)
        return self.vm(name)

    def vm(self, name):
        self.vms.append(Vm(self, name))
        return self.vms[-1]

    def logs(self):
        """The ends of vmline's own logs, for a failure's message."""
        text = ''
        for folder, _, files in os.walk(self.root + '/vms'):
            for file in files:
                if file in ('vmline.log', 'monitor.log'):
                    with open(os.path.join(folder, file), errors='replace') as log:
                        text += f'\n--- {folder}/{file}\n' + log.read()[-3000:]
        return text

    def processes(self):
        """Processes of this host: those that name its root, and monitors that they started."""
        found = {}
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as file:
                    words = file.read().replace(b'\0', b' ').decode(errors='replace').strip()
                if self.root in words and int(pid) != os.getpid() and 'pytest' not in words:
                    found[int(pid)] = words
                elif any(self.root in os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')) and int(pid) != os.getpid():
                    found[int(pid)] = words
            except OSError:
                continue
        return found

    def end(self):
        """Stops every VM and says what is left of any of them."""
        names = os.listdir(self.root + '/vms') if os.path.isdir(self.root + '/vms') else []
        failures = []
        for name in names:
            done = self.command('rm', '--force', name)
            if done.returncode != 0:
                failures.append(f'rm --force {name}: {done.stderr.strip()}')
        deadline = time.monotonic() + 5
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        failures += [f'process {pid} is left: {words}' for pid, words in left.items()]
        run = self.root + '/run'
        failures += [f'{run}/{name} is left' for name in (os.listdir(run) if os.path.isdir(run) else [])]
        for name in set(os.listdir('/dev/shm')) - self.before:
            if name.startswith('vmline-') and not name.startswith('vmline-holder-'):
                held = [f for _, _, fs in os.walk('/dev/shm/' + name) for f in fs]
                if self.owns(name):
                    failures.append(f'/dev/shm/{name} is left, and holds {held}')
        text = self.logs() if failures else ''
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.root, ignore_errors=True)
        assert not failures, '\n'.join(failures) + text

    def owns(self, name):
        """Whether a folder of /dev/shm is this root's: its name ends with the root's hash (FNV-1a, as src/os/places.cpp has it)."""
        value = 0xcbf29ce484222325
        for byte in self.root.encode():
            value = (value ^ byte) * 0x100000001b3 % (1 << 64)
        return name.endswith(f'{value:016x}')
