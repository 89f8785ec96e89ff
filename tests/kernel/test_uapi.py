"""beepy/uapi.py against the types of the running kernel: names, values, offsets, sizes."""

import ctypes
from collections.abc import Iterator
from enum import IntEnum

import pytest

from beepy import uapi, uapi_objects
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.types import Enum, Kind, Member, Struct, TypeId, Union
from beepy.kernel import btf

pytestmark = pytest.mark.kernel


def enumerators(kernel: Btf, name: str) -> dict[str, int]:
    found = kernel.find(name, Kind.ENUM)
    assert found, name
    built = kernel.type(found)
    assert isinstance(built, Enum)
    return {one.name: one.value for one in built.values}


@pytest.mark.parametrize(
    ("ours", "name", "prefix"),
    [
        (uapi.Cmd, "bpf_cmd", "BPF_"),
        (uapi.MapType, "bpf_map_type", "BPF_MAP_TYPE_"),
        (uapi.ProgType, "bpf_prog_type", "BPF_PROG_TYPE_"),
        (uapi.AttachType, "bpf_attach_type", "BPF_"),
        (uapi.CoreReloKind, "bpf_core_relo_kind", "BPF_CORE_"),
        (uapi.LinkType, "bpf_link_type", "BPF_LINK_TYPE_"),
        (uapi.PerfEventType, "bpf_perf_event_type", "BPF_PERF_EVENT_"),
        (uapi_objects.TaskFdType, "bpf_task_fd_type", "BPF_FD_TYPE_"),
    ],
)
def test_enums_are_the_kernel_s(ours: type[IntEnum], name: str, prefix: str) -> None:
    """Common names have the same value; others of the kernel are newer than ours, or aliases."""
    kernel = {
        key.removeprefix(prefix): value for key, value in enumerators(btf.vmlinux(), name).items()
    }
    kernel = {key: value for key, value in kernel.items() if not key.startswith("__MAX")}
    both = kernel.keys() & ours.__members__.keys()
    assert {key: kernel[key] for key in both} == {key: int(ours[key]) for key in both}
    known = {int(member) for member in ours}
    assert [
        key for key, value in kernel.items() if value not in known and value <= max(known)
    ] == []
    newer = [member.name for member in ours if member.name not in kernel]
    assert all(ours[name] > max(kernel[key] for key in both) for name in newer), newer


def anonymous_enums(kernel: Btf) -> dict[str, int]:
    found: dict[str, int] = {}
    for type_id in kernel.ids():
        if kernel.kind(type_id) == Kind.ENUM:
            built = kernel.type(type_id)
            assert isinstance(built, Enum)
            if not built.name:
                found.update(
                    {one.name: one.value for one in built.values if one.name.startswith("BPF_")}
                )
    return found


def test_flags_are_the_kernel_s() -> None:
    kernel = anonymous_enums(btf.vmlinux())
    ours = {f"BPF_F_{flag.name}": int(flag) for flag in uapi.MapFlag}
    ours |= {
        f"BPF_{flag.name}": int(flag) for flag in uapi.UpdateFlag if flag != uapi.UpdateFlag.LOCK
    }
    ours |= {"BPF_F_LOCK": int(uapi.UpdateFlag.LOCK)}
    ours |= {
        name: getattr(uapi, name[4:])
        for name in ("BPF_RINGBUF_BUSY_BIT", "BPF_RINGBUF_DISCARD_BIT")
    }
    ours |= {"BPF_RINGBUF_HDR_SZ": uapi.RINGBUF_HDR_SZ}
    both = kernel.keys() & ours.keys()
    assert {key: kernel[key] % 2**32 for key in both} == {key: ours[key] for key in both}
    assert {"BPF_F_MMAPABLE", "BPF_F_RDONLY_PROG", "BPF_NOEXIST", "BPF_RINGBUF_BUSY_BIT"} <= both


def test_helpers_are_the_kernel_s() -> None:
    kernel = enumerators(btf.vmlinux(), "bpf_func_id")
    theirs = {
        value: key.removeprefix("BPF_FUNC_")
        for key, value in kernel.items()
        if not key.startswith("__BPF")
    }
    both = min(len(theirs), len(uapi.HELPERS))
    assert uapi.HELPERS[:both] == tuple([theirs[number] for number in range(both)])


def members(kernel: Btf, type_id: TypeId, offset: int = 0) -> Iterator[tuple[str, int, Member]]:
    """Yield name and offset (bits) of each member, those of anonymous members too."""
    found = kernel.type(type_id)
    assert isinstance(found, Struct | Union)
    for member in found.members:
        inner, built = skip_mods_and_typedefs(kernel, member.type)
        if not member.name and isinstance(built, Struct | Union):
            yield from members(kernel, inner, offset + member.offset)
        else:
            yield member.name, offset + member.offset, member


def struct_of_attr(kernel: Btf, name: str, field: str) -> TypeId:
    """Return a struct in union bpf_attr: member ``name``, or the anonymous one with ``field``."""
    attr = kernel.find("bpf_attr", Kind.UNION)
    assert attr
    union = kernel.type(attr)
    assert isinstance(union, Union)
    for member in union.members:
        inner, _ = skip_mods_and_typedefs(kernel, member.type)
        if member.name == name and (
            name or field in {found for found, _, _ in members(kernel, inner)}
        ):
            return inner
    raise AssertionError(name or field)


ATTRS: list[tuple[type[ctypes.Structure], str, str]] = [
    (uapi.MapCreate, "", "map_type"),
    (uapi.MapElem, "", "next_key"),
    (uapi.MapBatch, "batch", ""),
    (uapi.ProgLoad, "", "insns"),
    (uapi.ProgTestRun, "test", ""),
    (uapi.RawTracepointOpen, "raw_tracepoint", ""),
    (uapi.BtfLoad, "", "btf_log_buf"),
    (uapi.TokenCreate, "token_create", ""),
    (uapi.LinkCreate, "link_create", ""),
    (uapi.LinkCreateNetfilter, "link_create", ""),
    (uapi.LinkCreatePerfEvent, "link_create", ""),
    (uapi.LinkCreateKprobeMulti, "link_create", ""),
    (uapi.LinkCreateUprobeMulti, "link_create", ""),
    (uapi.LinkCreateIter, "link_create", ""),
    (uapi.IterCreate, "iter_create", ""),
    (uapi.ProgAttach, "", "attach_bpf_fd"),
    (uapi.GetId, "", "next_id"),
    (uapi.ObjInfo, "info", ""),
    (uapi.ObjPin, "", "pathname"),
    (uapi_objects.TaskFdQuery, "task_fd_query", ""),
    (uapi_objects.ProgQuery, "query", ""),
    (uapi.EnableStats, "enable_stats", ""),
    (uapi.ProgStreamRead, "prog_stream_read", ""),
]
STRUCTS: list[tuple[type[ctypes.Structure], str]] = [
    (uapi.BtfInfo, "bpf_btf_info"),
    (uapi.MapInfo, "bpf_map_info"),
    (uapi.ProgInfo, "bpf_prog_info"),
]


def check(
    kernel: Btf, ours: type[ctypes.Structure], type_id: TypeId, names: dict[str, str] | None = None
) -> None:
    theirs: dict[str, tuple[int, int]] = {}
    for name, offset, member in members(kernel, type_id):
        theirs.setdefault(name, (offset // 8, size_of(kernel, member.type)))
    for name, *_ in ours._fields_:
        field = getattr(ours, name)
        assert (field.offset, field.size) == theirs[(names or {}).get(name, name)], (
            f"{ours.__name__}.{name}"
        )


@pytest.mark.parametrize(("ours", "name", "field"), ATTRS, ids=[row[0].__name__ for row in ATTRS])
def test_structs_are_laid_out_as_the_kernel_s(
    ours: type[ctypes.Structure], name: str, field: str
) -> None:
    kernel = btf.vmlinux()
    check(
        kernel,
        ours,
        struct_of_attr(kernel, name, field),
        {"id": "start_id", "bpf_cookie": "perf_event"},
    )


@pytest.mark.parametrize(("ours", "name"), STRUCTS, ids=[row[0].__name__ for row in STRUCTS])
def test_what_is_asked_for_is_laid_out_as_the_kernel_s(
    ours: type[ctypes.Structure], name: str
) -> None:
    kernel = btf.vmlinux()
    found = kernel.find(name, Kind.STRUCT)
    assert found
    check(kernel, ours, found, {"bits": "gpl_compatible"})


LINKS: list[tuple[type[ctypes.Structure], str]] = [
    (uapi.LinkNetfilter, "netfilter"),
    (uapi.LinkKprobeMulti, "kprobe_multi"),
    (uapi.LinkUprobeMulti, "uprobe_multi"),
    (uapi.LinkTracingMulti, "tracing_multi"),
]
ITERATORS: list[tuple[type[ctypes.Structure], str]] = [
    (uapi.IterLinkMap, "map"),
    (uapi.IterLinkTask, "task"),
]


@pytest.mark.parametrize(("ours", "name"), LINKS)
def test_what_a_link_is_of_is_laid_out_as_the_kernel_s(
    ours: type[ctypes.Structure], name: str
) -> None:
    kernel = btf.vmlinux()
    named = {
        found: member
        for found, _, member in members(kernel, struct_of_attr(kernel, "link_create", ""))
    }
    if name not in named:
        pytest.skip(f"this kernel has no links of {name}")
    check(kernel, ours, skip_mods_and_typedefs(kernel, named[name].type)[0])


@pytest.mark.parametrize(("ours", "name"), ITERATORS)
def test_what_an_iterator_is_of_is_laid_out_as_the_kernel_s(
    ours: type[ctypes.Structure], name: str
) -> None:
    kernel = btf.vmlinux()
    found = kernel.find("bpf_iter_link_info", Kind.UNION)
    assert found
    named = {one: member for one, _, member in members(kernel, found)}
    check(kernel, ours, skip_mods_and_typedefs(kernel, named[name].type)[0])


def test_a_query_is_whole() -> None:
    """The kernel writes its last member, whatever size it is told."""
    kernel = btf.vmlinux()
    whole = size_of(kernel, struct_of_attr(kernel, "query", ""))
    assert ctypes.sizeof(uapi_objects.ProgQuery) >= whole


_OTHER_NAMES = {
    "raw_tracepoint": {"target_name": "tp_name", "target_name_len": "tp_name_len"},
    "netns": {"ifindex": "netns_ino"},
    "struct_ops": {"ifindex": "map_id"},
    "sockmap": {"ifindex": "map_id"},
}
_WITHOUT_TYPE = {"xdp", "struct_ops"}


def test_the_info_of_a_link_is_laid_out_as_the_kernel_s() -> None:
    kernel = btf.vmlinux()
    found = kernel.find("bpf_link_info", Kind.STRUCT)
    assert found
    theirs = {name: (offset // 8, member) for name, offset, member in members(kernel, found)}
    for name in ("type", "id", "prog_id"):
        assert getattr(uapi_objects.LinkInfo, name).offset == theirs[name][0]
    for name, ours in uapi_objects.LinkInfoOf._fields_:
        if name not in theirs:
            assert name in {"sockmap", "tracing_multi"}  # newer than most kernels
            continue
        offset, member = theirs[name]
        assert offset == uapi_objects.LinkInfo.of.offset
        inner, _ = skip_mods_and_typedefs(kernel, member.type)
        if name not in _WITHOUT_TYPE:
            check(kernel, ours, inner, _OTHER_NAMES.get(name))
        if name == "perf_event":
            (kprobe,) = [one for key, _, one in members(kernel, inner) if key == "kprobe"]
            check(
                kernel, uapi_objects.LinkInfoProbe, skip_mods_and_typedefs(kernel, kprobe.type)[0]
            )


def test_the_perf_event_is_laid_out_as_the_kernel_s() -> None:
    kernel = btf.vmlinux()
    found = kernel.find("perf_event_attr", Kind.STRUCT)
    assert found
    check(kernel, uapi.PerfEventAttr, found, {"bits": "disabled"})
    assert ctypes.sizeof(uapi.PerfEventAttr) == 72  # PERF_ATTR_SIZE_VER1


@pytest.mark.parametrize(
    ("ours", "path"),
    [
        (uapi.LinkInfoMissedKprobeMulti, ("kprobe_multi",)),
        (uapi.LinkInfoMissedKprobe, ("perf_event", "kprobe")),
    ],
)
def test_missed_runs_of_a_link_are_where_the_kernel_has_them(
    ours: type[ctypes.Structure], path: tuple[str, ...]
) -> None:
    kernel = btf.vmlinux()
    found = kernel.find("bpf_link_info", Kind.STRUCT)
    assert found
    base = 0
    for name in path:
        inside = {one: (offset, member) for one, offset, member in members(kernel, found, base)}
        base, member = inside[name]
        found, _ = skip_mods_and_typedefs(kernel, member.type)
        if name == "perf_event":
            types = {one: at for one, at, _ in members(kernel, found, base)}
            assert uapi.LinkInfoMissedKprobe.perf_type.offset * 8 == types["type"]
    theirs = {one: offset for one, offset, _ in members(kernel, found, base)}
    if "missed" not in theirs:
        pytest.skip("this kernel does not count missed runs of links: Linux 6.7")
    assert ours.missed.offset * 8 == theirs["missed"]
    assert {"type": 0, "id": 32, "prog_id": 64}.items() <= {
        one: offset
        for one, offset, _ in members(kernel, kernel.find("bpf_link_info", Kind.STRUCT) or found)
    }.items()


def test_every_struct_is_held_against_the_kernel() -> None:
    structs = {
        value
        for value in (vars(uapi) | vars(uapi_objects)).values()
        if isinstance(value, type) and issubclass(value, ctypes.Structure)
    }
    held = {row[0] for rows in (ATTRS, STRUCTS, LINKS, ITERATORS) for row in rows}
    held |= {ours for _, ours in uapi_objects.LinkInfoOf._fields_} | {
        uapi_objects.LinkInfo,
        uapi_objects.LinkInfoProbe,
    }
    held |= {uapi.PerfEventAttr, uapi.LinkCreateTracingMulti}  # newer than most kernels
    held |= {uapi.LinkInfoHead, uapi.LinkInfoMissedKprobe, uapi.LinkInfoMissedKprobeMulti}
    assert structs - {ctypes.Structure} == held


def test_the_constants_of_perf_and_mounts() -> None:
    kernel = btf.vmlinux()
    for name in (
        "PERF_TYPE_HARDWARE",
        "PERF_TYPE_SOFTWARE",
        "PERF_TYPE_TRACEPOINT",
        "PERF_TYPE_RAW",
    ):
        assert enumerators(kernel, "perf_type_id")[name] == getattr(uapi, name)
    attr = kernel.find("perf_event_attr", Kind.STRUCT)
    assert attr
    bits = {name: offset - 40 * 8 for name, offset, _ in members(kernel, attr)}
    assert (1 << bits["inherit"], 1 << bits["freq"]) == (
        uapi.PERF_ATTR_INHERIT,
        uapi.PERF_ATTR_FREQ,
    )
    assert (
        enumerators(kernel, "fsconfig_command")["FSCONFIG_CMD_CREATE"] == uapi.FSCONFIG_CMD_CREATE
    )
