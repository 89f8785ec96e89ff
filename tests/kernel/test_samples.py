"""Probe map and program types, and compare the answers with the enums of the kernel's BTF."""

import pytest

from beepy import since
from beepy.btf.types import Enum, Kind
from beepy.errors import KernelError
from beepy.kernel import btf, features, samples
from beepy.uapi import AttachType, MapFlag, MapType, ProgFlag, ProgType

pytestmark = pytest.mark.kernel

# not in every kernel: CONFIG_BPF_LIRC_MODE2, CONFIG_BPF_LSM, CONFIG_NETFILTER_BPF_LINK,
# CONFIG_XDP_SOCKETS, ...
OPTIONAL_PROGRAMS = {"LIRC_MODE2", "LSM", "NETFILTER", "EXT", "STRUCT_OPS", "TRACING"}
OPTIONAL_MAPS = {"XSKMAP", "STRUCT_OPS", "SOCKMAP", "SOCKHASH"}


def known(name: str, prefix: str) -> set[str]:
    type_id = btf.vmlinux().find(name, Kind.ENUM)
    assert type_id
    enum = btf.vmlinux().type(type_id)
    assert isinstance(enum, Enum)
    return {value.name.removeprefix(prefix) for value in enum.values}


def test_every_map_type_of_the_kernel_is_found() -> None:
    listed = known("bpf_map_type", "BPF_MAP_TYPE_")
    found = {kind.name for kind in MapType if kind and features.has_map_type(kind)}
    assert found <= listed
    assert {kind.name for kind in MapType if kind and kind.name in listed} - found <= OPTIONAL_MAPS


def test_every_program_type_of_the_kernel_is_found() -> None:
    listed = known("bpf_prog_type", "BPF_PROG_TYPE_")
    found = set()
    for kind in ProgType:
        try:
            if kind and features.has_prog_type(kind):
                found.add(kind.name)
        except KernelError:
            assert kind.name in OPTIONAL_PROGRAMS  # some kernels refuse these to every process
    assert found <= listed
    assert {
        kind.name for kind in ProgType if kind and kind.name in listed
    } - found <= OPTIONAL_PROGRAMS


def test_unknown_attach_types_and_flags_are_found() -> None:
    assert samples.is_known(ProgType.CGROUP_SOCK, AttachType.CGROUP_INET4_POST_BIND, ProgFlag(0))
    assert not samples.is_known(ProgType.CGROUP_SOCK, AttachType.TRACE_FENTRY, ProgFlag(0))
    assert not samples.is_known(ProgType.XDP, AttachType.XDP, ProgFlag(1 << 30))


def test_a_sample_with_one_wrong_field_is_refused() -> None:
    assert samples.create_map(MapType.ARRAY, samples.sample(MapType.ARRAY)) == 0
    assert samples.create_map(MapType.ARRAY, samples.sample(MapType.ARRAY)._replace(key_size=8))
    assert samples.create_map(
        MapType.HASH, samples.sample(MapType.HASH)._replace(map_flags=MapFlag.CLONE)
    )


def test_the_first_releases_of_types_are_not_newer_than_a_kernel_that_has_them() -> None:
    from beepy.host.machine import release

    for kind in MapType:
        if kind and features.has_map_type(kind):
            assert since.order(since.map_type(kind)) <= release()[:2], kind
