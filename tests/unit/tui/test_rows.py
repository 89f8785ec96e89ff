"""Rows that are looked at: windows of batches, in any order, bounded."""

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.order import Order
from beepy.outputs import DEFAULT
from beepy.tui.kept import KeptRows
from beepy.tui.model import Model
from beepy.tui.rows import Rows
from tests.support.events import Exits, ring, snapshot, table

EXITS = Exits()
DECODER = Decoder(EXITS.schema)
(PID,) = [field for field in DECODER.fields if field.name == "pid"]


def batch(*pids: int) -> Batch:
    return ring(EXITS.schema, [EXITS.record(pid=pid) for pid in pids])


def pids(rows: Rows, first: int = 0, count: int = 1000) -> list[object]:
    return [pid for part in rows.window(first, count) for pid in DECODER.values(part, (PID,))[0]]


def test_a_window_is_over_several_batches() -> None:
    rows = Rows(DECODER, [batch(1, 2, 3), batch(4), batch(5, 6)], skip=1)
    assert len(rows) == 5
    assert pids(rows) == [2, 3, 4, 5, 6] == rows.values(PID)
    assert pids(rows, 1, 3) == [3, 4, 5]
    assert pids(rows, 4, 9) == [6]
    assert pids(rows, 5, 9) == []
    assert [len(list(Rows(DECODER).window(0, 5)))] == [0]
    assert DECODER.values(rows.row(2), (PID,)) == [[4]]


def test_rows_are_sorted_by_values_or_arrival() -> None:
    rows = Rows(DECODER, [batch(9, 2, 3), batch(7)], skip=1)
    assert pids(rows.ordered(Order((PID,)))) == [2, 3, 7]
    largest = rows.ordered(Order((PID,), largest_first=True))
    assert pids(largest) == [7, 3, 2] == largest.values(PID)
    assert pids(largest, 1, 1) == [3]
    assert pids(rows.ordered(Order((), largest_first=True))) == [7, 3, 2]
    assert [pid for part in largest.first(2) for pid in DECODER.values(part, (PID,))[0]] == [3, 7]


def test_the_last_rows_are_kept_in_bounds() -> None:
    kept = KeptRows(DECODER, 5)
    for first in range(0, 100, 3):
        kept.add(batch(first, first + 1, first + 2))
    assert pids(kept.rows()) == [97, 98, 99, 100, 101]
    assert len(kept.rows().batches) == 2
    small = KeptRows(DECODER, 1000, max_bytes=500)
    for number in range(100):
        small.add(batch(number))
    assert pids(small.rows()) == list(range(93, 100))


def test_a_large_snapshot_keeps_its_first_entries() -> None:
    writer = BtfWriter()
    u32 = writer.integer("unsigned int", 4, 0)
    schema = table(writer, u32, u32, 4, 4)
    model = Model(DEFAULT, 10)
    decoder = Decoder(schema)
    model.open([decoder])

    def entries(first: int, count: int, *, final: bool) -> Batch:
        keys = [number.to_bytes(4, "little") for number in range(first, first - count, -1)]
        return snapshot(schema, [(key, key) for key in keys])._replace(final=final)

    model.write(entries(1000, 40, final=False))
    (shown,) = model.maps.values()
    assert len(shown.rows()) == 0
    model.write(entries(60, 40, final=True))
    (key, *_) = decoder.fields
    assert shown.total == 80
    assert shown.rows().values(key)[:10] == list(range(21, 31))
    assert len(shown.rows()) <= 20
