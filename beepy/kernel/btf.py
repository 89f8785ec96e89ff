"""BTF in the kernel: load an object's types, read those of the kernel and its modules."""

import ctypes
import errno
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, cast

from beepy import uapi
from beepy.btf.btf import Btf
from beepy.errors import KernelError
from beepy.host import sysfs
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe

_DIRECTORY: Final = Path("/sys/kernel/btf")
_VMLINUX: Final = "vmlinux"
_LOG_SIZE: Final = 1 << 16


def load(data: bytes) -> Fd:
    """Load the types of an object into the kernel (BPF_BTF_LOAD); the caller owns the Fd.

    Raises KernelError, with the last line of the kernel's log if it wrote one.
    """
    where = "btf: load"
    attr = uapi.BtfLoad(btf=syscall.ptr(data), btf_size=len(data))
    try:
        return syscall.btf_load(attr, where)
    except KernelError as error:
        from beepy.kernel import memlock  # noqa: PLC0415 - only where the kernel refuses

        if error.errno == errno.EPERM and memlock.raise_limit():
            return syscall.btf_load(attr, where)
    buffer = ctypes.create_string_buffer(_LOG_SIZE)
    attr.btf_log_buf, attr.btf_log_size, attr.btf_log_level = ctypes.addressof(buffer), _LOG_SIZE, 1
    try:
        return syscall.btf_load(attr, where)
    except KernelError as error:
        log = buffer.value.decode("utf-8", "backslashreplace")
        lines = [line.strip() for line in log.split("\n") if line.strip()]
        if not lines:
            raise
        raise KernelError(f"{error}: {safe(lines[-1])}", error.errno or 0) from None


@cache
def vmlinux() -> Btf:
    """Return the running kernel's types, one value for the whole process.

    If the kernel was built without them (CONFIG_DEBUG_INFO_BTF), or a container replaces them by an
    empty file, they are read from its vmlinux. Raises NotSupported if that has none either.
    """
    path = _DIRECTORY / _VMLINUX
    why = "this kernel has none (CONFIG_DEBUG_INFO_BTF)"
    try:
        data = sysfs.contents(path)
        if data:
            # bytes or mmap: Btf only slices, searches and unpacks, which mmap can do too
            return Btf(cast("bytes", data), name=_VMLINUX)
        why = "the file is empty"
    except FileNotFoundError:
        pass
    except PermissionError as error:
        raise KernelError.of(f"kernel types: {path}", errno.EACCES) from error
    from beepy.host import btf_file  # noqa: PLC0415 - only for kernels without types of their own

    if types := btf_file.search():
        return types
    from beepy.features import Feature  # noqa: PLC0415 - only on the way to an error

    no_types = Feature.KERNEL_BTF.not_supported(f"kernel types: {path}: {why}", errno.ENOENT)
    no_types.add_note(btf_file.ADVICE)
    raise no_types


def modules() -> Iterator[Btf]:
    """Yield the types of each loaded module, read one by one; their base is ``vmlinux()``."""
    try:
        names = sorted([entry.name for entry in _DIRECTORY.iterdir() if entry.name != _VMLINUX])
    except FileNotFoundError:  # a kernel without types
        return
    for name in names:
        try:
            data = (_DIRECTORY / name).read_bytes()
        except FileNotFoundError:  # unloaded since
            continue
        yield Btf(data, vmlinux(), name)


def candidates() -> Iterator[Btf]:
    """Yield the BTFs in which to search a kernel type: vmlinux, then each loaded module."""
    yield vmlinux()
    yield from modules()


def module(name: str) -> Fd:
    """Return a descriptor of the BTF of a loaded module; the caller owns it.

    Raises KernelError: ENOENT if the module is not loaded, EPERM without CAP_SYS_ADMIN.
    """
    where = f"btf: module '{safe(name)}'"
    attr = uapi.GetId()
    while _next_id(attr, where):
        attr.id = attr.next_id
        fd = syscall.btf_get_fd_by_id(uapi.GetId(id=attr.id), where)
        if fd is None:
            continue
        if _name(fd, where) == name:
            return fd
        fd.close()
    raise KernelError(f"{where}: not loaded", errno.ENOENT)


@cache
def by_id(number: int) -> Btf:
    """Return the types of the BTF object with that id: the kernel's, a module's or a program's.

    Raises KernelError: ENOENT if it does not exist, EPERM without CAP_SYS_ADMIN.
    """
    where = f"btf: id {number}"
    fd = syscall.btf_get_fd_by_id(uapi.GetId(id=number), where)
    if fd is None:
        raise KernelError(f"{where}: not loaded", errno.ENOENT)
    with fd:
        name = _name(fd, where)
        if name == _VMLINUX:
            return vmlinux()
        return Btf(_data(fd, where), vmlinux() if name else None, name or where)


def _next_id(attr: uapi.GetId, where: str) -> bool:
    try:
        return syscall.btf_get_next_id(attr, where)
    except KernelError as error:
        from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

        raise privilege.with_capability(error, "CAP_SYS_ADMIN") from None


def of_program(program: Fd) -> Btf:
    """Return the types of a loaded program. Raises KernelError: ENOENT if it has none."""
    where = "btf: of a program"
    info = uapi.ProgInfo()
    attr = uapi.ObjInfo(
        bpf_fd=program.fileno(), info_len=ctypes.sizeof(info), info=ctypes.addressof(info)
    )
    syscall.obj_get_info_by_fd(attr, where)
    fd = syscall.btf_get_fd_by_id(uapi.GetId(id=info.btf_id), where) if info.btf_id else None
    if fd is None:
        raise KernelError(f"{where}: program {info.id} has no types", errno.ENOENT)
    with fd:
        return Btf(_data(fd, where), name=f"program {info.id}")


def _data(fd: Fd, where: str) -> bytes:
    # the first call returns the size, the second fills the buffer
    info = uapi.BtfInfo()
    attr = uapi.ObjInfo(
        bpf_fd=fd.fileno(), info_len=ctypes.sizeof(info), info=ctypes.addressof(info)
    )
    syscall.obj_get_info_by_fd(attr, where)
    buffer = ctypes.create_string_buffer(info.btf_size)
    info.btf = ctypes.addressof(buffer)
    syscall.obj_get_info_by_fd(attr, where)
    return buffer.raw


def _name(fd: Fd, where: str) -> str:
    """Return the name of a kernel or module BTF, "" for that of a program."""
    buffer = ctypes.create_string_buffer(64)
    info = uapi.BtfInfo(name=ctypes.addressof(buffer), name_len=len(buffer))
    attr = uapi.ObjInfo(
        bpf_fd=fd.fileno(), info_len=ctypes.sizeof(info), info=ctypes.addressof(info)
    )
    syscall.obj_get_info_by_fd(attr, where)
    return buffer.value.decode("utf-8", "backslashreplace") if info.kernel_btf else ""
