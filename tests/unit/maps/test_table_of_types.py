import mmap

import pytest

from beepy import maps
from beepy.errors import ElfError
from beepy.events import roles
from beepy.obj.spec import MapSpec
from beepy.uapi import MapType


def adjusted(map_type: MapType, key_size: int = 0, value_size: int = 0, max_entries: int = 0) -> tuple[int, int, int]:
    kind = next(kind for kind in maps.TABLE if kind.type is map_type)
    spec = kind.adjust(MapSpec("map", ".maps", map_type, key_size, value_size, max_entries))
    return spec.key_size, spec.value_size, spec.max_entries


def test_every_type_of_the_kernel_has_one_row() -> None:
    assert [kind.type for kind in maps.TABLE] == [kind for kind in MapType if kind is not MapType.UNSPEC]


def test_types_of_keys_and_values_are_dropped_where_libbpf_drops_them() -> None:
    assert {kind.type.name for kind in maps.TABLE if not kind.typed} == {
        *("PERF_EVENT_ARRAY", "CGROUP_ARRAY", "STACK_TRACE", "ARRAY_OF_MAPS", "HASH_OF_MAPS", "DEVMAP", "DEVMAP_HASH"),
        *("CPUMAP", "XSKMAP", "SOCKMAP", "SOCKHASH", "QUEUE", "STACK", "ARENA", "STRUCT_OPS"),
        *("RINGBUF", "USER_RINGBUF"),  # their sizes are 0, and the kernel compares
    }


@pytest.mark.parametrize("map_type", [MapType.RINGBUF, MapType.USER_RINGBUF])
@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (0, 0),
        (1, mmap.PAGESIZE),
        (mmap.PAGESIZE, mmap.PAGESIZE),
        (mmap.PAGESIZE + 1, 2 * mmap.PAGESIZE),
        (3 * mmap.PAGESIZE, 4 * mmap.PAGESIZE),
        (16 << 20, 16 << 20),
        ((1 << 31) - 1, 1 << 31),
        ((1 << 32) - 1, (1 << 32) - 1),
    ],
)
def test_ring_buffers_are_rounded_up(map_type: MapType, asked: int, made: int) -> None:
    assert adjusted(map_type, 4, 56, asked) == (0, 0, made)


def test_perf_arrays_hold_descriptors() -> None:
    assert adjusted(MapType.PERF_EVENT_ARRAY, 0, 56, 3) == (4, 4, 3)


@pytest.mark.parametrize("map_type", [MapType.HASH, MapType.PERCPU_ARRAY, MapType.STACK_TRACE, MapType.ARENA])
def test_others_are_as_written(map_type: MapType) -> None:
    assert adjusted(map_type, 4, 12, 5) == (4, 12, 5)


def test_every_type_is_read_or_has_a_reason_why_not() -> None:
    for kind in maps.TABLE:
        assert bool(kind.reader) != bool(roles.not_read(kind.type)), kind.type.name
    assert not roles.not_read(999)


def test_types_with_a_slot_per_cpu() -> None:
    assert {map_type.name for map_type in MapType if maps.is_percpu(map_type)} == {
        *("PERCPU_HASH", "PERCPU_ARRAY", "LRU_PERCPU_HASH", "PERCPU_CGROUP_STORAGE"),
    }
    assert not maps.is_percpu(999)


def test_a_type_that_nobody_knows() -> None:
    with pytest.raises(ElfError, match="map 'm\\\\x1b': type 999: unknown"):
        maps.create(MapSpec("m\x1b", ".maps", 999), None)
