import struct
import threading
from collections.abc import Callable, Iterator
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


def test_the_buffers_are_no_larger_than_an_array() -> None:
    size = 8 << 20
    with tables(MapType.ARRAY, 1, size) as table:
        counts: list[int] = []
        look_up = table.lookup_batch
        table.lookup_batch = lambda cursor, count: counts.append(count) or look_up(cursor, count)  # type: ignore[method-assign,func-returns-value]
        first, last = TableReader(table, SCHEMA).read()
    assert (first.records, len(first.parts[1].raw), last.records, last.final) == (1, size, 0, True)
    assert counts == [1, 1]


@contextmanager
def tables(map_type: MapType, entries: int, value_size: int = 8, flags: int = 0) -> Iterator[Map]:
    with kernel_map.create(map_type, "table", 4, value_size, entries, flags=flags) as table:
        yield table


def key(number: int) -> bytes:
    return number.to_bytes(4, "little")


def value(table: Map, number: int) -> bytes:
    """Return a value that contains its number, and its CPU in a per-CPU map."""
    slots = table.value_span // table.value_size if map_types.of(table.type).is_percpu else 1
    return b"".join(
        [
            (number << 8 | slot).to_bytes(table.value_span // slots, "little")
            for slot in range(slots)
        ]
    )


def fill(table: Map, numbers: range) -> None:
    for number in numbers:
        table.update(key(number), value(table, number))


def pairs(batches: list[Batch]) -> list[tuple[bytes, bytes]]:
    """Check ``snapshot`` and ``final`` of the batches, and return their entries."""
    assert [batch.final for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert len({batch.snapshot for batch in batches}) == 1
    entries = []
    for batch in batches:
        keys, values = batch.parts
        assert (keys.skip, values.skip) == (0, 0)
        assert len(keys.raw) == batch.records * keys.stride
        assert len(values.raw) == batch.records * values.stride
        assert values.stride == batch.length
        entries += [
            (
                keys.raw[i * keys.stride : (i + 1) * keys.stride],
                values.raw[i * values.stride : (i + 1) * values.stride],
            )
            for i in range(batch.records)
        ]
    return entries


@READERS
@pytest.mark.parametrize("map_type", HASHES)
def test_a_hash_is_read_completely(map_type: MapType, make: type[TableReader]) -> None:
    with tables(map_type, 20_000) as table:
        reader = make(table, SCHEMA)
        assert reader.fileno() == -1
        assert pairs(list(reader.read())) == []
        fill(table, range(10_000))
        batches = list(reader.read())
        assert len(batches) > 2
        assert all(batch.records <= 4096 for batch in batches)
        expected = {key(number): value(table, number) for number in range(10_000)}
        entries = pairs(batches)
        assert len(entries) == 10_000
        assert dict(entries) == expected
        assert {batch.snapshot for batch in reader.read()} == {3}


@READERS
@pytest.mark.parametrize("map_type", [MapType.ARRAY, MapType.PERCPU_ARRAY])
@pytest.mark.parametrize("entries", [1, 4096, 5000])
def test_an_array_is_read_completely(
    map_type: MapType, entries: int, make: type[TableReader]
) -> None:
    with tables(map_type, entries) as table:
        fill(table, range(entries))
        expected = [(key(number), value(table, number)) for number in range(entries)]
        assert pairs(list(make(table, SCHEMA).read())) == expected


@READERS
def test_a_per_cpu_map_has_the_values_of_all_cpus(make: type[TableReader]) -> None:
    with tables(MapType.PERCPU_HASH, 4, value_size=12) as table:
        slots = b"".join([struct.pack("<QII", cpu, 7, 0) for cpu in range(possible_cpus())])
        table.update(key(1), slots)
        assert pairs(list(make(table, SCHEMA).read())) == [(key(1), slots)]


@READERS
@pytest.mark.parametrize("is_summed", [True, False])
def test_per_cpu_values_are_rows_or_summed(make: type[TableReader], *, is_summed: bool) -> None:
    cpus = possible_cpus()
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table_schema(
        w, u32, u32 if is_summed else w.enum("state", {"IDLE": 0}), 4, 4, cpus=cpus
    )
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


def test_a_bucket_larger_than_a_batch() -> None:
    with tables(MapType.HASH, 256) as table:
        fill(table, range(256))  # 256 keys in 256 buckets: some share one
        reader = TableReader(table, SCHEMA)
        reader._count = 1
        assert {entry for entry, _ in pairs(list(reader.read()))} == {
            key(number) for number in range(256)
        }
        assert reader._count > 1


def test_a_trie_is_read_key_by_key() -> None:
    with kernel_map.create(MapType.LPM_TRIE, "trie", 8, 4, 8, flags=MapFlag.NO_PREALLOC) as trie:
        entries = {
            struct.pack("<I4B", bits, 10, 0, 0, 0): bits.to_bytes(4, "little")
            for bits in (8, 16, 24)
        }
        for prefix, number in entries.items():
            trie.update(prefix, number)
        assert dict(pairs(list(keywise_reader(trie, SCHEMA).read()))) == entries


def test_a_type_without_batches_is_read_key_by_key() -> None:
    with kernel_map.create(MapType.DEVMAP, "devices", 4, 4, 4) as devices:
        devices.update(key(2), key(1))  # the loopback interface
        reader = TableReader(devices, SCHEMA)
        for _ in range(2):
            assert pairs(list(reader.read())) == [(key(2), key(1))]


def test_a_key_that_is_deleted_during_a_walk_repeats_no_other_key() -> None:
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
        keys = [key_bytes for key_bytes, _ in pairs(batches)]
        assert len(deleted) > 5
        assert sorted(keys) == sorted(key(number) for number in range(200))


def test_a_walk_of_a_table_that_keeps_changing_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(table_module, "_MAX_WALK", 64)
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
        keys = [key_bytes for key_bytes, _ in pairs(batches)]
        assert len(keys) == len(set(keys)) <= 128
        assert "map 'table': changes faster than it is read" in caplog.text


def test_stable_keys_are_in_every_snapshot_once_while_others_change() -> None:
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
                keys = [key_bytes for key_bytes, _ in pairs(list(reader.read()))]
                assert len(keys) == len(set(keys))
                assert stays <= set(keys)
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize("map_type", HASHES)
@READERS
def test_a_table_that_is_drained_has_each_entry_once(
    map_type: MapType, make: Callable[[Map, Schema], TableReader]
) -> None:
    with tables(map_type, 64) as table:
        reader = make(table, SCHEMA._replace(drains=True))
        for number in range(40):
            table.update(key(number), value(table, number))
        first = list(reader.read())
        assert sum(batch.records for batch in first) == 40
        assert table.next_key(None) is None
        table.update(key(7), value(table, 7))
        (second,) = reader.read()
        assert (second.records, second.final, second.parts[0].raw) == (1, True, key(7))
        (third,) = reader.read()
        assert (third.records, third.final) == (0, True)
