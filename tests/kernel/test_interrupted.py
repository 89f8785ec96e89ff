"""Ctrl-C at random moments in a program that uses beepy: KeyboardInterrupt, and no leaks.

A script ends by it; a session at Python's prompt goes on, and must have let go of everything all
the same.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import soak
from tests.support.command import ROOT, environment
from tests.support.held import Number, held, wait_for_end

PARTS, CYCLES = 2, 20
SCRIPT = """
print("begun", flush=True)
import beepy
for event in beepy.run("exitsnoop", "xdpcount", iface="lo", timeout=0.3):
    print(event)
print("the end")
"""
SESSION = """
import gc, os, random, signal, threading, time
import beepy
from tests.support.held import held

def run():
    for event in beepy.run("exitsnoop", timeout=0.001):
        pass

run()
began = time.monotonic()
run()
usual = time.monotonic() - began
moments = random.Random({seed})
interrupted, left = 0, 0
signal.signal(signal.SIGALRM, signal.default_int_handler)
for _ in range({cycles}):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.001, usual))
            run()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)  # else it may come at any moment below
    except KeyboardInterrupt:
        interrupted += 1
    left += bool(held(os.getpid()))
    for name in os.listdir("/proc/self/fd") if held(os.getpid()) else ():
        path = "/proc/self/fd/" + name
        if os.path.islink(path) and "bpf" in os.readlink(path):
            os.close(int(name))
print(interrupted, left)
"""


def start(script: str, home: Path) -> subprocess.Popen[str]:
    """Start a script that prints a line when it has begun."""
    command = [sys.executable, "-c", script]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(home), text=True, stdout=pipe, stderr=pipe
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    return process


def interrupt(process: subprocess.Popen[str]) -> tuple[set[Number], str]:
    """Return what the stopped process holds in the kernel, and its stderr after Ctrl-C."""
    os.kill(process.pid, signal.SIGSTOP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):  # it was faster
        process.returncode = os.waitstatus_to_exitcode(status)
        return set(), process.communicate()[1]
    numbers = held(process.pid)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    return numbers, process.communicate(timeout=60)[1]


@pytest.mark.soak
@pytest.mark.parametrize("part", range(soak.times(PARTS)))
def test_a_script_ends_and_leaves_nothing(part: int, tmp_path: Path) -> None:
    moments = random.Random(part)
    with start(SCRIPT, tmp_path) as whole:
        began = time.monotonic()
        assert whole.communicate(timeout=60)[0].endswith("the end\n")
    usual = time.monotonic() - began
    numbers: set[Number] = set()
    ends = []
    for _ in range(CYCLES):
        with start(SCRIPT, tmp_path) as process:
            time.sleep(moments.uniform(0, usual))
            found, said = interrupt(process)
            numbers |= found
            assert process.returncode in (0, -signal.SIGINT), said
            assert "ResourceWarning" not in said
            if said.startswith("Exception ignored in"):
                # Python was in a finalizer: it shows the exception, forgets it, and goes on
                assert said.splitlines()[-1] == "KeyboardInterrupt: ", said
                assert process.returncode == 0, said
            elif said:  # when Python ends it takes no signals any more
                assert said.splitlines()[-1] == "KeyboardInterrupt", said
                ends.append(process.returncode)
    wait_for_end(numbers)
    assert -signal.SIGINT in ends
    print(len(numbers), "held,", len(ends), "interrupted")


@pytest.mark.soak
@pytest.mark.parametrize("part", range(soak.times(PARTS)))
def test_a_session_goes_on_and_has_let_go(part: int) -> None:
    """Between two instructions a descriptor may lack an owner, for one moment in a thousand."""
    command = [sys.executable, "-c", SESSION.format(seed=part, cycles=100)]
    ran = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    interrupted, left = map(int, ran.stdout.split())
    assert interrupted > 20
    assert left <= 2
