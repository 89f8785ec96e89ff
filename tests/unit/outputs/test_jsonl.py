import json
import math
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.outputs.jsonl import JsonLines, encode, timestamp
from beepy.outputs.row_writer import RowWriter
from tests.support.events import Exits, ring, snapshot, stream, table

Lines = Callable[[Batch], str]
TIME = "2026-11-01T12:00:00.000000042Z"


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    """Write a batch through the sink; return what it wrote, which is ASCII."""

    def write(batch: Batch) -> str:
        path = tmp_path / "out"
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        sink = JsonLines(RowWriter(fd))
        sink.open([Decoder(batch.schema)])
        sink.write(batch)
        sink.close()
        os.close(fd)
        return path.read_text("ascii")

    return write


def row(text: str) -> dict[str, object]:
    (line,) = text.splitlines()
    parsed = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert isinstance(parsed, dict)
    assert parsed.pop("time") == TIME
    return parsed


def test_a_line_is_as_documented(lines: Lines) -> None:
    batch = ring(Exits().schema, [Exits.record(b"bash", 42, -1), Exits.record(b"sh", 43)])
    assert lines(batch) == (
        f'{{"map": "print_exits", "time": "{TIME}", "start_time": 10, "exit_time": 15, '
        '"pid": 42, "tid": 42, "ppid": 1, "sig": 0, "exit_code": -1, "comm": "bash"}\n'
        f'{{"map": "print_exits", "time": "{TIME}", "start_time": 10, "exit_time": 15, '
        '"pid": 43, "tid": 43, "ppid": 1, "sig": 0, "exit_code": 0, "comm": "sh"}\n'
    )


def test_a_member_beyond_the_end_of_a_record_is_null(lines: Lines) -> None:
    w = BtfWriter()
    u32 = w.integer("unsigned int", 4, 0)
    inner = w.struct("inner", 8, [("a", u32, 0), ("b", u32, 32)])
    members = [("n", u32, 0), ("in", inner, 32), ("flag", w.integer("_Bool", 1, 4), 96)]
    schema = stream(
        w, w.struct("s", 40, [*members, ("text", w.array(w.integer("char", 1), 27), 104)]), "100%"
    )
    record = struct.pack("<3I?27s", 1, 2, 3, True, b"hello")
    for length, expected in (
        (0, {"n": None, "in": {"a": None, "b": None}, "flag": None, "text": None}),
        (8, {"n": 1, "in": {"a": 2, "b": None}, "flag": None, "text": None}),
        (13, {"n": 1, "in": {"a": 2, "b": 3}, "flag": True, "text": None}),
        (15, {"n": 1, "in": {"a": 2, "b": 3}, "flag": True, "text": "he"}),
        (40, {"n": 1, "in": {"a": 2, "b": 3}, "flag": True, "text": "hello"}),
    ):
        assert row(lines(ring(schema, [record[:length]]))) == {"map": "100%", **expected}


def test_an_array_without_a_length_is_read_to_the_end_of_the_record(lines: Lines) -> None:
    w = BtfWriter()
    u16 = w.integer("unsigned short", 2, 0)
    schema = stream(w, w.struct("s", 2, [("n", u16, 0), ("list", w.array(u16, 0), 16)]))
    assert row(lines(ring(schema, [b"\2\0\5\0\6\0"]))) == {
        "map": "print_exits",
        "n": 2,
        "list": [5, 6],
    }
    assert row(lines(ring(schema, [b"\0\0"]))) == {"map": "print_exits", "n": 0, "list": []}


def test_an_empty_batch_writes_nothing(lines: Lines) -> None:
    assert lines(ring(Exits().schema, [])) == ""


@pytest.mark.parametrize(
    ("comm", "text"),
    [
        (b'say "no"', 'say "no"'),
        (b"back\\slash", "back\\slash"),
        (b"[/]", "[/]"),
        (b"100%d %s", "100%d %s"),
        (b"{x}", "{x}"),
        (b"a b\tc\nd", "a b\tc\nd"),
        (b"\x1b[31m\x7f", "\x1b[31m\x7f"),
        ("ü€😀".encode(), "ü€😀"),
        ("\u202eevil".encode(), "\u202eevil"),
        (b"\xff\xc3(", "\\xff\\xc3("),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"sixteen letters!", "sixteen letters!"),
        (b"", ""),
    ],
)
def test_text_that_a_process_can_choose_is_escaped(lines: Lines, comm: bytes, text: str) -> None:
    written = lines(ring(Exits().schema, [Exits.record(comm)]))
    assert written.count("\n") == 1
    assert written.isascii()
    assert "\x7f" not in written
    assert row(written)["comm"] == text


def test_the_names_of_map_and_members_are_escaped(lines: Lines) -> None:
    w = BtfWriter()
    schema = stream(
        w, w.struct("s", 8, [('a"%s', w.integer(), 0), ("time", w.integer(), 32)]), 'print_"%d\n'
    )
    assert row(lines(ring(schema, [bytes(8)]))) == {"map": 'print_"%d\n', 'a"%s': 0, "time_": 0}


def test_every_kind_of_value(lines: Lines) -> None:
    w = BtfWriter()
    u64, i32, char = w.integer("u64", 8, 0), w.integer("int", 4, 1), w.integer("char", 1)
    inner = w.struct(
        "inner", 8, [("x", i32, 0), ("deep", w.struct("deep", 4, [("y", i32, 0)]), 32)]
    )
    members = [
        ("big", u64, 0),
        ("huge", w.integer("unsigned __int128", 16, 0), 64),
        ("ok", w.integer("_Bool", 1, 4), 192),
        ("mode", w.enum("mode", {"R": 1, "W": 2, "X": 4}, 1), 200),
        ("mac", w.array(w.integer("u8", 1, 0), 6), 208),
        ("at", w.ptr(0), 256),
        ("took", w.typedef("duration", u64), 320),
        ("ip", w.typedef("ipv4_addr", i32), 384),
        ("f", w.real("float", 4), 416),
        ("pair", inner, 448),
        ("list", w.array(w.struct("p", 8, [("n", i32, 0), ("t", w.array(char, 4), 32)]), 2), 512),
        ("d", w.real("double", 8), 640),
    ]
    schema = stream(w, w.struct("s", 88, members))
    raw = struct.pack(
        "<QQQ?B6sQQ4sfiii4si4sd",
        (1 << 64) - 1,
        0,
        1 << 63,
        True,
        3,
        b"\0\1\2\3\4\xff",
        0xFFFF888000000000,
        1500,
        b"\x7f\0\0\1",
        0.1,
        -1,
        -2,
        1,
        b"a",
        2,
        b'"b\xff',
        1e300,
    )
    assert row(lines(ring(schema, [raw]))) == {
        "map": "print_exits",
        "big": (1 << 64) - 1,
        "huge": 1 << 127,
        "ok": True,
        "mode": "R|W",
        "mac": "0001020304ff",
        "at": "0xffff888000000000",
        "took": 1500,
        "ip": "127.0.0.1",
        "f": 0.1,
        "pair": {"x": -1, "deep": {"y": -2}},
        "list": [{"n": 1, "t": "a"}, {"n": 2, "t": '"b\\xff'}],
        "d": 1e300,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_null(lines: Lines, value: float) -> None:
    w = BtfWriter()
    double = w.real("double", 8)
    schema = stream(w, w.struct("s", 24, [("one", double, 0), ("more", w.array(double, 2), 64)]))
    values = row(lines(ring(schema, [struct.pack("<3d", value, 1.0, value)])))
    assert values == {"map": "print_exits", "one": None, "more": [1.0, None]}


def test_tables_have_their_key_and_value(lines: Lines) -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    pair = w.struct("pair", 8, [("a", u32, 0), ("b", u32, 32)])
    entries = [(b"\5\0\0\0", struct.pack("<2I", 1, 2))]
    assert row(lines(snapshot(table(w, u32, pair, 4, 8), entries))) == {
        "map": "print_table",
        "key": 5,
        "value": {"a": 1, "b": 2},
    }
    entries = [(struct.pack("<2I", 1, 2), b"\5\0\0\0")]
    assert row(lines(snapshot(table(w, pair, u32, 8, 4), entries))) == {
        "map": "print_table",
        "a": 1,
        "b": 2,
        "value": 5,
    }


def test_per_cpu_values_are_sums_or_rows(lines: Lines) -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    entry = [(b"\5\0\0\0", struct.pack("<I4xI4x", 0xFFFFFFFF, 1))]
    assert row(lines(snapshot(table(w, u32, u32, 4, 4, cpus=2), entry))) == {
        "map": "print_table",
        "key": 5,
        "value": 1 << 32,
    }
    rows = lines(snapshot(table(w, u32, w.enum("e", {"A": 1}), 4, 4, cpus=2), entry)).splitlines()
    assert [row(line) for line in rows] == [
        {"map": "print_table", "key": 5, "cpu": 0, "value": 0xFFFFFFFF},
        {"map": "print_table", "key": 5, "cpu": 1, "value": "A"},
    ]


def test_a_record_without_members_is_a_line(lines: Lines) -> None:
    w = BtfWriter()
    assert row(lines(ring(stream(w, w.struct("nothing", 0)), [b""]))) == {"map": "print_exits"}


def test_many_maps_share_one_sink(tmp_path: Path) -> None:
    first, second = Exits("print_a").schema, Exits("print_b").schema
    fd = os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)
    sink = JsonLines(RowWriter(fd))
    sink.open([Decoder(first), Decoder(second)])
    for schema in (first, second, first):
        sink.write(ring(schema, [Exits.record()]))
    os.close(fd)
    assert [json.loads(line)["map"] for line in (tmp_path / "out").read_text().splitlines()] == [
        "print_a",
        "print_b",
        "print_a",
    ]


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_709_164_799_999_999_999, "2024-02-28T23:59:59.999999999Z"),
        (1_709_164_800_000_000_001, "2024-02-29T00:00:00.000000001Z"),
    ],
)
def test_times_are_utc_with_nanoseconds(time_ns: int, text: str) -> None:
    assert timestamp(time_ns) == text


@pytest.mark.parametrize(
    "value", [None, True, 0, -(1 << 127), 0.1, 1e16, "x", (), (1, (2,)), {}, {"a": {"b": (None,)}}]
)
def test_encoded_values_parse_to_the_same(value: Value) -> None:
    def listed(value: object) -> object:
        match value:
            case tuple():
                return [listed(item) for item in value]
            case dict():
                return {name: listed(item) for name, item in value.items()}
            case _:
                return value

    assert json.loads(encode(value)) == listed(value)
