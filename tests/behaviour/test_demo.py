# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""The demo says what it shows, has checked it, and leaves nothing behind, with a terminal and without one."""
import os
import signal
import subprocess
import time

import pytest

from host import BIN, GUESTS, wait_until
from terminal import Terminal

DEMO = os.path.abspath(os.path.join(os.path.dirname(__file__), '../../demo/demo.sh'))
CLAIMS = [
    'the next boot is all there, and the client is still process',
    'was not cut off either',
    'have taken up the same QEMU',
    'each number came once, in order',
    'over 3 boots, the same as the log\'s, byte for byte',
    'bytes are the log\'s first ones',
    'three boots are told',
]


@pytest.fixture
def place(tmp_path):
    """A folder for the demo's own, and a look whether the demo has left anything."""
    memory = set(os.listdir('/dev/shm'))
    yield tmp_path

    def left():
        found = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as file:
                    words = file.read().replace(b'\0', b' ').decode(errors='replace')
            except OSError:
                continue
            if str(tmp_path) in words and int(pid) != os.getpid():
                found.append(words)
        return found
    wait_until(lambda: not left(), 5, f'the end of {left()}')
    assert os.listdir(tmp_path) == []
    new = [name for name in set(os.listdir('/dev/shm')) - memory if name.startswith(f'vmline-{os.getuid()}-')]
    # Other tests may run beside this one: what is the demo's was removed, so an empty folder of theirs is none of ours.
    assert not [name for name in new if os.path.isdir(f'/dev/shm/{name}/web1')]


def environment(place):
    return dict(os.environ, VMLINE_BIN=os.path.abspath(BIN), VMLINE_GUESTS=os.path.abspath(GUESTS), TMPDIR=str(place))


def test_without_a_terminal_it_shows_all_and_ends(place):
    done = subprocess.run([DEMO], env=environment(place), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ''
    for claim in CLAIMS:
        assert claim in done.stdout
    assert '✗' not in done.stdout and '\x1b' not in done.stdout and '\r' not in done.stdout
    assert done.stdout.count('VMRS_READY') == 3
    assert 'Now it is yours' not in done.stdout


def test_with_a_terminal_it_ends_on_the_guests_console(place, tmp_path_factory):
    with Terminal(tmp_path_factory.mktemp('tmux'), environment(place)) as terminal:
        before = terminal.modes()
        terminal.type(f'{DEMO}; echo "exit code $?"\n')
        terminal.wait_for('Now it is yours', 120)
        terminal.wait_for('VMRS_READY.*guest#$', 20)
        terminal.type('echo $((6 * 7))\n')
        terminal.wait_for('\n42\nguest#')
        terminal.key('C-]')
        terminal.wait_for('exit code 0\nhost[$]$', 30)
        screen = terminal.screen()
        assert '✗' not in screen and 'left web1/serial0' in screen and 'web1 stopped' in screen
        assert terminal.modes() == before


def test_a_claim_that_is_not_so_ends_it_with_1(place, tmp_path_factory):
    programs = tmp_path_factory.mktemp('bin')
    for name in ('vmline-holder', 'vmline-keeper'):
        os.symlink(os.path.join(os.path.abspath(BIN), name), programs / name)
    false_one = programs / 'vmline'   # its `logs` lacks a byte
    false_one.write_text(f'#!/bin/sh\n[ "$1" = logs ] || exec {os.path.abspath(BIN)}/vmline "$@"\n{os.path.abspath(BIN)}/vmline "$@" | tail -c +2\n')
    false_one.chmod(0o755)
    done = subprocess.run([DEMO], env=dict(environment(place), VMLINE_BIN=str(programs)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 1
    assert '✗ this is not so: `vmline logs web1` gives them too' in done.stdout


def test_broken_off_in_the_middle_it_leaves_nothing(place):
    demo = subprocess.Popen([DEMO], env=environment(place), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    for line in demo.stdout:
        if 'VMRS_READY' in line:
            break
    begun = time.monotonic()
    demo.send_signal(signal.SIGTERM)
    demo.stdout.read()
    assert demo.wait(30) == 143
    assert time.monotonic() - begun < 30


def test_without_the_programs_it_says_what_is_missing(place):
    done = subprocess.run([DEMO], env=dict(environment(place), VMLINE_BIN='/nowhere'), capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert '/nowhere/vmline is missing; `make demo` builds it' in done.stdout
