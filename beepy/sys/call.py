"""How a system call is made: by libc, repeated after EINTR, logged, its errno an exception.

The descriptors that calls return get an owner at once.
"""

import ctypes
import errno
import os
from contextlib import suppress
from functools import cache

from beepy import uapi
from beepy.errors import KernelError, errno_text
from beepy.log import Log
from beepy.sys.fd import Fd

_log = Log("beepy.sys.syscall")  # the functions that are called


@cache
def libc() -> ctypes.CDLL:
    """Return the C library, whose functions keep errno for ``ctypes.get_errno``."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.argtypes = [ctypes.c_long] * 7
    library.syscall.restype = ctypes.c_long
    return library


@cache
def numbers() -> uapi.SyscallNumbers:
    """Return the numbers of this machine's system calls. Raises KernelError if none are known."""
    machine = os.uname().machine
    try:
        return uapi.SYSCALL_NUMBERS[machine]
    except KeyError:
        raise KernelError(
            f"system calls: machine {machine}: not supported by beepy", errno.ENOSYS
        ) from None


def invoke(number: int, *arguments: int) -> int:
    """Return the result of a system call, or its negated errno."""
    function = libc().syscall
    padded = arguments + (0,) * (6 - len(arguments))  # always six: the prototype has no varargs
    while True:
        result: int = function(number, *padded)
        if result >= 0:
            return result
        error = ctypes.get_errno()
        if error != errno.EINTR:
            return -error


def check(result: int, call: str, where: str, *accepted: int) -> int:
    """Log a call. Raises KernelError for an errno that is not in ``accepted``."""
    if result >= 0:
        _log.debug("%s: %s = %d", call, where, result)
    else:
        _log.debug("%s: %s = -1 %s", call, where, errno_text(-result))
        if -result not in accepted:
            raise KernelError.of(where, -result)
    return result


def open_fd(call: str, where: str, accepted: int, number: int, *arguments: int) -> Fd | None:
    """Make a system call that returns a new descriptor; return None if its errno is ``accepted``.

    An exception that a signal handler raises as the call returns (KeyboardInterrupt) does not lose
    the descriptor: ctypes has put it into ``results`` by then, before Python runs on.
    """
    results: list[int] = []
    function = libc()["syscall"]  # not the cached one: each call has its own place for the result
    function.argtypes, function.restype = [ctypes.c_long] * 7, results.append
    six = arguments + (0,) * (6 - len(arguments))
    try:
        function(number, *six)
        while results[-1] < 0 and ctypes.get_errno() == errno.EINTR:
            function(number, *six)
        result = results[-1] if results[-1] >= 0 else -ctypes.get_errno()
        result = check(result, call, where, accepted)
        return take_fd(result) if result >= 0 else None
    except BaseException:
        for descriptor in results:
            if descriptor >= 0:
                with suppress(OSError):  # take_fd may have closed it
                    os.close(descriptor)
        raise


def open_new(call: str, where: str, number: int, *arguments: int) -> Fd:
    """Make a system call that returns a new descriptor. Raises KernelError."""
    fd = open_fd(call, where, 0, number, *arguments)
    assert fd, "no errno is accepted"
    return fd


def take_fd(number: int) -> Fd:
    """Return the owner of a new descriptor, moved above 2 if it is 0, 1 or 2.

    0 means "none" in many structs, and all three are the standard streams, even where one is
    closed.
    """
    import fcntl  # noqa: PLC0415 - only on Unix

    if number > 2:
        return Fd(number)
    try:
        return Fd(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3))
    finally:
        os.close(number)
