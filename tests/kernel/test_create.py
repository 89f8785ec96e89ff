"""Maps of objects: every type, kernel objects in values, arenas, variables."""

import shutil
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from beepy.btf.types import Kind
from beepy.collection.load import load
from beepy.errors import ElfError, KernelError, UsageError
from beepy.features import Feature
from beepy.kernel.map import Map
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from beepy.uapi import MapFlag, MapType
from bpf import build
from tests.kernel.conftest import ObjectOf
from tests.support.lacking import lack

pytestmark = pytest.mark.kernel

PACKET = bytes(64)
NAMES = ("maps_all", "maps_values", "maps_kptr", "maps_absent", "arena", "data")


@pytest.fixture(scope="module", params=["clang-14", "clang-16", "clang-19"])
def specs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CollectionSpec]:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    paths = build.objects(tmp_path_factory.mktemp("objects"), request.param, NAMES)
    return {name: parse(path.read_bytes(), name) for name, path in paths.items()}


def test_a_map_of_every_type(specs: dict[str, CollectionSpec]) -> None:
    with load(specs["maps_all"]) as collection:
        types = {map_.type for map_ in collection.maps.values()}
        left_out = {MapType.STRUCT_OPS, MapType.INSN_ARRAY, MapType.RHASH, MapType.UNSPEC}
        assert types == set(MapType) - left_out
        assert collection.maps["ringbuf"].info().max_entries == 8192
        assert collection.maps["bloom_filter"].info().map_extra == 3
        assert collection.maps[".data"].info().map_flags == MapFlag.MMAPABLE
        assert collection.maps[".rodata"].info().map_flags == MapFlag.RDONLY_PROG | MapFlag.MMAPABLE


def test_an_unknown_map_type(specs: dict[str, CollectionSpec]) -> None:
    with pytest.raises(ElfError, match="map 'absent': type 999: unknown"):
        load(specs["maps_absent"])


def test_locks_in_values(specs: dict[str, CollectionSpec]) -> None:
    with load(specs["maps_values"]) as collection:
        assert collection.programs["lock"].run(data=PACKET).retval == 0
        assert collection.programs["lock_inside"].run(data=PACKET).retval == 0


def test_timers_in_values(specs: dict[str, CollectionSpec]) -> None:
    with load(specs["maps_values"]) as collection:
        assert collection.programs["start"].run(data=PACKET).retval == 0
        waited = threading.Event()
        for _ in range(1000):
            if word(collection.maps[".bss"], 0, 8):
                break
            waited.wait(0.01)
        assert word(collection.maps[".bss"], 0, 8) == 42


def test_kptrs_in_values(specs: dict[str, CollectionSpec]) -> None:
    """Only programs can access such a member, if the compiler writes its tag to BTF."""
    btf = specs["maps_kptr"].btf
    assert btf
    with load(specs["maps_kptr"]) as collection:
        collection.attach()
        subprocess.run(["/bin/true"], check=True)
        collection.detach()
        tasks = collection.maps["tasks"]
        tagged = Kind.TYPE_TAG in map(btf.kind, btf.ids())
        assert (tasks.lookup(bytes(4)) == bytes(8)) == tagged
        wrong = b"\x01" * 8
        tasks.update(bytes(4), wrong)
        assert tasks.lookup(bytes(4)) == (bytes(8) if tagged else wrong)


def word(area: Map, offset: int, size: int) -> int:
    value = area.lookup(bytes(4))
    assert value
    return int.from_bytes(value[offset : offset + size], "little")


@pytest.mark.parametrize("place", [0, 1 << 44])
def test_variables_in_an_arena(specs: dict[str, CollectionSpec], place: int) -> None:
    spec = specs["arena"]
    spec = spec._replace(
        maps=tuple(
            [
                map_spec._replace(map_extra=place if map_spec.name == "arena" else 0)
                for map_spec in spec.maps
            ]
        )
    )
    with load(spec, variables={"parameter": "8"}) as collection:
        assert collection.programs["walk"].run().retval == 0
        assert collection.programs["told"].run().retval == 8
        assert collection.maps["arena"].info().map_extra == place


def test_an_arena_that_is_too_small(specs: dict[str, CollectionSpec]) -> None:
    spec = specs["arena"]
    maps = [
        map_spec._replace(
            contents=bytes(5 * 4096) if map_spec.name == "arena" else map_spec.contents
        )
        for map_spec in spec.maps
    ]
    with pytest.raises(
        KernelError, match="map 'arena': arena: 20480 bytes, expected at most 16384"
    ):
        load(spec._replace(maps=tuple(maps)))


def test_variables_are_set_before_the_load(specs: dict[str, CollectionSpec]) -> None:
    values = {
        "parameter": "9",
        "name": "other",
        "pair.large": "1",
        "hidden": "0x10",
        "table": "5,6",
        "buffer": "abc",
    }
    with load(specs["data"], variables={**values, ".data.custom:custom": 1}) as collection:
        assert collection.programs["change"].run().retval == 0
        offsets = {
            variable.name: (variable.map, variable.offset, variable.size)
            for variable in specs["data"].variables
        }

        def value(name: str) -> int:
            area, offset, size = offsets[name]
            return word(collection.maps[area], offset, size)

        assert (value("counter"), value("hidden"), value("custom"), value("parameter")) == (
            1009,
            0x11,
            2,
            9,
        )
        assert value("table") == int.from_bytes(struct.pack("4h", 5, 7, 0, 0), "little")
        assert value("buffer").to_bytes(100, "little").rstrip(b"\0") == b"xbc"
        area, offset, _ = offsets["pair"]
        assert word(collection.maps[area], offset, 16) == 1 | 1 << 64
    with pytest.raises(UsageError, match="variable 'parametre': not found in data"):
        load(specs["data"], variables={"parametre": "9"})


def test_constants_are_frozen(specs: dict[str, CollectionSpec]) -> None:
    with load(specs["data"], variables={"parameter": 9}) as collection:
        rodata = collection.maps[".rodata"]
        with pytest.raises(KernelError, match=r"map '\.rodata': update: operation not permitted"):
            rodata.update(bytes(4), bytes(rodata.value_size))


def test_data_on_a_kernel_whose_arrays_cannot_be_mapped(
    object_of: ObjectOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag that arrays do not support provokes the refusal."""
    spec = parse(Path(object_of("data")).read_bytes(), "data")
    wrong = [
        map_spec._replace(flags=MapFlag.MMAPABLE | MapFlag.CLONE)
        for map_spec in spec.maps
        if map_spec.name == ".data"
    ]
    lack(monkeypatch, Feature.ARRAY_MMAP)
    with pytest.raises(KernelError, match=r"map '\.data': create: invalid argument"):
        load(spec._replace(maps=tuple(wrong), programs=()))
