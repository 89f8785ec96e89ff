"""The system calls: bpf(2) one function a command, perf_event_open, and the mount calls.

Each function takes the struct of its command, logs one DEBUG line and raises KernelError: ``where`` and the reason.
Addresses in a struct are borrowed: what they point to is kept by the caller until the function returns.
EINTR is tried again once Python's own signal handlers have run.
"""

import ctypes
import errno
import os
from contextlib import suppress
from functools import cache
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.kernel.fd import Fd
from beepy.log import Log
from beepy.uapi import Cmd

_log = Log(__name__)

ENOTSUPP: Final = 524  # the kernel's own, include/linux/errno.h; no C library knows it

_NAME_CHARACTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")


def reason(error: int) -> str:
    """Return errno's text and name: "permission denied (EACCES)"."""
    if error == ENOTSUPP:
        return "operation not supported (ENOTSUPP)"
    text = os.strerror(error)
    return f"{text[:1].lower()}{text[1:]} ({errno.errorcode.get(error, error)})"


def address(data: bytes) -> int:
    """Return where the bytes stand, 0 if there are none; whoever asks keeps ``data`` (the kernel only reads it)."""
    return (ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0) if data else 0


def object_name(name: str) -> bytes:
    """Return ``name`` as the kernel takes it for a map or program: 15 bytes, ``[A-Za-z0-9_.]``, others become ``_``."""
    raw = name.encode("ascii", "replace")[: uapi.OBJ_NAME_LEN - 1]
    return bytes([byte if byte in _NAME_CHARACTERS else ord("_") for byte in raw])


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.argtypes = [ctypes.c_long] * 7
    libc.syscall.restype = ctypes.c_long
    return libc


@cache
def _numbers() -> uapi.SyscallNumbers:
    machine = os.uname().machine
    try:
        return uapi.SYSCALL_NUMBERS[machine]
    except KeyError:
        raise KernelError(f"system calls: machine {machine}: not one that beepy knows", errno.ENOSYS) from None


def _syscall(number: int, *arguments: int) -> int:
    """Return the call's result, or its errno negated."""
    call = _libc().syscall
    six = arguments + (0,) * (6 - len(arguments))
    while True:
        result: int = call(number, *six)
        if result >= 0:
            return result
        error = ctypes.get_errno()
        if error != errno.EINTR:
            return -error


def _check(result: int, call: str, where: str, *fine: int) -> int:
    """Log a call; raise unless its result is good or its errno is one of ``fine``."""
    if result >= 0:
        _log.debug("%s: %s = %d", call, where, result)
    else:
        _log.debug("%s: %s = -1 %s", call, where, reason(-result))
        if -result not in fine:
            raise KernelError(f"{where}: {reason(-result)}", -result)
    return result


def _bpf(command: Cmd, attr: ctypes.Structure, where: str, *fine: int) -> int:
    result = _syscall(_numbers().bpf, command, ctypes.addressof(attr), ctypes.sizeof(attr))
    return _check(result, command.name, where, *fine)


def _open(call: str, where: str, fine: int, number: int, *arguments: int) -> Fd | None:
    """Make a system call that returns a new descriptor; None if its errno is ``fine``.

    An exception that a signal handler raises when the call returns (KeyboardInterrupt) does not lose the descriptor: it
    is in ``results`` by then, where ctypes puts it before Python runs on.
    """
    results: list[int] = []
    function = _libc()["syscall"]  # one of our own: others have another place for their results
    function.argtypes, function.restype = [ctypes.c_long] * 7, results.append
    six = arguments + (0,) * (6 - len(arguments))
    try:
        function(number, *six)
        while results[-1] < 0 and ctypes.get_errno() == errno.EINTR:
            function(number, *six)
        result = _check(results[-1] if results[-1] >= 0 else -ctypes.get_errno(), call, where, fine)
        return _own(result) if result >= 0 else None
    except BaseException:
        for descriptor in results:
            if descriptor >= 0:
                with suppress(OSError):  # _own has closed it
                    os.close(descriptor)
        raise


def _opened(call: str, where: str, number: int, *arguments: int) -> Fd:
    fd = _open(call, where, 0, number, *arguments)
    assert fd  # no errno is fine
    return fd


def _bpf_opened(command: Cmd, attr: ctypes.Structure, where: str) -> Fd:
    fd = _bpf_open(command, attr, where, 0)
    assert fd  # as above
    return fd


def _bpf_open(command: Cmd, attr: ctypes.Structure, where: str, fine: int = errno.ENOENT) -> Fd | None:
    return _open(command.name, where, fine, _numbers().bpf, command, ctypes.addressof(attr), ctypes.sizeof(attr))


def _own(number: int) -> Fd:
    """Take a new descriptor; never 0, 1 or 2: 0 means "none" in many a struct, and all three are other people's."""
    import fcntl  # noqa: PLC0415 - only on Unix

    if number > 2:
        return Fd(number)
    try:
        return Fd(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3))
    finally:
        os.close(number)


def map_create(attr: uapi.MapCreate, where: str) -> Fd:
    """BPF_MAP_CREATE."""
    return _bpf_opened(Cmd.MAP_CREATE, attr, where)


def map_lookup_elem(attr: uapi.MapElem, where: str) -> bool:
    """BPF_MAP_LOOKUP_ELEM: fill in the value; tell whether there is one."""
    return _bpf(Cmd.MAP_LOOKUP_ELEM, attr, where, errno.ENOENT) == 0


def map_update_elem(attr: uapi.MapElem, where: str) -> None:
    """BPF_MAP_UPDATE_ELEM."""
    _bpf(Cmd.MAP_UPDATE_ELEM, attr, where)


def map_delete_elem(attr: uapi.MapElem, where: str) -> bool:
    """BPF_MAP_DELETE_ELEM: tell whether there was one."""
    return _bpf(Cmd.MAP_DELETE_ELEM, attr, where, errno.ENOENT) == 0


def map_get_next_key(attr: uapi.MapElem, where: str) -> bool:
    """BPF_MAP_GET_NEXT_KEY: fill in the key after ``key`` (0: the first); tell whether there is one."""
    return _bpf(Cmd.MAP_GET_NEXT_KEY, attr, where, errno.ENOENT) == 0


def map_lookup_batch(attr: uapi.MapBatch, where: str) -> bool:
    """BPF_MAP_LOOKUP_BATCH: fill in up to ``count`` entries; tell whether there may be more."""
    return _bpf(Cmd.MAP_LOOKUP_BATCH, attr, where, errno.ENOENT) == 0


def map_freeze(attr: uapi.MapElem, where: str) -> None:
    """BPF_MAP_FREEZE: no writes from user space any more."""
    _bpf(Cmd.MAP_FREEZE, attr, where)


def prog_load(attr: uapi.ProgLoad, where: str) -> Fd:
    """BPF_PROG_LOAD."""
    return _bpf_opened(Cmd.PROG_LOAD, attr, where)


def prog_test_run(attr: uapi.ProgTestRun, where: str) -> None:
    """BPF_PROG_TEST_RUN."""
    _bpf(Cmd.PROG_TEST_RUN, attr, where)


def prog_attach(attr: uapi.ProgAttach, where: str) -> None:
    """BPF_PROG_ATTACH."""
    _bpf(Cmd.PROG_ATTACH, attr, where)


def prog_detach(attr: uapi.ProgAttach, where: str) -> None:
    """BPF_PROG_DETACH; what is not attached there is no error."""
    _bpf(Cmd.PROG_DETACH, attr, where, errno.ENOENT)


def prog_get_fd_by_id(attr: uapi.GetId, where: str) -> Fd | None:
    """BPF_PROG_GET_FD_BY_ID; None for one that is gone."""
    return _bpf_open(Cmd.PROG_GET_FD_BY_ID, attr, where)


def raw_tracepoint_open(attr: uapi.RawTracepointOpen, where: str) -> Fd:
    """BPF_RAW_TRACEPOINT_OPEN."""
    return _bpf_opened(Cmd.RAW_TRACEPOINT_OPEN, attr, where)


def btf_get_next_id(attr: uapi.GetId, where: str) -> bool:
    """BPF_BTF_GET_NEXT_ID: fill in the id after ``id``; tell whether there is one."""
    return _bpf(Cmd.BTF_GET_NEXT_ID, attr, where, errno.ENOENT) == 0


def btf_get_fd_by_id(attr: uapi.GetId, where: str) -> Fd | None:
    """BPF_BTF_GET_FD_BY_ID; None for one that is gone."""
    return _bpf_open(Cmd.BTF_GET_FD_BY_ID, attr, where)


def obj_get_info_by_fd(attr: uapi.ObjInfo, where: str) -> None:
    """BPF_OBJ_GET_INFO_BY_FD."""
    _bpf(Cmd.OBJ_GET_INFO_BY_FD, attr, where)


def obj_pin(attr: uapi.ObjPin, where: str) -> None:
    """BPF_OBJ_PIN."""
    _bpf(Cmd.OBJ_PIN, attr, where)


def obj_get(attr: uapi.ObjPin, where: str) -> Fd | None:
    """BPF_OBJ_GET; None where nothing is pinned."""
    return _bpf_open(Cmd.OBJ_GET, attr, where)


def btf_load(attr: uapi.BtfLoad, where: str) -> Fd:
    """BPF_BTF_LOAD."""
    return _bpf_opened(Cmd.BTF_LOAD, attr, where)


def iter_create(attr: uapi.IterCreate, where: str) -> Fd:
    """BPF_ITER_CREATE."""
    return _bpf_opened(Cmd.ITER_CREATE, attr, where)


def link_create(attr: ctypes.Structure, where: str) -> Fd:
    """BPF_LINK_CREATE, in one of its shapes (``uapi.LinkCreate*``)."""
    return _bpf_opened(Cmd.LINK_CREATE, attr, where)


def perf_event_open(attr: uapi.PerfEventAttr, where: str, *, pid: int = -1, cpu: int = 0) -> Fd:
    """Make a perf event: ``pid`` -1 is every process; the event is its own group."""
    attr.size = ctypes.sizeof(attr)
    number, flags = _numbers().perf_event_open, uapi.PERF_FLAG_FD_CLOEXEC
    return _opened("perf_event_open", where, number, ctypes.addressof(attr), pid, cpu, -1, flags)


def perf_event_ioctl(event: Fd, request: int, argument: int, where: str) -> None:
    """PERF_EVENT_IOC_*."""
    import fcntl  # noqa: PLC0415 - only on Unix

    try:
        result = fcntl.ioctl(event.fileno(), request, argument)
    except OSError as error:
        result = -(error.errno or errno.EIO)
    _check(result, f"ioctl {request:#x}", where)


def map_memory(fd: Fd, address: int, length: int, where: str) -> int:
    """Map a descriptor's pages, shared, at ``address`` (0: anywhere); return where. Nothing is mapped over."""
    libc = _libc()
    libc.mmap.restype = ctypes.c_void_p
    protection = uapi.PROT_READ | uapi.PROT_WRITE
    flags = uapi.MAP_SHARED | (uapi.MAP_FIXED_NOREPLACE if address else 0)
    arguments = (ctypes.c_void_p(address), ctypes.c_size_t(length), protection, flags, fd.fileno(), ctypes.c_long(0))
    mapped = libc.mmap(*arguments) or 0
    _check(-ctypes.get_errno() if mapped == ctypes.c_void_p(-1).value else 0, "mmap", where)
    return int(mapped)


def unmap_memory(address: int, length: int) -> None:
    """Undo ``map_memory``."""
    _libc().munmap(ctypes.c_void_p(address), ctypes.c_size_t(length))


def mount_detached(kind: str, where: str, *, writable: bool = False) -> Fd:
    """Mount a file system of that kind nowhere (fsopen, fsconfig, fsmount): it goes with the Fd of its root.

    Raises KernelError; errno ENOSYS before v5.2, which has no such calls.
    """
    name = kind.encode() + b"\0"
    with _opened("fsopen", where, _numbers().fsopen, address(name), uapi.FSOPEN_CLOEXEC) as context:
        made = _syscall(_numbers().fsconfig, context.fileno(), uapi.FSCONFIG_CMD_CREATE)
        _check(made, "fsconfig", where)
        flags, attributes = uapi.FSMOUNT_CLOEXEC, 0 if writable else uapi.MOUNT_ATTR_RDONLY
        return _opened("fsmount", where, _numbers().fsmount, context.fileno(), flags, attributes)


def mount(kind: str, path: str, where: str) -> None:
    """Mount a file system of that kind at ``path``."""
    libc = _libc()
    name = kind.encode()
    result = libc.mount(name, os.fsencode(path), name, ctypes.c_ulong(0), None)
    _check(result if result >= 0 else -ctypes.get_errno(), "mount", where)


def setns(namespace: Fd, kind: int, where: str) -> None:
    """Move this thread into a namespace of that ``kind`` (CLONE_NEW*)."""
    result = _libc().setns(namespace.fileno(), kind)
    _check(result if result >= 0 else -ctypes.get_errno(), "setns", where)


def pidfd_open(pid: int, where: str) -> Fd:
    """Open a process (since v5.3)."""
    return _opened("pidfd_open", where, _numbers().pidfd_open, pid)


def pidfd_getfd(process: Fd, number: int, where: str) -> Fd:
    """Take a copy of a process's descriptor (since v5.6)."""
    return _opened("pidfd_getfd", where, _numbers().pidfd_getfd, process.fileno(), number)
