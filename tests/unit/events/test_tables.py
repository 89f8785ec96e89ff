"""Tables as mappings: keys and values of every kind, per-CPU values, names of several images."""

import struct
from collections.abc import Iterable, Iterator

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.row import Row
from beepy.events.tables import Table, by_name, tables
from tests.support.events import Exits, snapshot, table


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def made(schema: Schema, entries: list[tuple[bytes, bytes]]) -> Table:
    def read(schemas: Iterable[Schema]) -> Iterator[Batch]:
        assert list(schemas) == [schema]
        yield snapshot(schema, entries)

    return Table(Decoder(schema), read)


def test_plain_keys_and_values() -> None:
    w = BtfWriter()
    number = w.integer("u32", 4, 0)
    counted = made(table(w, number, number, 4, 4), [(u32(1), u32(5)), (u32(2), u32(0))])
    assert dict(counted) == {1: 5, 2: 0}
    assert (counted[1], len(counted), 2 in counted, 3 in counted, counted.get(3)) == (
        5,
        2,
        True,
        False,
        None,
    )
    assert [*counted.items()] == [(1, 5), (2, 0)]
    assert [*counted.values()] == [5, 0]
    assert repr(counted) == "Table('print_table')"
    with pytest.raises(KeyError):
        counted[3]
    with pytest.raises(TypeError):
        counted[1] = 2  # type: ignore[index]


def test_keys_and_values_that_are_structs_are_rows() -> None:
    w = BtfWriter()
    number = w.integer("u32", 4, 0)
    key = w.struct("key", 8, [("port", number, 0), ("addr", number, 32)])
    value = w.struct("value", 8, [("bytes", number, 0), ("packets", number, 32)])
    counted = made(table(w, key, value, 8, 8), [(u32(80) + u32(1), u32(100) + u32(2))])
    ((found, counts),) = counted.items()
    assert (found.port, found.addr, counts.bytes, counts.packets) == (80, 1, 100, 2)
    assert isinstance(found, Row)
    assert counted[found] == counts
    assert counts.asdict() == {"bytes": 100, "packets": 2}


def test_keys_that_are_text() -> None:
    w = BtfWriter()
    comm = w.array(w.integer("char", 1), 8)
    counted = made(
        table(w, comm, w.integer("u64", 8, 0), 8, 8), [(b"bash\0\0\0\0", struct.pack("<Q", 3))]
    )
    assert dict(counted) == {"bash": 3}


def test_integers_of_all_cpus_are_summed() -> None:
    w = BtfWriter()
    number = w.integer("u32", 4, 0)
    schema = table(w, number, w.integer("u64", 8, 0), 4, 8, cpus=3)
    assert dict(made(schema, [(u32(1), struct.pack("<QQQ", 1, 2, 3))])) == {1: 6}


def test_other_values_of_all_cpus_are_tuples() -> None:
    w = BtfWriter()
    number = w.integer("u32", 4, 0)
    schema = table(w, number, w.struct("value", 4, [("hits", number, 0)]), 4, 4, cpus=2)
    counted = made(
        schema, [(u32(1), struct.pack("<I4xI4x", 5, 6)), (u32(2), struct.pack("<I4xI4x", 7, 8))]
    )
    assert {key: [one.hits for one in values] for key, values in counted.items()} == {
        1: [5, 6],
        2: [7, 8],
    }
    empty = made(schema, [])
    assert dict(empty) == {}


def test_a_struct_whose_only_member_is_called_like_the_key() -> None:
    w = BtfWriter()
    number = w.integer("u32", 4, 0)
    schema = table(
        w, w.struct("k", 4, [("key", number, 0)]), w.struct("v", 4, [("value", number, 0)]), 4, 4
    )
    ((key, value),) = made(schema, [(u32(1), u32(2))]).items()
    assert value.value == 2
    assert key in (1, made(schema, [(u32(1), u32(2))]).__iter__().__next__())


def test_maps_of_one_name_are_called_by_their_images() -> None:
    w = BtfWriter()
    number = w.integer("u32", 4, 0)
    one = table(w, number, number, 4, 4)
    schemas = [one, one._replace(image="other"), one._replace(map="alone"), Exits().schema]
    decoders = [Decoder(schema) for schema in schemas]
    assert list(by_name(decoders)) == [
        "image:1.print_table",
        "other.print_table",
        "alone",
        "print_exits",
    ]
    assert list(tables(decoders, lambda _: iter(()))) == [
        "image:1.print_table",
        "other.print_table",
        "alone",
    ]
