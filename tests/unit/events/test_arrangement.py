import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events.arrangement import Arrangement
from beepy.events.batch import Batch
from beepy.events.batch_ops import drop, take
from beepy.events.decoder import Decoder
from beepy.events.top import Top, Wanted
from beepy.obj.spec import Role
from beepy.session import Run
from tests.support.events import Exits, ring, snapshot, stream, table, with_role
from tests.support.given import Given

EXITS = Exits().schema


def counts() -> Batch:
    """A snapshot of the entries 0: 5, 1: 0, 2: 9, 3: 7, 4: 5, of a counter."""
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = with_role(table(w, u32, u32, 4, 4, name="counter_calls"), Role.COUNTER)
    entries = enumerate([5, 0, 9, 7, 5])
    return snapshot(schema, [(struct.pack("<I", k), struct.pack("<I", v)) for k, v in entries])


def shown(
    batches: Sequence[Batch], *sort: str, limit: int | None = None, count: int | None = None
) -> tuple[list[tuple[object, ...]], Run]:
    arrangement = Arrangement((), sort, limit)
    arrangement.check()
    with Run(Given(batches), hides_zeros=True, limit=count, arrangement=arrangement) as run:
        return [tuple(row) for row in run.events()], run


@pytest.mark.parametrize(
    ("sort", "limit", "rows"),
    [
        (["value"], None, [(0, 5), (4, 5), (3, 7), (2, 9)]),
        (["-value"], None, [(2, 9), (3, 7), (0, 5), (4, 5)]),
        (["-key"], 2, [(4, 5), (3, 7)]),
        (["counter_calls:-value"], 1, [(2, 9)]),
        ([], 3, [(2, 9), (3, 7), (0, 5)]),  # counters: the largest first
        ([], 100, [(2, 9), (3, 7), (0, 5), (4, 5)]),
    ],
)
@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_a_snapshot_is_sorted_and_cut(
    sort: list[str], limit: int | None, rows: list[tuple[int, int]], chunks: int
) -> None:
    batch = counts()
    size = -(-batch.records // chunks)
    parts = [take(drop(batch, at), size) for at in range(0, batch.records, size)]
    batches = [part._replace(final=part is parts[-1]) for part in parts]
    events, run = shown(batches, *sort, limit=limit)
    assert events == rows
    assert run.stats.shown == len(rows)
    assert (run.stats.zeros, run.stats.cut_by_limit) == (1, 4 - len(rows))


def test_each_snapshot_is_cut_and_what_did_not_end_is_counted() -> None:
    first = counts()
    events, run = shown([first, first._replace(snapshot=2, final=False)], limit=1)
    assert events == [(2, 9)]
    assert run.stats.cut_by_limit == 3 + 4


def test_an_empty_snapshot_still_ends() -> None:
    empty = counts()._replace(records=0)
    with Run(Given([empty]), arrangement=Arrangement(sort=["value"])) as run:
        assert [(batch.records, batch.final) for batch in run.batches()] == [(0, True)]


def test_rows_are_counted_once_they_are_shown() -> None:
    events, run = shown([counts()], "-value", limit=3, count=2)
    assert events == [(2, 9), (3, 7)]
    assert (run.stats.cut_by_limit, run.stats.cut_by_count) == (1, 1)


def test_events_come_as_they_are() -> None:
    batch = ring(EXITS, [Exits.record(pid=3), Exits.record(pid=2)])
    events, run = shown([batch], "pid", limit=1)
    assert [event[2] for event in events] == [3, 2]
    assert run.stats.cut_by_limit == 0


def test_lines_of_an_iterator_are_sorted_whatever_their_lengths() -> None:
    whole = ring(EXITS, [Exits.record(pid=3), Exits.record(pid=1)])
    short = ring(EXITS, [Exits.record(pid=2)[:24]])
    events, _ = shown([whole._replace(snapshot=1), short._replace(snapshot=1, final=True)], "pid")
    assert [event[2] for event in events] == [1, 2, 3]
    assert [event[7] for event in events] == ["bash", None, "bash"]


def test_missing_values_come_first() -> None:
    whole = ring(EXITS, [Exits.record(exit_code=-7)])
    short = ring(EXITS, [Exits.record()[:24]])
    events, _ = shown(
        [whole._replace(snapshot=1), short._replace(snapshot=1, final=True)], "exit_code"
    )
    assert [event[6] for event in events] == [None, -7]


@pytest.mark.parametrize(
    ("sort", "why"),
    [
        (["a,b"], "sort 'a,b': expected one field"),
        (["-"], "expected FIELD"),
        (["vale"], "no field 'vale' in counter_calls: did you mean value?"),
        (["key", "value"], "map 'counter_calls' is named twice"),
    ],
)
def test_what_cannot_be_sorted_by_is_refused(sort: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why.replace("?", r"\?")):
        Arrangement(sort=sort).apply([Decoder(counts().schema)])


def test_observers_get_all_rows() -> None:
    class Seen:
        def __init__(self) -> None:
            self.records = 0

        def open(self, decoders: Sequence[Decoder]) -> None:
            pass

        def write(self, batch: Batch) -> None:
            self.records += batch.records

        def close(self) -> None:
            pass

    seen, rows = Seen(), Seen()
    with Run(Given([counts()]), hides_zeros=True, arrangement=Arrangement(limit=1)) as run:
        run.add_observer(seen)
        run.add_sink(rows)
        list(run.batches())
    assert (seen.records, rows.records) == (5, 1)


@pytest.mark.parametrize("output", ["json", "columns", "wide", "csv"])
def test_raw_shows_numbers_as_they_are(output: str, tmp_path: Path) -> None:
    w = BtfWriter()
    u32, i32 = w.integer("u32", 4, 0), w.integer("int", 4, 1)
    state = w.enum("state", {"IDLE": 0, "BUSY": 5})
    is_ok = w.integer("_Bool", 1, 4)
    members = [("ret", i32, 0), ("sig", u32, 32), ("state", state, 64), ("ok", is_ok, 96)]
    members += [("ts", w.integer("u64", 8, 0), 128)]
    schema = stream(w, w.struct("event", 24, members))
    batch = ring(schema, [struct.pack("<iIIB3xQ", -2, 9, 5, 1, 77)])
    texts = {}
    for raw in (False, True):
        with Run(Given([batch]), arrangement=Arrangement(raw=raw)) as run:
            fd = os.open(tmp_path / f"{raw}", os.O_CREAT | os.O_WRONLY)
            run.add_sink(outputs.make(output, fd))
            (row,) = run.events()
            assert row.state == (5 if raw else "BUSY")
            run.close()
            os.close(fd)
        texts[raw] = (tmp_path / f"{raw}").read_text().splitlines()[-1]
    assert "BUSY" in texts[False]
    assert "BUSY" not in texts[True]
    is_for_people = output in ("columns", "wide")
    assert ("-2 ENOENT" in texts[False]) == ("SIGKILL" in texts[False]) == is_for_people
    assert not {"ENOENT", "SIGKILL"} & set(texts[True].split())
    assert "true" in texts[True]


def test_groups_of_raw_enums_are_numbers() -> None:
    w = BtfWriter()
    schema = stream(w, w.struct("event", 4, [("state", w.enum("state", {"BUSY": 5}), 0)]))
    decoder = Decoder(schema)
    Arrangement(raw=True).apply([decoder])
    top = Top(Wanted(1, "state"), [decoder])
    list(top.take(ring(schema, [struct.pack("<I", 5)])))
    (made,) = top.decoders
    (batch,) = top.rows()
    assert made.values(batch, made.shown()) == [[1], [5], [0]]
