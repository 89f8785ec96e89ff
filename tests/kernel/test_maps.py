import mmap

import pytest

from beepy import maps
from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import KernelError
from beepy.events.batch import Schema
from beepy.host import machine
from beepy.kernel import btf as kernel_btf
from beepy.maps.ringbuf import RingReader
from beepy.maps.table import TableReader
from beepy.obj.spec import MapSpec
from beepy.sys.fd import Fd
from beepy.uapi import MapFlag, MapType

pytestmark = pytest.mark.kernel

PAGE = mmap.PAGESIZE


def spec(
    map_type: MapType,
    key_size: int,
    value_size: int,
    entries: int,
    *,
    flags: int = 0,
    key: int = 0,
    value: int = 0,
) -> MapSpec:
    return MapSpec(
        "map",
        ".maps",
        map_type,
        key_size,
        value_size,
        entries,
        flags,
        key=TypeId(key),
        value=TypeId(value),
    )


class Types:
    """A BTF with an int and a struct of 12 bytes, as the kernel takes it."""

    def __init__(self) -> None:
        writer = BtfWriter()
        self.int = writer.integer()
        self.struct = writer.struct(
            "value", 12, [("a", self.int, 0), ("b", self.int, 32), ("c", self.int, 64)]
        )
        self.data = writer.data()

    def load(self) -> Fd:
        return kernel_btf.load(self.data)


@pytest.mark.parametrize(
    ("map_type", "sizes", "flags"),
    [
        (MapType.HASH, (4, 12, 8), 0),
        (MapType.ARRAY, (4, 12, 8), 0),
        (MapType.PROG_ARRAY, (4, 4, 8), 0),
        (MapType.PERF_EVENT_ARRAY, (4, 4, 0), 0),
        (MapType.PERCPU_HASH, (4, 12, 8), 0),
        (MapType.PERCPU_ARRAY, (4, 12, 8), 0),
        (MapType.STACK_TRACE, (4, 80, 8), 0),
        (MapType.CGROUP_ARRAY, (4, 4, 8), 0),
        (MapType.LRU_HASH, (4, 12, 8), 0),
        (MapType.LRU_PERCPU_HASH, (4, 12, 8), 0),
        (MapType.LPM_TRIE, (8, 12, 8), MapFlag.NO_PREALLOC),
        (MapType.DEVMAP, (4, 4, 8), 0),
        (MapType.SOCKMAP, (4, 4, 8), 0),
        (MapType.CPUMAP, (4, 4, 1), 0),
        (MapType.XSKMAP, (4, 4, 8), 0),
        (MapType.SOCKHASH, (4, 4, 8), 0),
        (MapType.CGROUP_STORAGE, (8, 12, 0), 0),
        (MapType.REUSEPORT_SOCKARRAY, (4, 8, 8), 0),
        (MapType.PERCPU_CGROUP_STORAGE, (8, 12, 0), 0),
        (MapType.QUEUE, (0, 12, 8), 0),
        (MapType.STACK, (0, 12, 8), 0),
        (MapType.DEVMAP_HASH, (4, 4, 8), 0),
        (MapType.RINGBUF, (0, 0, PAGE), 0),
        (MapType.BLOOM_FILTER, (0, 12, 8), 0),
        (MapType.USER_RINGBUF, (0, 0, PAGE), 0),
        (MapType.ARENA, (0, 0, 10), MapFlag.MMAPABLE),
    ],
)
def test_types_without_btf(map_type: MapType, sizes: tuple[int, int, int], flags: int) -> None:
    with maps.create(spec(map_type, *sizes, flags=flags), None) as made:
        assert (made.name, made.type) == ("map", map_type)


@pytest.mark.parametrize(
    "map_type",
    [MapType.SK_STORAGE, MapType.INODE_STORAGE, MapType.TASK_STORAGE, MapType.CGRP_STORAGE],
)
def test_storages_need_their_types(map_type: MapType) -> None:
    types = Types()
    storage = spec(map_type, 4, 12, 0, flags=MapFlag.NO_PREALLOC, key=types.int, value=types.struct)
    with types.load() as btf, maps.create(storage, btf) as made:
        assert made.type is map_type
    with pytest.raises(KernelError, match="map 'map': create: "):
        maps.create(storage, None)


@pytest.mark.parametrize("map_type", [MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS])
def test_maps_of_maps(map_type: MapType) -> None:
    inner = maps.create(spec(MapType.ARRAY, 4, 4, 1), None)
    with inner, maps.create(spec(map_type, 4, 4, 2, key=1), None, inner) as made:
        made.update(bytes(4), inner.fd.fileno().to_bytes(4, "little"))


def test_a_ring_with_a_record_type_has_no_sizes() -> None:
    types = Types()
    asked = spec(MapType.RINGBUF, 0, 12, 3 * PAGE, value=types.struct)
    with types.load() as btf, maps.create(asked, btf) as made:
        assert (made.key_size, made.value_size, made.max_entries) == (0, 0, 4 * PAGE)


def test_a_perf_array_has_a_slot_a_cpu() -> None:
    with maps.create(spec(MapType.PERF_EVENT_ARRAY, 0, 12, 0, value=2), None) as made:
        assert (made.key_size, made.value_size, made.max_entries) == (4, 4, machine.possible_cpus())


def test_types_that_fit_are_given(caplog: pytest.LogCaptureFixture) -> None:
    types = Types()
    asked = spec(MapType.HASH, 4, 12, 8, key=types.int, value=types.struct)
    with types.load() as btf, maps.create(asked, btf):
        assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_types_that_do_not_fit_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    types = Types()
    asked = spec(MapType.HASH, 4, 16, 8, key=types.int, value=types.struct)
    with types.load() as btf, maps.create(asked, btf) as made:
        assert made.value_size == 16
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage().startswith("map 'map': create: ")
    assert record.getMessage().endswith("; created without its key and value types")


def test_what_fails_with_and_without_types_is_an_error() -> None:
    types = Types()
    asked = spec(MapType.HASH, 4, 12, 0, key=types.int, value=types.struct)
    with types.load() as btf, pytest.raises(KernelError, match="map 'map': create: "):
        maps.create(asked, btf)


def test_readers() -> None:
    schema = Schema("image", "map", None, Btf(BtfWriter().data()))
    with (
        maps.create(spec(MapType.RINGBUF, 0, 0, PAGE), None) as ring,
        maps.create(spec(MapType.LPM_TRIE, 8, 4, 1, flags=MapFlag.NO_PREALLOC), None) as trie,
        maps.create(spec(MapType.QUEUE, 0, 4, 1), None) as queue,
    ):
        ring_reader = maps.reader(ring, schema)
        assert isinstance(ring_reader, RingReader)
        ring_reader.close()
        assert isinstance(maps.reader(trie, schema), TableReader)
        assert maps.reader(queue, schema) is None
