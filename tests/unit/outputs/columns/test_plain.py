import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.outputs import DEFAULT, RowOptions
from beepy.outputs.columns import Columns
from beepy.outputs.row_writer import RowWriter
from tests.support.events import Exits, ring, snapshot, stream, table


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rows show local time: here that of a zone two hours east."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ-2")
        time.tzset()
        yield
    time.tzset()


def written(
    tmp_path: Path, schemas: tuple[Schema, ...], *batches: Batch, options: RowOptions = DEFAULT
) -> list[str]:
    fd = os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sink = Columns(RowWriter(fd), options)
    sink.open([Decoder(schema) for schema in schemas])
    for batch in batches:
        sink.write(batch)
    sink.close()
    os.close(fd)
    return (tmp_path / "out").read_text("utf-8").split("\n")[:-1]


def test_rows_are_written_under_a_header(tmp_path: Path) -> None:
    schema = Exits().schema
    batch = ring(
        schema,
        [Exits.record(b"bash", 42, -1, 10**18), Exits.record(b"a b", 4_194_304, 255, 10**18)],
    )
    assert written(tmp_path, (schema,), batch, batch) == [
        "time           start_time        exit_time      pid      tid     ppid sig          exit_code comm",  # noqa: E501 - a line of output
        *[
            "14:00:00 1000000000000000000 1000000000000000005       42       42        1 0                   -1 bash",  # noqa: E501 - a line of output
            "14:00:00 1000000000000000000 1000000000000000005  4194304  4194304        1 0                  255 a b",  # noqa: E501 - a line of output
        ]
        * 2,
    ]


def test_a_long_value_moves_its_own_row_only(tmp_path: Path) -> None:
    w = BtfWriter()
    u8, enum = w.integer("u8", 1, 0), w.enum("e", {"ON": 1}, 1)
    schema = stream(w, w.struct("s", 3, [("a", enum, 0), ("b", u8, 8), ("c", enum, 16)]))
    batch = ring(schema, [bytes([1, 1, 1]), bytes([200, 200, 200]), bytes([1, 2, 1])])
    assert written(tmp_path, (schema,), batch) == [
        "time     a     b c",
        "14:00:00 ON    1 ON",
        "14:00:00 200  200 200",
        "14:00:00 ON    2 ON",
    ]


def test_texts_of_any_script_are_aligned(tmp_path: Path) -> None:
    w = BtfWriter()
    text, u8 = w.array(w.integer("char", 1, 1), 8), w.integer("u8", 1, 0)
    schema = stream(w, w.struct("s", 9, [("text", text, 0), ("n", u8, 64)]))
    texts = ("plain", "\u4e16\u754c", "e\u0301", "\U0001f600", "\xef" * 4)
    batch = ring(schema, [struct.pack("8sB", text.encode(), 7) for text in texts])
    assert written(tmp_path, (schema,), batch) == [
        "time     text        n",
        "14:00:00 plain       7",
        "14:00:00 \u4e16\u754c        7",
        "14:00:00 e\u0301           7",
        "14:00:00 \U0001f600          7",
        "14:00:00 \xef\xef\xef\xef        7",
    ]


def test_the_header_comes_before_the_first_event(tmp_path: Path) -> None:
    schema = Exits().schema
    assert len(written(tmp_path, (schema,))) == 1
    assert len(written(tmp_path, (schema,), ring(schema, []))) == 1
    assert written(tmp_path, ()) == []


def test_several_maps_are_named_and_have_one_header_each(tmp_path: Path) -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    numbers = stream(w, w.struct("s", 4, [("n", u32, 0)]), "n")
    counts = table(w, u32, w.integer("u64", 8, 0), 4, 8, name="100%s")
    number, count = (
        ring(numbers, [b"\1\0\0\0"]),
        snapshot(counts, [(b"\2\0\0\0", b"\3" + bytes(7))]),
    )
    assert written(tmp_path, (numbers, counts), number, number, count, number, count) == [
        "map   time            n",
        "n     14:00:00        1",
        "n     14:00:00        1",
        "map   time          key            value",
        "100%s 14:00:00        2                3",
        "n     14:00:00        1",
        "100%s 14:00:00        2                3",
    ]


@pytest.mark.parametrize(
    ("comm", "shown"),
    [
        (b"[/]", "[/]"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"a\nb\tc", "a\\x0ab\\x09c"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202eevil".encode(), "\\xe2\\x80\\xaeevil"),
        (b"\xc2\x9b2J", "\\xc2\\x9b2J"),
        (b"\\xc2\\x9b", "\\x5cxc2\\x5cx9b"),
        ("naïve".encode(), "naïve"),
        (b"%d%s", "%d%s"),
    ],
)
def test_text_that_a_process_can_choose_is_escaped(tmp_path: Path, comm: bytes, shown: str) -> None:
    schema = Exits().schema
    _, row = written(tmp_path, (schema,), ring(schema, [Exits.record(comm)]))
    assert row.endswith(f"0 {shown}")


def test_names_of_members_and_maps_are_escaped(tmp_path: Path) -> None:
    w = BtfWriter()
    schema = stream(w, w.struct("s", 4, [("a\x1b%d", w.integer(), 0)]), "m\x1b")
    header, row, *_ = written(tmp_path, (schema, Exits().schema), ring(schema, [bytes(4)]))
    assert header == "map         time      a\\x1b%d"
    assert row == "m\\x1b       14:00:00        0"


def test_values_are_written_as_go_does(tmp_path: Path) -> None:
    w = BtfWriter()
    u64, i32 = w.integer("u64", 8, 0), w.integer("int", 4, 1)
    members = [
        ("took", w.typedef("duration", u64), 0),
        ("ip", w.typedef("ipv4_addr", i32), 64),
        ("ok", w.integer("_Bool", 1, 4), 96),
        ("f", w.real("double", 8), 128),
        ("list", w.array(i32, 2), 192),
        ("at", w.ptr(0), 256),
    ]
    schema = stream(w, w.struct("s", 40, members))
    raw = struct.pack("<Q4s?3xd2iQ", 1_500_000, b"\x0a\0\0\1", True, 1e6, 1, -2, 0xFFFF888000000000)
    assert written(tmp_path, (schema,), ring(schema, [raw])) == [
        "time             took ip              ok               f list                at",
        "14:00:00        1.5ms 10.0.0.1        true         1e+06 [1 -2]              0xffff888000000000",  # noqa: E501 - a line of output
    ]


def test_entries_that_are_0_are_rows(tmp_path: Path) -> None:
    w = BtfWriter()
    schema = table(w, w.integer("u32", 4, 0), w.integer("u64", 8, 0), 4, 8)
    assert written(tmp_path, (schema,), snapshot(schema, [(bytes(4), bytes(8))])) == [
        "time          key            value",
        "14:00:00        0                0",
    ]


def test_the_time_of_a_row_is_that_of_its_record(tmp_path: Path) -> None:
    w = BtfWriter()
    schema = stream(
        w, w.struct("s", 16, [("ts", w.integer("u64", 8, 0), 0), ("n", w.integer("u32", 4, 0), 64)])
    )
    now, wall = time.monotonic_ns(), time.time_ns()
    records = [struct.pack("<QQ", now - seconds * 10**9, seconds) for seconds in (50, 3, 0)]
    for batch in (ring(schema, records), *[ring(schema, [record]) for record in records]):
        _, *rows = written(tmp_path, (schema,), batch._replace(time_ns=wall))
        expected = [(wall - int(row.split()[2]) * 10**9) // 10**9 for row in rows]
        assert rows
        for row, second in zip(rows, expected, strict=True):
            told = {time.strftime("%H:%M:%S", time.localtime(second + near)) for near in (-1, 0)}
            assert row.split()[0] in told


@pytest.mark.parametrize("strange", [5, (1 << 64) - 1])
def test_an_impossible_time_does_not_change_other_rows(tmp_path: Path, strange: int) -> None:
    w = BtfWriter()
    schema = stream(w, w.struct("s", 8, [("ts", w.integer("u64", 8, 0), 0)]))
    now, wall = time.monotonic_ns(), time.time_ns()
    records = [struct.pack("<Q", at) for at in (strange, now - 50 * 10**9, now)]
    _, *rows = written(tmp_path, (schema,), ring(schema, records)._replace(time_ns=wall))
    assert rows[1].split()[0] != rows[2].split()[0]


def test_a_field_beyond_the_end_of_a_record_is_empty(tmp_path: Path) -> None:
    w = BtfWriter()
    u8, text = w.integer("u8", 1, 0), w.array(w.integer("char", 1, 1), 8)
    schema = stream(w, w.struct("s", 10, [("a", u8, 0), ("text", text, 8), ("b", u8, 72)]))
    record = b"\1" + b"hello\0\0\0" + b"\2"
    assert written(
        tmp_path, (schema,), *[ring(schema, [record[:length]]) for length in (10, 9, 4, 1, 0)]
    ) == [
        "time        a text        b",
        "14:00:00    1 hello       2",
        "14:00:00    1 hello        ",
        "14:00:00    1 hel          ",
        "14:00:00    1              ",
        "14:00:00                   ",
    ]
