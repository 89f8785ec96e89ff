"""Programs that beepy has rewritten: each pass on every object, exact losses, and whose events."""

import ctypes
import os
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import beepy
from beepy.collection.load import load
from beepy.collection.missed import missed
from beepy.errors import BeepyError
from beepy.host.machine import release
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.support.bundle import BUSYBOX, CRUN, write
from tests.support.passes import Outcomes
from tests.vm.checks.check import OBJECTS, Check, Skipped, parsed
from tests.vm.checks.command import Run
from tests.vm.checks.counted import Requirements, alone, reason
from tests.vm.checks.groups import group

_TRIGGER: Final = 0xBEE
_BURST: Final = 1000
_BURSTS: Final = 20
_CALLS: Final = 5
_SECONDS: Final = 300
_LAST: Final = 5  # the exit code of a container
# missed runs are counted since: 9ed9e9ba2337, "bpf: Count the number of times recursion was
# prevented" (trampolines); dd8657894c11, "bpf: Count missed stats in trace_call_bpf"; raw
# tracepoints count since v6.2, but the kernel does not say so before v6.7
_TRAMPOLINES: Final = (5, 12, 0)
_PROBES: Final = (6, 7, 0)
_SLEEPABLE: Final = (
    "uprobe.s//bin/sh:main",
    "fentry.s/__x64_sys_prctl",
    "lsm.s/bprm_committed_creds",
)


def _images() -> Iterator[CollectionSpec]:
    for name in bundled_store().names():
        yield parse(bundled_store().get(name))


def _objects() -> Iterator[CollectionSpec]:
    for path in sorted(OBJECTS.glob("*.o")):
        try:
            yield parse(path.read_bytes(), name=path.stem)
        except BeepyError:  # other checks are about those
            continue


def _sleepable() -> Iterator[CollectionSpec]:
    for section in _SLEEPABLE:
        insns, name = (Insn(op.MOV64_IMM), Insn(op.EXIT)), section.partition("/")[0]
        program = ProgramSpec(name, section, insns, (), (), (), (), ((name, 0),))
        yield CollectionSpec(section, "GPL", (program,), (), (), (), None)


def passes(specs: Iterator[CollectionSpec]) -> Outcomes:
    """Load every program as it is, and rewritten by each pass: none is refused that was not."""
    outcomes = Outcomes()
    for spec in specs:
        outcomes.add(spec)
    assert not outcomes.wrong, "\n".join(outcomes.wrong)
    return outcomes


def sleepable() -> str:
    """Load programs that may sleep, which have no array of cgroups."""
    outcomes = passes(_sleepable())
    return "; ".join([str(outcomes), *outcomes.unloadable])


def losses(stream: str) -> str:
    """Send more than fits before and while it is read: shown + lost = produced."""
    program, row = {"print_ring": ("fill_ring", 0), "print_perf": ("fill_perf", 1)}[stream]
    with beepy.open(OBJECTS / "overflow.o", programs=program, interval=None) as run:
        run.attach()

        def produce(then: Callable[[], None]) -> None:
            for _ in range(_BURSTS):
                ctypes.CDLL(None).prctl(_TRIGGER, _BURST, 0, 0, 0)
            then()

        produce(lambda: None)
        producer = threading.Thread(target=produce, args=(run.stop,))
        producer.start()
        counts = Counter[str]()
        for batch in run.batches():
            counts[batch.schema.map] += batch.records
        producer.join()
        produced = run.maps["gauge_produced"][row]
        lost = run.stats.total_lost
    assert produced == 2 * _BURST * _BURSTS
    assert lost
    assert counts[stream] + lost == produced, (counts, lost, produced)
    return f"{counts[stream]} shown + {lost} lost"


@contextmanager
def _waiting(folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that ends once its input does; it is in a cgroup, if one is given."""
    code = "read nothing; exit 3"
    if folder:
        code = f"echo 0 >{folder}/cgroup.procs; echo; {code}"
    with subprocess.Popen(
        ["sh", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        if folder:
            assert process.stdout
            process.stdout.readline()
        yield process


def selected() -> str:
    """Show the ends of chosen processes alone, by each choice."""
    with group() as folder:
        for choose in (
            lambda chosen: {"pid": chosen.pid},
            lambda chosen: {"pid": [chosen.pid, 1]},
            lambda _: {"cgroup": folder},
        ):
            with _waiting(folder) as chosen, _waiting() as other:
                assert _ended(choose(chosen), chosen, other) == [chosen.pid], choose(chosen)
    with _waiting() as one, _waiting() as two:
        assert set(_ended({"comm": "sh"}, one, two)) == {one.pid, two.pid}
    with _waiting() as one, _waiting() as two:
        assert _ended({"comm": ["true", "false"]}, one, two) == []
    with _waiting() as one, _waiting() as two:
        assert _ended({"uid": 1}, one, two) == []
    return "yes"


def _ended(options: dict[str, Any], *processes: subprocess.Popen[bytes]) -> list[int]:
    """Return which processes exitsnoop shows, of those that end."""
    with beepy.open("exitsnoop", **options) as run:
        run.attach()
        for process in processes:
            process.communicate()
        run.stop()
        pids = {process.pid for process in processes}
        return [event.pid for event in run.events() if event.pid in pids]


def executions() -> str:
    """Show programs by the name of the process that starts them, which they change."""
    with beepy.open("execsnoop", comm="bash", interval=None) as run:
        run.attach()
        for shell in ("bash", "sh"):
            subprocess.run([shell, "-c", "/bin/true; /bin/false; :"], check=True)
        run.stop()
        shown = [event.comm for event in run.events()]
    assert shown == ["true", "false"], shown
    return "yes"


def missed_runs() -> str:
    """Nest programs in themselves: each run that the kernel skips is counted, or not known."""
    told = []
    spec = parsed("nested")
    why = reason("trampolines", Requirements((5, 5), "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"))
    for inner, since, why_not in (
        ("printed", _PROBES, ""),
        ("deleted", _TRAMPOLINES, why),
    ):
        counted = release() >= since
        # a kernel that does not prevent it would not come out of it again
        names = ("outer", inner) if counted and not why_not else ("outer",)
        with load(alone(spec, *names), variables={"pid": os.getpid()}) as collection:
            collection.attach()
            for _ in range(_CALLS):
                ctypes.CDLL(None).prctl(_TRIGGER, 0, 0, 0, 0)
            counts = missed(collection)
        assert counts["outer"] == (0 if release() >= _PROBES else None), counts
        if inner in names:
            assert counts[inner] == _CALLS, counts
        told.append(f"{inner}: {counts.get(inner, 'not run')}")
    with Run("exitsnoop", "-o", "json", "-v", "--no-metrics") as run:
        run.attached(1)
    assert ("missed runs unknown" in run.told) == (release() < _PROBES), run.told
    return ", ".join(told)


def container() -> str:
    """Show the ends of a container's processes alone; it is named by the beginning of its id."""
    if not CRUN.exists():
        raise Skipped("not installed: crun")
    rows: list[tuple[str, int]] = []

    def look(row: dict[str, Any]) -> bool:
        rows.append((row["comm"], row["exit_code"]))
        return rows[-1][1] == _LAST

    with tempfile.TemporaryDirectory() as bundle:
        code = f"echo ready; read nothing; {BUSYBOX} false; exit {_LAST}"
        write(Path(bundle), identity := token_hex(32), code)
        # the root of a guest is an initramfs, which cannot be pivoted
        command = [
            str(CRUN),
            "--cgroup-manager=cgroupfs",
            "run",
            "--no-pivot",
            "-b",
            bundle,
            identity,
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
            assert running.stdout
            assert running.stdout.readline() == b"ready\n"
            with Run("exitsnoop", "-o", "json", "-v", "--container", identity[:12]) as run:
                run.attached(1)
                subprocess.run(["sh", "-c", "exit 4"], check=False)
                running.communicate(b"\n")
                run.row(look)
    assert running.returncode == _LAST
    assert rows == [("busybox", 1), ("busybox", _LAST)], rows
    return "yes"


CHECKS: Final = (
    Check("rewritten images", lambda: str(passes(_images())), seconds=_SECONDS),
    Check("rewritten objects", lambda: str(passes(_objects())), ("everything",), seconds=_SECONDS),
    Check("rewritten sleepable programs", sleepable),
    Check("losses, ring", partial(losses, "print_ring"), ("overflow",)),
    Check("losses, perf buffer", partial(losses, "print_perf"), ("overflow",)),
    Check("whose events", selected),
    Check("whose executions", executions),
    Check("missed runs", missed_runs, ("nested", "trampolines")),
    Check("container by crun", container),
)
