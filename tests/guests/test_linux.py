# SPDX-License-Identifier: Apache-2.0
"""The Linux guest boots to its shell, reboots from inside, and powers off on the power button."""
import os
import pathlib
import select
import shutil
import socket
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
QEMU = shutil.which('qemu-system-x86_64')
PATIENCE = 90  # seconds; a boot takes three where the machine is idle

pytestmark = [pytest.mark.skipif(QEMU is None, reason='no qemu-system-x86_64'),
              pytest.mark.skipif(subprocess.run([HERE.parent.parent / 'tools/guest-kernel'], capture_output=True).returncode != 0,
                                 reason='no Debian cloud kernel, neither in /boot nor fetched by make setup')]


class Console:
    def __init__(self, process):
        self.process, self.text = process, b''

    def expect(self, word):
        while word not in self.text:
            assert select.select([self.process.stdout], [], [], PATIENCE)[0], f'no {word!r}; the last was {self.text[-300:]!r}'
            data = os.read(self.process.stdout.fileno(), 4096)
            assert data, f'ended before {word!r}; the last was {self.text[-300:]!r}'
            self.text += data
        self.text = self.text.split(word, 1)[1]

    def type(self, line):
        self.process.stdin.write(line + b'\n')
        self.process.stdin.flush()


def press_power_button(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        connection.sendall(b'{"execute":"qmp_capabilities"}{"execute":"system_powerdown"}')
        answer = b''
        while b'POWERDOWN' not in answer:
            piece = connection.recv(4096)
            assert piece, answer
            answer += piece


def test_boots_reboots_and_powers_off(tmp_path):
    initramfs, qmp = tmp_path / 'initramfs.gz', str(tmp_path / 'qmp')
    kernel = subprocess.run([HERE / 'linux/make-initramfs.sh', initramfs], check=True, capture_output=True, text=True).stdout.strip()
    process = subprocess.Popen([QEMU, '-machine', 'q35,accel=tcg', '-m', '256', '-nodefaults', '-vga', 'none', '-display', 'none',
                                '-kernel', kernel, '-initrd', initramfs, '-append', 'console=ttyS0 quiet panic=-1',
                                '-serial', 'stdio', '-qmp', f'unix:{qmp},server=on,wait=off'],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        console = Console(process)
        console.expect(b'VMRS_READY 10.0.0.2')
        console.expect(b'guest# ')
        console.type(b'echo $((6 * 7))')
        console.expect(b'\n42\r\n')
        console.expect(b'guest# ')
        console.type(b'reboot')
        console.expect(b'guest: rebooting')
        console.expect(b'VMRS_READY 10.0.0.2')
        console.expect(b'guest# ')
        press_power_button(qmp)
        console.expect(b'guest: powering off')
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
