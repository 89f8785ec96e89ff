"""When a guest is ended: by its work and its silence, whatever else the host has to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.vm.machine import _waits, _watched

SLOW = "import time\nwhile time.process_time() < 0.6: pass\nraise SystemExit('worked')"
SPIN = "while True: pass"
SLEEP = "import time; time.sleep(1000)"
RIVALS = 8


@contextmanager
def python(code: str, stderr: int | None = None) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", code], text=True, stderr=stderr
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_guest_that_gets_no_processor_is_not_silent(tmp_path: Path) -> None:
    """It shares a processor with eight others: its 5 s of work exceed the limit of silence."""
    if not _waits(os.getpid()):
        pytest.skip("the kernel does not count how long a thread waits for a processor")
    before = os.sched_getaffinity(0)
    with ExitStack() as stack:
        os.sched_setaffinity(0, {min(before)})
        stack.callback(os.sched_setaffinity, 0, before)
        for _ in range(RIVALS):
            stack.enter_context(python(SPIN))
        slow = stack.enter_context(python(SLOW, stderr=subprocess.PIPE))
        os.sched_setaffinity(0, before)
        said, _ = _watched(slow, tmp_path / "results", work=100, silence=2.5)
    assert said == "worked\n"


def test_a_guest_that_waits_for_what_never_comes_is_ended(tmp_path: Path) -> None:
    with python(SLEEP) as idle:
        said, worked = _watched(idle, tmp_path / "results", work=100, silence=1)
    assert said.startswith("ended after 0 s of work and ")
    assert worked < 1


def test_a_guest_that_spins_is_ended(tmp_path: Path) -> None:
    with python(SPIN) as busy:
        said, worked = _watched(busy, tmp_path / "results", work=1, silence=100)
    assert said.startswith("ended after ")
    assert worked >= 1
