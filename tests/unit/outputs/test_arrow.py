"""Arrow streams of rows: types are exact, and what a kill leaves can be read."""

import io
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import nanoarrow
import pyarrow as pa
import pytest

from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.outputs import arrow
from beepy.outputs.row_writer import RowWriter
from tests.support.events import TIME_NS, Exits, ring, stream

EXITS = Exits().schema
ROWS = [
    ring(EXITS, [Exits.record(b"bash", 1), Exits.record(b"\xff", 2, -1)]),
    ring(EXITS, [Exits.record(pid=3)[:20]])._replace(time_ns=TIME_NS + 7),
]
TYPES = {
    "time": pa.timestamp("ns", "UTC"),
    **dict.fromkeys(("start_time", "exit_time"), pa.uint64()),
    **dict.fromkeys(("pid", "tid", "ppid", "sig"), pa.uint32()),
    "exit_code": pa.int32(),
    "comm": pa.string(),
}


def every_kind() -> tuple[Schema, bytes]:
    """A record with numbers of all sizes, an enum, texts, arrays and structs, and one of it."""
    w = BtfWriter()
    fields = []
    at = 0
    for code, size, signed in [("u8", 1, 0), ("u16", 2, 0), ("s32", 4, 1), ("u64", 8, 0)]:
        at = -(-at // size) * size
        fields.append((code, w.integer(code, size, signed), 8 * at))
        at += size
    u8, u16 = fields[0][1], fields[1][1]
    point = w.struct("point", 2, [("x", u8, 0), ("y", u8, 8)])
    fields += [
        ("flag", w.integer("_Bool", 1, 4), 8 * at),
        ("kind", w.enum("kind", {"ONE": 1}), 8 * (at + 4)),
        ("real", w.real("double", 8), 8 * (at + 8)),
        ("list", w.array(u16, 2), 8 * (at + 16)),
        ("points", w.array(point, 2), 8 * (at + 20)),
        ("peer", point, 8 * (at + 24)),
        ("text", w.array(w.integer("char", 1), 8), 8 * (at + 26)),
        ("mac", w.array(u8, 6), 8 * (at + 34)),
    ]
    record = struct.pack(
        "<BxHiQ?3xId2H4B2B8s6s", 1, 2, -3, 4, 1, 1, 0.5, 5, 6, *b"abcdef", b"t", b"m"
    )
    return stream(w, w.struct("event", len(record), fields)), record


def written(path: Path, batches: Sequence[Batch], output: str) -> Path:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sink = outputs.make(output, fd)
    sink.open([Decoder(batches[0].schema)])
    for batch in batches:
        sink.write(batch)
    sink.close()
    os.close(fd)
    return path


def check(rows: pa.Table) -> None:
    assert dict(zip(rows.schema.names, rows.schema.types, strict=True)) == TYPES
    assert rows.schema.metadata == {b"image": b"image:1", b"map": b"print_exits"}
    assert rows["time"].cast("int64").to_pylist() == [TIME_NS, TIME_NS, TIME_NS + 7]
    assert rows["comm"].to_pylist() == ["bash", "\\xff", None]
    assert rows["exit_code"].to_pylist() == [0, -1, None]


def test_types_and_values_are_exact(tmp_path: Path) -> None:
    path = written(tmp_path / "x", ROWS, "arrow")
    check(pa.ipc.open_stream(path.read_bytes()).read_all())
    array = nanoarrow.ArrayStream.from_path(str(path)).read_all()
    assert len(array) == 3
    assert list(array.child(3).iter_py()) == [1, 2, 3]


def test_every_kind_of_type(tmp_path: Path) -> None:
    schema, record = every_kind()
    rows = pa.ipc.open_stream(written(tmp_path / "x", [ring(schema, [record])], "arrow")).read_all()
    point = pa.struct([("x", pa.uint8()), ("y", pa.uint8())])
    assert rows.schema.types[1:] == [
        *(pa.uint8(), pa.uint16(), pa.int32(), pa.uint64(), pa.bool_(), pa.string(), pa.float64()),
        *(pa.list_(pa.uint16()), pa.list_(point), point, pa.string(), pa.string()),
    ]
    (row,) = rows.drop_columns(["time"]).to_pylist()
    assert row == {
        "u8": 1,
        "u16": 2,
        "s32": -3,
        "u64": 4,
        "flag": True,
        "kind": "ONE",
        "real": 0.5,
        "list": [5, 6],
        "points": [{"x": 97, "y": 98}, {"x": 99, "y": 100}],
        "peer": {"x": 101, "y": 102},
        "text": "t",
        "mac": "6d0000000000",
    }


def test_without_rows_the_types_are_there(tmp_path: Path) -> None:
    path = written(tmp_path / "x", [ring(EXITS, [])], "arrow")
    rows = pa.ipc.open_stream(path.read_bytes()).read_all()
    assert (rows.num_rows, rows.schema.types) == (0, list(TYPES.values()))


def test_a_record_batch_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a kill, or a full disk, leaves whole ones: all but the last are read."""
    monkeypatch.setattr(arrow, "MAX_ROWS", 2)
    writes: list[bytes] = []
    monkeypatch.setattr(RowWriter, "write", lambda _self, data: writes.append(data))
    written(tmp_path / "x", [*ROWS, *ROWS], "arrow")
    assert len(writes) == 1 + 3 + 1  # types, batches of two, one and two, one; the end
    whole = pa.ipc.open_stream(b"".join(writes[:3]))
    assert whole.read_all().num_rows == 5
    cut = pa.ipc.open_stream(io.BytesIO(b"".join(writes[:3]) + writes[3][:-5]))
    assert cut.read_next_batch().num_rows == 2
