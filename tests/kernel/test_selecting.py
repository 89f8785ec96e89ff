"""Whose events: what is shown beside what happened."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Unpack

import pytest

import beepy
from beepy.api import OpenOptions
from beepy.errors import AttachError
from beepy.host import cgroups, containers
from beepy.rewrite.edit import Code
from beepy.source import parse
from tests.kernel.conftest import ObjectOf
from tests.soak import times
from tests.support.workers import Worker, workers

pytestmark = pytest.mark.kernel


def opened(
    pids: Sequence[int], act: Callable[[], None], **options: Unpack[OpenOptions]
) -> Counter[int]:
    """Return how many opens of /dev/null opensnoop shows, by process, while ``act`` runs."""
    counts: Counter[int] = Counter()
    options["timeout"] = 0.5
    with beepy.open("opensnoop", **options) as run:
        run.attach()
        act()
        for event in run.events():
            if event.fname == "/dev/null":
                counts[event.pid] += 1
            assert not options.get("pid") or event.pid in pids
    return counts


def test_each_choice_and_several_together(group: Path) -> None:
    below = group / "below"
    below.mkdir()
    with workers(("one", 0), ("two", 65534), ("two", 0, below), ("four", 0)) as all_of_them:
        pids = [worker.pid for worker in all_of_them]
        a, b, c, d = pids

        def act() -> None:
            for count, worker in enumerate(all_of_them, 1):
                worker.do("open", count)

        def seen(**options: Unpack[OpenOptions]) -> dict[int, int]:
            counts = opened(pids, act, **options)
            return {pid: counts[pid] for pid in pids if counts[pid]}

        assert seen() == {a: 1, b: 2, c: 3, d: 4}
        assert seen(pid=b) == {b: 2}
        assert seen(pid=[a, d]) == {a: 1, d: 4}
        assert seen(comm="two") == {b: 2, c: 3}
        assert seen(comm=["one", "four"]) == {a: 1, d: 4}
        assert seen(uid=65534) == {b: 2}
        assert seen(uid=[65534, 65533]) == {b: 2}
        assert seen(cgroup=group) == {c: 3}
        assert seen(cgroup=[str(below), str(group)]) == {c: 3}
        assert seen(comm="two", uid=0, cgroup=cgroups.root()) == {c: 3}
        assert seen(comm="two", pid=a) == {}


def test_a_process_that_comes_later_into_a_group_below(group: Path) -> None:
    with beepy.open("opensnoop", cgroup=group, timeout=0.5) as run:
        run.attach()
        later = group / "later"
        later.mkdir()
        with workers(("late", 0, later), ("other", 0)) as (inside, outside):
            inside.do("open", 5)
            outside.do("open", 5)
            shown = Counter(event.pid for event in run.events() if event.fname == "/dev/null")
            assert shown == {inside.pid: 5}


def test_programs_that_may_sleep_are_left_to_a_cgroup_too(group: Path, object_of: ObjectOf) -> None:
    below = group / "below"
    below.mkdir()
    (other := group / "other").mkdir()
    spec = parse(Path(object_of("uprobes")).read_bytes(), name="uprobes")
    sleepable = [
        program._replace(section=program.section.replace("probe/", "probe.s/"))
        for program in spec.programs
    ]
    with workers(("inside", 0, below), ("outside", 0, other)) as (inside, outside):
        for chosen, expected in (
            ((group,), {inside.pid: 6, outside.pid: 4}),
            ((below,), {inside.pid: 6}),
            ((below, other), {inside.pid: 6, outside.pid: 4}),
            ((group / "below" / "..",), {inside.pid: 6, outside.pid: 4}),
        ):
            with beepy.open(spec._replace(programs=tuple(sleepable)), cgroup=chosen) as run:
                run.attach()
                inside.do("getenv", 3)
                outside.do("getenv", 2)
                run.stop()
                assert Counter(event.pid for event in run.events()) == expected


@pytest.mark.soak
def test_an_execution_is_chosen_by_the_name_at_its_beginning() -> None:
    executions = times(200)
    with workers(("starter", 0), ("another", 0)) as (starter, another):
        for name, expected in (("starter", executions), ("true", 0)):
            with beepy.open("execsnoop", comm=name, timeout=0.5, count=executions) as run:
                run.attach()
                starter.do("run", executions)
                another.do("run", 10)
                shown = [event for event in run.events() if event.comm == "true"]
                tables = {name: len(table) for name, table in run.maps.items()}
            assert len(shown) == expected
            assert not any(tables.values()), tables


def test_metrics_hold_for_the_chosen_alone() -> None:
    """Others on this machine may run true, too: only what the workers started is counted."""
    with workers(("chosen", 0), ("other", 0)) as (chosen, other):
        with beepy.open("exitsnoop-counter", comm="true", interval=None) as run:
            run.attach()
            chosen.do("run", 7)
            subprocess.run(["/bin/ls", "/"], check=True, stdout=subprocess.DEVNULL)
            other.do("run", 3)
            run.stop()
            events = list(run.events())
        assert {event.comm for event in events} == {"true"}
        parents = Counter(event.ppid for event in events)
        assert (parents[chosen.pid], parents[other.pid], parents[os.getpid()]) == (7, 3, 0)


def test_a_program_that_cannot_be_changed_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verifier refuses it: nothing is run as if nobody had been chosen."""
    from beepy.obj.insn import Insn
    from beepy.rewrite import prologue

    bad = Code((Insn(0x61, 0, 9),))  # reads through r9, which has no value
    monkeypatch.setattr(prologue, "_code", lambda _checks: bad)
    with pytest.raises(beepy.VerifierError, match="program 'sched_process_exit'"):
        beepy.open("exitsnoop", comm="true")


def test_a_directory_that_is_no_cgroup_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(AttachError, match=f"cgroup '{path}': "):
            beepy.open("exitsnoop", cgroup=path)


def test_process_ids_of_another_namespace_are_refused() -> None:
    done = subprocess.run(
        [
            *("unshare", "--pid", "--fork", sys.executable),
            *("-m", "beepy", "run", "exitsnoop", "--pid", "1"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    first, note = done.stderr.splitlines()
    assert (done.returncode, first) == (
        2,
        "beepy: --pid: the kernel has other numbers than this PID namespace",
    )
    assert note.startswith("note: run it in the host's PID namespace")


def test_programs_that_are_not_rewritten_select_nothing() -> None:
    with pytest.raises(beepy.UsageError, match="rewrite=False: events of some processes"):
        beepy.open("exitsnoop", comm="true", rewrite=False)


def until_seen(run: beepy.Run, worker: Worker) -> Counter[int]:
    """Let a worker open files until one is shown, and end the run; return the opens by process."""
    seen: Counter[int] = Counter()
    found = threading.Event()

    def act() -> None:
        while not found.is_set():
            worker.do("open", 1)

    acting = threading.Thread(target=act)
    acting.start()
    try:
        for event in run.events():
            seen[event.pid] += event.fname == "/dev/null"
            if seen[worker.pid]:
                run.stop()
    finally:
        found.set()
        acting.join()
    return seen


@pytest.mark.parametrize("end", ["0", "1"], ids=["its own name", "another one"])
def test_a_container_that_is_started_again(group: Path, end: str) -> None:
    """It has another cgroup then, and another id if it was removed before."""
    begin = f"{os.getpid():012x}"
    first, second = (group / (begin + last * 52) for last in ("0", end))
    first.mkdir()
    with beepy.open("opensnoop", container=begin) as run:
        run.attach()
        with workers(("first", 0, first), ("outside", 0)) as (inside, outside):
            inside.do("open", 2)
        while first.exists():  # the kernel may still end the process
            with suppress(OSError):
                first.rmdir()
        second.mkdir()
        with workers(("second", 0, second), ("outside", 0)) as (again, outside):
            outside.do("open", 2)
            seen = until_seen(run, again)
    assert seen[inside.pid] == 2
    assert not seen[outside.pid]


def test_a_container_that_is_started_later(
    group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = f"{os.getpid():064x}"
    config = tmp_path / "var/lib/docker/containers" / identity / "config.v2.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"Name": "/web"}')
    tree = containers.Tree(cgroups.root(), str(tmp_path))
    monkeypatch.setattr(containers, "this_machine", lambda: [tree])
    with beepy.open("opensnoop", container="web") as run:
        run.attach()
        (group / identity).mkdir()
        with workers(("web", 0, group / identity), ("outside", 0)) as (inside, outside):
            outside.do("open", 2)
            seen = until_seen(run, inside)
    assert not seen[outside.pid]


@pytest.fixture
def old_group() -> Iterator[Path]:
    """A container's directory in a hierarchy of version 1, as docker's cgroupfs driver names it."""
    roots = cgroups.old_roots()
    if not roots:
        pytest.skip("no hierarchy of cgroups of version 1 is mounted")
    made = Path(roots[-1]) / f"{os.getpid():064x}"
    made.mkdir()
    yield made
    made.rmdir()


def test_a_container_of_version_1(old_group: Path) -> None:
    """One process is there before, another enters later and is chosen as soon as it is found."""
    with workers(("inside", 0, old_group), ("outside", 0)) as (inside, outside):
        with beepy.open("opensnoop", container=old_group.name) as run:
            run.attach()
            inside.do("open", 3)
            outside.do("open", 3)
            with workers(("late", 0, old_group)) as (late,):
                seen = until_seen(run, late)
        assert seen[inside.pid] == 3
        assert seen[late.pid] >= 1
        assert not seen[outside.pid]


def test_a_container_of_version_1_and_a_process(old_group: Path) -> None:
    described = (("one", 0, old_group), ("two", 0, old_group), ("outside", 0))
    with workers(*described) as (one, two, outside):
        pids = [one.pid, outside.pid]
        with beepy.open("opensnoop", container=old_group.name, pid=pids) as run:
            run.attach()
            for worker in (one, two, outside):
                worker.do("open", 2)
            run.stop()
            opened = Counter(event.pid for event in run.events() if event.fname == "/dev/null")
        assert opened == {one.pid: 2}
