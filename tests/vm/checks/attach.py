"""Kinds of attach points, each by a test program: attached, and the event seen."""

import os
import subprocess
from pathlib import Path
from typing import Any, Final

from beepy.collection.load import load
from beepy.errors import NotSupported
from beepy.kernel.host import release
from tests.vm.checks.check import OBJECTS, YES, Check, parsed
from tests.vm.checks.command import Run
from tests.vm.checks.images import ends

_KPROBE_MULTI: Final = (6, 12, 0)  # since 5.18 (0dcac2725406), but Debian's 6.1 has no CONFIG_FPROBE


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
    with Run(f"{OBJECTS}/trampolines.o", "-o", "json", "-v") as run:
        run.attached(2)
        rows = both(run, ends(9))
    assert (rows[1]["value"], rows[2]["value"]) == (9, 0)
    return YES


def kprobe_multi() -> str:
    """Show many functions' entries and returns by two links."""
    try:
        with load(parsed("kprobe_multi")) as collection:
            collection.attach()
    except NotSupported as error:
        if release() < _KPROBE_MULTI or os.uname().machine != "x86_64":  # arm64 has fprobes from v6.14 on
            return str(error)
        raise
    with Run(f"{OBJECTS}/kprobe_multi.o", "-o", "json", "-v") as run:
        run.attached(2)
        both(run, ends(9))
    return YES


def lsm() -> str:
    """Show a program that is about to be started, by a hook that could forbid it."""
    subprocess.run(["mount", "-t", "securityfs", "none", "/sys/kernel/security"], check=False)
    if "bpf" not in Path("/sys/kernel/security/lsm").read_text().split(","):
        return "no bpf among the kernel's LSMs"
    with Run(f"{OBJECTS}/lsm.o", "-o", "json", "-v") as run:
        run.attached(1)
        pid = ends(9)
        run.row(lambda row: row["pid"] == pid)
    return YES


def iterators() -> str:
    """Show the lines of iterators of tasks and of a map."""
    with Run(f"{OBJECTS}/iter.o", "-o", "json", "-v") as run:
        run.attached(2)
        pid = os.getpid()
        run.row(lambda row: row["map"] == "tasks" and row["line"].startswith(f"{pid} "))
        run.row(lambda row: (row["map"], row["line"]) == ("elements", "2=0"))
    return YES


CHECKS: Final = (
    Check("fentry, fexit", trampolines, ("trampolines",)),
    Check("kprobe.multi", kprobe_multi, ("kprobe_multi",)),
    Check("lsm", lsm, ("lsm",)),
    Check("iter", iterators, ("iter",)),
    Check("raw_tp", raw_tp, ("raw_tp",)),
    Check("tp_btf", tp_btf, ("tp_btf",)),
)
