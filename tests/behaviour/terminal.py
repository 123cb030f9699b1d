# SPDX-License-Identifier: Apache-2.0
"""A real terminal for a test: a shell in tmux, on a server of the test's own."""
import os
import re
import subprocess
import time


class Terminal:
    def __init__(self, folder, environment, columns=120, rows=40):
        self._tmux = ['tmux', '-S', str(folder / 'tmux'), '-f', '/dev/null']
        self._modes = folder / 'modes'
        environment = dict(environment, SHELL='/bin/bash', TERM='xterm-256color', LC_ALL='C.UTF-8')
        environment.pop('TMUX', None)
        subprocess.run([*self._tmux, 'set-option', '-g', 'history-limit', '100000', ';', 'new-session', '-d', '-x', str(columns), '-y', str(rows), "exec env PS1='host$ ' bash --norc --noprofile"], env=environment, check=True)
        try:
            self.wait_for('host[$]$')
        except BaseException:
            self._run('kill-server')
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._run('kill-server')

    def _run(self, *words):
        return subprocess.run([*self._tmux, *words], check=True, capture_output=True, text=True, timeout=10).stdout

    def type(self, text):
        """Types text as it is; `\\n` is Enter."""
        pieces = text.split('\n')
        for number, piece in enumerate(pieces):
            if piece:
                self._run('send-keys', '-l', '--', piece)
            if number + 1 < len(pieces):
                self.key('Enter')

    def key(self, name):
        """Presses a key by tmux's name for it, such as C-]."""
        self._run('send-keys', name)

    def screen(self, escapes=False):
        """All that was ever shown, lines that the width broke joined again, no blanks at their ends; with `escapes` as it was coloured."""
        text = self._run('capture-pane', '-p', '-J', '-S', '-', *(['-e'] if escapes else []))
        return '\n'.join(line.rstrip() for line in text.rstrip().split('\n'))

    def wait_for(self, pattern, seconds=15):
        """Until the screen matches; what it shows."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, screen := self.screen(), re.DOTALL):
            assert time.monotonic() < deadline, f'{pattern!r} did not appear within {seconds} s; the screen:\n{screen}'
            time.sleep(0.05)
        return screen

    def modes(self):
        """The terminal's modes, as stty says them when the shell has it."""
        if os.path.exists(self._modes):
            os.unlink(self._modes)
        self.type(f'stty -a >{self._modes}.new && mv {self._modes}.new {self._modes}\n')
        deadline = time.monotonic() + 10
        while not self._modes.exists():
            assert time.monotonic() < deadline, f'the shell does not obey; the screen:\n{self.screen()}'
            time.sleep(0.02)
        return self._modes.read_text()
