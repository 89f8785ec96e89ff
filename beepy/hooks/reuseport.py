"""Sockets that share a port: the program chooses which of them gets what arrives."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_ACCEPTCONN, SO_REUSEPORT, SOCK_DGRAM, SOL_SOCKET, socket
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks import lasting
from beepy.hooks.failure import failed
from beepy.hooks.target import Target
from beepy.kernel import program as programs
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.sys import syscall
from beepy.text import safe

KIND: Final = "sk_reuseport"
"""Of journal entries: the process's id, the port, the program's id."""


def attach(program: Program, target: Target) -> Link:
    """Attach to the sockets that share the port of --attach, one of which is the process's of --pid.

    They keep the program until it is detached, or the last of them is closed. Raises AttachError.
    """
    where = f"program '{safe(program.name)}': {safe(program.section)}"
    if target.pid is None or not target.name.isdecimal():
        error = AttachError(f"{where}: whose sockets, and of which port")
        error.add_note(f"--pid PID --attach {safe(program.name)}=PORT, of a socket with SO_REUSEPORT")
        raise error
    pid, port = target.pid, int(target.name)
    try:
        number = program.id()
        return lasting.keep(
            (KIND, str(pid), str(port), str(number)),
            lambda: _set(pid, port, uapi.SO_ATTACH_REUSEPORT_EBPF, program.fd.fileno()),
            lambda: undo(str(pid), str(port), str(number)),
        )
    except KernelError as error:
        raise failed(program, error) from error


def undo(pid: str, port: str, number: str) -> None:
    """Detach what is attached, if the program still is somewhere. Raises KernelError."""
    try:
        programs.by_id(int(number)).close()
        _set(int(pid), int(port), uapi.SO_DETACH_REUSEPORT_BPF, 0)
    except KernelError as error:
        if error.errno not in {errno.ENOENT, errno.ESRCH}:
            raise


def _set(pid: int, port: int, option: int, value: int) -> None:
    where = f"port {port} of process {pid}"
    with _member(pid, port, where) as one:
        try:
            one.setsockopt(SOL_SOCKET, option, value)
        except OSError as error:
            raise KernelError.of(where, error) from None


@contextmanager
def _member(pid: int, port: int, where: str) -> Iterator[socket]:
    """Give a copy of one of the process's sockets that share the port: what is set on it is set for all of them."""
    with syscall.pidfd_open(pid, where) as process:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if not str(link.readlink()).startswith("socket:"):
                    continue
                copy = syscall.pidfd_getfd(process, int(link.name), where)
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.EBADF}:  # closed meanwhile
                    continue
                raise
            with copy, socket(fileno=os.dup(copy.fileno())) as one:
                if _shares(one, port):
                    yield one
                    return
    raise KernelError(f"{where}: no socket there that shares it (SO_REUSEPORT)", errno.ENOENT)


def _shares(one: socket, port: int) -> bool:
    if one.family not in {AF_INET, AF_INET6} or one.getsockname()[1] != port:
        return False
    waits = one.type == SOCK_DGRAM or one.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)
    return bool(waits and one.getsockopt(SOL_SOCKET, SO_REUSEPORT))
