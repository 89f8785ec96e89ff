"""The smallest map and program of each type; the types that the kernel has, against its own list of them."""

import pytest

from beepy import since
from beepy.btf.types import Enum, Kind
from beepy.errors import KernelError
from beepy.kernel import btf, features, samples
from beepy.uapi import AttachType, MapFlag, MapType, ProgFlag, ProgType

pytestmark = pytest.mark.kernel

# left out of some kernels (CONFIG_BPF_LIRC_MODE2, CONFIG_BPF_LSM, CONFIG_NETFILTER_BPF_LINK, CONFIG_XDP_SOCKETS, ...)
OPTIONAL_PROGRAMS = {"LIRC_MODE2", "LSM", "NETFILTER", "EXT", "STRUCT_OPS", "TRACING"}
OPTIONAL_MAPS = {"XSKMAP", "STRUCT_OPS", "SOCKMAP", "SOCKHASH"}


def known(name: str, prefix: str) -> set[str]:
    found = btf.vmlinux().find(name, Kind.ENUM)
    assert found
    built = btf.vmlinux().type(found)
    assert isinstance(built, Enum)
    return {one.name.removeprefix(prefix) for one in built.values}


def test_maps_of_every_type_that_the_kernel_lists() -> None:
    listed = known("bpf_map_type", "BPF_MAP_TYPE_")
    made = {kind.name for kind in MapType if kind and features.has_map_type(kind)}
    assert made <= listed
    assert {kind.name for kind in MapType if kind and kind.name in listed} - made <= OPTIONAL_MAPS


def test_programs_of_every_type_that_the_kernel_lists() -> None:
    listed = known("bpf_prog_type", "BPF_PROG_TYPE_")
    loaded = set()
    for kind in ProgType:
        try:
            if kind and features.has_prog_type(kind):
                loaded.add(kind.name)
        except KernelError:
            assert kind.name in OPTIONAL_PROGRAMS  # some kernels refuse these to everybody
    assert loaded <= listed
    assert {kind.name for kind in ProgType if kind and kind.name in listed} - loaded <= OPTIONAL_PROGRAMS


def test_attach_types_and_flags() -> None:
    assert samples.loads(ProgType.CGROUP_SOCK, AttachType.CGROUP_INET4_POST_BIND, ProgFlag(0))
    assert not samples.loads(ProgType.CGROUP_SOCK, AttachType.TRACE_FENTRY, ProgFlag(0))
    assert not samples.loads(ProgType.XDP, AttachType.XDP, ProgFlag(1 << 30))


def test_a_sample_with_one_wrong_field_is_refused() -> None:
    assert samples.makes(MapType.ARRAY, samples.sample(MapType.ARRAY)) == 0
    assert samples.makes(MapType.ARRAY, samples.sample(MapType.ARRAY)._replace(key_size=8))
    assert samples.makes(MapType.HASH, samples.sample(MapType.HASH)._replace(map_flags=MapFlag.CLONE))


def test_the_first_releases_of_types_are_not_newer_than_a_kernel_that_has_them() -> None:
    from beepy.host.machine import release

    for kind in MapType:
        if kind and features.has_map_type(kind):
            assert since.order(since.map_type(kind)) <= release()[:2], kind
