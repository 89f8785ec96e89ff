"""Arrow arrays of records: types are exact, what a record lacks is null, and others read them."""

import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import nanoarrow
import pytest

from beepy.btf.writer import BtfWriter
from beepy.errors import DecodeError, UsageError
from beepy.events import arrow
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.row import Rows
from beepy.session import Run
from tests.support.events import Exits, ring, snapshot, stream, table
from tests.support.given import Given

ROOT = Path(__file__).parents[3]
EXITS = Exits().schema


def made(*batches: Batch) -> nanoarrow.Array:
    return arrow.to_arrow(Decoder(batches[0].schema), batches)


def types(array: nanoarrow.Array) -> dict[str, str]:
    return {
        field.name: str(field.type).removeprefix("Type.").lower() for field in array.schema.fields
    }


def wide_schema() -> tuple[Any, bytes]:
    w = BtfWriter()
    u8, u16, u64 = w.integer("u8", 1, 0), w.integer("u16", 2, 0), w.integer("u64", 8, 0)
    i8, i16, i64 = w.integer("s8", 1), w.integer("s16", 2), w.integer("s64", 8)
    f32, f64, boolean = w.real("float", 4), w.real("double", 8), w.integer("_Bool", 1, 4)
    point = w.struct("point", 4, [("x", u16, 0), ("y", i16, 16)])
    members = [
        ("u8", u8),
        ("i8", i8),
        ("u16", u16),
        ("i16", i16),
        ("flag", boolean),
        ("flags", u8),
        ("pad", u16),
    ]
    at, laid = 0, []
    sizes = {u8: 1, i8: 1, u16: 2, i16: 2, boolean: 1, u64: 8, i64: 8, f32: 4, f64: 8}
    for name, type_id in [*members, ("f32", f32), ("u64", u64), ("i64", i64), ("f64", f64)]:
        laid.append((name, type_id, at * 8))
        at += sizes[type_id]
    laid += [("list", w.array(u16, 3), at * 8), ("points", w.array(point, 2), at * 8 + 48)]
    raw = struct.pack(
        "<BbHh?BHfQqd3H",
        255,
        -128,
        65535,
        -32768,
        True,
        7,
        1,
        0.5,
        2**64 - 1,
        -(2**63),
        0.25,
        1,
        2,
        3,
    )
    raw += struct.pack("<HhHh", 1, -1, 2, -2)
    return stream(w, w.struct("event", len(raw), laid)), raw


def test_types_are_those_of_c() -> None:
    schema, raw = wide_schema()
    array = made(ring(schema, [raw, raw]))
    assert types(array) == {
        "u8": "uint8",
        "i8": "int8",
        "u16": "uint16",
        "i16": "int16",
        "flag": "bool",
        "flags": "uint8",
        "pad": "uint16",
        "f32": "float",
        "u64": "uint64",
        "i64": "int64",
        "f64": "double",
        "list": "list",
        "points": "list",
    }
    assert array.to_pylist()[1] == {
        "u8": 255,
        "i8": -128,
        "u16": 65535,
        "i16": -32768,
        "flag": True,
        "flags": 7,
        "pad": 1,
        "f32": 0.5,
        "u64": 2**64 - 1,
        "i64": -(2**63),
        "f64": 0.25,
        "list": [1, 2, 3],
        "points": [{"x": 1, "y": -1}, {"x": 2, "y": -2}],
    }


def test_a_struct_is_a_struct_and_text_is_text() -> None:
    w = BtfWriter()
    u32, u16 = w.integer("u32", 4, 0), w.integer("u16", 2, 0)
    peer = w.struct("peer", 8, [("port", u16, 0), ("addr", u32, 32)])
    comm = w.array(w.integer("char", 1), 8)
    schema = stream(
        w, w.struct("event", 20, [("pid", u32, 0), ("peer", peer, 32), ("comm", comm, 96)])
    )
    array = made(
        ring(
            schema,
            [
                struct.pack("<IHxxI8s", 7, 80, 9, "ä".encode()),
                struct.pack("<IHxxI8s", 8, 1, 2, b"\xff"),
            ],
        )
    )
    assert types(array) == {"pid": "uint32", "peer": "struct", "comm": "string"}
    assert array.to_pylist() == [
        {"pid": 7, "peer": {"port": 80, "addr": 9}, "comm": "ä"},
        {"pid": 8, "peer": {"port": 1, "addr": 2}, "comm": "\\xff"},
    ]


def test_bitfields_bools_and_enums() -> None:
    w = BtfWriter()
    u32, i32, boolean = w.integer("u32", 4, 0), w.integer("int", 4), w.integer("_Bool", 1, 4)
    kind = w.enum("kind", {"ONE": 1, "TWO": 2})
    members = [("a", u32, 0, 3), ("b", i32, 3, 5), ("c", boolean, 8, 1), ("kind", kind, 32, 0)]
    schema = stream(w, w.struct("event", 8, members))
    array = made(ring(schema, [struct.pack("<II", 0b1_11111_101, 2), struct.pack("<II", 0, 9)]))
    assert types(array) == {"a": "uint32", "b": "int32", "c": "bool", "kind": "string"}
    assert array.to_pylist() == [
        {"a": 5, "b": -1, "c": True, "kind": "TWO"},
        {"a": 0, "b": 0, "c": False, "kind": "9"},
    ]


def test_what_a_record_is_too_short_to_have_is_null() -> None:
    short, whole = ring(EXITS, [Exits.record(pid=1)[:20]]), ring(EXITS, [Exits.record(pid=2)])
    rows = made(short, whole).to_pylist()
    assert [(row["pid"], row["tid"], row["comm"]) for row in rows] == [
        (1, None, None),
        (2, 2, "bash"),
    ]
    schema, raw = wide_schema()
    (row,) = made(ring(schema, [raw[:4]])).to_pylist()
    assert (row["u16"], row["flag"], row["list"], row["points"]) == (65535, None, None, None)


def test_without_rows_the_types_are_there() -> None:
    schema, _ = wide_schema()
    array = made(ring(schema, []))
    assert (len(array), array.to_pylist()) == (0, [])
    assert types(array)["u64"] == "uint64"
    assert len(made(ring(EXITS, []))) == 0


def test_sums_over_cpus_are_wide_enough() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table(w, u32, u32, 4, 4, cpus=2)
    entry = (struct.pack("<I", 7), struct.pack("<I4xI4x", 2**32 - 1, 2**32 - 1))
    array = made(snapshot(schema, [entry]))
    assert types(array) == {"key": "uint32", "value": "uint64"}
    assert array.to_pylist() == [{"key": 7, "value": 2**33 - 2}]
    v = BtfWriter()
    u32, u64 = v.integer("u32", 4, 0), v.integer("u64", 8, 0)
    full = table(v, u32, u64, 4, 8, cpus=2)
    with pytest.raises(DecodeError, match=r"^map 'print_table': not within its Arrow type: "):
        made(snapshot(full, [(bytes(4), struct.pack("<QQ", 2**64 - 1, 1))]))


def test_a_row_a_cpu() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    value = w.struct("value", 8, [("hits", u32, 0), ("misses", u32, 32)])
    schema = table(w, u32, value, 4, 8, cpus=2)
    array = made(snapshot(schema, [(struct.pack("<I", 7), struct.pack("<IIII", 1, 2, 3, 4))]))
    assert array.to_pylist() == [
        {"key": 7, "cpu": 0, "value": {"hits": 1, "misses": 2}},
        {"key": 7, "cpu": 1, "value": {"hits": 3, "misses": 4}},
    ]


def test_rows_speak_the_capsule_interface() -> None:
    batch = ring(EXITS, [Exits.record(pid=1), Exits.record(pid=2)])
    array = Rows(batch, Decoder(EXITS)).to_arrow()
    again = nanoarrow.array(array)
    assert [row["pid"] for row in again.to_pylist()] == [1, 2]
    assert hasattr(array, "__arrow_c_stream__")


def test_others_read_it() -> None:
    """Whichever of them are installed: they are a hundred times as large as what writes it."""
    array = made(ring(EXITS, [Exits.record(pid=1), Exits.record(pid=2)]))
    for name, make in {"pyarrow": "table", "polars": "DataFrame"}.items():
        with suppress(ModuleNotFoundError):
            frame = getattr(import_module(name), make)(array)
            assert list(map(int, frame["pid"])) == [1, 2]


def pids(array: nanoarrow.Array) -> list[int]:
    return [row["pid"] for row in array.to_pylist()]


def batches(*groups: Sequence[int]) -> list[Batch]:
    return [ring(EXITS, [Exits.record(pid=pid) for pid in group]) for group in groups]


def test_the_next_rows_of_a_stream() -> None:
    with Run(Given(batches((1, 2, 3), (4, 5), (6,), (7, 8)))) as run:
        assert pids(run.table("print_exits", rows=2)) == [1, 2]
        assert pids(run.table("print_exits", rows=2)) == [3, 4]
        assert pids(run.table("print_exits", rows=0)) == []
        assert [event.pid for event in next(iter(run))] == [5]
        assert pids(run.table("print_exits")) == [6, 7, 8]
        assert pids(run.table("print_exits", rows=1)) == []


def test_a_table_is_read_now() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    given = snapshot(table(w, u32, u32, 4, 4), [(struct.pack("<I", 1), struct.pack("<I", 2))])
    with Run(Given([given])) as run:
        for _ in range(2):
            assert run.table("print_table").to_pylist() == [{"key": 1, "value": 2}]
        with pytest.raises(UsageError, match=r"^map 'nothing': expected print_table$"):
            run.table("nothing")
    with pytest.raises(UsageError, match=r"^run: it is closed$"):
        run.table("print_table")


def test_a_run_that_somebody_else_iterates() -> None:
    with Run(Given(batches((1,)))) as run:
        run.fileno()
        with pytest.raises(UsageError, match=r"^run: its rows are given by take or async for$"):
            run.table("print_exits", rows=1)


def test_without_nanoarrow_the_command_that_installs_it_is_named() -> None:
    code = (
        "import sys; sys.modules['nanoarrow'] = None; "
        "from beepy.events.arrow import _Writer; _Writer()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    last = ran.stderr.splitlines()[-2:]
    assert last == [
        "beepy.errors.UsageError: Arrow needs the package nanoarrow, which is not installed",
        "python3 -m pip install 'beepy-ebpf[arrow]'",
    ]
