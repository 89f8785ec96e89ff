"""Sockets that share a port: the program selects the socket for what arrives."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_ACCEPTCONN, SO_REUSEPORT, SOCK_DGRAM, SOL_SOCKET, socket
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError, worded
from beepy.hooks.persistent import attach_persistent
from beepy.hooks.target import Target
from beepy.kernel import program as programs
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.sys import syscall
from beepy.text import safe

KIND: Final = "sk_reuseport"
"""Kind of journal entries. Arguments: process id, port, program id."""


def attach(program: Program, target: Target) -> Link:
    """Attach to the sockets that share the port of --attach; the process of --pid has one of them.

    The sockets keep the program until it is detached or the last of them is closed. Raises
    AttachError.
    """
    where = f"program '{safe(program.name)}'"
    if target.pid is None or not target.name.isdecimal():
        why = f"{where}: {safe(program.section)}: needs --pid and a port"
        error = AttachError(worded(why))
        example = f"--pid PID --attach {safe(program.name)}=PORT"
        error.add_note(f"{example}, where PID has a socket with SO_REUSEPORT")
        raise error
    pid, port = target.pid, int(target.name)
    try:
        program_id = program.id()
        return attach_persistent(
            (KIND, str(pid), str(port), str(program_id)),
            lambda: _set(pid, port, uapi.SO_ATTACH_REUSEPORT_EBPF, program.fd.fileno()),
            lambda: cleanup(str(pid), str(port), str(program_id)),
            ("program", "sockets"),
        )
    except KernelError as error:
        raise AttachError.wrap(error, where) from error


def cleanup(pid: str, port: str, program_id: str) -> None:
    """Detach the program from the port's sockets if it still exists. Raises KernelError."""
    try:
        programs.open_by_id(int(program_id)).close()
        _set(int(pid), int(port), uapi.SO_DETACH_REUSEPORT_BPF, 0)
    except KernelError as error:
        if error.errno not in {errno.ENOENT, errno.ESRCH}:
            raise


def _set(pid: int, port: int, option: int, value: int) -> None:
    """Set a socket option for the port's sockets. Raises KernelError."""
    where = f"port {port} of process {pid}"
    with _socket_of_port(pid, port, where) as member:
        try:
            member.setsockopt(SOL_SOCKET, option, value)
        except OSError as error:
            raise KernelError.of(where, error) from None


@contextmanager
def _socket_of_port(pid: int, port: int, where: str) -> Iterator[socket]:
    """Yield a duplicate of one of the process's sockets that share the port.

    An option that is set on it applies to all sockets that share the port. Raises KernelError.
    """
    with syscall.pidfd_open(pid, where) as process:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if not str(link.readlink()).startswith("socket:"):
                    continue
                duplicate = syscall.pidfd_getfd(process, int(link.name), where)
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.EBADF}:  # closed meanwhile
                    continue
                raise
            with duplicate, socket(fileno=os.dup(duplicate.fileno())) as candidate:
                if _shares_port(candidate, port):
                    yield candidate
                    return
    raise KernelError(f"{where}: the process has no socket with SO_REUSEPORT there", errno.ENOENT)


def _shares_port(candidate: socket, port: int) -> bool:
    if candidate.family not in {AF_INET, AF_INET6} or candidate.getsockname()[1] != port:
        return False
    receives = candidate.type == SOCK_DGRAM or candidate.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)
    return bool(receives and candidate.getsockopt(SOL_SOCKET, SO_REUSEPORT))
