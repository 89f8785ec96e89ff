"""All BPF programs, maps and links of this machine, by their ids; needs CAP_SYS_ADMIN."""

import ctypes
import errno
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from beepy import uapi
from beepy.btf.types import TypeId
from beepy.errors import BtfError, KernelError
from beepy.kernel import btf
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.uapi_objects import (
    LinkInfo,
    LinkInfoName,
    LinkInfoPerfEvent,
    LinkInfoProbe,
    LinkInfoUprobeMulti,
    ProgQuery,
    TaskFdQuery,
)

_MAX_MAPS: Final = 1 << 12  # of a program; the verifier accepts 64
_MAX_NAME: Final = 1 << 12  # bytes of a function, tracepoint or path

_NextId: TypeAlias = Callable[[uapi.GetId, str], bool]
_Open: TypeAlias = Callable[[uapi.GetId, str], Fd | None]


def programs() -> Iterator[Fd]:
    """Yield each loaded program; its Fd is closed when the next one is asked for.

    Raises KernelError: EPERM without CAP_SYS_ADMIN.
    """
    return _all("BPF programs", syscall.prog_get_next_id, syscall.prog_get_fd_by_id)


def maps() -> Iterator[Fd]:
    """Yield each map, as ``programs`` does."""
    return _all("BPF maps", syscall.map_get_next_id, syscall.map_get_fd_by_id)


def links() -> Iterator[Fd]:
    """Yield each link, as ``programs`` does; none before v5.8, which cannot list them."""
    try:
        yield from _all("BPF links", syscall.link_get_next_id, syscall.link_get_fd_by_id)
    except KernelError as error:
        if error.errno != errno.EINVAL:
            raise


def _all(where: str, next_id: _NextId, open_by_id: _Open) -> Iterator[Fd]:
    attr = uapi.GetId()
    while _has_next(next_id, attr, where):
        attr.id = attr.next_id
        # None: the object went away since
        if fd := open_by_id(uapi.GetId(id=attr.id), f"{where}: id {attr.id}"):
            with fd:
                yield fd


def _has_next(next_id: _NextId, attr: uapi.GetId, where: str) -> bool:
    try:
        return next_id(attr, where)
    except KernelError as error:
        from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

        raise privilege.with_capability(error, "CAP_SYS_ADMIN") from None


def info(fd: Fd, info: ctypes.Structure, where: str) -> None:
    """Fill in the info of an object; what an older kernel lacks stays 0. Raises KernelError."""
    attr = uapi.ObjInfo(
        bpf_fd=fd.fileno(), info_len=ctypes.sizeof(info), info=ctypes.addressof(info)
    )
    syscall.obj_get_info_by_fd(attr, where)


def program_info(fd: Fd) -> tuple[uapi.ProgInfo, tuple[int, ...]]:
    """Return the info of a program, and the ids of its maps. Raises KernelError."""
    program = uapi.ProgInfo()
    info(fd, program, "program: information")
    count = min(program.nr_map_ids, _MAX_MAPS)
    ids = (ctypes.c_uint32 * count)()
    if count:
        # only what is asked for: the kernel would fill in other arrays too
        again = uapi.ProgInfo(nr_map_ids=count, map_ids=ctypes.addressof(ids))
        info(fd, again, "program: maps")
    return program, tuple(ids)


def program_name(fd: Fd, program: uapi.ProgInfo) -> str:
    """Return the name of a program; of a long one, the function's, which its types have whole.

    Raises KernelError.
    """
    name: str = program.name.decode("utf-8", "replace")
    if len(program.name) < uapi.OBJ_NAME_LEN - 1 or not (program.btf_id and program.nr_func_info):
        return name
    function = (ctypes.c_uint32 * 2)()  # struct bpf_func_info: insn_off, type_id
    again = uapi.ProgInfo(
        func_info_rec_size=ctypes.sizeof(function),
        nr_func_info=1,
        func_info=ctypes.addressof(function),
    )
    info(fd, again, "program: functions")
    try:
        types = btf.by_id(program.btf_id)
        whole = types.string(types.name_offset(TypeId(function[1])))
    except (BtfError, KernelError):  # any user of bpf(2) chooses these types
        return name
    return whole if whole.startswith(name) else name


def map_info(fd: Fd) -> uapi.MapInfo:
    """Return the info of a map. Raises KernelError."""
    map_ = uapi.MapInfo()
    info(fd, map_, "map: information")
    return map_


def link_info(fd: Fd) -> tuple[LinkInfo, str]:
    """Return the info of a link, and the name that it holds: "" if it has none.

    The name is that of a tracepoint, function, file or iterator. Raises KernelError.
    """
    link = LinkInfo()
    info(fd, link, "link: information")
    name = ctypes.create_string_buffer(_MAX_NAME)
    address, size = ctypes.addressof(name), len(name)
    again = LinkInfo()
    match link.type:
        case uapi.LinkType.RAW_TRACEPOINT:
            again.raw_tracepoint = LinkInfoName(target_name=address, target_name_len=size)
        case uapi.LinkType.ITER:
            again.iter = LinkInfoName(target_name=address, target_name_len=size)
        case uapi.LinkType.UPROBE_MULTI:
            again.uprobe_multi = LinkInfoUprobeMulti(path=address, path_size=size)
        case uapi.LinkType.PERF_EVENT if link.perf_event.type not in (
            uapi.PerfEventType.UNSPEC,
            uapi.PerfEventType.EVENT,
        ):
            probe = LinkInfoProbe(func_name=address, name_len=size)
            again.perf_event = LinkInfoPerfEvent(kprobe=probe)
        case _:
            return link, ""
    try:
        info(fd, again, "link: name")
    except KernelError:  # the file of a uprobe is gone, or symbols are hidden
        return link, ""
    return again, name.value.decode("utf-8", "surrogateescape")


def attached_to(target: int, attach_type: int) -> tuple[int, ...]:
    """Return the ids of the programs attached to ``target`` (BPF_PROG_QUERY).

    ``target`` is a descriptor of a control group's directory, or the index of an interface. Raises
    KernelError: EINVAL for an attach type that the kernel lacks.
    """
    where = "attached programs"
    count = _MAX_MAPS
    ids = (ctypes.c_uint32 * count)()
    attr = ProgQuery(
        target_fd=target,
        attach_type=attach_type,
        prog_ids=ctypes.addressof(ids),
        prog_cnt=count,
    )
    syscall.prog_query(attr, where)
    return tuple(ids[: min(attr.prog_cnt, count)])


def of_perf_event(pid: int, number: int) -> tuple[TaskFdQuery, str]:
    """Return what the perf event behind a descriptor of a process holds, and its name.

    Raises KernelError: ENOENT or ENOTSUPP if it holds no program.
    """
    name = ctypes.create_string_buffer(_MAX_NAME)
    attr = TaskFdQuery(pid=pid, fd=number, buf=ctypes.addressof(name), buf_len=len(name))
    syscall.task_fd_query(attr, f"pid {pid}: perf event {number}")
    return attr, name.value.decode("utf-8", "surrogateescape")
