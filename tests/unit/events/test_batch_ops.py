import struct

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch
from beepy.events.batch_ops import expand_per_cpu, select, slices, take, without_zeros
from tests.support.events import Exits, decode, entries_of, ring, snapshot, table


def per_cpu() -> Batch:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table(w, u32, w.enum("e", {"A": 1}), 4, 4, cpus=2)
    return entries_of(
        schema, [(struct.pack("<I", n), struct.pack("<I4xI4x", n, n + 1)) for n in (1, 5)]
    )


def test_a_batch_is_cut_to_its_first_rows() -> None:
    schema = Exits().schema
    batch = ring(schema, [Exits.record(pid=n) for n in range(5)])._replace(lost=3)
    cut = take(batch, 2)
    assert decode(schema, cut)["pid"] == [0, 1]
    assert (cut.records, cut.lost) == (2, 3)
    assert take(batch, 5) is batch
    assert decode(schema, take(batch, 0))["pid"] == []


def test_a_batch_in_slices() -> None:
    schema = Exits().schema
    batch = ring(schema, [Exits.record(pid=pid) for pid in range(5)])._replace(lost=7, final=True)
    parts = list(slices(batch, 2))
    assert [decode(schema, part)["pid"] for part in parts] == [[0, 1], [2, 3], [4]]
    assert [part.lost for part in parts] == [7, 0, 0]
    assert [part.final for part in parts] == [False, False, True]
    assert list(slices(batch, 5)) == [batch]
    assert [part.lost for part in slices(batch._replace(lost=None), 3)] == [None, None]
    empty = ring(schema, [])
    assert list(slices(empty, 3)) == [empty]


def test_rows_are_chosen_by_a_mask() -> None:
    schema = Exits().schema
    batch = ring(schema, [Exits.record(pid=n) for n in range(4)])
    assert decode(schema, select(batch, [False, True, False, True]))["pid"] == [1, 3]
    assert select(batch, [False] * 4).records == 0


def test_rows_of_cpus_are_rows() -> None:
    batch = per_cpu()
    rows = expand_per_cpu(batch)
    assert (rows.records, rows.length, rows.snapshot, rows.final) == (4, 4, 1, True)
    assert decode(batch.schema, take(rows, 3)) == {
        "key": [1, 1, 5],
        "cpu": [0, 1, 0],
        "value": ["A", 2, 5],
    }
    chosen = select(rows, [False, True, True, False])
    assert decode(batch.schema, chosen) == {"key": [1, 5], "cpu": [1, 0], "value": [2, 5]}


def test_sums_stay_one_row() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    batch = entries_of(table(w, u32, u32, 4, 4, cpus=2), [(bytes(4), struct.pack("<I4xI4x", 3, 4))])
    assert expand_per_cpu(batch) is batch
    assert take(batch, 1) is batch


def test_rows_of_zeros_are_left_out_of_a_table() -> None:
    batch = per_cpu()
    entries = snapshot(batch.schema, [(struct.pack("<I", 5), struct.pack("<I4xI4x", 1, 0))])
    assert decode(batch.schema, without_zeros(entries)) == {"key": [5], "cpu": [0], "value": ["A"]}
    nothing = snapshot(batch.schema, [(bytes(4), bytes(16))])
    assert (without_zeros(nothing).records, without_zeros(nothing).final) == (0, True)
    events = ring(Exits().schema, [Exits.record(pid=0)])
    assert without_zeros(events) is events


def test_keys_of_no_bytes() -> None:
    w = BtfWriter()
    nothing = w.struct("nothing", 0)
    schema = table(w, nothing, w.enum("e", {"A": 1}), 0, 4, cpus=2)
    rows = expand_per_cpu(entries_of(schema, [(b"", struct.pack("<I4xI4x", 1, 2))]))
    assert decode(schema, rows) == {"cpu": [0, 1], "value": ["A", 2]}
    assert select(rows, [False, True]).records == 1
