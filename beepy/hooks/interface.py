"""Network interfaces, each looked up in the namespace that the target names."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from beepy.errors import AttachError, KernelError
from beepy.hooks.failure import failed
from beepy.hooks.target import Target
from beepy.kernel import netns
from beepy.kernel.program import Program
from beepy.sys.fd import Fd
from beepy.text import safe


class Interface(NamedTuple):
    """An interface: its ``ifindex`` means something in ``namespace`` alone."""

    name: str
    ifindex: int
    namespace: Fd


@contextmanager
def namespace(program: Program, name: str) -> Iterator[Fd]:
    """Stand in the network namespace ``name`` ("": our own), which is closed at the end. Raises AttachError."""
    try:
        found = netns.open_namespace(name)
    except KernelError as error:
        raise failed(program, error) from error
    with found, netns.entered(found):
        yield found


@contextmanager
def interface(program: Program, target: Target, name: str = "") -> Iterator[Interface]:
    """Stand in the target's network namespace and give the interface ``name``, else the target's ``iface``.

    The descriptor of the namespace is closed at the end. Raises AttachError; its note lists the interfaces there are.
    """
    where = f"program '{safe(program.name)}'"
    name = name or target.iface
    with namespace(program, target.netns) as entered:
        import socket  # noqa: PLC0415 - only what attaches to an interface needs it

        if not name:
            error = AttachError(f"{where}: {safe(program.section)}: no interface is given")
            error.add_note(f"--iface NAME or --attach {safe(program.name)}=NAME; {_there(target)}")
            raise error
        try:
            index = socket.if_nametoindex(name)
        except (OSError, ValueError) as why:  # ValueError: a NUL in the name
            number = getattr(why, "errno", None) or errno.ENODEV
            error = AttachError(f"{where}: interface '{safe(name)}': there is none of that name", number)
            error.add_note(_there(target))
            raise error from None
        yield Interface(name, index, entered)


def _there(target: Target) -> str:
    import socket  # noqa: PLC0415 - as above

    within = f" in network namespace '{safe(target.netns)}'" if target.netns else ""
    return f"interfaces{within}: {', '.join(safe(name) for _, name in socket.if_nameindex())}"
