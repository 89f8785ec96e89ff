"""Kinds of attach points, each by a test program: attached, and the event seen."""

import os
from typing import Final

from tests.vm.checks.check import OBJECTS, YES, Check
from tests.vm.checks.command import Run
from tests.vm.checks.images import ends


def raw_tp() -> str:
    """Show an exit by a raw tracepoint, under both of its names."""
    with Run(f"{OBJECTS}/raw_tp.o", "-o", "json", "-v") as run:
        run.attached(2)
        pid = ends(5)
        row = run.row(lambda row: row["pid"] == pid)
    assert (row["tid"], row["code"] >> 8, row["comm"]) == (pid, 5, "sh")
    return YES


def tp_btf() -> str:
    """Show an exit by a tracepoint that has types."""
    with Run(f"{OBJECTS}/tp_btf.o", "-o", "json", "-v") as run:
        run.attached(1)
        pid = ends(6)
        row = run.row(lambda row: row["pid"] == pid)
    assert (row["tid"], row["ppid"], row["code"] >> 8, row["comm"]) == (pid, os.getpid(), 6, "sh")
    return YES


CHECKS: Final = (
    Check("raw_tp", raw_tp, ("raw_tp",)),
    Check("tp_btf", tp_btf, ("tp_btf",)),
)
