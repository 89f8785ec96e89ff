import json
import os
import struct
import subprocess
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.row import Rows
from beepy.events.top import Top, Wanted
from beepy.outputs.top import TopRows
from beepy.recording.recorder import Recorder
from beepy.session import Run
from tests.soak import times
from tests.support.command import Beepy
from tests.support.events import TIME_NS, Exits, ring, snapshot, stream, table
from tests.support.given import Given

EXITS = Exits().schema
SECOND = 1_000_000_000


def exits(*rows: tuple[bytes, int, int], seconds: int = 0) -> Batch:
    records = [Exits.record(comm, pid, code) for comm, pid, code in rows]
    return ring(EXITS, records)._replace(time_ns=TIME_NS + seconds * SECOND)


def tables(batches: Sequence[Batch], wanted: Wanted) -> list[list[dict[str, object]]]:
    """The rows of each time that they are shown."""
    with Run(Given(batches, EXITS)) as run:
        shown = run.top(
            wanted.most, wanted.by, every=wanted.every_s, total=wanted.total, average=wanted.average
        )
        return [[row.asdict() for row in rows] for rows in shown]


ROWS = exits((b"sh", 1, 0), (b"ls", 2, 1), (b"sh", 3, 0), (b"sh", 4, 7), (b"ls", 5, 2))


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (Wanted(9, "comm"), [(3, "sh", 0), (2, "ls", 0)]),
        (Wanted(1, "comm"), [(3, "sh", 0)]),
        (Wanted(2, "print_exits:comm,exit_code"), [(2, "sh", 0, 0), (1, "ls", 1, 0)]),
        (Wanted(2, "exit_code,comm"), [(2, 0, "sh", 0), (1, 1, "ls", 0)]),
        (Wanted(9, "comm", total="exit_code"), [(3, 7, "sh", 0), (2, 3, "ls", 0)]),
        (Wanted(9, "comm", average="pid"), [(2, 3.5, "ls", 0), (3, 8 / 3, "sh", 0)]),
    ],
)
def test_the_largest_groups_come_first(wanted: Wanted, rows: list[tuple[object, ...]]) -> None:
    (shown,) = tables([ROWS], wanted)
    assert [tuple(row.values()) for row in shown] == rows


def test_names_say_what_the_numbers_are() -> None:
    (shown,) = tables([ROWS], Wanted(1, "comm", total="exit_code"))
    assert list(shown[0]) == ["count", "sum_exit_code", "comm", "error"]


def test_rows_come_as_often_as_asked_by_the_time_of_the_events() -> None:
    batches = [exits((b"a", 1, 0), seconds=at) for at in (0, 1, 2, 9)]
    shown = tables([*batches, ring(EXITS, [])._replace(time_ns=TIME_NS)], Wanted(1, "comm", 2))
    assert [[row["count"] for row in rows] for rows in shown] == [[2], [3], [4]]


def test_nothing_comes_of_no_events() -> None:
    assert tables([], Wanted(3, "comm")) == []


def test_short_records_are_groups_of_their_own() -> None:
    batches = [exits((b"sh", 1, 0)), ring(EXITS, [Exits.record(b"sh", 1)[:24]] * 2)]
    shown = tables(batches, Wanted(3, "comm", total="exit_code"))
    rows = [row for rows in shown for row in rows]
    assert [(row["count"], row["comm"], row["sum_exit_code"]) for row in rows] == [
        (1, "sh", 0),
        (2, None, 0),  # a sum of nothing
    ]


def test_bytes_behind_the_end_of_a_text_make_no_group() -> None:
    shown = tables([exits((b"sh\0old", 1, 0), (b"sh", 2, 0))], Wanted(3, "comm"))
    assert [[row["count"] for row in rows] for rows in shown] == [[2]]


def test_arrays_structs_and_names_that_are_taken() -> None:
    w = BtfWriter()
    u16, u32 = w.integer("u16", 2, 0), w.integer("u32", 4, 0)
    pair = w.struct("pair", 4, [("a", u16, 0), ("b", u16, 16)])
    members = [("count", u32, 0), ("peer", pair, 32), ("pairs", w.array(pair, 2), 64)]
    schema = stream(w, w.struct("event", 16, members), "events")
    batch = ring(schema, [struct.pack("<IHHHHHH", 7, 1, 2, 3, 4, 5, 6)] * 2)
    with Run(Given([batch])) as run:
        ((row,),) = run.top(3, "count,peer,pairs")
    assert row.asdict() == {
        "count_": 2,
        "count": 7,
        "peer": {"a": 1, "b": 2},
        "pairs": ({"a": 3, "b": 4}, {"a": 5, "b": 6}),
        "error": 0,
    }


@pytest.mark.parametrize("output", ["json", "csv", "columns"])
def test_every_output_shows_the_groups(output: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    other = snapshot(table(w, u32, u32, 4, 4), [(b"\1\0\0\0", b"\2\0\0\0")])
    with Run(Given([ROWS, other])) as run:
        top = Top(Wanted(1, "comm"), run.decoders)
        run.add_sink(TopRows(top, outputs.make(output, fd), run.stats))
        list(run.batches())
    os.close(fd)
    assert (run.stats.shown, run.stats.cut_by_top) == (5, 1)
    lines = path.read_text().splitlines()
    assert (
        lines[-1].replace(",", " ").split()[-3:]
        == {
            "json": ['"sh"', '"error":', "0}"],
            "csv": ["3", "sh", "0"],
            "columns": ["3", "sh", "0"],
        }[output]
    )
    assert len(lines) == (1 if output == "json" else 2)


def recorded(path: Path, count: int) -> str:
    """Record events whose names have every kind of byte; return the file."""
    comms = [b"sh", b"ls", b"caf\xc3\xa9", b"\xff", b"", b"a,b", b'"', b"\\ \x1b"]
    rows = [(comms[at * at % 8], at % 5, at % 3) for at in range(count)]
    recorder = Recorder(str(path / "events.rec"), {})
    recorder.open([Decoder(EXITS)])
    for at in range(0, count, 100):
        recorder.write(exits(*rows[at : at + 100], seconds=at))
    recorder.close()
    return str(path / "events.rec")


def test_groups_are_those_of_sort_and_uniq(tmp_path: Path) -> None:
    """The lines of JSON, counted by other programs: ``sort | uniq -c | sort -rn``."""
    beepy = Beepy(tmp_path)
    recording = recorded(tmp_path, 3000)
    lines = beepy("replay", recording, "-o", "json", "--fields", "comm,exit_code").out
    pipe = 'sed \'s/"time": "[^"]*", //\' | sort | uniq -c | sort -rn'
    counted = subprocess.run(
        ["sh", "-c", pipe], input=lines, capture_output=True, text=True, check=True,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout  # fmt: skip
    expected = [line.strip().partition(" ") for line in counted.splitlines()]
    found = beepy("replay", recording, "-o", "json", "--top", "1000", "--by", "comm,exit_code").out
    groups = [json.loads(line) for line in found.splitlines()]
    assert {group.pop("error") for group in groups} == {0}
    assert sorted(
        [(group["count"], group["comm"], group["exit_code"]) for group in groups], reverse=True
    ) == sorted(
        [
            (int(count), row["comm"], row["exit_code"])
            for count, _, text in expected
            for row in [json.loads(text)]
        ],
        reverse=True,
    )
    assert [group["count"] for group in groups] == [int(count) for count, _, _ in expected]


@pytest.mark.soak
def test_memory_is_bounded_whatever_groups_come() -> None:
    count = times(20_000)
    with Run(Given([], EXITS)) as run:
        top = Top(Wanted(3, "comm,pid"), run.decoders)
        tracemalloc.start()
        for start in range(0, count, 2000):
            rows = [(b"n%d" % at, at, 0) for at in range(start, start + 2000)]
            assert list(top.take(exits(*rows, *[(b"often", 1, 0)] * 50))) == []
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 80 << 20
    (rows_of_top,) = [Rows(batch, top.decoders[0]) for batch in top.rows()]
    first = next(iter(rows_of_top))
    assert (first.comm, first["count"]) == ("often", count // 40)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(1, "com"), "by 'com': no field 'com' in print_exits: did you mean comm?"),
        (Wanted(0, "comm"), "--top: expected a number above 0"),
        (Wanted(1, ""), "by '': expected FIELD,FIELD or MAP:FIELD,FIELD"),
        (Wanted(1, "comm", total="comm"), "sum 'comm': it is not a number"),
        (Wanted(1, "comm", average="x"), "avg 'x': no field 'x' in print_exits: its fields are"),
        (Wanted(1, "comm", total="pid", average="pid"), "expected --sum or --avg, not both"),
    ],
)
def test_what_cannot_be_grouped_is_refused(wanted: Wanted, why: str) -> None:
    with pytest.raises(UsageError) as error:
        Top(wanted, [Decoder(EXITS)])
    assert why in str(error.value)


def test_the_summary_tells_the_error() -> None:
    top = Top(Wanted(1, "pid"), [Decoder(EXITS)])
    list(top.take(ROWS))
    assert list(top.summary()) == [(True, "print_exits: 5 events in 5 groups")]
    for at in range(0, 70_000, 1000):
        list(top.take(exits(*[(b"a", at + pid, 0) for pid in range(1000)])))
    ((exact, line),) = top.summary()
    assert not exact
    assert "groups of up to 1 events may be missing" in line


def test_rows_are_decoded_at_any_later_time() -> None:
    top = Top(Wanted(2, "comm"), [Decoder(EXITS)])
    list(top.take(ROWS))
    (batch,) = top.rows()
    list(top.take(ROWS))
    (decoder,) = top.decoders
    assert [tuple(row) for row in Rows(batch, decoder)] == [(3, "sh", 0), (2, "ls", 0)]


@pytest.mark.parametrize("every", [-1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(every: float) -> None:
    with pytest.raises(UsageError, match="every: expected at least 0 seconds"):
        Wanted(3, "pid", every).check()
