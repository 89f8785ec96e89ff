"""Network interfaces of this network namespace, and the programs attached to them.

A link knows the index of its interface, and not in which namespace. The name is shown where the
program is found at that interface of this namespace.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.hooks import netlink
from beepy.kernel import objects
from beepy.uapi import AttachType, LinkType, ProgType
from beepy.uapi_objects import LinkInfo

_BY_NETLINK: Final = frozenset({ProgType.XDP, ProgType.SCHED_CLS, ProgType.SCHED_ACT})
_LINKS: Final = {
    LinkType.TCX: (AttachType.TCX_INGRESS, AttachType.TCX_EGRESS),
    LinkType.NETKIT: (AttachType.NETKIT_PRIMARY, AttachType.NETKIT_PEER),
}


class Interfaces:
    """What is attached to interfaces; netlink is asked only if that can find something.

    ``links`` are all links, ``unlinked`` the programs without one.
    """

    def __init__(self, links: Sequence[LinkInfo], unlinked: Sequence[uapi.ProgInfo]) -> None:
        self._names: dict[tuple[int, int], str] = {}  # (interface, program) -> name
        self._attached: dict[int, list[str]] = {}
        is_asked = any(link.type == LinkType.XDP for link in links) or any(
            program.type in _BY_NETLINK for program in unlinked
        )
        with suppress(KernelError):  # without netlink the index is shown
            for point in netlink.programs("interfaces") if is_asked else ():
                self._names[point.ifindex, point.program] = point.interface
                text = f"{point.kind} {point.interface}"
                self._attached.setdefault(point.program, []).append(text)
        for link in links:
            if link.type in _LINKS:
                self._find(link.tcx.ifindex, link.prog_id, _LINKS[LinkType(link.type)])

    def _find(self, ifindex: int, program: int, attach_types: Sequence[AttachType]) -> None:
        for attach_type in attach_types:
            with suppress(KernelError, OSError):  # it may be an interface of another namespace
                if program in objects.attached_to(ifindex, attach_type):
                    self._names[ifindex, program] = socket.if_indextoname(ifindex)

    def name(self, ifindex: int, program: int) -> str:
        """Return the name of the interface to which a link attaches a program, or its index."""
        return self._names.get((ifindex, program)) or f"interface {ifindex}"

    def of(self, program: int) -> list[str]:
        """Return where a program is attached without a link."""
        return self._attached.get(program, [])
