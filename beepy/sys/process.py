"""What this process may do: capabilities, no_new_privs, and system calls that are refused to it.

None of it can be undone, except that a capability which is still permitted can be effective again.
"""

import ctypes
import errno
import os
from collections.abc import Collection, Iterator
from typing import Final, TypeAlias

from beepy import uapi
from beepy.errors import KernelError
from beepy.sys import call, syscall
from beepy.uapi import Cmd

Capabilities: TypeAlias = tuple[int, int, int]
"""The effective, permitted and inheritable capabilities of a thread, a bit for each."""

_WHERE: Final = "privileges"
_HEADER: Final = uapi.CAP_HEADER.pack(uapi.LINUX_CAPABILITY_VERSION_3, 0)
_REFUSE: Final = uapi.SOCK_FILTER.pack(uapi.BPF_RET_K, 0, 0, uapi.SECCOMP_RET_ERRNO | errno.EPERM)
_ALLOW: Final = uapi.SOCK_FILTER.pack(uapi.BPF_RET_K, 0, 0, uapi.SECCOMP_RET_ALLOW)


def _check(result: int, name: str) -> None:
    call.check(result if result >= 0 else -ctypes.get_errno(), name, f"{_WHERE}: {name}")


def capabilities() -> Capabilities:
    """Return the capabilities of this thread."""
    header = ctypes.create_string_buffer(_HEADER)  # the kernel writes there if it lacks the version
    data = ctypes.create_string_buffer(2 * uapi.CAP_DATA.size)
    _check(call.libc().capget(header, data), "capget")
    low, high = uapi.CAP_DATA.iter_unpack(data.raw)
    return low[0] | high[0] << 32, low[1] | high[1] << 32, low[2] | high[2] << 32


def set_capabilities(new: Capabilities) -> None:
    """Set the capabilities of this thread; other threads keep theirs."""
    low = uapi.CAP_DATA.pack(*[bits & 0xFFFFFFFF for bits in new])
    high = uapi.CAP_DATA.pack(*[bits >> 32 for bits in new])
    _check(call.libc().capset(ctypes.create_string_buffer(_HEADER), low + high), "capset")


def other_threads() -> int:
    """Return how many threads this process has besides the calling one. Raises KernelError."""
    try:
        return len(os.listdir("/proc/self/task")) - 1  # noqa: PTH208 - only their number
    except OSError as error:
        raise KernelError.of(f"{_WHERE}: /proc/self/task", error) from None


def can_read(path: str) -> bool:
    """Return whether this thread may read a file or directory, True if it does not exist.

    False before v5.8, which has no such call for effective capabilities.
    """
    number, text = call.numbers().faccessat2, os.fsencode(path) + b"\0"
    result = call.invoke(number, uapi.AT_FDCWD, syscall.ptr(text), os.R_OK, uapi.AT_EACCESS)
    return -result in {0, errno.ENOENT, errno.ENOTDIR}


def refuse(commands: Collection[Cmd]) -> None:
    """Let these commands of bpf(2), and execve(2), fail with EPERM in all threads from now on.

    System calls of other architectures (of 32 bits) fail too. Sets no_new_privs, which this takes.
    Raises KernelError: EINVAL if the kernel has no such filters (CONFIG_SECCOMP_FILTER).
    """
    numbers = call.numbers()
    result = call.libc().prctl(uapi.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _check(result, "prctl PR_SET_NO_NEW_PRIVS")
    insns = b"".join(_filter(numbers, commands))
    program = uapi.SOCK_FPROG.pack(len(insns) // uapi.SOCK_FILTER.size, syscall.ptr(insns))
    # without SPEC_ALLOW (v4.17) older kernels slow down all speculation of the process
    flags = uapi.SECCOMP_FILTER_FLAG_TSYNC | uapi.SECCOMP_FILTER_FLAG_SPEC_ALLOW
    arguments = (uapi.SECCOMP_SET_MODE_FILTER, flags, syscall.ptr(program))
    result = call.invoke(numbers.seccomp, *arguments)
    call.check(result, "seccomp", f"{_WHERE}: seccomp")
    if result:
        raise KernelError(f"{_WHERE}: seccomp: thread {result} has another filter", errno.EBUSY)


def _filter(numbers: uapi.SyscallNumbers, commands: Collection[Cmd]) -> Iterator[bytes]:
    """Yield the instructions of the filter."""
    pack = uapi.SOCK_FILTER.pack
    yield pack(uapi.BPF_LD_W_ABS, 0, 0, uapi.SECCOMP_DATA_ARCH)
    yield pack(uapi.BPF_JEQ_K, 1, 0, numbers.audit_arch)
    yield _REFUSE
    yield pack(uapi.BPF_LD_W_ABS, 0, 0, uapi.SECCOMP_DATA_NR)
    yield from _refuse_if(uapi.BPF_JGE_K, uapi.X32_SYSCALL_BIT)
    yield from _refuse_if(uapi.BPF_JEQ_K, numbers.execve)
    yield from _refuse_if(uapi.BPF_JEQ_K, numbers.execveat)
    yield pack(uapi.BPF_JEQ_K, 1, 0, numbers.bpf)
    yield _ALLOW
    yield pack(uapi.BPF_LD_W_ABS, 0, 0, uapi.SECCOMP_DATA_ARGS)
    for command in commands:
        yield from _refuse_if(uapi.BPF_JEQ_K, command)
    yield _ALLOW


def _refuse_if(comparison: int, value: int) -> tuple[bytes, bytes]:
    return uapi.SOCK_FILTER.pack(comparison, 0, 1, value), _REFUSE
