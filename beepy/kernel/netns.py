"""Network namespaces: open, identify and enter them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe

NAMES: Final = Path("/run/netns")  # the directory of ip-netns(8)

_OURS: Final = Path("/proc/thread-self/ns/net")


def path(name: str) -> Path:
    """Return the path of a network namespace.

    ``name`` is a name in ``NAMES``, a path (with a slash), a pid, or "" for that of this thread.
    """
    if not name:
        return _OURS
    if "/" in name:
        return Path(name)
    return Path(f"/proc/{name}/ns/net") if name.isdigit() else NAMES / name


def open_namespace(name: str) -> Fd:
    """Open a network namespace; the caller owns the Fd, which keeps the namespace alive.

    ``name`` is as in ``path``. Raises KernelError, with the names that exist as a note.
    """
    where = f"network namespace '{safe(name)}'"
    try:
        return Fd(os.open(path(name), os.O_RDONLY | os.O_CLOEXEC))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        number = getattr(error, "errno", None) or errno.ENOENT
        from beepy.kernel import privilege  # noqa: PLC0415 - only on the way to an error

        failed = privilege.with_capability(KernelError.of(where, number), "CAP_SYS_PTRACE")
        names = sorted(file.name for file in NAMES.iterdir()) if NAMES.is_dir() else []
        failed.add_note(
            f"known names: {safe(', '.join(names)) or 'none'}; a path or a pid is accepted, too"
        )
        raise failed from None


def identity(namespace: Fd) -> str:
    """Return the device and inode of a namespace, unique while it exists: ``4:4026531840``."""
    status = os.fstat(namespace.fileno())
    return f"{status.st_dev}:{status.st_ino}"


def find(known: str, hint: str) -> Fd | None:
    """Open the namespace with the identity ``known``; the caller owns it.

    It may be this thread's, that of the path ``hint``, or that of any process. Return None if it no
    longer exists, or none of these refers to it.
    """
    for file in (_OURS, Path(hint), *Path("/proc").glob("[0-9]*/ns/net")):
        try:
            namespace = Fd(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            continue
        if identity(namespace) == known:
            return namespace
        namespace.close()
    return None


@contextmanager
def entered(namespace: Fd) -> Iterator[None]:
    """Move this thread into ``namespace`` until the block ends. Raises KernelError."""
    with open_namespace("") as ours:
        if identity(ours) == identity(namespace):  # already there: setns would need CAP_SYS_ADMIN
            yield
            return
        try:
            syscall.setns(namespace, uapi.CLONE_NEWNET, "network namespace")
        except KernelError as error:
            from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

            raise privilege.with_capability(error, "CAP_SYS_ADMIN") from None
        try:
            yield
        finally:
            syscall.setns(ours, uapi.CLONE_NEWNET, "network namespace: going back")
