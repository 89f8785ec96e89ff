"""Bytes without a type: a record's length and its bytes in hex."""

import json
import os

import pytest

from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.types import VOID
from beepy.btf.writer import BtfWriter
from beepy.events import raw
from beepy.events.batch import Batch, Part, Schema
from beepy.events.decoder import Decoder
from beepy.events.row import Rows
from beepy.outputs.jsonl import JsonLines
from beepy.outputs.row_writer import RowWriter


def other() -> Btf:
    writer = BtfWriter()
    writer.struct("event", 4, [("pid", writer.integer(), 0)])
    return Btf(writer.data(), name="object")


@pytest.mark.parametrize("btf", [None, other()])
@pytest.mark.parametrize("length", [0, 1, 6, 300])
def test_records_of_any_length(btf: Btf | None, length: int) -> None:
    types, record = raw.record(btf)
    decoder = Decoder(Schema("o", "events", None, types, record))
    data = bytes(range(1, 7)).ljust(length, b"\xff")[:length]
    batch = Batch(
        decoder.schema, (Part((data + b"pad").ljust(304, b"\0") * 2, 304, 0),), 2, length, 0
    )
    assert [field.name for field in decoder.fields] == ["size", "data"]
    assert decoder.values(batch, decoder.fields) == [[length] * 2, [data.hex()] * 2]
    assert decoder.raw(batch) == [data, data]
    assert c_type(types, record) == "hex"


def test_a_record_as_json() -> None:
    types, record = raw.record(None)
    decoder = Decoder(Schema("o", "events", None, types, record))
    read, write = os.pipe()
    lines = JsonLines(RowWriter(write))
    lines.open([decoder])
    lines.write(Batch(decoder.schema, (Part(b"\0\xa4\3\0", 4, 0),), 1, 3, 0))
    os.close(write)
    row = json.loads(os.read(read, 4096))
    os.close(read)
    assert (row["size"], row["data"]) == (3, "00a403")


def test_records_as_arrow() -> None:
    pytest.importorskip("nanoarrow")
    types, record = raw.record(None)
    decoder = Decoder(Schema("o", "events", None, types, record))
    batch = Batch(decoder.schema, (Part(b"\1\2", 2, 0),), 1, 2, 0)
    assert Rows(batch, decoder).to_arrow().to_pylist() == [{"size": 2, "data": "0102"}]


def test_values_beside_types_of_the_object() -> None:
    btf = other()
    types, (key, value) = raw.values(btf, [4, 2])
    schema = Schema("o", "table", None, types, VOID, key, value, 4, 2)
    decoder = Decoder(schema)
    batch = Batch(schema, (Part(b"\1\0\0\0", 4, 0), Part(b"\xab\xcd", 2, 0)), 1, 2, 0)
    assert decoder.values(batch, decoder.fields) == [["01000000"], ["abcd"]]
    assert c_type(types, key) == "hex"
    assert [c_type(types, number) for number in btf.named("event")] == ["struct event"]
