"""Runs that select, beside a run of the same image that does not, while others do the same."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import beepy
from beepy.api import OpenOptions
from beepy.events.row import Row
from beepy.obj.spec import CollectionSpec
from beepy.source import parse
from tests.kernel.conftest import ObjectOf
from tests.soak import times
from tests.support import probed
from tests.support.workers import Worker, workers

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("same_pids")]

UID = 65533
TOLD = ("pid", "comm", "fname", "args", "line", "exit_code", "name", "returned", "first", "second")


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """A program with USDT probes, which every user may execute."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield probed.compiled(Path(directory), "-O2")


def choice(kind: str, chosen: Worker, group: Path) -> OpenOptions:
    options = OpenOptions()
    if kind == "uid":
        options["uid"] = UID
    elif kind == "cgroup":
        options["cgroup"] = group
    elif kind == "comm":
        options["comm"] = "chosen"
    else:
        options["pid"] = chosen.pid
    return options


def beside(
    image: str | CollectionSpec,
    what: str,
    count: int,
    by: tuple[Worker, Worker],
    *options: OpenOptions,
) -> tuple[list[list[Row]], tuple[int, int]]:
    """Run with each of the options at once; return the rows, and the pids of who did it."""
    chosen, other = by
    with beepy.open(image, **options[0]) as one, beepy.open(image, **options[1]) as another:
        runs = (one, another)
        for run in runs:
            run.attach()
        noise = threading.Thread(target=other.do, args=(what, count))
        noise.start()
        actor = chosen.do(what, count)
        noise.join()
        for run in runs:
            run.stop()
        return [list(run.events()) for run in runs], (actor, other.do(what, 0))


def told(row: Row) -> tuple[object, ...]:
    return tuple(getattr(row, name, None) for name in TOLD)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["uid", "cgroup"])
@pytest.mark.parametrize(
    ("image", "what", "process"),
    [
        ("opensnoop", "open", "pid"),
        ("exitsnoop", "run", "ppid"),
        ("exitsnoop-counter", "run", "ppid"),
        ("execsnoop", "run", "ppid"),
        ("bashreadline", "/bin/bash", "pid"),
        ("uprobes", "getenv", "pid"),
        ("usdt", "", "pid"),
    ],
)
def test_the_same_rows(  # noqa: PLR0917 - a table's row
    image: str, what: str, process: str, kind: str, group: Path, program: Path, object_of: ObjectOf
) -> None:
    """Each row of the chosen is in both runs, and no other one in the run that selects."""
    if what == "/bin/bash" and not Path(what).exists():
        pytest.skip("bash is not installed")
    count = times(100)
    ran: str | CollectionSpec = image
    everything = OpenOptions()
    if image in {"uprobes", "usdt"}:
        ran = parse(Path(object_of(image)).read_bytes(), name=image)
    if image == "usdt":
        what = str(program)
        everything["targets"] = {
            "three": f"{program}:beepy:hit",
            "plain": f"{program}:beepy:bare",
        }
    with workers(("chosen", UID, group), ("other", 0)) as (chosen, other):
        selecting = everything | choice(kind, chosen, group)
        (all_rows, selected), (actor, _) = beside(
            ran, what, count, (chosen, other), everything, selecting
        )
    rows = [
        Counter(told(row) for row in rows if row[process] == actor) for rows in (all_rows, selected)
    ]
    assert rows[0] == rows[1]
    assert sum(rows[0].values()) >= count
    assert {row[process] for row in selected} <= {actor, chosen.pid}
    assert {row[process] for row in all_rows} - {actor, chosen.pid}


@pytest.mark.parametrize("kind", ["pid", "uid", "comm", "cgroup"])
def test_samples(kind: str, group: Path, object_of: ObjectOf) -> None:
    """A sample is taken for each run apart: those of the one are not those of the other."""
    spec = parse(Path(object_of("perf_event")).read_bytes(), name="perf_event")
    everything = OpenOptions(targets={"sample": "cpu-clock:period=1000000"})
    with workers(("chosen", UID, group), ("other", 0)) as (chosen, other):
        selecting = everything | choice(kind, chosen, group)
        (all_rows, selected), _ = beside(spec, "burn", 100, (chosen, other), everything, selecting)
    assert {row.pid for row in selected} == {chosen.pid}
    assert {row.pid for row in all_rows} >= {chosen.pid, other.pid}


def test_waiting_for_a_processor() -> None:
    """The image selects by its own variable; its rows do not say who waited."""
    count = 50
    with workers(("chosen", 0), ("other", 0)) as (chosen, other):
        for waiting in (chosen, other):
            selecting = OpenOptions(pid=waiting.pid)
            (all_rows, selected), _ = beside(
                "runqlat", "sleep", count, (chosen, other), OpenOptions(), selecting
            )
            assert count <= len(selected) < len(all_rows)
