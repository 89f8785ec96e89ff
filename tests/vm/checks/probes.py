"""Perf events: functions of the kernel and of programs, USDT, samples; by PMU and by tracefs."""

import ctypes
import errno
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from beepy import hooks
from beepy.collection.load import load
from beepy.errors import AttachError, NotSupported
from beepy.hooks import Target
from beepy.host import machine
from tests.support import executable
from tests.support.trigger import TRIGGER, trigger
from tests.vm.checks.check import OBJECTS, YES, Check, parsed
from tests.vm.checks.command import Run
from tests.vm.checks.counted import RUN, SEEN, Requirements, reason
from tests.vm.checks.images import attached_by

_CLONE_NEWNS: Final = 0x00020000
_BY_TRACEFS: Final = ", attaching by tracefs"
_TRACING: Final = Path("/sys/kernel/tracing")
_PROGRAM: Final = Path("/tmp/passes")


def _without_pmus() -> None:
    """Hide perf's PMUs from this process and its children, as if the kernel had none."""
    assert ctypes.CDLL(None).unshare(_CLONE_NEWNS) == 0
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/bus/event_source/devices"], check=True)


def _way(told: str) -> str:
    way = attached_by(told)
    return f"{SEEN}, tracefs, {way}" if _BY_TRACEFS in told else f"{SEEN}, {way}"


def _events(kind: str) -> list[str]:
    return [
        line for line in (_TRACING / f"{kind}_events").read_text().splitlines() if ":beepy/" in line
    ]


def kprobes(*, pmu: bool) -> str:
    """Show entry and return of a function and of a system call, and by a foreign name."""
    if why := reason("kprobes", Requirements(option="CONFIG_KPROBE_EVENTS")):
        _run_as_raw_tracepoints()
        return f"{why}; {RUN} as raw tracepoints"
    if not pmu:
        _without_pmus()
    found: dict[str, tuple[int, ...]] = {}

    def look(row: dict[str, Any]) -> bool:
        if row["pid"] == os.getpid():
            found[row["kind"]] = (row["op"], row["number"], row["ret"])
        return len(found) == 5

    with Run(f"{OBJECTS}/kprobes.o", "-o", "json", "-d") as run:
        run.attached(5)
        trigger(3, 4, TRIGGER)
        run.row(look)
    begins = dict.fromkeys(("FUNCTION", "SYSCALL", "ENTRY"), (3, 4, 0))
    assert found == {**begins, "FUNCTION_RETURN": (0, 0, -38), "SYSCALL_RETURN": (0, 0, -22)}
    assert (_BY_TRACEFS in run.told) != pmu
    assert _events("kprobe") == []
    return _way(run.told)


def _run_as_raw_tracepoints() -> None:
    from tests.support import kprobed  # it needs pytest, and no guest comes here

    def look() -> None:
        for name in ("function", "function_return"):
            kernel.call(name, TRIGGER, 3, 4, returned=7)
        registers = kernel.place(kprobed.pack((TRIGGER, 3, 4)))
        for name in ("syscall", "syscall_return", "entry"):
            kernel.call(name, registers, returned=7)

    with kprobed.loaded(parsed("kprobes")) as kernel:
        found = [(row["op"], row["number"], row["ret"]) for row in kernel.rows(look)]
    assert found == [(3, 4, 0), (0, 0, 7), (3, 4, 0), (0, 0, 7), (3, 4, 0)]


def absent() -> str:
    """Say what is wrong with a function that is not there, and with an offset that is none."""
    names = {name for _, kind, name in machine.symbols() if kind in "tTwW"}
    part = next(name for name in names if ".isra." in name and name.partition(".")[0] not in names)
    for name, advice in (
        ("cap_task_prctk", "similar ones: cap_task_prctl"),
        (part.partition(".")[0], "the compiler split it into "),
    ):
        error = _refused(name)
        assert error
        assert str(error) == f"program 'function': kprobe {name}: function not found in this kernel"
        assert error.errno == errno.ENOENT
        assert any(note.startswith(advice) for note in error.__notes__), error.__notes__
    error = _refused("cap_task_prctl+1")
    assert error
    assert error.__notes__ == ["the offset must be that of an instruction within the function"]
    # Past the instructions of ftrace, and endbr64.
    offsets = (9, 5) if os.uname().machine == "x86_64" else (16,)
    assert any(_refused(f"cap_task_prctl+{offset}") is None for offset in offsets)
    return YES


def _refused(name: str) -> AttachError | None:
    """Attach to that function; return why it is refused."""
    with load(parsed("kprobes"), targets={"function": Target(name)}) as collection:
        try:
            collection.attach()
        except AttachError as error:
            return error
        return None


def killed() -> str:
    """Leave kprobe events behind by dying, and see them go with the next start."""
    _without_pmus()
    pid = os.fork()
    if not pid:
        collection = load(parsed("kprobes"))
        collection.attach()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    left = _events("kprobe")
    assert len(left) == 5
    assert all(f":beepy/kprobe_{pid}_" in line for line in left), left
    with load(parsed("kprobes")) as collection:
        collection.attach()
        assert all(f":beepy/kprobe_{os.getpid()}_" in line for line in _events("kprobe"))
    assert _events("kprobe") == []
    hooks.sweep()
    assert not [path for path in Path("/run/beepy").iterdir() if path.is_file()]
    return YES


def uprobes(*, pmu: bool) -> str:
    """Show a library's function: what it is called with, and what it returns."""
    if not pmu:
        _without_pmus()
    getenv = ctypes.CDLL(None).getenv
    found: list[tuple[int, str, int]] = []

    def look(row: dict[str, Any]) -> bool:
        if row["pid"] == os.getpid():
            found.append((row["returned"], row["name"], row["value"]))
        return len(found) == 2

    with Run(f"{OBJECTS}/uprobes.o", "-o", "json", "-d") as run:
        run.attached(2)
        getenv(b"PATH")
        run.row(look)
    assert sorted(found) == [(0, "PATH", 0), (1, "", 1)], found
    assert (_BY_TRACEFS in run.told) != pmu
    assert _events("uprobe") == []
    return _way(run.told)


def usdt(*, pmu: bool) -> str:
    """Show a probe's arguments, to both programs; its semaphore counts places."""
    if not pmu:
        _without_pmus()
    _PROGRAM.write_bytes(executable.passes(os.uname().machine))
    _PROGRAM.chmod(0o755)
    where = f"{_PROGRAM}:ours:three"
    targets = ("--attach", f"three={where}", "--attach", f"plain={where}")
    found: list[tuple[int, ...]] = []

    def look(row: dict[str, Any]) -> bool:
        found.append(tuple(row[name] for name in ("pid", "count", "first", "second", "third")))
        return len(found) == 2

    with Run(f"{OBJECTS}/usdt.o", "-o", "json", "-d", *targets) as run:
        run.attached(2)
        with subprocess.Popen([_PROGRAM]) as process:
            assert process.wait() == 1
        run.row(look)
    assert sorted(found) == [(process.pid, 3, 0, 0, 0), (process.pid, 3, 5, -6, 7)], found
    assert (_BY_TRACEFS in run.told) != pmu
    return _way(run.told)


def clock() -> str:
    """Show samples of a process that works."""
    with Run(
        f"{OBJECTS}/perf_event.o", "-o", "json", "-d", "--attach", "sample=cpu-clock:freq=999"
    ) as run:
        run.attached(1)
        end = time.thread_time() + 0.2
        while time.thread_time() < end:
            pass
        run.row(lambda row: row["pid"] == os.getpid())
    return _way(run.told)


def cycles() -> str:
    """Attach to what the processor counts, if it does: an emulated one does not."""
    with load(parsed("perf_event"), targets={"sample": Target("cycles:freq=99")}) as collection:
        try:
            collection.attach()
        except NotSupported as error:
            return str(error).partition(": ")[2]
    return SEEN


CHECKS: Final = (
    Check(
        "kprobe, ksyscall",
        partial(kprobes, pmu=True),
        ("kprobes",),
        kinds=("kprobe", "kretprobe", "ksyscall"),
    ),
    Check("kprobe, by tracefs", partial(kprobes, pmu=False), ("kprobes",)),
    Check("kprobe, not there", absent, ("kprobes",)),
    Check("kprobe, killed", killed, ("kprobes",)),
    Check("uprobe", partial(uprobes, pmu=True), ("uprobes",), kinds=("uprobe", "uretprobe")),
    Check("uprobe, by tracefs", partial(uprobes, pmu=False), ("uprobes",)),
    Check("usdt", partial(usdt, pmu=True), ("usdt",), kinds=("usdt",)),
    Check("usdt, by tracefs", partial(usdt, pmu=False), ("usdt",)),
    Check("perf_event, software", clock, ("perf_event",), kinds=("perf_event, software",)),
    Check("perf_event, hardware", cycles, ("perf_event",), kinds=("perf_event, hardware",)),
)
