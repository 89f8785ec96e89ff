"""Kinds of attach points, each by a test program: attached, and the event seen."""

import os
from typing import Any, Final

from tests.vm.checks.check import OBJECTS, Check
from tests.vm.checks.command import Run
from tests.vm.checks.counted import SEEN, Needs, reason
from tests.vm.checks.images import ends


def raw_tp() -> str:
    """Show an exit by a raw tracepoint, under both of its names."""
    with Run(f"{OBJECTS}/raw_tp.o", "-o", "json", "-v") as run:
        run.attached(2)
        pid = ends(5)
        row = run.row(lambda row: row["pid"] == pid)
    assert (row["tid"], row["code"] >> 8, row["comm"]) == (pid, 5, "sh")
    return SEEN


def tp_btf() -> str:
    """Show an exit by a tracepoint that has types."""
    with Run(f"{OBJECTS}/tp_btf.o", "-o", "json", "-v") as run:
        run.attached(1)
        pid = ends(6)
        row = run.row(lambda row: row["pid"] == pid)
    assert (row["tid"], row["ppid"], row["code"] >> 8, row["comm"]) == (pid, os.getpid(), 6, "sh")
    return SEEN


def both(run: Run, pid: int) -> dict[int, dict[str, Any]]:
    """Return the process's rows of kind 1 and 2, in whichever order they come."""
    found: dict[int, dict[str, Any]] = {}

    def look(row: dict[str, Any]) -> bool:
        if row["pid"] == pid:
            found[row["kind"]] = row
        return len(found) == 2

    run.row(look)
    return found


def trampolines() -> str:
    """Show a function's entry and another one's return."""
    if why := reason("trampolines", Needs((5, 5), "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS")):
        return why
    with Run(f"{OBJECTS}/trampolines.o", "-o", "json", "-v") as run:
        run.attached(2)
        rows = both(run, ends(9))
    assert (rows[1]["value"], rows[2]["value"]) == (9, 0)
    return SEEN


def kprobe_multi() -> str:
    """Show many functions' entries and returns by two links."""
    if why := reason("kprobe_multi", Needs((5, 18), "CONFIG_FPROBE")):
        return why
    with Run(f"{OBJECTS}/kprobe_multi.o", "-o", "json", "-v") as run:
        run.attached(2)
        both(run, ends(9))
    return SEEN


def lsm() -> str:
    """Show a program that is about to be started, by a hook that could forbid it."""
    if why := reason("lsm", Needs((5, 7), "CONFIG_BPF_LSM")):
        return why
    with Run(f"{OBJECTS}/lsm.o", "-o", "json", "-v") as run:
        run.attached(1)
        pid = ends(9)
        run.row(lambda row: row["pid"] == pid)
    return SEEN


def iterators() -> str:
    """Show the lines of iterators of tasks and of a map."""
    with Run(f"{OBJECTS}/iter.o", "-o", "json", "-v") as run:
        run.attached(2)
        pid = os.getpid()
        run.row(lambda row: row["map"] == "tasks" and row["line"].startswith(f"{pid} "))
        run.row(lambda row: (row["map"], row["line"]) == ("elements", "2=0"))
    return SEEN


CHECKS: Final = (
    Check("fentry, fexit", trampolines, ("trampolines",), kinds=("fentry", "fexit")),
    Check("kprobe.multi", kprobe_multi, ("kprobe_multi",), kinds=("kprobe.multi",)),
    Check("lsm", lsm, ("lsm",), kinds=("lsm",)),
    Check("iter", iterators, ("iter",), kinds=("iter",)),
    Check("raw_tp", raw_tp, ("raw_tp",), kinds=("raw_tp",)),
    Check("tp_btf", tp_btf, ("tp_btf",), kinds=("tp_btf",)),
)
