"""Kinds of attach points, each by a test program: attached, and the event seen."""

import os
from collections import Counter
from ctypes import Structure, addressof, c_uint32, c_uint64, sizeof
from fnmatch import fnmatchcase
from typing import Any, Final

from beepy import uapi
from beepy.collection.load import load
from beepy.hooks import Target
from beepy.host import tracefs
from beepy.sys import syscall
from tests.vm.checks.check import OBJECTS, YES, Check, parsed
from tests.vm.checks.command import Run
from tests.vm.checks.counted import SEEN, Requirements, alone, reason
from tests.vm.checks.images import ends


class KprobeMultiInfo(Structure):
    """``kprobe_multi`` of struct bpf_link_info.

    Since 7ac8d0d26150, "bpf: Support ->fill_link_info for kprobe_multi".
    """

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("prog_id", c_uint32),
        ("addrs", c_uint64),
        ("count", c_uint32),
        ("flags", c_uint32),
        ("rest", c_uint64 * 16),
    )


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
    if why := reason(
        "trampolines", Requirements((5, 5), "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS")
    ):
        return why
    with Run(f"{OBJECTS}/trampolines.o", "-o", "json", "-v") as run:
        run.attached(2)
        rows = both(run, ends(9))
    assert (rows[1]["value"], rows[2]["value"]) == (9, 0)
    return SEEN


def kprobe_multi() -> str:
    """Show many functions' entries and returns by two links."""
    if why := reason("kprobe_multi", Requirements((5, 18), "CONFIG_FPROBE")):
        return why
    with Run(f"{OBJECTS}/kprobe_multi.o", "-o", "json", "-v") as run:
        run.attached(2)
        both(run, ends(9))
    return SEEN


def namesakes() -> str:
    """Attach to all functions of one name, of which the kernel itself finds only the first.

    Functions with other names stay unattached.
    """
    if why := reason("kprobe_multi", Requirements((6, 6), "CONFIG_FPROBE")):
        return why
    names = Counter([name for _, name in tracefs.functions()])
    name = f"{names.most_common(1)[0][0][:-1]}?"
    count = sum([times for one, times in names.items() if fnmatchcase(one, name)])
    spec = alone(parsed("kprobe_multi"), "entered")
    with load(spec, targets={"entered": Target(name)}) as collection:
        collection.attach()
        info = KprobeMultiInfo()
        ((fd,),) = [link._fds for link in collection.links]
        asked = uapi.ObjInfo(bpf_fd=fd.fileno(), info_len=sizeof(info), info=addressof(info))
        syscall.obj_get_info_by_fd(asked, "a test")
    assert info.count == count
    with load(spec, targets={"entered": Target("no_such_function")}, missing="skip") as collection:
        collection.attach()
        (told,) = collection.skipped.reasons.values()
        assert not collection.links
    where = "program 'entered': function 'no_such_function'"
    assert told == f"{where}: not a traceable function of this kernel"
    return YES


def lsm() -> str:
    """Show a program that is about to be started, by a hook that could forbid it."""
    if why := reason("lsm", Requirements((5, 7), "CONFIG_BPF_LSM")):
        return why
    with Run(f"{OBJECTS}/lsm.o", "-o", "json", "-v") as run:
        run.attached(1)
        pid = ends(9)
        run.row(lambda row: row["pid"] == pid)
    return SEEN


def iterators() -> str:
    """Show the lines of iterators of tasks and of a map."""
    if why := reason("iter", Requirements((5, 8))):
        return why
    with Run(f"{OBJECTS}/iter.o", "-o", "json", "-v") as run:
        run.attached(2)
        pid = os.getpid()
        run.row(lambda row: row["map"] == "tasks" and row["line"].startswith(f"{pid} "))
        run.row(lambda row: (row["map"], row.get("line")) == ("elements", "2=0"))
    return SEEN


CHECKS: Final = (
    Check("fentry, fexit", trampolines, ("trampolines",), kinds=("fentry", "fexit")),
    Check("kprobe.multi", kprobe_multi, ("kprobe_multi",), kinds=("kprobe.multi",)),
    Check("functions of one name", namesakes, ("kprobe_multi",)),
    Check("lsm", lsm, ("lsm",), kinds=("lsm",)),
    Check("iter", iterators, ("iter",), kinds=("iter",)),
    Check("raw_tp", raw_tp, ("raw_tp",), kinds=("raw_tp",)),
    Check("tp_btf", tp_btf, ("tp_btf",), kinds=("tp_btf",)),
)
