# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""`vmline attach`, `logs` and `wait` as a user has them: on a real terminal and in pipes, over reboots and over the death of what serves them."""
import os
import random
import re
import signal
import subprocess
import termios
import threading

import pytest

from host import BIN, GUESTS, QEMU, wait_until
from lines import QUERIES, Checker
from terminal import Terminal

VMLINE = os.path.abspath(os.path.join(BIN, 'vmline'))


@pytest.fixture
def terminal(host, tmp_path):
    with Terminal(tmp_path, dict(host.environment(), PATH=os.path.abspath(BIN) + ':' + os.environ['PATH'])) as it:
        it.before = it.modes()
        yield it


def linux(host, name='linux'):
    with open(os.path.join(GUESTS, 'linux-kernel.path')) as file:
        kernel = file.read().strip()
    host.vmline('run', name, '--driver', 'qemu', '--kernel', kernel, '--initramfs', os.path.join(GUESTS, 'linux-initramfs.gz'),
                '--cmdline', 'console=ttyS0 quiet panic=-1', '--memory', '256M')
    return host.vm(name)


def is_as_before(terminal):
    """The terminal is usable and has the modes that it had."""
    assert terminal.modes() == terminal.before
    terminal.type('echo all\\ well\n')
    terminal.wait_for('\nall well\nhost[$]$')


class Attached:
    """`vmline attach` without a terminal: stdin from a pipe of ours, a thread reads its stdout."""

    def __init__(self, host, *words):
        self.data = bytearray()
        self.process = subprocess.Popen([VMLINE, 'attach', *words], env=host.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while piece := self.process.stdout.read1(1 << 16):
            self.data += piece

    def type(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait_for(self, what, seconds=20):
        wait_until(lambda: what in self.data, seconds, f'{what!r} in what attach printed')

    def leave(self):
        """Ends its stdin; (exit code, what it complained of)."""
        self.process.stdin.close()
        code = self.process.wait(20)
        self._reader.join(10)
        return code, self.process.stderr.read().decode()


# -- on a terminal

def test_a_user_works_at_a_linux_guests_shell_over_its_reboot_and_leaves(host, terminal):
    linux(host)
    terminal.type('vmline attach linux\n')
    screen = terminal.wait_for('guest#$', 60)
    assert '── linux/serial0 · Ctrl-] leaves ──\n── boot 1 · first start · offset 0 ──\nguest: Linux' in screen
    terminal.type('echo $((6 * 7))\n')
    terminal.wait_for('\n42\nguest#$')
    terminal.type('echo now; cat\n')
    terminal.wait_for(r'\nnow$')
    terminal.type('is it there?\n')
    terminal.wait_for(r'is it there\?\nis it there\?$')   # what was typed, and what cat made of it
    terminal.key('C-c')
    terminal.wait_for(r'\^C\nguest#$')
    terminal.type('reboot\n')
    screen = terminal.wait_for('boot 2.*guest#$', 60)
    assert re.search(r'guest# reboot\nguest: rebooting\n\[[^\n]*reboot: Restarting system\n── boot 2 · guest reboot · offset \d+ ──\nguest: Linux', screen)
    assert '\x1b[2m── boot 2' in terminal.screen(escapes=True)
    terminal.type('echo again\n')
    terminal.wait_for('\nagain\nguest#$')
    terminal.key('C-]')
    terminal.wait_for('guest#\n── left linux/serial0 ──\nhost[$]$')
    is_as_before(terminal)
    assert host.json('inspect', 'linux')['state'] == 'ready'


def test_what_a_replay_asks_the_terminal_is_not_answered_into_the_guest(host, terminal):
    vm = host.run('a', *QEMU)
    client = vm.client()
    host.vmline('send', 'a', input='x' * 50)
    wait_until(lambda: client.data.count(b'QUERIES') == 50, what='50 times all queries')
    heard = client.settle()
    # As whoever attaches: what an answer holds must not be a command, and every byte that the guest obeys would show.
    terminal.type('vmline attach a\n')
    terminal.wait_for('QUERIES')
    terminal.type('ehello\n')
    client.wait_for(b'ECHO hello\r\n')
    assert bytes(client.data[heard:]) == b'ECHO hello\r\n'
    terminal.wait_for('ECHO hello')
    terminal.key('C-]')
    terminal.wait_for('left a/serial0')
    is_as_before(terminal)
    # The queries are the guest's own bytes all the same, in its log.
    assert vm.log().count(QUERIES) == 50


def test_nothing_is_typed_before_the_replay_has_ended(host):
    vm = host.run('a', *QEMU, cmdline='lines=6000')
    client = vm.client()
    client.wait_for(b'READY', 60)
    heard = client.settle()
    ours, its = os.openpty()   # a terminal that shows nothing until we read: so long the replay lasts
    attach = subprocess.Popen([VMLINE, 'attach', 'a', '--from', 'start'], env=host.environment(), stdin=its, stdout=its, stderr=its)
    os.close(its)
    try:
        os.write(ours, b'etoo early\n')                      # perhaps before it has the terminal
        wait_until(lambda: vm.line()['clients']['api'] == 1, what='an attached user')
        wait_until(lambda: not termios.tcgetattr(ours)[3] & termios.ICANON, what='a raw terminal')
        os.write(ours, b'etoo early\n')
        shown = b''
        while b'READY' not in shown:
            shown += os.read(ours, 1 << 16)
        assert shown.count(b'B0001 L') == 6000
        while b'ECHO' not in client.data[heard:]:             # until it is taken: just after the replay it may still be thrown away
            os.write(ours, b'ein time\n')
            client.settle(0.1)
        assert set(bytes(client.data[heard:]).split(b'\r\n')) == {b'ECHO in time', b''}
        os.write(ours, b'\x1d')
        assert attach.wait(20) == 0
    finally:
        attach.kill()
        attach.wait()
        os.close(ours)


def test_read_only_types_nothing_and_another_key_leaves(host, terminal):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    heard = client.settle()
    terminal.type('vmline attach a --read-only --escape ^A\n')
    terminal.wait_for('a/serial0 · read-only · Ctrl-A leaves.*READY')
    terminal.type('enobody hears\n')
    terminal.key('C-]')
    client.type(b'eothers do\n')
    terminal.wait_for('ECHO others do')
    assert bytes(client.data[heard:]) == b'ECHO others do\r\n'
    terminal.key('C-a')
    terminal.wait_for('left a/serial0 ──\nhost[$]$')
    is_as_before(terminal)


def test_who_is_taken_the_typing_from_is_told(host, terminal):
    vm = host.run('a', *QEMU)
    terminal.type('vmline attach a\n')
    terminal.wait_for('READY')
    terminal.type('emine\n')
    terminal.wait_for('ECHO mine')
    refused = host.command('send', 'a', 'eours')
    assert refused.returncode == 1 and 'pid=' in refused.stderr, refused.stderr
    other = Attached(host, 'a', '--from', 'tail', '--take')
    other.type(b'eyours\n')
    other.wait_for(b'ECHO yours')
    terminal.wait_for('ECHO yours')
    assert re.search(r'── \S+ has taken over the typing ──\n', terminal.screen())
    terminal.type('estill\n')
    terminal.wait_for('── not typed · ')
    assert other.leave() == (0, '')
    assert b'ECHO still' not in vm.log()
    terminal.key('C-]')
    terminal.wait_for('left a/serial0')
    is_as_before(terminal)


@pytest.mark.parametrize('who', ['keeper', 'holder'])
def test_a_user_does_not_see_that_one_of_ours_died(host, terminal, who):
    vm = host.run('a', *QEMU)
    terminal.type('vmline attach a\n')
    terminal.wait_for('READY')
    for number in range(3):
        pid = vm.info()[who]['pid']
        vm.kill(who)
        wait_until(lambda: vm.info()[who]['pid'] != pid, what=f'another {who}')
        terminal.type(f'eround {number}\n')
        terminal.wait_for(f'ECHO round {number}')
    screen = terminal.screen()
    assert screen[screen.index('── a/serial0'):].count('──') == 4   # who it is and boot 1: nothing else was told
    terminal.key('C-]')
    terminal.wait_for('left a/serial0')
    is_as_before(terminal)


def attach_pid(host, terminal):
    terminal.type('vmline attach a\n')
    terminal.wait_for('READY')
    return next(pid for pid, words in processes_of('vmline attach a') if f'VMLINE_ROOT={host.root}'.encode() in environment_of(pid))


def processes_of(words):
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                found = file.read().replace(b'\0', b' ').decode(errors='replace').strip()
        except OSError:
            continue
        if found == words:
            yield int(pid), found


def environment_of(pid):
    with open(f'/proc/{pid}/environ', 'rb') as file:
        return file.read()


@pytest.mark.parametrize('signal_name', ['SIGTERM', 'SIGHUP', 'SIGINT'])
def test_a_signal_ends_attach_and_gives_the_terminal_back(host, terminal, signal_name):
    host.run('a', *QEMU)
    os.kill(attach_pid(host, terminal), getattr(signal, signal_name))
    terminal.wait_for('host[$]$')
    terminal.type('echo "exit code $?"\n')
    terminal.wait_for(f'exit code {128 + getattr(signal, signal_name)}\n')
    is_as_before(terminal)


def test_the_end_of_the_vm_ends_attach_with_its_reason_and_gives_the_terminal_back(host, terminal):
    host.run('a', *QEMU)
    attach_pid(host, terminal)
    host.vmline('kill', 'a')
    terminal.wait_for('── a/serial0 · [^\n]+ ──\nhost[$]$')
    is_as_before(terminal)


# -- in pipes

def test_a_pipe_is_typed_after_the_replay_and_its_end_leaves(host):
    host.run('a', *QEMU)
    host.vmline('wait', 'a', '--for', 'line:READY', '--timeout', '20s')
    done = host.command('attach', 'a', '--wait', '2s', input='eone\netwo\n')
    assert done.returncode == 0 and done.stderr == ''
    assert 'READY\n' in done.stdout and done.stdout.endswith('ECHO one\nECHO two\n')   # text mode made \n of \r\n
    done = host.command('attach', 'a', '--from', 'tail', input='ethree\n')
    assert done.stdout == 'ECHO three\n'


def test_from_begins_where_it_says(host):
    vm = host.run('a', *QEMU, cmdline='lines=2000')
    host.vmline('wait', 'a', '--for', 'line:READY', '--timeout', '30s')
    client = vm.client()
    client.type(b'r')
    client.wait_for(b'READY', start=client.wait_for(b'BOOT 2'))
    vm.journaled()
    log = vm.log()
    second = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots'][1]['offset']
    for where, begin in (('start', 0), ('1234', 1234), ('-99', len(log) - 99), ('boot:1', 0), ('boot:2', second), ('boot:-1', second), ('tail', len(log))):
        attached = Attached(host, 'a', '--from', where, '--wait', '10ms')
        assert attached.leave() == (0, '')
        assert bytes(attached.data) == log[begin:], where
    wrong = host.command('attach', 'a', '--from', 'yesterday', input='')
    assert wrong.returncode in (1, 2) and 'yesterday' in wrong.stderr


def test_attach_in_a_flood_is_exact_over_the_death_of_keeper_holder_and_both(host):
    vm = host.run('a', *QEMU, cmdline='flood')
    attached = Attached(host, 'a', '--from', 'start')
    kills = 0
    for who in [['keeper']] * 20 + [['holder']] * 5 + [['holder', 'keeper']] * 5:
        had = len(attached.data)
        wait_until(lambda: len(attached.data) > had + random.randrange(60_000), 30, 'more of the flood')
        info = vm.info()
        pids = [info[one]['pid'] for one in who]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)   # so that neither sees the other die
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        kills += len(pids)
    had = len(attached.data)
    wait_until(lambda: len(attached.data) > had + 10_000, 30, 'the flood after the last kill')
    attached.type(b's')
    attached.wait_for(b'STOPPED')
    vm.journaled()
    assert attached.leave() == (0, '')
    assert kills == 35
    assert bytes(attached.data) == vm.log()
    checker = Checker()
    checker.feed(bytes(attached.data))
    checker.finish()


# -- logs

def test_logs_follow_goes_through_reboots_to_the_end_of_the_vm(host):
    vm = host.run('a', *QEMU, cmdline='lines=100 reboot=300 boots=4')
    follower = subprocess.run([VMLINE, 'logs', '-f', 'a'], env=host.environment(), capture_output=True, timeout=60)
    assert follower.returncode == 0, follower.stderr
    assert follower.stdout == vm.log()
    assert len(re.findall(rb'(?<!RE)BOOT \d', follower.stdout)) == 4
    # The VM has stopped: its journal gives the same, and each boot by its number, from the front and from behind.
    def logs(*words):
        return subprocess.run([VMLINE, 'logs', 'a', *words], env=host.environment(), capture_output=True, timeout=20, check=True).stdout
    assert logs() == logs('--raw') == follower.stdout
    begins = [found.start() for found in re.finditer(rb'(?<!RE)BOOT \d', follower.stdout)] + [len(follower.stdout)]
    for number in range(1, 5):
        boot = follower.stdout[begins[number - 1]:begins[number]]
        # Where the keeper came late to a reset it knows the boot's place between two offsets: all that may be the boot's is printed.
        assert boot in (printed := logs('--boot', str(number)))
        assert printed in follower.stdout
        assert logs('--boot', str(number - 5)) == printed
    assert logs('--from', '-10') == follower.stdout[-10:]
    absent = host.command('logs', 'a', '--boot', '5')
    assert (absent.returncode, absent.stderr) == (3, 'vmline: a/serial0: there is no boot 5; known are 1 to 4\n')


def test_logs_of_a_boot_of_a_running_vm_end_where_the_next_begins(host):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    client.type(b'r')
    client.wait_for(b'READY', start=client.wait_for(b'BOOT 2'))
    vm.journaled()
    log = vm.log()
    second = log.index(b'BOOT 2')
    def logs(number):
        return subprocess.run([VMLINE, 'logs', 'a', '--boot', number], env=host.environment(), capture_output=True, timeout=20, check=True).stdout
    assert logs('1') == logs('-2')
    assert logs('2') == logs('-1')
    places = vm.api('GET', '/v1/lines/serial0/boots')[1]['boots']
    assert places[1]['offset_low'] <= second <= places[1]['offset']
    assert logs('1') == log[:places[1]['offset']]
    assert logs('2') == log[places[1]['offset_low']:]


def test_logs_on_a_terminal_are_plain_text_with_boots_between(host, terminal):
    vm = host.run('a', *QEMU)
    client = vm.client()
    client.wait_for(b'READY')
    client.type(b'xr')
    client.wait_for(b'READY', start=client.wait_for(b'BOOT 2'))
    terminal.type('vmline logs a\n')
    screen = terminal.wait_for(r'── boot 2 .*host[$]$')
    shown = screen[screen.index('── boot 1'):].split('\n')
    assert re.fullmatch(r'── boot 1 · first start · offset 0 ──', shown.pop(0))
    # The second boot's own line stands where the keeper noticed it; this guest is back within milliseconds.
    told = [line for line in shown if line.startswith('──')]
    assert len(told) == 1 and re.fullmatch(r'── boot 2 · guest reboot · offset \d+ ──', told[0])
    assert shown.index(told[0]) > shown.index('REBOOT lines=0')
    shown.remove(told[0])
    assert re.fullmatch(r'BOOT 1 id=\w+\nREADY\nQUERIES\nREBOOT lines=0\nBOOT 2 id=\w+\nREADY\nhost[$]', '\n'.join(shown))
    is_as_before(terminal)


# -- wait

def test_wait_prints_the_line_that_matches_and_says_by_its_exit_code_what_came(host):
    vm = host.run('a', *QEMU)
    assert host.vmline('wait', 'a', '--for', 'line:READY', '--timeout', '20s') == 'READY\n'
    assert host.vmline('wait', 'a', '--for', 'running', '--timeout', '20s') == ''
    late = host.command('wait', 'a', '--for', 'line:never said', '--timeout', '300ms')
    assert (late.returncode, late.stdout) == (4, '')
    assert 'line:never said did not come within 300 ms' in late.stderr
    assert host.command('wait', 'a', '--for', 'stopped', '--timeout', '100ms').returncode == 4
    assert host.command('wait', 'b', '--for', 'running').returncode == 3
    assert host.command('wait', 'a', '--for', 'nonsense').returncode == 2
    assert host.command('wait', 'a', '--for', 'line:(').returncode == 2

    waiting = subprocess.Popen([VMLINE, 'wait', 'a', '--for', r'line:ECHO (\w+) world', '--timeout', '30s'], env=host.environment(),
                               stdout=subprocess.PIPE, text=True)
    wait_until(lambda: vm.line()['clients']['api'] == 1, what='somebody who waits')
    vm.kill('keeper')
    vm.client().type(b'egood morning\negood world\n')
    assert waiting.communicate(timeout=20)[0] == 'ECHO good world\n'
    assert waiting.returncode == 0

    stopping = subprocess.Popen([VMLINE, 'wait', 'a', '--for', 'stopped', '--timeout', '30s'], env=host.environment())
    ending = subprocess.Popen([VMLINE, 'wait', 'a', '--for', 'line:never said'], env=host.environment(), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: vm.line()['clients']['api'] == 1, what='somebody who waits')
    host.vmline('stop', 'a')
    assert stopping.wait(20) == 0
    assert 'ended, and the line had not come' in ending.communicate(timeout=20)[1]
    assert ending.returncode == 1
    assert host.command('wait', 'a', '--for', 'stopped').returncode == 0
    assert host.command('wait', 'a', '--for', 'running', '--timeout', '1s').returncode == 1
