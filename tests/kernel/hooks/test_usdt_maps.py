"""Entries of the two maps of usdt.bpf.h are shared, and freed with their last use."""

from collections.abc import Iterator

import pytest

from beepy.errors import AttachError
from beepy.hooks import Target, usdt_maps
from beepy.hooks.usdt_maps import UsdtMaps
from beepy.kernel import map as kernel_map
from beepy.kernel.map import Map
from beepy.uapi import MapType

pytestmark = pytest.mark.kernel

SPECS, IDS = "__bpf_usdt_specs", "__bpf_usdt_ip_to_spec_id"


@pytest.fixture
def maps() -> Iterator[dict[str, Map]]:
    with (
        kernel_map.create(MapType.ARRAY, "specs", 4, 8, 2) as specs,
        kernel_map.create(MapType.HASH, "ids", 8, 4, 4) as ids,
    ):
        yield {SPECS: specs, IDS: ids}


def test_equal_specs_share_an_entry(maps: dict[str, Map]) -> None:
    used = UsdtMaps(maps[SPECS], maps[IDS])
    first, second = b"1" * 8, b"2" * 8
    assert [used.add_spec(spec, "here") for spec in (first, second, first)] == [0, 1, 0]
    assert maps[SPECS].lookup(bytes(4)) == first
    with pytest.raises(
        AttachError, match=f"^here: map '{SPECS}' is full: see BPF_USDT_MAX_SPEC_CNT$"
    ):
        used.add_spec(b"3" * 8, "here")
    used.remove_spec(first)
    with pytest.raises(AttachError, match="is full"):
        used.add_spec(b"3" * 8, "here")
    used.remove_spec(first)
    assert used.add_spec(b"3" * 8, "here") == 0
    assert maps[SPECS].lookup(bytes(4)) == b"3" * 8


def test_an_address_has_one_spec(maps: dict[str, Map]) -> None:
    used = UsdtMaps(maps[SPECS], maps[IDS])
    used.add_address(0, 1, "here")
    used.add_address(0, 1, "here")
    why = "another probe has the same address, and this kernel has no cookies"
    with pytest.raises(AttachError, match=f"^here: {why}$"):
        used.add_address(0, 2, "here")
    used.remove_address(0)
    assert maps[IDS].lookup(bytes(8))
    used.remove_address(0)
    assert maps[IDS].lookup(bytes(8)) is None


def test_programs_of_a_collection_share_the_entries(maps: dict[str, Map]) -> None:
    shared: dict[str, object] = {}
    first = usdt_maps.of_collection(Target(maps=maps, shared=shared), "here")
    assert usdt_maps.of_collection(Target(maps=maps, shared=shared), "here") is first
    assert usdt_maps.of_collection(Target(maps=maps), "here") is not first


def test_an_object_without_the_maps(maps: dict[str, Map]) -> None:
    with pytest.raises(AttachError, match=f"^here: the object has no map '{SPECS}'") as caught:
        usdt_maps.of_collection(Target(maps={IDS: maps[IDS]}), "here")
    assert caught.value.__notes__ == ["its C source must include <bpf/usdt.bpf.h>"]
