import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from beepy import map_types
from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch, Schema
from beepy.host.machine import possible_cpus
from beepy.kernel import map as kernel_map
from beepy.kernel.map import Map
from beepy.maps import table as table_module
from beepy.maps.table import TableReader, keywise_reader
from beepy.uapi import MapFlag, MapType
from tests.support.events import decode
from tests.support.events import table as table_schema

pytestmark = pytest.mark.kernel

SCHEMA = Schema("image", "table", None, Btf(BtfWriter().data()))
HASHES = [MapType.HASH, MapType.LRU_HASH, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH]
READERS = pytest.mark.parametrize("make", [TableReader, keywise_reader])


def test_no_more_room_is_made_than_an_array_fills() -> None:
    size = 8 << 20
    with tables(MapType.ARRAY, 1, size) as table:
        asked: list[int] = []
        look_up = table.lookup_batch
        table.lookup_batch = lambda cursor, count: asked.append(count) or look_up(cursor, count)  # type: ignore[method-assign,func-returns-value]
        first, last = TableReader(table, SCHEMA).read()
    assert (first.records, len(first.parts[1].raw), last.records, last.final) == (1, size, 0, True)
    assert asked == [1, 1]


@contextmanager
def tables(map_type: MapType, entries: int, value_size: int = 8, flags: int = 0) -> Iterator[Map]:
    with kernel_map.create(map_type, "table", 4, value_size, entries, flags=flags) as table:
        yield table


def key(number: int) -> bytes:
    return number.to_bytes(4, "little")


def value(table: Map, number: int) -> bytes:
    """Return a value that tells its number, and its CPU where there is one a CPU."""
    slots = table.value_span // table.value_size if map_types.of(table.type).is_percpu else 1
    return b"".join([(number << 8 | slot).to_bytes(table.value_span // slots, "little") for slot in range(slots)])


def fill(table: Map, numbers: range) -> None:
    for number in numbers:
        table.update(key(number), value(table, number))


def pairs(batches: list[Batch]) -> list[tuple[bytes, bytes]]:
    """Return the entries of a snapshot, after looking at its marks."""
    assert [batch.final for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert len({batch.snapshot for batch in batches}) == 1
    found = []
    for batch in batches:
        keys, values = batch.parts
        assert (keys.skip, values.skip) == (0, 0)
        assert len(keys.raw) == batch.records * keys.stride
        assert len(values.raw) == batch.records * values.stride
        assert values.stride == batch.length
        found += [
            (
                keys.raw[i * keys.stride : (i + 1) * keys.stride],
                values.raw[i * values.stride : (i + 1) * values.stride],
            )
            for i in range(batch.records)
        ]
    return found


@READERS
@pytest.mark.parametrize("map_type", HASHES)
def test_hashes(map_type: MapType, make: type[TableReader]) -> None:
    with tables(map_type, 20_000) as table:
        reader = make(table, SCHEMA)
        assert reader.fileno() == -1
        assert pairs(list(reader.read())) == []
        fill(table, range(10_000))
        batches = list(reader.read())
        assert len(batches) > 2
        assert all(batch.records <= 4096 for batch in batches)
        expected = {key(number): value(table, number) for number in range(10_000)}
        found = pairs(batches)
        assert len(found) == 10_000
        assert dict(found) == expected
        assert {batch.snapshot for batch in reader.read()} == {3}


@READERS
@pytest.mark.parametrize("map_type", [MapType.ARRAY, MapType.PERCPU_ARRAY])
@pytest.mark.parametrize("entries", [1, 4096, 5000])
def test_arrays(map_type: MapType, entries: int, make: type[TableReader]) -> None:
    with tables(map_type, entries) as table:
        fill(table, range(entries))
        expected = [(key(number), value(table, number)) for number in range(entries)]
        assert pairs(list(make(table, SCHEMA).read())) == expected


@READERS
def test_values_of_all_cpus(make: type[TableReader]) -> None:
    with tables(MapType.PERCPU_HASH, 4, value_size=12) as table:
        slots = b"".join([struct.pack("<QII", cpu, 7, 0) for cpu in range(possible_cpus())])
        table.update(key(1), slots)
        assert pairs(list(make(table, SCHEMA).read())) == [(key(1), slots)]


@READERS
@pytest.mark.parametrize("is_summed", [True, False])
def test_rows_are_those_that_are_shown(make: type[TableReader], *, is_summed: bool) -> None:
    cpus = possible_cpus()
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table_schema(w, u32, u32 if is_summed else w.enum("state", {"IDLE": 0}), 4, 4, cpus=cpus)
    with tables(MapType.PERCPU_HASH, 4, value_size=4) as table:
        table.update(key(7), b"".join([struct.pack("<I4x", 10 + cpu) for cpu in range(cpus)]))
        (batch,) = make(table, schema).read()
    if is_summed:
        assert batch.records == 1
        assert decode(schema, batch) == {"key": [7], "value": [sum(range(10, 10 + cpus))]}
    else:
        assert (batch.records, batch.final) == (cpus, True)
        values = [10 + cpu for cpu in range(cpus)]
        assert decode(schema, batch) == {"key": [7] * cpus, "cpu": [*range(cpus)], "value": values}


def test_large_values_make_small_batches() -> None:
    with tables(MapType.HASH, 200, value_size=32 << 10) as table:
        fill(table, range(200))
        batches = list(TableReader(table, SCHEMA).read())
        assert all(len(batch.parts[1].raw) <= 1 << 20 for batch in batches)
        assert {entry for entry, _ in pairs(batches)} == {key(number) for number in range(200)}


def test_a_bucket_that_holds_more_than_a_batch() -> None:
    with tables(MapType.HASH, 256) as table:
        fill(table, range(256))  # 256 keys in 256 buckets: some share one
        reader = TableReader(table, SCHEMA)
        reader._count = 1
        assert {entry for entry, _ in pairs(list(reader.read()))} == {key(number) for number in range(256)}
        assert reader._count > 1


def test_a_trie_is_keywise_reader() -> None:
    with kernel_map.create(MapType.LPM_TRIE, "trie", 8, 4, 8, flags=MapFlag.NO_PREALLOC) as trie:
        entries = {struct.pack("<I4B", bits, 10, 0, 0, 0): bits.to_bytes(4, "little") for bits in (8, 16, 24)}
        for prefix, number in entries.items():
            trie.update(prefix, number)
        assert dict(pairs(list(keywise_reader(trie, SCHEMA).read()))) == entries


def test_a_type_without_batches_is_keywise_reader() -> None:
    with kernel_map.create(MapType.DEVMAP, "devices", 4, 4, 4) as devices:
        devices.update(key(2), key(1))  # the loopback interface
        reader = TableReader(devices, SCHEMA)
        for _ in range(2):
            assert pairs(list(reader.read())) == [(key(2), key(1))]


def test_a_walk_whose_key_is_deleted_shows_no_key_twice() -> None:
    with tables(MapType.HASH, 256) as table:
        fill(table, range(200))
        reader = keywise_reader(table, SCHEMA)
        reader._count = 16
        batches, deleted = [], set()
        for batch in reader.read():
            batches.append(batch)
            last = batch.parts[0].raw[-4:]
            if not batch.final:
                table.delete(last)
                deleted.add(last)
        found = [entry for entry, _ in pairs(batches)]
        assert len(deleted) > 5
        assert sorted(found) == sorted(key(number) for number in range(200))


def test_a_walk_through_what_never_rests_has_an_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(table_module, "_WALK", 64)
    with tables(MapType.HASH, 64) as table:
        fill(table, range(32))
        reader = keywise_reader(table, SCHEMA)
        reader._count = 16
        new = 32
        batches = []
        for batch in reader.read():
            batches.append(batch)
            for entry in [batch.parts[0].raw[i : i + 4] for i in range(0, batch.records * 4, 4)]:
                table.delete(entry)
                table.update(key(new), bytes(8))
                new += 1
        found = [entry for entry, _ in pairs(batches)]
        assert len(found) == len(set(found)) <= 128
        assert "map 'table': changes faster than it is read" in caplog.text


def test_what_stays_is_in_every_snapshot_once_while_others_come_and_go() -> None:
    stays = {key(number) for number in range(0, 3000, 3)}
    with tables(MapType.HASH, 8192) as table:
        fill(table, range(0, 3000, 3))
        done = threading.Event()

        def churn() -> None:
            while not done.is_set():
                fill(table, range(1, 3000, 3))
                for number in range(1, 3000, 3):
                    table.delete(key(number))

        thread = threading.Thread(target=churn)
        thread.start()
        try:
            reader = TableReader(table, SCHEMA)
            reader._count = 64
            for _ in range(30):
                found = [entry for entry, _ in pairs(list(reader.read()))]
                assert len(found) == len(set(found))
                assert stays <= set(found)
        finally:
            done.set()
            thread.join()
