# SPDX-License-Identifier: Apache-2.0
# ctest: sanitised
"""The holder as a program: what it is made of, its command line, its lock, its report, its signals, its end."""
import os
import signal
import subprocess

import pytest

from fake_keeper import holder_program
from holder_setup import connect, descriptors, directory, holder, holders, is_sanitised, listener, until  # noqa: F811


def test_depends_on_libc_alone_and_never_allocates():
    if is_sanitised():
        pytest.skip("a sanitized program is linked to the sanitizers' libraries")
    libraries = [line.split()[0] for line in subprocess.check_output(["ldd", holder_program()], text=True).splitlines()]
    assert all(name.startswith(("linux-vdso", "linux-gate", "libc.so", "/lib")) for name in libraries), libraries
    symbols = subprocess.check_output(["nm", "-D", "--undefined-only", holder_program()], text=True).split()
    names = {symbol.split("@")[0] for symbol in symbols}
    assert not names & {"malloc", "calloc", "realloc", "free", "_Znwm", "_ZdlPv", "fopen", "opendir", "strdup", "getline"}, names


def test_says_how_it_is_used():
    for arguments in ([], ["/x"], ["/x", "--"], ["--what", "/x", "--", "k"], ["--report", "77", "/x", "--", "k"], ["--report", "1", "/x", "--", "k"]):
        run = subprocess.run([holder_program(), *arguments], capture_output=True, text=True)
        assert (run.returncode, run.stderr.count("\n")) == (2, 1) and run.stderr.startswith("usage: vmline-holder"), arguments


def test_a_second_holder_of_a_vm_is_refused_in_one_sentence(holder, directory):
    holder.greeted()
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    run = subprocess.run([holder_program(), "--report", str(write_end), directory, "--", "/bin/true"], capture_output=True, text=True, close_fds=False)
    os.close(write_end)
    name = os.path.basename(directory)
    assert run.returncode == 1
    assert run.stderr == f"vmline-holder: {name} runs already: another holder has {directory}/holder.lock\n"
    assert os.read(read_end, 4096).decode() == ('{"result":"error","kind":"conflict","detail":"%s runs already: another holder has %s/holder.lock"}\n'
                                                % (name, directory))
    os.close(read_end)


def test_a_directory_that_is_not_there_is_told(directory):
    run = subprocess.run([holder_program(), directory + '/no "such', "--", "/bin/true"], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == f'vmline-holder: start no "such: open {directory}/no "such/holder.lock: No such file or directory\n'


def test_the_report_is_held_for_the_keeper(holders):
    read_end, write_end = os.pipe()
    keeper = holders(extra=["--report", str(write_end)], pass_fds=[write_end]).greeted()
    os.close(write_end)
    os.write(keeper.held["report"].fd, b"running\n")
    assert os.read(read_end, 100) == b"running\n"
    keeper.send("drop", "report")
    keeper.ask("ping", answer="pong")
    os.close(keeper.held.pop("report").fd)
    assert os.read(read_end, 100) == b""
    os.close(read_end)


def test_started_without_stdio_it_has_some_that_no_socket_takes_the_place_of(directory):
    process = subprocess.Popen([holder_program(), directory, "--", "/bin/sleep", "60"], preexec_fn=lambda: os.closerange(0, 3))
    try:
        until(lambda: open(f"/proc/{process.pid}/task/{process.pid}/children").read())
        there = descriptors(process.pid)
        assert [there[n] for n in (0, 1, 2)] == ["/dev/null"] * 3
    finally:
        keeper = int(open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()[0])
        process.kill()
        process.wait()
        os.kill(keeper, signal.SIGKILL)


def test_signals_meant_for_others_do_not_end_it(holder):
    keeper = holder.greeted()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGALRM):
        os.kill(holder.pid, number)
    keeper.ask("ping", answer="pong")
    assert holder.process.poll() is None


def test_quit_ends_it_and_closes_everything(holder, directory):
    keeper = holder.greeted()
    path = listener(directory, keeper)
    client = connect(path)
    accepted = keeper.expect("accepted")
    os.close(accepted.fd)
    keeper.send("quit")
    assert holder.process.wait(5) == 0
    assert client.recv(1) == b""


def test_idle_it_costs_next_to_nothing(holder):
    if is_sanitised():
        pytest.skip("a sanitized program is larger")
    keeper = holder.greeted()
    keeper.ask("ping", answer="pong")
    with open(f"/proc/{holder.pid}/smaps_rollup") as file:
        private = sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
    assert private < 256, f"{private} kB of its own"
