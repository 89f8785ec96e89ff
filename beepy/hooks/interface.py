"""Network namespaces and interfaces that targets name."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from beepy.errors import AttachError, KernelError
from beepy.hooks.target import Target
from beepy.kernel import netns
from beepy.kernel.program import Program
from beepy.sys.fd import Fd
from beepy.text import safe


class Interface(NamedTuple):
    """An interface; ``ifindex`` is valid in ``namespace`` only."""

    name: str
    ifindex: int
    namespace: Fd


@contextmanager
def enter_netns(program: Program, name: str) -> Iterator[Fd]:
    """Run the block in the network namespace ``name`` ("": our own) and yield its descriptor.

    The descriptor is closed at the end. Raises AttachError.
    """
    try:
        namespace = netns.open_namespace(name)
    except KernelError as error:
        raise AttachError.wrap(error, f"program '{safe(program.name)}'") from error
    with namespace, netns.entered(namespace):
        yield namespace


@contextmanager
def enter_netns_of_interface(
    program: Program, target: Target, name: str = ""
) -> Iterator[Interface]:
    """Run the block in the target's network namespace and yield an interface of it.

    ``name`` is the interface, "": the target's ``iface``. The descriptor of the namespace is closed
    at the end. Raises AttachError with a note that lists the interfaces.
    """
    where = f"program '{safe(program.name)}'"
    name = name or target.iface
    with enter_netns(program, target.netns) as namespace:
        import socket  # noqa: PLC0415 - only what attaches to an interface needs it

        if not name:
            error = AttachError(f"{where}: {safe(program.section)}: no interface is given")
            advice = f"--iface NAME or --attach {safe(program.name)}=NAME"
            error.add_note(f"{advice}; {_interfaces(target)}")
            raise error
        try:
            ifindex = socket.if_nametoindex(name)
        except (OSError, ValueError) as why:  # ValueError: a NUL in the name
            number = getattr(why, "errno", None) or errno.ENODEV
            error = AttachError(f"{where}: interface '{safe(name)}': no such interface", number)
            error.add_note(_interfaces(target))
            raise error from None
        yield Interface(name, ifindex, namespace)


def _interfaces(target: Target) -> str:
    """Return the interfaces of this thread's network namespace for a note."""
    import socket  # noqa: PLC0415 - as above

    suffix = f" in network namespace '{safe(target.netns)}'" if target.netns else ""
    return f"interfaces{suffix}: {', '.join(safe(name) for _, name in socket.if_nameindex())}"
