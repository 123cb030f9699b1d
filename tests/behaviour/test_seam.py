# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=120
"""Who attaches late gets exactly the last spool-ful and then the live bytes: nothing missing, nothing doubled where they meet."""
import random

from host import QEMU
from lines import Checker


def test_late_clients_get_the_last_spoolful_and_go_on_exactly(host):
    vm = host.run('a', *QEMU, '--spool', '256K', cmdline='flood')
    first = vm.client()
    first.wait_for(b'L00008000')
    late = []
    for _ in range(20):
        late.append(vm.client())
        first.wait_for(b'B0001 L', start=len(first.data) + random.randrange(20000))
    first.type(b's')
    first.wait_for(b'STOPPED')
    vm.journaled()
    whole = vm.log()
    for client in late:
        client.wait_for(b'STOPPED')
        data = bytes(client.data)
        assert whole.endswith(data)
        assert len(data) >= 256 << 10
    assert bytes(first.data) == whole
    checker = Checker()
    checker.feed(whole)


def test_replay_is_exactly_the_spool(host):
    vm = host.run('a', *QEMU, '--spool', '256K', cmdline='lines=6000')
    vm.client().wait_for(b'READY', seconds=30)
    head = vm.journaled()
    assert head > 300_000
    client = vm.client()
    client.wait_for(b'READY')
    assert client.settle() == 256 << 10
    assert vm.log().endswith(bytes(client.data))


def test_replay_none_is_live_only(host):
    vm = host.run('a', *QEMU, '--replay', 'none')
    vm.client().settle()
    client = vm.client()
    assert client.settle() == 0
    client.type(b'ehello\n')
    client.wait_for(b'ECHO hello')
    assert bytes(client.data).startswith(b'ECHO')
