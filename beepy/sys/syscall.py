"""System calls: one function per bpf(2) command, perf_event_open, mounting and namespaces.

Each function takes the struct of its command and logs one DEBUG line. It raises KernelError, whose
message is ``where`` and the text of the errno. Pointers in a struct are borrowed: the caller keeps
the memory alive until the function returns. A call that ends with EINTR is repeated after Python's
signal handlers have run.
"""

import ctypes
import errno
import os
import struct
from typing import TYPE_CHECKING, Final

from beepy import uapi
from beepy.sys import call, token
from beepy.sys.fd import Fd
from beepy.uapi import Cmd

if TYPE_CHECKING:
    from beepy import uapi_objects  # for `beepy ps`

_NAME_CHARACTERS: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
)


def ptr(data: bytes) -> int:
    """Return the address of ``data``, 0 if it is empty; the kernel may only read from it.

    The caller must keep a reference to ``data`` for as long as the kernel uses the address.
    """
    return (ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0) if data else 0


def object_name(name: str) -> bytes:
    """Return ``name`` as a valid kernel name of a map or program.

    The result has at most 15 bytes; those other than ``[A-Za-z0-9_.]`` become ``_``.
    """
    raw = name.encode("ascii", "replace")[: uapi.OBJ_NAME_LEN - 1]
    return bytes([byte if byte in _NAME_CHARACTERS else ord("_") for byte in raw])


def _bpf(command: Cmd, attr: ctypes.Structure, where: str, *accepted: int) -> int:
    result = call.invoke(call.numbers().bpf, command, ctypes.addressof(attr), ctypes.sizeof(attr))
    return call.check(result, command.name, where, *accepted)


def _bpf_open(
    command: Cmd, attr: ctypes.Structure, where: str, accepted: int = errno.ENOENT
) -> Fd | None:
    address, size = ctypes.addressof(attr), ctypes.sizeof(attr)
    return call.open_fd(command.name, where, accepted, call.numbers().bpf, command, address, size)


def _bpf_open_new(command: Cmd, attr: ctypes.Structure, where: str) -> Fd:
    fd = _bpf_open(command, attr, where, 0)
    assert fd, "no errno is accepted"
    return fd


def map_create(attr: uapi.MapCreate, where: str) -> Fd:
    """Create a map (BPF_MAP_CREATE), with this process's token if it has one."""
    if delegated := token.of_process():
        attr.map_flags |= uapi.BPF_F_TOKEN_FD
        attr.map_token_fd = delegated.fileno()
    return _bpf_open_new(Cmd.MAP_CREATE, attr, where)


def map_lookup_elem(attr: uapi.MapElem, where: str) -> bool:
    """Fill in the value of a key (BPF_MAP_LOOKUP_ELEM); return whether the key exists."""
    return _bpf(Cmd.MAP_LOOKUP_ELEM, attr, where, errno.ENOENT) == 0


def map_update_elem(attr: uapi.MapElem, where: str) -> None:
    """Set the value of a key (BPF_MAP_UPDATE_ELEM)."""
    _bpf(Cmd.MAP_UPDATE_ELEM, attr, where)


def map_delete_elem(attr: uapi.MapElem, where: str) -> bool:
    """Delete a key (BPF_MAP_DELETE_ELEM); return whether it existed."""
    return _bpf(Cmd.MAP_DELETE_ELEM, attr, where, errno.ENOENT) == 0


def map_get_next_key(attr: uapi.MapElem, where: str) -> bool:
    """Fill in the next key (BPF_MAP_GET_NEXT_KEY); return whether it exists.

    ``key`` 0 asks for the first key.
    """
    return _bpf(Cmd.MAP_GET_NEXT_KEY, attr, where, errno.ENOENT) == 0


def map_lookup_batch(attr: uapi.MapBatch, where: str, *, delete: bool = False) -> bool:
    """Fill in up to ``count`` entries (BPF_MAP_LOOKUP_BATCH); return whether more may follow.

    ``delete``: delete them too (BPF_MAP_LOOKUP_AND_DELETE_BATCH).
    """
    command = Cmd.MAP_LOOKUP_AND_DELETE_BATCH if delete else Cmd.MAP_LOOKUP_BATCH
    return _bpf(command, attr, where, errno.ENOENT) == 0


def map_freeze(attr: uapi.MapElem, where: str) -> None:
    """Forbid writes from user space (BPF_MAP_FREEZE)."""
    _bpf(Cmd.MAP_FREEZE, attr, where)


def prog_load(attr: uapi.ProgLoad, where: str) -> Fd:
    """Load a program (BPF_PROG_LOAD), with this process's token if it has one."""
    if delegated := token.of_process():
        attr.prog_flags |= uapi.BPF_F_TOKEN_FD
        attr.prog_token_fd = delegated.fileno()
    return _bpf_open_new(Cmd.PROG_LOAD, attr, where)


def prog_test_run(attr: uapi.ProgTestRun, where: str) -> None:
    """Run a program (BPF_PROG_TEST_RUN)."""
    _bpf(Cmd.PROG_TEST_RUN, attr, where)


def prog_attach(attr: uapi.ProgAttach, where: str) -> None:
    """Attach a program without a link (BPF_PROG_ATTACH)."""
    _bpf(Cmd.PROG_ATTACH, attr, where)


def prog_detach(attr: uapi.ProgAttach, where: str) -> None:
    """Detach a program (BPF_PROG_DETACH), if it is attached."""
    _bpf(Cmd.PROG_DETACH, attr, where, errno.ENOENT)


def prog_get_fd_by_id(attr: uapi.GetId, where: str) -> Fd | None:
    """Open a loaded program (BPF_PROG_GET_FD_BY_ID); return None if it does not exist."""
    return _bpf_open(Cmd.PROG_GET_FD_BY_ID, attr, where)


def raw_tracepoint_open(attr: uapi.RawTracepointOpen, where: str) -> Fd:
    """Attach a program to a raw tracepoint or BTF type (BPF_RAW_TRACEPOINT_OPEN)."""
    return _bpf_open_new(Cmd.RAW_TRACEPOINT_OPEN, attr, where)


def prog_get_next_id(attr: uapi.GetId, where: str) -> bool:
    """Fill in the id after ``id`` (BPF_PROG_GET_NEXT_ID); return whether it exists."""
    return _bpf(Cmd.PROG_GET_NEXT_ID, attr, where, errno.ENOENT) == 0


def map_get_next_id(attr: uapi.GetId, where: str) -> bool:
    """Fill in the id after ``id`` (BPF_MAP_GET_NEXT_ID); return whether it exists."""
    return _bpf(Cmd.MAP_GET_NEXT_ID, attr, where, errno.ENOENT) == 0


def map_get_fd_by_id(attr: uapi.GetId, where: str) -> Fd | None:
    """Open a map (BPF_MAP_GET_FD_BY_ID); return None if it does not exist."""
    return _bpf_open(Cmd.MAP_GET_FD_BY_ID, attr, where)


def link_get_next_id(attr: uapi.GetId, where: str) -> bool:
    """Fill in the id after ``id`` (BPF_LINK_GET_NEXT_ID); return whether it exists."""
    return _bpf(Cmd.LINK_GET_NEXT_ID, attr, where, errno.ENOENT) == 0


def link_get_fd_by_id(attr: uapi.GetId, where: str) -> Fd | None:
    """Open a link (BPF_LINK_GET_FD_BY_ID); return None if it does not exist."""
    return _bpf_open(Cmd.LINK_GET_FD_BY_ID, attr, where)


def prog_query(attr: "uapi_objects.ProgQuery", where: str) -> None:
    """Fill in the ids of the programs attached to a target (BPF_PROG_QUERY)."""
    _bpf(Cmd.PROG_QUERY, attr, where)


def task_fd_query(attr: "uapi_objects.TaskFdQuery", where: str) -> None:
    """Fill in the program that a perf event of a process holds (BPF_TASK_FD_QUERY)."""
    _bpf(Cmd.TASK_FD_QUERY, attr, where)


def prog_stream_read(attr: uapi.ProgStreamRead, where: str) -> int:
    """Read a stream of a program (BPF_PROG_STREAM_READ_BY_FD, v6.17); return the bytes read."""
    return _bpf(Cmd.PROG_STREAM_READ_BY_FD, attr, where)


def enable_stats(attr: uapi.EnableStats, where: str) -> Fd:
    """Count runs and time of all programs while the Fd is open (BPF_ENABLE_STATS, v5.8)."""
    return _bpf_open_new(Cmd.ENABLE_STATS, attr, where)


def btf_get_next_id(attr: uapi.GetId, where: str) -> bool:
    """Fill in the id after ``id`` (BPF_BTF_GET_NEXT_ID); return whether it exists."""
    return _bpf(Cmd.BTF_GET_NEXT_ID, attr, where, errno.ENOENT) == 0


def btf_get_fd_by_id(attr: uapi.GetId, where: str) -> Fd | None:
    """Open loaded BTF (BPF_BTF_GET_FD_BY_ID); return None if it does not exist."""
    return _bpf_open(Cmd.BTF_GET_FD_BY_ID, attr, where)


def obj_get_info_by_fd(attr: uapi.ObjInfo, where: str) -> None:
    """Fill in the info of an object (BPF_OBJ_GET_INFO_BY_FD)."""
    _bpf(Cmd.OBJ_GET_INFO_BY_FD, attr, where)


def obj_pin(attr: uapi.ObjPin, where: str) -> None:
    """Pin an object at a path (BPF_OBJ_PIN)."""
    _bpf(Cmd.OBJ_PIN, attr, where)


def obj_get(attr: uapi.ObjPin, where: str) -> Fd | None:
    """Open a pinned object (BPF_OBJ_GET); return None if the path does not exist."""
    return _bpf_open(Cmd.OBJ_GET, attr, where)


def btf_load(attr: uapi.BtfLoad, where: str) -> Fd:
    """Load BTF (BPF_BTF_LOAD), with this process's token if it has one."""
    if delegated := token.of_process():
        attr.btf_flags |= uapi.BPF_F_TOKEN_FD
        attr.btf_token_fd = delegated.fileno()
    return _bpf_open_new(Cmd.BTF_LOAD, attr, where)


def iter_create(attr: uapi.IterCreate, where: str) -> Fd:
    """Open a file that runs an iterator (BPF_ITER_CREATE)."""
    return _bpf_open_new(Cmd.ITER_CREATE, attr, where)


def link_create(attr: ctypes.Structure, where: str) -> Fd:
    """Create a link (BPF_LINK_CREATE); ``attr`` is one of ``uapi.LinkCreate*``."""
    return _bpf_open_new(Cmd.LINK_CREATE, attr, where)


def perf_event_open(attr: uapi.PerfEventAttr, where: str, *, pid: int = -1, cpu: int = 0) -> Fd:
    """Open a perf event without a group; ``pid`` -1 is every process."""
    attr.size = ctypes.sizeof(attr)
    number, flags = call.numbers().perf_event_open, uapi.PERF_FLAG_FD_CLOEXEC
    address = ctypes.addressof(attr)
    return call.open_new("perf_event_open", where, number, address, pid, cpu, -1, flags)


def perf_event_ioctl(event: Fd, request: int, argument: int, where: str) -> None:
    """Call ioctl(2) on a perf event; ``request`` is one of PERF_EVENT_IOC_*."""
    import fcntl  # noqa: PLC0415 - only on Unix

    try:
        result = fcntl.ioctl(event.fileno(), request, argument)
    except OSError as error:
        result = -(error.errno or errno.EIO)
    call.check(result, f"ioctl {request:#x}", where)


def map_memory(fd: Fd, address: int, length: int, where: str) -> int:
    """Map ``fd`` shared, for reading and writing, and return the address of the mapping.

    ``address`` is where to map it (0: anywhere), ``length`` is in bytes. Raises KernelError: EEXIST
    if other memory is mapped there. The caller unmaps it with ``unmap_memory``.
    """
    libc = call.libc()
    libc.mmap.restype = ctypes.c_void_p
    protection = uapi.PROT_READ | uapi.PROT_WRITE
    flags = uapi.MAP_SHARED | (uapi.MAP_FIXED_NOREPLACE if address else 0)
    arguments = (
        ctypes.c_void_p(address),
        ctypes.c_size_t(length),
        protection,
        flags,
        fd.fileno(),
        ctypes.c_long(0),
    )
    mapped = libc.mmap(*arguments) or 0
    call.check(-ctypes.get_errno() if mapped == ctypes.c_void_p(-1).value else 0, "mmap", where)
    return int(mapped)


def unmap_memory(address: int, length: int) -> None:
    """Unmap what ``map_memory`` mapped."""
    call.libc().munmap(ctypes.c_void_p(address), ctypes.c_size_t(length))


def mount_detached(fs_type: str, where: str, *, writable: bool = False) -> Fd:
    """Mount a file system at no path (fsopen, fsconfig, fsmount) and return its root directory.

    The mount ends when the Fd is closed. Raises KernelError: ENOSYS before v5.2, which lacks the
    calls.
    """
    name = fs_type.encode() + b"\0"
    numbers = call.numbers()
    with call.open_new("fsopen", where, numbers.fsopen, ptr(name), uapi.FSOPEN_CLOEXEC) as context:
        result = call.invoke(numbers.fsconfig, context.fileno(), uapi.FSCONFIG_CMD_CREATE)
        call.check(result, "fsconfig", where)
        flags, attributes = uapi.FSMOUNT_CLOEXEC, 0 if writable else uapi.MOUNT_ATTR_RDONLY
        arguments = context.fileno(), flags, attributes
        return call.open_new("fsmount", where, numbers.fsmount, *arguments)


def mount(fs_type: str, path: str, where: str) -> None:
    """Mount a file system at ``path``."""
    libc = call.libc()
    name = fs_type.encode()
    result = libc.mount(name, os.fsencode(path), name, ctypes.c_ulong(0), None)
    call.check(result if result >= 0 else -ctypes.get_errno(), "mount", where)


def setns(namespace: Fd, kind: int, where: str) -> None:
    """Move this thread into ``namespace``; ``kind`` is its CLONE_NEW* flag."""
    result = call.libc().setns(namespace.fileno(), kind)
    call.check(result if result >= 0 else -ctypes.get_errno(), "setns", where)


def open_by_handle(mount: Fd, kind: int, handle: bytes, where: str) -> Fd | None:
    """Open a directory by its file handle, in the file system of ``mount``; None if it is gone.

    ``kind`` is an ``enum fid_type``. Raises KernelError: EPERM without CAP_DAC_READ_SEARCH.
    """
    record = struct.pack("<Ii", len(handle), kind) + handle
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    result = call.libc().open_by_handle_at(mount.fileno(), record, flags)
    number = result if result >= 0 else -ctypes.get_errno()
    number = call.check(number, "open_by_handle_at", where, errno.ESTALE, errno.ENOENT)
    return call.take_fd(number) if number >= 0 else None


def inotify(where: str) -> Fd:
    """Return a new inotify descriptor, which does not block."""
    number = call.libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    return call.take_fd(
        call.check(number if number >= 0 else -ctypes.get_errno(), "inotify_init1", where)
    )


def inotify_add_watch(fd: Fd, directory: str, where: str) -> None:
    """Watch which files are created in a directory and removed from it."""
    flags = uapi.IN_CREATE | uapi.IN_DELETE | uapi.IN_ONLYDIR
    result = call.libc().inotify_add_watch(fd.fileno(), os.fsencode(directory), flags)
    call.check(result if result >= 0 else -ctypes.get_errno(), "inotify_add_watch", where)


def pidfd_open(pid: int, where: str) -> Fd:
    """Return a descriptor of the process ``pid`` (v5.3)."""
    return call.open_new("pidfd_open", where, call.numbers().pidfd_open, pid)


def pidfd_getfd(process: Fd, number: int, where: str) -> Fd:
    """Return a duplicate of the descriptor ``number`` of another process (v5.6)."""
    return call.open_new("pidfd_getfd", where, call.numbers().pidfd_getfd, process.fileno(), number)
