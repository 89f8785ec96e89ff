"""Network namespaces: open, recognise, and stand in one for a while."""

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

NAMES: Final = Path("/run/netns")  # where ip-netns(8) keeps those that have a name

_OURS: Final = Path("/proc/thread-self/ns/net")


def path(name: str) -> Path:
    """Return the file of a namespace: a name of ``NAMES``, a path (with a slash), a pid; "" is this thread's."""
    if not name:
        return _OURS
    if "/" in name:
        return Path(name)
    return Path(f"/proc/{name}/ns/net") if name.isdigit() else NAMES / name


def open_namespace(name: str) -> Fd:
    """Open a namespace, see ``path``; the caller owns it, and it lives as long. Raises KernelError with advice."""
    where = f"network namespace '{safe(name)}'"
    try:
        return Fd(os.open(path(name), os.O_RDONLY | os.O_CLOEXEC))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        number = getattr(error, "errno", None) or errno.ENOENT
        from beepy.kernel import privilege  # noqa: PLC0415 - only on the way to an error

        failed = privilege.named(KernelError.of(where, number), "CAP_SYS_PTRACE")
        names = sorted(found.name for found in NAMES.iterdir()) if NAMES.is_dir() else []
        failed.add_note(f"namespaces with a name: {safe(', '.join(names)) or 'none'}; a path or a pid is one, too")
        raise failed from None


def identity(namespace: Fd) -> str:
    """Return what tells a namespace from all others that live: ``4:4026531840`` (device and inode)."""
    found = os.fstat(namespace.fileno())
    return f"{found.st_dev}:{found.st_ino}"


def find(known: str, hint: str) -> Fd | None:
    """Open the namespace of that identity: this thread's, the one at the path ``hint``, or that of any process.

    None if it is gone, or nobody is in it that can be seen.
    """
    for one in (_OURS, Path(hint), *Path("/proc").glob("[0-9]*/ns/net")):
        try:
            namespace = Fd(os.open(one, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            continue
        if identity(namespace) == known:
            return namespace
        namespace.close()
    return None


@contextmanager
def entered(namespace: Fd) -> Iterator[None]:
    """Let this thread stand in ``namespace``, and then where it was. Raises KernelError."""
    with open_namespace("") as ours:
        if identity(ours) == identity(namespace):  # needs no privilege so
            yield
            return
        try:
            syscall.setns(namespace, uapi.CLONE_NEWNET, "network namespace")
        except KernelError as error:
            from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

            raise privilege.named(error, "CAP_SYS_ADMIN") from None
        try:
            yield
        finally:
            syscall.setns(ours, uapi.CLONE_NEWNET, "network namespace: going back")
