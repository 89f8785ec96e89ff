import mmap

import pytest

from beepy import map_types, maps
from beepy.errors import ElfError
from beepy.maps import MapOps
from beepy.obj.spec import MapSpec
from beepy.uapi import MapType


def adjusted(
    map_type: MapType, key_size: int = 0, value_size: int = 0, max_entries: int = 0
) -> tuple[int, int, int]:
    spec = maps.adjusted(MapSpec("map", ".maps", map_type, key_size, value_size, max_entries))
    return spec.key_size, spec.value_size, spec.max_entries


@pytest.mark.parametrize("map_type", [MapType.RINGBUF, MapType.USER_RINGBUF])
@pytest.mark.parametrize(
    ("requested", "created"),
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
def test_ring_buffers_are_rounded_up(map_type: MapType, requested: int, created: int) -> None:
    assert adjusted(map_type, 4, 56, requested) == (0, 0, created)


def test_perf_arrays_hold_descriptors() -> None:
    assert adjusted(MapType.PERF_EVENT_ARRAY, 0, 56, 3) == (4, 4, 3)


@pytest.mark.parametrize(
    "map_type", [MapType.HASH, MapType.PERCPU_ARRAY, MapType.STACK_TRACE, MapType.ARENA]
)
def test_the_sizes_of_other_types_are_unchanged(map_type: MapType) -> None:
    assert adjusted(map_type, 4, 12, 5) == (4, 12, 5)


def test_every_type_is_read_or_has_a_reason_why_not() -> None:
    assert set(maps.TABLE) <= {kind.type for kind in map_types.TABLE}
    for kind in map_types.TABLE:
        assert bool(maps.TABLE.get(kind.type, MapOps()).reader) != bool(kind.not_shown), (
            kind.type.name
        )


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(ElfError, match="map 'm\\\\x1b': type 999: unknown"):
        maps.create(MapSpec("m\x1b", ".maps", 999), None)
