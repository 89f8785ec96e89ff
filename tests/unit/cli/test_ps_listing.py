import re

import pytest

from beepy.cli import ps_listing
from beepy.ps.values import Link, Machine, Map, Program

COUNT = Program(
    id=7,
    name="count\x1b",
    type="tracepoint",
    tag="00",
    attached=("tracepoint sched_process_exit", "uprobe /bin/x+0x10"),
    image="exitsnoop",
    pids=(1, 2, 3, 4, 5),
    runs_per_second=1234.5,
    ns_per_run=1234.5,
    cpu=0.00152,
    bytes=4096,
    maps=(3, 4),
    links=(5,),
    pins=("/sys/fs/bpf/a",),
    uid=0,
)
IDLE = COUNT._replace(
    id=2,
    name="idle",
    attached=(),
    image=None,
    pids=(),
    runs_per_second=None,
    ns_per_run=None,
    cpu=None,
)
RING = Map(3, "print_exits", "ringbuf", 0, 0, 4194304, 4223304, (7,), (1,), ())
LINK = Link(5, "perf_event", 7, "tracepoint sched_process_exit", (1,), ())
ALL = Machine(1.0, (IDLE, COUNT), (RING,), (LINK,), 0)


def test_what_costs_most_is_first() -> None:
    attached = "tracepoint sched_process_exit, uprobe /bin/x+0x10"
    header, *lines = ps_listing.programs(ALL, None)
    assert header.split() == [
        *("ID", "NAME", "TYPE", "IMAGE", "PIDS", "RUNS/S", "TIME/RUN", "CPU", "ATTACHED")
    ]
    assert lines == [
        rf" 7  count\x1b  tracepoint  exitsnoop  1,2,3,+2    1234    1.23us  0.15%  {attached}",
        r" 2  idle       tracepoint  -          -              -         -      -  -",
    ]


@pytest.mark.parametrize(
    ("width", "hidden"), [(110, set()), (100, {"TYPE"}), (80, {"TYPE", "PIDS"})]
)
def test_a_table_fits_the_terminal(width: int, hidden: set[str]) -> None:
    lines = ps_listing.programs(ALL, width)
    assert max(map(len, lines)) == width
    assert {"TYPE", "PIDS"} - set(lines[0].split()) == hidden
    assert re.search(r"tracepoint sched_process_.*…$", lines[1])


def test_no_programs() -> None:
    assert ps_listing.programs(Machine(1.0, (), (), (), 0), 80) == [
        "ID  NAME  TYPE  IMAGE  PIDS  RUNS/S  TIME/RUN  CPU  ATTACHED"
    ]


def test_wide_has_everything() -> None:
    _, idle, _, empty, header, ring, _, _, link = ps_listing.wide(ALL)
    assert idle.split()[-5:] == ["4.1kB", "0", "3,4", "5", "/sys/fs/bpf/a"]
    assert empty == ""
    assert header.split() == ["ID", "MAP", "TYPE", "MEMORY", "ENTRIES", "PROGRAMS", "PIDS", "PINS"]
    assert ring.split() == ["3", "print_exits", "ringbuf", "4.22MB", "4194304", "7", "1", "-"]
    assert link == " 5  perf_event        7  1     -     tracepoint sched_process_exit"


def test_notes() -> None:
    assert list(ps_listing.notes(ALL, wide=False)) == [
        "1 map of 4.22MB, 1 link: beepy ps -o wide shows them"
    ]
    assert list(ps_listing.notes(ALL._replace(unreadable=2), wide=True)) == [
        "2 processes could not be looked into: they have privileges that beepy lacks"
    ]
