# SPDX-License-Identifier: Apache-2.0
# ctest: sanitised
"""Keepers that crash, hang, or cannot be started; and a holder that was stopped itself, which blames nobody."""
import os
import signal
import subprocess
import time

from fake_keeper import holder_program
from holder_setup import alive, directory, holder, holders  # noqa: F811


def test_a_keeper_that_does_not_answer_is_killed(holder):
    keeper = holder.greeted()
    keeper.ask("settings", a=400, b=100)
    began = time.monotonic()
    assert keeper.expect("are_you_there", timeout=2)
    after = holder.greeted()
    assert 0.4 < time.monotonic() - began < 2
    assert not alive(keeper.pid)
    assert "has not answered" in holder.log()
    for _ in range(6):  # one that answers stays
        message = after.expect("are_you_there", timeout=2)
        after.send("here", id=message.id)
    after.ask("ping", answer="pong")


def test_a_keeper_that_closes_its_end_is_replaced(holder):
    keeper = holder.greeted()
    keeper.sock.close()
    after = holder.greeted()
    assert not alive(keeper.pid)
    after.ask("ping", answer="pong")


def test_a_holder_that_was_stopped_itself_kills_nobody(holder):
    keeper = holder.greeted()
    keeper.ask("settings", a=600, b=100)
    for _ in range(3):
        os.kill(holder.pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(holder.pid, signal.SIGCONT)
        time.sleep(0.2)  # less than the limit: no answer yet
        assert alive(keeper.pid)
        while (message := keeper.receive(0)) is not None:
            keeper.send("here", id=message.id)
    keeper.ask("ping", answer="pong")


def test_a_keeper_that_crashes_at_once_is_started_less_and_less_often(directory):
    script = directory + "/crash"
    with open(script, "w") as file:
        file.write(f"#!/bin/sh\necho >> {directory}/starts\nexit 1\n")
    os.chmod(script, 0o755)
    process = subprocess.Popen([holder_program(), directory, "--", script], stderr=subprocess.PIPE)
    time.sleep(1.6)
    process.kill()
    log = process.communicate()[1].decode()
    starts = os.path.getsize(directory + "/starts")
    assert 6 <= starts <= 10  # 0, 10, 20, 40 … ms apart
    assert "(exit status 1); the next one starts in 0 ms" in log and "the next one starts in 160 ms" in log


def test_a_keeper_that_cannot_be_run_is_told(directory):
    process = subprocess.Popen([holder_program(), directory, "--", "/no/such/keeper"], stderr=subprocess.PIPE)
    line = process.stderr.readline().decode()
    process.kill()
    process.wait()
    assert line == f"holder[{process.pid}]: cannot run /no/such/keeper: No such file or directory\n"
