# SPDX-License-Identifier: Apache-2.0
"""SIGKILL for holders and keepers, found by what runs and not by asking them, so that one that has not come up yet is found as well."""
import os
import random
import signal
import threading

from host import wait_until


def programs(host, *names):
    """Pids of the processes of this host that run one of these programs (a child that has not executed anything yet counts as its parent)."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                words = file.read().decode(errors='replace').split('\0')
        except OSError:
            continue
        if os.path.basename(words[0]) in names and any(host.root in word for word in words):
            found.append(int(pid))
    return found


def children(pid):
    try:
        with open(f'/proc/{pid}/task/{pid}/children') as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def kill(pid):
    """Whether it was there to be killed."""
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def kill_all_of_ours(host):
    """Until none is left: the holder starts a keeper and the keeper a holder while one is killed after the other."""
    while pids := programs(host, 'vmline-holder', 'vmline-keeper'):
        random.shuffle(pids)
        for pid in pids:
            kill(pid)


class Keepers:
    """The keepers of the only VM of a host, one after the other, each from before its first instruction on."""

    def __init__(self, host, vm):
        info = vm.info()
        self.host, self.holder, self.monitor, self.last = host, info['holder']['pid'], info['monitor']['pid'], 0

    def _look(self):
        found = [pid for pid in children(self.holder) if pid not in (self.monitor, self.last)]
        # A holder that the machine held up for 200 ms has been replaced, and the keeper is not the new one's child.
        return found or [pid for pid in programs(self.host, 'vmline-keeper') if pid != self.last]

    def next(self):
        """The next one's pid, which is not handed out again."""
        self.last = wait_until(self._look, what='the next keeper')[0]
        self.holder = next(iter(programs(self.host, 'vmline-holder')), self.holder) if not children(self.holder) else self.holder
        return self.last


class Killer:
    """Kills keeper after keeper in the background, each within `within` seconds of its birth."""

    def __init__(self, host, vm, within=0.05):
        self.kills, self._within, self._stop, self._keepers = 0, within, threading.Event(), Keepers(host, vm)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            keeper = self._keepers.next()
            if self._stop.wait(random.random() * self._within):
                return
            self.kills += kill(keeper)

    def end(self):
        """How many were killed."""
        self._stop.set()
        self._thread.join()
        return self.kills
