"""Process ids, which differ for BPF programs where these tests run in a PID namespace."""

import os

import pytest

from beepy.kernel import program
from beepy.uapi import ProgType
from tests.support import programs


def seen() -> int:
    """Return this process's id as programs see it: that of the kernel's first PID namespace."""
    with program.load(
        "pid", "raw_tp", ProgType.RAW_TRACEPOINT, programs.returns_process(), "GPL"
    ) as one:
        return one.run().retval


def need_the_same() -> None:
    """Skip the test unless programs know all processes by the numbers that this one knows."""
    if seen() != os.getpid():
        pytest.skip("in a PID namespace: BPF programs know processes by other numbers")
