"""The schema of a map's lines accepts what the sink writes, and nothing that differs from it."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from beepy.btf.btf import Btf
from beepy.btf.types import INT_BOOL
from beepy.btf.writer import BtfWriter, Member
from beepy.events.batch import Batch, Schema
from beepy.events.choice import apply as choose
from beepy.events.decoder import Decoder
from beepy.outputs import json_schema
from beepy.outputs.jsonl import JsonLines
from beepy.outputs.row_writer import RowWriter
from tests.soak import times
from tests.support.events import Exits, ring, snapshot, stream, table
from tests.support.gadget_types import Vocabulary

_SIZE = 256


def every_kind() -> Schema:
    """Return the schema of records with a member of each kind, alone and nested."""
    w = BtfWriter()
    u8, s8 = w.integer("unsigned char", 1, 0), w.integer("signed char", 1)
    u16, u32, s32 = w.integer("u16", 2, 0), w.integer("u32", 4, 0), w.integer()
    u64, s64 = w.integer("u64", 8, 0), w.integer("s64", 8)
    boolean, char = w.integer("_Bool", 1, INT_BOOL), w.integer("char", 1)
    flags = w.enum("flags", {"NONE": 0, "READ": 1, "WRITE": 2, "EXEC": 4})
    state = w.enum("", {"IDLE": 0, "RUN": 1})
    hop = w.struct(
        "hop", 8, [("port", u16, 0), ("name", w.array(char, 4), 16), ("up", boolean, 48)]
    )
    union = w.union("", 8, [("whole", u64, 0), ("half", s32, 0), ("hop", hop, 0)])
    members: list[Member] = [
        ("a", u8, 0), ("b", s8, 8), ("c", u16, 16), ("d", s32, 32), ("e", u64, 64),
        ("f", s64, 128), ("g", w.integer("u128", 16, 0), 192), ("h", w.integer("s128", 16), 320),
        ("bits", u32, 448, 3), ("signs", s32, 451, 5), ("flag", boolean, 456, 1),
        ("wide", w.integer("bool", 4, INT_BOOL), 480), ("ok", boolean, 512),
        ("flags", flags, 544), ("state", state, 576, 7), ("real", w.real("double", 8), 640),
        ("half", w.real("float", 4), 704), ("map", w.ptr(u32), 768),
        ("text", w.array(char, 8), 832),
        ("hex", w.array(u8, 6), 896), ("numbers", w.array(s32, 2), 960),
        ("states", w.array(flags, 2), 1024), ("hops", w.array(hop, 2), 1088), ("hop", hop, 1216),
        ("", union, 1280), ("v4", w.typedef("ipv4_addr", u32), 1344),
        ("v6", w.typedef("ipv6_addr", w.array(u8, 16)), 1376),
        ("took", w.typedef("duration", s64), 1536), ("none", w.array(u32, 0), 1600),
        ("nested", w.array(w.array(u16, 2), 2), 1632), ("rest", w.array(char, 0), 8 * _SIZE),
    ]  # fmt: skip
    return stream(w, w.struct("event", _SIZE, members))


def lines(path: Path, batch: Batch, decoder: Decoder) -> Iterator[dict[str, Any]]:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sink = JsonLines(RowWriter(fd))
    sink.open([decoder])
    sink.write(batch)
    sink.close()
    os.close(fd)
    return map(json.loads, path.read_text("ascii").splitlines())


def validator(decoder: Decoder) -> Draft202012Validator:
    document = json_schema.of_map(decoder, decoder.schema.map)
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def test_every_kind_of_any_bytes_and_length_is_accepted(tmp_path: Path) -> None:
    decoder = Decoder(every_kind())
    checks = validator(decoder)
    chance = random.Random(1)
    for length in (_SIZE, _SIZE + 5, *[chance.randrange(_SIZE) for _ in range(times(6))]):
        records = [chance.randbytes(length) for _ in range(5)] + [bytes(length)]
        for row in lines(tmp_path / "out", ring(decoder.schema, records), decoder):
            checks.validate(row)
            names = [*row], [*checks.schema["properties"]]  # type: ignore[index]
            assert names[0] == names[1]  # in one order


@pytest.mark.parametrize("cpus", [0, 3])
def test_rows_of_tables_are_accepted(tmp_path: Path, cpus: int) -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    key = w.struct("key", 8, [("pid", u32, 0), ("cpu", u32, 32)])
    for size, value in ((4, u32), (8, w.struct("value", 8, [("a", u32, 0), ("b", u32, 32)]))):
        decoder = Decoder(table(w, key, value, 8, size, cpus=cpus))
        full = b"\xff" * (cpus * 8 or size)
        rows = lines(tmp_path / "out", snapshot(decoder.schema, [(b"\xff" * 8, full)]), decoder)
        checks = validator(decoder)
        assert [checks.is_valid(row) for row in rows] in ([True], [True] * 3)


def test_chosen_fields_are_the_only_ones(tmp_path: Path) -> None:
    decoder = Decoder(Exits().schema)
    choose(["comm,pid"], [decoder])
    (row,) = lines(tmp_path / "out", ring(decoder.schema, [Exits.record()]), decoder)
    validator(decoder).validate(row)
    assert [*row] == ["map", "time", "comm", "pid"]


@pytest.mark.parametrize(
    "change",
    [
        {"a": 256}, {"a": -1}, {"b": 128}, {"d": 1.5}, {"e": "1"}, {"e": 1 << 64}, {"signs": True},
        {"ok": 1}, {"flags": 1.5}, {"real": "NaN"}, {"text": 1}, {"numbers": [1, "2"]},
        {"hop": {"port": 1, "name": ""}}, {"hop": None}, {"hops": [{"port": 1}]}, {"map": "other"},
        {"time": "now"}, {"more": 1}, {"v4": 1}, {"took": "1s"},
    ],
    ids=str,
)  # fmt: skip
def test_what_differs_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    decoder = Decoder(every_kind())
    (row,) = lines(tmp_path / "out", ring(decoder.schema, [bytes(_SIZE)]), decoder)
    checks = validator(decoder)
    assert checks.is_valid(row)
    assert not checks.is_valid({**row, **change})
    del row[next(iter(change)) if next(iter(change)) in row else "a"]
    assert not checks.is_valid(row)


def test_rows_of_a_vocabulary_are_accepted(tmp_path: Path) -> None:
    """Meanings stand beside numbers; of an address the version says which it is."""
    types = Vocabulary()
    w = types.writer
    kinds = w.enum("kind_set", {"A": 1, "B": 2})
    members: list[Member] = [
        ("timestamp_raw", types.typedef("timestamp", 64), 0),
        ("proc", types.process, 64),
        ("error_raw", types.typedef("errno"), 480),
        ("src", types.endpoint, 512),
        ("kind_raw", w.enum("kind", {"ONE": 1}), 768),
        ("kinds", kinds, 800),
    ]
    record = w.struct("event", 104, members)
    schema = Schema("i", "trace", None, Btf(w.data()), record, vocabulary="gadget")
    decoder = Decoder(schema)
    checks = validator(decoder)
    chance = random.Random(3)
    rows = [chance.randbytes(104) for _ in range(20)] + [bytes(104)]
    for row in lines(tmp_path / "out", ring(schema, rows), decoder):
        checks.validate(row)
    properties = json_schema.of_map(decoder, decoder.schema.map)["properties"]
    assert properties["error_raw"]["type"] == ["integer", "null"]
    assert properties["error"]["type"] == ["string", "null"]
    assert properties["src"]["properties"]["addr"]["type"] == ["string", "null"]
