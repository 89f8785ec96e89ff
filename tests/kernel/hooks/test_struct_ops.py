"""Programs that implement operations of the kernel: a way to control congestion of TCP."""

import shutil
from pathlib import Path

import pytest

from beepy.analysis import requirements
from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.check.check import ERROR, check
from beepy.collection.load import load
from beepy.errors import NotSupported
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from beepy.uapi import MapType
from bpf import build
from tests.support.sockets import talk

KNOWN = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


@pytest.fixture(scope="module", params=["clang-14", "clang-16", "clang-19"])
def spec(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> CollectionSpec:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    made: Path = build.objects(tmp_path_factory.mktemp("ops"), request.param, ("struct_ops",))[
        "struct_ops"
    ]
    return parse(made.read_bytes(), "struct_ops")


def test_registered_while_attached(spec: CollectionSpec) -> None:
    with load(spec) as collection:
        # No map names "unused".
        assert set(collection.programs) == {"ssthresh", "cong_avoid", "undo_cwnd"}
        assert not {"beepy_linked", "beepy_plain"} & set(KNOWN.read_text().split())
        collection.attach()
        assert {"beepy_linked", "beepy_plain"} <= set(KNOWN.read_text().split())
        talk("beepy_linked")
        talk("beepy_plain")
        contents = collection.maps[".bss"].lookup(bytes(4))
        assert contents
        assert int.from_bytes(contents[:4], "little") > 0
        collection.detach()
        assert not {"beepy_linked", "beepy_plain"} & set(KNOWN.read_text().split())


def test_unknown_operations_are_refused(spec: CollectionSpec) -> None:
    maps = []
    for one in spec.maps:
        if one.name == "linked":
            assert one.contents
            one = one._replace(contents=one.contents[:-8] + b"\1".ljust(8, b"\0"))  # noqa: PLW2901
        maps.append(one)
    with pytest.raises(
        NotSupported, match="'linked': struct tcp_congestion_ops: member 'of_no_kernel': the kernel"
    ):
        load(spec._replace(maps=tuple(maps)))


def test_a_map_loads_its_programs_even_without_autoload(spec: CollectionSpec) -> None:
    """libbpf loads a program of SEC("?struct_ops") if a map that it creates names it."""
    programs = tuple([one._replace(section=f"?{one.section}") for one in spec.programs])
    quiet = spec._replace(programs=programs)
    assert {one.name for one in quiet.loaded} == {"ssthresh", "cong_avoid", "undo_cwnd"}
    with load(quiet) as collection:
        assert set(collection.programs) == {"ssthresh", "cong_avoid", "undo_cwnd"}
    assert check(quiet).runs


def test_maps_that_are_not_created_load_none_of_their_programs(spec: CollectionSpec) -> None:
    quiet = [
        one._replace(section=f"?{one.section}") if one.type == MapType.STRUCT_OPS else one
        for one in spec.maps
    ]
    off = spec._replace(maps=tuple(quiet))
    assert not {one.name for one in off.loaded} & {"ssthresh", "cong_avoid", "undo_cwnd"}
    assert "map type struct_ops" not in requirements.of_collection(off)[0].because
    with load(off) as collection:
        assert not collection.programs


def test_a_program_of_a_missing_member_is_skipped(spec: CollectionSpec) -> None:
    """As libbpf: the member is skipped where its bytes are zero, which a program's are."""
    (linked,) = [one for one in spec.maps if one.name == "linked"]
    assert linked.contents
    moved = linked._replace(slots=(*linked.slots, (len(linked.contents) - 8, "unused")))
    newer = spec._replace(maps=tuple([moved if one is linked else one for one in spec.maps]))
    assert "unused" in {one.name for one in newer.loaded}
    with load(newer) as collection:
        assert set(collection.programs) == {"ssthresh", "cong_avoid", "undo_cwnd"}
    assert check(newer).runs
    assert check(newer, Btf(Path("/sys/kernel/btf/vmlinux").read_bytes(), name="same")).runs


def test_a_kernel_without_such_operations(spec: CollectionSpec) -> None:
    writer = BtfWriter()
    writer.integer()
    told = [
        one.text
        for one in check(spec, Btf(writer.data(), name="other")).findings
        if one.level == ERROR
    ]
    assert (
        "map 'linked': struct tcp_congestion_ops: the kernel lets no program implement it" in told
    )
