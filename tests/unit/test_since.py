import re
from pathlib import Path

import pytest

from beepy import since
from beepy.uapi import HELPERS, AttachType, MapFlag, MapType, ProgFlag, ProgType

_HEADER = Path("/usr/include/linux/bpf.h")


def releases() -> set[str]:
    tables = (since._HELPERS, since._MAP_TYPES, since._PROG_TYPES, since._ATTACH_TYPES)
    listed = {release for table in tables for _, release in table}
    for mapping in (since._MAP_FLAGS, since._PROG_FLAGS, since._SLEEPABLE):
        listed |= set(mapping.values())
    return listed | set(since._KFUNCS)


def test_every_helper_type_and_flag_has_an_entry() -> None:
    assert all(since.helper(number) for number in range(1, len(HELPERS)))
    assert all(since.map_type(number) for number in MapType if number)
    assert all(since.prog_type(number) for number in ProgType if number)
    assert all(since.attach_type(number) for number in AttachType)
    assert all(list(since.map_flags(number)) for number in MapFlag)
    assert all(list(since.prog_flags(number)) for number in ProgFlag)


def test_unknown_numbers_and_names_have_no_release() -> None:
    assert since.helper(0) == since.helper(-1) == since.helper(len(HELPERS)) == ""
    assert since.map_type(0) == since.prog_type(0) == since.map_type(1000) == ""
    assert since.kfunc("no_such_function") == ""
    assert since.sleepable(ProgType.XDP, AttachType.XDP) == ""


def test_sleepable_programs() -> None:
    assert since.sleepable(ProgType.TRACING, AttachType.TRACE_FENTRY) == "5.10"
    assert since.sleepable(ProgType.TRACING, AttachType.TRACE_ITER) == "5.18"
    assert since.sleepable(ProgType.TRACING, AttachType.TRACE_RAW_TP) == "7.2"
    assert since.sleepable(ProgType.STRUCT_OPS, 0) == "6.3"


def test_tables_grow_with_the_releases() -> None:
    for table in (since._HELPERS, since._MAP_TYPES, since._PROG_TYPES, since._ATTACH_TYPES):
        assert list(table) == sorted(table, key=lambda row: (row[0], since.order(row[1])))
        orders = [since.order(release) for _, release in table]
        assert orders == sorted(set(orders))


def test_releases_have_the_form_of_the_kernels() -> None:
    assert all(re.fullmatch(r"[3-9]\.\d+", release) for release in releases())


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("map_lookup_elem", "3.19"),
        ("probe_read", "4.1"),
        ("get_current_task", "4.8"),
        ("probe_read_kernel_str", "5.5"),
        ("ktime_get_boot_ns", "5.8"),
        ("ringbuf_output", "5.8"),
        ("copy_from_user", "5.10"),
        ("get_attach_cookie", "5.15"),
        ("loop", "5.17"),
        ("dynptr_data", "5.19"),
        ("cgrp_storage_delete", "6.2"),
    ],
)
def test_helpers_that_are_well_known(name: str, release: str) -> None:
    assert since.helper(HELPERS.index(name)) == release


def test_types_and_flags_that_are_well_known() -> None:
    assert since.map_type(MapType.RINGBUF) == "5.8"
    assert since.prog_type(ProgType.LSM) == "5.7"
    assert since.attach_type(AttachType.TRACE_FENTRY) == "5.5"
    assert list(since.map_flags(MapFlag.MMAPABLE | MapFlag.RDONLY_PROG)) == ["5.2", "5.5"]
    assert since.kfunc("bpf_task_acquire") == "6.2"


def test_releases_are_ordered_by_number() -> None:
    assert since.newest(["5.9", "5.10", "4.20"]) == "5.10"
    assert since.newest([]) == ""


@pytest.mark.skipif(not _HEADER.exists(), reason="not installed: linux-libc-dev")
def test_the_installed_headers_agree_with_the_tables() -> None:
    """The header of Linux 6.1 has user_ringbuf_drain but not cgrp_storage_get."""
    text = _HEADER.read_text()
    version = Path("/usr/include/linux/version.h").read_text()
    code = re.search(r"LINUX_VERSION_CODE (\d+)", version)
    assert code
    this = int(code[1]) >> 16, int(code[1]) >> 8 & 0xFF
    for number, name in enumerate(HELPERS[1:], 1):
        known = re.search(rf"FN\({name}[,)]", text) is not None
        assert known == (since.order(since.helper(number)) <= this), name
    for kind, prefix, first in (
        (MapType, "BPF_MAP_TYPE_", since.map_type),
        (ProgType, "BPF_PROG_TYPE_", since.prog_type),
        (AttachType, "BPF_", since.attach_type),
    ):
        for member in kind:
            if member or kind is AttachType:
                known = re.search(rf"^\t{prefix}{member.name}\b.*$", text, re.MULTILINE) is not None
                assert known == (since.order(first(member)) <= this), member
